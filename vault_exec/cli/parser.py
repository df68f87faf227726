"""The command line as click parses it, with chamber's liberties.

A command is a click command of class `Command`, named `command` in its module. Its function gets the `App`
first (`click.pass_obj`), then its own arguments and options; options that are settings go to `App.flags`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib import import_module
from typing import Any, NoReturn, TypeVar

import click
from click.shell_completion import CompletionItem

from vault_exec import settings
from vault_exec.cli import options as data
from vault_exec.cli.app import App
from vault_exec.cli.commands import GROUPS, MODULES, SUMMARIES
from vault_exec.cli.render import escape
from vault_exec.errors import UsageError, VaultExecError
from vault_exec.names import shown
from vault_exec.version import __version__

F = TypeVar("F", bound=Callable[..., Any])

_SETTINGS = {setting.name for setting in settings.TABLE}
_CONTEXT = {"help_option_names": ["-h", "--help"], "auto_envvar_prefix": None}


def call(app: App, arguments: list[str]) -> int:
    """Run the command that the arguments name, and return the exit code. Raises VaultExecError."""
    program = Program(app.program)
    try:
        with program.make_context(app.program, arguments, obj=app) as context:
            code = program.invoke(context)
    except click.exceptions.Exit as end:
        return end.exit_code
    except click.ClickException as error:
        raise UsageError(error.format_message(), hint=f"see {app.program} --help") from None
    return code or 0


def options(*rows: data.Option) -> Callable[[F], F]:
    """Decorate a command's function with options that are data."""

    def decorate(function: F) -> F:
        for row in reversed(rows):
            names, attributes = _as_click_says(row)
            function = click.option(*names, **attributes)(function)
        return function

    return decorate


def _as_click_says(row: data.Option) -> tuple[list[str], dict[str, Any]]:
    names = [*([f"-{row.short}"] if row.short else []), f"--{row.name}"]
    if row.takes is None:
        return names, {"is_flag": True, "default": None, "help": row.help}
    kind = click.Choice(row.choices) if row.choices else str
    return names, {"metavar": row.takes, "multiple": row.repeat, "type": kind, "help": row.help}


def _global_options() -> list[click.Option]:
    return [click.Option(names, **attributes) for names, attributes in map(_as_click_says, data.GLOBAL)]


