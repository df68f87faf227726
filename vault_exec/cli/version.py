"""`version`: what this program is."""

from __future__ import annotations

import click

from vault_exec.cli.app import App
from vault_exec.cli.parser import Command, version_line


@click.command("version", cls=Command)
@click.pass_obj
def command(app: App) -> None:
    app.write(version_line(app.program))
