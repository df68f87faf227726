"""What reading and writing at once gains where each call takes 20 ms: `make bench`.

The installed command against a canned AWS (canned.py). What it takes over the same command with one secret
and no waiting is compared with its calls made one after another. The ratios of the medians come first, then
milliseconds.

    parallel.py [RUNS]    how often each case runs (7)
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median, quantiles

sys.path[0] = str(Path(__file__).parents[2])  # started as a file, and uses what the tests use

from tests.support.commands import SCRIPTS, aws_variables, no_proxy  # noqa: E402

MILLISECONDS = 20
IMPORTED = 200

#: What a case must reach at least: its calls one after another, divided by what they take.
NEEDED = {"list of 200 secrets, s3": 8.0, "history of 60 versions, secretsmanager": 8.0}


class Case:
    """A command with many calls, and the same with few: their words, by the number of the run, since what is
    imported must be new."""

    def __init__(
        self, backend: str, many: Callable[[int], list[str]], few: Callable[[int], list[str]]
    ) -> None:
        self.backend = backend
        self.many = many
        self.few = few
        self.took: list[float] = []
        self.start: list[float] = []
        self.counts: Counter[str] = Counter()

    def run(self, number: int, waiting: str, quick: str) -> None:
        """Once with few calls that take no time, once with many that do; the URLs say where."""
        self.start.append(timed(self.backend, self.few(number), quick))
        counted(waiting)
        self.took.append(timed(self.backend, self.many(number), waiting))
        self.counts = counted(waiting)

    @property
    def over_start(self) -> float:
        return median(self.took) - median(self.start)


def main() -> None:
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 7
    no_proxy()
    with tempfile.TemporaryDirectory() as folder, canned(MILLISECONDS) as waiting, canned(0) as quick:
        cases = prepared(Path(folder))
        for number in range(-1, runs):
            for case in cases.values():
                if number < 0:  # to warm up
                    timed(case.backend, case.few(number), quick)
                else:
                    case.run(number, waiting, quick)
    report(cases, runs)


def prepared(folder: Path) -> dict[str, Case]:
    many, few = folder / "many.json", folder / "few.json"
    many.write_text(json.dumps({f"key-{number:03}": f"value {number}" for number in range(IMPORTED)}))
    few.write_text('{"key": "value"}')

    def same(*words: str) -> Callable[[int], list[str]]:
        return lambda number: list(words)

    def imported(file: Path, service: str) -> Callable[[int], list[str]]:
        return lambda number: ["import", f"{service}-{os.getpid()}-{number}-new", str(file)]

    true = ("--", "true")
    return {
        "list of 200 secrets, s3": Case("s3", same("list", "app-200"), same("list", "app-1")),
        "history of 60 versions, secretsmanager": Case(
            "secretsmanager", same("history", "app-60", "key"), same("history", "app-1", "key")
        ),
        "import of 200 new keys, ssm": Case("ssm", imported(many, "many"), imported(few, "few")),
        "import of 200 new keys, s3": Case("s3", imported(many, "many"), imported(few, "few")),
        "exec of one service of 30, ssm": Case(
            "ssm", same("exec", "a-30", *true), same("exec", "a-1", *true)
        ),
        "exec of three services of 30, ssm": Case(
            "ssm", same("exec", "a-30", "b-30", "c-30", *true), same("exec", "a-1", *true)
        ),
    }


def timed(backend: str, words: list[str], url: str) -> float:
    """How long the command takes, in milliseconds."""
    environ = {
        "PATH": "/usr/bin:/bin",
        "HOME": "/nonexistent",
        "CHAMBER_S3_BUCKET": "bucket",
        **aws_variables(url),
    }
    command = [str(SCRIPTS / "vault-exec"), "--backend", backend, *words]
    output = [(os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0)]
    began = time.perf_counter()
    pid = os.posix_spawn(command[0], command, environ, file_actions=output)
    _, status = os.waitpid(pid, 0)
    took = (time.perf_counter() - began) * 1000
    if status:
        sys.exit(f"{' '.join(command)} failed with status {status}")
    return took


def counted(url: str) -> Counter[str]:
    """The calls since this was last asked for."""
    with urllib.request.urlopen(f"{url}/counts") as answer:
        return Counter(json.load(answer))


@contextmanager
def canned(milliseconds: int) -> Iterator[str]:
    command = [sys.executable, str(Path(__file__).parent / "canned.py"), str(milliseconds)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        yield server.stdout.readline().strip()
        server.communicate()


def report(cases: dict[str, Case], runs: int) -> None:
    print(f"{MILLISECONDS} ms a call, {runs} runs taking turns, medians, less the start.\n")
    width = max(map(len, cases))
    for name, case in cases.items():
        ratio = case.counts.total() * MILLISECONDS / case.over_start
        needed = NEEDED.get(name, 0.0)
        mark = f"  (needs {needed:g}{'' if ratio >= needed else ': MISSED'})" if needed else ""
        print(f"{name:{width}}  {ratio:5.1f} times as fast as one after another{mark}")
    one, three = (cases[f"exec of {count}, ssm"] for count in ("one service of 30", "three services of 30"))
    print(f"{'exec of three services / of one':{width}}  {three.over_start / one.over_start:5.2f}")
    puts = cases["import of 200 new keys, s3"].counts
    index = sum(times for call, times in puts.items() if call.startswith("PUT ") and "__latest" in call)
    print(f"{'index writes of the import, s3':{width}}  {index:5}\n")
    for name, case in cases.items():
        print(
            f"{name:{width}}  {case.over_start:6.0f} ms over a start of {median(case.start):.0f} ms"
            f" (8 of 10: {spread(case.took)}), {case.counts.total()} calls"
        )


def spread(took: list[float]) -> str:
    low, *_, high = quantiles(took, n=10)
    return f"{low:.0f} to {high:.0f}"


if __name__ == "__main__":
    main()
