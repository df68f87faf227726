"""Changing secrets in a bucket so that no writer is lost, and each is wholly in force or not at all.

Each object is written only if it still is as it was read (If-Match, If-None-Match). A writer that loses reads
again, and takes what it finds of its own there for the work of an answer that got lost.

What a writer leaves that fails or is killed:

`write`: the object first, then the index.
    Before the object is written: nothing. Between the two: the object has one version more, which `history`
    shows, and the index does not know it: the old value is in force, or none where the key is new. The next
    write of the key goes on from there; so does `list`, which puts the version in force, but not where the
    key is not in the index. After the index is written: the new value is in force.
`write_many`: all objects, then the index, once.
    As for each key above. Where one object cannot be written, those that were are put in force.
`delete`: the index first, then the object.
    Before the index is written: nothing. Between the two: the key is not there any more, but `history`,
    `read --version` and `tag` still find its object. The next `delete` removes it, the next write goes on
    from its last version.

A `write` and a `delete` of one key that meet could each do half of it: the writer, its object written, puts
the key in the index, while the other, who has just taken it out, deletes that object. So a writer that must
look again and does not find its key in the index writes its object again, which then is not as the other one
saw it. And who deletes an object that is in no index changes the bytes of the index (a member "touched",
which chamber ignores), so that a writer between its two writes must look again.

chamber writes unconditionally. So who has changed an index reads it back once, and does it again where that
is undone: this narrows the gap and does not close it.
"""

from __future__ import annotations

from vault_exec import parallel
from vault_exec.errors import ConflictError, UsageError, VaultExecError
from vault_exec_backends.aws.times import now_text
from vault_exec_backends.s3.bucket import ObjectChangedError
from vault_exec_backends.s3.documents import new_secret
from vault_exec_backends.s3.layout import AT_ONCE, path_of, version_in_force

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from vault_exec.model import SecretId
    from vault_exec.store import Context
    from vault_exec_backends.aws.caller import Caller
    from vault_exec_backends.s3.bucket import Bucket
    from vault_exec_backends.s3.documents import Entry, Index, SecretDocument
    from vault_exec_backends.s3.layout import Layout, Object

_FIRST_PAUSE = 0.02
_LONGEST_PAUSE = 1.0


class Draft:
    """A value on its way into the store.

    tags: given to the secret if it is new; must_be_new: it may be written only then.
    version: of the attempt that is in the object, else of the last one.
    attempts: version, created and created_by of each that was begun: of any of them the answer may be lost.
    entry: what the index must say once the object is written; None where nothing need be.
    """

    __slots__ = (
        "attempts",
        "entry",
        "id",
        "if_version",
        "must_be_new",
        "skip_unchanged",
        "tags",
        "value",
        "version",
    )

    def __init__(
        self,
        id: SecretId,
        value: str,
        tags: Mapping[str, str],
        *,
        if_version: int | None = None,
        must_be_new: bool = False,
        skip_unchanged: bool = False,
    ) -> None:
        self.id = id
        self.value = value
        self.tags = tags
        self.if_version = if_version
        self.must_be_new = must_be_new
        self.skip_unchanged = skip_unchanged
        self.version = 0
        self.attempts: list[tuple[int, str, str]] = []
        self.entry: Entry | None = None

    def is_in(self, document: SecretDocument) -> bool:
        """Whether an attempt has put it there; `version` is then the one of that attempt."""
        for version, created, created_by in self.attempts:
            if document.holds(version, self.value, created, created_by):
                self.version = version
                return True
        return False

    def is_said_by(self, index: Index) -> bool:
        """Whether the index says what it must."""
        return index.entries.get(self.id.key) == self.entry


