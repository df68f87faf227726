"""The README's reference, made of what `--help` prints. `make reference` writes it anew."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import click

from tests.support.commands import Home
from vault_exec.cli.commands import GROUPS
from vault_exec.cli.parser import Group, Program

README = Path(__file__).parents[2] / "README.md"
MARK = "<!-- From here on: written by `make reference`. -->\n"

_SHARED = "Options of every command:"
_LAST_SHARED = "show this help\n"


def with_reference(readme: str) -> str:
    """The README with its reference as it should be."""
    own, mark, _ = readme.partition(MARK)
    assert mark, f"README.md has no line {MARK}"
    return own + MARK + reference()


def reference() -> str:
    """`--help` of the program, then of each command without the options that all share."""
    with TemporaryDirectory() as folder:
        home = Home(Path(folder))
        sections = [f"```text\n{_help(home)}```\n"]
        for heading, rows in GROUPS:
            sections.append(f"### {heading}\n")
            for name, _, _ in rows:
                sections += [_section(home, *path) for path in _paths(name)]
    return "\n" + "\n".join(sections)


def _paths(name: str) -> list[tuple[str, ...]]:
    """The command, or the commands of a group."""
    program = Program("vault-exec")
    context = click.Context(program)
    command = program.get_command(context, name)
    if isinstance(command, Group):
        return [(name, inner) for inner in command.list_commands(context)]
    return [(name,)]


def _section(home: Home, *path: str) -> str:
    own, _, rest = _help(home, *path).partition(_SHARED)
    epilog = rest.partition(_LAST_SHARED)[2]
    text = (own.rstrip() + "\n" + epilog).rstrip()
    return f"#### {' '.join(path)}\n\n```text\n{text}\n```\n"


def _help(home: Home, *path: str) -> str:
    result = home.run(*path, "--help")
    assert (result.code, result.err) == (0, ""), f"{path}: {result.err}"
    return result.out


if __name__ == "__main__":
    README.write_text(with_reference(README.read_text()))
