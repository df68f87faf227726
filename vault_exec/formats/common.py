"""What the formats share: options, naming of variables, and how they say that something does not fit."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from vault_exec.errors import FormatError
from vault_exec.names import is_shell_name, shown, variable_name

Note = Callable[[str], None]

_EXEC_NAME = re.compile(r"[A-Za-z0-9_.]+")


def silent(text: str) -> None:
    """Notes go nowhere unless the caller wants them."""


@dataclass(frozen=True, slots=True)
class Options:
    """What some formats need beside the values.

    services: the services that the values come from, without labels (k8s-secret names its object after them).
    style: how a key becomes a variable's name, as in exec (`names.STYLES`), for the formats that can hold
        whatever exec can; those that hold only a shell's names use them in either style.
    note: called with one line for the user, never with a value in it.
    """

    services: tuple[str, ...] = ()
    style: str = "posix"
    note: Note = silent


DEFAULTS = Options()


def variables(
    format_name: str,
    values: Mapping[str, str],
    name_of: Callable[[str], str],
    is_name: Callable[[str], bool],
) -> list[tuple[str, str, str]]:
    """(key, variable's name, value) of each secret, sorted by key.

    Raises FormatError, naming the keys, where two would be one variable or a name is none in that format.
    """
    taken: dict[str, str] = {}
    result = []
    for key, value in sorted(values.items()):
        name = name_of(key)
        if not is_name(name):
            raise FormatError(
                f"{format_name} cannot hold {shown(key)}: {shown(name)} is not a name that it allows",
                hint="write the secret under another key",
            )
        if name in taken:
            raise FormatError(
                f"{shown(taken[name])} and {shown(key)} would both be {name} in {format_name}",
                hint="write one of the two under another key",
            )
        taken[name] = key
        result.append((key, name, value))
    return result


def shell_name(key: str) -> str:
    """The variable of a key in a shell's formats, where a dot, which exec may leave, becomes `_`."""
    return variable_name(key, "posix")


def shell_variables(format_name: str, values: Mapping[str, str]) -> list[tuple[str, str, str]]:
    """`variables` for formats that hold only a POSIX shell's names."""
    return variables(format_name, values, shell_name, is_shell_name)


def is_exec_name(name: str) -> bool:
    """Whether an allowed key gives this name. That of a foreign key could end a line and begin another."""
    return bool(_EXEC_NAME.fullmatch(name))


def exec_variables(
    format_name: str,
    values: Mapping[str, str],
    style: str,
    is_name: Callable[[str], bool] = is_exec_name,
) -> list[tuple[str, str, str]]:
    """`variables` with the names that exec gives in this style."""
    return variables(format_name, values, lambda key: variable_name(key, style), is_name)


def cannot_hold(format_name: str, key: str, why: str) -> FormatError:
    """The error for a value that the format has no way to write."""
    return FormatError(
        f"{format_name} cannot hold the value of {shown(key)}: {why}",
        hint="export it in another format, such as json, or load it with exec",
    )


def unique(format_name: str, found: Iterable[tuple[str, str, str]]) -> dict[str, str]:
    """The values of (key, value, place) triples. Raises FormatError for a key that is there twice."""
    values: dict[str, str] = {}
    for key, value, place in found:
        if key in values:
            raise FormatError(f"{format_name}: the key {shown(key)} is there twice{place}")
        values[key] = value
    return values


def at(line: int, column: int | None = None) -> str:
    """Where something was found, counted from 1, as messages say it."""
    return f" (line {line})" if column is None else f" (line {line}, column {column})"


def escaped(text: str, short: Mapping[str, str], escape: Callable[[int], str]) -> str:
    """The text with the characters of `short` replaced, and others that do not print escaped by `escape`."""
    return "".join([short.get(c) or (c if c.isprintable() else escape(ord(c))) for c in text])
