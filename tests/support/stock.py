"""Filling a user's local store from within the test process: no process to start for each secret."""

from __future__ import annotations

from tests.support.commands import Home
from vault_exec import registry, settings
from vault_exec.store import Context, Store


def local_store(home: Home) -> Store:
    """The local store of this user, made with its key in a file if it is not there yet."""
    context = Context(settings.load({}, home.environ), home.environ)
    store = registry.open_store(context)
    if not (home.path / ".local/share/vault-exec/store.db").exists():
        store.initialise("file")
    return store
