"""env: what it prints is what chamber printed, and what a shell makes of it is what the store holds."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from tests.support.commands import Home
from tests.support.filling import fill, fill_ssm, recorded_values

RECORDED = json.loads((Path(__file__).parent / "data" / "recorded_env.json").read_text())


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """A user whose local store holds what Parameter Store held when chamber's `env` was recorded."""
    values = recorded_values()
    then = {
        "app": {**values["app"], "plain": "hunter22"},
        "prod/web": {**values["prod/web"], "url": "https://y"},
    }
    return fill(Home(tmp_path_factory.mktemp("home")), then)


@pytest.mark.parametrize("call", RECORDED, ids=lambda call: " ".join(call["argv"]))
def test_what_env_prints_is_what_chamber_printed(recorded: Home, call: dict[str, list[str] | str]) -> None:
    done = recorded.run("-b", "local", *call["argv"], program="chamber")
    assert (done.code, done.out, done.err) == (0, call["stdout"], "")


def test_a_shell_gets_every_value(recorded: Home) -> None:
    script = 'eval "$(vault-exec env app)" && env -0'
    done = subprocess.run(
        ["sh", "-c", script], env=recorded.environ, capture_output=True, check=True, timeout=30
    )
    got = dict(entry.split(b"=", 1) for entry in done.stdout.split(b"\0") if entry)
    expected = {
        key.upper().replace("-", "_").replace(".", "_").encode(): value.encode()
        for key, value in {**recorded_values()["app"], "plain": "hunter22"}.items()
    }
    assert {name: got[name] for name in expected} == expected


@pytest.fixture
def filled(home: Home) -> Home:
    return fill(
        home,
        {
            "one": {"db-host": "h1", "url": "u1", "a": "1"},
            "two": {"db_host": "h2", "b": "2"},
            "clash": {"a-b": "canary", "a.b": "canary"},
            "digit": {"9lives": "canary", "fine": "x"},
        },
    )


def test_several_services_are_merged_and_the_later_wins(filled: Home) -> None:
    done = filled.run("env", "one", "TWO")
    assert done.out == "export A=1\nexport B=2\nexport DB_HOST=h2\nexport URL=u1\n"
    assert done.err == "warning: service TWO overwriting environment variable DB_HOST\n"


@pytest.mark.parametrize(("service", "named"), [("clash", ["a-b", "a.b"]), ("digit", ["9lives"])])
def test_names_that_no_shell_can_use_are_refused_by_key(filled: Home, service: str, named: list[str]) -> None:
    done = filled.run("env", service)
    assert (done.code, done.out) == (1, "")
    assert all(name in done.err for name in named)
    assert "canary" not in done.err


def test_a_service_without_secrets(filled: Home) -> None:
    done = filled.run("env", "one", "gone")
    assert (done.code, done.out) == (3, "")
    assert "gone" in done.err
    assert "--allow-missing" in done.err
    assert filled.run("env", "gone", "--allow-missing").out == ""
    assert filled.run("env", "two", "gone", "--optional", "gone").out == "export B=2\nexport DB_HOST=h2\n"
    assert filled.run("-b", "null", "env", "gone").code == 0


def test_no_service_is_a_wrong_call(filled: Home) -> None:
    done = filled.run("env")
    assert (done.code, done.out) == (2, "")
    assert "SERVICE" in done.err


def test_a_label_is_read_where_the_store_has_labels(aws_home: Home, moto: object) -> None:
    import boto3

    url: str = moto.url  # type: ignore[attr-defined]
    fill_ssm(url, {"svc": {"key": "old"}})
    credentials = {"aws_access_key_id": "testing", "aws_secret_access_key": "testing"}
    client = boto3.client("ssm", endpoint_url=url, region_name="us-east-1", **credentials)
    client.label_parameter_version(Name="/svc/key", ParameterVersion=1, Labels=["Blue"])
    client.close()
    fill_ssm(url, {"svc": {"key": "new"}})
    run = aws_home.set(VAULT_EXEC_BACKEND="ssm").run
    assert run("env", "svc").out == "export KEY=new\n"
    assert run("env", "svc:Blue").out == "export KEY=old\n"
    assert run("export", "svc:Blue").out == '{"key":"old"}\n'
    assert run("exec", "svc:Blue", "--", "sh", "-c", "echo $KEY").out == "old\n"
    fill_ssm(url, {"svc": {"unlabelled": "x"}})
    refused = run("env", "svc:Blue")
    assert "unlabelled" in refused.err
    assert refused.code != 0
    allowed = run("env", "svc:Blue", "--allow-unlabelled")
    assert allowed.out == "export KEY=old\n"
    assert "unlabelled" in allowed.err


def test_names_that_keep_their_case_are_two_variables(tmp_path: Path) -> None:
    home = fill(Home(tmp_path), {"first": {"name": "lower"}, "second": {"NAME": "upper"}})
    kept = home.run("env", "-p", "first", "second")
    assert (kept.code, kept.out, kept.err) == (0, "export NAME=upper\nexport name=lower\n", "")
    folded = home.run("env", "first", "second")
    assert folded.out == "export NAME=upper\n"
    assert folded.err == "warning: service second overwriting environment variable NAME\n"
