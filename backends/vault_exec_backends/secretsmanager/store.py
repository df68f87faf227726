"""Reading and writing services that are secrets of AWS Secrets Manager.

A write reads the current version and then

1. puts a new version beside it, which carries the label `CHAMBER<n>` as chamber's do (n: the key's version;
   any label keeps the version from being deprecated, which is all that chamber needs it for),
2. moves AWSCURRENT from the version it had read to the new one, which fails when somebody else was faster,
3. reads back once which version is current, because chamber moves AWSCURRENT unconditionally.

A writer killed before 1 or between 1 and 2 leaves the old version in force, after 2 the new one. What 1 left
behind never was current, is not told by `history`, and ages out of the secret by itself. A service's first
write is one CreateSecret. A write that loses reads again and starts over; its label goes to the winner.

Deleting the last key leaves the secret there, so that its history is not lost, under the extra label
VAULTEXEC-EMPTY by which `services` knows, without reading it, that it holds nothing.

Limits (Secrets Manager quotas): 65,536 bytes a secret, 20 labels a secret, about 100 versions.
"""

from __future__ import annotations

from vault_exec import parallel
from vault_exec.errors import (
    AccessDeniedError,
    ConflictError,
    FormatError,
    InvalidNameError,
    MalformedAnswerError,
    NoCredentialsError,
    SecretNotFound,
    ServiceNotFound,
    UnsupportedError,
    VaultExecError,
)
from vault_exec.model import Secret, SecretId, Version
from vault_exec.names import check_service
from vault_exec.store import Features, Store, _silent
from vault_exec_backends.secretsmanager import lineage
from vault_exec_backends.secretsmanager.document import EMPTY, Document, keeps, parse

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from datetime import datetime
    from typing import Any

    from vault_exec.store import Context
    from vault_exec_backends.aws.caller import Caller
    from vault_exec_backends.aws.client import Client

    #: Makes the next content of a service from the present one, and says the version of the key it changed;
    #: None: nothing to change.
    Edit = Callable[[Document], tuple[Document, int] | None]

_AT_ONCE = 16
_LABELS = 20
_LABEL = "CHAMBER"
_EMPTY = "VAULTEXEC-EMPTY"
_PAGE = 100


