"""Backends by name: the built-in table first, then the entry points of group `vault_exec.backends`.

Built-in names win so that an installed package cannot take the place of a store that people already use, and
so that exec does not pay for scanning the installed packages (30 ms) when it need not.
"""

from __future__ import annotations

from vault_exec.checked import CheckedStore
from vault_exec.errors import ConfigError
from vault_exec.names import fold, shown

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from vault_exec.store import Context, Store

    Factory = Callable[[Context], Store]

ENTRY_POINTS = "vault_exec.backends"

BUILT_IN = {
    "local": "vault_exec_backends.local",
    "null": "vault_exec_backends.null",
    "s3": "vault_exec_backends.s3",
    "s3-kms": "vault_exec_backends.s3_kms",
    "secretsmanager": "vault_exec_backends.secretsmanager",
    "ssm": "vault_exec_backends.ssm",
}


def open_store(context: Context) -> Store:
    """The store that `context.settings.backend` names (in any case), with its calls checked.

    Raises ConfigError when there is no such backend or it does not load, and what its factory raises.
    """
    return CheckedStore(_factory(context)(context), context)


def names() -> list[str]:
    """All backends that can be named: the built-in ones, then those of other packages."""
    return [*BUILT_IN, *(name for name in sorted(_entry_points()) if name not in BUILT_IN)]


def _factory(context: Context) -> Factory:
    name = fold(context.settings.backend)
    if name in BUILT_IN:
        module = __import__(BUILT_IN[name], fromlist=["open"])
        factory: Factory = module.open
        return factory
    target = _entry_points().get(name)
    if target is None:
        raise ConfigError(
            f"there is no backend {shown(context.settings.backend)} "
            f"(from {context.settings.origin('backend')})",
            hint="the backends are: " + ", ".join(names()),
        )
    return _loaded(name, target)


def _loaded(name: str, target: str) -> Factory:
    from importlib.metadata import EntryPoint

    try:
        factory: Factory = EntryPoint(name, target, ENTRY_POINTS).load()
    except Exception as error:  # somebody else's code, which may do anything
        raise ConfigError(
            f"the backend {name} is installed but does not load ({target}): {type(error).__name__}",
            hint="reinstall the package that brings it, or name another with --backend",
        ) from None
    return factory


def _entry_points() -> dict[str, str]:
    from importlib.metadata import entry_points

    return {fold(entry.name): entry.value for entry in entry_points(group=ENTRY_POINTS)}
