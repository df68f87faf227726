"""The limits of exec are the kernel's, to the byte: what it would refuse is refused before, with the name of
the variable, and what it would take is taken."""

from __future__ import annotations

import random
import resource
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.support.battery import Property, Tally, some
from tests.support.commands import SCRIPTS, Home
from tests.support.filling import fill
from tests.support.kernel import LONGEST, ask, split, total_limit

INEXACT = Property("sizes that exec and the kernel judge differently", "sizes", "limits")

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="Linux's limits: execve(2)")

KIB = 1 << 10
#: A stack of 128 KiB has no room left for the program itself beside what the kernel passes on.
STACKS = [160 * KIB, *(KIB << n for n in range(8, 17)), 300_000, 5_000_000, 24 << 20, (24 << 20) + 4096]


def hard_limit_allows(stack: int) -> bool:
    hard = resource.getrlimit(resource.RLIMIT_STACK)[1]
    return hard == resource.RLIM_INFINITY or stack <= hard


def shapes(total: int) -> list[list[int]]:
    """Variables that together have this total: few long ones, many short ones, of all sizes."""
    chance = random.Random(total)
    return [split(total, piece) for piece in (100_000, 4_000, chance.randrange(500, 60_000))]


def test_the_total_is_the_kernels(tally: Tally) -> None:
    tally.property = INEXACT
    stacks = [stack for stack in STACKS if hard_limit_allows(stack)]
    cases = [
        (stack, over, shape)
        for stack in (stacks if some(0, 1) else stacks[1::5])
        for over in (-1, 0, 1, some(1, 4096))
        for shape in shapes(total_limit(stack) + over)[: some(1, 3)]
    ]

    def judge(case: tuple[int, int, list[int]]) -> None:
        stack, over, sizes = case
        expected = "too much" if over > 0 else "fits"
        judged = ask(stack, sizes)
        wrong = None if judged == (expected, expected) else f"{over:+}, {len(sizes)} variables: {judged}"
        tally.case(wrong, kind=f"a stack of {stack:,}")

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(judge, cases))


@pytest.mark.parametrize("what", ["a variable", "an argument"])
def test_the_longest_string_is_the_kernels(what: str, tally: Tally) -> None:
    tally.property = INEXACT
    for over in (-1, 0, 1, 2):
        sizes = [LONGEST + over]
        judged = ask(8 << 20, sizes) if what == "a variable" else ask(8 << 20, [], sizes)
        expected = "too much" if over > 0 else "fits"
        tally.case(None if judged == (expected, expected) else f"{over:+}: {judged}", kind=what)


# -- the same with secrets, from a store --------------------------------------------------------------------


def exec_under(stack: int, home: Home, *words: str) -> subprocess.CompletedProcess[str]:
    """exec of a program that has nothing but the secrets, under this limit of the stack."""
    limit = "import os, resource, sys; resource.setrlimit(resource.RLIMIT_STACK, (int(sys.argv[1]),) * 2)"
    command = [sys.executable, "-ISc", f"{limit}; os.execv(sys.argv[2], sys.argv[2:])", str(stack)]
    command += [str(SCRIPTS / "vault-exec"), "exec", "svc", "--pristine", "--quiet", "--", *words]
    return subprocess.run(
        command, env=home.environ, cwd=home.path, capture_output=True, text=True, timeout=60
    )


def refusal(done: subprocess.CompletedProcess[str], words: str, *, fits: bool) -> str | None:
    """What is wrong with the answer; None where it is as it should be."""
    if fits:
        return None if (done.returncode, done.stderr) == (0, "") else f"refused: {done.stderr}"
    told = words in done.stderr and "xxx" not in done.stderr and "Traceback" not in done.stderr
    return None if (done.returncode, done.stdout, told) == (125, "", True) else f"taken: {done}"


def test_a_secret_of_the_longest_length(tmp_path: Path, tally: Tally) -> None:
    tally.property = INEXACT
    for number, over in enumerate((-1, 0, 1, 2)):
        folder = tmp_path / str(number)
        folder.mkdir()
        home = fill(Home(folder), {"svc": {"big": "x" * (LONGEST - len("BIG=") + over)}})
        done = exec_under(8 << 20, home, "/usr/bin/env")
        if over <= 0 and done.stdout != f"BIG={'x' * (LONGEST - len('BIG=') + over)}\n":
            tally.case(f"{over:+}: another value", kind="a secret")
            continue
        tally.case(refusal(done, "the variable BIG (svc/big)", fits=over <= 0), kind="a secret")


def test_secrets_of_the_greatest_total(tmp_path: Path, tally: Tally) -> None:
    tally.property = INEXACT
    stacks = [stack for stack in STACKS if hard_limit_allows(stack) and stack >= 1 << 20]
    for number, stack in enumerate(stacks if some(0, 1) else stacks[:1]):
        for over in (0, 1):
            folder = tmp_path / f"{number}-{over}"
            folder.mkdir()
            # split counts the program as /bin/true, called true; here it is called /bin/true.
            sizes = split(total_limit(stack) + over - len("/bin/"), 100_000)
            values = {f"k{n:04}": "x" * (size - len("K0000=")) for n, size in enumerate(sizes)}
            home = fill(Home(folder), {"svc": values})
            done = exec_under(stack, home, "/bin/true")
            words = "the largest variable is K0"
            tally.case(refusal(done, words, fits=not over), kind=f"secrets, a stack of {stack:,}")
