"""shell, and what env prints: a POSIX sh has the values exactly; the renderings of chamber."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
from hypothesis import given

from tests.support.formats import examples, few, many, secrets, tool, variables
from vault_exec.errors import FormatError
from vault_exec.formats import dump
from vault_exec.formats.shell import env

SHELLS = ("sh", "dash", "bash")


def as_shell_reads(shell: str, text: str, folder: Path) -> dict[str, str]:
    """The variables V… that a program has which the shell starts after `eval "$(cat file)"`."""
    (folder / "file").write_bytes(text.encode())
    script = 'eval "$(cat "$1")" && exec env -0'
    command = [tool(shell), "-c", script, "script", str(folder / "file")]
    done = subprocess.run(
        command, capture_output=True, check=True, env={"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8"}
    )
    pairs = [entry.partition("=") for entry in done.stdout.decode().split("\0") if entry]
    return {name: value for name, _, value in pairs if name.startswith("V")}


@examples(150)
@given(secrets=variables)
def test_sh_has_the_values_exactly(secrets: dict[str, str], tmp_path: Path) -> None:
    assert as_shell_reads("sh", dump("shell", secrets), tmp_path) == secrets


@pytest.mark.parametrize("shell", SHELLS)
@few(100)
@given(secrets=many())
def test_every_posix_shell_has_the_values_exactly(
    shell: str, secrets: dict[str, str], tmp_path: Path
) -> None:
    assert as_shell_reads(shell, dump("shell", secrets), tmp_path) == secrets


@few(100)
@given(secrets=many(lambda value: not set(value) & set("\r\n")))
def test_sh_has_escaped_strings_exactly_too_where_they_are_one_line(
    secrets: dict[str, str], tmp_path: Path
) -> None:
    assert as_shell_reads("sh", env(secrets, escape_strings=True), tmp_path) == secrets


@examples()
@given(secrets)
def test_every_key_becomes_a_variable_of_its_own_or_nothing_is_written(secrets: dict[str, str]) -> None:
    named = {re.sub(r"[.-]", "_", key).upper() for key in secrets}
    try:
        text = dump("shell", secrets)
    except FormatError:
        assert len(named) < len(secrets) or any(name[0].isdigit() for name in named)
    else:
        assert len(named) == len(secrets)
        assert all(f"export {name}=" in text for name in named)


def test_quotes_are_where_chamber_puts_them() -> None:
    secrets = {"a": "", "b": "a@%+=:,./-_1", "c": "it's", "d": "~", "e": "ä", "f": "a\nb"}
    assert dump("shell", secrets) == (
        "export A=''\nexport B=a@%+=:,./-_1\nexport C='it'\"'\"'s'\n"
        "export D='~'\nexport E='ä'\nexport F='a\nb'\n"
    )
    escaped = {"a": '\\n"$`', "b": "\n\r\t'!"}
    assert env(escaped, escape_strings=True) == 'export A="\\\\n\\"\\$\\`"\nexport B="\\n\\r\t\'!"\n'


def test_names_keep_their_case_when_asked() -> None:
    assert env({"Db-host.x": "h"}, preserve_case=True) == "export Db_host_x=h\n"
    assert env({"a": "1", "A": "2"}, preserve_case=True) == "export A=2\nexport a=1\n"
    with pytest.raises(FormatError, match="'A' and 'a' would both be A in sh"):
        env({"a": "1", "A": "2"})
    with pytest.raises(FormatError, match="'A-b' and 'A_b' would both be A_b in sh"):
        env({"A_b": "1", "A-b": "2"}, preserve_case=True)


def test_a_name_that_sh_cannot_use_is_refused_without_its_value() -> None:
    with pytest.raises(FormatError) as error:
        env({"2fa": "SECRET"})
    assert str(error.value) == "sh cannot hold '2fa': '2FA' is not a name that it allows"
