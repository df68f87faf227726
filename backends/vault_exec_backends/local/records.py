"""What the store's file holds, row by row, and whether all that should be there is there, unchanged.

Three things are authenticated besides the values. The manifest of a service covers the current row of each
of its keys, deleted ones included, so that a row that vanishes, comes back or moves shows. Each current row
covers the key's past rows by a running digest. The catalogue covers the names of all services.

Texts are bytes here, as they are in the file, until they have been checked.
"""

from __future__ import annotations

from hashlib import sha256

from vault_exec.errors import DamagedStoreError
from vault_exec_backends.local.sealing import FORMAT, decode, digest, encode

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from sqlite3 import Connection

    from vault_exec_backends.local.sealing import Sealer


#: What a data key can be wrapped with: a key that is in the keyring, in a file or given from outside, or one
#: that is made of a passphrase.
KEYRING, FILE, ENVIRONMENT, PASSPHRASE = b"keyring", b"file", b"environment", b"passphrase"
SOURCES = (KEYRING, FILE, ENVIRONMENT, PASSPHRASE)


def damaged(path: str, what: str) -> DamagedStoreError:
    """The error that names the file and says what is wrong with it."""
    return DamagedStoreError(
        f"the store {path} is damaged: {what}",
        hint="something else than vault-exec has changed it: restore the file from a backup",
    )


def text(path: str, found: object) -> str:
    """A text of the file that is used before anything was checked. Raises DamagedStoreError."""
    if isinstance(found, bytes):
        try:
            return found.decode()
        except UnicodeDecodeError:
            pass
    raise damaged(path, "a name in it is not text")


class Header:
    """The one row that says what store this is, and holds its data key, wrapped.

    source: what it is wrapped with (`keys`). wrap_id: tells that key from those of earlier wrappings.
    salt, memory (KiB), passes, lanes: Argon2id's, empty and zero for anything but a passphrase.
    """

    __slots__ = ("lanes", "memory", "passes", "salt", "source", "store_id", "wrap_id", "wrapped")

    def __init__(
        self,
        store_id: bytes,
        source: bytes,
        wrap_id: bytes,
        salt: bytes,
        memory: int,
        passes: int,
        lanes: int,
        wrapped: bytes,
    ) -> None:
        self.store_id = store_id
        self.source = source
        self.wrap_id = wrap_id
        self.salt = salt
        self.memory = memory
        self.passes = passes
        self.lanes = lanes
        self.wrapped = wrapped

    def about(self) -> bytes:
        """The additional data of the wrapped key: all the header, after the store's id."""
        return encode(b"header", self.source, self.wrap_id, self.salt, self.memory, self.passes, self.lanes)

    def identity(self) -> bytes:
        """What changes when, and only when, the data key or its wrapping does."""
        return encode(self.store_id, self.about(), self.wrapped)

    def key_name(self) -> str:
        """What the key of this wrapping is called where it is kept."""
        return self.store_id.hex() + ("-" + self.wrap_id.hex() if self.wrap_id else "")


class Row:
    """One event of a key: a version that was written, or (`deleted`) the end of the key at that version.

    created: microseconds since 1970 in UTC. sealed: the value; empty for a deletion, and for a version that
    a deletion ended. past, tags: of a key's current row only; the digest of its past rows, and its tags,
    sealed.
    """

    __slots__ = ("created", "created_by", "deleted", "key", "past", "sealed", "tags", "version")

    def __init__(
        self,
        key: bytes,
        version: int,
        deleted: int,
        created: int,
        created_by: bytes,
        sealed: bytes,
        past: bytes = b"",
        tags: bytes = b"",
    ) -> None:
        self.key = key
        self.version = version
        self.deleted = deleted
        self.created = created
        self.created_by = created_by
        self.sealed = sealed
        self.past = past
        self.tags = tags

    def encoded(self) -> bytes:
        """All of the row, as `encode` has it. Raises TypeError for a row that no store can have."""
        # In one step: this is half of what a service of many keys costs.
        return b"%d:%b,%x;%x;%x;%d:%b,%d:%b,%d:%b,%d:%b," % (
            len(self.key),
            self.key,
            self.version,
            self.deleted,
            self.created,
            len(self.created_by),
            self.created_by,
            len(self.sealed),
            self.sealed,
            len(self.past),
            self.past,
            len(self.tags),
            self.tags,
        )

    def ended(self, *, gone: bool = False) -> Row:
        """This row as one of the key's past; `gone`: without its value."""
        sealed = b"" if gone else self.sealed
        return Row(self.key, self.version, self.deleted, self.created, self.created_by, sealed)


