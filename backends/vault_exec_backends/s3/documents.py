"""What chamber keeps in S3 objects, and how a new version gets into it without changing anything else.

A secret is one object (chamber v3, store/s3store.go):

    {"service":"svc","key":"/svc/key","values":{"1":{"created":"2026-01-02T15:04:05.123456789Z",
     "created_by":"arn:…","version":1,"value":"…"}}}

An index holds what is in force in a service. Plain, and by KMS key (store/s3storeKMS.go):

    {"latest":{"key":"value"}}
    {"latest":{"key":{"version":3,"value":"…","KMSAlias":"alias/…"}}}

Written as Go's encoding/json writes it, so that the same content is the same bytes: no blanks, the names of
a map sorted as text ("10" before "2"), and `<`, `>`, `&`, U+2028 and U+2029 escaped. What was there before
keeps its JSON text to the letter: times to the nanosecond, and members that neither program knows.
"""

from __future__ import annotations

from vault_exec.errors import MalformedAnswerError
from vault_exec.names import DIGITS
from vault_exec_backends.aws import raw_json

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime
    from typing import Any

#: Versions older than the newest by more than this are dropped from the object at a write, as chamber does.
KEPT_VERSIONS = 100

_DIGITS = frozenset(DIGITS)


class Record:
    """One version of a secret. created, created_by: None where the object does not say."""

    __slots__ = ("created", "created_by", "value", "version")

    def __init__(self, version: int, value: str, created: datetime | None, created_by: str | None) -> None:
        self.version = version
        self.value = value
        self.created = created
        self.created_by = created_by


class SecretDocument:
    """The object of a secret, immutable. `path` is for messages."""

    __slots__ = ("_text", "_versions", "path")

    def __init__(self, path: str, text: str, versions: Mapping[int, Any]) -> None:
        self.path = path
        self._text = text
        self._versions = versions

    @property
    def versions(self) -> list[int]:
        """The versions that are there, oldest first."""
        return sorted(self._versions)

    @property
    def newest(self) -> int:
        """The newest version, 0 where there is none."""
        return max(self._versions, default=0)

    def record(self, version: int) -> Record | None:
        """The version, or None where it is not there. Raises MalformedAnswerError where it makes no sense."""
        found = self._versions.get(version)
        if found is None:
            return None
        from vault_exec_backends.aws.times import parsed

        return Record(
            version,
            _value(found, self.path),
            parsed(_text(found, "created", self.path)),
            _text(found, "created_by", self.path) or None,
        )

    def version_of(self, value: str) -> int | None:
        """The newest version with this value."""
        return next((n for n in reversed(self.versions) if self._versions[n]["value"] == value), None)

    def holds(self, version: int, value: str, created: str, created_by: str) -> bool:
        """Whether the version is there and is exactly this."""
        wanted = {"created": created, "created_by": created_by, "version": version, "value": value}
        return bool(self._versions.get(version) == wanted)

    def with_version(self, version: int, value: str, created: str, created_by: str) -> bytes:
        """The object's new content: this one with that version, without those that are too old to keep."""
        record = {"created": created, "created_by": created_by, "version": version, "value": value}
        document = raw_json.members(self._text)
        values = {**raw_json.members(document["values"]), str(version): raw_json.dumped(record)}
        newest = max(self.newest, version)
        kept = {number: raw for number, raw in values.items() if int(number) >= newest - KEPT_VERSIONS}
        return raw_json.joined({**document, "values": raw_json.joined(_sorted(kept))}).encode()


def parse_secret(body: bytes, path: str) -> SecretDocument:
    """The object with this content; raises MalformedAnswerError, which holds none of it, where it is none."""
    text, document = _loaded(body, path)
    values = document.get("values")
    if not isinstance(values, dict):
        raise _malformed(path, "it has no versions")
    versions = {}
    for number, record in values.items():
        if not (_DIGITS.issuperset(number) and 0 < len(number) < 16 and number[0] != "0"):
            raise _malformed(path, "its versions are not numbers")
        if (
            not isinstance(record, dict)
            or type(record.get("version")) is not int
            or record["version"] != int(number)
        ):
            raise _malformed(path, f"its version {number} is none")
        _value(record, path)
        versions[int(number)] = record
    return SecretDocument(path, text, versions)


def new_secret(service: str, key: str, path: str) -> SecretDocument:
    """The object of a secret that has no version yet."""
    return SecretDocument(
        path, raw_json.dumped({"service": service, "key": f"/{service}/{key}", "values": {}}), {}
    )


class Entry:
    """What an index says of a key. version, alias: None in a plain index, which has neither."""

    __slots__ = ("alias", "value", "version")

    def __init__(self, value: str, version: int | None = None, alias: str | None = None) -> None:
        self.value = value
        self.version = version
        self.alias = alias

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Entry) and self._astuple() == other._astuple()

    def __hash__(self) -> int:
        return hash(self._astuple())

    def _astuple(self) -> tuple[str, int | None, str | None]:
        return self.value, self.version, self.alias

    def dump(self) -> str:
        """The JSON text of the entry."""
        if self.version is None:
            return raw_json.dumped(self.value)
        return raw_json.dumped({"version": self.version, "value": self.value, "KMSAlias": self.alias})


