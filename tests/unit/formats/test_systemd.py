"""systemd: a unit has the values exactly; what systemd does not take for text is refused."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
from hypothesis import given

from tests.support.formats import examples, few, many, missing, variables_for
from vault_exec.errors import FormatError
from vault_exec.formats import dump

#: Reads environment.d with the parser of EnvironmentFile= (src/basic/env-file.c), then expands `$` in values.
GENERATOR = Path("/usr/lib/systemd/user-environment-generators/30-systemd-environment-d-generator")


def is_text(value: str) -> bool:
    return not any(0xFDD0 <= ord(c) <= 0xFDEF or ord(c) & 0xFFFE == 0xFFFE for c in value)


def as_systemd_reads(text: str) -> dict[str, str]:
    """systemd.exec(5), EnvironmentFile=, for assignments in double quotes."""
    found = {}
    at = 0
    while at < len(text):
        equals = text.index("=", at)
        name, at = text[at:equals], equals + 2
        assert text[equals + 1] == '"'
        value = ""
        while text[at] != '"':
            if text[at] == "\\":
                at += 1
                if text[at] not in '"\\`$\n':
                    value += "\\"
                if text[at] == "\n":
                    at += 1
                    continue
            value += text[at]
            at += 1
        assert text[at + 1] == "\n"
        found[name] = value
        at += 2
    return found


def as_its_generator_reads(text: str, folder: Path) -> dict[str, str]:
    (folder / "environment.d").mkdir(exist_ok=True)
    (folder / "environment.d" / "zz.conf").write_bytes(text.encode())
    done = subprocess.run([GENERATOR], env={"XDG_CONFIG_HOME": str(folder)}, capture_output=True, check=True)
    assert not done.stderr
    pairs = [line.partition("=") for line in done.stdout.decode().split("\n")]
    return {name: _printed(value) for name, _, value in pairs if name.startswith("V")}


def _printed(value: str) -> str:
    """A value as the generator prints it: bare, or in double quotes with C's escapes."""
    letters = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}

    def character(match: re.Match[str]) -> str:
        code = match[1]
        return chr(int(code, 8)) if code.isdigit() else letters.get(code, code)

    return re.sub(r"\\([0-7]{3}|.)", character, value[1:-1]) if value.startswith('"') else value


@examples()
@given(variables_for(is_text))
def test_the_manuals_rules_read_the_values_exactly(secrets: dict[str, str]) -> None:
    assert as_systemd_reads(dump("systemd", secrets)) == secrets


@few(100)
@given(secrets=many(is_text))
def test_systemds_own_parser_reads_the_values_exactly(secrets: dict[str, str], tmp_path: Path) -> None:
    if not GENERATOR.exists():
        missing("systemd's environment generator is not installed")
    secrets = {name: value for name, value in secrets.items() if value}  # the generator leaves empty ones out
    # `$$` is how its expansion writes a dollar; EnvironmentFile= has no expansion.
    text = dump("systemd", {name: value.replace("$", "$$") for name, value in secrets.items()})
    assert as_its_generator_reads(text, tmp_path) == secrets


def test_marks_are_escaped_and_lines_kept() -> None:
    assert dump("systemd", {"a.b-c": 'x\n"\\`$\r y ', "e": ""}) == 'A_B_C="x\n\\"\\\\\\`\\$\r y "\nE=""\n'


@pytest.mark.parametrize("character", ["\ufdd0", "\ufdef", "\ufffe", "\uffff", "\U0001fffe", "\U0010ffff"])
def test_what_systemd_takes_for_broken_text_is_refused_by_key(character: str) -> None:
    with pytest.raises(FormatError) as error:
        dump("systemd", {"a": "\ufdcf\ufdf0\ufffd\U0001fffd", "k": f"SECRET{character}"})
    assert str(error.value) == (
        "systemd cannot hold the value of 'k': it holds a code point that systemd does not take for text"
    )