class Writer:
    """Writes to one bucket, in one layout."""

    __slots__ = ("_bucket", "_caller", "_context", "_layout")

    def __init__(self, context: Context, bucket: Bucket, layout: Layout, caller: Caller) -> None:
        self._context = context
        self._bucket = bucket
        self._layout = layout
        self._caller = caller

    # -- write ------------------------------------------------------------------------------------------

    def write(self, draft: Draft) -> None:
        """Put the draft into its object, then in force.

        Raises ConflictError (if_version) and UsageError (tags; another index holds the key).
        """
        also = () if draft.skip_unchanged else (self._caller.arn,)
        index, objects = self._layout.index_and_objects(draft.id.service, [draft.id], *also)
        self._place(draft, index, objects[draft.id])
        if draft.entry is not None:
            self._put_in_force(index, [draft])

    def write_many(self, service: str, drafts: Sequence[Draft]) -> VaultExecError | None:
        """The same for several keys of a service, in the end with one index.

        Returns the error that stopped it, if one did: the drafts that have an `entry` are in force then.
        """
        index, _ = self._layout.index_and_objects(service, [], self._caller.arn)
        failure = None
        try:
            self._read_and_place(index, drafts, self._context.restart_deadline)
        except VaultExecError as error:
            failure = error
        placed = [draft for draft in drafts if draft.entry is not None]
        if placed:
            self._put_in_force(index, placed)
        return failure

    def _read_and_place(
        self, index: Index, drafts: Sequence[Draft], progressed: Callable[[], None] = lambda: None
    ) -> None:
        def place(draft: Draft) -> None:
            self._place(draft, index, self._layout.object_of(draft.id))
            progressed()

        parallel.each(place, drafts, at_once=AT_ONCE)

    def _place(self, draft: Draft, index: Index, found: Object | None) -> None:
        """Get the draft into its object, however often others are faster."""
        attempt = 0
        while True:
            try:
                self._try_to_place(draft, index, found)
                return
            except ObjectChangedError:
                attempt += 1
                self._pause(attempt)
            index, objects = self._layout.index_and_objects(draft.id.service, [draft.id])
            found = objects[draft.id]

    def _try_to_place(self, draft: Draft, index: Index, found: Object | None) -> None:
        id = draft.id
        document = found.document if found else new_secret(id.service, id.key, path_of(id))
        entry = index.entries.get(id.key)
        ours = draft.is_in(document)
        if not ours:
            self._layout.check_holder(id, index, found)
            _check_allowed(draft, entry, found)
            if draft.skip_unchanged and entry is not None and entry.value == draft.value:
                draft.version = version_in_force(entry, document) or 0
                if draft.version == document.newest:  # else an interrupted write could come into force later
                    return
            draft.version = max(document.newest, (entry and entry.version) or 0) + 1
        if not ours or entry is None:
            created, created_by = now_text(), self._caller.arn()
            draft.attempts.append((draft.version, created, created_by))
            self._bucket.put(
                path_of(id),
                document.with_version(draft.version, draft.value, created, created_by),
                str(id),
                seen=found.etag if found else None,
                sealing=self._layout.sealing(),
                tags=draft.tags if entry is None else self._tags(id, found),
            )
        draft.entry = self._layout.new_entry(draft.value, draft.version)
        newest = document.record(document.newest)
        if newest is not None and newest.version > draft.version:  # somebody went on from ours
            draft.entry = self._layout.new_entry(newest.value, newest.version)

    def _tags(self, id: SecretId, found: Object | None) -> Mapping[str, str]:
        """The tags of an object that is to be written again, for S3 drops them."""
        if found is None or not found.tagged:
            return {}
        return self._bucket.tags(path_of(id), str(id)) or {}

    def _put_in_force(self, index: Index, drafts: Sequence[Draft]) -> None:
        """Make the index say what the drafts' objects say.

        An index is only ever written on top of one that was read before the objects were: so it never goes
        back to an older version.
        """
        service = drafts[0].id.service
        attempt = 0
        try:
            while True:
                entries = {draft.id.key: draft.entry for draft in drafts if draft.entry}
                try:
                    self.put_index(index, index.changed(entries))
                except ObjectChangedError:
                    attempt += 1
                    self._pause(attempt)
                index = self._layout.index(service)
                unsaid = [draft for draft in drafts if not draft.is_said_by(index)]
                self._read_and_place(index, unsaid)
                if all(draft.is_said_by(index) for draft in unsaid):  # which may be somebody's newer version
                    return
        except VaultExecError as error:
            keys = ", ".join(f"{draft.id.key} (version {draft.version})" for draft in drafts)
            error.args = (f"{error}; stored, but perhaps not in force, in service {service}: {keys}",)
            error.hint = f"do the same again; vault-exec list {service} shows what is in force"
            raise

    def put_index(self, index: Index, body: bytes, alias: str | None = None) -> None:
        """Write the index if it is as it was read; alias: see `Layout.sealing`. Raises ObjectChangedError."""
        sealing = self._layout.sealing(alias)
        self._bucket.put(index.path, body, index.path, seen=index.etag, sealing=sealing)

    # -- delete -----------------------------------------------------------------------------------------

    def delete(self, service: str, ids: Sequence[SecretId]) -> bool:
        """Remove these secrets of the service; False where none of them was there."""
        index, objects = self._layout.index_and_objects(service, ids)
        todo = [id for id in ids if id.key in index.entries or objects[id]]
        for id in todo:
            self._layout.check_holder(id, index, objects[id])
        there = bool(todo)
        removed = False
        attempt = 0
        try:
            while todo:
                left = todo
                try:
                    self.put_index(index, _without(index, todo))
                    removed = True
                    left = self._delete_objects(objects, todo)
                except ObjectChangedError:
                    attempt += 1
                    self._pause(attempt)
                index = self._layout.index(service)
                if removed:
                    left = [id for id in todo if id in left or id.key in index.entries]
                objects = self._layout.objects_of(left)
                todo = [id for id in left if _is_to_delete(id, index, objects[id], removed=removed)]
        except VaultExecError as error:
            if removed:
                error.args = (
                    f"{error}; not in force any more, but still stored: {', '.join(map(str, todo))}",
                )
                error.hint = "do the same again"
            raise
        return there

    def _delete_objects(
        self, objects: Mapping[SecretId, Object | None], ids: Sequence[SecretId]
    ) -> list[SecretId]:
        """Delete the objects, and return those that are not as they were read."""

        def delete(id: SecretId) -> bool:
            found = objects[id]
            try:
                if found is not None:
                    self._bucket.delete(path_of(id), str(id), seen=found.etag)
            except ObjectChangedError:
                return False
            self._context.restart_deadline()
            return True

        done = parallel.each(delete, ids, at_once=AT_ONCE)
        return [id for id, deleted in zip(ids, done, strict=True) if not deleted]

    def _pause(self, attempt: int) -> None:
        """Full jitter, so that writers that met do not meet again. Raises StoreTimeoutError."""
        from random import random
        from time import sleep

        longest = min(_LONGEST_PAUSE, _FIRST_PAUSE * 2**attempt)
        sleep(min(random() * longest, self._context.time_left()))  # noqa: S311 - no secret


