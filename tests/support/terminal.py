"""A command on a real terminal: run it under a pty, type, and read what a person would see."""

from __future__ import annotations

import os
import pty
import select
import subprocess
import sys
import termios
import time

from tests.support.commands import SCRIPTS, Home
from tests.support.processes import LIMIT_CORE

# Runs first in the new process: makes the pty its controlling terminal, so that /dev/tty is that pty and
# Ctrl-C reaches it, also where the tests run in the background of a shell, which ignores SIGINT. Not
# `preexec_fn`: other threads of the tests hold locks.
_TAKE_TERMINAL = f"""
import os, resource, signal, sys
{LIMIT_CORE}
signal.signal(signal.SIGINT, signal.SIG_DFL)
os.setsid()
os.close(os.open(sys.argv[1], os.O_RDWR))
os.execv(sys.argv[2], sys.argv[2:])
"""

_END = "\0END\0"


class Terminal:
    """One program on one terminal. In a `with` statement: the process is gone when it ends.

    screen: all that was shown so far. stdin: bytes for standard input, which is then a pipe.
    """

    def __init__(
        self, home: Home, *arguments: str, program: str = "vault-exec", stdin: bytes | None = None
    ) -> None:
        self._master, self._slave = pty.openpty()
        self.screen = ""
        self.process = subprocess.Popen(
            [sys.executable, "-ISc", _TAKE_TERMINAL, os.ttyname(self._slave), SCRIPTS / program, *arguments],
            stdin=self._slave if stdin is None else subprocess.PIPE,
            stdout=self._slave,
            stderr=self._slave,
            env=home.environ,
            cwd=home.path,
        )
        if self.process.stdin is not None:
            self.process.stdin.write(stdin or b"")
            self.process.stdin.close()

    def __enter__(self) -> Terminal:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        os.close(self._master)
        os.close(self._slave)

    def expect(self, text: str, timeout: float = 10) -> None:
        """Wait until the screen shows this."""
        ends = time.monotonic() + timeout
        while text not in self.screen:
            assert time.monotonic() < ends, f"{text!r} was not shown, but {self.screen!r}"
            self._read(0.05)

    def type(self, keys: str | bytes) -> None:
        """Press these keys: "\\n" is Enter, "\\x03" Ctrl-C."""
        os.write(self._master, keys.encode() if isinstance(keys, str) else keys)

    def wait(self, timeout: float = 10) -> int:
        """Wait until the program has ended, and return its exit code."""
        ends = time.monotonic() + timeout
        while self.process.poll() is None:
            assert time.monotonic() < ends, f"still running, and shows {self.screen!r}"
            self._read(0.02)
        # What was written last may still be on its way through the terminal: our own mark comes after it.
        os.write(self._slave, _END.encode())
        self.expect(_END)
        self.screen = self.screen.replace(_END, "")
        return self.process.returncode

    def is_as_it_was(self) -> bool:
        """Whether the terminal shows what is typed, line by line, as before."""
        flags = termios.tcgetattr(self._slave)[3]
        return bool(flags & termios.ECHO and flags & termios.ICANON)

    def _read(self, wait: float) -> bool:
        if not select.select([self._master], [], [], wait)[0]:
            return False
        self.screen += os.read(self._master, 65536).decode("utf-8", "backslashreplace")
        return True
