"""`label`: a name for a version of a secret, to be read by (`svc:label`, `read --version label`)."""

from __future__ import annotations

import click

from vault_exec.cli import arguments
from vault_exec.cli.app import App
from vault_exec.cli.parser import Command

HELP = """
Name a version of a secret. The name moves here from whichever version had it. Read by it with `read --version
NAME`, or for a whole service with SERVICE:NAME in exec, env, export and list.
"""


@click.command("label", cls=Command, help=HELP)
@arguments.service
@arguments.key
@click.argument("name")
@click.option("--version", type=int, metavar="N", help="the version to name; the latest if not given")
@arguments.exact_key
@click.pass_obj
def command(app: App, service: str, key: str, name: str, version: int | None, exact_key: bool) -> None:
    with app.open_store() as store:
        store.label(service, arguments.key_to_change(store, service, key, exact=exact_key), name, version)
