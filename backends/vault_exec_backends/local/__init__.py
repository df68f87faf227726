"""The local store: one encrypted SQLite file. The format is described in docs/local-store.md."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from vault_exec.store import Context, Store


def open(context: Context) -> Store:
    """The backend's factory. Nothing is read, and no key is looked for, before the first call."""
    from vault_exec_backends.local.store import LocalStore

    return LocalStore(context)
