"""How the program is called: options anywhere, help, unknown words, and what each mistake ends with."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.support.commands import Home


@pytest.mark.parametrize(
    ("program", "line"),
    [
        ("vault-exec", "-b null list svc"),
        ("vault-exec", "list svc -b=null"),
        ("vault-exec", "--verbose=true list --backend=NULL svc --verbose=false"),
        ("chamber", "list -bnull svc --retries 3 --retry-mode adaptive"),
    ],
)
def test_global_options_stand_anywhere(home: Home, program: str, line: str) -> None:
    done = home.run(*line.split(), program=program)
    assert (done.code, done.out, done.err) == (0, "Key\tVersion\t\tLastModified\tUser\n", "")


def test_the_backend_in_force_is_said_with_its_origin(home: Home) -> None:
    assert "Backend in force: local (the default)." in home.run("-h").out
    assert "Backend in force: ssm (the default)." in home.run("--help", program="chamber").out
    variable = home.run("help", env={"CHAMBER_SECRET_BACKEND": "null"}).out
    assert "Backend in force: null (CHAMBER_SECRET_BACKEND)." in variable
    hostile = home.run("help", env={"VAULT_EXEC_BACKEND": "\udcff\x1b[2J"}).out
    assert r"Backend in force: \udcff\x1b[2J (VAULT_EXEC_BACKEND)." in hostile


def test_help_is_had_in_every_way(home: Home) -> None:
    texts = {home.run(*line.split()).out for line in ("help tag read", "tag read -h", "tag help -h")}
    assert len(texts) == 2  # the last is an unknown command
    assert "Usage: vault-exec tag read [OPTIONS] SERVICE KEY" in max(texts)
    assert home.run().out == home.run("--help").out


def test_help_works_with_a_broken_config_file(home: Home) -> None:
    folder = home.path / ".config/vault-exec"
    folder.mkdir(parents=True)
    (folder / "config.toml").write_text('backend = "null"\nretries = = 3\n')
    assert home.run("--help").code == 0
    done = home.run("list", "svc")
    assert done.code == 2
    assert done.out == ""
    assert f"{folder}/config.toml is not TOML" in done.err
    assert "line 2, column 11" in done.err


@pytest.mark.parametrize(
    ("line", "code", "error", "hint"),
    [
        ("lst svc", 2, "there is no command 'lst'", "did you mean list"),
        ("list", 2, "list: SERVICE[:LABEL] is missing", "see vault-exec list --help"),
        ("list a b", 2, "list: 1 argument too many", "; see vault-exec list --help"),
        ("list svc --expnd", 2, "there is no option '--expnd'", "did you mean --expand"),
        ("list svc --json=maybe", 2, "does not take a value", "see vault-exec list --help"),
        ("list svc --retries x", 2, "retries is 'x', which is not a whole number (from --retries)", ""),
        ("list svc --retry-mode x", 2, "list: --retry-mode: 'x' is not one of", "see vault-exec list --help"),
        (
            "list svc -b nope",
            2,
            "there is no backend 'nope' (from --backend)",
            "the backends are: local, null",
        ),
        ("list bad//name", 2, "service name 'bad//name' is not valid", "letters, digits"),
        ("read svc bad/key", 2, "key name 'bad/key' is not valid", "letters, digits"),
        ("tag nosuch", 2, "there is no command 'nosuch'", "see vault-exec tag --help"),
        ("tag write svc key notag", 2, "the tag 'notag' is not of the form name=value", ""),
        ("label svc key name", 2, "the local backend cannot label versions", ""),
        ("list svc:stable", 2, "the local backend cannot label versions", ""),
        ("-b null init", 2, "the null backend cannot choose where its key lives", ""),
        ("history svc --since soon", 2, "--since 'soon' is not a time", "a date (2026-01-31)"),
        ("read svc key --quiet --json", 2, "read takes one of --quiet and --json", ""),
        ("read svc key -v 0", 2, "0 is not a version", ""),
        ("find", 2, "find: KEY is missing", "see vault-exec find --help"),
        ("read svc key", 3, "svc/key is not there", ""),
        ("list svc -b==x", 2, "there is no backend '=x' (from --backend)", "the backends are"),
        ("-- exec svc -- true", 125, "service svc holds no secret", "--optional svc"),
        ("exec --nonsense svc -- true", 125, "there is no option '--nonsense'", ""),
        ("-b nope exec svc -- true", 125, "there is no backend 'nope'", "the backends are"),
    ],
)
def test_a_mistake_is_told_with_what_to_do(home: Home, line: str, code: int, error: str, hint: str) -> None:
    done = home.run(*line.split())
    assert done.code == code
    assert done.out == ""
    first, *rest = done.err.splitlines()
    assert first.startswith("vault-exec: error: ")
    assert error in first
    assert all(text.startswith("vault-exec: hint: ") for text in rest)
    assert hint in "".join(rest)
    assert list(home.path.iterdir()) == []


def test_messages_begin_with_the_name_the_program_was_called_by(home: Home) -> None:
    assert home.run("lst", program="chamber").err.startswith("chamber: error: ")


def test_the_version(home: Home) -> None:
    own = home.run("version").out
    assert own.startswith("vault-exec ")
    assert home.run("--version").out == own
    assert home.run("version", program="chamber").out == f"chamber ({own.strip()})\n"


def test_an_option_kept_for_chamber_s_sake_says_that_it_does_nothing(home: Home) -> None:
    done = home.run("-b", "null", "list", "svc", "--min-throttle-delay", "500ms")
    assert done.code == 0
    assert "--min-throttle-delay does nothing" in done.err


@pytest.mark.parametrize(
    ("variables", "code", "error", "hint"),
    [
        ({"AWS_REGION": "us-east-1"}, 4, "credentials", "AWS_PROFILE"),
        ({"AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "x"}, 2, "region", "AWS_REGION"),
    ],
)
def test_an_aws_that_is_not_set_up(
    home: Home, variables: dict[str, str], code: int, error: str, hint: str
) -> None:
    done = home.run("list", "svc", program="chamber", env={"AWS_EC2_METADATA_DISABLED": "true", **variables})
    assert (done.code, done.out) == (code, "")
    assert error in done.err.splitlines()[0]
    assert f"chamber: hint: set {hint}" in done.err


@pytest.mark.parametrize("entries", ["{home}", ":", ":/app", "/app:", "/app::/lib", ".", "{home}/../{name}"])
def test_the_app_s_python_settings_do_not_reach_us(home: Home, entries: str) -> None:
    """PYTHONPATH (an empty entry is the working directory) and PYTHONINSPECT are the program's."""
    for module in ("click", "tomllib", "resource"):
        (home.path / f"{module}.py").write_text("raise SystemExit('taken over')")
    path = entries.format(home=home.path, name=home.path.name)
    app = {"PYTHONPATH": path, "PYTHONINSPECT": "1"}
    for line, code in (("read svc key", 3), ("-b null exec svc -- true", 0)):
        done = home.run(*line.split(), env=app)
        assert (done.code, done.out) == (code, "")
        assert "taken over" not in done.err


def test_the_working_directory_may_be_gone(home: Home, tmp_path: Path) -> None:
    folder = tmp_path / "gone"
    script = f"cd {folder} && rmdir {folder} && exec vault-exec -b null exec svc -- echo started"
    folder.mkdir()
    done = subprocess.run(["sh", "-c", script], env=home.environ, capture_output=True, timeout=30)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"started\n", b"")


_INTERRUPT = """
import os, signal, sys

def interrupt(event, arguments):
    if event == "import" and arguments[0] == "vault_exec.cli.app":
        os.kill(os.getpid(), signal.SIGINT)

sys.addaudithook(interrupt)
"""


def test_ctrl_c_while_the_program_is_still_being_loaded(home: Home, tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text(_INTERRUPT)
    done = home.run("list", "svc", env={"PYTHONPATH": str(tmp_path)})
    assert (done.code, done.out, done.err) == (130, "", "")
