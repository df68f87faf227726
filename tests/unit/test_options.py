from __future__ import annotations

import pytest

from vault_exec.cli.commands import SUMMARIES
from vault_exec.cli.options import GLOBAL, plain_switches, split_at_command, split_at_dashes
from vault_exec.settings import TABLE


@pytest.mark.parametrize(
    ("before", "command"),
    [
        ("", "exec svc -- env"),
        ("-b ssm", "exec svc -- env"),
        ("-bssm --verbose --retries=3", "exec"),
        ("--backend exec", "list svc"),
        ("--verbose=true -r 3", "list exec"),
        ("--nonsense", "exec"),
        ("--", "exec svc -- env"),
        ("--backend --", "exec svc"),
        ("", "- exec svc"),
        ("-b", ""),
        ("--help", ""),
        ("", ""),
    ],
)
def test_the_command_is_the_first_word_that_is_no_option_s_value(before: str, command: str) -> None:
    words = (before.split(), command.split())
    assert split_at_command([*words[0], *words[1]]) == words


@pytest.mark.parametrize(
    ("line", "before", "after"),
    [
        ("exec a -- b -- c --", "exec a", "b -- c --"),
        ("exec a --", "exec a", ""),
        ("exec a", "exec a", None),
    ],
)
def test_only_the_first_dashes_split(line: str, before: str, after: str | None) -> None:
    expected = None if after is None else after.split()
    assert split_at_dashes(line.split()) == (before.split(), expected)


@pytest.mark.parametrize(
    ("line", "plain", "off"),
    [
        ("--strict=true", "--strict", ()),
        ("--strict=1 svc --verbose=T", "--strict svc --verbose", ()),
        ("--strict=false", "", ("strict",)),
        ("--strict --strict=FALSE", "--strict", ("strict",)),
        ("--strict=0 --strict", "--strict", ()),
        ("--strict=maybe", "--strict=maybe", ()),
        ("--backend=true", "--backend=true", ()),
        ("-b=ssm -r=3 -x=y", "-bssm -r3 -x=y", ()),
        ("-b= list", "-b= list", ()),  # else the option would take the next word
        ("svc -- --strict=true -b=ssm", "svc -- --strict=true -b=ssm", ()),
    ],
)
def test_switches_with_a_value_as_chamber_takes_them(line: str, plain: str, off: tuple[str, ...]) -> None:
    assert plain_switches(line.split(), {"strict", "verbose"}, {"b", "r"}) == (plain.split(), set(off))


def test_every_global_option_is_a_setting() -> None:
    assert {option.name for option in GLOBAL} <= {setting.name for setting in TABLE}


def test_every_command_is_there_and_explains_itself() -> None:
    import click

    from vault_exec.cli.app import App
    from vault_exec.cli.parser import Program

    program = Program("vault-exec")
    root = click.Context(program, info_name="vault-exec", obj=App("vault-exec", {}, {}))
    for name in SUMMARIES:
        command = program.get_command(root, name)
        assert command is not None, name
        text = click.Context(command, info_name=name, parent=root).get_help()
        assert f"Usage: vault-exec {name}" in text
        assert text.split("\n\n")[1].strip().endswith(".")
        assert "--backend" in text
        for parameter in command.params:
            if isinstance(parameter, click.Option):
                assert parameter.help, f"{name} {parameter.name}"
