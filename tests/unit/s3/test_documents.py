from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vault_exec.errors import MalformedAnswerError
from vault_exec_backends.s3.documents import (
    Entry,
    Index,
    SecretDocument,
    merged,
    new_secret,
    no_index,
    parse_index,
    parse_secret,
)

PATH = "svc/key.json"
WHEN = "2026-01-02T15:04:05.123456789Z"
TEXTS = st.text(st.characters(codec="utf-8"))
NAMES = st.text("abcXYZ019_-.", min_size=1)


def secret(body: str | bytes) -> SecretDocument:
    return parse_secret(body.encode() if isinstance(body, str) else body, PATH)


def index(body: str | bytes, *, by_key: bool = False) -> Index:
    body = body.encode() if isinstance(body, str) else body
    return parse_index(body, "svc/index", '"etag"', None, by_key=by_key)


def record(version: int, value: str, **more: Any) -> dict[str, Any]:
    return {"created": WHEN, "created_by": "me", "version": version, "value": value, **more}


def versions(count: int) -> str:
    values = {str(number): record(number, f"value {number}") for number in range(1, count + 1)}
    return json.dumps({"service": "svc", "key": "/svc/key", "values": values})


# -- a secret's object -----------------------------------------------------------------------------------


def test_a_first_version_is_the_bytes_that_chamber_writes() -> None:
    body = new_secret("svc", "key", PATH).with_version(
        1, '<a&b>\u2028"é\n\x01', WHEN, "arn:aws:sts::1:user/me"
    )
    assert body.decode() == (
        '{"service":"svc","key":"/svc/key","values":{"1":{"created":"2026-01-02T15:04:05.123456789Z",'
        '"created_by":"arn:aws:sts::1:user/me","version":1,'
        r'"value":"\u003ca\u0026b\u003e\u2028\"é\n\u0001"}}}'
    )


@given(value=TEXTS, version=st.integers(1, 10**6))
def test_a_version_that_was_written_is_read_again(value: str, version: int) -> None:
    document = secret(new_secret("svc", "key", PATH).with_version(version, value, WHEN, "me"))
    found = document.record(version)
    assert found is not None
    assert (found.version, found.value, found.created_by) == (version, value, "me")
    assert found.created == datetime(2026, 1, 2, 15, 4, 5, 123456, UTC)
    assert document.newest == version
    assert document.holds(version, value, WHEN, "me")
    assert not document.holds(version, value, WHEN, "you")
    assert document.record(version + 1) is None


@given(
    values=st.lists(TEXTS, min_size=1, max_size=12),
    member=TEXTS,
    more=st.recursive(
        st.none() | st.booleans() | st.integers() | TEXTS,
        lambda inner: st.lists(inner) | st.dictionaries(TEXTS, inner),
    ),
)
def test_what_was_there_before_stays_to_the_letter(values: list[str], member: str, more: Any) -> None:
    member = "x" + member
    before = json.dumps(
        {
            "service": "svc",
            member: more,
            "key": "/svc/key",
            "values": {str(n): record(n, value, **{member: more}) for n, value in enumerate(values, 1)},
        },
        indent=1,
    )
    after = json.loads(secret(before).with_version(len(values) + 1, "new", WHEN, "me"))
    wanted = json.loads(before)
    wanted["values"][str(len(values) + 1)] = record(len(values) + 1, "new")
    assert after == wanted


def test_numbers_and_times_of_others_keep_their_digits() -> None:
    raw = '{"created":"2020-01-01T00:00:00.000000001+00:00","version":1,"value":"a","more":1.10e0,"by":"x"}'
    body = secret('{"values":{"1":' + raw + '},"more":[1.0, -0]}').with_version(2, "b", WHEN, "me")
    assert body.startswith(b'{"values":{"1":' + raw.encode() + b',"2":{')
    assert body.endswith(b',"more":[1.0, -0]}')


