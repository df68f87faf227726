"""A store without secrets, on purpose: exec starts the program with the environment it inherited.

For tests and for machines where the secrets come another way, as in chamber.
"""

from __future__ import annotations

from vault_exec.errors import SecretNotFound
from vault_exec.store import Features, Store

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from vault_exec.model import Secret, Version
    from vault_exec.store import Context


class NullStore(Store):
    """Every service is empty, and nothing can be written."""

    __slots__ = ()

    name = "null"
    features = Features(history=True, empty_services=True)

    def values(self, service: str, label: str | None = None) -> dict[str, str]:
        return {}

    def read(self, service: str, key: str, version: int | str | None = None) -> Secret:
        raise SecretNotFound(f"{service}/{key} is not there: the null backend holds no secrets")

    def list(self, service: str, *, values: bool = False, label: str | None = None) -> Sequence[Secret]:
        return []

    def services(self, prefix: str = "") -> Sequence[str]:
        return []

    def history(self, service: str, key: str | None = None) -> Sequence[Version]:
        return []


def open(context: Context) -> Store:
    """The backend's factory."""
    return NullStore()
