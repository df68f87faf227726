"""What the histories are checked by bites: each kind of wrong history is told."""

from __future__ import annotations

import pytest

from tests.support.battery import Tally
from tests.support.histories import SERVICE, attempts, check
from tests.support.memory import Memory, MemoryStore
from vault_exec.store import Store

KEY = "shared-a"


def store(*values: str) -> Store:
    """A store whose key has had these values."""
    store = MemoryStore(Memory())
    for value in values:
        store.write(SERVICE, KEY, value)
    return store


def told(store: Store, *notes: list[object]) -> list[str]:
    """What is wrong when a writer has noted this."""
    tally = Tally()
    check(store, attempts(notes), tally)
    assert tally.tried.total() == sum(note[0] == "begin" for note in notes)
    return tally.problems


def begin(value: str, if_version: int | None = None, at: float = 0.0) -> list[object]:
    return ["begin", KEY, value, if_version, at]


def done(version: int, at: float = 1.0) -> list[object]:
    return ["done", version, at]


def test_what_is_as_it_should_be() -> None:
    notes = [
        begin("1"),
        done(1),
        begin("x", 5, 1.0),
        ["refused"],
        begin("2", 1, 2.0),
        done(2, 3.0),
        begin("3"),
    ]
    assert told(store("1", "2"), *notes) == []
    assert told(store("1", "2", "3"), *notes) == []


@pytest.mark.parametrize(
    ("values", "notes", "problem"),
    [
        (["2"], [begin("1"), done(1), begin("2"), done(2)], "lost"),
        (["1", "1"], [begin("1"), done(1)], "more than once"),
        (["1"], [begin("1"), ["refused"]], "refused, or never written"),
        (["1"], [begin("1", 3), done(1)], "not the version after the one expected"),
        (["2", "1"], [begin("1"), done(2, 1.0), begin("2", None, 2.0), done(1, 3.0)], "out of order"),
    ],
)
def test_what_is_wrong_is_told(values: list[str], notes: list[list[object]], problem: str) -> None:
    assert any(problem in text for text in told(store(*values), *notes))


def test_a_version_in_force_that_is_not_the_last_is_told() -> None:
    class Behind(MemoryStore):
        def values(self, service: str, label: str | None = None) -> dict[str, str]:
            return {KEY: "1"}

    behind = Behind(Memory())
    for value in "12":
        behind.write(SERVICE, KEY, value)
    assert any(
        "in force" in text for text in told(behind, begin("1"), done(1), begin("2", None, 1.0), done(2, 2.0))
    )