def test_versions_are_sorted_as_text() -> None:
    body = secret(versions(9)).with_version(10, "ten", WHEN, "me")
    assert list(json.loads(body)["values"]) == ["1", "10", *map(str, range(2, 10))]
    assert secret(body).versions == list(range(1, 11))


def test_versions_older_than_the_newest_by_more_than_100_go() -> None:
    full = secret(versions(100)).with_version(101, "new", WHEN, "me")
    assert secret(full).versions == list(range(1, 102))
    assert secret(secret(full).with_version(102, "new", WHEN, "me")).versions == list(range(2, 103))


def test_the_newest_version_with_a_value() -> None:
    values = {str(n): record(n, value) for n, value in ((1, "a"), (2, "b"), (10, "a"), (11, "c"))}
    document = secret(json.dumps({"values": values}))
    assert [document.version_of(value) for value in "abcd"] == [10, 2, 11, None]


@pytest.mark.parametrize("created", ["", "yesterday", "0001-01-01T00:00:00Z", None])
def test_what_an_object_does_not_say_is_none(created: str | None) -> None:
    said = {} if created is None else {"created": created, "created_by": ""}
    found = secret(json.dumps({"values": {"1": {"version": 1, "value": "a", **said}}})).record(1)
    assert found is not None
    assert (found.created, found.created_by) == (None, None)


CANARY = "canary-value"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\xff",
        b"\xef\xbb\xbf{}",
        b"[]",
        b"{}",
        b'{"values":[]}',
        b'{"values":{"1":[]}}',
        b'{"values":{"1":{}}}',
        b'{"values":{"1":{"version":1}}}',
        b'{"values":{"1":{"version":1,"value":1}}}',
        b'{"values":{"1":{"version":2,"value":"canary-value"}}}',
        b'{"values":{"1":{"version":true,"value":"canary-value"}}}',
        b'{"values":{"1":{"version":1.0,"value":"canary-value"}}}',
        b'{"values":{"01":{"version":1,"value":"canary-value"}}}',
        b'{"values":{"0":{"version":0,"value":"canary-value"}}}',
        b'{"values":{"-1":{"version":-1,"value":"canary-value"}}}',
        '{"values":{"١":{"version":1,"value":"canary-value"}}}'.encode(),
        b'{"values":{"1":{"version":1,"value":"canary-value"}}',
        b'{"values":{"1":{"version":1,"value":"canary-value","x":NaN}}}',
        b'{"values":{"1":{"version":1,"value":"canary-value\\ud800"}}}',
        b'{"values":{"1":{"version":1,"value":"canary-value"}}} x',
        b'{"values":' + b"[" * 100_000,
        b'{"values":{"1":{"version":' + b"1" * 5000 + b',"value":"canary-value"}}}',
    ],
)
def test_what_is_no_secret_is_an_error_that_names_the_object(body: bytes) -> None:
    with pytest.raises(MalformedAnswerError, match=r"svc/key\.json") as caught:
        secret(body)
    assert CANARY not in str(caught.value)
    assert caught.value.hint
    assert caught.value.__cause__ is None


@pytest.mark.parametrize("wrong", [{"created": 1}, {"created_by": ["me"]}])
def test_a_version_of_wrong_types_is_an_error_when_it_is_read(wrong: dict[str, Any]) -> None:
    document = secret(json.dumps({"values": {"1": record(1, CANARY, **wrong)}}))
    with pytest.raises(MalformedAnswerError, match=r"svc/key\.json"):
        document.record(1)


# -- an index --------------------------------------------------------------------------------------------


def test_indexes_are_the_bytes_that_chamber_writes() -> None:
    empty = no_index("svc/index")
    assert empty.changed({"b": Entry("2"), "a": Entry("<")}) == rb'{"latest":{"a":"\u003c","b":"2"}}'
    assert empty.changed({"a": Entry("x", 3, "alias/k")}) == (
        b'{"latest":{"a":{"version":3,"value":"x","KMSAlias":"alias/k"}}}'
    )
    assert empty.changed() == b'{"latest":{}}'


