"""An S3 bucket whose objects are sealed with KMS keys, laid out as Segment's chamber lays it out.

As `s3`, but with an index for each KMS key of a service, sealed with that key like the objects it tells of:
`<service>/__kms_<alias with / replaced by _>__latest.json`. Readers take all of them together; writers write
to that of `--kms-key-alias`, and refuse a secret that another index holds, so that no value gets under
another KMS key than it was put under.

S3 names the KMS key of an object by its ARN, with which an alias cannot be compared; but it names that of the
index in the same way. Where there is no index yet, an empty one is made to learn it.

Writers of a new secret do not look into the other indexes. One that chamber left there without its object, by
a delete that was interrupted, stays in force while its version is higher; `list` tells of it.
"""

from __future__ import annotations

from vault_exec import parallel
from vault_exec.errors import AccessDeniedError, NoCredentialsError, UnreachableError, UsageError
from vault_exec_backends.aws.config import kms_key
from vault_exec_backends.s3.documents import EMPTY_INDEX, Entry, merged, parse_index
from vault_exec_backends.s3.layout import AT_ONCE, Layout
from vault_exec_backends.s3.store import S3Store

TYPE_CHECKING = False
if TYPE_CHECKING:
    from vault_exec.model import SecretId
    from vault_exec.store import Context, Store
    from vault_exec_backends.s3.bucket import Bucket
    from vault_exec_backends.s3.documents import Index
    from vault_exec_backends.s3.layout import Object

_PREFIX = "__kms"
_BEGIN = "__kms_"
_END = "__latest.json"


