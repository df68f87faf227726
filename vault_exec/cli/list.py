"""`list`: the secrets of a service, with their values only where asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from vault_exec import names
from vault_exec.cli.app import App
from vault_exec.cli.parser import Command
from vault_exec.errors import ServiceNotFound

if TYPE_CHECKING:
    pass


@click.command("list", cls=Command)
@click.argument("service", metavar="SERVICE[:LABEL]")
@click.option("-e", "--expand", is_flag=True, help="with the values")
@click.option("-t", "--time", "by_time", is_flag=True, help="sort by the time of the last change")
@click.option("-u", "--user", "by_user", is_flag=True, help="sort by who made the last change")
@click.option("-v", "--version", "by_version", is_flag=True, help="sort by version")
@click.option("--json", "as_json", is_flag=True, help="print JSON")
@click.pass_obj
def command(
    app: App, service: str, expand: bool, by_time: bool, by_user: bool, by_version: bool, as_json: bool
) -> None:
    service, label = names.split_label(service)
    with app.open_store() as store:
        try:
            secrets = store.list(service, values=expand, label=label)
        except ServiceNotFound as error:
            app.note(str(error))
            secrets = []
    app.write(str(len(secrets)))
