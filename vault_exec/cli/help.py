"""`help [command]`: what `command --help` prints."""

from __future__ import annotations

import click

from vault_exec.cli.app import App
from vault_exec.cli.parser import Command, Group


@click.command("help", cls=Command)
@click.argument("names", metavar="[COMMAND]", nargs=-1)
@click.pass_context
def command(ctx: click.Context, names: tuple[str, ...]) -> None:
    shown = ctx.find_root()
    for name in names:
        group = shown.command
        if not isinstance(group, Group):
            break
        found = group.resolve_command(shown, [name])[1]
        if found is not None:
            shown = click.Context(found, info_name=name, parent=shown, obj=ctx.obj)
    app: App = ctx.obj
    app.write(shown.get_help() + "\n")
