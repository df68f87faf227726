"""Asking on the terminal itself; standard input is never asked."""

from __future__ import annotations

import os
from contextlib import contextmanager, suppress

from vault_exec.cli.render import escape
from vault_exec.errors import UnsupportedError, UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

_ENTER = (b"\n", b"\r")
_END_OF_FILE = b"\x04"
_ERASE = (b"\x7f", b"\x08")
_KILL_LINE = b"\x15"


def ask_secret(prompt: str) -> str:
    """What the person at the terminal types, without echo. An empty answer is an answer.

    Read key by key: in line mode a terminal cuts a line silently, after 4,095 bytes on Linux (termios(3),
    canonical mode) and 1,023 on macOS. Raises UnsupportedError where there is no terminal, UsageError for
    more than one line (a paste), and KeyboardInterrupt; the terminal is left as it was.
    """
    with _terminal(prompt) as terminal, _hidden(terminal):
        try:
            os.write(terminal, escape(prompt).encode())
            typed = _line(terminal)
            pasted_more = _is_waiting(terminal)
        finally:
            os.write(terminal, b"\n")
    if pasted_more:
        raise UsageError(
            "more than one line was pasted, and nothing was done",
            hint="use standard input (-) or --from-file for a value of several lines",
        )
    try:
        text = typed.decode("utf-8")
    except UnicodeDecodeError:
        raise UsageError("what was typed is not UTF-8 text") from None
    if escape(text, layout=True) != text:
        raise UsageError("a key that is no character was typed (an arrow?), and nothing was done")
    return text


def confirm(question: str) -> bool:
    """Whether the person at the terminal says yes. Raises UnsupportedError where there is no terminal."""
    with _terminal(question) as terminal:
        try:
            os.write(terminal, f"{escape(question)} [y/N] ".encode())
            return os.read(terminal, 1024).strip().lower() in (b"y", b"yes")
        except KeyboardInterrupt:
            os.write(terminal, b"\n")
            raise


def is_there() -> bool:
    """Whether there is a terminal to ask on."""
    try:
        os.close(_open())
    except OSError:
        return False
    return True


def _open() -> int:
    return os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY)


@contextmanager
def _terminal(what: str) -> Iterator[int]:
    try:
        terminal = _open()
    except OSError:
        raise UnsupportedError(f"{what.rstrip(': ')}: there is no terminal to ask on") from None
    try:
        yield terminal
    finally:
        os.close(terminal)


@contextmanager
def _hidden(terminal: int) -> Iterator[None]:
    import signal
    import termios

    before = termios.tcgetattr(terminal)

    def end(number: int, _: object) -> None:
        """End by the signal, as without us, but with the terminal as it was."""
        with suppress(termios.error):  # it may be what is gone (SIGHUP)
            termios.tcsetattr(terminal, termios.TCSAFLUSH, before)
        signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)

    ending = [n for n in (signal.SIGTERM, signal.SIGHUP) if signal.getsignal(n) == signal.SIG_DFL]
    hidden = termios.tcgetattr(terminal)
    hidden[3] &= ~(termios.ECHO | termios.ICANON)  # ISIG stays: Ctrl-C is a signal as ever
    hidden[6][termios.VMIN] = 1
    hidden[6][termios.VTIME] = 0
    for number in ending:
        signal.signal(number, end)
    # FLUSH drops what was typed and not read: before the question, it was no answer; after it, it is the rest
    # of a paste, which must not reach the shell.
    try:
        termios.tcsetattr(terminal, termios.TCSAFLUSH, hidden)
        yield
    finally:
        termios.tcsetattr(terminal, termios.TCSAFLUSH, before)
        for number in ending:
            signal.signal(number, signal.SIG_DFL)


def _line(terminal: int) -> bytes:
    typed = bytearray()
    while True:
        key = os.read(terminal, 1)
        if key in _ENTER or key in (b"", _END_OF_FILE):
            return bytes(typed)
        if key in _ERASE:
            _erase_character(typed)
        elif key == _KILL_LINE:
            typed.clear()
        else:
            typed += key


def _erase_character(typed: bytearray) -> None:
    while typed and typed.pop() & 0xC0 == 0x80:  # the trailing bytes of a UTF-8 character
        pass


def _is_waiting(terminal: int) -> bool:
    from select import select

    return bool(select([terminal], [], [], 0.02)[0])