class _Parsing(click.Command):
    """What our commands and groups of commands do differently from click's.

    Global options everywhere; `--switch=true` and `-b=ssm`; settings to `App.flags`; click's errors as ours.
    """

    #: Whether an argument may be a secret, so that errors must not repeat what was typed.
    secret_arguments = False

    def __init__(self, *arguments: Any, secret_arguments: bool = False, **more: Any) -> None:
        more["context_settings"] = {**_CONTEXT, **more.get("context_settings", {})}
        super().__init__(*arguments, **more)
        self.secret_arguments = secret_arguments
        self._own = list(self.params)
        self._global = _global_options()
        self.params = [*self.params, *self._global]

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        ours = [param for param in self.params if isinstance(param, click.Option) and param.expose_value]
        switches = {param.opts[-1].removeprefix("--"): param.name for param in ours if param.is_flag}
        shorts = [opt[1:] for param in ours if not param.is_flag for opt in param.opts if len(opt) == 2]
        # A group reads what stands before the command's name; the rest is the command's to read, once.
        own, others = data.split_at_command(args) if isinstance(self, click.Group) else (args, [])
        plain, off = data.plain_switches(own, switches, shorts)
        try:
            rest = super().parse_args(ctx, [*plain, *others])
        except click.UsageError as error:
            self._refuse(ctx, error)
        ctx.params.update({switches[form] or "": False for form in off})
        self._take_settings(ctx)
        return rest

    def _take_settings(self, ctx: click.Context) -> None:
        for param in self.params:
            name = (param.name or "").replace("_", "-")
            if name not in _SETTINGS or not isinstance(param, click.Option):
                continue
            value = ctx.params.pop(param.name, None)
            if value is not None and value != () and ctx.obj is not None:
                ctx.obj.flags[name] = value

    def _refuse(self, ctx: click.Context, error: click.UsageError) -> NoReturn:
        hint = f"see {ctx.command_path} --help"
        where = "" if ctx.parent is None else ctx.command_path.partition(" ")[2] + ": "
        if isinstance(error, click.NoSuchOption):
            if self.secret_arguments:
                raise UsageError(
                    f"{where}there is an option that it does not have",
                    hint="put -- before a value that begins with '-', or better, pass - and the value on "
                    "standard input",
                ) from None
            options = [opt for param in self.get_params(ctx) for opt in param.opts if opt.startswith("--")]
            raise UsageError(
                f"{where}there is no option {shown(error.option_name)}",
                hint=_nearest(error.option_name, options) or hint,
            ) from None
        if isinstance(error, click.MissingParameter) and error.param is not None:
            missing = error.param.make_metavar(ctx)
            raise UsageError(f"{where}{missing} is missing", hint=hint) from None
        problem = error.message.rstrip(".")
        if isinstance(error, click.BadParameter) and isinstance(error.param, click.Option):
            problem = f"{error.param.opts[-1]}: {problem}"
        raise UsageError(where + problem[:1].lower() + problem[1:], hint=hint) from None

    def get_help_option(self, ctx: click.Context) -> click.Option | None:
        def show(ctx: click.Context, _: click.Parameter, wanted: bool) -> None:
            if wanted and not ctx.resilient_parsing:
                ctx.obj.write(ctx.get_help() + "\n")
                ctx.exit()

        names = self.get_help_option_names(ctx)
        return click.Option(
            names, is_flag=True, is_eager=True, expose_value=False, callback=show, help="show this help"
        )

    def format_help_text(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        if self.help:
            super().format_help_text(ctx, formatter)
            return
        formatter.write_paragraph()
        with formatter.indentation():
            formatter.write_text(f"{self.short_help or SUMMARIES[self.name or '']}.")

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        own = _records(ctx, self._own)
        shared = _records(ctx, self._global)
        if own:
            with formatter.section("Options"):
                formatter.write_dl(own)
        with formatter.section("Options of every command"):
            formatter.write_dl([*shared, ("-h, --help", "show this help")])


class Command(_Parsing):
    """One command. `@click.command("list", cls=Command)`."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        ctx.allow_extra_args = True
        rest = super().parse_args(ctx, args)
        if rest and not ctx.resilient_parsing:
            # Never saying which: it may be the second word of a value that was not quoted.
            where = ctx.command_path.partition(" ")[2]
            raise UsageError(
                f"{where}: {len(rest)} argument{'s' * (len(rest) > 1)} too many",
                hint=f"put quotes around one with blanks in it; see {ctx.command_path} --help",
            )
        return rest


@click.pass_context
def _help_alone(ctx: click.Context) -> None:
    """What a group does when no command of it was named."""
    if ctx.invoked_subcommand is None:
        ctx.obj.write(ctx.get_help() + "\n")


class Group(_Parsing, click.Group):
    """A command made of commands: `command = Group("tag")`, then `@command.command("read")`."""

    command_class = Command

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.commands)  # in their order, not the alphabet's

    def __init__(self, *arguments: Any, **more: Any) -> None:
        super().__init__(*arguments, invoke_without_command=True, callback=_help_alone, **more)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        command = self.get_command(ctx, args[0])
        if command is None and not ctx.resilient_parsing:
            raise self._unknown(ctx, args[0])
        return args[0] if command else None, command, args[1:]

    def _unknown(self, ctx: click.Context, name: str) -> UsageError:
        hint = _nearest(name, self.list_commands(ctx)) or f"see {ctx.command_path} --help"
        return UsageError(f"there is no command {shown(name)}", hint=hint)

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        self.format_commands(ctx, formatter)
        super().format_options(ctx, formatter)


class Program(Group):
    """The whole program: its commands are loaded when they are called, one module each."""

    def __init__(self, name: str) -> None:
        super().__init__(name, params=[_version_option()])

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(SUMMARIES)

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        found = [
            CompletionItem(name, help=SUMMARIES[name]) for name in SUMMARIES if name.startswith(incomplete)
        ]
        return [*found, *click.Command.shell_complete(self, ctx, incomplete)]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in MODULES:
            return None
        module, _, attribute = MODULES[cmd_name].partition(":")
        command: click.Command = getattr(import_module(f"vault_exec.cli.{module}"), attribute or "command")
        return command

    def format_help_text(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.indentation():
            for text in (
                "Keep secrets in a store, and run programs with them in their environment.",
                _backend_in_force(ctx.obj),
            ):
                formatter.write_paragraph()
                formatter.write_text(text)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        for heading, rows in GROUPS:
            with formatter.section(heading):
                formatter.write_dl([(name, summary) for name, _, summary in rows], col_max=20)


def _nearest(typed: str, words: Sequence[str]) -> str | None:
    from difflib import get_close_matches

    near = get_close_matches(typed, words, 2, 0.7)
    return f"did you mean {' or '.join(near)}?" if near else None


def _records(ctx: click.Context, params: Sequence[click.Parameter]) -> list[tuple[str, str]]:
    options = [param for param in params if isinstance(param, click.Option)]
    return [record for option in options if (record := option.get_help_record(ctx))]


def _version_option() -> click.Option:
    def show(ctx: click.Context, _: click.Parameter, wanted: bool) -> None:
        if wanted and not ctx.resilient_parsing:
            ctx.obj.write(version_line(ctx.obj.program))
            ctx.exit()

    return click.Option(
        ["--version"],
        is_flag=True,
        is_eager=True,
        expose_value=False,
        callback=show,
        help=SUMMARIES["version"].lower(),
    )


def version_line(program: str) -> str:
    """What `version` and `--version` print."""
    own = f"vault-exec {__version__}\n"
    return own if program == "vault-exec" else f"{program} ({own.rstrip()})\n"


def _backend_in_force(app: App) -> str:
    try:
        current = app.settings
    except VaultExecError as error:
        return escape(f"Backend: cannot be told, for {error}.")
    return escape(f"Backend in force: {current.backend} ({current.origin('backend')}).")
