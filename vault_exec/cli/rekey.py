"""`rekey`: a new key for the local store, or a new place for the one it has."""

from __future__ import annotations

import click

from vault_exec.cli import arguments
from vault_exec.cli.app import App
from vault_exec.cli.parser import Command

HELP = """
Change the key of the local store: every secret is sealed anew with a new one. After a leak of the key and the
file, also change the secrets themselves: who had both could read them.
"""


@click.command("rekey", cls=Command, help=HELP)
@arguments.key_source
@click.option("--wrap-only", is_flag=True, help="keep the data key; only change what protects it")
@click.pass_obj
def command(app: App, key: str | None, wrap_only: bool) -> None:
    with app.open_store() as store:
        store.rekey(key, wrap_only=wrap_only)
