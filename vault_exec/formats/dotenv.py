r"""dotenv: `NAME="value"` lines for python-dotenv (1.x) and node's dotenv, by variable name.

The two agree on less than it seems. In double quotes python-dotenv knows `\\`, `\"` and more, node's only
`\n` and `\r`; in single quotes python-dotenv knows `\\` and `\'`, node's nothing; only python-dotenv expands
`${NAME}`. So each value is written in the first way that both read right, and where there is none,
python-dotenv's, with a note.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from vault_exec.errors import FormatError
from vault_exec.formats.common import Note, Options, at, shell_variables, unique
from vault_exec.names import shown

# What python-dotenv replaces when it loads a file, whatever the quotes (dotenv/variables.py). There is no
# escape, but a default: `${:-$}` is the variable without a name, which no environment has, or else a dollar.
_EXPANSION = re.compile(r"\$\{[^}:]*(?::-[^}]*)?\}")
_DOLLAR = "${:-$}"
_BACKSLASH = "${:-\\}"
_DEFAULTS = {_DOLLAR: "$", _BACKSLASH: "\\"}

_LINE_ENDS = str.maketrans({"\n": "\\n", "\r": "\\r"})
_ESCAPED = str.maketrans({"\\": "\\\\", '"': '\\"', "\n": "\\n", "\r": "\\r"})
# Printable ASCII without `#`; no quote at the beginning, no blank at the end.
_BARE = re.compile("""[!$-&(-_a-~]([ !"$-~]*[!"$-~])?""")

_BEFORE_QUOTE = re.compile(r'\\(?="|\Z)')

_BETWEEN = re.compile(r"(?:\s|#[^\n]*)*+")
_ASSIGNMENT = re.compile(
    r"""
    (?:export[^\S\n]+)?+  (?: '(?P<quoted_key>[^']+)' | (?P<key>[^=\#\s'][^=\#\s]*) )  [^\S\n]*
    (?: =  (?P<blank>[^\S\n]*+)
        (?: '(?P<single>(?:\\.|[^'\\])*+)' | "(?P<double>(?:\\.|[^"\\])*+)" | (?!['"])(?P<bare>[^\n]*) ) )?
    [^\S\n]*+  (?:\#[^\n]*)?  (?:\n|\Z)
    """,
    re.VERBOSE | re.DOTALL,
)
_IN_SINGLE_QUOTES = re.compile(r"\\([\\'])")
_IN_DOUBLE_QUOTES = re.compile(r"\\([\\'\"abfnrtv])")
_LETTERS = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}
_COMMENT = re.compile(r"\s+#.*")


def dump(values: Mapping[str, str], options: Options) -> str:
    lines = []
    for key, name, value in shell_variables("dotenv", values):
        text, for_both = _rendered(value)
        if not for_both:
            options.note(
                f"dotenv: {shown(key)} is right for python-dotenv; node's dotenv reads another value"
            )
        lines.append(f"{name}={text}\n")
    return "".join(lines)


def _rendered(value: str) -> tuple[str, bool]:
    """The value as it stands in the file, and whether node's dotenv reads it right too."""
    text = _without_expansion(value) if _EXPANSION.search(value) else value
    for_both = text == value
    if not set(text) & set('"\\$`'):
        return f'"{text.translate(_LINE_ENDS)}"', for_both
    # A shell that runs the file as a script expands `$` in double quotes, so single quotes come first.
    if not set(text) & set("'\r") and "\\\\" not in text and not text.endswith("\\"):
        return f"'{text}'", for_both
    if not set(text) & set('"\\'):
        return f'"{text.translate(_LINE_ENDS)}"', for_both
    if _BARE.fullmatch(text):
        return text, for_both
    # After `\\"` node's, and python-dotenv before 1.2.3, would look for the end in the lines that follow.
    text = _BEFORE_QUOTE.sub(lambda _: _BACKSLASH, _without_expansion(value))
    return f'"{text.translate(_ESCAPED)}"', False


def _without_expansion(value: str) -> str:
    return value.replace("${", _DOLLAR + "{")


def load(text: str, note: Note) -> dict[str, str]:
    """python-dotenv's grammar, `export ` included. Line ends become LF, as in both programs.

    `${NAME}` stays as it is written, and a note names its key: what it would become depends on who loads the
    file, and somebody's HOME has no place in a store. A line that is no assignment, which both programs pass
    over in silence, is an error.
    """
    return unique("dotenv", _assignments(text.replace("\r\n", "\n").replace("\r", "\n"), note))


def _assignments(text: str, note: Note) -> Iterator[tuple[str, str, str]]:
    line = 1
    end = 0
    while True:
        start = _skipped(text, end)
        line += text.count("\n", end, start)
        if start == len(text):
            return
        match = _ASSIGNMENT.match(text, start)
        if not match:
            raise FormatError(
                f"dotenv: not NAME=value, or a quote that is not closed{at(line)}",
                hint="a value that holds a quote of one kind can stand in quotes of the other",
            )
        yield _assignment(match, note, at(line))
        end = match.end()
        line += text.count("\n", start, end)


def _skipped(text: str, start: int) -> int:
    """Where the next assignment begins, after blank lines and comments."""
    match = _BETWEEN.match(text, start)
    return match.end() if match else start


def _assignment(match: re.Match[str], note: Note, place: str) -> tuple[str, str, str]:
    key = match["quoted_key"] or match["key"]
    value = _value(match)
    if value is None:
        raise FormatError(f"dotenv: {shown(key)} has no value{place}", hint=f"for the empty text: {key}=")
    if any(found not in _DEFAULTS for found in _EXPANSION.findall(value)):
        note(f"dotenv: {shown(key)} holds ${{...}}, which is kept as it is written, not replaced{place}")
    return key, _EXPANSION.sub(lambda found: _DEFAULTS.get(found[0], found[0]), value), place


def _value(match: re.Match[str]) -> str | None:
    if match["single"] is not None:
        return _IN_SINGLE_QUOTES.sub(r"\1", match["single"])
    if match["double"] is not None:
        return _IN_DOUBLE_QUOTES.sub(lambda found: _LETTERS.get(found[1], found[1]), match["double"])
    if match["bare"] is None:
        return None
    if match["blank"] and match["bare"].startswith("#"):
        return ""
    return _COMMENT.sub("", match["bare"]).rstrip()
