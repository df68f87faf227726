"""The JSON text of one secret of Secrets Manager: a service's keys, and what chamber knows about them.

    {"key": "value", "port": 5432,
     "_chamber_metadata": "{\\"key\\":{\\"created\\":…,\\"created_by\\":…,\\"version\\":1}}"}

(chamber v3, store/secretsmanagerstore.go.) The metadata is a JSON text inside the JSON text. A secret that
others made, such as a database's, has no metadata and may hold numbers, booleans, null and nested values.
Every member that is not the one being written keeps its JSON text to the letter, in value and metadata.
"""

from __future__ import annotations

from vault_exec.errors import FormatError, InvalidValueError
from vault_exec_backends.aws.raw_json import dumped, joined, members

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

METADATA = "_chamber_metadata"

#: Bytes of the whole text (API reference, PutSecretValue).
LONGEST = 65_536


class Known:
    """What the metadata says of one key. `created` is the text as it stands; None and "" where unknown."""

    __slots__ = ("created", "created_by", "version")

    def __init__(self, version: int, created: str, created_by: str | None) -> None:
        self.version = version
        self.created = created
        self.created_by = created_by

    def when(self) -> datetime | None:
        """The time of the write in UTC."""
        from vault_exec_backends.aws.times import parsed

        return parsed(self.created) if self.created else None


#: A key that others put there: it is there, once written, and nobody said when.
FOREIGN = Known(1, "", None)


class Document:
    """One version of a service, immutable. `members` and `metadata` map keys to raw JSON texts."""

    __slots__ = ("_members", "_metadata")

    def __init__(self, members: Mapping[str, str], metadata: Mapping[str, str]) -> None:
        self._members = members
        self._metadata = metadata

    def values(self) -> dict[str, str]:
        """Every key with its value: texts as they are, anything else as its JSON text."""
        return {key: _text(raw) for key, raw in self._members.items()}

    def get(self, key: str) -> str | None:
        """The key's value, or None where it is not there."""
        raw = self._members.get(key)
        return None if raw is None else _text(raw)

    def keys(self) -> list[str]:
        """The keys, sorted."""
        return sorted(self._members)

    def raw(self, key: str) -> tuple[str | None, str | None]:
        """The JSON texts of the key's value and of what is known about it."""
        return self._members.get(key), self._metadata.get(key)

    def known(self, key: str) -> Known:
        """What the metadata says of a key that is there; raises FormatError where it makes no sense."""
        raw = self._metadata.get(key)
        if raw is None:
            return FOREIGN
        import json

        entry = json.loads(raw)
        version = entry.get("version") if isinstance(entry, dict) else None
        if not isinstance(version, int) or isinstance(version, bool) or version < 0:
            raise FormatError(f"{METADATA} has no version for {key}")
        by = entry.get("created_by")
        return Known(version, str(entry.get("created") or ""), by if isinstance(by, str) and by else None)

    def with_value(self, key: str, value: str, version: int, created: str, created_by: str) -> Document:
        """This document with the key at a new value and version."""
        entry = dumped({"created": created, "created_by": created_by, "version": version})
        return Document({**self._members, key: dumped(value)}, {**self._metadata, key: entry})

    def without(self, key: str) -> Document:
        """This document without the key and what was known about it."""
        return Document(
            {name: raw for name, raw in self._members.items() if name != key},
            {name: raw for name, raw in self._metadata.items() if name != key},
        )

    def dump(self, service: str) -> str:
        """The JSON text, members sorted as chamber writes them. Raises InvalidValueError over the limit."""
        text = _sorted({**self._members, METADATA: dumped(_sorted(self._metadata))})
        size = len(text.encode("utf-8"))
        if size > LONGEST:
            raise InvalidValueError(
                f"service {service} would have {size:,} bytes in all; it is one secret of Secrets Manager, "
                f"which holds up to {LONGEST:,}",
                hint="delete keys, split the service, or use another backend (--backend)",
            )
        return text


def keeps(later: Document, before: Document, after: Document) -> bool:
    """Whether what changed from `before` to `after` still holds in `later`: newer versions of it count."""
    return all(
        _holds(later, after, key)
        for key in {*before.keys(), *after.keys()}
        if before.raw(key) != after.raw(key)
    )


def _holds(later: Document, after: Document, key: str) -> bool:
    if after.get(key) is None or later.get(key) is None:
        return after.get(key) is later.get(key)
    was, now = after.known(key), later.known(key)
    return now.version > was.version or (now.version == was.version and now.created == was.created)


EMPTY = Document({}, {})


def parse(text: str, service: str) -> Document:
    """The document of a SecretString; raises FormatError, without any of the text, where it is none."""
    try:
        found = members(text)
    except ValueError:
        raise FormatError(
            f"secret {service} in Secrets Manager is not a JSON object of keys and values",
            hint='a service is one secret that holds {"key": "value", …}; give this one another name',
        ) from None
    try:
        metadata = members(_text(found.pop(METADATA, "{}")) or "{}")
    except ValueError:
        raise FormatError(
            f"{METADATA} of secret {service} is damaged: it is not a JSON object",
            hint="restore an older version of the secret, or remove that member and what it knows with it",
        ) from None
    return Document(found, metadata)


def _text(raw: str) -> str:
    if not raw.startswith('"'):
        return raw
    import json

    text: str = json.loads(raw)
    return text


def _sorted(texts: Mapping[str, str]) -> str:
    return joined({name: texts[name] for name in sorted(texts)})
