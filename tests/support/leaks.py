"""Looking for a secret where none must be: in what programs print, in their arguments, in files."""

from __future__ import annotations

import base64
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType

#: Each occurs in a secret only, again and again, so that whatever shows a piece of the secret shows it.
VALUE = "Kq7mZx2wPv9c"
TOKEN = "Jt5hRn8bYd3s"
PASSPHRASE = "Wf6gLc4kQe1u"

#: What is hidden: a value, what signs calls to AWS, what opens the local store.
WORDS = (VALUE, TOKEN, PASSPHRASE)

_PIECE = 8


def _forms(word: str) -> Iterator[bytes]:
    """The word as it might show, cut or encoded."""
    endless = word * 3
    for start in range(len(word)):
        piece = endless[start : start + _PIECE]
        yield from (piece.encode(), piece.upper().encode(), piece.lower().encode(), piece[::-1].encode())
    for start in range(3):
        # Without its ends, where what stands before and after has a part in it.
        yield base64.b64encode(endless[start : start + 12].encode())
    yield word.encode().hex().encode()
    yield word.encode().hex().upper().encode()
    yield word.encode("utf-16-le")


_FORMS = {word: frozenset(_forms(word)) for word in WORDS}


def found(data: bytes) -> list[str]:
    """The hidden words of which something shows."""
    return [word for word, forms in _FORMS.items() if any(form in data for form in forms)]


def found_in_files(*folders: Path, but: frozenset[Path] = frozenset()) -> list[str]:
    """The files under these folders that show a hidden word in their content or name, with what they show."""
    wrong = []
    for folder in folders:
        for path in folder.rglob("*"):
            if path in but:
                continue
            data = path.read_bytes() if path.is_file() and not path.is_symlink() else b""
            wrong += [f"{path.name} shows {word}" for word in found(data + os.fsencode(path.name))]
    return wrong


class Arguments:
    """Watches the arguments of all processes of this machine, in a `with` statement.

    seen: the command lines that showed a hidden word. looks: how often all were looked at.
    """

    def __init__(self) -> None:
        self.seen: set[bytes] = set()
        self.looks = 0
        self._checked: set[bytes] = set()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> Arguments:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._ended.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._ended.wait(0.03):
            for name in os.listdir("/proc"):
                if name.isdecimal():
                    self._look(name)
            self.looks += 1

    def _look(self, pid: str) -> None:
        try:
            with open(f"/proc/{pid}/cmdline", "rb") as file:
                line = file.read()
        except OSError:
            return
        if line not in self._checked and found(line):
            self.seen.add(line)
        self._checked.add(line)
