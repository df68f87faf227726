r"""shell: `export NAME=value` lines for a POSIX sh: what `env` prints, as in `eval "$(vault-exec env svc)"`.

Quoted only where sh needs it, as chamber does: a word of `A-Za-z0-9_@%+=:,./-` stands bare, all else in
single quotes.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from vault_exec.formats.common import Options, shell_name, variables
from vault_exec.names import is_shell_name

_BARE = re.compile(r"[A-Za-z0-9_@%+=:,./-]+")
_ESCAPED = str.maketrans({"\\": "\\\\", "\n": "\\n", "\r": "\\r", '"': '\\"', "$": "\\$", "`": "\\`"})
_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9_]")


def dump(values: Mapping[str, str], options: Options) -> str:
    return env(values)


def env(values: Mapping[str, str], *, preserve_case: bool = False, escape_strings: bool = False) -> str:
    r"""What `env` prints.

    preserve_case: names keep the case of their keys. escape_strings: every value in double quotes, line ends
    as the two characters `\n` and `\r`, for programs that turn them back; sh does not.

    Raises FormatError for a name that sh cannot use, and for two keys with one name.
    """
    named = variables("sh", values, variable_in_case if preserve_case else shell_name, is_shell_name)
    rendered = _in_double_quotes if escape_strings else _word
    return "".join([f"export {name}={rendered(value)}\n" for _, name, value in named])


def variable_in_case(key: str) -> str:
    """The variable of a key that keeps its case."""
    return _NOT_IN_NAMES.sub("_", key)


def _word(value: str) -> str:
    if _BARE.fullmatch(value):
        return value
    return "'" + value.replace("'", "'\"'\"'") + "'"


def _in_double_quotes(value: str) -> str:
    return f'"{value.translate(_ESCAPED)}"'
