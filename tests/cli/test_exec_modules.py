"""What exec has imported when it becomes the program: each module here is paid for by every start."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.certificates import Authority
from tests.support.commands import Home
from tests.support.filling import fill, fill_ssm
from tests.support.server import Server, answer

# Told by Python itself just before execve: https://docs.python.org/3/library/audit_events.html
_HOOK = """
import sys
from os import environ

before = set(sys.modules)

def tell(event, _):
    if event == "os.exec":
        with open(environ["TELL_MODULES"], "w") as file:
            file.write("\\n".join(name for name in sys.modules if name not in before))

sys.addaudithook(tell)
"""

#: Ours, all of it: what else exec needs stands behind a line that only those pass who need it.
OURS = {
    "vault_exec",
    "vault_exec.api",
    "vault_exec.checked",
    "vault_exec.cli",
    "vault_exec.cli.app",
    "vault_exec.cli.exec_core",
    "vault_exec.cli.options",
    "vault_exec.environ",
    "vault_exec.errors",
    "vault_exec.guard",
    "vault_exec.launch",
    "vault_exec.model",
    "vault_exec.names",
    "vault_exec.parallel",
    "vault_exec.registry",
    "vault_exec.settings",
    "vault_exec.store",
    "vault_exec.version",
}

#: Of others, in exec's own half.
CORE = ["__future__", "_ctypes", "errno", "resource"]

_SHA256 = "_sha256" if sys.version_info < (3, 12) else "_sha2"

#: Of others, by backend: each with what it imports itself.
BACKENDS = {
    "null": [],
    "local": ["binascii", "hashlib", "hmac", "sqlite3", "cryptography.hazmat.primitives.ciphers.aead"],
    "ssm": ["_datetime", "_json", "_socket", _SHA256],
    "ssm by botocore": ["botocore.session", "linecache", _SHA256],
    "ssm over TLS": ["_datetime", "_json", _SHA256, "ssl"],
}

#: Of the backends' package, for each of them.
ROOMS = {
    "null": {"null"},
    "local": {"local"},
    "ssm": {"ssm", "aws"},
    "ssm by botocore": {"ssm", "aws"},
    "ssm over TLS": {"ssm", "aws"},
}

#: What makes botocore import all that a call needs.
_CALL = (
    "botocore.session.get_session().create_client('ssm', region_name='us-east-1')"
    ".get_parameters_by_path(Path='/svc/', WithDecryption=True)"
)


def loaded_by_exec(home: Home, *words: str) -> set[str]:
    hooks = home.path / "hooks"
    hooks.mkdir()
    (hooks / "sitecustomize.py").write_text(_HOOK)
    told = home.path / "modules"
    hooked = {"PYTHONPATH": str(hooks), "TELL_MODULES": str(told), "KEY": "chamberme"}
    done = home.run("exec", "svc", "--quiet", *words, "--", "true", env=hooked)
    assert done.code == 0, done
    return set(told.read_text().split())


def tree(module: str, home: Home) -> set[str]:
    """A module and all that it imports, in a fresh interpreter."""
    use = _CALL if module == "botocore.session" else ""
    probe = (
        f"import sys; before = set(sys.modules)\nimport {module}; {use}\nprint(*set(sys.modules) - before)"
    )
    done = subprocess.run(
        [sys.executable, "-I", "-c", probe], env=home.environ, capture_output=True, text=True, check=True
    )
    return {module, *done.stdout.split()}


def check(home: Home, case: str) -> None:
    loaded = loaded_by_exec(home, "-b", case.partition(" ")[0])
    ours = {name for name in loaded if name.partition(".")[0] == "vault_exec"}
    assert ours == OURS
    of_backend = {name for name in loaded if name.partition(".")[0] == "vault_exec_backends"}
    assert {name.split(".")[1] for name in of_backend if "." in name} == ROOMS[case]
    allowed = {name: tree(name, home) for name in [*CORE, *BACKENDS[case]]}
    assert loaded - ours - of_backend - set().union(*allowed.values()) == set()
    assert allowed.keys() - loaded == set(), "allowed, and not needed any more"


def test_local(home: Home) -> None:
    check(fill(home, {"svc": {"key": "value"}}), "local")


@pytest.mark.parametrize(("carrier", "case"), [("light", "ssm"), ("botocore", "ssm by botocore")])
def test_ssm(aws_home: Home, moto: object, carrier: str, case: str) -> None:
    fill_ssm(moto.url, {"svc": {"key": "value"}})  # type: ignore[attr-defined]
    check(aws_home, case)


@pytest.mark.parametrize("carrier", ["light"])
def test_ssm_over_tls(aws_home: Home, tmp_path: Path, carrier: str) -> None:
    authority = Authority(tmp_path, "authority")
    found = (
        b'{"Parameters": [{"Name": "/svc/key", "Value": "value", "Version": 1, "LastModifiedDate": 1.7e9}]}'
    )
    with Server(answer(found), tls=authority.server()) as server:
        aws_home.set(AWS_ENDPOINT_URL=server.url, AWS_CA_BUNDLE=str(authority.pem))
        check(aws_home, "ssm over TLS")


def test_null(home: Home) -> None:
    check(home, "null")


@pytest.mark.parametrize("words", [("--strict",), ("--prefix", "P_"), ("--require", "KEY"), ("-b", "local")])
def test_options_cost_no_imports(home: Home, words: tuple[str, ...]) -> None:
    fill(home, {"svc": {"key": "value"}})
    loaded = loaded_by_exec(home, *words)
    assert {name for name in loaded if name.partition(".")[0] == "vault_exec"} == OURS
