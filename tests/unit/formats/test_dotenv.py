"""dotenv: exact by variable name, for python-dotenv as it loads files by default and, unless a note says so,
for node's dotenv; files that people wrote are read as python-dotenv reads them."""

from __future__ import annotations

import io
import os
import re
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from dotenv import dotenv_values
from dotenv.parser import parse_stream
from hypothesis import given
from hypothesis import strategies as st

from tests.support.formats import Reader, examples, missing, tool, variables
from vault_exec.errors import FormatError
from vault_exec.formats import Options, dump, load

READER = Path(__file__).with_name("dotenv_reader.cjs")


def dumped(secrets: Mapping[str, str]) -> tuple[str, set[str]]:
    """The text, and the keys that the notes say are wrong for node."""
    notes: list[str] = []
    text = dump("dotenv", secrets, Options(note=notes.append))
    keys = [
        re.fullmatch(r"dotenv: '(\w+)' is right for python-dotenv; node's dotenv .*", note) for note in notes
    ]
    return text, {key.group(1) for key in keys if key}


def as_node_reads(text: str) -> dict[str, str]:
    r"""What the README of node's dotenv says of values, for one assignment after another.

    Quotes of one of three kinds can hold lines and are taken away; in double ones `\n` and `\r` become line
    ends; nothing else is an escape.
    """
    found = {}
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    while text:
        name, _, text = text.partition("=")
        quote = text[:1]
        if quote in ("'", '"', "`"):
            end = re.compile(rf"{quote}[ \t]*(\n|\Z)").search(text, 1)
            assert end
            value, text = text[1 : end.start()], text[end.end() :]
            if quote == '"':
                value = value.replace("\\n", "\n").replace("\\r", "\r")
        else:
            value, _, text = text.partition("\n")
            value = value.partition("#")[0].strip()
        found[name] = value
    return found


@pytest.fixture(scope="module")
def env_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("dotenv") / ".env"


@examples()
@given(secrets=variables)
def test_what_is_written_reads_back_exactly_here_and_by_python_dotenv(
    env_file: Path, secrets: dict[str, str]
) -> None:
    text = dump("dotenv", secrets)
    env_file.write_bytes(text.encode())
    assert load("dotenv", text) == secrets
    assert dotenv_values(env_file) == secrets


@examples()
@given(variables)
def test_a_note_is_there_exactly_where_node_reads_another_value(secrets: dict[str, str]) -> None:
    text, wrong = dumped(secrets)
    read = as_node_reads(text)
    assert {name for name, value in secrets.items() if read.get(name) != value} == wrong
    assert list(read) == sorted(secrets)


@pytest.fixture(scope="module")
def node_dotenv() -> Iterator[Reader]:
    package = os.environ.get("VAULT_EXEC_TEST_NODE_DOTENV", "")
    if not package:
        missing("VAULT_EXEC_TEST_NODE_DOTENV does not name the folder of the npm package dotenv")
    reader = Reader(tool("node"), READER, package)
    yield reader
    reader.stop()


@examples()
@given(secrets=variables)
def test_the_npm_package_reads_what_the_readme_says(node_dotenv: Reader, secrets: dict[str, str]) -> None:
    text, wrong = dumped(secrets)
    read = node_dotenv.read(text)
    assert {name for name, value in secrets.items() if read.get(name) != value} == wrong
    assert read == as_node_reads(text)


@pytest.fixture(scope="module")
def node() -> Iterator[Reader]:
    program = tool("node")
    if subprocess.run([program, "-e", "process.exit(require('util').parseEnv ? 0 : 1)"]).returncode:
        missing("node is older than 20.12, which has util.parseEnv")
    reader = Reader(program, READER)
    yield reader
    reader.stop()


@examples()
@given(secrets=variables)
def test_node_reads_it_with_env_file_but_for_cr(node: Reader, secrets: dict[str, str]) -> None:
    text, wrong = dumped(secrets)
    read = node.read(text)
    for name, value in secrets.items():
        if name not in wrong:
            assert read[name] == value.replace("\r", "\\r")


