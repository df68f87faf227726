"""The `s3` backend. What its writes promise stands in `writing`.

The object's own tags are the secret's tags. S3 tells only who has s3:GetObjectTagging that there are any: a
writer without it would drop them.
"""

from __future__ import annotations

from vault_exec import parallel
from vault_exec.errors import SecretNotFound, ServiceNotFound, UsageError, VaultExecError
from vault_exec.model import Secret, SecretId, Version
from vault_exec.store import Features, Store, _silent
from vault_exec_backends.s3.bucket import MOST_TAGS, Bucket, ObjectChangedError
from vault_exec_backends.s3.documents import Entry, new_secret
from vault_exec_backends.s3.layout import AT_ONCE, Layout, path_of, secret_at, secret_id, version_in_force
from vault_exec_backends.s3.writing import Draft, Writer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from vault_exec.store import Context
    from vault_exec_backends.aws.caller import Caller
    from vault_exec_backends.aws.client import Client
    from vault_exec_backends.s3.documents import Index, SecretDocument
    from vault_exec_backends.s3.layout import Object


class S3Store(Store):
    """One bucket."""

    __slots__ = ("_bucket", "_context", "_layout", "_writer")

    name = "s3"
    features = Features(
        writable=True, history=True, tags=True, empty_values=True, compare_and_swap=True, remote=True
    )

    def __init__(self, context: Context, client: Client, caller: Caller) -> None:
        self._context = context
        self._bucket = Bucket(context, client)
        self._layout = self._laid_out()
        self._writer = Writer(context, self._bucket, self._layout, caller)

    def _laid_out(self) -> Layout:
        return Layout(self._bucket)

    # -- reading ----------------------------------------------------------------------------------------

    def values(self, service: str, label: str | None = None) -> dict[str, str]:
        return {key: entry.value for key, (_, entry) in self._in_force(service).items()}

    def current(self, service: str, keys: Iterable[str]) -> dict[str, str]:
        in_force = self._layout.in_force(service)
        return {key: in_force[key][1].value for key in keys if key in in_force}

    def read(self, service: str, key: str, version: int | str | None = None) -> Secret:
        id = secret_id(service, key)
        if isinstance(version, int):
            return self._read_version(id, version)
        index, objects = self._layout.index_and_objects(service, [id])
        entry = self._layout.entry(id, index, objects[id])
        if entry is None:
            raise _missing(id)
        found = objects[id]
        if found is None or version_in_force(entry, found.document) not in found.document.versions:
            found = self._layout.object_of(id)  # written between the two reads, perhaps
        return self._secret(id, entry, found)

    def list(self, service: str, *, values: bool = False, label: str | None = None) -> Sequence[Secret]:
        in_force = self._in_force(service)
        # After the index, so that no object is older than what the index says of it.
        objects = self._layout.objects_of(SecretId(service, key) for key in sorted(in_force))
        self._mend(in_force, objects)
        return [self._secret(id, in_force[id.key][1], found, values=values) for id, found in objects.items()]

    def services(self, prefix: str = "") -> Sequence[str]:
        return sorted({id.service for id in self.secrets(prefix)})

    def secrets(self, prefix: str = "") -> Sequence[SecretId]:
        """As the objects' names tell, a thousand a call. Only what has an index beside it is a secret."""
        found: list[SecretId] = []
        indexed: set[str] = set()
        for path in self._bucket.names(prefix, "the services"):
            self._context.restart_deadline()
            service, _, file = path.rpartition("/")
            if self._layout.is_index(file):
                indexed.add(service)
            id = secret_at(path)
            if id is not None and service.startswith(prefix):
                found.append(id)
        return sorted(id for id in found if id.service in indexed)

    def history(self, service: str, key: str | None = None) -> Sequence[Version]:
        if key is not None:
            id = secret_id(service, key)
            return _versions(id, self._present(id).document)

        def versions(id: SecretId) -> Sequence[Version]:
            self._context.restart_deadline()
            found = self._layout.object_of(id)
            return [] if found is None else _versions(id, found.document)

        ids = [SecretId(service, key) for key in sorted(self._in_force(service))]
        told = [version for one in parallel.each(versions, ids, at_once=AT_ONCE) for version in one]
        if not told:
            raise _nothing(service)
        return sorted(told, key=lambda it: (it.created is not None, it.created, it.version))

    def _read_version(self, id: SecretId, version: int) -> Secret:
        record = self._present(id).document.record(version)
        if record is None:
            raise SecretNotFound(
                f"{id} has no version {version}",
                hint=f"vault-exec history {id.service} {id.key} shows the versions that are kept",
            )
        return Secret(id, record.value, version, record.created, record.created_by)

    def _secret(self, id: SecretId, entry: Entry, found: Object | None, *, values: bool = True) -> Secret:
        """The secret in force. Its version is 0 where its object is gone and the index does not say."""
        document = found.document if found else new_secret(id.service, id.key, path_of(id))
        value = entry.value if values else None
        version = version_in_force(entry, document)
        record = None if version is None else document.record(version)
        if record is not None and record.value == entry.value:
            return Secret(id, value, record.version, record.created, record.created_by)
        self._context.notify(
            f"{id}: what is in force is in no version of {path_of(id)}: chamber writers met, or a delete by "
            "chamber was interrupted; write it again, or delete it"
        )
        return Secret(id, value, version or document.newest)

    def _in_force(self, service: str) -> dict[str, tuple[Index, Entry]]:
        in_force = self._layout.in_force(service)
        if not in_force:
            raise _nothing(service)
        return in_force

    def _present(self, id: SecretId) -> Object:
        found = self._layout.object_of(id)
        if found is None:
            raise _missing(id)
        return found

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
        draft = Draft(
            secret_id(service, key),
            value,
            _limited(tags or {}),
            if_version=if_version,
            must_be_new=bool(tags),
            skip_unchanged=skip_unchanged,
        )
        self._writer.write(draft)
        return draft.version

    def write_many(
        self,
        service: str,
        values: Mapping[str, str],
        *,
        tags: Mapping[str, str] | None = None,
        written: Callable[[str], None] = _silent,
    ) -> None:
        drafts = [
            Draft(secret_id(service, key), value, _limited(tags or {})) for key, value in values.items()
        ]
        failure = self._writer.write_many(service, drafts) if drafts else None
        for draft in drafts:
            if draft.entry is not None:
                written(draft.id.key)
        if failure is not None:
            raise failure

    def delete(self, service: str, key: str) -> None:
        id = secret_id(service, key)
        if not self._writer.delete(service, [id]):
            raise _missing(id)

    def delete_many(
        self, service: str, keys: Iterable[str], *, deleted: Callable[[str], None] = _silent
    ) -> None:
        ids = [secret_id(service, key) for key in keys]
        self._writer.delete(service, ids)
        for id in ids:
            deleted(id.key)

    def _mend(
        self, in_force: dict[str, tuple[Index, Entry]], objects: Mapping[SecretId, Object | None]
    ) -> None:
        """Put in force, there and here, what interrupted writes left in objects."""
        behind: dict[str, dict[SecretId, Entry]] = {}
        for id, found in objects.items():
            index, entry = in_force[id.key]
            if found is None or not _is_behind(entry, found.document):
                continue
            newest = found.document.record(found.document.newest)
            if newest is None or not self._layout.may_mend(index, entry, found):
                self._context.notify(f"{id}: a write was interrupted, and its value is not in force")
                continue
            version = None if entry.version is None else newest.version
            behind.setdefault(index.path, {})[id] = Entry(newest.value, version, entry.alias)
        for entries in behind.values():
            self._mend_index(in_force, entries)

    def _mend_index(
        self, in_force: dict[str, tuple[Index, Entry]], entries: Mapping[SecretId, Entry]
    ) -> None:
        """The same for entries of one index."""
        index, old = in_force[next(iter(entries)).key]
        body = index.changed({id.key: entry for id, entry in entries.items()})
        names = ", ".join(map(str, entries))
        try:
            self._writer.put_index(index, body, old.alias)
        except ObjectChangedError:
            return  # somebody is at it
        except VaultExecError as error:
            self._context.notify(f"a write was interrupted, and its value is not in force: {names} ({error})")
            return
        self._context.notify(f"a write was interrupted, and its value is in force now: {names}")
        in_force.update({id.key: (index, entry) for id, entry in entries.items()})

    # -- tags -------------------------------------------------------------------------------------------

    def tags(self, service: str, key: str) -> dict[str, str]:
        id = secret_id(service, key)
        found = self._bucket.tags(path_of(id), str(id))
        if found is None:
            raise _missing(id)
        return found

    def write_tags(
        self, service: str, key: str, tags: Mapping[str, str], *, delete_others: bool = False
    ) -> None:
        before = self.tags(service, key)
        self._set_tags(service, key, {**({} if delete_others else before), **tags})

    def delete_tags(self, service: str, key: str, names: Iterable[str]) -> None:
        before = self.tags(service, key)
        gone = set(names)
        self._set_tags(service, key, {name: value for name, value in before.items() if name not in gone})

    def _set_tags(self, service: str, key: str, tags: Mapping[str, str]) -> None:
        id = secret_id(service, key)
        self._bucket.set_tags(path_of(id), str(id), _limited(tags))


def _is_behind(entry: Entry, document: SecretDocument) -> bool:
    """Whether the object has a newer version than the one that the entry means."""
    version = version_in_force(entry, document)
    return version is not None and version < document.newest


def _limited(tags: Mapping[str, str]) -> Mapping[str, str]:
    if len(tags) > MOST_TAGS:
        raise UsageError(f"an object in S3 can have {MOST_TAGS} tags, not {len(tags)}")
    return tags


def _versions(id: SecretId, document: SecretDocument) -> list[Version]:
    records = [record for number in document.versions if (record := document.record(number))]
    return [Version(id, record.version, record.created, record.created_by) for record in records]


def _missing(id: SecretId) -> SecretNotFound:
    return SecretNotFound(
        f"{id} is not there", hint=f"vault-exec list {id.service} shows the keys that are there"
    )


def _nothing(service: str) -> ServiceNotFound:
    return ServiceNotFound(f"service {service} holds no secret", service=service)
