"""AWS Systems Manager Parameter Store, laid out as by Segment's chamber, so that both can work on it.

A secret is the parameter `/<service>/<key>`: a SecureString under the KMS key of `--kms-key-alias`, its
Description the number of its version as text (for chamber, which takes it for the version; we count by the
store's own number). `/_chamber/store-config` may hold `{"version":"1","requiredTags":[…]}`.

A writer that is killed leaves each secret either as it was or with its new version: each is one PutParameter.
Parameter Store cannot compare and swap: of two writers the later one wins, and both versions stay in history.

Limits (User Guide, "Creating Parameter Store parameters", and API reference, PutParameter): names of up to
1,011 characters and 15 levels, the first not beginning with `aws` or `ssm`; values of 4,096 bytes, or 8,192
in the advanced tier, without `{{…}}`; 100 versions; 10 labels a version.
"""

from __future__ import annotations

from _thread import allocate_lock

from vault_exec import parallel
from vault_exec.errors import (
    AccessDeniedError,
    ConfigError,
    ConflictError,
    InvalidNameError,
    InvalidValueError,
    MalformedAnswerError,
    SecretNotFound,
    ServiceNotFound,
    UsageError,
    VaultExecError,
)
from vault_exec.model import Secret, SecretId, Version
from vault_exec.names import DIGITS, LOWER, UPPER, fold, shown
from vault_exec.store import Features, Store
from vault_exec_backends.aws.client import connect
from vault_exec_backends.aws.config import kms_key

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from datetime import datetime
    from typing import Any

    from vault_exec.store import Context
    from vault_exec_backends.aws.client import Client

    Parameter = dict[str, Any]

_AT_ONCE = 8
_BATCH = 10  # names a call of GetParameters and DeleteParameters, parameters a page of GetParametersByPath
_PAGE = 50  # entries a page of DescribeParameters and GetParameterHistory
_STANDARD_BYTES = 4096
_LONGEST_NAME = 1011
_DEEPEST = 15

_NAME = frozenset(LOWER + UPPER + DIGITS + "_-.")
_TYPES = {"Name": str, "Value": str, "Version": int}
_CONFIG = SecretId("_chamber", "store-config")


class Seen:
    """What was found when a service was looked at: the parameters, None for one that was not there.

    whole: what is not in `found` was not there either.
    """

    __slots__ = ("found", "service", "whole")

    def __init__(self, service: str, found: dict[SecretId, Parameter | None], *, whole: bool = False) -> None:
        self.service = service
        self.found = found
        self.whole = whole


