"""Shell completion: what it offers, that it never asks and never complains."""

from __future__ import annotations

import pytest

from tests.support.commands import Home


def offered(home: Home, *words: str, **variables: str) -> list[str]:
    done = home.run("__complete", "--", *words, env=variables)
    assert (done.code, done.err) == (0, "")
    return [line.partition("\t")[0] for line in done.out.splitlines()]


def test_commands_options_services_and_keys(stocked: Home) -> None:
    assert offered(stocked, "l") == ["list", "list-services", "label"]
    assert offered(stocked, "--verbose", "tag", "") == ["read", "write", "delete"]
    assert offered(stocked, "list", "--ex") == ["--expand"]
    assert offered(stocked, "read", "AP") == ["app", "app/web"]
    assert offered(stocked, "read", "App", "") == ["Mixed.Case", "db-password"]
    assert offered(stocked, "list", "svc", "--retry-mode", "") == ["standard", "adaptive"]
    assert offered(stocked, "import", "app", "file") == []
    assert offered(stocked, "exec", "app", "--", "") == []


def test_only_the_local_store_is_asked(stocked: Home) -> None:
    assert offered(stocked, "-b", "ssm", "read", "") == []
    assert offered(stocked, "read", "", CHAMBER_SECRET_BACKEND="ssm") == []


def test_nothing_is_asked_and_nothing_is_told(home: Home) -> None:
    assert offered(home, "read", "") == []
    assert offered(home, "read", "", VAULT_EXEC_STORE="/dev/null/x") == []
    assert offered(home, "read", "", VAULT_EXEC_BACKEND="nope") == []
    assert offered(home, "read", "", VAULT_EXEC_CONFIG="/no/such") == []
    assert home.run("init", "--key", "passphrase", env={"VAULT_EXEC_PASSPHRASE": "correct horse"}).code == 0
    home.run("write", "svc", "key", "x", env={"VAULT_EXEC_PASSPHRASE": "correct horse"})
    assert offered(home, "read", "") == ["svc"]


@pytest.mark.parametrize("program", ["vault-exec", "chamber"])
def test_bash_completes(stocked: Home, program: str) -> None:
    script = f"""
        source <({program} completion bash)
        complete -p {program}
        COMP_WORDS=({program} read app/web po) COMP_CWORD=3
        $(complete -p {program} | sed 's/.*-F \\([^ ]*\\).*/\\1/')
        printf '%s\\n' "${{COMPREPLY[@]}}"
    """
    done = stocked.run("-c", script, program="/bin/bash", env={"VAULT_EXEC_BACKEND": "local"})
    assert done.err == ""
    assert done.out.splitlines()[-1] == "port"
    assert done.out.startswith("complete -o default -F")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_scripts_name_the_program(home: Home, shell: str) -> None:
    script = home.run("completion", shell, program="chamber").out
    assert "__complete" in script
    assert "vault-exec" not in script
    assert "NAME" not in script
    assert home.run("completion", "tcsh").code == 2
