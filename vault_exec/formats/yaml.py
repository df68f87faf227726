r"""yaml: one mapping of keys to scalars, which keep their text: `0777` stays `0777`, `1.10` stays `1.10`.

Written so that readers of YAML 1.1 and 1.2 agree: plain only where none of them could take it for a number, a
boolean, a null or a date; as a block where lines of printable ASCII are lines; else in double quotes with
escapes. JSON is read by the JSON reader: YAML 1.1 takes `\ud83d\ude00`, an emoji there, for two halves.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from vault_exec.errors import FormatError
from vault_exec.formats import json
from vault_exec.formats.common import Note, Options, at, escaped, unique
from vault_exec.names import shown

TYPE_CHECKING = False
if TYPE_CHECKING:
    from yaml import Node

_PLAIN = re.compile(r"[A-Za-z_/][A-Za-z0-9_./@%+=,:-]*(?<!:)")
# The words of https://yaml.org/type/bool.html and null.html, which some readers take for something else.
_WORDS = frozenset(["y", "n", "yes", "no", "on", "off", "true", "false", "null"])
_LINE = "[!-~](?:[ -~]*[!-~])?"
_BLOCK = re.compile(rf"(?:{_LINE}\n+)*{_LINE}\n?")
_SHORT = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\r": "\\r", "\t": "\\t"}

# A longer key (1,024 in section 7.4.2 of YAML 1.2) needs a `?` before it.
_LONGEST_SIMPLE_KEY = 1000

# Line ends in YAML 1.1 and text in 1.2: a reader of either would be wrong for the other.
_DISPUTED = re.compile("[\x85\u2028\u2029]")

_HINT = "put a value in quotes that holds ': ', ' #' or a tab, or that begins with one of @ ` % & * ! | > { ["


def dump(values: Mapping[str, str], options: Options) -> str:
    if not values:
        return "{}\n"
    return "".join([f"{_key(key)}: {_value(value)}\n" for key, value in sorted(values.items())])


def _key(key: str) -> str:
    text = key if _is_plain(key) else _quoted(key)
    return text if len(text) <= _LONGEST_SIMPLE_KEY else f"? {text}\n"


def _value(value: str) -> str:
    if _is_plain(value):
        return value
    if "\n" in value and _BLOCK.fullmatch(value):
        header = "|" if value.endswith("\n") else "|-"
        return header + "".join(["\n" + (line and "  " + line) for line in value.rstrip("\n").split("\n")])
    return _quoted(value)


def _is_plain(text: str) -> bool:
    return bool(_PLAIN.fullmatch(text)) and text.lower() not in _WORDS


def _quoted(text: str) -> str:
    return '"' + escaped(text, _SHORT, _escape) + '"'


def _escape(code: int) -> str:
    if code <= 0xFF:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"


def load(text: str, note: Note) -> dict[str, str]:
    """Scalars keep their text, whatever they look like; aliases of scalars are followed.

    Tags, nulls, nested values, keys that are there twice and a second document are refused.
    """
    if text.lstrip().startswith("{"):
        try:
            parsed = json.parse(text)
        except ValueError:
            pass  # a flow mapping of YAML's own, such as {octal: 0777}
        else:
            return json.values_of(parsed)
    return unique("yaml", _pairs(text))


def _pairs(text: str) -> Iterator[tuple[str, str, str]]:
    import yaml

    disputed = _DISPUTED.search(text)
    if disputed:
        code = ord(disputed.group())
        place = _position(text, disputed.start())
        raise FormatError(
            f"yaml: U+{code:04X} ends a line in YAML 1.1 and not in 1.2{place}",
            hint=f"write it as {_escape(code)} in double quotes",
        )
    root = _root(text)
    if not isinstance(root, yaml.MappingNode):
        raise FormatError("yaml: one mapping of keys to values is expected")
    for key, value in root.value:
        if not isinstance(key, yaml.ScalarNode):
            raise FormatError(f"yaml: a key is nested{_place(key)}", hint=_HINT)
        yield key.value, _scalar(key.value, value), _place(key)


def _root(text: str) -> Node | None:
    """The node of the only document. PyYAML's messages quote the text, so only their places are passed on."""
    import yaml
    from yaml.reader import ReaderError

    try:
        loader = yaml.BaseLoader(text)
        root = loader.get_node() if loader.check_node() else None
        if loader.check_node():
            raise FormatError("yaml: there is more than one document", hint="import them one by one")
    except ReaderError as error:
        place = _position(text, error.position)
        raise FormatError(f"not YAML: a character that it does not allow{place}") from None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        place = at(mark.line + 1, mark.column + 1) if mark else ""
        raise FormatError(f"not YAML{place}", hint=_HINT) from None
    except RecursionError:
        raise FormatError("yaml: nested too deeply; one mapping of keys to values is expected") from None
    return root


def _scalar(key: str, node: Node) -> str:
    import yaml

    what = f"yaml: the value of {shown(key)}"
    if not isinstance(node, yaml.ScalarNode):
        raise FormatError(f"{what} is nested{_place(node)}", hint="give it as text, in quotes")
    if node.tag != "tag:yaml.org,2002:str":
        raise FormatError(f"{what} has a tag{_place(node)}", hint="give it as text")
    if node.style is None and node.value in ("", "~", "null", "Null", "NULL"):
        raise FormatError(
            f"{what} is null{_place(node)}", hint='leave the key out, or give it a text such as "" or "null"'
        )
    text: str = node.value
    return text


def _place(node: Node) -> str:
    return at(node.start_mark.line + 1, node.start_mark.column + 1)


def _position(text: str, index: int) -> str:
    return at(text.count("\n", 0, index) + 1, index - text.rfind("\n", 0, index))
