"""The prompt, and standard files that are closed, full or gone."""

from __future__ import annotations

import re
import sys

import pytest

from tests.support.commands import Home
from tests.support.filling import local_store
from tests.support.terminal import Terminal

PROMPT = "value of svc/key (not shown): "


def read_back(home: Home) -> str | None:
    with local_store(home) as store:
        return store.read("svc", "key").value


def test_a_prompt_hides_what_is_typed_and_edits_it(home: Home) -> None:
    local_store(home).close()
    with Terminal(home, "write", "svc", "key") as terminal:
        terminal.expect(PROMPT)
        terminal.type("wrong\x15hunt\u00e4\x7fe2x\x7fr \n")  # Ctrl-U, and erasing a letter of two bytes
        assert terminal.wait() == 0
        assert "hunt" not in terminal.screen
        assert terminal.is_as_it_was()
    assert read_back(home) == "hunte2r "


def test_a_long_value_is_not_cut_by_the_terminal(home: Home) -> None:
    """In line mode Linux keeps 4,095 bytes of a line, and drops the rest without a word."""
    local_store(home).close()
    with Terminal(home, "write", "svc", "key") as terminal:
        terminal.expect(PROMPT)
        for _ in range(10):
            terminal.type("0123456789" * 60)
        terminal.type("\n")
        assert terminal.wait() == 0
    assert read_back(home) == "0123456789" * 600


@pytest.mark.parametrize(
    ("keys", "code", "message"),
    [
        ("\x03", 130, ""),
        ("half\x03", 130, ""),
        ("\n", 2, "no value was typed, and nothing was written"),
        ("\x04", 2, "no value was typed, and nothing was written"),
        ("one\ntwo\n", 2, "more than one line was pasted, and nothing was done"),
        ("up\x1b[A\n", 2, "a key that is no character was typed"),
        (b"\xff\n", 2, "not UTF-8"),
    ],
)
def test_a_prompt_that_gives_no_value_leaves_no_trace(
    home: Home, keys: str | bytes, code: int, message: str
) -> None:
    with Terminal(home, "write", "svc", "key") as terminal:
        terminal.expect(PROMPT)
        terminal.type(keys)
        assert terminal.wait() == code
        assert message in terminal.screen
        assert "Traceback" not in terminal.screen
        assert terminal.is_as_it_was()
    assert list(home.path.iterdir()) == []


def test_no_answer_to_a_question_leaves_the_terminal_in_order(home: Home) -> None:
    with local_store(home) as store:
        store.write("svc", "key", "kept")
    with Terminal(home, "delete", "svc", "--all") as terminal:
        terminal.expect("[y/N] ")
        terminal.type("\x03")
        assert terminal.wait() == 130
        assert terminal.screen.endswith("\r\n")
    assert read_back(home) == "kept"


def test_a_value_to_find_is_asked_for_too(home: Home) -> None:
    with local_store(home) as store:
        store.write("svc", "key", "needle")
    with Terminal(home, "find", "-v") as terminal:
        terminal.expect("value to find (not shown): ")
        terminal.type("needle\n")
        assert terminal.wait() == 0
        assert re.fullmatch(r"svc\s+key", terminal.screen.splitlines()[-1])
        assert "needle" not in terminal.screen


def test_a_pipe_is_read_even_where_there_is_a_terminal(home: Home) -> None:
    local_store(home).close()
    with Terminal(home, "write", "svc", "key", stdin=b"piped") as terminal:
        assert terminal.wait() == 0
        assert terminal.screen == ""
    assert read_back(home) == "piped"


def shell(home: Home, script: str) -> tuple[int, str]:
    done = home.run("-c", script, program="/bin/sh")
    assert "Traceback" not in done.err
    return done.code, done.err


def test_a_result_that_cannot_be_written_is_a_failure(home: Home) -> None:
    assert shell(home, "vault-exec -b null list svc >&-") == (
        1,
        "vault-exec: error: standard output is closed, so the result cannot be written\n",
    )
    assert shell(home, "vault-exec --help >&-")[0] == 1


@pytest.mark.skipif(sys.platform == "darwin", reason="macOS has no /dev/full")
def test_a_full_disk_is_told(home: Home) -> None:
    code, err = shell(home, "vault-exec version >/dev/full")
    assert code == 1
    assert err.startswith("vault-exec: error: the result cannot be written to standard output: No space")


def test_a_reader_that_has_had_enough_is_no_error_to_tell(home: Home) -> None:
    assert shell(home, "{ sleep 0.3; vault-exec --help; echo $? >&2; } | true") == (0, "1\n")


def test_a_store_is_not_written_to_where_standard_files_are_closed(home: Home) -> None:
    assert shell(home, "vault-exec write svc key value <&- >&- 2>&-") == (0, "")
    assert home.run("read", "svc", "key", "-q").out == "value\n"
    assert shell(home, "vault-exec read svc key -q 2>&-") == (0, "")
    assert shell(home, "vault-exec read svc nosuch 2>&-") == (3, "")


@pytest.mark.parametrize("command", ["write svc key", "write svc key -", "import svc -", "find -v -"])
def test_a_standard_input_that_cannot_be_read(home: Home, command: str) -> None:
    closed = (2, "vault-exec: error: standard input is closed\n")
    assert shell(home, f"vault-exec {command} <&-") == closed
    only_written = (2, "vault-exec: error: standard input cannot be read: Bad file descriptor\n")
    assert shell(home, f"vault-exec {command} 0>/dev/null") == only_written


UNWRITABLE = "/System" if sys.platform == "darwin" else "/sys"


def test_a_home_that_cannot_be_written(home: Home) -> None:
    for place, codes in ((UNWRITABLE, (2, 4)), ("/dev/null", (2,))):
        done = home.run("write", "svc", "key", "value", env={"HOME": place})
        assert done.code in codes
        assert done.err.startswith(f"vault-exec: error: the store {place}/.local/share/vault-exec/store.db")
        assert "name another place with VAULT_EXEC_STORE" in done.err.splitlines()[1]
        assert home.run("list", "svc", env={"HOME": place}).code == 0


def test_a_store_that_is_a_folder(home: Home) -> None:
    for command in (["write", "svc", "key", "value"], ["list", "svc"], ["read", "svc", "key"]):
        done = home.run(*command, env={"VAULT_EXEC_STORE": str(home.path)})
        assert done.code == 2
        assert f"the store {home.path} is a folder" in done.err
        assert "hint: " in done.err
