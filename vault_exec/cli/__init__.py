"""The command line: `vault-exec`, and `chamber`, the same program with chamber's defaults.

Only `main` and `chamber` end the process; everything below them returns or raises. Nothing here imports click
or a command before it is known which one is called.
"""

from __future__ import annotations

import os
import sys

from vault_exec.errors import LaunchError, VaultExecError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any, NoReturn

    from vault_exec.cli.app import App

INTERRUPTED = 130
_EXEC_FAILED = LaunchError.exit_code


def main() -> NoReturn:
    """The `vault-exec` command."""
    _end("vault-exec", {})


def chamber() -> NoReturn:
    """The `chamber` command."""
    from vault_exec.settings import CHAMBER_DEFAULTS

    _end("chamber", CHAMBER_DEFAULTS)


def _end(program: str, defaults: Mapping[str, Any]) -> NoReturn:
    sys.excepthook = _end_quietly
    try:
        code = _run(program, defaults)
    except KeyboardInterrupt:
        code = INTERRUPTED
    # Not sys.exit: PYTHONINSPECT, perhaps meant for the program that exec starts, would turn it into a
    # prompt, or into exit code 1 with a traceback. `App` leaves nothing to be flushed.
    os._exit(code)


def _end_quietly(kind: type[BaseException], *_: object) -> NoReturn:
    """What got past every `except`: a second Ctrl-C while the first was handled."""
    os._exit(INTERRUPTED if issubclass(kind, KeyboardInterrupt) else VaultExecError.exit_code)


def _run(program: str, defaults: Mapping[str, Any]) -> int:
    """Run the command that sys.argv calls, and return the exit code."""
    _hold_standard_files()
    _forget_pythonpath()

    from vault_exec.cli import app as application
    from vault_exec.cli.options import split_at_command, split_at_dashes

    before, arguments = split_at_command(sys.argv[1:])
    is_exec = arguments[:1] == ["exec"]
    after = None
    if is_exec:
        arguments, after = split_at_dashes(arguments)
    app = application.App(program, dict(os.environ), defaults, after)
    try:
        return _call(app, [*before, *arguments])
    except application.ReaderGone:
        return VaultExecError.exit_code  # as other tools: the result was not written, and nobody is told
    except VaultExecError as error:
        app.report(error)
        code = error.exit_code
    except Exception as error:
        app.report(application.unexpected(error))
        code = VaultExecError.exit_code
    return code if not is_exec or code in (126, 127) else _EXEC_FAILED


def _call(app: App, arguments: list[str]) -> int:
    if app.after_dashes is not None:
        from vault_exec.cli import exec_core

        plain = exec_core.read(app, arguments)
        if plain is not None:
            return exec_core.run(app, *plain)
    from vault_exec.cli.parser import call

    return call(app, arguments)


def _hold_standard_files() -> None:
    """Open /dev/null in the place of a standard file that was closed, as Go's runtime does for chamber.

    Else the next file opened, perhaps the store, would be what somebody writes to as standard output. Python
    has set sys.stdout to None by now, so that output that cannot be written is still noticed.
    """
    for descriptor in (0, 1, 2):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # the lowest free descriptor: this one; closed again by exec


def _forget_pythonpath() -> None:
    """Import nothing from PYTHONPATH, which is meant for the program that exec starts.

    An empty entry is the working directory. What stays is the folder in which this very package was found.
    """
    entries = os.environ.get("PYTHONPATH")
    home = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    for entry in entries.split(os.pathsep) if entries else []:
        try:
            path = os.path.abspath(entry)
        except OSError:
            continue  # a relative one, where the working directory was removed
        if path != home and path in sys.path:
            sys.path.remove(path)
