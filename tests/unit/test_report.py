"""The report at the end of a run: what the contract ran on, what was skipped, and when that is a failure."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.report import EXPECTED

ROOT = Path(__file__).parents[2]

STORE = """
import pytest
from tests.support.memory import MemoryContract, MemoryStore

class Store(MemoryStore):
    name = "{name}"

class TestIt(MemoryContract):
    kind = Store

    @pytest.fixture
    def variant(self):
        return "{variant}"
"""

SKIPPED = """
import pytest

def test_that_cannot_run():
    pytest.skip("no such machine here")
"""


class Project:
    """A folder of tests like ours, with the contract on stores of these names."""

    def __init__(self, folder: Path, *names: str) -> None:
        self.folder = folder
        (folder / "pytest.ini").write_text("[pytest]\ntestpaths = tests\n")
        for number, store in enumerate(names):
            name, _, variant = store.rstrip(")").partition(" (")
            self.add(f"tests/contract/test_{number}.py", STORE.format(name=name, variant=variant))

    def add(self, path: str, text: str) -> None:
        file = self.folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)

    def run(self, *arguments: str) -> tuple[int, str]:
        options = ["-q", "--import-mode=importlib", "-p", "no:cacheprovider", "-p", "tests.support.report"]
        done = subprocess.run(
            [sys.executable, "-m", "pytest", *options, *arguments],
            cwd=self.folder,
            env={"PYTHONPATH": str(ROOT), "PATH": os.environ["PATH"]},
            capture_output=True,
            text=True,
        )
        return done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize("workers", [(), ("-n", "2")], ids=["alone", "xdist"])
def test_a_run_names_the_stores_and_the_skips(tmp_path: Path, workers: tuple[str, ...]) -> None:
    project = Project(tmp_path, *EXPECTED)
    project.add("tests/unit/test_other.py", SKIPPED)
    code, text = project.run(*workers)
    assert code == 0, text
    for name in EXPECTED:
        assert re.search(
            rf"^{re.escape(name)}: [1-9]\d+ passed; does not have: environ$", text, re.MULTILINE
        ), text
    assert "tests/unit/test_other.py::test_that_cannot_run: Skipped: no such machine here" in text


@pytest.mark.parametrize("workers", [(), ("-n", "2")], ids=["alone", "xdist"])
def test_a_skip_in_the_contract_fails_the_run(tmp_path: Path, workers: tuple[str, ...]) -> None:
    project = Project(tmp_path)
    project.add("tests/contract/test_more.py", SKIPPED)
    code, text = project.run(*workers, "tests/contract/test_more.py")
    assert code == 1, text
    assert "FAILED: tests/contract/test_more.py::test_that_cannot_run was skipped" in text


def test_a_backend_that_did_not_run_fails_a_whole_run(tmp_path: Path) -> None:
    project = Project(tmp_path, *EXPECTED[1:-1])
    for arguments in ((), ("tests/contract",)):
        code, text = project.run(*arguments)
        assert code == 1, text
        told = [line for line in text.splitlines() if line.startswith("FAILED: ")]
        assert told == [f"FAILED: the contract did not run on {name}" for name in (EXPECTED[0], EXPECTED[-1])]


def test_a_store_may_say_more_about_itself(tmp_path: Path) -> None:
    assert "local (keyring)" in EXPECTED
    named = [store.replace("(keyring)", "(keyring: in a file)") for store in EXPECTED]
    code, text = Project(tmp_path, *named).run()
    assert code == 0, text
    assert "\nlocal (keyring: in a file): " in text


def test_a_part_of_the_tests_may_leave_backends_out(tmp_path: Path) -> None:
    project = Project(tmp_path)
    project.add("tests/unit/test_other.py", "def test_it(): pass")
    code, text = project.run("tests/unit")
    assert code == 0, text
    assert "contract" not in text


def test_a_module_that_skips_itself_is_seen(tmp_path: Path) -> None:
    project = Project(tmp_path)
    project.add("tests/contract/test_more.py", "import pytest\npytest.importorskip('no_such_package')")
    code, text = project.run("tests/contract/test_more.py")
    assert code != 0, text
    assert "FAILED: tests/contract/test_more.py was skipped" in text
