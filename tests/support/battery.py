"""The battery: what people trust a secrets wrapper with, as properties that are tried many times.

Each property prints one line at the end of the run, with its figure: `partial starts: 0 of 416 cells`. Its
tests, in one module of tests/battery or several, count with the fixture `tally`:

    def test_something(tally: Tally) -> None:
        tally.property = SOMETHING
        for case in cases[: some(20, 400)]:
            tally.case(problem_or_none, kind="first service")

`make test` runs a short form; `make battery` the long one, which is `BATTERY=1`.
"""

from __future__ import annotations

import os
import threading
from collections import Counter
from collections.abc import Iterator

import pytest

#: Whether the long form runs.
LONG = bool(os.environ.get("BATTERY"))

_PROPERTY = "battery"


def some(short: int, long: int) -> int:
    """How many, or how long: in the short form and in the long one."""
    return long if LONG else short


class Property:
    """A line of the report: `<what must not be>: 0 of <n> <cases>`.

    kinds: what the kinds of its cases are called, where there are several.
    """

    def __init__(self, wrong: str, cases: str, kinds: str = "") -> None:
        self.wrong = wrong
        self.cases = cases
        self.kinds = kinds


class Tally:
    """What one test counted. Threads may share it."""

    def __init__(self) -> None:
        self.property = Property("", "")
        self.tried: Counter[str] = Counter()
        self.problems: list[str] = []
        #: The greatest of each of these that was seen: seconds, or whatever the name says.
        self.most: dict[str, float] = {}
        self.notes: list[str] = []
        self._lock = threading.Lock()

    def case(self, problem: str | None = None, *, kind: str = "", times: int = 1) -> None:
        """One more case; `problem` says what was wrong with it."""
        with self._lock:
            self.tried[kind] += times
            if problem:
                self.problems.append(f"{kind}: {problem}" if kind else problem)

    def saw(self, name: str, value: float) -> None:
        """A measurement, of which the report tells the greatest."""
        with self._lock:
            self.most[name] = max(value, self.most.get(name, value))

    def note(self, text: str) -> None:
        """What the report should say besides, such as a program that this machine does not have."""
        if text not in self.notes:
            self.notes.append(text)

    def check(self) -> None:
        """Fail the test where there was a problem, or nothing to try."""
        shown = "\n".join(self.problems[:20])
        assert not self.problems, f"{len(self.problems)} of {self.tried.total()}:\n{shown}"
        assert self.tried.total() > 0, "nothing was tried"


@pytest.fixture
def tally(record_property: pytest.RecordProperty) -> Iterator[Tally]:
    """Counts cases of `tally.property`, and fails the test at its end where one went wrong."""
    tally = Tally()
    yield tally
    told = {
        "wrong": tally.property.wrong,
        "cases": tally.property.cases,
        "kinds": tally.property.kinds,
        "tried": dict(tally.tried),
        "problems": len(tally.problems),
        "most": tally.most,
        "notes": tally.notes,
    }
    record_property(_PROPERTY, told)
    tally.check()


# -- the report ---------------------------------------------------------------------------------------------


def pytest_configure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput"):  # xdist's workers report to the process that started them
        config.pluginmanager.register(Report())


class Report:
    """A pytest plugin: the properties that a run tried, a line each."""

    def __init__(self) -> None:
        self.lines: dict[str, Line] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when != "teardown":  # the only one of a test's reports that has all it recorded
            return
        for name, told in report.user_properties:
            if name == _PROPERTY and told["wrong"]:
                self.lines.setdefault(told["wrong"], Line(told)).add(told)

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        if self.lines:
            terminalreporter.section(f"the battery, in its {'long' if LONG else 'short'} form")
        for line in self.lines.values():
            terminalreporter.write_line(str(line), red=line.problems > 0)


class Line:
    """What all tests of a property counted."""

    def __init__(self, told: dict[str, object]) -> None:
        self.wrong = told["wrong"]
        self.cases = told["cases"]
        self.kinds = told["kinds"]
        self.tried: Counter[str] = Counter()
        self.problems = 0
        self.most: dict[str, float] = {}
        self.notes: list[str] = []

    def add(self, told: dict[str, object]) -> None:
        self.tried.update(told["tried"])  # type: ignore[arg-type]
        self.problems += told["problems"]  # type: ignore[operator]
        for name, value in told["most"].items():  # type: ignore[attr-defined]
            self.most[name] = max(value, self.most.get(name, value))
        self.notes += [note for note in told["notes"] if note not in self.notes]  # type: ignore[attr-defined]

    def __str__(self) -> str:
        text = f"{self.wrong}: {self.problems:,} of {self.tried.total():,} {self.cases}"
        if self.kinds and len(self.tried) > 1:
            text += f", {len(self.tried):,} {self.kinds} with at least {min(self.tried.values()):,} each"
        more = [f"{name} {value:.4g}" for name, value in self.most.items()]
        return "; ".join([text, *more, *self.notes])
