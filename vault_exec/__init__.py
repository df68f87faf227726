"""Secrets from a key store, as environment variables or as a mapping.

    import vault_exec

    variables = vault_exec.load_environ("svc", backend="ssm")
    with vault_exec.open_store("local") as store:
        store.write("svc", "key", "value")

Importing this package is cheap; a backend is loaded when it is named.
"""

from __future__ import annotations

from vault_exec.api import load_environ, open_store
from vault_exec.errors import (
    AccessDeniedError,
    ConflictError,
    DamagedStoreError,
    NotFoundError,
    UnreachableError,
    UsageError,
    VaultExecError,
)
from vault_exec.model import Secret, SecretId, Version
from vault_exec.store import Context, Features, Store
from vault_exec.version import __version__

__all__ = [
    "AccessDeniedError",
    "ConflictError",
    "Context",
    "DamagedStoreError",
    "Features",
    "NotFoundError",
    "Secret",
    "SecretId",
    "Store",
    "UnreachableError",
    "UsageError",
    "VaultExecError",
    "Version",
    "__version__",
    "load_environ",
    "open_store",
]
