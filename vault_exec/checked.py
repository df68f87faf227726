"""The one place where names, values and features are checked, around every backend.

`registry.open_store` hands out each store inside a `CheckedStore`, so that a backend need not repeat what all
of them need, and so that each operation starts with its full time.
"""

from __future__ import annotations

from vault_exec import names
from vault_exec.errors import InvalidValueError, ServiceNotFound, UnsupportedError, UsageError
from vault_exec.store import Store, _silent

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from vault_exec.model import Secret, SecretId, Version
    from vault_exec.store import Context


class CheckedStore(Store):
    """A store whose callers cannot hand it what it must not get. `inner` is the backend's own."""

    __slots__ = ("_context", "features", "inner", "name")

    def __init__(self, inner: Store, context: Context) -> None:
        self.inner = inner
        self.name = inner.name
        self.features = inner.features
        self._context = context

    def values(self, service: str, label: str | None = None) -> dict[str, str]:
        self._begin(service, label=label)
        found = self.inner.values(service, label)
        if not found and not self.features.empty_services:
            raise ServiceNotFound(f"service {service} holds no secret", service=service)
        return found

    def read(self, service: str, key: str, version: int | str | None = None) -> Secret:
        self._begin(service, key, label=version if isinstance(version, str) else None)
        if isinstance(version, int):
            self._need(self.features.history, "read older versions")
            if version < 1:
                raise UsageError(f"{version} is not a version: versions count from 1")
        return self.inner.read(service, key, version)

    def list(self, service: str, *, values: bool = False, label: str | None = None) -> Sequence[Secret]:
        self._begin(service, label=label)
        return self.inner.list(service, values=values, label=label)

    def services(self, prefix: str = "") -> Sequence[str]:
        self._begin()
        return self.inner.services(prefix)

    def secrets(self, prefix: str = "") -> Sequence[SecretId]:
        self._begin()
        return self.inner.secrets(prefix)

    def current(self, service: str, keys: Iterable[str]) -> dict[str, str]:
        self._begin(service)
        return self.inner.current(service, [names.check_key(key) for key in keys])

    def close(self) -> None:
        self.inner.close()

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
        self._begin(service, key)
        self._need(self.features.writable, "write")
        self._check_version(if_version)
        checked = self._check_tags(tags)
        self._check_value(service, key, value)
        return self.inner.write(
            service, key, value, if_version=if_version, tags=checked, skip_unchanged=skip_unchanged
        )

    def write_many(
        self,
        service: str,
        values: Mapping[str, str],
        *,
        tags: Mapping[str, str] | None = None,
        written: Callable[[str], None] = _silent,
    ) -> None:
        self._begin(service)
        self._need(self.features.writable, "write")
        checked = self._check_tags(tags)
        for key, value in values.items():
            self._check_value(service, names.check_key(key), value)
        self.inner.write_many(service, values, tags=checked, written=self._progress(written))

    def delete(self, service: str, key: str) -> None:
        self._begin(service, key)
        self._need(self.features.writable, "delete")
        self.inner.delete(service, key)

    def delete_many(
        self, service: str, keys: Iterable[str], *, deleted: Callable[[str], None] = _silent
    ) -> None:
        self._begin(service)
        self._need(self.features.writable, "delete")
        keys = [names.check_key(key) for key in keys]
        self.inner.delete_many(service, keys, deleted=self._progress(deleted))

    def history(self, service: str, key: str | None = None) -> Sequence[Version]:
        self._begin(service, key)
        self._need(self.features.history, "tell the history of a secret")
        return self.inner.history(service, key)

    def tags(self, service: str, key: str) -> dict[str, str]:
        self._begin(service, key)
        self._need(self.features.tags, "tag secrets")
        return self.inner.tags(service, key)

    def write_tags(
        self, service: str, key: str, tags: Mapping[str, str], *, delete_others: bool = False
    ) -> None:
        self._begin(service, key)
        checked = self._check_tags(tags) or {}
        self.inner.write_tags(service, key, checked, delete_others=delete_others)

    def delete_tags(self, service: str, key: str, names_: Iterable[str]) -> None:
        self._begin(service, key)
        self._need(self.features.tags, "tag secrets")
        self.inner.delete_tags(service, key, [names.check_tag_key(name) for name in names_])

    def label(self, service: str, key: str, label: str, version: int | None = None) -> None:
        self._begin(service, key, label=label)
        if version is not None and version < 1:
            raise UsageError(f"{version} is not a version: versions count from 1")
        self.inner.label(service, key, label, version)

    def initialise(self, key: str | None = None) -> None:
        self._begin()
        self.inner.initialise(key)

    def rekey(self, key: str | None = None, *, wrap_only: bool = False) -> None:
        self._begin()
        self.inner.rekey(key, wrap_only=wrap_only)

    # -- the checks -------------------------------------------------------------------------------------

    def _begin(self, service: str | None = None, key: str | None = None, *, label: str | None = None) -> None:
        if service is not None:
            names.check_service(service)
        if key is not None:
            names.check_key(key)
        if label is not None:
            self._need(self.features.labels, "label versions")
            names.check_label(label)
        self._context.restart_deadline()

    def _need(self, feature: bool, what: str) -> None:
        if not feature:
            raise UnsupportedError(f"the {self.name} backend cannot {what}")

    def _check_version(self, if_version: int | None) -> None:
        if if_version is None:
            return
        if if_version < 0:
            raise UsageError(f"{if_version} is not a version: 0 means that the key must not exist")
        if if_version and not self.features.compare_and_swap:
            raise UnsupportedError(f"the {self.name} backend cannot compare and swap; only --if-version 0")

    def _check_tags(self, tags: Mapping[str, str] | None) -> dict[str, str] | None:
        if not tags:
            return None
        self._need(self.features.tags, "tag secrets")
        return names.check_tags(dict(tags))

    def _check_value(self, service: str, key: str, value: str) -> None:
        names.check_value(service, key, value)
        if not value and not self.features.empty_values:
            raise InvalidValueError(
                f"the value of {service}/{key} is empty, and {self.name} cannot hold an empty value",
                hint="delete the key, or write a value that your program takes for empty",
            )
        limit = self.features.max_value_bytes
        if limit is not None and len(value.encode("utf-8")) > limit:
            raise InvalidValueError(
                f"the value of {service}/{key} has {len(value.encode('utf-8')):,} bytes; "
                f"{self.name} takes up to {limit:,}"
            )

    def _progress(self, tell: Callable[[str], None]) -> Callable[[str], None]:
        def progressed(key: str) -> None:
            self._context.restart_deadline()
            tell(key)

        return progressed
