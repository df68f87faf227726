"""`init`: the local store, with its key where it was asked to live."""

from __future__ import annotations

import click

from vault_exec.cli import arguments
from vault_exec.cli.app import App
from vault_exec.cli.parser import Command

HELP = """
Create the local store, and choose where its key lives. The first `write` creates it, too, with the key in the
keyring where one works, else in a key file.
"""


@click.command("init", cls=Command, help=HELP)
@arguments.key_source
@click.pass_obj
def command(app: App, key: str | None) -> None:
    with app.open_store() as store:
        store.initialise(key)
