"""`import`: the secrets of a file to a service, by a plan that is made before anything is written."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from vault_exec import formats, names, transfer
from vault_exec.cli import arguments, input_file, plans, render
from vault_exec.cli.app import App
from vault_exec.cli.options import NAMES
from vault_exec.cli.parser import Command, options
from vault_exec.errors import FormatError
from vault_exec.transfer import Kind

if TYPE_CHECKING:
    from vault_exec.transfer import Plan, Step

HELP = """
Write the secrets of FILE (-: standard input) to a service. Values that are there already are not written
again, and a key that is the same variable as a key of the service updates that one.

All names and values are checked before the first is written. An import that was interrupted can be repeated:
it writes what is missing. The number it prints counts the secrets of the file, as chamber's does.

--prune asks on the terminal before anything is written; where there is none, it needs --yes.
"""


@click.command(
    "import",
    cls=Command,
    help=HELP,
    epilog=f"Formats: {', '.join(formats.READABLE)}; any other ending, and -, are read as YAML or JSON.",
)
@arguments.service
@click.argument("file", metavar="FILE|-", type=click.Path())
@click.option("--format", "name", metavar="FORMAT", help="the format (by the ending of the file's name)")
@click.option("--dry-run", is_flag=True, help="print what would be done to which key, and write nothing")
@click.option("--prune", is_flag=True, help="delete the secrets of the service that are not in the file")
@click.option("--yes", is_flag=True, help="with --prune: do not ask")
@click.option("--force", is_flag=True, help="write values again that are there already")
@click.option("--exact-key", is_flag=True, help="every key as it is spelled, even where two are one variable")
@click.option("--normalize-keys", is_flag=True, help="lower-case the keys, as write does")
@arguments.new_tags("tags of the secrets that are new")
@options(NAMES)
@click.pass_obj
def command(
    app: App,
    service: str,
    file: str,
    name: str | None,
    dry_run: bool,
    prune: bool,
    yes: bool,
    force: bool,
    exact_key: bool,
    normalize_keys: bool,
    tags: dict[str, str],
) -> None:
    names.check_service(service)
    given = _load(app, file, formats.find(name) if name else formats.for_path(file))
    wanted = transfer.checked(service, given, fold_keys=normalize_keys)
    with app.open_store() as store:
        plan = transfer.plan(
            transfer.current(store, service, wanted, exact_key=exact_key, prune=prune),
            wanted,
            exact_key=exact_key,
            names_style=app.settings.names,
            prune=prune,
            force=force,
        )
        if dry_run:
            app.write(_table(plan))
            return
        _tell_of_other_spellings(app, plan)
        if plan.deletes and not yes:
            keys = plan.deletes
            what = f"{len(keys)} secret{'s' * (len(keys) > 1)} of {service} that the file does not have"
            plans.ask("--prune", f"{what} ({', '.join(keys)})")
        plans.apply(app, store, service, plan, "importing", tags=tags)
    app.write(_summary(plan, len(wanted)))


# -- the file ----------------------------------------------------------------------------------------------


def _load(app: App, file: str, name: str) -> dict[str, str]:
    what = "standard input" if file == "-" else file
    text = _text(what, input_file.read(file))
    try:
        return formats.load(name, text, app.note)
    except FormatError as error:
        raise FormatError(f"{what}: {error}", hint=error.hint) from None


def _text(what: str, data: bytes) -> str:
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise FormatError(
            f"{what} is not UTF-8 text (line {line})",
            hint="convert text first, for example with iconv, and encode binary values with base64",
        ) from None
    if not text.removeprefix("\ufeff").strip():
        raise FormatError(f"{what} is empty", hint="a file without secrets is {} in YAML and JSON")
    return text


# -- the plan ----------------------------------------------------------------------------------------------


def _table(plan: Plan) -> str:
    done = {Kind.SAME: "rewritten"} if plan.force else {}
    rows = [(done.get(step.kind, step.kind.value), _spelling(step)) for step in plan.steps]
    return render.table(("Change", "Key"), rows, terminal=render.is_terminal())


def _spelling(step: Step) -> str:
    return step.key if step.given == step.key else f"{step.given} → {step.key}"


def _tell_of_other_spellings(app: App, plan: Plan) -> None:
    others = [_spelling(step) for step in plan.steps if step.given != step.key and step.key in plan.writes]
    if others:
        app.note(f"updates the keys that are the same variables: {', '.join(others)}; --exact-key keeps both")


def _summary(plan: Plan, count: int) -> str:
    """chamber's line, which counts the secrets of the file; what differs from chamber stands in brackets."""
    same = 0 if plan.force else len(plan.of(Kind.SAME))
    more = [f"{same} of them unchanged, not rewritten"] if same else []
    more += [f"{len(plan.deletes)} others deleted"] if plan.deletes else []
    return f"Successfully imported {count} secrets{' (' + '; '.join(more) + ')' if more else ''}\n"
