"""The local store's calls. The file is database's, its rows are records', its keys keys'."""

from __future__ import annotations

import os
from time import monotonic, time_ns

from vault_exec.errors import (
    ConfigError,
    ConflictError,
    NotFoundError,
    SecretNotFound,
    ServiceNotFound,
    UnsupportedError,
    UsageError,
    VaultExecError,
    WrongKeyError,
)
from vault_exec.model import Secret, SecretId, Version
from vault_exec.store import Features, Store, _silent
from vault_exec_backends.local.database import Database
from vault_exec_backends.local.keys import Keys
from vault_exec_backends.local.records import Row, chain
from vault_exec_backends.local.sealing import KEY_BYTES, Sealer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from datetime import datetime
    from typing import TypeVar

    from vault_exec.store import Context
    from vault_exec_backends.local.keys import Plan
    from vault_exec_backends.local.records import Catalogue, Header, Records, Service

    T = TypeVar("T")

#: The longest value, 1 MiB. An environment variable holds an eighth of that (Linux, pages of 4 KiB).
MAX_VALUE_BYTES = 1024 * 1024

STORE_ID_BYTES = 16
WRAP_ID_BYTES = 4


class _KeyChanged(Exception):  # noqa: N818 - a step of `_change`
    """The store was made, or its key changed, between looking for the key and taking the lock."""


