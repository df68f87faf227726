"""Writing secrets to a file that somebody names: for its owner alone, and whole or not at all."""

from __future__ import annotations

import contextlib
import os
import stat
import tempfile

from vault_exec.errors import VaultExecError
from vault_exec.names import shown

_MODE = 0o600
_MOST_LINKS = 40  # as the kernel: path_resolution(7)


def write(path: str, text: str, *, append: bool = False) -> None:
    """Put the text, in UTF-8, in place of the file's content, or `append` it.

    A regular file is replaced by a new one, through symbolic links at their target, with mode 0600 whatever
    it was: now it holds secrets. Anything else (`/dev/stdout`, a FIFO, a terminal) is written in place, as is
    a file that is appended to, which keeps its mode. Raises VaultExecError; a file that was to be replaced is
    then as it was.
    """
    data = text.encode("utf-8")
    try:
        descriptor = _inherited(path)
        if descriptor is not None:
            _write_all(os.dup(descriptor), data)
        elif append:
            _write_all(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, _MODE), data)
        elif _is_special(path):
            _write_all(os.open(path, os.O_WRONLY), data)
        else:
            _replace(os.path.realpath(path), data)
    except OSError as error:
        raise VaultExecError(f"{shown(path)} cannot be written: {error.strerror}") from None


def _inherited(path: str) -> int | None:
    """The open file that a path like /dev/stdout means. Opened by name it would be written from its start."""
    for _ in range(_MOST_LINKS):
        folder, name = os.path.split(path)
        if name.isdecimal() and os.path.realpath(folder) in (f"/proc/{os.getpid()}/fd", "/dev/fd"):
            return int(name)
        try:
            path = os.path.join(folder, os.readlink(path))
        except OSError:
            return None
    return None


def _is_special(path: str) -> bool:
    try:
        return not stat.S_ISREG(os.stat(path).st_mode)
    except FileNotFoundError:
        return False


def _replace(path: str, data: bytes) -> None:
    folder = os.path.dirname(path)
    descriptor, temporary = tempfile.mkstemp(prefix=".vault-exec-", dir=folder)  # with mode 0600
    try:
        _write_all(descriptor, data, sync=True)
        os.rename(temporary, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise
    _sync_folder(folder)


def _write_all(descriptor: int, data: bytes, *, sync: bool = False) -> None:
    with open(descriptor, "wb") as file:
        file.write(data)
        file.flush()
        if sync:
            os.fsync(descriptor)


def _sync_folder(folder: str) -> None:
    """Make the new name last through a power cut too."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
