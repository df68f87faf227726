"""Which object of a bucket is what, and what the objects of a service say together.

Layout is that of the `s3` backend; the one of `s3-kms` inherits it.
"""

from __future__ import annotations

from vault_exec import parallel
from vault_exec.errors import InvalidNameError, UsageError
from vault_exec.model import SecretId
from vault_exec.names import check_key, check_service
from vault_exec_backends.s3.documents import Entry, merged, no_index, parse_index, parse_secret

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from vault_exec_backends.s3.bucket import Bucket
    from vault_exec_backends.s3.documents import Index, SecretDocument

#: Calls at once.
AT_ONCE = 16

_LATEST = "__latest"
_BY_KEY = "__kms_"


class Object:
    """A secret's object as it was read. The rest is as in `bucket.Stored`."""

    __slots__ = ("document", "etag", "key_id", "tagged")

    def __init__(self, document: SecretDocument, etag: str, key_id: str | None, tagged: bool) -> None:
        self.document = document
        self.etag = etag
        self.key_id = key_id
        self.tagged = tagged


class Layout:
    """A plain index a service, and AES256, which is S3's own sealing."""

    __slots__ = ("bucket",)

    def __init__(self, bucket: Bucket) -> None:
        self.bucket = bucket

    # -- names ------------------------------------------------------------------------------------------

    def index_path(self, service: str) -> str:
        """The index that writes go to."""
        return f"{service}/{_LATEST}.json"

    def is_index(self, file: str) -> bool:
        """Whether a file of a service's folder is one of its indexes."""
        return file == f"{_LATEST}.json"

    # -- reading ----------------------------------------------------------------------------------------

    def index(self, service: str) -> Index:
        """The index that writes go to."""
        path = self.index_path(service)
        return self.index_at(path, service) or no_index(path)

    def index_at(self, path: str, service: str) -> Index | None:
        """The index at this path, or None where there is none."""
        stored = self.bucket.get(path, f"service {service}")
        return None if stored is None else self.parse_index(stored.body, path, stored.etag, stored.key_id)

    def parse_index(self, body: bytes, path: str, etag: str, key_id: str | None) -> Index:
        """See `documents.parse_index`."""
        return parse_index(body, path, etag, key_id, by_key=False)

    def object_of(self, id: SecretId) -> Object | None:
        """The secret's object, or None where there is none."""
        stored = self.bucket.get(path_of(id), str(id))
        if stored is None:
            return None
        return Object(parse_secret(stored.body, path_of(id)), stored.etag, stored.key_id, stored.tagged)

    def objects_of(self, ids: Iterable[SecretId]) -> dict[SecretId, Object | None]:
        """Several of them, at once, in the order of the ids."""
        ids = list(ids)
        return dict(zip(ids, parallel.each(self.object_of, ids, at_once=AT_ONCE), strict=True))

    def index_and_objects(
        self, service: str, ids: Sequence[SecretId], *also: Callable[[], object]
    ) -> tuple[Index, dict[SecretId, Object | None]]:
        """The index that writes go to and these objects, read at once; and what else is to be done."""
        indexes: list[Index] = []
        objects: dict[SecretId, Object | None] = {}

        def reading(id: SecretId) -> Callable[[], object]:
            return lambda: objects.update({id: self.object_of(id)})

        tasks: list[Callable[[], object]] = [lambda: indexes.append(self.index(service))]
        tasks += [reading(id) for id in ids]
        parallel.each(lambda task: task(), [*tasks, *also], at_once=AT_ONCE)
        return indexes[0], objects

    def in_force(self, service: str) -> dict[str, tuple[Index, Entry]]:
        """What is in force in the service: by key, what is said of it, and by which index."""
        return merged([self.index(service)])

    def entry(self, id: SecretId, index: Index, found: Object | None) -> Entry | None:
        """What is in force of the key, given the index that writes go to and the object."""
        return index.entries.get(id.key)

    # -- writing ----------------------------------------------------------------------------------------

    def sealing(self, alias: str | None = None) -> dict[str, str]:
        """How S3 is to seal an object: the members of the call.

        alias: that of the index which is written; None: the one that writes go to.
        """
        return {"ServerSideEncryption": "AES256"}

    def new_entry(self, value: str, version: int) -> Entry:
        """What the index that writes go to is to say of a key."""
        return Entry(value)

    def check_holder(self, id: SecretId, index: Index, found: Object | None) -> None:
        """Raise UsageError where writes must not change the key, because another index holds it."""
        if found is not None and found.key_id is not None and id.key not in index.entries:
            raise UsageError(
                f"{id} is held by s3-kms, under the KMS key {found.key_id}",
                hint="use --backend s3-kms and --kms-key-alias with that key's, or delete it there first",
            )

    def may_mend(self, index: Index, entry: Entry, found: Object) -> bool:
        """Whether the object's newest value may be copied into the index."""
        return True


def path_of(id: SecretId) -> str:
    """The object of a secret."""
    return f"{id.service}/{id.key}.json"


def secret_id(service: str, key: str) -> SecretId:
    """The id of a secret, or InvalidNameError where its object would be an index."""
    if _is_reserved(key):
        raise InvalidNameError(
            f"the key {key} has the name of an index in S3", hint="choose a name that does not begin with __"
        )
    return SecretId(service, key)


def secret_at(path: str) -> SecretId | None:
    """The id of the secret whose object this is, or None: a bucket may hold other things."""
    service, _, file = path.rpartition("/")
    key = file.removesuffix(".json")
    try:
        check_service(service)
        check_key(key)
    except InvalidNameError:
        return None
    return None if key == file or _is_reserved(key) else SecretId(service, key)


def version_in_force(entry: Entry, document: SecretDocument) -> int | None:
    """The version that an index's entry means; a plain one says only the value. None: it is in no version."""
    return document.version_of(entry.value) if entry.version is None else entry.version


def _is_reserved(key: str) -> bool:
    return key == _LATEST or key.startswith(_BY_KEY)
