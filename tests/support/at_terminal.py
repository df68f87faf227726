"""Running a command at a terminal of its own, as a person would."""

from __future__ import annotations

import os
import pty
import select
import subprocess
import sys
import time

from tests.support.commands import SCRIPTS, Home

# The new session's first process makes the terminal its own, so that /dev/tty is it, and becomes the command.
_TAKE_TERMINAL = """
import fcntl, os, sys, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
os.execv(sys.argv[1], sys.argv[1:])
"""


def run_at_terminal(
    home: Home,
    *arguments: str,
    answers: dict[str, str] | None = None,
    program: str = "vault-exec",
    timeout: float = 30,
) -> tuple[int, str]:
    """The exit code, and all that the terminal showed. `answers`: what to type once a text is shown."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-c", _TAKE_TERMINAL, str(SCRIPTS / program), *arguments],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env={**home.environ, "TERM": "xterm"},
        cwd=home.path,
        start_new_session=True,
    )
    os.close(theirs)
    shown = b""
    left = dict(answers or {})
    ends = time.monotonic() + timeout
    try:
        while select.select([ours], [], [], max(0, ends - time.monotonic()))[0]:
            try:
                piece = os.read(ours, 65536)
            except OSError:  # how Linux says that nobody holds the other end any more
                break
            if not piece:
                break
            shown += piece
            for question in [text for text in left if text.encode() in shown]:
                os.write(ours, left.pop(question).encode())
        return process.wait(max(1, ends - time.monotonic())), shown.decode()
    finally:
        process.kill()
        process.wait()
        os.close(ours)
