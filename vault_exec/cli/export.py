"""`export`: the secrets of services in a format, to standard output or to a file."""

from __future__ import annotations

import click

from vault_exec import formats, names
from vault_exec.cli import output_file, several
from vault_exec.cli.app import App
from vault_exec.cli.arguments import complete_service
from vault_exec.cli.options import NAMES, SERVICES
from vault_exec.cli.parser import Command, options

#: Formats whose file collects what several programs write: `-o` adds to it.
_APPENDED = ("github-env",)


@click.command("export", cls=Command, epilog=f"Formats: {', '.join([*formats.FORMATS, *formats.ALIASES])}.")
@click.argument(
    "services", metavar="SERVICE[:LABEL] …", nargs=-1, required=True, shell_complete=complete_service
)
@click.option("-f", "--format", "name", metavar="FORMAT", default="json", help="the format (json)")
@click.option("-o", "--output-file", "path", metavar="FILE", help="write to this file, for its owner alone")
@options(NAMES, *SERVICES)
@click.pass_obj
def command(app: App, services: tuple[str, ...], name: str, path: str | None) -> None:
    """Print the secrets of services in a format that other programs read."""
    name = formats.find(name)

    def overridden(service: str, key: str) -> str:
        return f"parameter {key} specified more than once (overridden by service {service})"

    values = several.load(app, services, overridden=overridden)
    of_services = tuple([names.split_label(service)[0] for service in services])
    text = formats.dump(name, values, formats.Options(of_services, app.settings.names, app.note))
    if path:
        output_file.write(path, text, append=name in _APPENDED)
    else:
        several.write(app, text)
