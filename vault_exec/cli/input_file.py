"""Reading what somebody names: a file, or standard input."""

from __future__ import annotations

import sys

from vault_exec.errors import UsageError


def read(path: str, *, one_line: bool = False) -> bytes:
    """What the file holds; `-` is standard input. one_line: its first line, without the newline that ends it.

    Raises UsageError where it cannot be read.
    """
    is_input = path == "-"
    what = "standard input" if is_input else f"the file {path}"
    if is_input and sys.stdin is None:
        raise UsageError("standard input is closed")
    try:
        with open(0 if is_input else path, "rb", closefd=not is_input) as file:
            return file.readline().removesuffix(b"\n") if one_line else file.read()
    except OSError as error:
        hint = "name the file itself" if isinstance(error, IsADirectoryError) else None
        raise UsageError(f"{what} cannot be read: {error.strerror}", hint=hint) from None