class Index:
    """An index as it was read, immutable.

    etag: None where there is no such object. key_id: the KMS key it is sealed with, as S3 names it.
    """

    __slots__ = ("_text", "entries", "etag", "key_id", "path")

    def __init__(
        self, path: str, text: str, entries: Mapping[str, Entry], etag: str | None, key_id: str | None
    ) -> None:
        self.path = path
        self._text = text
        self.entries = entries
        self.etag = etag
        self.key_id = key_id

    def changed(self, entries: Mapping[str, Entry] = {}, *, without: Iterable[str] = ()) -> bytes:
        """The index's new content: with these entries, and without those."""
        document = raw_json.members(self._text)
        latest = raw_json.members(document["latest"])
        # An entry that says the same keeps its text, and what else stands in it.
        latest |= {key: entry.dump() for key, entry in entries.items() if entry != self.entries.get(key)}
        for key in without:
            latest.pop(key, None)
        return raw_json.joined({**document, "latest": raw_json.joined(_sorted(latest))}).encode()

    def touched(self) -> bytes:
        """The same entries in other bytes, so that whoever saw the index before sees that it changed."""
        from vault_exec_backends.aws.times import now_text

        return raw_json.joined(
            {**raw_json.members(self._text), "touched": raw_json.dumped(now_text())}
        ).encode()


EMPTY_INDEX = b'{"latest":{}}'


def parse_index(body: bytes, path: str, etag: str, key_id: str | None, *, by_key: bool) -> Index:
    """The index with this content; raises MalformedAnswerError, which holds none of it, where it is none.

    by_key: whether it is the index of a KMS key.
    """
    text, document = _loaded(body, path)
    latest = document.get("latest")
    if not isinstance(latest, dict):
        raise _malformed(path, 'it has no "latest"')
    entry = _keyed_entry if by_key else _plain_entry
    return Index(path, text, {key: entry(found, path) for key, found in latest.items()}, etag, key_id)


def no_index(path: str) -> Index:
    """An index that is not there."""
    return Index(path, EMPTY_INDEX.decode(), {}, None, None)


def merged(indexes: Iterable[Index]) -> dict[str, tuple[Index, Entry]]:
    """What is in force in a service with several indexes, and the index that says so, by key.

    The higher version wins; of two equal ones that of the later index, as in chamber, which takes them in the
    order of their names.
    """
    found: dict[str, tuple[Index, Entry]] = {}
    for index in indexes:
        for key, entry in index.entries.items():
            if key not in found or (found[key][1].version or 0) <= (entry.version or 0):
                found[key] = index, entry
    return found


def _plain_entry(found: Any, path: str) -> Entry:
    if not isinstance(found, str):
        raise _malformed(path, "an entry is not a text")
    return Entry(found)


def _keyed_entry(found: Any, path: str) -> Entry:
    if not isinstance(found, dict):
        raise _malformed(path, "an entry is not an object")
    version = found.get("version")
    if not isinstance(version, int) or isinstance(version, bool) or version < 1:
        raise _malformed(path, "an entry has no version")
    return Entry(_value(found, path), version, _text(found, "KMSAlias", path))


def _value(record: Mapping[str, Any], path: str) -> str:
    value = record.get("value")
    if not isinstance(value, str):
        raise _malformed(path, "a value is not a text")
    return value


def _text(record: Mapping[str, Any], name: str, path: str) -> str:
    """A member that may be missing: "" as in Go."""
    text = record.get(name, "")
    if not isinstance(text, str):
        raise _malformed(path, f"{name} is not a text")
    return text


def _malformed(path: str, why: str) -> MalformedAnswerError:
    return MalformedAnswerError(
        f"the object {path} is not what chamber or vault-exec writes: {why}",
        hint="look at it (aws s3 cp), and put an older version of it back where the bucket keeps versions",
    )


def _loaded(body: bytes, path: str) -> tuple[str, dict[str, Any]]:
    import json

    try:
        text = body.decode("utf-8")
        document = json.loads(text, parse_constant=_refuse)
        if "\\ud" in text or "\\uD" in text:
            json.dumps(document, ensure_ascii=False).encode("utf-8")  # half a surrogate pair is no text
    except (ValueError, RecursionError):
        raise _malformed(path, "not JSON in UTF-8") from None
    if not isinstance(document, dict):
        raise _malformed(path, "no JSON object")
    return text, document


def _refuse(constant: str) -> None:
    raise ValueError


def _sorted(members: Mapping[str, str]) -> dict[str, str]:
    return dict(sorted(members.items()))