class SecretsManagerStore(Store):
    """Secrets Manager in one account and region."""

    __slots__ = ("_caller", "_client", "_context", "_may_move")

    name = "secretsmanager"
    features = Features(writable=True, history=True, compare_and_swap=True, remote=True)

    def __init__(self, context: Context, client: Client, caller: Caller) -> None:
        self._context = context
        self._client = client
        self._caller = caller
        self._may_move = True

    # -- reading ----------------------------------------------------------------------------------------

    def values(self, service: str, label: str | None = None) -> dict[str, str]:
        found = self._current(service).document.values()
        if not found:
            raise _nothing(service)
        return found

    def read(self, service: str, key: str, version: int | str | None = None) -> Secret:
        id = SecretId(service, key)
        try:
            if isinstance(version, int):
                return self._read_version(id, version)
            document = self._current(service).document
        except ServiceNotFound:
            raise _missing(id) from None
        if document.get(key) is None:
            raise _missing(id)
        return _secret(id, document, values=True)

    def list(self, service: str, *, values: bool = False, label: str | None = None) -> Sequence[Secret]:
        document = self._current(service).document
        if not document.keys():
            raise _nothing(service)
        return [_secret(SecretId(service, key), document, values=values) for key in document.keys()]  # noqa: SIM118 - not a dict

    def services(self, prefix: str = "") -> Sequence[str]:
        more: dict[str, Any] = {"Filters": [{"Key": "name", "Values": [prefix]}]} if prefix else {}
        entries = self._client.pages("ListSecrets", "SecretList", about="services", MaxResults=_PAGE, **more)
        names = [entry.get("Name", "") for entry in entries if not _is_empty(entry)]
        return sorted(name for name in names if name.startswith(prefix) and _is_service(name))

    def secrets(self, prefix: str = "") -> Sequence[SecretId]:
        def keys(service: str) -> Sequence[str]:
            self._context.restart_deadline()
            try:
                return self._current(service).document.keys()
            except (ServiceNotFound, FormatError, UnsupportedError):
                return []  # deleted since it was listed, or somebody else's and no JSON object

        services = self.services(prefix)
        found = parallel.each(keys, services, at_once=_AT_ONCE)
        return [SecretId(service, key) for service, keys in zip(services, found, strict=True) for key in keys]

    def current(self, service: str, keys: Iterable[str]) -> dict[str, str]:
        try:
            values = self._current(service).document.values()
        except ServiceNotFound:
            return {}
        return {key: values[key] for key in keys if key in values}

    # -- history ----------------------------------------------------------------------------------------

    def history(self, service: str, key: str | None = None) -> Sequence[Version]:
        try:
            documents = self._documents(service)
        except ServiceNotFound:
            if key is None:
                raise
            raise _missing(SecretId(service, key)) from None
        latest = documents[-1][1]
        if key is None and not latest.keys():
            raise _nothing(service)
        if key is not None and latest.get(key) is None:
            raise _missing(SecretId(service, key))
        events = [
            event
            for name in (latest.keys() if key is None else [key])
            for event in _events(SecretId(service, name), documents)
        ]
        return (
            sorted(events, key=lambda event: (event.created is not None, event.created, event.version))
            if (key is None)
            else events
        )

    def _read_version(self, id: SecretId, version: int) -> Secret:
        """In three calls where the version's label tells its place; else from the whole history."""
        looks: tuple[Callable[[str], Any], ...] = (self._versions, self._current)
        versions, current = parallel.each(lambda look: look(id.service), looks, at_once=2)
        now = current.document
        newest = 0 if now.get(id.key) is None else now.known(id.key).version
        if newest == version:
            return _secret(id, now, values=True)
        for stored in versions:
            # A label over the newest is one that a secret of this name left which was deleted.
            if version > newest or f"{_LABEL}{version}" not in stored.stages:
                continue
            if lineage.was_current(stored, versions):
                document = self._get(id.service, VersionId=stored.id).document
                if document.get(id.key) is not None and document.known(id.key).version == version:
                    return _secret(id, document, values=True)
        for _, document in reversed(self._documents(id.service, versions)):
            if document.get(id.key) is None:
                break  # deleted then: what was before is another secret
            if document.known(id.key).version == version:
                return _secret(id, document, values=True)
        raise SecretNotFound(
            f"{id} has no version {version}, or Secrets Manager keeps it no longer",
            hint=f"history {id.service} {id.key} shows the versions that are there",
        )

    def _documents(
        self, service: str, versions: Sequence[lineage.Stored] | None = None
    ) -> Sequence[tuple[lineage.Stored, Document]]:
        """What the service held, version by version, oldest first; the last is what it holds now."""
        versions = self._versions(service) if versions is None else versions

        def content(stored: lineage.Stored) -> _Current:
            self._context.restart_deadline()
            return self._get(service, VersionId=stored.id)

        contents = parallel.each(content, versions, at_once=_AT_ONCE)
        documents = {it.id: it.document for it in contents}
        dated = [
            lineage.Stored(it.id, it.created or stored.created, stored.stages)
            for it, stored in zip(contents, versions, strict=True)
        ]
        return [(stored, documents[stored.id]) for stored in lineage.ever_current(dated, documents)]

    def _versions(self, service: str) -> Sequence[lineage.Stored]:
        entries = self._client.pages(
            "ListSecretVersionIds",
            "Versions",
            about=service,
            meaning=_absent(service),
            SecretId=service,
            IncludeDeprecated=True,
            MaxResults=_PAGE,
        )
        found = [
            lineage.Stored(it["VersionId"], it["CreatedDate"], frozenset(it.get("VersionStages") or ()))
            for it in entries
        ]
        if not any(lineage.CURRENT in stored.stages for stored in found):
            raise MalformedAnswerError(f"service {service}: none of its versions is current")
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
        id = SecretId(service, key)
        version = 0

        def edit(document: Document) -> tuple[Document, int] | None:
            nonlocal version
            old = document.get(key)
            version = 0 if old is None else document.known(key).version
            if if_version is not None and if_version != version:
                raise _conflict(id, version, if_version)
            if skip_unchanged and old == value:
                return None
            version += 1
            return self._written(document, {key: value}), version

        self._change(service, edit)
        return version

    def write_many(
        self,
        service: str,
        values: Mapping[str, str],
        *,
        tags: Mapping[str, str] | None = None,
        written: Callable[[str], None] = _silent,
    ) -> None:
        def edit(document: Document) -> tuple[Document, int]:
            after = self._written(document, values)
            return after, max(after.known(key).version for key in values)

        if values:
            self._change(service, edit)
        for key in values:
            written(key)

    def delete(self, service: str, key: str) -> None:
        def edit(document: Document) -> tuple[Document, int]:
            if document.get(key) is None:
                raise _missing(SecretId(service, key))
            return document.without(key), 1

        self._change(service, edit)

    def delete_many(
        self, service: str, keys: Iterable[str], *, deleted: Callable[[str], None] = _silent
    ) -> None:
        gone = list(keys)

        def edit(document: Document) -> tuple[Document, int] | None:
            after = document
            for key in gone:
                after = after.without(key)
            return None if after.keys() == document.keys() else (after, 1)

        self._change(service, edit)
        for key in gone:
            deleted(key)

    def _written(self, document: Document, values: Mapping[str, str]) -> Document:
        from vault_exec_backends.aws.times import now_text

        created, by = now_text(), self._caller.arn()
        for key, value in values.items():
            version = 0 if document.get(key) is None else document.known(key).version
            document = document.with_value(key, value, version + 1, created, by)
        return document

    def _change(self, service: str, edit: Edit) -> None:
        """Apply the edit to what is current, again and again until nobody else was faster."""
        while True:
            described, seen = self._for_write(service)
            before = EMPTY if seen is None else seen.document
            change = edit(before)
            if change is None:
                return
            write = _Write(service, before, *change)
            stages = (described or {}).get("VersionIdsToStages") or {}
            if described is None:
                done = self._created(write)
            elif seen is None and any(lineage.CURRENT in names for names in stages.values()):
                done = False  # somebody made it between our two looks
            else:
                self._make_room(service, stages, write.labels)
                done = (
                    self._moved(write, seen.id if seen else None) if self._may_move else self._replaced(write)
                )
            if done:
                return
            self._wait()

    def _for_write(self, service: str) -> tuple[dict[str, Any] | None, _Current | None]:
        """The secret's description, and what is current in it; None for what is not there."""

        def found(call: Callable[[str], Any]) -> Any:
            try:
                return call(service)
            except ServiceNotFound:
                return None

        described, seen = parallel.each(found, (self._describe, self._current), at_once=2)
        if described and described.get("RotationEnabled"):
            raise UnsupportedError(
                f"service {service}: its secret is rotated by Secrets Manager, so writes to it would be lost",
                hint="let the rotation write it, or turn it off: aws secretsmanager cancel-rotate-secret",
            )
        return described, seen

    def _created(self, write: _Write) -> bool:
        token = lineage.first()
        exists = ConflictError(f"service {write.service} is there already")
        try:
            self._client.call(
                "CreateSecret",
                about=write.service,
                resource=f"secret:{write.service}-*",
                must=("VersionId",),
                meaning={"ResourceExistsException": exists},
                Name=write.service,
                SecretString=write.after.dump(write.service),
                ClientRequestToken=token,
            )
        except ConflictError as error:
            if error is not exists:
                raise
        # Somebody may have been faster, or an answer got lost and this is our own.
        return self._in_force(write, token)

    def _moved(self, write: _Write, parent: str | None) -> bool:
        """parent: None where no version is current. The first one that is put becomes it at once (API
        reference, PutSecretValue), so that of two writers one finds AWSCURRENT taken."""
        token = lineage.child_of(parent or "")
        if not self._put(write, token, write.labels):
            return False
        moved = ConflictError(f"service {write.service} changed in the meantime")
        try:
            self._stage(
                write.service,
                lineage.CURRENT,
                to=token,
                off=parent,
                meaning={"InvalidParameterException": moved, "InvalidRequestException": moved},
            )
        except NoCredentialsError:
            raise
        except AccessDeniedError:
            self._may_move = False
            self._context.notify(
                "secretsmanager:UpdateSecretVersionStage is not allowed: what somebody else writes to "
                f"{write.service} at the same moment would be lost unseen; allow it"
            )
            return self._replaced(write)
        except ConflictError as error:
            if error is not moved:
                raise
        if self._in_force(write, token):
            return True
        self._give_up_label(write, token)
        return False

    def _replaced(self, write: _Write) -> bool:
        """Write as chamber does, the last one wins: for who may not move labels."""
        token = lineage.first()
        return self._put(write, token, [lineage.CURRENT, *write.labels]) and self._in_force(write, token)

    def _in_force(self, write: _Write, token: str) -> bool:
        """Whether our version is current, or was and the one that is now still holds what it changed."""
        current = self._current(write.service)
        if current.id == token or lineage.is_child(current.id, token):
            return True
        versions = self._versions(write.service)
        if any(lineage.is_child(stored.id, token) for stored in versions):
            return True  # its writer saw ours
        verdicts = [lineage.was_current(stored, versions) for stored in versions if stored.id == token]
        if verdicts == [None]:  # chamber wrote since: only what stands in the versions tells
            verdicts = [any(stored.id == token for stored, _ in self._documents(write.service, versions))]
        return verdicts == [True] and keeps(current.document, write.before, write.after)

    def _put(self, write: _Write, token: str, stages: Sequence[str]) -> bool:
        """Put the new version; False where others have taken the room for its labels in the meantime."""
        service = write.service
        full = VaultExecError(
            f"service {service}: Secrets Manager takes no more of it now (LimitExceededException): "
            f"about 100 versions in 24 hours, {_LABELS} labels",
            hint="import many keys in one go rather than one by one, and try again later",
        )
        try:
            self._client.call(
                "PutSecretValue",
                about=service,
                resource=f"secret:{service}-*",
                must=("VersionId",),
                meaning={**_absent(service), "LimitExceededException": full},
                SecretId=service,
                SecretString=write.after.dump(service),
                ClientRequestToken=token,
                VersionStages=stages,
            )
        except VaultExecError as error:
            present = (
                _present(self._describe(service).get("VersionIdsToStages") or {}) if error is full else {}
            )
            if not _surplus(present, write.labels):
                raise
            return False
        return True

    def _stage(
        self,
        service: str,
        label: str,
        *,
        to: str | None = None,
        off: str | None = None,
        meaning: Mapping[str, VaultExecError] | None = None,
    ) -> None:
        members: dict[str, Any] = {"MoveToVersionId": to, "RemoveFromVersionId": off}
        self._client.call(
            "UpdateSecretVersionStage",
            about=service,
            resource=f"secret:{service}-*",
            must=("ARN",),
            meaning=meaning,
            SecretId=service,
            VersionStage=label,
            **{name: id for name, id in members.items() if id is not None},
        )

    def _make_room(self, service: str, stages: Mapping[str, Sequence[str]], labels: Sequence[str]) -> None:
        """Take the oldest CHAMBER labels off where these would be too many."""
        present = _present(stages)
        gone = ConflictError(f"service {service} changed in the meantime")
        for label in _surplus(present, labels):
            try:
                self._stage(
                    service,
                    label,
                    off=present[label],
                    meaning={"InvalidParameterException": gone, "InvalidRequestException": gone},
                )
            except ConflictError as error:
                if error is not gone:  # somebody else took it off, or we did and the answer got lost
                    raise

    def _give_up_label(self, write: _Write, loser: str) -> None:
        """Hand the label to the winner, so that no label of chamber's stays on what never was in force; and
        VAULTEXEC-EMPTY, which the put took from a winner that is empty, too."""
        try:
            winner = self._current(write.service)
            if not write.after.keys() and not winner.document.keys():
                self._stage(write.service, _EMPTY, to=winner.id, off=loser)
            self._stage(write.service, write.label, to=winner.id, off=loser)
        except VaultExecError as error:
            self._context.trace(f"secretsmanager: {write.label} stays on a version that lost: {error}")

    def _wait(self) -> None:
        from random import random
        from time import sleep

        sleep(min(0.05 + random() * 0.3, self._context.time_left()))  # noqa: S311 - no secret

    # -- calls ------------------------------------------------------------------------------------------

    def _current(self, service: str) -> _Current:
        # The stage is named because a read without one is not the same everywhere after a moved label.
        return self._get(service, VersionStage=lineage.CURRENT)

    def _get(self, service: str, **which: Any) -> _Current:
        refused = VaultExecError(f"service {service}: refused")
        try:
            answer = self._client.call(
                "GetSecretValue",
                about=service,
                resource=f"secret:{service}-*",
                must=("VersionId",),
                meaning={**_absent(service), "InvalidRequestException": refused},
                SecretId=service,
                **which,
            )
        except VaultExecError as error:
            if error is refused:
                self._explain(service)
            raise
        text = answer.get("SecretString")
        if text is None and answer.get("SecretBinary") is None:
            raise MalformedAnswerError(f"service {service}: an answer without SecretString")
        return _Current(answer["VersionId"], parse(text or "", service), answer.get("CreatedDate"))

    def _describe(self, service: str) -> dict[str, Any]:
        answer = self._client.call(
            "DescribeSecret",
            about=service,
            resource=f"secret:{service}-*",
            must=("Name",),
            meaning=_absent(service),
            SecretId=service,
        )
        if answer.get("DeletedDate"):
            raise VaultExecError(
                f"service {service}: its secret is scheduled for deletion",
                hint=f"get it back with: aws secretsmanager restore-secret --secret-id {service}",
            )
        return answer

    def _explain(self, service: str) -> None:
        """Raise why GetSecretValue refused: its code alone does not tell that the secret is being deleted."""
        self._describe(service)