class SsmStore(Store):
    """Parameter Store in one account and region."""

    __slots__ = ("_client", "_context", "_key", "_seen")

    name = "ssm"
    features = Features(
        writable=True, history=True, tags=True, labels=True, remote=True, max_value_bytes=2 * _STANDARD_BYTES
    )

    def __init__(self, context: Context, client: Client) -> None:
        self._context = context
        self._client = client
        self._key = kms_key(context.settings.kms_key_alias)
        self._seen = Seen("", {})

    # -- reading ----------------------------------------------------------------------------------------

    def values(self, service: str, label: str | None = None) -> dict[str, str]:
        """See `Store`. What it finds out is kept for `write_many`, as in `current`."""
        found = self._parameters(service, label)
        if label is None:
            self._seen = Seen(service, {SecretId(service, key): it for key, it in found.items()}, whole=True)
        return {key: it["Value"] for key, it in found.items()}

    def read(self, service: str, key: str, version: int | str | None = None) -> Secret:
        id = SecretId(service, key)
        if isinstance(version, int) and version > _PAGE:
            secret = self._from_history(id, version)
            if secret is not None:
                return secret
        found = self._get(id, version)
        return _secret(id, found, self._user(id, found["Version"], latest=version is None))

    def list(self, service: str, *, values: bool = False, label: str | None = None) -> Sequence[Secret]:
        if values or label is not None:
            return self._list_values(service, label, values=values)
        return [
            _secret(SecretId(service, key), entry, entry.get("LastModifiedUser"), value=False)
            for key, entry in sorted(self._described(service).items())
        ]

    def services(self, prefix: str = "") -> Sequence[str]:
        return sorted({id.service for id in self._ids(prefix)})

    def secrets(self, prefix: str = "") -> Sequence[SecretId]:
        return sorted(self._ids(prefix))

    def current(self, service: str, keys: Iterable[str]) -> dict[str, str]:
        """See `Store`. What it finds out is kept for `write_many`, so that an import looks once: its plan was
        made from this, so this is also what its writes follow."""
        ids = [SecretId(service, key) for key in dict.fromkeys(keys)]
        found = self._look_up_with_config(ids) if len(ids) > 1 else self._look_up(ids)
        self._seen = Seen(service, found)
        return {id.key: it["Value"] for id in ids if (it := found[id]) is not None}

    def history(self, service: str, key: str | None = None) -> Sequence[Version]:
        if key is not None:
            id = SecretId(service, key)
            return sorted((_version(id, entry) for entry in self._versions(id)), key=_by_version)
        ids = [SecretId(service, key) for key in self._described(service, endless=True)]
        events = [event for of_key in parallel.each(self._history, ids, at_once=_AT_ONCE) for event in of_key]
        return sorted(events, key=_by_date)

    def tags(self, service: str, key: str) -> dict[str, str]:
        id = SecretId(service, key)
        found = self._tag_call("ListTagsForResource", id, must=("TagList",))
        return {tag["Key"]: tag["Value"] for tag in found["TagList"]}

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
        _check_target(id, value)
        found = self._look_up_with_config([id])
        before = found[id]
        if before is None:
            self._check_required_tags([id], tags, found)
        elif if_version == 0:
            raise ConflictError(f"{id} is there already, at version {before['Version']}")
        elif skip_unchanged and before["Value"] == value:
            return int(before["Version"])
        elif tags:
            raise UsageError(
                f"{id} is there already, and tags on write are only supported for new secrets",
                hint=f"change its tags with: tag write {service} {key} NAME=VALUE",
            )
        self._warn_of_config(service)
        return self._put(id, value, before, tags=tags, create=if_version == 0)

    def write_many(
        self,
        service: str,
        values: Mapping[str, str],
        *,
        tags: Mapping[str, str] | None = None,
        written: Callable[[str], None] = lambda key: None,
    ) -> None:
        """See `Store`. Up to eight at once, so `written` tells them in the order in which they are done."""
        ids = [SecretId(service, key) for key in values]
        for id in ids:
            _check_target(id, values[id.key])
        seen, self._seen = self._seen, Seen("", {})
        if seen.service != service:
            seen = Seen(service, {})
        found = dict(seen.found)
        unseen = [id for id in ids if id not in found]
        if seen.whole:
            found.update(dict.fromkeys(unseen))
        elif unseen:
            found.update(self._look_up_with_config(unseen))
        new = [id for id in ids if found[id] is None]
        if new:
            self._check_required_tags(new, tags, found)
        self._warn_of_config(service)
        one_at_a_time = allocate_lock()

        def put(id: SecretId) -> None:
            before = found[id]
            self._put(id, values[id.key], before, tags=tags if before is None else None)
            with one_at_a_time:
                written(id.key)

        parallel.each(put, ids, at_once=_AT_ONCE)

    def delete(self, service: str, key: str) -> None:
        id = SecretId(service, key)
        lost = False

        def settle() -> dict[str, Any] | None:
            nonlocal lost
            lost = True
            return {} if self._look_up([id])[id] is None else None

        try:
            self._client.call(
                "DeleteParameter",
                about=str(id),
                resource=_resource(id),
                meaning={"ParameterNotFound": _missing(id)},
                settle=settle,
                Name=_name(id),
            )
        except SecretNotFound:
            if not lost:
                raise

    def delete_many(
        self, service: str, keys: Iterable[str], *, deleted: Callable[[str], None] = lambda key: None
    ) -> None:
        for batch in _batches([SecretId(service, key) for key in dict.fromkeys(keys)]):
            names = {_name(id): id for id in batch}
            answer = self._client.call(
                "DeleteParameters",
                about=service,
                resource=f"parameter/{service}/*",
                must=("DeletedParameters",),
                Names=list(names),
            )
            gone = {*answer["DeletedParameters"], *answer.get("InvalidParameters", ())}
            for name, id in names.items():
                if name not in gone:
                    raise MalformedAnswerError(f"{id}: ssm does not say whether it was deleted")
                deleted(id.key)

    def write_tags(
        self, service: str, key: str, tags: Mapping[str, str], *, delete_others: bool = False
    ) -> None:
        """See `Store`. The new tags are there before the others go, so that none is missing in between."""
        id = SecretId(service, key)
        others: list[str] = []
        if delete_others:
            others = [name for name in self.tags(service, key) if name not in tags]
            self._refuse_required(id, others)
        if tags:
            pairs = [{"Key": name, "Value": value} for name, value in tags.items()]
            self._tag_call("AddTagsToResource", id, Tags=pairs)
        if others:
            self._tag_call("RemoveTagsFromResource", id, TagKeys=others)

    def delete_tags(self, service: str, key: str, names: Iterable[str]) -> None:
        id = SecretId(service, key)
        unwanted = list(names)
        self._refuse_required(id, unwanted)
        self._tag_call("RemoveTagsFromResource", id, TagKeys=unwanted)

    def label(self, service: str, key: str, label: str, version: int | None = None) -> None:
        id = SecretId(service, key)
        found = self._get(id, version, decrypt=False)
        answer = self._client.call(
            "LabelParameterVersion",
            about=str(id),
            resource=_resource(id),
            must=("ParameterVersion",),
            meaning={
                "ParameterNotFound": _missing(id, version),
                "ParameterVersionNotFound": _missing(id, version),
                "ParameterVersionLabelLimitExceeded": VaultExecError(
                    f"{id}: version {found['Version']} has 10 labels, and Parameter Store allows no more",
                    hint="move one of them to another version",
                ),
            },
            Name=_name(id),
            ParameterVersion=found["Version"],
            Labels=[label],
        )
        if answer.get("InvalidLabels"):
            raise InvalidNameError(f"{id}: Parameter Store does not take {shown(label)} as a label")

    # -- calls ------------------------------------------------------------------------------------------

    def _get(self, id: SecretId, version: int | str | None, *, decrypt: bool = True) -> Parameter:
        """The parameter at a version, at a label, or as it is now."""
        missing = _missing(id, version)
        found: Parameter = self._client.call(
            "GetParameter",
            about=str(id),
            resource=_resource(id),
            must=("Parameter",),
            meaning={"ParameterNotFound": missing, "ParameterVersionNotFound": missing},
            Name=_name(id) if version is None else f"{_name(id)}:{version}",
            WithDecryption=decrypt,
        )["Parameter"]
        return _complete(found, str(id))

    def _from_history(self, id: SecretId, version: int) -> Secret | None:
        """A version from the history with all values: two calls at most, where `_get` and the user would be
        three. None where that is denied: another version may be under a key that we cannot use."""
        try:
            for entry in self._versions(id, decrypt=True):
                if entry["Version"] == version:
                    return _secret(id, _complete(entry, str(id)), entry.get("LastModifiedUser"))
        except AccessDeniedError:
            return None
        raise _missing(id, version)

    def _user(self, id: SecretId, version: int, *, latest: bool = False) -> str | None:
        """Who wrote the version: GetParameter does not say."""
        if latest and version > _PAGE:  # not on the first page of its history, but all that this filter finds
            for entry in self._describe(str(id), "Name", "Equals", _name(id)):
                if entry.get("Version") == version:
                    return entry.get("LastModifiedUser")
        try:
            for entry in self._versions(id):
                if entry["Version"] == version:
                    return entry.get("LastModifiedUser")
        except SecretNotFound:
            pass  # deleted since
        return None

    def _versions(self, id: SecretId, *, decrypt: bool = False) -> Iterable[Parameter]:
        """Every version that is kept, oldest first. Without values, so that an auditor needs no key."""
        entries = self._client.pages(
            "GetParameterHistory",
            "Parameters",
            about=str(id),
            resource=_resource(id),
            meaning={"ParameterNotFound": _missing(id)},
            Name=_name(id),
            WithDecryption=decrypt,
            MaxResults=_PAGE,
        )
        for entry in entries:
            yield _complete(entry, str(id), "Version")

    def _history(self, id: SecretId) -> Sequence[Version]:
        """As `history` of one key of a service, where a key may vanish and each one is progress."""
        try:
            found = [_version(id, entry) for entry in self._versions(id)]
        except SecretNotFound:
            return []
        self._context.restart_deadline()
        return found

    def _parameters(self, service: str, label: str | None, *, decrypt: bool = True) -> dict[str, Parameter]:
        found = self._by_path(service, decrypt=decrypt and label is None)
        if not found:
            raise _empty(service)
        return found if label is None else self._labelled(service, list(found), label, decrypt=decrypt)

    def _by_path(self, service: str, *, decrypt: bool) -> dict[str, Parameter]:
        entries = self._client.pages(
            "GetParametersByPath",
            "Parameters",
            about=service,
            resource=f"parameter/{service}/*",
            Path=f"/{service}/",
            Recursive=False,
            WithDecryption=decrypt,
            MaxResults=_BATCH,
        )
        return _of_service(service, (_complete(entry, service) for entry in entries))

    def _labelled(
        self, service: str, keys: Sequence[str], label: str, *, decrypt: bool
    ) -> dict[str, Parameter]:
        """The parameters at the label. Asked for by name, so that a key without it shows; a filter on the
        label would leave it out as if it were not there."""
        names = [f"{_name(SecretId(service, key))}:{label}" for key in keys]
        found = _of_service(service, self._get_parameters(names, service, decrypt=decrypt))
        bare = sorted(set(keys) - set(found))
        if bare and (not found or not self._context.settings.allow_unlabelled):
            leave_out = "; or leave them out: --allow-unlabelled" if found else ""
            raise SecretNotFound(
                f"{service}: label {shown(label)} is missing on {_some(bare)}",
                hint=f"label them with: label {service} KEY {label}{leave_out}",
            )
        if bare:
            self._context.notify(f"{service}: left out, without label {label}: {_some(bare)}")
        return found

    def _list_values(self, service: str, label: str | None, *, values: bool) -> Sequence[Secret]:
        asks: Sequence[Callable[[], dict[str, Parameter]]] = [
            lambda: self._described(service),
            lambda: self._parameters(service, label, decrypt=values),
        ]
        described, found = parallel.each(lambda ask: ask(), asks, at_once=2)
        if label is None:  # written while we looked
            late = [SecretId(service, key) for key in described if key not in found]
            found.update({id.key: it for id, it in self._look_up(late).items() if it is not None})

        users = {key: meta.get("LastModifiedUser") for key, meta in described.items()}
        others = [key for key in found if found[key]["Version"] != described.get(key, {}).get("Version")]
        users.update(
            parallel.each(
                lambda key: (key, self._user(SecretId(service, key), found[key]["Version"])),
                others,
                at_once=_AT_ONCE,
            )
        )
        return [
            _secret(SecretId(service, key), found[key], users[key], value=values) for key in sorted(found)
        ]

    def _described(self, service: str, *, endless: bool = False) -> dict[str, Parameter]:
        """What DescribeParameters says of the service's keys. Raises ServiceNotFound when there are none."""
        entries = self._describe(service, "Path", "OneLevel", f"/{service}", endless=endless)
        found = _of_service(service, entries)
        if not found:
            raise _empty(service)
        return found

    def _ids(self, prefix: str) -> set[SecretId]:
        about = f"services {prefix}…" if prefix else "all services"
        entries = self._describe(about, "Name", "BeginsWith", f"/{prefix}", endless=True)
        found = (_id(str(entry.get("Name"))) for entry in entries)
        return {id for id in found if id is not None and id.service.startswith(prefix)}

    def _describe(
        self, about: str, key: str, option: str, value: str, *, endless: bool = False
    ) -> Iterable[Parameter]:
        return self._client.pages(
            "DescribeParameters",
            "Parameters",
            about=about,
            resource="*",
            endless=endless,
            ParameterFilters=[{"Key": key, "Option": option, "Values": [value]}],
            MaxResults=_PAGE,
        )

    def _look_up(self, ids: Sequence[SecretId]) -> dict[SecretId, Parameter | None]:
        """Each secret as it is now, None where it is not there."""
        about = str(ids[0]) if len(ids) == 1 else ids[0].service if ids else ""
        names = [_name(id) for id in ids]
        found = {it["Name"]: it for it in self._get_parameters(names, about, decrypt=True)}
        return {id: found.get(_name(id)) for id in ids}

    def _look_up_with_config(self, ids: Sequence[SecretId]) -> dict[SecretId, Parameter | None]:
        """`_look_up`, and the store's configuration too where that costs no call of its own.

        One denied name fails a whole call, and policies that cover only the service are common: that call
        is made again without the configuration, which is then not in the result.
        """
        batches = _batches(ids)
        if len(batches[-1]) < _BATCH and _CONFIG not in ids:
            batches[-1] = [*batches[-1], _CONFIG]

        def look_up(batch: Sequence[SecretId]) -> dict[SecretId, Parameter | None]:
            try:
                return self._look_up(batch)
            except AccessDeniedError:
                if _CONFIG not in batch or _CONFIG in ids:
                    raise
            return self._look_up(batch[:-1])

        found: dict[SecretId, Parameter | None] = {}
        for part in parallel.each(look_up, batches, at_once=_AT_ONCE):
            found.update(part)
        return found

    def _get_parameters(self, names: Sequence[str], about: str, *, decrypt: bool) -> Sequence[Parameter]:
        """Those of these names (with selectors or without) that are there."""

        def get(batch: Sequence[str]) -> Sequence[Parameter]:
            answer = self._client.call(
                "GetParameters",
                about=about,
                resource=", ".join("parameter" + name.partition(":")[0] for name in batch),
                must=("Parameters",),
                Names=list(batch),
                WithDecryption=decrypt,
            )
            found = answer["Parameters"]
            if len(found) + len(answer.get("InvalidParameters") or ()) != len(batch):
                raise MalformedAnswerError(f"{about}: ssm does not say of each parameter whether it is there")
            return [_complete(it, about) for it in found]

        return [it for found in parallel.each(get, _batches(names), at_once=_AT_ONCE) for it in found]

    def _put(
        self,
        id: SecretId,
        value: str,
        before: Parameter | None,
        *,
        tags: Mapping[str, str] | None = None,
        create: bool = False,
    ) -> int:
        """Write the version after `before`; the service takes tags only when it may not overwrite."""
        version = int(before["Version"]) if before else 0
        lost = False

        def settle() -> dict[str, Any] | None:
            nonlocal lost
            lost = True
            return self._written(id, value, version)

        members: dict[str, Any] = (
            {"Tags": [{"Key": name, "Value": tags[name]} for name in tags]} if tags else {}
        )
        try:
            answer = self._client.call(
                "PutParameter",
                about=str(id),
                resource=_resource(id),
                must=("Version",),
                meaning=_put_meaning(id, value),
                settle=settle,
                Name=_name(id),
                Value=value,
                Type="SecureString",
                KeyId=self._key,
                Overwrite=not (tags or create),
                Description=str(version + 1),
                **members,
            )
        except ConflictError:
            done = settle() if lost else None  # our own write, whose answer was lost
            if done is None:
                raise
            answer = done
        return int(answer["Version"])

    def _written(self, id: SecretId, value: str, after: int) -> dict[str, Any] | None:
        """The answer that a PutParameter would have had, where a version after this one holds the value.
        Others may have written before it and since."""
        first = after + 1
        while True:
            names = [_name(id), *(f"{_name(id)}:{number}" for number in range(first, first + _BATCH - 1))]
            found = self._get_parameters(names, str(id), decrypt=True)
            for entry in found:
                if entry["Version"] > after and entry["Value"] == value:
                    return {"Version": entry["Version"]}
            first += _BATCH - 1
            if all(entry["Version"] < first for entry in found):
                return None

    def _tag_call(
        self, operation: str, id: SecretId, must: Iterable[str] = (), **members: Any
    ) -> dict[str, Any]:
        return self._client.call(
            operation,
            about=str(id),
            resource=_resource(id),
            must=must,
            meaning={
                "InvalidResourceId": _missing(id),
                "TooManyTagsError": VaultExecError(f"{id}: Parameter Store allows 50 tags"),
            },
            ResourceType="Parameter",
            ResourceId=_name(id),
            **members,
        )

    # -- the store's configuration ----------------------------------------------------------------------

    def _required_tags(self, found: Mapping[SecretId, Parameter | None] | None = None) -> Sequence[str]:
        try:
            config = (found if found and _CONFIG in found else self._look_up([_CONFIG]))[_CONFIG]
        except AccessDeniedError as error:
            raise AccessDeniedError(
                str(error),
                hint=f"it tells which tags are required: allow ssm:GetParameters on {_resource(_CONFIG)}",
            ) from None
        return [] if config is None else _parsed_required_tags(config["Value"])

    def _check_required_tags(
        self,
        new: Sequence[SecretId],
        tags: Mapping[str, str] | None,
        found: Mapping[SecretId, Parameter | None],
    ) -> None:
        missing = [name for name in self._required_tags(found) if name not in (tags or {})]
        if missing:
            raise UsageError(
                f"{_some([str(id) for id in new])}: new secrets need the tags {', '.join(missing)}",
                hint="give them with --tags " + ",".join(f"{name}=VALUE" for name in missing),
            )

    def _refuse_required(self, id: SecretId, unwanted: Sequence[str]) -> None:
        if not unwanted:
            return
        required = self._required_tags()
        kept = [name for name in unwanted if name in required]
        if kept:
            raise UsageError(
                f"{id}: the tags {', '.join(kept)} are required and may not be deleted",
                hint="give them a new value instead",
            )

    def _warn_of_config(self, service: str) -> None:
        if service == _CONFIG.service:
            self._context.notify(f"service {service} holds the store's configuration, for all who use it")


