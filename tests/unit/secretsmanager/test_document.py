from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vault_exec.errors import FormatError, InvalidValueError
from vault_exec_backends.secretsmanager.document import EMPTY, LONGEST, METADATA, keeps, parse

WHEN = "2026-01-02T03:04:05.123456789Z"

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
keys = st.text(min_size=1, max_size=8).filter(lambda key: key != METADATA)


@given(st.dictionaries(keys, json_values, max_size=6), st.booleans(), st.sampled_from([None, 1]))
def test_what_others_wrote_survives_a_write(
    others: dict[str, object], escaped: bool, indent: int | None
) -> None:
    text = json.dumps(others, ensure_ascii=escaped, indent=indent)
    after = parse(parse(text, "svc").with_value("mine", "v", 1, WHEN, "me").dump("svc"), "svc")
    reread = json.loads(after.dump("svc"))
    del reread[METADATA]
    assert reread == {**others, "mine": "v"}
    assert after.known("mine").version == 1


@given(st.text())
def test_a_value_is_kept_exactly(value: str) -> None:
    document = EMPTY.with_value("key", value, 3, WHEN, "arn:me")
    try:
        value.encode()
    except UnicodeEncodeError:
        return
    again = parse(document.dump("svc"), "svc")
    assert again.values() == {"key": value}
    assert (again.known("key").version, again.known("key").created) == (3, WHEN)


@pytest.mark.parametrize(
    "raw", ["1.10", "1e400", "0.1000", "true", "null", '{"a": [1,  2]}', "123456789012345678901"]
)
def test_a_value_that_is_no_text_is_its_json_text_and_is_rewritten_to_the_letter(raw: str) -> None:
    document = parse('{"port": ' + raw + "}", "svc")
    assert document.values() == {"port": raw}
    assert f'"port":{raw}' in document.with_value("key", "v", 1, WHEN, "me").dump("svc")


def test_metadata_of_other_keys_keeps_its_text() -> None:
    entry = '{"created":"2020-01-01T00:00:00.100000001Z","created_by":"arn:x","version":7,"more":[1.10]}'
    text = json.dumps({"other": "v", METADATA: '{"other":' + entry + "}"})
    after = json.loads(parse(text, "svc").with_value("key", "v", 1, WHEN, "me").dump("svc"))
    assert entry in after[METADATA]


def test_metadata_never_shows_as_a_key() -> None:
    document = EMPTY.with_value("key", "v", 1, WHEN, "me")
    assert METADATA in document.dump("svc")
    assert document.keys() == ["key"]
    assert document.get(METADATA) is None


@pytest.mark.parametrize(
    "text",
    [
        "",
        "plain",
        "[]",
        '"text"',
        "1",
        "{",
        '{"a":1',
        '{"a":1,}',
        '{"a" 1}',
        "{1:2}",
        "{} x",
        '{"a":}',
        "[" * 9000,
    ],
)
def test_what_is_no_json_object_is_a_clear_error_without_its_text(text: str) -> None:
    with pytest.raises(FormatError, match="is not a JSON object of keys") as caught:
        parse(text, "svc")
    assert caught.value.__cause__ is None
    assert caught.value.hint


@pytest.mark.parametrize("metadata", ["x", "[]", '{"key":1', 5])
def test_damaged_metadata_is_a_clear_error(metadata: object) -> None:
    with pytest.raises(FormatError, match="damaged"):
        parse(json.dumps({"key": "v", METADATA: metadata}), "svc")


@pytest.mark.parametrize("entry", [1, {}, {"version": "1"}, {"version": True}, {"version": -1}])
def test_metadata_without_a_version_is_a_clear_error(entry: object) -> None:
    document = parse(json.dumps({"key": "v", METADATA: json.dumps({"key": entry})}), "svc")
    assert document.values() == {"key": "v"}
    with pytest.raises(FormatError, match="no version for key"):
        document.known("key")


def test_the_whole_is_limited_and_the_message_says_so() -> None:
    room = LONGEST - len(EMPTY.with_value("key", "", 1, WHEN, "me").dump("svc"))
    assert EMPTY.with_value("key", "x" * room, 1, WHEN, "me").dump("svc")
    with pytest.raises(InvalidValueError, match="65,537 bytes"):
        EMPTY.with_value("key", "x" * (room + 1), 1, WHEN, "me").dump("svc")


def test_keeps_tells_whether_a_change_still_holds() -> None:
    before = EMPTY.with_value("a", "1", 1, WHEN, "me").with_value("b", "1", 1, WHEN, "me")
    after = before.with_value("a", "2", 2, "later", "me")
    assert keeps(after, before, after)
    assert keeps(after.with_value("a", "3", 3, "latest", "other"), before, after)
    assert keeps(after.without("b"), before, after)
    assert not keeps(before, before, after)
    assert not keeps(before.with_value("a", "x", 2, "other", "other"), before, after)
    assert not keeps(after.without("a"), before, after)
    gone = before.without("a")
    assert keeps(gone, before, gone)
    assert not keeps(before, before, gone)
