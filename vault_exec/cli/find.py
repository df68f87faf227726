"""`find`: which services have a key of this name, or a secret of this value."""

from __future__ import annotations

import os
import sys

import click

from vault_exec import parallel
from vault_exec.cli import arguments, input_file, render, terminal
from vault_exec.cli.app import App
from vault_exec.cli.options import READABLE_ONLY
from vault_exec.cli.parser import Command, options
from vault_exec.errors import AccessDeniedError, ServiceNotFound, UsageError
from vault_exec.model import SecretId
from vault_exec.store import Store

_AT_ONCE = 16

HELP = """
Find the services that have a key of this name, or with -v a secret of this value. Both are compared as they
are spelled.

Without VALUE it is asked for, hidden; - reads it from standard input. What stands on the command line can be
seen by everybody on this machine.
"""


@click.command("find", cls=Command, help=HELP, secret_arguments=True)
@click.argument("what", required=False, metavar="KEY|VALUE")
@click.option("-v", "--by-value", is_flag=True, help="find a value; - reads it from standard input")
@options(READABLE_ONLY)
@arguments.as_json
@click.pass_obj
def command(app: App, what: str | None, by_value: bool, as_json: bool) -> int:
    if what is None and not by_value:
        raise UsageError("find: KEY is missing", hint=f"see {app.program} find --help")
    denied: list[str] = []
    with app.open_store() as store:
        if by_value:
            found = _with_value(app, store, _value(what), denied)
        else:
            found = [id for id in store.secrets() if id.key == what]
    if as_json:
        app.write(render.to_json([{"service": id.service, "key": id.key} for id in found]))
    else:
        header = ("Service", "Key") if by_value else ("Service",)
        rows = [(id.service, id.key) if by_value else (id.service,) for id in found]
        app.write(render.table(header, rows, terminal=render.is_terminal()))
    if denied:
        raise AccessDeniedError(
            f"not searched, for they may not be read: {', '.join(denied)}",
            hint="the result above is of the other services",
        )
    return 0


def _value(typed: str | None) -> str:
    if typed is None and sys.stdin is not None and sys.stdin.isatty():
        return terminal.ask_secret("value to find (not shown): ")
    data = input_file.read("-") if typed in (None, "-") else os.fsencode(typed)
    return data.decode("utf-8", "surrogateescape")


def _with_value(app: App, store: Store, value: str, denied: list[str]) -> list[SecretId]:
    services = store.services()
    with app.progress("searching service", len(services)) as progress:

        def search(service: str) -> list[SecretId]:
            try:
                values = store.values(service)
            except ServiceNotFound:  # deleted since it was listed
                return []
            except AccessDeniedError:
                denied.append(service)
                return []
            finally:
                progress.step()
            return [SecretId(service, key) for key in sorted(values) if values[key] == value]

        at_once = _AT_ONCE if store.features.remote else 1
        return [id for found in parallel.each(search, services, at_once=at_once) for id in found]
