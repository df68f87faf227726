"""What `exec` does, and its options as data. Without click, which costs more than reading the secrets."""

from __future__ import annotations

import os

from vault_exec import environ, launch, settings
from vault_exec.cli.options import NAMES, SERVICES, Option, read_plainly
from vault_exec.errors import UsageError
from vault_exec.guard import Guard

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from vault_exec.cli.app import App

OPTIONS = (
    Option("pristine", "inherit no variables"),
    Option("strict", "fill exactly the inherited variables that hold the strict value"),
    Option("strict-value", "the value that --strict fills (chamberme)", takes="VALUE"),
    Option("no-clobber", "an inherited variable wins over a secret"),
    Option("only", "take keys that match; repeatable", takes="GLOB", repeat=True),
    Option("except", "leave out keys that match; repeatable", takes="GLOB", repeat=True),
    NAMES,
    Option("prefix", "put this before each variable's name", takes="PREFIX"),
    Option("require", "fail unless a secret becomes this variable; repeatable", takes="NAME", repeat=True),
    *SERVICES,
    Option("quiet", "no warnings and notes"),
    Option("dry-run", "start nothing: print the variables, and which service gave each"),
)

STRICT_VALUE = "chamberme"


def read(app: App, arguments: Sequence[str]) -> tuple[list[str], dict[str, Any]] | None:
    """Services and options for `run`, with the settings put into `app.flags`; None where click must look."""
    plain = read_plainly(arguments, OPTIONS)
    if plain is None or plain[1][:1] != ["exec"]:
        return None
    given, words = plain
    are_settings = {setting.name for setting in settings.TABLE}
    app.flags.update({name: value for name, value in given.items() if name in are_settings})
    chosen = {
        row.name.replace("-", "_"): given.get(row.name, () if row.repeat else None)
        for row in OPTIONS
        if row.name not in are_settings
    }
    return words[1:], chosen


def run(app: App, services: Sequence[str], chosen: Mapping[str, Any]) -> int:
    """Become the command after the `--`; returns only from a dry run.

    chosen: the options by name with `_` for `-`, those that were not given being None or empty; settings are
    in `app.flags`. Raises VaultExecError.
    """
    command = _command(app, services)
    app.quiet = bool(chosen["quiet"])
    inherited = environ.inherited(app.note)
    rules = _rules(app, chosen)
    program = launch.resolve(command[0], next((value for name, value in inherited if name == b"PATH"), None))
    guard = Guard()
    with app.open_store() as store:
        child = environ.load(store, services, rules, inherited, app.warn_as_chamber)
    launch.check_size(program, command, child)
    if not chosen["dry_run"]:
        launch.replace(program, command, child, guard)
    from vault_exec.cli.render import is_terminal, table

    rows = sorted([(variable.name, variable.service) for variable in child.secrets])
    app.write(table(("Variable", "Service"), rows, terminal=is_terminal()))
    return 0


def _command(app: App, services: Sequence[str]) -> list[bytes]:
    usage = f"{app.program} exec SERVICE … -- COMMAND [ARGUMENT …]"
    if app.after_dashes is None:
        raise UsageError("exec: there is no -- between the services and the command", hint=usage)
    if not services:
        raise UsageError("exec: no service is named before the --", hint=usage)
    if not app.after_dashes:
        raise UsageError("exec: there is no command after the --", hint=usage)
    return [os.fsencode(word) for word in app.after_dashes]


def _rules(app: App, chosen: Mapping[str, Any]) -> environ.Rules:
    strict = os.fsencode(STRICT_VALUE if chosen["strict_value"] is None else chosen["strict_value"])
    return environ.Rules(
        only=chosen["only"],
        exclude=chosen["except"],
        style=app.settings.names,
        prefix=chosen["prefix"] or "",
        require=chosen["require"],
        no_clobber=bool(chosen["no_clobber"]),
        strict=strict if chosen["strict"] else None,
        pristine=bool(chosen["pristine"]),
        allow_missing=app.settings.allow_missing,
        optional=app.settings.optional,
    )
