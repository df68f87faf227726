"""What an author of a backend meets in `vault_exec.testing`. That the contract bites is tests/contract."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from vault_exec.store import Features
from vault_exec.testing import StoreContract

READ_ONLY = Features()
WRITABLE = Features(writable=True)
TAGGED = Features(writable=True, tags=True)


def chosen_in(contract: type[StoreContract]) -> set[str]:
    return {
        name for name in dir(contract) if name.startswith("test_") and getattr(contract, name) is not None
    }


def test_what_a_store_does_not_declare_is_left_out_and_named() -> None:
    class ReadOnly(StoreContract):
        features = READ_ONLY

    class Writable(StoreContract):
        features = WRITABLE

    assert "test_what_is_not_declared_is_refused" in chosen_in(ReadOnly)
    assert "test_values_are_kept_byte_for_byte" not in chosen_in(ReadOnly)
    assert "test_values_are_kept_byte_for_byte" in chosen_in(Writable)
    assert "writable" in ReadOnly.left_out
    assert "writable" not in Writable.left_out
    assert {"tags", "labels", "history", "environ", "damage"} <= set(Writable.left_out)


def test_a_subclass_may_declare_more() -> None:
    class Base(StoreContract):
        features = WRITABLE

    class More(Base):
        features = TAGGED

        @pytest.fixture
        def damage(self) -> None: ...

    class Same(More):
        pass

    for contract in (More, Same):
        assert {
            "test_tags_need_a_secret",
            "test_a_damaged_service_is_an_error_and_never_a_part",
        } <= chosen_in(contract)
        assert not {"tags", "damage"} & set(contract.left_out)
    assert "test_tags_need_a_secret" not in chosen_in(Base)


AUTHORS_TEST = '''
from pathlib import Path

import pytest

from vault_exec.errors import SecretNotFound, ServiceNotFound
from vault_exec.model import Secret, SecretId
from vault_exec.store import Features, Store
from vault_exec.testing import StoreContract


class FolderStore(Store):
    """A folder a service, a file a key."""

    name = "folder"
    features = Features(writable={writable}, empty_values=True)

    def __init__(self, folder):
        self.folder = folder

    def values(self, service, label=None):
        raise ServiceNotFound(f"no service {{service}}", service=service)

    def read(self, service, key, version=None):
        raise SecretNotFound(f"no secret {{service}}/{{key}}")

    def list(self, service, *, values=False, label=None):
        return self.values(service)

    def services(self, prefix=""):
        return []


class TestFolder(StoreContract):
    features = FolderStore.features
    {fixture}
'''

REOPEN = """
    @pytest.fixture
    def reopen(self, tmp_path):
        return lambda: FolderStore(tmp_path)
"""


def run(folder: Path, text: str) -> tuple[int, str]:
    """Run a module of tests as an author has it: away from our own tests and their settings."""
    (folder / "test_it.py").write_text(text)
    (folder / "pytest.ini").write_text("[pytest]\n")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-W", "error"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    return done.returncode, done.stdout + done.stderr


def test_a_store_of_four_methods_passes(tmp_path: Path) -> None:
    code, text = run(tmp_path, AUTHORS_TEST.format(writable=False, fixture=REOPEN))
    assert code == 0, text
    assert "skipped" not in text


def test_a_store_that_declares_what_it_lacks_fails(tmp_path: Path) -> None:
    code, text = run(tmp_path, AUTHORS_TEST.format(writable=True, fixture=REOPEN))
    assert code == 1, text
    assert "FAILED test_it.py::TestFolder::test_values_are_kept_byte_for_byte" in text
    assert "the folder backend cannot write" in text


def test_the_fixture_that_is_missing_is_named(tmp_path: Path) -> None:
    code, text = run(tmp_path, AUTHORS_TEST.format(writable=False, fixture=""))
    assert code == 1, text
    assert "TestFolder must define the fixture `reopen`" in text


def test_without_pytest_it_says_what_to_install() -> None:
    program = "import sys; sys.modules['pytest'] = None; import vault_exec.testing"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == (
        "ImportError: vault_exec.testing needs pytest, which is not installed: pip install pytest"
    )
