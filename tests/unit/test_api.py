"""The Python API: what `load_environ` and `open_store` give, in a process of its own as a program has it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import vault_exec
from tests.support.commands import Home
from tests.support.filling import fill, fill_ssm


@pytest.fixture
def filled(home: Home, monkeypatch: pytest.MonkeyPatch) -> Home:
    """A filled local store that this very process finds, as a program would."""
    fill(home, {"svc": {"db-host": "h", "dot.ted": "d"}, "other": {"db-host": "h2", "key": "🔑\n"}})
    for name in ("VAULT_EXEC_BACKEND", "CHAMBER_SECRET_BACKEND", "VAULT_EXEC_CONFIG", "XDG_CONFIG_HOME"):
        monkeypatch.delenv(name, raising=False)
    for name in ("XDG_DATA_HOME", "VAULT_EXEC_STORE", "VAULT_EXEC_NAMES"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", home.environ["HOME"])
    return home


def test_load_environ_gives_what_exec_would_inject(filled: Home) -> None:
    assert vault_exec.load_environ("svc") == {"DB_HOST": "h", "DOT_TED": "d"}


def test_later_services_win_and_the_caller_may_be_told(filled: Home) -> None:
    told: list[str] = []
    variables = vault_exec.load_environ("svc", "other", backend="local", notify=told.append)
    assert variables == {"DB_HOST": "h2", "DOT_TED": "d", "KEY": "🔑\n"}
    assert told == ["service other overwriting environment variable DB_HOST"]


def test_settings_are_keywords(filled: Home) -> None:
    load = vault_exec.load_environ
    assert load("svc", names="chamber") == {"DB_HOST": "h", "DOT.TED": "d"}
    assert load("gone", "other", allow_missing=True) == {"DB_HOST": "h2", "KEY": "🔑\n"}
    assert load("gone", "other", optional=["gone"]) == {"DB_HOST": "h2", "KEY": "🔑\n"}
    with pytest.raises(vault_exec.UsageError, match="no setting"):
        load("svc", bogus=1)
    with pytest.raises(vault_exec.UsageError, match="nosuch"):
        load("svc", backend="nosuch")


def test_what_is_not_there_is_an_error(filled: Home) -> None:
    with pytest.raises(vault_exec.NotFoundError, match="gone"):
        vault_exec.load_environ("svc", "gone")
    with pytest.raises(vault_exec.UsageError, match="a//b"):
        vault_exec.load_environ("a//b")


def test_two_keys_with_one_name_are_an_error(filled: Home) -> None:
    with vault_exec.open_store() as store:
        store.write("svc", "db_host", "x")
    with pytest.raises(vault_exec.UsageError, match="db-host and db_host"):
        vault_exec.load_environ("svc")


def test_a_store_is_opened_written_and_read(filled: Home) -> None:
    with vault_exec.open_store("local", timeout=5.0) as store:
        assert store.write("svc", "new", "value") == 1
        assert store.read("svc", "new").value == "value"
        assert store.features.writable
        with pytest.raises(vault_exec.UsageError, match="bad key"):
            store.write("svc", "bad key", "x")
    assert vault_exec.load_environ("svc")["NEW"] == "value"


def test_parameter_store(moto: object, aws: dict[str, str]) -> None:
    fill_ssm(moto.url, {"one": {"a": "1"}, "two": {"a": "2"}})  # type: ignore[attr-defined]
    assert vault_exec.load_environ("one", "two", backend="ssm") == {"A": "2"}


def test_importing_it_loads_no_backend(tmp_path: Path) -> None:
    heavy = [
        "boto3",
        "botocore",
        "click",
        "cryptography",
        "keyring",
        "yaml",
        "sqlite3",
        "typing",
        "re",
        "json",
    ]
    probe = f"import sys, vault_exec; print([name for name in {heavy!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-I", "-c", probe], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_types_are_shipped(tmp_path: Path) -> None:
    (tmp_path / "program.py").write_text(
        "import vault_exec\n"
        "variables: dict[str, str] = vault_exec.load_environ('svc', backend='local', timeout=1.0)\n"
        "with vault_exec.open_store() as store:\n"
        "    version: int = store.write('svc', 'key', 'value')\n"
        "wrong: int = vault_exec.load_environ('svc')\n"
    )
    command = [sys.executable, "-m", "mypy", "--strict", "--cache-dir", str(tmp_path / "cache"), "program.py"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert "program.py:5: error: Incompatible types in assignment" in done.stdout
    assert "Found 1 error" in done.stdout, done.stdout
