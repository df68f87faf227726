"""What `env` and `export` share: the secrets of several services as one mapping, and how they are printed."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from vault_exec import environ, names
from vault_exec.cli import render
from vault_exec.cli.app import App


def load(
    app: App,
    services: Sequence[str],
    *,
    same: Callable[[str], str] = str,
    overridden: Callable[[str, str], str],
) -> dict[str, str]:
    """Key → value of these services. Of two services that have the same key, the later one wins.

    same: what two keys have in common when they count as the same. overridden: the warning in chamber's form
    for such a key of a service. Raises what the store raises, and InvalidValueError.
    """
    rules = environ.Rules(allow_missing=app.settings.allow_missing, optional=app.settings.optional)
    with app.open_store() as store:
        found = environ.fetch(store, services, rules)
    merged: dict[str, str] = {}
    for service, values in found:
        here = {same(key): key for key in values}
        for key in [key for key in merged if same(key) in here]:
            app.warn_as_chamber(overridden(service, here[same(key)]))
            del merged[key]
        merged |= {key: names.check_value(service, key, value) for key, value in values.items()}
    return merged


def write(app: App, text: str) -> None:
    """Write the text as it is; to a terminal with its control characters escaped, and a note that says so."""
    shown = render.escape(text, layout=True) if render.is_terminal() else text
    if shown != text:
        app.note("control characters are shown escaped; a pipe or a file gets them as they are")
    app.write(shown)