@examples(400)
@given(st.text("""aB_=='"'"\\\\n$${}:-# \t\n\n\rexport é""", max_size=30))
def test_any_text_is_read_as_python_dotenv_reads_it_or_refused(text: str) -> None:
    bindings = list(parse_stream(io.StringIO(text.replace("\r\n", "\n").replace("\r", "\n"))))
    pairs = [(binding.key, binding.value) for binding in bindings if binding.key is not None]
    is_usable = not any(b.error for b in bindings) and all(value is not None for _, value in pairs)
    try:
        found = load("dotenv", text)
    except FormatError:
        assert not is_usable or len(dict(pairs)) < len(pairs)
    else:
        assert is_usable
        assert found == dict(pairs)


def test_the_first_way_that_both_read_right_is_taken() -> None:
    secrets = {
        "a": "plain # text, it's",
        "b": "two\nlines\r\n",
        "c": "$HOME",
        "d": 'say "hi"\nthere',
        "e": "C:\\new\\table",
        "f": "it costs $5 and that's it",
        "g": "'\"\\\\",
        "h": "\\\\server\\",
        "i": "${HOME}",
        "j": "${HOME",
        "k": '#\\\\"\\',
    }
    text, wrong = dumped(secrets)
    assert text == (
        'A="plain # text, it\'s"\n'
        'B="two\\nlines\\r\\n"\n'
        "C='$HOME'\n"
        "D='say \"hi\"\nthere'\n"
        "E='C:\\new\\table'\n"
        'F="it costs $5 and that\'s it"\n'
        'G="\'\\"\\\\${:-\\\\}"\n'
        "H=\\\\server\\\n"
        "I='${:-$}{HOME}'\n"
        "J='${HOME'\n"
        'K="#\\\\${:-\\\\}\\"${:-\\\\}"\n'
    )
    assert wrong == {"g", "i", "k"}
    assert load("dotenv", text) == {key.upper(): value for key, value in secrets.items()}


def test_a_file_that_a_person_wrote() -> None:
    notes: list[str] = []
    text = (
        "# comment\r\n\r\nexport A=1 # one\r\nB = two words  \r\n"
        "'C'='single \\'quoted\\' \\n'\r\nD=\"a\\tb\\\\n\\$\" # x\r\n"
        'E=\r\nF= # nothing\r\nG=#hash\r\nH="line 1\r\nline 2"\r\nI=http://${HOST}:${PORT:-80}/\r\nJ=$HOME`id`\r\n'
        "db-host=h"
    )
    assert load("dotenv", text, notes.append) == {
        "A": "1",
        "B": "two words",
        "C": "single 'quoted' \\n",
        "D": "a\tb\\n\\$",
        "E": "",
        "F": "",
        "G": "#hash",
        "H": "line 1\nline 2",
        "I": "http://${HOST}:${PORT:-80}/",
        "J": "$HOME`id`",
        "db-host": "h",
    }
    assert notes == ["dotenv: 'I' holds ${...}, which is kept as it is written, not replaced (line 12)"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('A=1\n\n# x\nK="SECRET\nB=2\n', "dotenv: not NAME=value, or a quote that is not closed (line 4)"),
        ("A='1\n2'\nK='SECRET'x\n", "dotenv: not NAME=value, or a quote that is not closed (line 3)"),
        ("=SECRET", "dotenv: not NAME=value, or a quote that is not closed (line 1)"),
        ("SECRET SECRET", "dotenv: not NAME=value, or a quote that is not closed (line 1)"),
        ("A=1\nK\n", "dotenv: 'K' has no value (line 2)"),
        ("export K # SECRET\n", "dotenv: 'K' has no value (line 1)"),
        ("K=SECRET\nA=1\nexport K=SECRET\n", "dotenv: the key 'K' is there twice (line 3)"),
    ],
)
def test_what_is_malformed_is_refused_with_its_line(text: str, message: str) -> None:
    with pytest.raises(FormatError) as error:
        load("dotenv", text)
    assert str(error.value) == message
    assert "SECRET" not in str(error.value) + (error.value.hint or "")
