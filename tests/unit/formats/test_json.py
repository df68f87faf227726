"""json: exact both ways; what is no object of scalars is refused by key."""

from __future__ import annotations

import json

import pytest
from hypothesis import given

from tests.support.formats import examples, round_trip, secrets, written
from vault_exec.errors import FormatError
from vault_exec.formats import load


@examples()
@given(secrets)
def test_what_is_written_reads_back_exactly_here_and_by_other_readers(secrets: dict[str, str]) -> None:
    assert round_trip("json", secrets) == secrets
    assert json.loads(written("json", secrets)) == secrets


def test_keys_are_sorted_and_control_characters_escaped() -> None:
    assert written("json", {"b": "\x1b[0m\u2028", "a": "<ä&>"}) == '{"a":"<ä&>","b":"\\u001b[0m\u2028"}\n'


def test_scalars_keep_their_text() -> None:
    text = """{"i": 1, "f": 1.10, "big": 123456789012345678901234567890,
        "e": 1E5, "n": -0, "t": true, "u": false}"""
    assert load("json", text) == {
        "i": "1",
        "f": "1.10",
        "big": "123456789012345678901234567890",
        "e": "1E5",
        "n": "-0",
        "t": "true",
        "u": "false",
    }


def test_a_number_may_be_as_long_as_it_likes() -> None:
    assert load("json", '{"n": ' + "9" * 10_000 + "}") == {"n": "9" * 10_000}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"a": "x", "k": null}', "json: the value of 'k' is null"),
        ('{"k": {"SECRET": 1}}', "json: the value of 'k' is nested"),
        ('{"k": ["SECRET"]}', "json: the value of 'k' is nested"),
        ('{"k": NaN}', "json: the value of 'k' is none that JSON has"),
        ('{"k": "SECRET", "k": "SECRET"}', "json: the key 'k' is there twice"),
        ('["SECRET"]', "json: one object of keys and values is expected"),
        ('"SECRET"', "json: one object of keys and values is expected"),
        ("null", "json: one object of keys and values is expected"),
        ("[" * 100_000, "json: nested too deeply; one object of keys and values is expected"),
        ("", "not JSON: Expecting value (line 1, column 1)"),
        ('{\n "k": "SECRET}', "not JSON: Unterminated string starting at (line 2, column 7)"),
        ('{"k": "SECRET" "l": 1}', "not JSON: Expecting ',' delimiter (line 1, column 16)"),
        ('{"k":\n\n   SECRET}', "not JSON: Expecting value (line 3, column 4)"),
        ('{"k": "\\x"}', "not JSON: Invalid \\escape (line 1, column 8)"),
        ('{"k": 0777}', "not JSON: Expecting ',' delimiter (line 1, column 8)"),
        ('{"k": 1} SECRET', "not JSON: Extra data (line 1, column 10)"),
    ],
)
def test_what_is_no_object_of_scalars_is_refused_with_its_place_or_key(text: str, message: str) -> None:
    with pytest.raises(FormatError) as error:
        load("json", text)
    assert str(error.value) == message
    assert error.value.__cause__ is None
    assert "SECRET" not in str(error.value) + (error.value.hint or "")