class LocalStore(Store):
    """One encrypted SQLite file, at `$VAULT_EXEC_STORE`, else under `$XDG_DATA_HOME` or `~/.local/share`.

    Every call is one transaction, `write_many` and `delete_many` too: a writer killed at any point leaves all
    of it or nothing. History is kept whole until the key is deleted; then the values of its versions are
    gone, and who wrote and deleted them, and when, stays. No call returns anything of a service before it has
    checked that no row of it was removed, put back, moved or changed. The calls that tell only names
    (`services`, `secrets`) check it too, unless somebody would have to type a passphrase for that.
    """

    __slots__ = ("_context", "_database", "_identity", "_keys", "_sealer", "_user")

    name = "local"
    features = Features(
        writable=True,
        history=True,
        deletions=True,
        tags=True,
        empty_values=True,
        compare_and_swap=True,
        own_key=True,
        max_value_bytes=MAX_VALUE_BYTES,
    )

    def __init__(self, context: Context) -> None:
        self._context = context
        self._database = Database(store_path(context.environ), context.settings.timeout, context.trace)
        self._keys = Keys(context, self._database.path)
        self._identity = b""  # of the header that _sealer is of
        self._sealer: Sealer | None = None
        self._user = b""

    # -- reading ----------------------------------------------------------------------------------------

    def values(self, service: str, label: str | None = None) -> dict[str, str]:
        sealer, found = self._service(service)
        return {row.key.decode(): found.value(sealer, row).decode() for row in found.living()}

    def list(self, service: str, *, values: bool = False, label: str | None = None) -> Sequence[Secret]:
        sealer, found = self._service(service)
        return [
            _secret(found, row, found.value(sealer, row).decode() if values else None)
            for row in found.living()
        ]

    def current(self, service: str, keys: Iterable[str]) -> dict[str, str]:
        wanted = {key.encode() for key in keys}
        try:
            sealer, found = self._service(service)
        except ServiceNotFound:
            return {}
        return {
            row.key.decode(): found.value(sealer, row).decode() for row in found.living() if row.key in wanted
        }

    def read(self, service: str, key: str, version: int | str | None = None) -> Secret:
        if isinstance(version, str):
            raise UnsupportedError("the local backend cannot label versions")
        sealer, found, pasts = self._read(
            service,
            lambda records, found: {} if version is None else records.pasts(found, key),
            missing=self._no_secret(service, key),
        )
        row = found.row(key)
        if row is not None and version is not None:
            found.check_pasts(pasts, key)
            rows = [*pasts.get(row.key, ()), row]
            row = next((row for row in rows if row.version == version and row.sealed), None)
        if row is None or row.deleted:
            raise self._no_secret(service, key, version)
        return _secret(found, row, found.value(sealer, row).decode())

    def history(self, service: str, key: str | None = None) -> Sequence[Version]:
        missing = self._no_service(service) if key is None else self._no_secret(service, key)
        _, found, pasts = self._read(
            service, lambda records, found: records.pasts(found, key), missing=missing
        )
        found.check_pasts(pasts, key)
        rows = [
            row
            for current in found.rows.values()
            if key is None or current.key == key.encode()
            for row in [*pasts.get(current.key, ()), current]
        ]
        if not rows:
            raise missing
        if key is None:
            rows.sort(key=lambda row: row.created)
        return [
            Version(
                SecretId(service, row.key.decode()),
                row.version,
                _date(row.created),
                row.created_by.decode(),
                deleted=bool(row.deleted),
            )
            for row in rows
        ]

    def services(self, prefix: str = "") -> Sequence[str]:
        return [service.name for service in self._services(prefix) if service.live]

    def secrets(self, prefix: str = "") -> Sequence[SecretId]:
        return [
            SecretId(service.name, key) for service in self._services(prefix) for key in service.living_keys()
        ]

    # -- writing ----------------------------------------------------------------------------------------

    def write(
        self,
        service: str,
        key: str,
        value: str,
        *,
        if_version: int | None = None,
        tags: Mapping[str, str] | None = None,
        skip_unchanged: bool = False,
    ) -> int:
        def change(records: Records, sealer: Sealer, found: Service) -> int:
            current = found.row(key)
            live = None if current is None or current.deleted else current
            if if_version is not None and if_version != (live.version if live else 0):
                raise _conflict(service, key, live, if_version)
            if live and tags:
                raise UsageError(
                    f"{service}/{key} is there already, and tags given with a write are for new secrets",
                    hint=f"vault-exec tag write {service} {key} …",
                )
            if live and skip_unchanged and found.value(sealer, live) == value.encode():
                return live.version
            row = self._written(records, sealer, found, key, value, tags or {})
            records.save_service(sealer, found, [row])
            return row.version

        return self._change(
            service, change, missing=_conflict(service, key, None, if_version) if if_version else None
        )

    def write_many(
        self,
        service: str,
        values: Mapping[str, str],
        *,
        tags: Mapping[str, str] | None = None,
        written: Callable[[str], None] = _silent,
    ) -> None:
        def change(records: Records, sealer: Sealer, found: Service) -> None:
            rows = [
                self._written(records, sealer, found, key, value, tags or {}) for key, value in values.items()
            ]
            records.save_service(sealer, found, rows)

        if values:
            self._change(service, change)
        for key in values:
            written(key)

    def delete(self, service: str, key: str) -> None:
        def change(records: Records, sealer: Sealer, found: Service) -> None:
            row = self._living(found, key)
            records.save_service(sealer, found, [self._ended(records, found, row)])

        self._change(service, change, missing=self._no_secret(service, key))

    def delete_many(
        self, service: str, keys: Iterable[str], *, deleted: Callable[[str], None] = _silent
    ) -> None:
        keys = [*keys]
        wanted = {key.encode() for key in keys}

        def change(records: Records, sealer: Sealer, found: Service) -> None:
            rows = [self._ended(records, found, row) for row in found.living() if row.key in wanted]
            if rows:
                records.save_service(sealer, found, rows)

        try:
            self._change(service, change, missing=self._no_service(service))
        except ServiceNotFound:
            pass  # without a store they are gone already
        for key in keys:
            deleted(key)

    def tags(self, service: str, key: str) -> dict[str, str]:
        sealer, found, _ = self._read(
            service, lambda records, found: None, missing=self._no_secret(service, key)
        )
        return found.tags(sealer, self._living(found, key))

    def write_tags(
        self, service: str, key: str, tags: Mapping[str, str], *, delete_others: bool = False
    ) -> None:
        self._change_tags(service, key, lambda now: {**({} if delete_others else now), **tags})

    def delete_tags(self, service: str, key: str, names: Iterable[str]) -> None:
        gone = {*names}
        self._change_tags(
            service, key, lambda now: {name: text for name, text in now.items() if name not in gone}
        )

    def _change_tags(
        self, service: str, key: str, changed: Callable[[dict[str, str]], dict[str, str]]
    ) -> None:
        def change(records: Records, sealer: Sealer, found: Service) -> None:
            row = self._living(found, key)
            found.seal_tags(sealer, row, changed(found.tags(sealer, row)))
            records.save_service(sealer, found, [row])

        self._change(service, change, missing=self._no_secret(service, key))

    # -- the key ----------------------------------------------------------------------------------------

    def initialise(self, key: str | None = None) -> None:
        exists = ConflictError(
            f"there is a store already: {self._database.path}",
            hint="change where its key is kept with vault-exec rekey --key …",
        )
        if self._database.read(lambda records: True):
            raise exists
        plan = self._keys.plan(key)

        def make(records: Records, new: bool) -> Header:
            if not new:
                raise exists
            return self._make(records, plan)

        made = self._database.write(make)
        self._keys.use(plan)
        self._tell("made the store", made)

    def rekey(self, key: str | None = None, *, wrap_only: bool = False) -> None:
        fetched = self._fetch(lambda records: records.header())
        if fetched is None:
            raise NotFoundError(
                f"there is no store yet at {self._database.path}",
                hint="vault-exec init makes one; so does the first vault-exec write",
            )
        old, header = fetched
        plan = self._keys.plan_change(header, key, wrap_only=wrap_only)
        data = old.key if wrap_only else os.urandom(KEY_BYTES)

        def change(records: Records, new: bool) -> Header:
            if new or records.header().identity() != header.identity():
                raise ConflictError(
                    f"the key of the store {records.path} was changed by somebody else", hint="try again"
                )
            changed = self._keys.wrap(plan, data, header.store_id, os.urandom(WRAP_ID_BYTES))
            try:
                records.save_header(changed)
                if not wrap_only:
                    _seal_anew(records, old, Sealer(data, header.store_id))
            except BaseException:
                self._keys.forget(changed)  # before the commit: nothing needs it
                raise
            return changed

        changed = self._database.write(change)
        self._keys.use(plan)
        self._keys.retire(header, plan)
        self._tell("changed the key of the store", changed)

    # -- steps of the above -----------------------------------------------------------------------------

    def _read(
        self, service: str, more: Callable[[Records, Service], T], *, missing: NotFoundError
    ) -> tuple[Sealer, Service, T]:
        """The service, checked, and what else is read in the same state of the file.

        missing: what to raise where there is no store.
        """

        def fetch(records: Records) -> tuple[Service, T, Catalogue | None]:
            found = records.service(service)
            catalogue = records.catalogue() if found.manifest is None else None
            return found, more(records, found), catalogue

        fetched = self._fetch(fetch)
        if fetched is None:
            raise missing
        sealer, (found, extra, catalogue) = fetched
        found.check(sealer)
        if catalogue:
            catalogue.check(sealer, without=service)
        return sealer, found, extra

    def _service(self, service: str) -> tuple[Sealer, Service]:
        """The service, checked, with at least one secret in it. Raises ServiceNotFound."""
        missing = self._no_service(service)
        sealer, found, _ = self._read(service, lambda records, found: None, missing=missing)
        if not found.live:
            raise missing
        return sealer, found

    def _services(self, prefix: str) -> Sequence[Service]:
        """The services whose name begins with the prefix, checked where nobody has to be asked for that."""

        def fetch(records: Records) -> tuple[Catalogue, Sequence[Service]]:
            catalogue = records.catalogue()
            names = [name.decode() for name in catalogue.names]
            return catalogue, [records.service(name) for name in names if name.startswith(prefix)]

        if self._database.read(lambda records: self._keys.must_ask(records.header())):
            found = self._database.read(fetch)
            return found[1] if found else []
        fetched = self._fetch(fetch)
        if fetched is None:
            return []
        sealer, (catalogue, services) = fetched
        catalogue.check(sealer)
        for service in services:
            service.check(sealer)
        return services

    def _fetch(self, fetch: Callable[[Records], T]) -> tuple[Sealer, T] | None:
        """What is read in one state of the file, and the sealer of that state; None where there is no store.

        The key is looked for after the read, not during it: that may take a person's time.
        """
        while True:
            fetched = self._database.read(lambda records: (records.header(), fetch(records)))
            if fetched is None:
                return None
            header, found = fetched
            try:
                return self._unlock(header), found
            except WrongKeyError:
                # Somebody's `rekey` may have put another key in its place in the meantime.
                now = self._database.read(lambda records: records.header().identity())
                if now == header.identity():
                    raise

    def _change(
        self,
        service: str,
        change: Callable[[Records, Sealer, Service], T],
        *,
        missing: VaultExecError | None = None,
    ) -> T:
        """Do the change to the (checked) service in one transaction.

        missing: what to raise where there is no store; None: make one.
        """
        made: list[Header] = []

        def work(records: Records, new: bool) -> T:
            if new:
                made.append(self._make(records, self._keys.plan(None)))
            try:
                sealer = self._known(records.header())
                if sealer is None:
                    raise _KeyChanged
                found = records.service(service)
                found.check(sealer)
                if found.manifest is None:
                    records.catalogue().check(sealer, without=service)
                return change(records, sealer, found)
            except BaseException:
                if new:
                    self._keys.forget(made[0])  # before the commit: nothing needs it
                raise

        while True:
            # Before the lock is taken, for the same reason.
            if self._fetch(lambda records: None) is None and missing is not None:
                raise missing
            try:
                result = self._database.write(work)
                break
            except _KeyChanged:
                continue
        if made:
            self._tell("made the store", made[0])
        return result

    def _written(
        self,
        records: Records,
        sealer: Sealer,
        found: Service,
        key: str,
        value: str,
        tags: Mapping[str, str],
    ) -> Row:
        """The row of a new version of the key; its past is stored. tags: for a key that is new."""
        row = self._new_row(key.encode(), 1)
        current = found.row(key)
        if current is not None:
            row.version = current.version + 1
            row.past = chain(current.past, [current.ended()])
            row.tags = current.tags
            records.save_past(found, current.ended())
        if current is None or current.deleted:
            found.seal_tags(sealer, row, tags)
        found.seal_value(sealer, row, value.encode())
        return row

    def _ended(self, records: Records, found: Service, current: Row) -> Row:
        """The row that ends the key; the values of all its versions are gone."""
        pasts = records.pasts(found, current.key.decode())
        found.check_pasts(pasts, current.key.decode())
        rows = [row.ended(gone=True) for row in [*pasts.get(current.key, ()), current]]
        for row in rows:
            records.save_past(found, row)
        end = self._new_row(current.key, current.version)
        end.deleted = 1
        end.past = chain(b"", rows)
        return end

    def _new_row(self, key: bytes, version: int) -> Row:
        self._user = self._user or _user()
        return Row(key, version, 0, time_ns() // 1000, self._user, b"")

    def _make(self, records: Records, plan: Plan) -> Header:
        """Make the header of a new store, its wrapping key first."""
        data = os.urandom(KEY_BYTES)
        header = self._keys.wrap(plan, data, os.urandom(STORE_ID_BYTES))
        records.save_header(header)
        sealer = Sealer(data, header.store_id)
        records.save_catalogue(sealer, [])
        self._identity, self._sealer = header.identity(), sealer
        return header

    def _unlock(self, header: Header) -> Sealer:
        sealer = self._known(header)
        if sealer is None:
            begun = monotonic()
            sealer = Sealer(self._keys.unlock(header), header.store_id)
            took = (monotonic() - begun) * 1000
            self._context.trace(f"local:unlock {header.source.decode()} {took:.1f} ms")
            self._identity, self._sealer = header.identity(), sealer
        return sealer

    def _known(self, header: Header) -> Sealer | None:
        """The sealer, where the store has been opened under this header before."""
        return self._sealer if self._identity == header.identity() else None

    def _tell(self, what: str, header: Header) -> None:
        self._context.notify(
            f"{what} {self._database.path}, which opens only with {self._keys.place(header)}; "
            "back up both, apart from each other"
        )

    # -- what is not there ------------------------------------------------------------------------------

    def _living(self, found: Service, key: str) -> Row:
        row = found.row(key)
        if row is None or row.deleted:
            raise self._no_secret(found.name, key)
        return row

    def _no_service(self, service: str) -> ServiceNotFound:
        return ServiceNotFound(
            f"service {service} holds no secret in the store {self._database.path}",
            service=service,
            hint=f"vault-exec write {service} KEY writes its first; vault-exec list-services shows all",
        )

    def _no_secret(self, service: str, key: str, version: int | None = None) -> SecretNotFound:
        which = "" if version is None else f" with a version {version} that was not deleted"
        return SecretNotFound(
            f"{service}/{key} is not there{which}",
            hint=f"vault-exec list {service} shows the keys of the service"
            if version is None
            else f"vault-exec history {service} {key} shows its versions",
        )


def store_path(environ: Mapping[str, str]) -> str:
    """Where the store is. Raises ConfigError where nothing says so."""
    named = environ.get("VAULT_EXEC_STORE", "")
    if named:
        return os.path.abspath(named)
    base = environ.get("XDG_DATA_HOME", "")
    if not base.startswith("/"):  # the XDG specification: a relative path is to be ignored
        home = environ.get("HOME", "")
        if not home:
            raise ConfigError(
                "there is no place for the store: neither VAULT_EXEC_STORE nor HOME is set",
                hint="name the store's file with VAULT_EXEC_STORE",
            )
        base = home + "/.local/share"
    return os.path.abspath(base + "/vault-exec/store.db")


def _seal_anew(records: Records, old: Sealer, new: Sealer) -> None:
    """Seal all that is in the store under the new key, after all of it was checked under the old one."""
    catalogue = records.catalogue()
    catalogue.check(old)
    records.check_no_strays()
    for name in catalogue.names:
        found = records.service(name.decode())
        pasts = records.pasts(found)
        found.check(old)
        found.check_pasts(pasts)
        for current in found.rows.values():
            past = pasts.get(current.key, [])
            tags = found.tags(old, current)
            for row in [*past, current]:
                if row.sealed:
                    found.seal_value(new, row, found.value(old, row))
            for row in past:
                records.save_past(found, row)
            current.past = chain(b"", past)
            found.seal_tags(new, current, tags)
        records.save_service(new, found, found.rows.values())
    records.save_catalogue(new, catalogue.names)


def _user() -> bytes:
    """Who writes: `user@host`."""
    import pwd

    try:
        user = pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:  # a container's user may have no name
        user = str(os.geteuid())
    return f"{user}@{os.uname().nodename}".encode("utf-8", "replace")


def _secret(found: Service, row: Row, value: str | None) -> Secret:
    return Secret(
        SecretId(found.name, row.key.decode()),
        value,
        row.version,
        _date(row.created),
        row.created_by.decode(),
    )


def _date(created: int) -> datetime:
    from datetime import UTC, datetime, timedelta

    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=created)


def _conflict(service: str, key: str, live: Row | None, expected: int) -> ConflictError:
    now = f"is at version {live.version}" if live else "is not there"
    wanted = f"version {expected}" if expected else "that it is not there"
    return ConflictError(
        f"{service}/{key} {now}; the write expected {wanted}",
        hint=f"vault-exec read {service} {key} shows what is there now",
    )
