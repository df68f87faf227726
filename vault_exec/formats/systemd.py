r"""systemd: a file for EnvironmentFile= (systemd.exec(5); src/basic/env-file.c).

Every value stands in double quotes, where `"`, `\`, `` ` `` and `$` are escaped and line ends are kept.
"""

from __future__ import annotations

from collections.abc import Mapping

from vault_exec.formats.common import Options, cannot_hold, shell_variables

_ESCAPED = str.maketrans({c: "\\" + c for c in '"\\`$'})


def dump(values: Mapping[str, str], options: Options) -> str:
    return "".join([_line(key, name, value) for key, name, value in shell_variables("systemd", values)])


def _line(key: str, name: str, value: str) -> str:
    if any(map(_is_noncharacter, value)):
        raise cannot_hold("systemd", key, "it holds a code point that systemd does not take for text")
    return f'{name}="{value.translate(_ESCAPED)}"\n'


def _is_noncharacter(character: str) -> bool:
    """U+FDD0-FDEF and the last two of each plane: broken UTF-8 to systemd (src/basic/utf8.c), which then
    ignores the whole file."""
    code = ord(character)
    return 0xFDD0 <= code <= 0xFDEF or code & 0xFFFE == 0xFFFE
