"""yaml: exact both ways, for readers of YAML 1.1 too; scalars keep their text; all else is refused."""

from __future__ import annotations

import re

import pytest
import yaml  # noqa: TID253 - the independent reader
from hypothesis import given
from hypothesis import strategies as st

from tests.support.formats import examples, round_trip, secrets, written
from vault_exec.errors import FormatError
from vault_exec.formats import dump, load


@examples()
@given(secrets)
def test_what_is_written_reads_back_exactly_here_and_by_pyyaml(secrets: dict[str, str]) -> None:
    text = written("yaml", secrets)
    assert load("yaml", text) == secrets
    assert yaml.load(text, yaml.BaseLoader) == secrets
    assert yaml.safe_load(text) == secrets  # every value a text, none taken for a number or a date


@examples()
@given(
    st.dictionaries(
        st.from_regex(r"[a-z]{1,3}", fullmatch=True), st.text("ab :#-\n\t|>", max_size=20), max_size=3
    )
)
def test_lines_and_blanks_in_any_order_read_back(secrets: dict[str, str]) -> None:
    assert round_trip("yaml", secrets) == secrets
    assert yaml.safe_load(written("yaml", secrets)) == secrets


@examples()
@given(secrets)
def test_no_control_character_is_written_raw(secrets: dict[str, str]) -> None:
    assert not re.search(r"[^\n\x20-\x7e\xa1-\U0010ffff]|[\u2028\u2029\ufeff]", dump("yaml", secrets))


def test_what_a_person_reads_is_plain_where_it_can_be_and_a_block_for_lines() -> None:
    secrets = {
        "url": "https://h:1/p?q",
        "host": "db.example.com:5432",
        "pem": "-----A-----\nx y\n\nz=\n",
        "num": "007",
    }
    assert dump("yaml", secrets) == (
        'host: db.example.com:5432\nnum: "007"\npem: |\n  -----A-----\n  x y\n\n  z=\nurl: "https://h:1/p?q"\n'
    )


def test_scalars_keep_their_text() -> None:
    text = """
octal: 0777
float: 1.10
hex: 0x1F
bool: true
yes: no
date: 2026-01-02
time: 12:30:45
big: 123456789012345678901234567890
inf: .inf
nan: NaN
folded: >
  a
  b
quoted: "a\\tb"
single: 'it''s'
plain: a
  b
empty: ''
quoted null: "null"
anchor: &x shared
alias: *x
tagged: !!str 1.10
"""
    assert load("yaml", text) == {
        "octal": "0777",
        "float": "1.10",
        "hex": "0x1F",
        "bool": "true",
        "yes": "no",
        "date": "2026-01-02",
        "time": "12:30:45",
        "big": "123456789012345678901234567890",
        "inf": ".inf",
        "nan": "NaN",
        "folded": "a b\n",
        "quoted": "a\tb",
        "single": "it's",
        "plain": "a b",
        "empty": "",
        "quoted null": "null",
        "anchor": "shared",
        "alias": "shared",
        "tagged": "1.10",
    }


def test_json_is_read_as_json_and_flow_mappings_as_yaml() -> None:
    assert load("yaml", '\n {"emoji": "\\ud83d\\ude00",\n\t"sep": "a\u2028b", "f": 1.10}') == {
        "emoji": "😀",
        "sep": "a\u2028b",
        "f": "1.10",
    }
    assert load("yaml", '{"o": 0777, f: 1.10, s: x}') == {"o": "0777", "f": "1.10", "s": "x"}
    with pytest.raises(FormatError, match=re.escape("json: the value of 'k' is null")):
        load("yaml", '{"k": null}')


def test_windows_line_ends_and_a_document_marker_are_fine() -> None:
    assert load("yaml", "%YAML 1.1\r\n---\r\na: b\r\nc: |\r\n  d\r\n  e\r\n...\r\n") == {
        "a": "b",
        "c": "d\ne\n",
    }


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: x\nk:\n", "yaml: the value of 'k' is null (line 2, column 3)"),
        ("k: ~", "yaml: the value of 'k' is null (line 1, column 4)"),
        ("k: null # SECRET", "yaml: the value of 'k' is null (line 1, column 4)"),
        ("k:\n  SECRET: x", "yaml: the value of 'k' is nested (line 2, column 3)"),
        ("a: x\nk: [SECRET]", "yaml: the value of 'k' is nested (line 2, column 4)"),
        ("{k: {SECRET: 1}}", "yaml: the value of 'k' is nested (line 1, column 5)"),
        ("? [SECRET]\n: x", "yaml: a key is nested (line 1, column 3)"),
        ("k: !!binary U0VDUkVU", "yaml: the value of 'k' has a tag (line 1, column 4)"),
        ("k: !SECRET x", "yaml: the value of 'k' has a tag (line 1, column 4)"),
        ("k: SECRET\nl: x\nk: SECRET\n", "yaml: the key 'k' is there twice (line 3, column 1)"),
        ("k: SECRET\n'k': x\n", "yaml: the key 'k' is there twice (line 2, column 1)"),
        ("- SECRET", "yaml: one mapping of keys to values is expected"),
        ("SECRET", "yaml: one mapping of keys to values is expected"),
        ("", "yaml: one mapping of keys to values is expected"),
        ("# nothing\n", "yaml: one mapping of keys to values is expected"),
        ("a: SECRET\n---\nb: SECRET\n", "yaml: there is more than one document"),
        ("not: [SECRET", "not YAML (line 1, column 13)"),
        ("a: x\nk: SECRET: y", "not YAML (line 2, column 10)"),
        ("a: x\n\tk: SECRET", "not YAML (line 2, column 1)"),
        ('k: "SECRET\n', "not YAML (line 2, column 1)"),
        ("k: @SECRET", "not YAML (line 1, column 4)"),
        ("k: *SECRET", "not YAML (line 1, column 4)"),
        ("%SECRET\n---\na: b\n- c", "not YAML (line 4, column 1)"),
        ('a: x\nk: "SECRET\x01"', "not YAML: a character that it does not allow (line 2, column 11)"),
        ("k: a\u2028SECRET", "yaml: U+2028 ends a line in YAML 1.1 and not in 1.2 (line 1, column 5)"),
        ("a: x\nk: 'a\x85SECRET'", "yaml: U+0085 ends a line in YAML 1.1 and not in 1.2 (line 2, column 6)"),
        ("k: " + "[" * 2_000, "yaml: nested too deeply; one mapping of keys to values is expected"),
    ],
)
def test_what_is_no_mapping_of_scalars_is_refused_with_its_place(text: str, message: str) -> None:
    with pytest.raises(FormatError) as error:
        load("yaml", text)
    assert str(error.value) == message
    assert error.value.__cause__ is None
    assert "SECRET" not in str(error.value) + (error.value.hint or "")


def test_aliases_do_not_multiply() -> None:
    bomb = "a: &a [x, x]\n" + "".join(
        [f"k{n}: &k{n} [*{'a' if n == 0 else f'k{n - 1}'}, *a]\n" for n in range(60)]
    )
    with pytest.raises(FormatError, match="the value of 'a' is nested"):
        load("yaml", bomb)


@examples()
@given(st.text("ab:{}[]\"'-? \n\t#&*!|>%@,~", max_size=30))
def test_any_text_is_read_or_refused_and_nothing_else(text: str) -> None:
    try:
        found = load("yaml", text)
    except FormatError:
        return
    expected = yaml.load(text, yaml.BaseLoader)
    assert found == expected