@given(st.dictionaries(NAMES, TEXTS), st.dictionaries(NAMES, TEXTS), st.sets(NAMES))
def test_an_index_changes_only_where_it_should(
    before: dict[str, str], new: dict[str, str], gone: set[str]
) -> None:
    found = index(json.dumps({"latest": before, "more": [1]}))
    assert {key: entry.value for key, entry in found.entries.items()} == before
    after = json.loads(found.changed({key: Entry(value) for key, value in new.items()}, without=gone))
    assert after == {"latest": {k: v for k, v in {**before, **new}.items() if k not in gone}, "more": [1]}


def test_an_entry_that_says_the_same_keeps_what_else_it_holds() -> None:
    body = '{"latest":{"a":{"version":3,"value":"x","KMSAlias":"alias/k","more":1.0}}}'
    found = index(body, by_key=True)
    assert found.changed({"a": Entry("x", 3, "alias/k")}) == body.encode()
    assert json.loads(found.changed({"a": Entry("y", 4, "alias/k")}))["latest"]["a"] == {
        "version": 4,
        "value": "y",
        "KMSAlias": "alias/k",
    }


def test_a_touched_index_says_the_same_in_other_bytes() -> None:
    first = index('{"latest":{"a":"1"}}').touched()
    second = index(first).touched()
    assert len({b'{"latest":{"a":"1"}}', first, second}) == 3
    assert json.loads(second)["latest"] == {"a": "1"}
    assert index(second).entries == {"a": Entry("1")}


@pytest.mark.parametrize(
    ("body", "by_key"),
    [
        (b"", False),
        (b"{}", False),
        (b'"latest"', False),
        (b'{"latest":null}', False),
        (b'{"latest":{"a":"canary-value","b":1}}', False),
        (b'{"latest":{"a":{"version":1,"value":"canary-value"}}}', False),
        (b'{"latest":{"a":"canary-value', False),
        (b'{"latest":{"a":"canary-value"}}', True),
        (b'{"latest":{"a":{"value":"canary-value"}}}', True),
        (b'{"latest":{"a":{"version":"1","value":"canary-value"}}}', True),
        (b'{"latest":{"a":{"version":0,"value":"canary-value"}}}', True),
        (b'{"latest":{"a":{"version":1}}}', True),
        (b'{"latest":{"a":{"version":1,"value":"canary-value","KMSAlias":1}}}', True),
    ],
)
def test_what_is_no_index_is_an_error_that_names_it(body: bytes, by_key: bool) -> None:
    with pytest.raises(MalformedAnswerError, match="svc/index") as caught:
        index(body, by_key=by_key)
    assert CANARY not in str(caught.value)


# -- several indexes -------------------------------------------------------------------------------------


@st.composite
def several(draw: st.DrawFn) -> list[Index]:
    entries = st.dictionaries(st.sampled_from("abc"), st.integers(1, 4), max_size=3)
    return [
        Index(
            f"svc/__kms_{number}__latest.json",
            "{}",
            {key: Entry(f"{number}", version, f"{number}") for key, version in draw(entries).items()},
            '"etag"',
            None,
        )
        for number in range(draw(st.integers(0, 4)))
    ]


@given(several())
def test_of_several_indexes_the_highest_version_wins_and_the_last_of_equal_ones(indexes: list[Index]) -> None:
    expected: dict[str, tuple[int, int]] = {}
    for number, one in enumerate(indexes):
        for key, entry in one.entries.items():
            expected[key] = max(expected.get(key, (0, 0)), (entry.version or 0, number))
    found = merged(indexes)
    assert {key: (entry.version, int(entry.value)) for key, (_, entry) in found.items()} == expected
    assert all(entry is one.entries[key] for key, (one, entry) in found.items())
