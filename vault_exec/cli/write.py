"""`write`: a secret from a prompt, standard input, a file, a generator, or (seen by all) the command line."""

from __future__ import annotations

import os
import secrets
import sys
from typing import TYPE_CHECKING

import click

from vault_exec import names
from vault_exec.cli import arguments, terminal
from vault_exec.cli.app import App
from vault_exec.cli.parser import Command
from vault_exec.errors import UsageError

if TYPE_CHECKING:
    from typing import BinaryIO

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
@click.option("-t", "--tags", multiple=True, metavar="NAME=VALUE,…", help="tags of a new secret")
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
    tags: tuple[str, ...],
    exact_key: bool,
) -> None:
    names.check_service(service)
    names.check_key(key)
    if (value is not None) + (from_file is not None) + generate > 1:
        raise UsageError("write takes one of VALUE, --from-file and --generate")
    if length is not None and not generate:
        raise UsageError("--length is for --generate")
    given_tags = split_tags([tag for several in tags for tag in several.split(",")])
    with app.open_store() as store:
        key = arguments.key_to_change(store, service, key, exact=exact_key)
        if generate:
            text = _generated(_LENGTH if length is None else length)
        elif value is not None and value != "-":
            text = os.fsencode(value).decode("utf-8", "surrogateescape")  # whatever the locale
        elif from_file is not None:
            text = _of_file(app, from_file, singleline)
        else:
            text = _of_input(app, f"{service}/{key}", singleline, asked_for=value == "-")
        store.write(service, key, text, if_version=if_version, tags=given_tags, skip_unchanged=skip_unchanged)


def split_tags(tags: list[str]) -> dict[str, str]:
    """`name=value` texts as a mapping. Raises UsageError."""
    found: dict[str, str] = {}
    for tag in tags:
        name, equals, value = tag.partition("=")
        if not equals:
            raise UsageError(f"the tag {names.shown(tag)} is not of the form name=value")
        found[name] = value
    return found


def _generated(length: int) -> str:
    if length < 1:
        raise UsageError(f"a value of {length} characters cannot be generated")
    return "".join(secrets.choice(_GENERATED) for _ in range(length))


def _of_file(app: App, path: str, singleline: bool) -> str:
    try:
        with open(path, "rb") as file:
            return _text(app, file, singleline)
    except OSError as error:
        raise UsageError(f"the file {path} cannot be read: {error.strerror}") from None


def _of_input(app: App, what: str, singleline: bool, *, asked_for: bool) -> str:
    if sys.stdin is None:
        raise UsageError("there is no value: standard input is closed")
    if sys.stdin.isatty() and not asked_for:
        value = terminal.ask_secret(f"value of {what} (not shown): ")
        if not value:
            raise UsageError("no value was typed, and nothing was written")
        return value
    text = _text(app, sys.stdin.buffer, singleline)
    if not text and not asked_for:
        raise UsageError(
            "there is no value: standard input is empty", hint="to write an empty value, say so with -"
        )
    return text


def _text(app: App, file: BinaryIO, singleline: bool) -> str:
    data = file.readline().removesuffix(b"\n") if singleline else file.read()
    if data.endswith(b"\n") and data.count(b"\n") == 1:
        app.note("the value ends in a newline, which is part of it; -s (--singleline) drops it")
    return data.decode("utf-8", "surrogateescape")  # what is not UTF-8 is refused with all other bad values
