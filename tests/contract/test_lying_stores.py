"""The contract bites: every store that lies in one way fails the test that is there for it.

That the honest store they all inherit from passes is test_memory.py.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

from tests.support.liars import Liar, liars

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def failures(tmp_path_factory: pytest.TempPathFactory) -> dict[str, set[str]]:
    """The tests that each liar failed, by the liar's name, of those that must catch it: one run for all."""
    report = tmp_path_factory.mktemp("liars") / "report.xml"
    wanted = [
        f"tests/support/liars.py::Test{liar.__name__}::{test}" for liar in liars() for test in liar.caught_by
    ]
    options = ["-q", "--tb=no", "-p", "no:cacheprovider", "-p", "no:xdist", f"--junitxml={report}"]
    run = subprocess.run(
        [sys.executable, "-m", "pytest", *options, *wanted], cwd=ROOT, capture_output=True, text=True
    )
    assert run.returncode == 1, run.stdout + run.stderr
    failed: dict[str, set[str]] = {}
    for case in ElementTree.parse(report).iter("testcase"):
        for failure in case.findall("failure"):
            _must_be_the_contract_speaking(failure.get("message", ""))
            liar = case.get("classname", "").rpartition(".Test")[2]
            failed.setdefault(liar, set()).add(case.get("name", "").partition("[")[0])
    return failed


def _must_be_the_contract_speaking(message: str) -> None:
    """A liar that fails because it is written badly proves nothing."""
    kinds = ("AssertionError", "assert ", "Failed: DID NOT RAISE", "vault_exec.errors.")
    assert message.startswith(kinds), message


@pytest.mark.parametrize("liar", liars(), ids=lambda liar: liar.__name__)
def test_a_liar_is_caught(liar: type[Liar], failures: dict[str, set[str]]) -> None:
    assert liar.caught_by, "a liar must say which tests catch it"
    assert failures.get(liar.__name__, set()) == set(liar.caught_by)
