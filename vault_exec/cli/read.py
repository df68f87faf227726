"""`read`: one secret, at its latest or another version."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from vault_exec import names
from vault_exec.cli import arguments, render
from vault_exec.cli.app import App
from vault_exec.cli.options import READABLE_ONLY
from vault_exec.cli.parser import Command, options
from vault_exec.errors import SecretNotFound, UsageError

if TYPE_CHECKING:
    from vault_exec.model import Secret
    from vault_exec.store import Store

_LATEST = -1  # as in chamber


@click.command("read", cls=Command)
@arguments.service
@arguments.key
@click.option("-v", "--version", metavar="N|LABEL", help="a version's number or label; -1 is the latest")
@click.option("-q", "--quiet", is_flag=True, help="print the value and a newline, nothing else")
@options(READABLE_ONLY)
@arguments.as_json
@click.pass_obj
def command(app: App, service: str, key: str, version: str | None, quiet: bool, as_json: bool) -> None:
    if quiet and as_json:
        raise UsageError("read takes one of --quiet and --json")
    wanted = _version(version)
    with app.open_store() as store:
        if quiet and wanted is None:
            app.write(_shown(_latest_value(store, service, key)) + "\n")
            return
        secret = _secret(store, service, key, wanted)
    value = secret.value or ""
    if quiet:
        app.write(_shown(value) + "\n")
    elif as_json:
        app.write(render.to_json(render.secret_document(secret)))
    else:
        user = render.user(secret.created_by)
        row = (
            secret.id.key,
            _shown(value),
            str(secret.version),
            render.local_time(secret.created),
            render.escape(user) if render.is_terminal() else user,
        )
        app.write(render.aligned([("Key", "Value", "Version", "LastModified", "User"), row]))


def _version(text: str | None) -> int | str | None:
    if text is None:
        return None
    try:
        number = int(text)
    except ValueError:
        return text
    return None if number == _LATEST else number


def _latest_value(store: Store, service: str, key: str) -> str:
    """In one call to the store, which is what `-q` is for in scripts."""
    folded = names.fold(key)
    found = store.current(service, [key] if key == folded else [key, folded])
    for spelling in (key, folded):
        if spelling in found:
            return found[spelling]
    raise SecretNotFound(
        f"{service}/{folded} is not there", hint=f"list {service} shows the keys that are there"
    )


def _secret(store: Store, service: str, key: str, version: int | str | None) -> Secret:
    if version is None:
        return arguments.exact_key_first(lambda spelling: store.read(service, spelling), key)
    # A version that the exact key lacks must not be looked for in another key.
    if key != names.fold(key) and key not in store.current(service, [key]):
        key = names.fold(key)
    return store.read(service, key, version)


def _shown(value: str) -> str:
    """Exact; on a terminal with its control characters escaped, but for LF and TAB."""
    return render.escape(value, layout=True) if render.is_terminal() else value
