"""Replacing this process by the program: find it, measure what it is given, execve.

Nothing runs after that last line.
"""

from __future__ import annotations

import errno
import os
import resource
import stat
import sys

from vault_exec.errors import CommandNotFoundError, LaunchError, NotExecutableError
from vault_exec.names import shown

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import NoReturn

    from vault_exec.environ import Environment
    from vault_exec.guard import Guard

_POINTER = 8  # bytes of a pointer to one string


def resolve(command: bytes, path: bytes | None) -> bytes:
    """The file that this command is, found as execvp(3) finds it.

    path: the PATH that this process was given, never one that a secret sets; None: none, so the system's
    default. A name with a slash is a file's name; an empty entry of PATH is the working directory; what may
    not be executed is passed over, and reported when nothing else is found.
    Raises CommandNotFoundError, NotExecutableError.
    """
    searched = b"/" not in command
    refused = None
    for candidate in _candidates(command, path) if searched else [command]:
        try:
            _check_executable(candidate)
        except FileNotFoundError:
            continue
        except OSError as error:
            if not (searched and isinstance(error, NotADirectoryError)):
                refused = refused or error
            continue
        return candidate
    if refused is not None:
        raise NotExecutableError(
            f"{_shown(os.fsencode(refused.filename))} cannot be executed: {refused.strerror}",
            hint=_refused_hint(refused.errno),
        )
    raise CommandNotFoundError(f"there is no command {_shown(command)}{' in PATH' if searched else ''}")


def _candidates(command: bytes, path: bytes | None) -> list[bytes]:
    if not command:
        return []
    folders = os.fsencode(os.defpath) if path is None else path
    return [folder + b"/" + command if folder else command for folder in folders.split(b":")]


def _check_executable(file: bytes) -> None:
    """Raise the OSError that says why the file cannot be executed."""
    mode = os.stat(file).st_mode
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), file)
    if not stat.S_ISREG(mode) or not os.access(file, os.X_OK):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), file)


def _refused_hint(number: int | None) -> str | None:
    return "make it executable with chmod +x, or name its interpreter" if number == errno.EACCES else None


def check_size(program: bytes, arguments: Sequence[bytes], environment: Environment) -> None:
    """Raise LaunchError, naming the variable and the limit, for what the kernel would refuse with E2BIG.

    Linux (execve(2), "Limits on size of arguments and environment", and fs/exec.c): a string with its NUL has
    up to 32 pages; all strings, the program's path and a pointer to each have up to a quarter of the stack
    limit, but not more than 6 MiB and not less than 128 KiB. Other systems: sysconf's ARG_MAX for all. Exact
    for a program; what a script's first line names comes on top.
    """
    strings = [(f"argument {number} of the command", len(text)) for number, text in enumerate(arguments)]
    variables = [
        (name, len(name) + 1 + len(value))
        for name, value in zip(environment.keys(), environment.values(), strict=True)
    ]
    if sys.platform == "linux":
        longest = 32 * os.sysconf("SC_PAGESIZE") - 1
        for what, size in strings:
            if size > longest:
                raise LaunchError(f"{what} has {size:,} bytes; Linux passes on up to {longest:,}")
        for name, size in variables:
            if size > longest:
                raise LaunchError(
                    f"the variable {_described(name, environment)} has {size:,} bytes with its name; "
                    f"Linux passes on up to {longest:,}",
                    hint="have the program read it from a file, or leave it out with --except",
                )
    total = len(program) + 1 + sum([size + 1 + _POINTER for _, size in [*strings, *variables]])
    limit = _total_limit()
    if total > limit:
        name, size = max(variables, key=lambda variable: variable[1], default=(b"", 0))
        raise LaunchError(
            f"arguments and environment have {total:,} bytes and this system passes on up to {limit:,}; "
            f"the largest variable is {_described(name, environment)} with {size:,}",
            hint="leave secrets out with --only or --except, or inherit less with --pristine",
        )


def _total_limit() -> int:
    if sys.platform != "linux":
        return os.sysconf("SC_ARG_MAX")
    most = 6 * 1024 * 1024
    stack = resource.getrlimit(resource.RLIMIT_STACK)[0]
    if stack != resource.RLIM_INFINITY:
        most = min(most, stack // 4)
    return max(most, 128 * 1024)


def _described(name: bytes, environment: Environment) -> str:
    for secret in environment.secrets:
        if secret.name.encode("ascii") == name:
            return f"{secret.name} ({secret.service}/{secret.key})"
    return f"{_shown(name)} (inherited)"


def replace(program: bytes, arguments: Sequence[bytes], environment: Environment, guard: Guard) -> NoReturn:
    """Become the program: same process, same files, same signals.

    arguments: the command as it was typed, its own name first. Returns only as an error:
    CommandNotFoundError, NotExecutableError or LaunchError, with the guard lifted.
    """
    guard.lift()
    try:
        os.execve(program, arguments, environment)  # type: ignore[arg-type]  # noqa: S606
    except OSError as error:
        raise _launch_error(program, error) from None


def _launch_error(program: bytes, error: OSError) -> LaunchError:
    """What execve's refusal means, with the exit codes of env(1) and the shells."""
    name = _shown(program)
    if error.errno == errno.ENOEXEC:
        return NotExecutableError(
            f"{name} is neither a program for this machine nor a script that begins with `#!`",
            hint="begin the script with a line like `#!/bin/sh`, or name its interpreter: sh FILE",
        )
    if error.errno == errno.ENOENT:
        interpreter = _interpreter(program)
        if interpreter is None:
            return CommandNotFoundError(f"{name} cannot start: it, or the loader it needs, is not there")
        return CommandNotFoundError(
            f"{name} cannot start: its interpreter {_shown(interpreter)} is not there"
        )
    if error.errno in (errno.E2BIG, errno.ENOMEM, errno.EAGAIN):
        return LaunchError(f"{name} cannot start: {error.strerror}")
    return NotExecutableError(f"{name} cannot be executed: {error.strerror}", hint=_refused_hint(error.errno))


def _interpreter(program: bytes) -> bytes | None:
    """The interpreter that the first line of a script names; None for anything else."""
    try:
        with open(program, "rb") as file:
            line = file.readline(256)
    except OSError:
        return None
    return line[2:].strip(b" \t\n").split(b" ")[0] if line.startswith(b"#!") else None


def _shown(name: bytes) -> str:
    text = os.fsdecode(name)
    return text if text.isprintable() and text and " " not in text else shown(text)
