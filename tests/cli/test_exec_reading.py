"""exec's command line is read without click where nothing is wrong with it, and then as click reads it."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from vault_exec.cli import exec_core
from vault_exec.cli.app import App
from vault_exec.cli.options import GLOBAL
from vault_exec.cli.parser import Program
from vault_exec.errors import UsageError

Read = tuple[list[str], dict[str, Any], dict[str, Any]]


def plainly(arguments: list[str]) -> Read | None:
    """Services, options and settings as exec reads them, or None where it leaves them to click."""
    app = App("vault-exec", {}, {}, ["true"])
    read = exec_core.read(app, arguments)
    return None if read is None else (read[0], read[1], app.flags)


def by_click(arguments: list[str]) -> Read:
    """The same as click reads them. Raises UsageError."""
    app = App("vault-exec", {}, {}, ["true"])
    program = Program("vault-exec")
    with program.make_context("vault-exec", list(arguments), obj=app) as context:
        name, command, rest = program.resolve_command(context, [*context._protected_args, *context.args])
        assert name == "exec"
        assert command is not None
        with command.make_context(name, rest, parent=context) as inner:
            chosen = dict(inner.params)
    return list(chosen.pop("services")), chosen, app.flags


def test_every_option_is_read_plainly() -> None:
    for row in (*exec_core.OPTIONS, *GLOBAL):
        words = [f"--{row.name}", *([row.choices[0] if row.choices else "value"] if row.takes else [])]
        assert plainly(["exec", "svc", *words]) == by_click(["exec", "svc", *words]), row.name
        assert plainly(["exec", "svc", *words]) is not None, row.name


@pytest.mark.parametrize(
    "words",
    [
        ["exec", "svc", "--help"],
        ["exec", "-h"],
        ["exec", "svc", "--bogus"],
        ["exec", "svc", "-x"],
        ["exec", "svc", "--prefix"],
        ["exec", "svc", "--names", "snake"],
        ["exec", "svc", "--strict=maybe"],
        ["--strict", "exec", "svc"],
        ["--version", "exec"],
    ],
)
def test_help_and_mistakes_are_clicks(words: list[str]) -> None:
    assert plainly(words) is None


VALUES = st.sampled_from(["", "a", "ssm", "a=b", "-", "-x", "--strict", "=", "adaptive", "posix", "a b", "ä"])
SWITCHED = st.sampled_from(["", "=true", "=false", "=1", "=0", "=T", "=", "=maybe"])


def _words(row: Any) -> st.SearchStrategy[list[str]]:
    long = f"--{row.name}"
    if row.takes is None:
        return SWITCHED.map(lambda end: [long + end])
    forms = [VALUES.map(lambda value: [long, value]), VALUES.map(lambda value: [f"{long}={value}"])]
    if row.short:
        forms.append(VALUES.map(lambda value: [f"-{row.short}", value]))
        forms.append(VALUES.map(lambda value: [f"-{row.short}{value}"]))
        forms.append(VALUES.map(lambda value: [f"-{row.short}={value}"]))
    return st.one_of(forms)


OWN = st.one_of([_words(row) for row in exec_core.OPTIONS])
OF_EVERY = st.one_of([_words(row) for row in GLOBAL])
SERVICE = st.sampled_from([["svc"], ["prod/web:blue"], [""], ["-"], ["exec"], ["--bogus"], ["-h"]])


@given(st.lists(OF_EVERY, max_size=2), st.lists(st.one_of(SERVICE, OWN, OF_EVERY), max_size=6))
@example([["--backend", "a"]], [["svc"], ["--backend=b"], ["--verbose=false"], ["--verbose"]])
@example([["-bssm"]], [["svc"], ["--optional", "a"], ["--optional=b"], ["--prefix", "x"], ["--prefix=y"]])
def test_what_is_read_plainly_is_what_click_reads(before: list[list[str]], after: list[list[str]]) -> None:
    arguments = [*(word for words in before for word in words), "exec"]
    arguments += [word for words in after for word in words]
    plain = plainly(arguments)
    if plain is None:
        return  # click's, with its errors
    try:
        expected = by_click(arguments)
    except UsageError as error:
        pytest.fail(f"click refuses what was read plainly: {error}")
    assert plain == expected
