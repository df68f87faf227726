"""CPython's inner modules and the public ones in their place: both do the same, exec works with either."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.commands import aws_variables
from tests.support.filling import fill_ssm
from tests.support.moto import Moto
from vault_exec_backends.aws.light import quick

INNER = ("_datetime", "_json", "_sha2", "_sha256", "_socket")

#: Runs a module as if there were none of CPython's inner modules for it, and no other module saw that.
WITHOUT = f"""
import builtins

def refusing(name, *rest):
    if name in {INNER!r}:
        raise ImportError(name)
    return builtins.__import__(name, *rest)

def run(source, scope):
    scope["__builtins__"] = {{**vars(builtins), "__import__": refusing}}
    exec(compile(source, "quick.py", "exec"), scope)
"""


def public() -> dict[str, Any]:
    """The names of `quick`, all of them from public modules."""
    scope: dict[str, Any] = {}
    exec(WITHOUT, scope)
    names: dict[str, Any] = {"__name__": "quick"}
    scope["run"](Path(quick.__file__).read_text(), names)
    return names


PUBLIC = public()
VALUES = st.recursive(
    st.one_of(
        st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False, allow_infinity=False), st.text()
    ),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(st.text(), inner, max_size=4)),
    max_leaves=10,
)


def test_the_public_ones_are_public() -> None:
    assert {name: PUBLIC[name].__module__ for name in ("datetime", "timezone")} == {
        "datetime": "datetime",
        "timezone": "datetime",
    }
    assert PUBLIC["socket"].__name__ == "socket"
    assert PUBLIC["sha256"].__module__ in ("_hashlib", "hashlib")
    assert set(quick.__all__) <= set(PUBLIC)


@given(st.binary(max_size=200))
def test_sha256(data: bytes) -> None:
    assert quick.sha256(data).digest() == PUBLIC["sha256"](data).digest()


@given(st.text())
def test_quoted(text: str) -> None:
    assert quick.quoted(text) == PUBLIC["quoted"](text) == json.dumps(text)


@given(VALUES, st.sampled_from(["", " ", "\n\t\r "]), st.sampled_from([None, 2]))
def test_loads(value: object, blank: str, indent: int | None) -> None:
    text = blank + json.dumps(value, indent=indent, ensure_ascii=False) + blank
    assert quick.loads(text) == PUBLIC["loads"](text) == value


@given(st.one_of(st.text(max_size=10), st.text('{}[]":,01eE-. \ntrufalsn\\', max_size=12)))
def test_what_is_no_json(text: str) -> None:
    outcomes = []
    for loads in (quick.loads, PUBLIC["loads"]):
        try:
            outcomes.append(loads(text))
        except ValueError:
            outcomes.append("refused")
    assert outcomes[0] == outcomes[1]


@pytest.mark.parametrize("text", ["NaN", "[Infinity]", '{"a": -Infinity}'])
def test_what_is_no_number_of_json(text: str) -> None:
    for loads in (quick.loads, PUBLIC["loads"]):
        with pytest.raises(ValueError, match=r"Inf|NaN"):
            loads(text)


def test_times() -> None:
    for seconds in (0, 1.5, 1_700_000_000.123):
        ours = quick.datetime.fromtimestamp(seconds, quick.timezone.utc)
        assert ours == PUBLIC["datetime"].fromtimestamp(seconds, PUBLIC["timezone"].utc)


def test_exec_without_any_of_them(tmp_path: Path, moto: Moto) -> None:
    """The whole program on public modules alone."""
    fill_ssm(moto.url, {"svc": {"key": "found"}})
    script = f"""{WITHOUT}
import sys
import vault_exec_backends.aws.light as package
from pathlib import Path
from types import ModuleType

module = ModuleType(package.__name__ + ".quick")
run(Path(package.__path__[0], "quick.py").read_text(), module.__dict__)
sys.modules[module.__name__] = package.quick = module
assert module.socket.__name__ == "socket"

from vault_exec.cli import main
sys.argv = ["vault-exec", "exec", "-b", "ssm", "--verbose", "svc", "--", "printenv", "KEY"]
main()
"""
    environ = {"PATH": "/usr/bin:/bin", "HOME": str(tmp_path), **aws_variables(moto.url, "light")}
    done = subprocess.run(
        [sys.executable, "-c", script], env=environ, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (0, "found\n"), done.stderr
    assert "carried without botocore" in done.stderr