class _Write:
    """One attempt to write: what was there, what shall be, chamber's label for it, and all its labels."""

    __slots__ = ("after", "before", "label", "labels", "service")

    def __init__(self, service: str, before: Document, after: Document, version: int) -> None:
        self.service = service
        self.before = before
        self.after = after
        self.label = f"{_LABEL}{version}"
        self.labels = [self.label] if after.keys() else [self.label, _EMPTY]


class _Current:
    """A version of a service: its id, its content, and when it was made."""

    __slots__ = ("created", "document", "id")

    def __init__(self, id: str, document: Document, created: datetime | None) -> None:
        self.id = id
        self.document = document
        self.created = created


def _events(id: SecretId, documents: Sequence[tuple[lineage.Stored, Document]]) -> Sequence[Version]:
    """The versions of a key since it came to be, oldest first."""
    events: dict[tuple[int, str], Version] = {}
    for stored, document in documents:
        if document.get(id.key) is None:
            events.clear()  # deleted: what came before was another secret
            continue
        known = document.known(id.key)
        when = known.when() or stored.created
        events.setdefault((known.version, known.created), Version(id, known.version, when, known.created_by))
    return sorted(events.values(), key=lambda event: event.version)


def _secret(id: SecretId, document: Document, *, values: bool) -> Secret:
    known = document.known(id.key)
    value = document.get(id.key) if values else None
    return Secret(id, value, known.version, known.when(), known.created_by)


