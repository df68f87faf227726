"""Changing one member of a JSON object while every other keeps its text to the letter.

Parsing and dumping would turn 1.10 into 1.1; here a document is taken apart into its members' texts and put
together again.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

_BLANK = " \t\n\r"


def members(text: str) -> dict[str, str]:
    """The members of a JSON object, each with its JSON text, in their order.

    Of two members with one name the last counts, as for every other reader. Raises ValueError for what is no
    JSON object.
    """
    import json

    decode = json.JSONDecoder().raw_decode
    found: dict[str, str] = {}
    try:
        position = _past(text, _skip(text, 0), "{")
        if text[position] == "}":
            return _ended(text, position, found)
        while True:
            name, end = decode(text, position)
            start = _past(text, _skip(text, end), ":")
            _, end = decode(text, start)
            if not isinstance(name, str):
                raise ValueError
            found[name] = text[start:end]
            position = _skip(text, end)
            if text[position] == "}":
                return _ended(text, position, found)
            position = _past(text, position, ",")
    except (ValueError, IndexError, RecursionError):
        raise ValueError("not a JSON object") from None


def joined(members: Mapping[str, str]) -> str:
    """The JSON object of these members, in their order."""
    return "{" + ",".join(f"{dumped(name)}:{raw}" for name, raw in members.items()) + "}"


def dumped(value: Any) -> str:
    """The value as Go's encoding/json writes it: no blanks, and `<`, `>`, `&`, U+2028 and U+2029 escaped."""
    import json

    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    for character in "<>&\u2028\u2029":  # these stand only inside strings
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text


def _ended(text: str, position: int, found: dict[str, str]) -> dict[str, str]:
    if text[position + 1 :].strip(_BLANK):
        raise ValueError
    return found


def _past(text: str, position: int, mark: str) -> int:
    """The place after the mark, which must stand here, and the blanks that follow."""
    if text[position] != mark:
        raise ValueError
    return _skip(text, position + 1)


def _skip(text: str, position: int) -> int:
    while text[position : position + 1] in _BLANK and position < len(text):
        position += 1
    return position
