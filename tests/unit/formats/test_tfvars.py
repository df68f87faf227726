"""tfvars: Terraform has the values exactly, under chamber's names; text that it would change is refused."""

from __future__ import annotations

import json
import re
import subprocess
from base64 import b64decode
from pathlib import Path
from unicodedata import is_normalized

import hcl2
import pytest
from hypothesis import given

from tests.support.formats import examples, few, many, tool, variables_for
from vault_exec.errors import FormatError
from vault_exec.formats import dump

#: The pieces of a quoted template in hclsyntax/spec.md; a template that would be evaluated is none of them.
_PIECE = re.compile(
    r'\\u(?P<u>[0-9a-f]{4}) | \\U(?P<U>[0-9a-f]{8}) | \\(?P<escaped>[nrt"\\]) | (?P<marker>\$\$\{|%%\{)'
    r'| (?P<literal>(?!\$\{|%\{)[^"\\\n])',
    re.VERBOSE,
)


def is_nfc(value: str) -> bool:
    return is_normalized("NFC", value)


def as_hcl_reads(text: str) -> dict[str, str]:
    """One attribute a line, each a quoted template by the specification's grammar."""
    lines = [line.partition(" = ") for line in text.split("\n")[:-1]]
    return {name: _unquoted(quoted) for name, _, quoted in lines}


def _unquoted(quoted: str) -> str:
    assert quoted[0] == quoted[-1] == '"'
    value = ""
    at = 1
    while at < len(quoted) - 1:
        piece = _PIECE.match(quoted, at)
        assert piece
        code = piece["u"] or piece["U"]
        if code:
            value += chr(int(code, 16))
        elif piece["escaped"]:
            value += {"n": "\n", "r": "\r", "t": "\t"}.get(piece["escaped"], piece["escaped"])
        else:
            value += piece["literal"] or piece["marker"][1:]
        at = piece.end()
    return value


def as_terraform_reads(text: str, names: list[str], folder: Path) -> dict[str, str]:
    (folder / "main.tf").write_text("".join([f'variable "{name}" {{}}\n' for name in names]))
    (folder / "secrets.tfvars").write_bytes(text.encode())
    done = subprocess.run(
        [tool("terraform"), "console", "-no-color", "-var-file=secrets.tfvars"],
        input=f"base64encode(jsonencode([{', '.join([f'var.{name}' for name in names])}]))\n",
        cwd=folder,
        env={"HOME": str(folder), "CHECKPOINT_DISABLE": "1", "TF_CLI_CONFIG_FILE": "/dev/null"},
        capture_output=True,
        encoding="utf-8",
        check=True,
    )
    return dict(zip(names, json.loads(b64decode(done.stdout.strip().strip('"'))), strict=True))


@examples()
@given(variables_for(is_nfc))
def test_the_specifications_grammar_has_the_values_exactly(secrets: dict[str, str]) -> None:
    assert as_hcl_reads(dump("tfvars", secrets)) == secrets


# python-hcl2 8 cannot read a `$${` or `%%{` that no `}` follows.
@examples(60)
@given(variables_for(lambda value: is_nfc(value) and not re.search(r"[$%]\{", value)))
def test_python_hcl2_takes_the_lines_for_attributes(secrets: dict[str, str]) -> None:
    text = dump("tfvars", secrets)
    assert "".join([f"{name} = {quoted}\n" for name, quoted in hcl2.loads(text).items()]) == text


@few(100)
@given(secrets=many(is_nfc))
def test_terraform_has_the_values_exactly(secrets: dict[str, str], tmp_path: Path) -> None:
    assert as_terraform_reads(dump("tfvars", secrets), list(secrets), tmp_path) == secrets


def test_what_terraform_would_normalise_is_refused() -> None:
    with pytest.raises(FormatError) as error:
        dump("tfvars", {"a": "x", "k": "SECRE\u0301T"})
    assert str(error.value) == (
        "tfvars cannot hold the value of 'k': Terraform would change it to Unicode's normal form C"
    )


def test_terraform_does_normalise(tmp_path: Path) -> None:
    assert as_terraform_reads('a = "e\u0301"\nb = "e\\u0301"\n', ["a", "b"], tmp_path) == {"a": "é", "b": "é"}


def test_names_and_markers() -> None:
    secrets = {
        "tf_var_region": "$5 100% ${x} $${y} %{z}",
        "db-host.name": "",
        "Upper": 'a"\\\n\r\t\x01\u2028😀',
    }
    assert dump("tfvars", secrets) == (
        'Upper = "a\\"\\\\\\n\\r\\t\\u0001\\u2028😀"\n'
        'db_host_name = ""\n'
        'region = "$5 100% $${x} $$${y} %%{z}"\n'
    )


@pytest.mark.parametrize("key", ["tf_var_", "tf_var_2", "2fa"])
def test_a_name_that_terraform_has_not_is_refused(key: str) -> None:
    with pytest.raises(FormatError, match=f"tfvars cannot hold '{key}'"):
        dump("tfvars", {key: "x"})


def test_a_key_with_and_one_without_the_prefix_are_one_variable() -> None:
    with pytest.raises(FormatError, match="'region' and 'tf_var_region' would both be region in tfvars"):
        dump("tfvars", {"tf_var_region": "a", "region": "b"})
