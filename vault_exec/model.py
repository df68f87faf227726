"""What a store holds: secrets and their versions. Immutable, slotted, and a value never shows in a repr.

Plain classes rather than dataclasses: these stand on exec's path, where `dataclasses` alone would cost more
than reading the store.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from datetime import datetime
    from typing import Any, NoReturn


class _Record:
    """Immutable, compared and shown by its slots. Those that hold a secret's value are in `_hidden`."""

    __slots__: tuple[str, ...] = ()
    _hidden: tuple[str, ...] = ()

    def _set(self, **values: Any) -> None:
        for name, value in values.items():
            object.__setattr__(self, name, value)

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError(f"{type(self).__name__} is immutable")

    def __delattr__(self, name: str) -> NoReturn:
        raise AttributeError(f"{type(self).__name__} is immutable")

    def _astuple(self) -> tuple[Any, ...]:
        return tuple(getattr(self, name) for name in self.__slots__)

    def __eq__(self, other: object) -> bool:
        return self._astuple() == other._astuple() if isinstance(other, type(self)) else NotImplemented

    def __hash__(self) -> int:
        return hash(self._astuple())

    def __repr__(self) -> str:
        shown = ", ".join(
            f"{name}=…" if name in self._hidden else f"{name}={getattr(self, name)!r}"
            for name in self.__slots__
        )
        return f"{type(self).__name__}({shown})"

    def __getstate__(self) -> NoReturn:
        raise TypeError(f"{type(self).__name__} is not pickled: it may hold a secret")


class SecretId(_Record):
    """The place of a secret: its service (namespace) and its key, spelled exactly as the store holds them."""

    __slots__ = ("key", "service")

    service: str
    key: str

    def __init__(self, service: str, key: str) -> None:
        self._set(service=service, key=key)

    def __str__(self) -> str:
        return f"{self.service}/{self.key}"

    def __lt__(self, other: SecretId) -> bool:
        return (self.service, self.key) < (other.service, other.key)


class Secret(_Record):
    """One secret at one version.

    value: the text, or None where it was not asked for (`Store.list` without values).
    version: counted from 1 by the store.
    created: when this version was written, in UTC; None where the store does not say.
    created_by: who wrote it, in the store's own words (an ARN, user@host); None where the store does not say.
    """

    __slots__ = ("created", "created_by", "id", "value", "version")
    _hidden = ("value",)

    id: SecretId
    value: str | None
    version: int
    created: datetime | None
    created_by: str | None

    def __init__(
        self,
        id: SecretId,
        value: str | None,
        version: int,
        created: datetime | None = None,
        created_by: str | None = None,
    ) -> None:
        self._set(id=id, value=value, version=version, created=created, created_by=created_by)


class Version(_Record):
    """One event in the life of a secret, as `history` tells it. Never a value.

    version: the version this event made; of a deletion, the version that was in force and ended.
    created, created_by: when (UTC) and who, or None where the store does not say.
    deleted: True for a deletion; only stores that keep tombstones know of these.
    labels: names that point at this version, sorted; empty where the store has none.
    """

    __slots__ = ("created", "created_by", "deleted", "id", "labels", "version")

    id: SecretId
    version: int
    created: datetime | None
    created_by: str | None
    deleted: bool
    labels: tuple[str, ...]

    def __init__(
        self,
        id: SecretId,
        version: int,
        created: datetime | None = None,
        created_by: str | None = None,
        *,
        deleted: bool = False,
        labels: tuple[str, ...] = (),
    ) -> None:
        self._set(
            id=id, version=version, created=created, created_by=created_by, deleted=deleted, labels=labels
        )