def open(context: Context) -> Store:
    """The backend's factory. Nothing is sent before the first call of a method."""
    return SsmStore(context, connect("ssm", context))


def _name(id: SecretId) -> str:
    return f"/{id.service}/{id.key}"


def _resource(id: SecretId) -> str:
    return f"parameter{_name(id)}"


def _id(name: str) -> SecretId | None:
    """`/service/key` → its id; None for a name that is not one of ours (chamber: `^(/[\\w\\-.]+)+$`)."""
    root, *parts = name.split("/")
    if root or len(parts) < 2 or not all(part and _NAME.issuperset(part) for part in parts):
        return None
    return SecretId("/".join(parts[:-1]), parts[-1])


def _of_service(service: str, entries: Iterable[Parameter]) -> dict[str, Parameter]:
    """The entries that are secrets of the service, by key."""
    found = {}
    for entry in entries:
        id = _id(str(entry.get("Name")))
        if id is not None and id.service == service:
            found[id.key] = entry
    return found


def _complete(entry: Parameter, about: str, *members: str) -> Parameter:
    for member in members or ("Name", "Value", "Version"):
        if not isinstance(entry.get(member), _TYPES[member]):
            raise MalformedAnswerError(f"{about}: ssm answers with a parameter without {member}")
    return entry