class Service:
    """A service as it stands in the file: its manifest, and the current row of each of its keys.

    generation: counts the writes. live: how many keys are not deleted. manifest: None for a service that is
    not in the file. rows: by key, sorted.
    """

    __slots__ = ("_value", "generation", "live", "manifest", "name", "path", "rows")

    def __init__(self, path: str, name: str, rows: dict[bytes, Row]) -> None:
        self.path = path
        self.name = name
        self.rows = rows
        self.generation = 0
        self.live = 0
        self.manifest: bytes | None = None
        self._value = encode(b"value", name.encode())

    def check(self, sealer: Sealer) -> None:
        """Raise DamagedStoreError unless these are the rows that the last write left."""
        if self.manifest is None:
            if self.rows:
                raise self._damaged("its manifest is gone")
            return
        try:
            about = self.about()
            found = self.digest()
        except TypeError:
            raise self._damaged("a row of it cannot be") from None
        expected = sealer.open(self.manifest, about)
        if expected is None:
            raise self._damaged("its manifest was changed")
        if expected != found:
            raise self._damaged("rows of it were removed, put back or changed")

    def check_pasts(self, pasts: Mapping[bytes, Sequence[Row]], key: str | None = None) -> None:
        """Raise DamagedStoreError unless these are the pasts of all keys, or of the one, of the (checked)
        service."""
        keys = {*self.rows, *pasts} if key is None else {key.encode()}
        for name in keys:
            current = self.rows.get(name)
            try:
                found = chain(b"", pasts.get(name, ()))
            except TypeError:
                raise self._damaged("a row of its history cannot be") from None
            if found != (current.past if current else b""):
                raise self._damaged("rows of its history were removed, put back or changed")

    def living(self) -> Iterator[Row]:
        """The current rows of the keys that are not deleted."""
        return (row for row in self.rows.values() if not row.deleted)

    def living_keys(self) -> list[str]:
        """The keys that are not deleted; also for a service that was not checked."""
        return [text(self.path, row.key) for row in self.living()]

    def row(self, key: str) -> Row | None:
        """The current row of the key, which may be its deletion."""
        return self.rows.get(key.encode())

    def value(self, sealer: Sealer, row: Row) -> bytes:
        """The value of a row that has one. Raises DamagedStoreError."""
        value = sealer.open(row.sealed, self._about_value(row))
        if value is None:
            raise self._damaged(f"version {row.version} of {row.key.decode()} does not open")
        return value

    def seal_value(self, sealer: Sealer, row: Row, value: bytes) -> None:
        """Put the value into the row, whose other columns are final."""
        row.sealed = sealer.seal(value, self._about_value(row))

    def tags(self, sealer: Sealer, row: Row) -> dict[str, str]:
        """The tags of a current row, in the order they were given. Raises DamagedStoreError."""
        if not row.tags:
            return {}
        tags = sealer.open(row.tags, self._about_tags(row))
        if tags is None:
            raise self._damaged(f"the tags of {row.key.decode()} do not open")
        texts = iter(decode(tags))
        return {name.decode(): text.decode() for name, text in zip(texts, texts, strict=True)}

    def seal_tags(self, sealer: Sealer, row: Row, tags: Mapping[str, str]) -> None:
        """Put the tags into a current row."""
        texts = [text.encode() for pair in tags.items() for text in pair]
        row.tags = sealer.seal(encode(*texts), self._about_tags(row)) if tags else b""

    def digest(self) -> bytes:
        """What the manifest seals. Raises TypeError for rows that no store can have."""
        return digest(row.encoded() for row in self.rows.values())

    def about(self) -> bytes:
        """The additional data of the manifest."""
        return encode(b"manifest", self.name.encode(), self.generation, self.live)

    def _about_value(self, row: Row) -> bytes:
        return self._value + b"%d:%b,%x;%x;%d:%b," % (
            len(row.key),
            row.key,
            row.version,
            row.created,
            len(row.created_by),
            row.created_by,
        )

    def _about_tags(self, row: Row) -> bytes:
        return encode(b"tags", self.name.encode(), row.key)

    def _damaged(self, what: str) -> DamagedStoreError:
        return damaged(self.path, f"service {self.name}: {what}")


