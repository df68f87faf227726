"""The store without secrets, as in Segment's chamber, but for the exit codes."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from tests.support.commands import Home
from tests.support.recorded import Difference, Recorded, load, problems

CANNOT = "A command that a backend cannot serve says so by name, with exit code 2."

DIFFERENCES: Mapping[tuple[str, ...], Difference] = {
    ("write", "app", "k", "v"): Difference(CANNOT, code=2, err="null"),
    ("delete", "app", "k"): Difference(CANNOT, code=2, err="null"),
    ("read", "app", "k"): Difference("3 not found", code=3, err="app/k"),
}


@pytest.mark.parametrize("call", load("null"), ids=lambda call: "-".join(call.argv[:3]))
def test_the_same_commands_answer_the_same(home: Home, call: Recorded) -> None:
    home.set(CHAMBER_SECRET_BACKEND="null")
    assert problems(call, call.run(home), DIFFERENCES.get(call.argv)) == []


def test_every_difference_is_one_of_a_recorded_command() -> None:
    assert DIFFERENCES.keys() <= {call.argv for call in load("null")}
