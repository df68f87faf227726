"""json: one object, keys sorted, as chamber writes it, but `<`, `>` and `&` stay as they are."""

from __future__ import annotations

import json
from collections.abc import Mapping

from vault_exec.errors import FormatError
from vault_exec.formats.common import Note, Options, at, unique
from vault_exec.names import shown


def dump(values: Mapping[str, str], options: Options) -> str:
    return json.dumps(values, ensure_ascii=False, sort_keys=True, separators=(",", ":")) + "\n"


def load(text: str, note: Note) -> dict[str, str]:
    """Numbers keep their text (`1.10` is not `1.1`), booleans are `true` and `false`."""
    try:
        return values_of(parse(text))
    except json.JSONDecodeError as error:
        reason = error.msg.partition(": ")[0]  # what follows can be a piece of the text
        raise FormatError(f"not JSON: {reason}{at(error.lineno, error.colno)}") from None


def parse(text: str) -> object:
    """What the text holds, for `values_of`; raises json.JSONDecodeError where it is not JSON."""
    try:
        return json.loads(
            text, object_pairs_hook=_Object, parse_int=str, parse_float=str, parse_constant=_Constant
        )
    except RecursionError:
        raise FormatError("json: nested too deeply; one object of keys and values is expected") from None


def values_of(parsed: object) -> dict[str, str]:
    """The values of what `parse` gave; FormatError where that is not one object of keys and scalars."""
    if not isinstance(parsed, _Object):
        raise FormatError("json: one object of keys and values is expected")
    return unique("json", [(key, _text(key, value), "") for key, value in parsed])


class _Object(list[tuple[str, object]]):
    """An object, with the keys that are there twice."""


class _Constant:
    """NaN and the infinities, which Python's reader takes and JSON does not have."""

    def __init__(self, name: str) -> None:
        self.name = name


def _text(key: str, value: object) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if value is None:
        raise FormatError(
            f"json: the value of {shown(key)} is null", hint='leave the key out, or give it a text such as ""'
        )
    if isinstance(value, _Constant):
        raise FormatError(f"json: the value of {shown(key)} is none that JSON has", hint="put it in quotes")
    raise FormatError(
        f"json: the value of {shown(key)} is nested", hint="give it as text, with its quotes escaped"
    )