class KeyedLayout(Layout):
    """An index for each KMS key, and objects sealed with it."""

    __slots__ = ("_alias", "_context")

    def __init__(self, bucket: Bucket, context: Context) -> None:
        super().__init__(bucket)
        self._context = context
        self._alias = kms_key(context.settings.kms_key_alias)

    def index_path(self, service: str) -> str:
        return f"{service}/{_index_file(self._alias)}"

    def is_index(self, file: str) -> bool:
        return file.startswith(_BEGIN) and file.endswith(_END)

    def parse_index(self, body: bytes, path: str, etag: str, key_id: str | None) -> Index:
        return parse_index(body, path, etag, key_id, by_key=True)

    def sealing(self, alias: str | None = None) -> dict[str, str]:
        return {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": alias or self._alias}

    def new_entry(self, value: str, version: int) -> Entry:
        return Entry(value, version, self._alias)

    def in_force(self, service: str) -> dict[str, tuple[Index, Entry]]:
        return merged(self._indexes(service))

    def entry(self, id: SecretId, index: Index, found: Object | None) -> Entry | None:
        """From the writers' own index alone where the object agrees with it, else from all of them."""
        own = index.entries.get(id.key)
        if own and found and own.version == found.document.newest and _same_key(index, found):
            return own
        _, entry = self.in_force(id.service).get(id.key, (None, None))
        return entry

    def check_holder(self, id: SecretId, index: Index, found: Object | None) -> None:
        self._check_name(index)
        own = index.entries.get(id.key)
        if found is None or (own is not None and _same_key(index, found)):
            return
        for other in self._indexes(id.service):
            entry = other.entries.get(id.key)
            if other.path == index.path or entry is None:
                continue
            if own is None or (entry.version or 0) >= (own.version or 0):
                raise self._held(id, entry.alias or "")
        if own is None and found.key_id is None:
            raise UsageError(
                f"{id} is held by another backend: its object is not sealed with a KMS key",
                hint=f"use --backend s3, or vault-exec --backend s3 delete {id.service} {id.key} first",
            )
        if own is None and not self._is_ours(index, found):
            raise self._held(id, found.key_id or "")

    def may_mend(self, index: Index, entry: Entry, found: Object) -> bool:
        aliases = {other.alias for other in index.entries.values()}
        named = index.path.endswith("/" + _index_file(entry.alias or ""))
        return named and aliases == {entry.alias} and _same_key(index, found)

    def _check_name(self, index: Index) -> None:
        """Raise UsageError where the index is that of another alias, too."""
        others = {entry.alias for entry in index.entries.values()} - {self._alias}
        if others:
            raise UsageError(
                f"the KMS keys {self._alias} and {others.pop() or '(none)'} have one index, {index.path}",
                hint="use another in --kms-key-alias: in the name of an index / and _ are the same",
            )

    def _held(self, id: SecretId, alias: str) -> UsageError:
        return UsageError(
            f"{id} is held under the KMS key {alias}, not {self._alias}",
            hint=f"use --kms-key-alias {alias}, or first vault-exec --kms-key-alias {alias} delete "
            f"{id.service} {id.key}",
        )

    def _is_ours(self, index: Index, found: Object) -> bool:
        """Whether an object that is in no index is sealed with the key that writes go to."""
        key_id = found.key_id or ""
        if key_id == self._alias or key_id.endswith(f"/{self._alias}"):
            return True
        own = index.key_id
        if index.etag is None:
            path, sealing = index.path, self.sealing()
            own = self.bucket.put(path, EMPTY_INDEX, path, seen=None, sealing=sealing)
        return key_id == own

    def _indexes(self, service: str) -> list[Index]:
        """All indexes of the service, in the order of their names.

        Raises AccessDeniedError for one that may not be read, unless only readable ones are wanted.
        """
        paths = self._index_paths(service)
        denied: list[str] = []
        gone: list[str] = []

        def read(path: str) -> Index | None:
            try:
                index = self.index_at(path, service)
            except NoCredentialsError:
                raise
            except AccessDeniedError:
                denied.append(path)
                return None
            if index is None:
                gone.append(path)
            return index

        found = [index for index in parallel.each(read, paths, at_once=AT_ONCE) if index is not None]
        if gone and not set(gone).isdisjoint(self._index_paths(service)):  # else deleted in between
            raise UnreachableError(
                f"service {service}: S3 lists {min(gone)} and does not find it", hint="try again"
            )
        if denied and not (found and self._context.settings.readable_only):
            raise self._denied(service, min(denied))
        for path in sorted(denied):
            self._context.notify(
                f"service {service}: left out what is under the KMS key {_alias(path)}: access denied "
                "(--readable-only)"
            )
        return found

    def _index_paths(self, service: str) -> list[str]:
        names = self.bucket.names(f"{service}/{_PREFIX}", f"service {service}", delimiter="/")
        return [path for path in names if self.is_index(path.rpartition("/")[2])]

    def _denied(self, service: str, path: str) -> AccessDeniedError:
        return AccessDeniedError(
            f"service {service}: access denied to what is under the KMS key {_alias(path)} ({path})",
            hint=f"allow kms:Decrypt with that key and s3:GetObject on {self.bucket.name}/{service}/*; "
            "or leave it out: --readable-only",
        )


class S3KmsStore(S3Store):
    """One bucket, written to under one KMS key."""

    __slots__ = ()

    name = "s3-kms"

    def _laid_out(self) -> Layout:
        return KeyedLayout(self._bucket, self._context)


def _same_key(index: Index, found: Object) -> bool:
    return index.key_id is not None and index.key_id == found.key_id


def _index_file(alias: str) -> str:
    return f"{_BEGIN}{alias.replace('/', '_')}{_END}"


def _alias(path: str) -> str:
    """The alias of an index, as far as its name tells: any _ in it may be a /."""
    name = path.rpartition("/")[2][len(_BEGIN) : -len(_END)]
    return name.replace("alias_", "alias/", 1) if name.startswith("alias_") else name


def open(context: Context) -> Store:
    """The backend's factory; nothing is sent before the first call. Raises ConfigError without a bucket."""
    from vault_exec_backends.aws.caller import Caller
    from vault_exec_backends.aws.client import connect

    return S3KmsStore(context, connect("s3", context), Caller(context))
