"""What exec says of a size, and what the kernel says of the same one: both asked, not remembered."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from collections.abc import Sequence

#: The longest string that Linux passes on, without its NUL (execve(2), MAX_ARG_STRLEN).
LONGEST = 32 * os.sysconf("SC_PAGESIZE") - 1

_PROGRAM = "/bin/true"
_POINTER = 8

# What check_size says, then what the kernel says, about the same program, arguments and environment.
_ASK = """
import errno, os, resource, sys
from vault_exec import launch
from vault_exec.environ import Environment, Variable
from vault_exec.errors import LaunchError

program, stack, sizes = sys.argv[1].encode(), int(sys.argv[2]), eval(sys.argv[3])
resource.setrlimit(resource.RLIMIT_STACK, (stack, resource.getrlimit(resource.RLIMIT_STACK)[1]))
inherited = [(b"K%04d" % n, b"x" * (size - 6)) for n, size in enumerate(sizes)]
child = Environment(inherited, [])
arguments = [b"true", *(b"a" * size for size in eval(sys.argv[4]))]
try:
    launch.check_size(program, arguments, child)
    ours = "fits"
except LaunchError as error:
    ours = "too much"
sys.stdout.write(ours + "\\n")
sys.stdout.flush()
try:
    os.execve(program, arguments, child)
except OSError as error:
    sys.exit(7 if error.errno == errno.E2BIG else 8)
"""


def ask(stack: int, variables: Sequence[int], arguments: Sequence[int] = ()) -> tuple[str, str]:
    """(ours, the kernel's): "fits" or "too much".

    stack: the limit on it. variables, arguments: the length of each, a variable with its name. All in bytes.
    """
    command = [sys.executable, "-I", "-c", _ASK, _PROGRAM, str(stack), str([*variables]), str([*arguments])]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30)
    assert done.returncode in (0, 7), done.stderr
    return done.stdout.strip(), "fits" if done.returncode == 0 else "too much"


def total_limit(stack: int) -> int:
    """What all strings of a program may have under this limit of the stack: execve(2)."""
    most = 6 << 20
    return max(128 << 10, most if stack == resource.RLIM_INFINITY else min(most, stack // 4))


def split(total: int, piece: int) -> list[int]:
    """Sizes of variables, about `piece` each, that with their NULs and pointers have this total, with the
    program's path and its own name."""
    fixed = len(_PROGRAM) + 1 + len("true") + 1 + _POINTER
    whole, rest = divmod(total - fixed, piece)
    sizes = [piece] * (whole - 1)
    sizes += [(piece + rest) // 2, piece + rest - (piece + rest) // 2]
    return [size - 1 - _POINTER for size in sizes]
