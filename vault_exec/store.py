"""The backend interface: what a store must do, what it may declare, and what it is given.

A backend is a module with a factory `open(context: Context) -> Store`. Four methods are required; the rest is
declared in `Features` and refused by name where it is not. Names, values and features are checked before a
method is called (`vault_exec.checked`), so a backend checks only the limits of its own store.

The contract behind the signatures is executable: `vault_exec.testing.StoreContract`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from time import monotonic

from vault_exec.errors import SecretNotFound, StoreTimeoutError, UnsupportedError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from typing import Self

    from vault_exec.model import Secret, SecretId, Version
    from vault_exec.settings import Settings


class Features:
    """What a store can do, as data.

    writable: `write`, `write_many`, `delete`, `delete_many`.
    history: `history` and versions other than the latest in `read`.
    deletions: `history` also tells of deleted secrets.
    tags, labels: the methods of that name.
    empty_values: the empty text can be stored.
    compare_and_swap: `write(if_version=N)` for any N. Every writable store does `if_version=0` (create only).
    own_key: the store is encrypted with a key that it manages itself: `initialise`, `rekey`.
    remote: calls wait for a network, so several services are read at once, from several threads.
    empty_services: a service without secrets is not an error (only a store that is empty on purpose).
    max_value_bytes: the longest value that the store takes, in UTF-8 bytes; None where only the whole counts.
    """

    __slots__ = (
        "compare_and_swap",
        "deletions",
        "empty_services",
        "empty_values",
        "history",
        "labels",
        "max_value_bytes",
        "own_key",
        "remote",
        "tags",
        "writable",
    )

    def __init__(
        self,
        *,
        writable: bool = False,
        history: bool = False,
        deletions: bool = False,
        tags: bool = False,
        labels: bool = False,
        empty_values: bool = False,
        compare_and_swap: bool = False,
        own_key: bool = False,
        remote: bool = False,
        empty_services: bool = False,
        max_value_bytes: int | None = None,
    ) -> None:
        self.writable = writable
        self.history = history
        self.deletions = deletions
        self.tags = tags
        self.labels = labels
        self.empty_values = empty_values
        self.compare_and_swap = compare_and_swap
        self.own_key = own_key
        self.remote = remote
        self.empty_services = empty_services
        self.max_value_bytes = max_value_bytes


def _silent(text: str) -> None:
    """Notes and traces go nowhere unless the caller wants them."""


def _nobody_to_ask(prompt: str) -> str:
    raise UnsupportedError(f"{prompt}: there is no terminal to ask on")


class Context:
    """What a backend's factory gets: the settings and the few things it may do to the world outside.

    settings: the settings in force, as plain data.
    environ: the environment variables this process was started with, as text.
    notify: prints one line for the user (stderr); never a value.
    trace: prints one line when --verbose was asked for; never a value, never a token.
    ask_secret: asks on the terminal itself, without echo; raises UnsupportedError where there is none.
    """

    __slots__ = ("_ends", "ask_secret", "environ", "notify", "settings", "trace")

    def __init__(
        self,
        settings: Settings,
        environ: Mapping[str, str],
        *,
        notify: Callable[[str], None] = _silent,
        trace: Callable[[str], None] = _silent,
        ask_secret: Callable[[str], str] = _nobody_to_ask,
    ) -> None:
        self.settings = settings
        self.environ = environ
        self.notify = notify
        self.trace = trace
        self.ask_secret = ask_secret
        self.restart_deadline()

    def restart_deadline(self) -> None:
        """Give the operation `settings.timeout` seconds from now: at its start, and at each sign of progress
        of an operation that may take as long as it likes (import, find, a whole service's history)."""
        self._ends = monotonic() + self.settings.timeout

    def time_left(self) -> float:
        """Seconds until the operation must have ended; raises StoreTimeoutError when they are over."""
        left = self._ends - monotonic()
        if left <= 0:
            raise StoreTimeoutError(
                f"the store did not answer within {self.settings.timeout:g} s",
                hint="try again, or allow more with --timeout SECONDS",
            )
        return left


class Store(ABC):
    """A key store. Every method raises only `VaultExecError`s; none returns a part of what it should.

    Services and keys are spelled exactly (nothing folds them here). Where a store has no way to hold an empty
    service, a service without secrets is the same as one that never was: `ServiceNotFound`.
    """

    __slots__ = ()

    #: The backend's name, for messages.
    name: str
    features: Features

    # -- required ---------------------------------------------------------------------------------------

    @abstractmethod
    def values(self, service: str, label: str | None = None) -> dict[str, str]:
        """Every key of the service and its value, or an error; never a part.

        label: the value that carries this label rather than the latest (`features.labels`).
        Raises ServiceNotFound when the service holds no secret.
        """

    @abstractmethod
    def read(self, service: str, key: str, version: int | str | None = None) -> Secret:
        """One secret with its value: the latest, a version's number, or a label's.

        Raises SecretNotFound.
        """

    @abstractmethod
    def list(self, service: str, *, values: bool = False, label: str | None = None) -> Sequence[Secret]:
        """The service's secrets sorted by key, with their values only where asked for.

        Raises ServiceNotFound when the service holds no secret.
        """

    @abstractmethod
    def services(self, prefix: str = "") -> Sequence[str]:
        """The services whose name begins with the prefix, sorted; a service without secrets is not there."""

    # -- what all stores can do, some of them with fewer calls -------------------------------------------

    def secrets(self, prefix: str = "") -> Sequence[SecretId]:
        """Every secret of the services whose name begins with the prefix, sorted."""
        return [secret.id for service in self.services(prefix) for secret in self.list(service)]

    def current(self, service: str, keys: Iterable[str]) -> dict[str, str]:
        """The latest values of those of these keys that are there: a lookup that does not fail on absence."""
        found: dict[str, str] = {}
        for key in keys:
            try:
                found[key] = self.read(service, key).value or ""
            except SecretNotFound:
                continue
        return found

    def close(self) -> None:  # noqa: B027 - most stores have nothing to close
        """Let go of files and connections. Calling it twice is fine."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # -- features.writable ------------------------------------------------------------------------------

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
        """Make this value the latest, and return its version. When this returns, the value is stored.

        if_version: write only if this is the latest version now (0: only if the key is not there), in one
            step with the write; ConflictError otherwise.
        tags: for a new secret only (`features.tags`); UsageError where the key is there already.
        skip_unchanged: where the latest value is this one, write nothing and return its version.
        Raises InvalidValueError, before anything is written, for a value over the store's limits.
        """
        raise self._cannot("write")

    def write_many(
        self,
        service: str,
        values: Mapping[str, str],
        *,
        tags: Mapping[str, str] | None = None,
        written: Callable[[str], None] = _silent,
    ) -> None:
        """Write these values, in their order, and call `written(key)` once each is stored.

        tags: put on those of them that are new. The store's limits are checked for all before any is
        written. A store that can write all in one step does; any other may stop half-way with the error that
        stopped it.
        """
        for key, value in values.items():
            self.write(service, key, value, tags=tags)
            written(key)

    def delete(self, service: str, key: str) -> None:
        """Remove the secret with all its versions. Raises SecretNotFound when it is not there."""
        raise self._cannot("delete")

    def delete_many(
        self, service: str, keys: Iterable[str], *, deleted: Callable[[str], None] = _silent
    ) -> None:
        """Remove these secrets and call `deleted(key)` once each is gone; one gone already is fine."""
        for key in keys:
            try:
                self.delete(service, key)
            except SecretNotFound:
                pass
            deleted(key)

    # -- features.history, tags, labels -----------------------------------------------------------------

    def history(self, service: str, key: str | None = None) -> Sequence[Version]:
        """All that the store still knows of a key, or of all keys of the service, oldest first.

        Raises SecretNotFound (or ServiceNotFound without a key) when nothing is known.
        """
        raise self._cannot("tell the history of a secret")

    def tags(self, service: str, key: str) -> dict[str, str]:
        """The tags of a secret, in the store's order. Raises SecretNotFound."""
        raise self._cannot("tag secrets")

    def write_tags(
        self, service: str, key: str, tags: Mapping[str, str], *, delete_others: bool = False
    ) -> None:
        """Add or change these tags, and with `delete_others` remove all others. Raises SecretNotFound."""
        raise self._cannot("tag secrets")

    def delete_tags(self, service: str, key: str, names: Iterable[str]) -> None:
        """Remove these tags; one that is not there is fine. Raises SecretNotFound."""
        raise self._cannot("tag secrets")

    def label(self, service: str, key: str, label: str, version: int | None = None) -> None:
        """Move the label to this version of the secret (None: the latest). Raises SecretNotFound."""
        raise self._cannot("label versions")

    # -- features.own_key -------------------------------------------------------------------------------

    def initialise(self, key: str | None = None) -> None:
        """Create the empty store with its key kept in `key` ("keyring", "file", "passphrase"; None: the
        store's choice). Raises ConflictError when the store exists."""
        raise self._cannot("choose where its key lives")

    def rekey(self, key: str | None = None, *, wrap_only: bool = False) -> None:
        """Make a new data key and seal every secret anew, its wrapping kept in `key` (None: where it is now).

        wrap_only: change only where and with what the data key is wrapped.
        """
        raise self._cannot("change its key")

    def _cannot(self, what: str) -> UnsupportedError:
        return UnsupportedError(f"the {self.name} backend cannot {what}")
