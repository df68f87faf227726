"""The search for leaks finds what leaks."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.support.leaks import PASSPHRASE, VALUE, Arguments, found, found_in_files
from tests.support.processes import wait_until

SECRET = VALUE * 4


@pytest.mark.parametrize(
    "script",
    [
        'echo "$V"',
        'echo "a$V" | base64',
        'printf "ab%s" "$V" | base64',
        'printf %s "$V" | od -An -tx1 | tr -d " "',
        'echo "$V" | cut -c30-40',
        'echo "$V" | tr a-z A-Z',
        'printf %s "$V" | rev',
    ],
)
def test_what_is_printed_is_found(script: str) -> None:
    environ = {"V": SECRET, "PATH": "/usr/bin:/bin"}
    done = subprocess.run(["sh", "-c", script], env=environ, capture_output=True, check=True)
    assert found(done.stdout) == [VALUE]


def test_what_shows_nothing_is_not_found() -> None:
    assert found(b"vault-exec: error: svc/key is not there") == []
    assert found(VALUE[:7].encode()) == []


def test_what_stands_in_files_is_found(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "file").write_text(f"x{SECRET}")
    (tmp_path / PASSPHRASE).touch()
    (tmp_path / "asked").write_text(SECRET)
    shown = found_in_files(tmp_path, but=frozenset([tmp_path / "asked"]))
    assert sorted(shown) == sorted([f"file shows {VALUE}", f"{PASSPHRASE} shows {PASSPHRASE}"])


def test_what_stands_in_arguments_is_found() -> None:
    with Arguments() as arguments:
        process = subprocess.Popen(
            ["tail", "-f", "/dev/null", "--", f"/nonexistent/{SECRET}"], stderr=subprocess.DEVNULL
        )
        try:
            wait_until(lambda: bool(arguments.seen))
        finally:
            process.kill()
            process.wait()
    [seen] = arguments.seen
    assert SECRET.encode() in seen
