"""Commands that Segment's chamber v3.1.4 ran against moto's server, and what it answered, to be run again.

In the recordings times are `<time>` and request ids `<id>`, and what the recording machine's own environment
held (PATH, HOME, AWS_…, CHAMBER_…) is left out of what exec's programs printed.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.support.commands import Home, Result

DATA = Path(__file__).parent.parent / "compat" / "data"

_TIME = re.compile(r"\b\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\b")
_TABLES = ("list", "history", "list-services", "find", "tag", "read")
_AMBIENT = re.compile(r"^(PATH|HOME|LANG|LC_CTYPE|TZ|PWD|PYTHON\w*|AWS_\w+|CHAMBER_\w+)=")


class Recorded:
    """One command. `written` names what it writes, such as `app/key`; None for a command that only reads."""

    def __init__(self, entry: dict[str, Any]) -> None:
        self.argv: tuple[str, ...] = tuple(entry["argv"])
        self.stdin: str = entry["stdin"] or ""
        self.env: dict[str, str] = entry["env"]
        self.code: int = entry["rc"]
        self.out: str = entry["stdout"]
        self.err: str = entry["stderr"]

    @property
    def written(self) -> str | None:
        command = self.argv[0]
        if command in ("write", "delete"):
            return "/".join(self.argv[1:3]).lower()
        if command == "import":
            return self.argv[1]
        if self.argv[:2] in (("tag", "write"), ("tag", "delete")):
            return "/".join(self.argv[2:4])
        return None

    def run(self, home: Home) -> Result:
        return home.run(*self.argv, stdin=self.stdin, env=self.env, program="chamber")

    def shown(self, text: str) -> object:
        """What the command printed, as far as it must be the same: tables by their cells, JSON and YAML as
        parsed, the environment of a program without order and surroundings, the rest byte for byte."""
        command = self.argv[0]
        if command in _TABLES and "-q" not in self.argv:
            return re.sub(r"\t+", "\t", _TIME.sub("<time>", text))
        if command == "export" and text and not {"-f", "--format"} & set(self.argv):
            return json.loads(text)
        if command == "export" and text and "json" in self.argv:
            return json.loads(text)
        if command == "exec" and self.argv[-1] in ("env", "/usr/bin/env"):
            return sorted(line for line in text.splitlines() if not _AMBIENT.match(line))
        return text


class Difference:
    """Where this program differs on purpose.

    follows: the words of the design that ask for it. code: our exit code. instead_of: counts only where
    chamber's exit code was this (the same command may come twice). out, err: what we print where that is not
    the same; for an error, `err` is part of our message. lines: keys whose lines of the output differ, while
    all others are the same.
    """

    def __init__(
        self,
        follows: str,
        *,
        code: int | None = None,
        instead_of: int | None = None,
        out: object = None,
        err: str | None = None,
        lines: Sequence[str] = (),
    ) -> None:
        self.follows = follows
        self.code = code
        self.instead_of = instead_of
        self.out = out
        self.err = err
        self.lines = lines


def load(backend: str) -> list[Recorded]:
    """The commands of a backend, in the order in which they ran."""
    entries = json.loads((DATA / f"{backend}.calls.json").read_text())
    return [Recorded(entry) for entry in entries]


def state(backend: str) -> dict[str, Any]:
    """What the store held after the last of them."""
    found: dict[str, Any] = json.loads((DATA / f"{backend}.state.json").read_text())
    return found


def batches(calls: Sequence[Recorded]) -> list[list[Recorded]]:
    """The commands in groups that can run at once: readers together, and first writers of secrets together;
    who writes a secret again runs alone."""
    groups: list[list[Recorded]] = []
    before: str | None = None
    seen: set[str] = set()
    for call in calls:
        kind = "reads" if call.written is None else "again" if call.written in seen else "writes"
        seen.add(call.written or "")
        if kind != before or kind == "again":
            groups.append([])
        groups[-1].append(call)
        before = kind
    return groups


def problems(call: Recorded, ours: Result, difference: Difference | None) -> list[str]:
    """How our answer differs from the recorded one, other than in the way it should."""
    wanted = difference
    if wanted is None or wanted.instead_of not in (None, call.code):
        wanted = Difference("")
    code = call.code if wanted.code is None else wanted.code
    found = [] if ours.code == code else [f"exit code {ours.code}, not {code}: {ours.err}"]
    if wanted.lines:
        if _differing(call.out, ours.out) != set(wanted.lines):
            found.append(f"lines differ: {sorted(_differing(call.out, ours.out))}")
    else:
        out = call.shown(call.out) if wanted.out is None else wanted.out
        if call.shown(ours.out) != out:
            found.append(f"output {ours.out!r}, not {out!r}")
    is_error = bool(wanted.code) or (wanted.code is None and call.err.startswith("Error: "))
    if is_error and not (ours.err.startswith("chamber: error: ") and (wanted.err or "") in ours.err):
        found.append(f"error {ours.err!r}")
    if not is_error and ours.err != (call.err if wanted.err is None else wanted.err):
        found.append(f"error output {ours.err!r}")
    return [f"{' '.join(call.argv)}: {problem}" for problem in found]


def _differing(theirs: str, ours: str) -> set[str]:
    """The first words of the lines that are not in both."""
    return {re.split(r"[ =]", line)[0] for line in set(theirs.split("\n")) ^ set(ours.split("\n"))}
