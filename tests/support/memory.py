"""A store in memory that does everything: the contract is tried on it, and the lying stores inherit it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from threading import RLock

import pytest

from vault_exec.errors import (
    ConflictError,
    DamagedStoreError,
    SecretNotFound,
    ServiceNotFound,
    UnreachableError,
    UsageError,
)
from vault_exec.model import Secret, SecretId, Version
from vault_exec.store import Features, Store
from vault_exec.testing import StoreContract


class Entry:
    """What is known of one secret: its versions, also of lives that ended, and what hangs on this life."""

    def __init__(self) -> None:
        self.events: list[Version] = []
        self.values: dict[int, str] = {}
        self.tags: dict[str, str] = {}
        self.labels: dict[str, int] = {}

    @property
    def alive(self) -> bool:
        return bool(self.values)

    @property
    def latest(self) -> int:
        """The newest version, 0 where the secret is not there."""
        return max(self.values, default=0)


class Memory:
    """What all stores that were opened on it share: the "disk"."""

    def __init__(self) -> None:
        self.lock = RLock()
        self.entries: dict[SecretId, Entry] = {}
        #: The secrets that must be there, so that one that vanished is missed.
        self.manifest: set[SecretId] = set()
        #: Secrets whose page does not come.
        self.broken: set[SecretId] = set()


class MemoryStore(Store):
    """Honest and complete. Opened twice on one `Memory`, it is one store seen by two processes."""

    name = "memory"
    features = Features(
        writable=True,
        history=True,
        deletions=True,
        tags=True,
        labels=True,
        empty_values=True,
        compare_and_swap=True,
        own_key=True,
        max_value_bytes=10_000,
    )

    def __init__(self, memory: Memory) -> None:
        self.memory = memory

    # -- what the methods below look at, so that a lie can be told in one place --------------------------

    def entries(self, service: str) -> dict[str, Entry]:
        """The secrets of the service that are there, by key, sorted; raises where one cannot be read."""
        found = {
            id.key: entry
            for id, entry in sorted(self.memory.entries.items())
            if id.service == service and entry.alive
        }
        self.check(service, found)
        if not found:
            raise ServiceNotFound(f"service {service} holds no secret", service=service)
        return found

    def check(self, service: str, found: Mapping[str, Entry]) -> None:
        """Raise where this is not the whole service."""
        if any(id.service == service for id in self.memory.broken):
            raise UnreachableError(f"a page of service {service} did not come")
        if {id.key for id in self.memory.manifest if id.service == service} != set(found):
            raise DamagedStoreError(f"a secret of service {service} vanished")

    def entry(self, service: str, key: str) -> Entry:
        entry = self.memory.entries.get(SecretId(service, key))
        if entry is None or not entry.alive:
            raise SecretNotFound(f"{service}/{key} is not there")
        return entry

    def secret(self, service: str, key: str, entry: Entry, version: int | str | None) -> Secret:
        number = entry.latest if version is None else version
        if isinstance(number, str):
            number = entry.labels.get(number, 0)
        if number not in entry.values:
            raise SecretNotFound(f"{service}/{key} has no version or label {version}")
        [event] = [event for event in entry.events if event.version == number and not event.deleted]
        return Secret(event.id, entry.values[number], number, event.created, event.created_by)

    # -- required ---------------------------------------------------------------------------------------

    def values(self, service: str, label: str | None = None) -> dict[str, str]:
        return {secret.id.key: secret.value or "" for secret in self.list(service, values=True, label=label)}

    def read(self, service: str, key: str, version: int | str | None = None) -> Secret:
        with self.memory.lock:
            return self.secret(service, key, self.entry(service, key), version)

    def list(self, service: str, *, values: bool = False, label: str | None = None) -> Sequence[Secret]:
        with self.memory.lock:
            found = [self.secret(service, key, entry, label) for key, entry in self.entries(service).items()]
        if values:
            return found
        return [Secret(one.id, None, one.version, one.created, one.created_by) for one in found]

    def services(self, prefix: str = "") -> Sequence[str]:
        with self.memory.lock:
            alive = {id.service for id, entry in self.memory.entries.items() if entry.alive}
        return sorted(service for service in alive if service.startswith(prefix))

    # -- features ---------------------------------------------------------------------------------------

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
        with self.memory.lock:
            id = SecretId(service, key)
            entry = self.memory.entries.get(id) or Entry()
            if if_version not in (None, entry.latest):
                raise ConflictError(f"{service}/{key} is at version {entry.latest}, not {if_version}")
            if entry.alive and tags:
                raise UsageError(f"{service}/{key} is there already: tags are for new secrets")
            if skip_unchanged and entry.alive and entry.values[entry.latest] == value:
                return entry.latest
            version = entry.events[-1].version + 1 if entry.events else 1
            entry.events.append(Version(id, version, datetime.now(UTC), "user@host"))
            entry.values[version] = value
            entry.tags.update(tags or {})
            self.memory.entries[id] = entry
            self.memory.manifest.add(id)
            return version

    def write_many(
        self,
        service: str,
        values: Mapping[str, str],
        *,
        tags: Mapping[str, str] | None = None,
        written: Callable[[str], None] = lambda key: None,
    ) -> None:
        with self.memory.lock:
            for key, value in values.items():
                entry = self.memory.entries.get(SecretId(service, key))
                self.write(service, key, value, tags=None if entry and entry.alive else tags)
        for key in values:
            written(key)

    def delete(self, service: str, key: str) -> None:
        with self.memory.lock:
            entry = self.entry(service, key)
            ended = Version(
                SecretId(service, key), entry.latest, datetime.now(UTC), "user@host", deleted=True
            )
            entry.events.append(ended)
            self.memory.manifest.remove(ended.id)
            entry.values = {}
            entry.tags = {}
            entry.labels = {}

    def history(self, service: str, key: str | None = None) -> Sequence[Version]:
        with self.memory.lock:
            found = [
                Version(
                    event.id,
                    event.version,
                    event.created,
                    event.created_by,
                    deleted=event.deleted,
                    labels=tuple(sorted(name for name, at in entry.labels.items() if at == event.version)),
                )
                for id, entry in self.memory.entries.items()
                if id.service == service and key in (None, id.key)
                for event in entry.events
            ]
        if not found and key is None:
            raise ServiceNotFound(f"nothing is known of service {service}", service=service)
        if not found:
            raise SecretNotFound(f"nothing is known of {service}/{key}")
        return sorted(found, key=lambda event: event.created)

    def tags(self, service: str, key: str) -> dict[str, str]:
        with self.memory.lock:
            return dict(self.entry(service, key).tags)

    def write_tags(
        self, service: str, key: str, tags: Mapping[str, str], *, delete_others: bool = False
    ) -> None:
        with self.memory.lock:
            entry = self.entry(service, key)
            entry.tags = {**({} if delete_others else entry.tags), **tags}

    def delete_tags(self, service: str, key: str, names: Iterable[str]) -> None:
        with self.memory.lock:
            entry = self.entry(service, key)
            entry.tags = {name: text for name, text in entry.tags.items() if name not in set(names)}

    def label(self, service: str, key: str, label: str, version: int | None = None) -> None:
        with self.memory.lock:
            entry = self.entry(service, key)
            number = entry.latest if version is None else version
            if number not in entry.values:
                raise SecretNotFound(f"{service}/{key} has no version {version}")
            entry.labels[label] = number

    def initialise(self, key: str | None = None) -> None:
        if self.memory.entries:
            raise ConflictError("the store exists")

    def rekey(self, key: str | None = None, *, wrap_only: bool = False) -> None:
        """Nothing is sealed here, so nothing changes."""


class MemoryContract(StoreContract):
    """The contract on a `MemoryStore`, or on the class of liars that `kind` says."""

    features = MemoryStore.features
    kind: type[MemoryStore] = MemoryStore

    @pytest.fixture
    def memory(self) -> Memory:
        return Memory()

    @pytest.fixture
    def reopen(self, memory: Memory) -> Callable[[], Store]:
        return lambda: self.kind(memory)

    @pytest.fixture(params=["failing-page", "vanished-row"])
    def damage(self, request: pytest.FixtureRequest, memory: Memory) -> Callable[[str, str], None]:
        if request.param == "failing-page":
            return lambda service, key: memory.broken.add(SecretId(service, key))
        return lambda service, key: memory.entries.__delitem__(SecretId(service, key))