def _secret(id: SecretId, entry: Parameter, user: str | None, *, value: bool = True) -> Secret:
    return Secret(
        id, entry["Value"] if value else None, entry["Version"], _utc(entry.get("LastModifiedDate")), user
    )


def _version(id: SecretId, entry: Parameter) -> Version:
    return Version(
        id,
        entry["Version"],
        _utc(entry.get("LastModifiedDate")),
        entry.get("LastModifiedUser"),
        labels=tuple(sorted(entry.get("Labels") or ())),
    )


def _utc(moment: datetime | None) -> datetime | None:
    from datetime import UTC

    return None if moment is None else moment.astimezone(UTC)


def _by_version(event: Version) -> int:
    return event.version


def _by_date(event: Version) -> tuple[float, SecretId, int]:
    return (event.created.timestamp() if event.created else 0.0, event.id, event.version)


def _batches(things: Sequence[Any]) -> list[Sequence[Any]]:
    return [things[start : start + _BATCH] for start in range(0, len(things), _BATCH)]


def _some(names: Sequence[str]) -> str:
    """The first ten of the names, and how many more there are."""
    more = f" and {len(names) - 10} more" if len(names) > 10 else ""
    return ", ".join(names[:10]) + more


def _missing(id: SecretId, version: int | str | None = None) -> SecretNotFound:
    if version is None:
        return SecretNotFound(f"{id} is not there", hint=f"list {id.service} shows the keys that are there")
    which = f"version {version}" if isinstance(version, int) else f"label {shown(version)}"
    return SecretNotFound(
        f"{id} is not there, or has no {which}",
        hint=f"see what is kept, the last 100 versions, with: history {id.service} {id.key}",
    )


