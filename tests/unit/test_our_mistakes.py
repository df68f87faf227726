"""A mistake of ours, or of somebody's backend, ends like any other error: no traceback, no value."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from vault_exec import cli

BACKEND = """
from vault_exec.store import Features, Store

class Broken(Store):
    name = "broken"
    features = Features()

    def values(self, service, label=None):
        secret = "canary-value"
        raise RuntimeError("cannot handle " + secret)

    def list(self, service, *, values=False, label=None):
        return self.values(service)

    def read(self, service, key, version=None): ...
    def services(self, prefix=""): ...

def open(context):
    return Broken()
"""


@pytest.mark.parametrize(
    ("line", "code"),
    [("list svc -e", 1), ("export svc", 1), ("find -v x", 1)],
)
def test_no_traceback_and_no_value(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    line: str,
    code: int,
) -> None:
    installed = tmp_path / "broken-1.0.dist-info"
    installed.mkdir()
    (installed / "METADATA").write_text("Metadata-Version: 2.1\nName: broken\nVersion: 1.0\n")
    (installed / "entry_points.txt").write_text("[vault_exec.backends]\nbroken = broken_backend:open\n")
    (tmp_path / "broken_backend.py").write_text(BACKEND)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("VAULT_EXEC_BACKEND", "broken")
    monkeypatch.setattr(sys, "argv", ["vault-exec", *line.split()])
    assert cli._run("vault-exec", {}) == code
    out, err = capsys.readouterr()
    assert out == ""
    assert "canary-value" not in err
    assert "Traceback" not in err
    first, second = err.splitlines()
    assert first.startswith("vault-exec: error: unexpected ")
    assert second.startswith("vault-exec: hint: please report it")
    assert ".py:" in second
