from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vault_exec.cli import render

# Everything that a terminal acts on or that changes the order of what is shown: the Unicode database's words
# for it (control, format characters that are bidirectional, line and paragraph separators).
ACTING = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069]")


@given(st.text() | st.text("\x00\x07\x1b\x9b\x7f\t\n\r\u202e\u2066\u2028a"))
def test_nothing_that_is_shown_acts_on_the_terminal(text: str) -> None:
    assert not ACTING.search(render.escape(text))
    assert ACTING.sub("", render.escape(text, layout=True).replace("\n", "").replace("\t", "")) == (
        render.escape(text, layout=True).replace("\n", "").replace("\t", "")
    )


def test_what_is_harmless_is_shown_as_it_is() -> None:
    text = "p\u00e4ssw\u00f6rd 🔑 C:\\new 'quoted' עברית"
    assert render.escape(text) == text
    assert render.escape("a\x1b[31m\n\u202eb") == "a\\x1b[31m\\n\\u202eb"
    assert render.escape("a\n\tb\r", layout=True) == "a\n\tb\\r"


@given(st.text())
def test_json_is_exact_and_shows_nothing_that_acts(text: str) -> None:
    document = render.to_json({"value": text})
    assert json.loads(document) == {"value": text}
    assert not ACTING.search(document.replace("\n", ""))


CELLS = st.text("abcä-", min_size=1, max_size=30)


@given(st.integers(1, 4).flatmap(lambda n: st.lists(st.lists(CELLS, min_size=n, max_size=n), min_size=1)))
def test_columns_begin_at_the_same_tab_stop_and_cells_stay_apart(lines: list[list[str]]) -> None:
    text = render.aligned(lines)
    assert [re.split("\t+", line) for line in text.splitlines()] == lines
    for column in range(len(lines[0])):
        starts = set()
        for cells, line in zip(lines, text.splitlines(), strict=True):
            before = re.match(f"(?:[^\t]+\t+){{{column}}}", line)
            assert before is not None
            starts.add(len(before.group().expandtabs(8)))
            assert line.split("\t")[0] == cells[0]
        assert len(starts) == 1


def test_a_table_is_exact_to_a_pipe_and_escaped_on_a_terminal() -> None:
    rows = [("key", "a\nb\x1b", "c")]
    assert "a\nb\x1b" in render.table(("Key", "Value", "User"), rows, terminal=False)
    assert "a\\nb\\x1b" in render.table(("Key", "Value", "User"), rows, terminal=True)


@pytest.mark.parametrize(
    ("time", "text"),
    [
        (datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC), "2026-01-02T03:04:05Z"),
        (datetime(2026, 1, 2, 3, 4, 5, 6, tzinfo=UTC), "2026-01-02T03:04:05.000006Z"),
        (datetime(2026, 1, 2, 3, tzinfo=timezone(timedelta(hours=2))), "2026-01-02T01:00:00Z"),
        (None, None),
    ],
)
def test_times_in_json_are_utc(time: datetime | None, text: str | None) -> None:
    assert render.rfc3339(time) == text


def test_what_a_store_does_not_tell_is_shown_as_chamber_does() -> None:
    assert render.local_time(None) == render.user(None) == render.user("") == "N/A"