def _empty(service: str) -> ServiceNotFound:
    return ServiceNotFound(
        f"service {service} holds no secret",
        service=service,
        hint="list-services shows what is there, in the region and account that are in force",
    )


def _check_target(id: SecretId, value: str) -> None:
    """Refuse before anything is sent what Parameter Store does not take."""
    name = _name(id)
    if fold(id.service).startswith(("aws", "ssm")):
        raise InvalidNameError(
            f"{id}: Parameter Store keeps names that begin with 'aws' or 'ssm' for itself",
            hint="choose another first part for the service",
        )
    if name.count("/") > _DEEPEST:
        raise InvalidNameError(f"{id} has {name.count('/')} levels; Parameter Store allows {_DEEPEST}")
    if len(name) > _LONGEST_NAME:
        raise InvalidNameError(
            f"{shown(str(id))} has {len(name):,} characters; Parameter Store allows {_LONGEST_NAME:,}"
        )
    opened = value.find("{{")
    if opened >= 0 and "}}" in value[opened:]:
        raise InvalidValueError(
            f"the value of {id} holds {{{{…}}}}, which Parameter Store refuses as a reference to a parameter",
            hint="encode it first, for example with base64",
        )


def _put_meaning(id: SecretId, value: str) -> dict[str, VaultExecError]:
    meaning: dict[str, VaultExecError] = {
        "ParameterMaxVersionLimitExceeded": VaultExecError(
            f"{id} has 100 versions, and the oldest cannot go because it carries a label",
            hint=f"move the label to a later version with: label {id.service} {id.key} LABEL",
        ),
        "ParameterLimitExceeded": VaultExecError(
            f"{id}: the account has no room for another parameter",
            hint="raise the quota of Parameter Store, or delete what is not needed",
        ),
        "HierarchyTypeMismatchException": ConfigError(
            f"{id} is a parameter of another type than SecureString", hint="delete it first"
        ),
    }
    size = len(value.encode("utf-8"))
    if size > _STANDARD_BYTES:
        meaning["ValidationException"] = InvalidValueError(
            f"the value of {id} has {size:,} bytes; over 4,096 bytes: needs the advanced tier",
            hint="make advanced or intelligent tiering the account's default for Parameter Store",
        )
    return meaning


def _parsed_required_tags(text: str) -> list[str]:
    import json

    try:
        tags = json.loads(text).get("requiredTags") or []
    except (ValueError, AttributeError):
        tags = None
    if not isinstance(tags, list) or not all(isinstance(tag, str) for tag in tags):
        raise ConfigError(
            f"the store's configuration, parameter {_name(_CONFIG)}, is not what it should be",
            hint='it is JSON: {"version":"1","requiredTags":["team"]}',
        ) from None
    return tags
