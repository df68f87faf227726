"""What chamber 3.1.4 printed and imported, beside ours; each difference with the line that asks for it.

`recorded.json` holds the values that were in the store, and chamber's output for them.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml  # noqa: TID253 - the independent reader

from vault_exec.errors import FormatError
from vault_exec.formats import dump, load
from vault_exec.formats.shell import env

RECORDED = json.loads(Path(__file__).with_name("recorded.json").read_text())
APP: dict[str, str] = RECORDED["services"]["app"]
WEB: dict[str, str] = RECORDED["services"]["prod/web"]

#: Lines that differ, by format: (theirs, ours).
DIFFERENT: dict[str, list[tuple[str, str]]] = {
    # "java-properties writes `?` for what Latin-1 lacks and drops leading blanks": \uXXXX, escaped blanks.
    "java-properties": [
        ("emoji = pässwörd ?", "emoji = p\\u00e4ssw\\u00f6rd \\ud83d\\udd11"),
        ("ctrl = a\x01b", "ctrl = a\\u0001b"),
        ("lead =   lead and trail  ", "lead = \\  lead and trail  "),
    ],
    "csv": [],
    "tsv": [],
    # "dotenv escapes wrongly": neither python-dotenv nor node's dotenv knows \$ and \`; node's keeps the
    # backslash before a quote, and both of two.
    "dotenv": [
        ('BACK="C:\\\\new\\\\table"', "BACK='C:\\new\\table'"),
        ('DOLLAR="\\$HOME \\${HOME} \\$(id) \\`id\\`"', "DOLLAR='$HOME ${:-$}{HOME} $(id) `id`'"),
        ('DQUOTE="say \\"hi\\""', "DQUOTE='say \"hi\"'"),
        ('EMPTY_QUOTES="\\"\\""', "EMPTY_QUOTES='\"\"'"),
        ('HTML="<a href=\\"x\\">&amp;</a>"', "HTML='<a href=\"x\">&amp;</a>'"),
        ('JSON="{\\"a\\": [1, 2]}"', "JSON='{\"a\": [1, 2]}'"),
    ],
    # "tfvars escapes wrongly": HCL has no \$ and no \`, and no control characters but escaped ones.
    "tfvars": [
        ('ctrl = "a\x01b"', 'ctrl = "a\\u0001b"'),
        ('dollar = "\\$HOME \\${HOME} \\$(id) \\`id\\`"', 'dollar = "$HOME $${HOME} $(id) `id`"'),
        ('tab = "a\tb"', 'tab = "a\\tb"'),
        ('u2028 = "a\u2028b"', 'u2028 = "a\\u2028b"'),
    ],
}


@pytest.mark.parametrize("name", DIFFERENT)
def test_export_is_chambers_but_for_what_it_gets_wrong(name: str) -> None:
    expected = RECORDED["export"][name]
    for theirs, ours in DIFFERENT[name]:
        assert expected.count(theirs + "\n") == 1
        expected = expected.replace(theirs + "\n", ours + "\n")
    assert dump(name, APP) == expected


def test_json_is_the_same_object_and_byte_for_byte_but_for_what_go_escapes() -> None:
    theirs = RECORDED["export"]["json"]
    assert json.loads(dump("json", APP)) == json.loads(theirs)
    for escaped, character in (("\\u003c", "<"), ("\\u003e", ">"), ("\\u0026", "&"), ("\\u2028", "\u2028")):
        theirs = theirs.replace(escaped, character)
    assert dump("json", APP) == theirs
    assert json.loads(dump("json", {**WEB, **APP})) == json.loads(RECORDED["export prod/web app -f json"])


def test_yaml_is_the_same_mapping_where_chambers_can_be_read_at_all() -> None:
    """ "YAML export writes raw control characters; export → import loses tabs and CR"."""
    theirs = RECORDED["export"]["yaml"]
    with pytest.raises(yaml.YAMLError):
        yaml.load(theirs, yaml.BaseLoader)
    raw = {
        "cr": "cr: |-\r  a\r  b\n",
        "crlf": "crlf: |-\r\n  a\r\n  b\n",
        "ctrl": "ctrl: a\x01b\n",
        "tab": "tab: a\tb\n",
        "u2028": "u2028: a\u2028b\n",
    }
    for lines in raw.values():
        assert theirs.count(lines) == 1
        theirs = theirs.replace(lines, "")
    expected = {key: value for key, value in APP.items() if key not in raw}
    assert yaml.load(theirs, yaml.BaseLoader) == expected
    assert load("yaml", theirs) == expected
    assert yaml.load(dump("yaml", APP), yaml.BaseLoader) == APP


@pytest.mark.parametrize("name", ["json", "java-properties", "csv", "tsv"])
def test_what_chamber_exported_can_be_imported_as_far_as_it_is_right(name: str) -> None:
    wrong = {"java-properties": {"emoji": "pässwörd ?", "lead": "lead and trail  "}}.get(name, {})
    assert load(name, RECORDED["export"][name]) == {**APP, **wrong}


def test_nothing_is_an_empty_object_as_in_chamber() -> None:
    assert dump("json", {}) == "{}\n"
    assert env({}) == ""


@pytest.mark.parametrize("call", RECORDED["env"], ids=lambda call: " ".join(call["argv"]))
def test_env_is_chambers_byte_for_byte(call: dict[str, object]) -> None:
    argv = call["argv"]
    assert isinstance(argv, list)
    values = RECORDED["services"][argv[1]]
    assert env(values, preserve_case="-p" in argv, escape_strings="-e" in argv) == call["stdout"]


#: "YAML import turns `0777` into 511, `1.10` into 1.1": scalars keep their text.
KEPT = {"f": "1.10", "o": "0777"}


@pytest.mark.parametrize("call", RECORDED["import"], ids=lambda call: call["stdin"][:20])
def test_import_reads_what_chamber_reads_and_refuses_what_it_refuses(call: dict[str, object]) -> None:
    text = call["stdin"]
    stored = call["stored"]
    assert isinstance(text, str)
    if call["rc"]:
        with pytest.raises(FormatError):
            load("yaml", text)
    else:
        assert isinstance(stored, dict)
        found = {
            key.lower() if "db_user" in stored else key: value for key, value in load("yaml", text).items()
        }
        assert found == {key: KEPT.get(key, value) for key, value in stored.items()}
