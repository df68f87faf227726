"""The two functions of the Python API: open a store, and read namespaces as variables."""

from __future__ import annotations

import os

from vault_exec import environ, registry, settings
from vault_exec.store import Context, _silent

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
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
    return registry.open_store(_context(backend, notify, options))


def load_environ(
    *services: str,
    backend: str | None = None,
    notify: Callable[[str], None] = _silent,
    **options: Any,
) -> dict[str, str]:
    """The variables that `vault-exec exec` would inject for these services: name → value.

    Nothing is put into `os.environ`; `os.environ.update(load_environ("svc"))` does that.

    services: as on the command line, `svc` or `svc:label`; later ones win.
    backend, notify, options: as for `open_store`; `names="chamber"` keeps dots in names,
    `allow_missing=True` takes a service without secrets for an empty one, `optional=["svc"]` that one only.
    Raises ServiceNotFound, UsageError (two keys of one service with one name), InvalidValueError (a value
    that no variable can hold) and what the store raises.
    """
    context = _context(backend, notify, options)
    rules = environ.Rules(
        style=context.settings.names,
        allow_missing=context.settings.allow_missing,
        optional=context.settings.optional,
    )
    with registry.open_store(context) as store:
        found = environ.fetch(store, services, rules)
    variables = environ.merged(environ.given(found, rules), (), notify)
    return {name: variable.value for name, variable in variables.items()}


def _context(backend: str | None, notify: Callable[[str], None], options: Mapping[str, Any]) -> Context:
    flags = {name.replace("_", "-"): value for name, value in options.items()}
    settings.check_names(flags)
    flags["backend"] = backend
    variables = dict(os.environ)
    return Context(settings.load(flags, variables), variables, notify=notify)
