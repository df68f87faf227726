"""`write`: a secret from a prompt, standard input, a file, a generator, or (seen by all) the command line."""

from __future__ import annotations

import os
import secrets
import sys

import click

from vault_exec import names
from vault_exec.cli import arguments, input_file, terminal
from vault_exec.cli.app import App
from vault_exec.cli.parser import Command
from vault_exec.errors import UsageError

_GENERATED = names.UPPER + names.LOWER + names.DIGITS
_LENGTH = 32

HELP = """
Write a secret. Without a value it is asked for on the terminal, hidden, or read from standard input; -
always reads standard input.

A VALUE on the command line can be seen by everybody on this machine and stays in the shell's history: use
the prompt, -, --from-file or --generate instead.
"""


@click.command("write", cls=Command, help=HELP, secret_arguments=True)
@arguments.service
@arguments.key
@click.argument("value", required=False, metavar="[-|VALUE]")
@click.option("-s", "--singleline", is_flag=True, help="only the first line of the input, without its end")
@click.option("--from-file", metavar="PATH", help="the value is what the file holds")
@click.option("--generate", is_flag=True, help="a random value of letters and digits; never printed")
@click.option("--length", type=int, metavar="N", help=f"characters of the generated value ({_LENGTH})")
@click.option("--if-version", type=int, metavar="N", help="only if this is the latest version; 0: if new")
@click.option("--skip-unchanged", is_flag=True, help="make no new version of the same value")
@arguments.new_tags("tags of a new secret")
@arguments.exact_key
@click.pass_obj
def command(
    app: App,
    service: str,
    key: str,
    value: str | None,
    singleline: bool,
    from_file: str | None,
    generate: bool,
    length: int | None,
    if_version: int | None,
    skip_unchanged: bool,
    tags: dict[str, str],
    exact_key: bool,
) -> None:
    names.check_service(service)
    names.check_key(key)
    if (value is not None) + (from_file is not None) + generate > 1:
        raise UsageError("write takes one of VALUE, --from-file and --generate")
    if length is not None and not generate:
        raise UsageError("--length is for --generate")
    with app.open_store() as store:
        key = arguments.key_to_change(store, service, key, exact=exact_key)
        if generate:
            text = _generated(_LENGTH if length is None else length)
        elif from_file is not None:
            text = _read(app, from_file, singleline)
        elif value is None:
            text = _typed_or_piped(app, f"{service}/{key}", singleline)
        elif value == "-":
            text = _read(app, "-", singleline)
        else:
            text = os.fsencode(value).decode("utf-8", "surrogateescape")  # whatever the locale
        store.write(service, key, text, if_version=if_version, tags=tags, skip_unchanged=skip_unchanged)


def _generated(length: int) -> str:
    if length < 1:
        raise UsageError(f"a value of {length} characters cannot be generated")
    return "".join(secrets.choice(_GENERATED) for _ in range(length))


def _typed_or_piped(app: App, what: str, singleline: bool) -> str:
    """What is typed when asked for, or else what standard input holds; nothing is no value."""
    if sys.stdin is not None and sys.stdin.isatty():
        value = terminal.ask_secret(f"value of {what} (not shown): ")
        if not value:
            raise UsageError("no value was typed, and nothing was written")
        return value
    text = _read(app, "-", singleline)
    if not text:
        raise UsageError(
            "there is no value: standard input is empty", hint="to write an empty value, say so with -"
        )
    return text


def _read(app: App, path: str, singleline: bool) -> str:
    data = input_file.read(path, one_line=singleline)
    if data.endswith(b"\n") and data.count(b"\n") == 1:
        app.note("the value ends in a newline, which is part of it; -s (--singleline) drops it")
    return data.decode("utf-8", "surrogateescape")  # what is not UTF-8 is refused with all other bad values
