r"""java-properties: what java.util.Properties reads, in ASCII, so that readers of Latin-1 and of UTF-8 agree.

The grammar is that of the method `load` (Java SE 17): comments begin with `#` or `!`, a line goes on after a
backslash at its end, a key ends at the first `=`, `:` or blank that no backslash protects. `key = value` is
how chamber writes it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from vault_exec.errors import FormatError
from vault_exec.formats.common import Note, Options, at, unique
from vault_exec.names import shown

_LETTERS = {"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r", "\f": "\\f"}
_CONTROLS = {"t": "\t", "n": "\n", "r": "\r", "f": "\f"}
_KEY_MARKS = frozenset(" =:#!")

_NATURAL_LINE = re.compile(r"\r\n|\r|\n")
_BLANKS = " \t\f"
_KEY_ENDS = "=:" + _BLANKS
_ESCAPE = re.compile(r"\\(u[0-9A-Fa-f]{4}|.)", re.DOTALL)


def dump(values: Mapping[str, str], options: Options) -> str:
    return "".join([f"{_key(key)} = {_value(value)}\n" for key, value in sorted(values.items())])


def _key(key: str) -> str:
    return "".join(["\\" + c if c in _KEY_MARKS else _escaped(c) for c in key])


def _value(value: str) -> str:
    text = "".join(map(_escaped, value))
    return "\\" + text if text.startswith(" ") else text  # else a blank belongs to the separator


def _escaped(character: str) -> str:
    if character in _LETTERS or " " <= character <= "~":
        return _LETTERS.get(character, character)
    utf16 = character.encode("utf-16-be").hex()
    return "".join([f"\\u{utf16[i : i + 4]}" for i in range(0, len(utf16), 4)])


def load(text: str, note: Note) -> dict[str, str]:
    return unique("java-properties", _pairs(text))


def _pairs(text: str) -> Iterator[tuple[str, str, str]]:
    for line, number in _logical_lines(text):
        end = _key_end(line)
        value = line[end:].lstrip(_BLANKS)
        if value.startswith(("=", ":")):
            value = value[1:].lstrip(_BLANKS)
        key = _unescaped(line[:end], "a key", at(number))
        yield key, _unescaped(value, f"the value of {shown(key)}", at(number)), at(number)


def _key_end(line: str) -> int:
    end = 0
    while end < len(line) and line[end] not in _KEY_ENDS:
        end += 2 if line[end] == "\\" else 1
    return end


def _logical_lines(text: str) -> Iterator[tuple[str, int]]:
    """The lines without comments and blank ones, each with what it goes on with and its first line's
    number.
    """
    logical = ""
    start = 0
    for number, natural in enumerate(_NATURAL_LINE.split(text), 1):
        line = natural.lstrip(_BLANKS)
        if not logical:
            if not line or line[0] in "#!":
                continue
            start = number
        backslashes = len(line) - len(line.rstrip("\\"))
        if backslashes % 2:
            logical += line[:-1]
        else:
            yield logical + line, start
            logical = ""
    if logical:
        yield logical, start


def _unescaped(text: str, what: str, place: str) -> str:
    def character(match: re.Match[str]) -> str:
        code = match[1]
        if len(code) > 1:
            return chr(int(code[1:], 16))
        if code == "u":
            raise FormatError(f"java-properties: \\u without four hexadecimal digits in {what}{place}")
        return _CONTROLS.get(code, code)

    utf16 = _ESCAPE.sub(character, text).encode("utf-16", "surrogatepass")
    try:
        return utf16.decode("utf-16")
    except UnicodeDecodeError:
        raise FormatError(
            f"java-properties: half a character (\\ud800 to \\udfff) in {what}{place}"
        ) from None