def _check_allowed(draft: Draft, entry: Entry | None, found: Object | None) -> None:
    """Raise UsageError or ConflictError where the draft must not follow what is there."""
    id = draft.id
    if draft.must_be_new and entry is not None:
        raise UsageError(
            f"{id} is there already, and tags go with new secrets only",
            hint=f"vault-exec tag write {id.service} {id.key} NAME=VALUE",
        )
    if draft.if_version is None:
        return
    wanted = f"version {draft.if_version}" if draft.if_version else "no such key"
    if entry is None and found is not None:
        raise ConflictError(
            f"{id} is being made or deleted, or that was interrupted, and --if-version expects {wanted}",
            hint=f"try again; vault-exec delete {id.service} {id.key} clears what an interrupted one left",
        )
    current = max(found.document.newest if found else 0, (entry and entry.version) or 0)
    if current != draft.if_version:
        is_there = "not there" if entry is None else f"at version {current}"
        raise ConflictError(
            f"{id} is {is_there}, and --if-version expects {wanted}",
            hint=f"vault-exec history {id.service} {id.key}",
        )


def _without(index: Index, ids: Iterable[SecretId]) -> bytes:
    """The index without these keys, in other bytes even where it does not have them."""
    keys = [id.key for id in ids if id.key in index.entries]
    return index.changed(without=keys) if keys else index.touched()


def _is_to_delete(id: SecretId, index: Index, found: Object | None, *, removed: bool) -> bool:
    """Whether something of the secret is left.

    removed: it was out of the index before, so that one which is whole again was written since.
    """
    if removed:
        return (id.key in index.entries) != (found is not None)
    return id.key in index.entries or found is not None
