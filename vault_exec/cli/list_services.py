"""`list-services`: the services there are, or all secrets by name."""

from __future__ import annotations

import click

from vault_exec import names
from vault_exec.cli import arguments, render
from vault_exec.cli.app import App
from vault_exec.cli.parser import Command


@click.command("list-services", cls=Command)
@click.argument("prefix", default="", shell_complete=arguments.complete_service)
@click.option("-s", "--secrets", is_flag=True, help="every secret, as /service/key")
@arguments.as_json
@click.pass_obj
def command(app: App, prefix: str, secrets: bool, as_json: bool) -> None:
    with app.open_store() as store:
        if secrets:
            ids = store.secrets(names.fold(prefix))
            lines = [f"/{id}" for id in ids]
            document: list[object] = [{"service": id.service, "key": id.key} for id in ids]
        else:
            lines = list(store.services(names.fold(prefix)))
            document = [*lines]
    if as_json:
        app.write(render.to_json(document))
    else:
        app.write(render.table(("Service",), [(line,) for line in lines], terminal=render.is_terminal()))