def _is_empty(entry: Mapping[str, Any]) -> bool:
    """Whether ListSecrets says that the current version holds no key."""
    stages = entry.get("SecretVersionsToStages") or {}
    return any(lineage.CURRENT in labels and _EMPTY in labels for labels in stages.values())


def _is_service(name: str) -> bool:
    """Whether we can address a secret of this name; Secrets Manager allows `+`, `=` and `@` too."""
    try:
        return bool(check_service(name))
    except InvalidNameError:
        return False


def _present(stages: Mapping[str, Sequence[str]]) -> dict[str, str]:
    """Each label, and the version it is on."""
    return {label: id for id, labels in stages.items() for label in labels}


def _surplus(present: Iterable[str], wanted: Sequence[str]) -> list[str]:
    """The oldest CHAMBER labels, as many as must go to make room for those that are wanted."""
    more = len({*present, *wanted}) - _LABELS
    numbers = sorted(int(it[len(_LABEL) :]) for it in present if _is_numbered(it) and it not in wanted)
    return [f"{_LABEL}{number}" for number in numbers[: max(more, 0)]]


def _is_numbered(label: str) -> bool:
    return label.startswith(_LABEL) and label[len(_LABEL) :].isdecimal()


def _absent(service: str) -> dict[str, VaultExecError]:
    return {"ResourceNotFoundException": _nothing(service)}


def _nothing(service: str) -> ServiceNotFound:
    return ServiceNotFound(
        f"service {service} holds no secret in Secrets Manager",
        service=service,
        hint=f"list-services shows what is there; write {service} KEY - makes the first",
    )


def _missing(id: SecretId) -> SecretNotFound:
    return SecretNotFound(f"{id} is not there", hint=f"list {id.service} shows the keys that are there")


def _conflict(id: SecretId, version: int, expected: int) -> ConflictError:
    found = f"at version {version}" if version else "not there"
    wanted = f"version {expected}" if expected else "no such key"
    return ConflictError(
        f"{id} is {found}, and --if-version expects {wanted}",
        hint=f"history {id.service} {id.key} shows who wrote it",
    )