def chain(past: bytes, rows: Iterable[Row]) -> bytes:
    """The digest of a past after these rows were added to it; that of no past is empty."""
    for row in rows:
        past = sha256(past + row.encoded()).digest()
    return past


class Catalogue:
    """The names of all services that were ever written to, sorted, and what is sealed of them."""

    __slots__ = ("count", "names", "path", "sealed")

    def __init__(self, path: str, names: list[bytes], count: int, sealed: bytes) -> None:
        self.path = path
        self.names = names
        self.count = count
        self.sealed = sealed

    def check(self, sealer: Sealer, without: str | None = None) -> None:
        """Raise DamagedStoreError unless these are all, and `without`, looked for in vain, is not of them."""
        try:
            about = encode(b"catalogue", self.count)
            found = digest(encode(name) for name in self.names)
        except TypeError:
            raise damaged(self.path, "its catalogue of services cannot be") from None
        if sealer.open(self.sealed, about) != found or (
            without is not None and without.encode() in self.names
        ):
            raise damaged(self.path, "services were removed from it, put back or added")


_ROW = "key, version, deleted, created, created_by, sealed"


class Records:
    """The file's rows, read and written in one transaction. What is read is not checked yet."""

    __slots__ = ("_connection", "path")

    def __init__(self, connection: Connection, path: str) -> None:
        self._connection = connection
        self.path = path

    # -- the header -------------------------------------------------------------------------------------

    def header(self) -> Header:
        """The header. Raises DamagedStoreError where it is not one that this program could have written."""
        found = self._connection.execute(
            "SELECT format, store_id, source, wrap_id, salt, memory, passes, lanes, wrapped FROM header"
        ).fetchone()
        if found is None:
            raise damaged(self.path, "its header is gone")
        if found[0] != FORMAT:
            raise DamagedStoreError(
                f"the store {self.path} has format {found[0]!r}, and this program knows only format {FORMAT}",
                hint="a later vault-exec may have made it: upgrade this one",
            )
        header = Header(*found[1:])
        blobs = (header.store_id, header.source, header.wrap_id, header.salt, header.wrapped)
        numbers = (header.memory, header.passes, header.lanes)
        if (
            header.source not in SOURCES
            or not all(isinstance(blob, bytes) for blob in blobs)
            or not all(isinstance(number, int) for number in numbers)
        ):
            raise damaged(self.path, "its header cannot be")
        return header

    def save_header(self, header: Header) -> None:
        """Store the header in the place of the one that is there."""
        self._connection.execute(
            "INSERT OR REPLACE INTO header VALUES (1, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                FORMAT,
                header.store_id,
                header.source.decode(),
                header.wrap_id,
                header.salt,
                header.memory,
                header.passes,
                header.lanes,
                header.wrapped,
            ),
        )

    # -- services and the current rows of their keys ----------------------------------------------------

    def service(self, name: str) -> Service:
        """The service; without a manifest where it is not there."""
        found = self._connection.execute(
            "SELECT generation, live, manifest FROM services WHERE name = ?", (name,)
        ).fetchone()
        rows = self._connection.execute(
            f"SELECT {_ROW}, past, tags FROM secrets WHERE service = ? ORDER BY key",  # noqa: S608
            (name,),
        )
        service = Service(self.path, name, {row[0]: Row(*row) for row in rows})
        if found:
            service.generation, service.live, manifest = found
            service.manifest = manifest or b""  # a null, which only damage can make, is not absence
        return service

    def save_service(self, sealer: Sealer, service: Service, changed: Iterable[Row]) -> None:
        """Store these rows of the (checked) service, which replace or join the others, and its manifest."""
        rows = {**service.rows}
        for row in changed:
            rows[row.key] = row
            self._save("secrets", 9, service, row, row.past, row.tags)
        service.rows = {key: rows[key] for key in sorted(rows)}
        if service.manifest is None:
            self.save_catalogue(sealer, [*self.catalogue().names, service.name.encode()])
        service.generation += 1
        service.live = sum(not row.deleted for row in rows.values())
        service.manifest = sealer.seal(service.digest(), service.about())
        self._connection.execute(
            "INSERT OR REPLACE INTO services VALUES (?, ?, ?, ?)",
            (service.name, service.generation, service.live, service.manifest),
        )

    def _save(self, table: str, columns: int, service: Service, row: Row, *more: bytes) -> None:
        self._connection.execute(
            f"INSERT OR REPLACE INTO {table} VALUES ({', '.join('?' * columns)})",  # noqa: S608
            (
                service.name,
                row.key.decode(),
                row.version,
                row.deleted,
                row.created,
                row.created_by.decode(),
                row.sealed,
                *more,
            ),
        )

    # -- the past of keys -------------------------------------------------------------------------------

    def pasts(self, service: Service, key: str | None = None) -> dict[bytes, list[Row]]:
        """The past rows of all keys of the service, or of the one, by key, oldest first."""
        which = "" if key is None else " AND key = ?"
        rows = self._connection.execute(
            f"SELECT {_ROW} FROM history WHERE service = ?{which} ORDER BY key, version, deleted",  # noqa: S608
            (service.name,) if key is None else (service.name, key),
        )
        pasts: dict[bytes, list[Row]] = {}
        for row in rows:
            pasts.setdefault(row[0], []).append(Row(*row))
        return pasts

    def save_past(self, service: Service, row: Row) -> None:
        """Store a row of a key's past, in the place of the one that is there."""
        self._save("history", 7, service, row)

    # -- the catalogue ----------------------------------------------------------------------------------

    def check_no_strays(self) -> None:
        """Raise DamagedStoreError for rows of a service that the catalogue does not have."""
        for table in ("secrets", "history"):
            stray = self._connection.execute(
                f"SELECT 1 FROM {table} WHERE service NOT IN (SELECT name FROM services)"  # noqa: S608
            )
            if stray.fetchone():
                raise damaged(self.path, "it has rows of a service that it has not")

    def catalogue(self) -> Catalogue:
        """The catalogue of services."""
        rows = self._connection.execute("SELECT name FROM services ORDER BY name")
        names = [text(self.path, name).encode() for (name,) in rows]
        found = self._connection.execute("SELECT services, sealed FROM catalogue").fetchone()
        return Catalogue(self.path, names, *(found or (0, b"")))

    def save_catalogue(self, sealer: Sealer, names: Iterable[bytes]) -> None:
        """Store what is sealed of these names."""
        names = sorted(names)
        sealed = sealer.seal(digest(encode(name) for name in names), encode(b"catalogue", len(names)))
        self._connection.execute("INSERT OR REPLACE INTO catalogue VALUES (1, ?, ?)", (len(names), sealed))
