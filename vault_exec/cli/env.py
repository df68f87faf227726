"""`env`: print the secrets of services as shell exports."""

from __future__ import annotations

import click

from vault_exec.cli import several
from vault_exec.cli.app import App
from vault_exec.cli.arguments import complete_service
from vault_exec.cli.options import SERVICES
from vault_exec.cli.parser import Command, options
from vault_exec.formats import shell
from vault_exec.formats.common import shell_name


@click.command("env", cls=Command, epilog='In a shell: eval "$(vault-exec env SERVICE)"')
@click.argument(
    "services", metavar="SERVICE[:LABEL] …", nargs=-1, required=True, shell_complete=complete_service
)
@click.option("-p", "--preserve-case", is_flag=True, help="the keys' own case in the variables' names")
@click.option("-e", "--escape-strings", is_flag=True, help="values in double quotes, line ends as \\n")
@options(*SERVICES)
@click.pass_obj
def command(app: App, services: tuple[str, ...], preserve_case: bool, escape_strings: bool) -> None:
    """Print the secrets of services as `export NAME=value` lines for a shell."""

    name_of = shell.variable_in_case if preserve_case else shell_name

    def overridden(service: str, key: str) -> str:
        return f"service {service} overwriting environment variable {name_of(key)}"

    values = several.load(app, services, same=name_of, overridden=overridden)
    several.write(app, shell.env(values, preserve_case=preserve_case, escape_strings=escape_strings))
