"""The two functions of the Python API: open a store, and read namespaces as variables."""

from __future__ import annotations

from vault_exec import registry, settings
from vault_exec.store import Context, _silent

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from vault_exec.store import Store


def open_store(
    backend: str | None = None, *, notify: Callable[[str], None] = _silent, **options: Any
) -> Store:
    """Open a store; use it in a `with` statement, or call its `close`.

    backend: "local", "ssm", … ; None: as the environment and the config file say, else "local".
    notify: called with one line of text where the command line would write a note to stderr.
    options: any setting by its long option name with `_` for `-`: `timeout=10.0`, `kms_key_alias="alias/x"`.
    Raises ConfigError for a setting that is wrong, and VaultExecError where the store cannot be opened.
    """
    import os

    flags = {name.replace("_", "-"): value for name, value in options.items()}
    flags["backend"] = backend
    settings.check_names(flags)
    environ = dict(os.environ)
    return registry.open_store(Context(settings.load(flags, environ), environ, notify=notify))


def load_environ(
    *services: str,
    backend: str | None = None,
    notify: Callable[[str], None] = _silent,
    **options: Any,
) -> dict[str, str]:
    """The variables that `vault-exec exec` would inject for these services: name → value.

    services: as on the command line, `svc` or `svc:label`; later ones win.
    backend, notify, options: as for `open_store`; `names="chamber"` keeps dots in names, and
    `allow_missing=True` takes a service without secrets for an empty one.
    Raises ServiceNotFound, UsageError (two keys of one service with one name) and what the store raises.
    """
    raise NotImplementedError
