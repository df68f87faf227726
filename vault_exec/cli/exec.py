"""`exec`: run a program with the secrets of services in its environment."""

from __future__ import annotations

from typing import Any

import click

from vault_exec.cli import exec_core
from vault_exec.cli.app import App
from vault_exec.cli.parser import Command, options


@click.command(
    "exec",
    cls=Command,
    options_metavar="[OPTIONS]",
    epilog="The services' secrets are loaded, the later service winning, and this process becomes COMMAND. "
    "Options stand before the --. Exit code: the command's own; 125 when it was not started, 126 when it "
    "cannot be executed, 127 when there is none.",
)
@click.argument("services", metavar="SERVICE[:LABEL] … -- COMMAND [ARGUMENT …]", nargs=-1)
@options(*exec_core.OPTIONS)
@click.pass_obj
def command(app: App, /, services: tuple[str, ...], **chosen: Any) -> int:
    """Run a program with the secrets of services in its environment."""
    return exec_core.run(app, services, chosen)
