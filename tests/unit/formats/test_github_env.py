"""github-env: the runner sets the values exactly, whatever the file held before and whatever they hold."""

from __future__ import annotations

import re

import pytest
from hypothesis import given

from tests.support.formats import examples, variables
from vault_exec.errors import FormatError
from vault_exec.formats import Options, dump


def as_the_runner_reads(text: str) -> list[tuple[str, str]]:
    """The rules of GitHub's documentation ("Multiline strings" of "Workflow commands"): lines end in LF, and
    whichever of `=` and `<<` comes first says what kind of assignment it is."""
    found = []
    lines = text.split("\n")
    assert lines.pop() == "", "a delimiter without a line end"
    while lines:
        line = lines.pop(0)
        if not line:
            continue
        if "<<" in line.partition("=")[0]:
            name, _, delimiter = line.partition("<<")
            assert name
            assert delimiter
            end = lines.index(delimiter)
            value = "\n".join(lines[:end])
            del lines[: end + 1]
        else:
            name, equals, value = line.partition("=")
            assert equals
        found.append((name, value))
    return found


@examples()
@given(variables)
def test_the_runner_sets_the_values_exactly(secrets: dict[str, str]) -> None:
    assert as_the_runner_reads("OLD=x\n" + dump("github-env", secrets) + "NEW=y\n") == [
        ("OLD", "x"),
        *sorted(secrets.items()),
        ("NEW", "y"),
    ]


@examples()
@given(variables)
def test_no_value_can_know_its_delimiter(secrets: dict[str, str]) -> None:
    first, second = (dump("github-env", secrets) for _ in range(2))
    delimiters = [re.findall(r"^V\w*<<(end_[0-9a-f]{32})$", text, re.MULTILINE) for text in (first, second)]
    assert len({*delimiters[0], *delimiters[1]}) == 2 * len(secrets)


def test_a_value_from_an_older_file_does_not_end_early() -> None:
    older = dump("github-env", {"k": "x"})
    assert as_the_runner_reads(dump("github-env", {"k": older + "EVIL=1\n"})) == [("K", older + "EVIL=1\n")]


def test_the_note_says_that_the_values_are_not_masked() -> None:
    notes: list[str] = []
    dump("github-env", {"k": "SECRET"}, Options(note=notes.append))
    assert notes == ["github-env: logs of the job show these values unless they are masked with ::add-mask::"]
    dump("github-env", {}, Options(note=notes.append))
    assert len(notes) == 1


@pytest.mark.parametrize("key", ["node_options", "NODE-OPTIONS", "node.options"])
def test_the_variable_that_the_runner_refuses_is_refused_by_key(key: str) -> None:
    with pytest.raises(FormatError, match=f"github-env cannot hold '{key}': the runner refuses"):
        dump("github-env", {key: "SECRET"})
