"""write, delete, tag, init and rekey on the local store, and where a value may come from."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from tests.support.commands import Home
from tests.support.filling import local_store
from tests.support.terminal import Terminal
from vault_exec.errors import SecretNotFound


def value_of(home: Home, key: str = "key") -> str | None:
    """What the store holds now, read without starting a process; None where it is not there."""
    with local_store(home) as store:
        try:
            return store.read("svc", key).value
        except SecretNotFound:
            return None


def is_untouched(home: Home) -> bool:
    """Whether nothing at all was written, not even half."""
    return list(home.path.rglob("*.db*")) == []


@pytest.mark.parametrize(
    ("arguments", "stdin", "value"),
    [
        (["typed on the command line"], b"", "typed on the command line"),
        (["--", "-starts-with-dash"], b"", "-starts-with-dash"),
        (["-"], "p\u00e4ss \U0001f511\r\n\ttab".encode(), "p\u00e4ss \U0001f511\r\n\ttab"),
        ([], b"not asked for: a pipe", "not asked for: a pipe"),
        (["-", "-s"], b"first\nsecond\n", "first"),
        (["-s", "-"], b"no line end", "no line end"),
        (["-"], b"", ""),
        ([""], b"", ""),
    ],
)
def test_where_a_value_comes_from(home: Home, arguments: list[str], stdin: bytes, value: str) -> None:
    local_store(home).close()
    done = home.run("write", "SVC", "Key", *arguments, stdin=stdin)
    assert (done.code, done.out, done.err) == (0, "", "")
    assert value_of(home) == value


def test_a_line_end_is_kept_with_a_note_that_s_drops_it(home: Home) -> None:
    local_store(home).close()
    done = home.run("write", "svc", "key", "-", stdin="value\n")
    assert done.err == (
        "vault-exec: note: the value ends in a newline, which is part of it; -s (--singleline) drops it\n"
    )
    assert value_of(home) == "value\n"
    certificate = "-----BEGIN-----\nabc\n-----END-----\n"
    assert home.run("write", "svc", "key", "-", stdin=certificate).err == ""
    assert value_of(home) == certificate


def test_a_value_from_a_file(home: Home, tmp_path: Path) -> None:
    local_store(home).close()
    (tmp_path / "value").write_bytes(b"of a file\nsecond line")
    assert home.run("write", "svc", "key", "--from-file", str(tmp_path / "value")).code == 0
    assert value_of(home) == "of a file\nsecond line"
    assert home.run("write", "svc", "key", "-s", "--from-file", str(tmp_path / "value")).code == 0
    assert value_of(home) == "of a file"


def test_a_generated_value_is_long_enough_differs_and_is_not_shown(home: Home) -> None:
    local_store(home).close()
    values = []
    for options in ([], [], ["--length", "7"]):
        done = home.run("write", "svc", "key", "--generate", *options)
        assert (done.code, done.out, done.err) == (0, "", "")
        values.append(value_of(home) or "")
    assert [len(value) for value in values] == [32, 32, 7]
    assert values[0] != values[1]
    assert all(re.fullmatch("[A-Za-z0-9]+", value) for value in values)


def test_compare_and_swap(home: Home) -> None:
    assert home.run("write", "svc", "key", "one", "--if-version", "0").code == 0
    done = home.run("write", "svc", "key", "two", "--if-version", "0")
    assert done.code == 5
    assert "two" not in done.err
    assert home.run("write", "svc", "key", "three", "--if-version", "1").code == 0
    assert value_of(home) == "three"


def test_skip_unchanged_makes_no_version(home: Home) -> None:
    for _ in range(2):
        assert home.run("write", "svc", "key", "same", "--skip-unchanged").code == 0
    with local_store(home) as store:
        assert store.read("svc", "key").version == 1


def test_tags(home: Home) -> None:
    assert home.run("write", "svc", "key", "x", "-t", "team=a,env=prod", "--tags", "x=y").code == 0
    done = home.run("write", "svc", "key", "x", "-t", "team=b")
    assert done.code == 2
    written = home.run("tag", "write", "svc", "KEY", "env=dev", "new=1")
    assert written.out == "Key\tValue\nenv\tdev\nnew\t1\n"
    assert home.run("tag", "delete", "svc", "key", "x").code == 0
    tags = json.loads(home.run("tag", "read", "svc", "key", "--json").out)
    assert tags == {"team": "a", "env": "dev", "new": "1"}
    assert home.run("tag", "write", "svc", "key", "only=1", "--delete-other-tags").code == 0
    assert json.loads(home.run("tag", "read", "svc", "key", "--json").out) == {"only": "1"}


@pytest.mark.parametrize(
    ("arguments", "stdin", "code", "error"),
    [
        (["svc", "key", "-"], b"a\0b", 2, "svc/key holds a NUL byte"),
        (["svc", "key", "-"], b"\xff\xfe", 2, "svc/key is not UTF-8 text"),
        (["svc", "key", "\udcff"], b"", 2, "svc/key is not UTF-8 text"),
        (["svc", "key", "-"], b"x" * 2**21, 2, "svc/key has 2,097,152 bytes"),
        (["svc", "key"], b"", 2, "standard input is empty"),
        (["svc", "bad key", "secret-value"], b"", 2, "key name 'bad key' is not valid"),
        (["bad service", "key", "secret-value"], b"", 2, "service name 'bad service' is not valid"),
        (["svc", "key", "secret-value", "secret-more"], b"", 2, "write: 1 argument too many"),
        (["svc", "key", "-secret-value"], b"", 2, "write: there is an option that it does not have"),
        (["svc", "key", "--secret-value"], b"", 2, "write: there is an option that it does not have"),
        (["svc", "key", "--from-file", "/"], b"", 2, "the file / cannot be read: Is a directory"),
        (["svc", "key", "--from-file", "/no/such"], b"", 2, "the file /no/such cannot be read: No such file"),
        (["svc", "key", "secret-value", "--generate"], b"", 2, "one of VALUE, --from-file and --generate"),
        (["svc", "key", "--length", "9"], b"x", 2, "--length is for --generate"),
        (["svc", "key", "--generate", "--length", "0"], b"", 2, "0 characters"),
        (["svc", "key", "x", "--if-version", "-1"], b"", 2, "-1 is not a version"),
        (["svc", "key", "x", "--tags", "team"], b"", 2, "the tag 'team' is not of the form"),
        (["svc", "key", "secret-value", "-b", "null"], b"", 2, "the null backend cannot write"),
    ],
)
def test_a_bad_value_is_refused_untold_and_nothing_is_written(
    home: Home, arguments: list[str], stdin: bytes, code: int, error: str
) -> None:
    done = home.run("write", *arguments, stdin=stdin)
    assert (done.code, done.out) == (code, "")
    assert error in done.err
    assert "secret-" not in done.err
    assert "Traceback" not in done.err
    assert is_untouched(home)


def test_a_store_s_own_limits_are_told_before_anything_is_sent(home: Home) -> None:
    aws = {"AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "x", "AWS_REGION": "us-east-1"}
    aws["AWS_ENDPOINT_URL"] = "http://127.0.0.1:9"  # nobody is there
    empty = home.run("write", "svc", "key", "", program="chamber", env=aws)
    assert (empty.code, "ssm cannot hold an empty value" in empty.err) == (2, True)
    long = home.run("write", "svc", "key", "-", stdin="x" * 8193, program="chamber", env=aws)
    assert (long.code, "8,193 bytes; ssm takes up to 8,192" in long.err) == (2, True)


@pytest.fixture
def mixed(home: Home) -> Home:
    """A store with a key in upper case, as chamber's import writes it."""
    with local_store(home) as store:
        store.write("svc", "DB_USER", "root", tags={"a": "b"})
    return home


@pytest.mark.parametrize(
    "line",
    [
        "write svc DB_USER new",
        "delete svc DB_USER",
        "tag write svc DB_USER x=y",
        "tag delete svc DB_USER a",
    ],
)
def test_a_change_never_misses_a_key_that_is_spelled_as_typed(mixed: Home, line: str) -> None:
    refused = mixed.run(*line.split())
    assert refused.code == 2
    assert "svc holds DB_USER, but not db_user" in refused.err
    assert "hint: add --exact-key" in refused.err
    assert (value_of(mixed, "DB_USER"), value_of(mixed, "db_user")) == ("root", None)
    assert mixed.run(*line.split(), "--exact-key").code == 0


def test_keys_are_lower_cased_otherwise(home: Home) -> None:
    with local_store(home) as store:
        store.write("svc", "DB_USER", "upper")
        store.write("svc", "db_user", "lower")
    assert home.run("delete", "svc", "DB_USER").code == 0
    assert (value_of(home, "DB_USER"), value_of(home, "db_user")) == ("upper", None)


def test_delete(home: Home) -> None:
    with local_store(home) as store:
        store.write("svc", "key", "x")
    assert home.run("delete", "svc", "key").out == ""
    gone = home.run("delete", "svc", "key")
    assert (gone.code, "svc/key" in gone.err) == (3, True)
    for line in ("delete svc", "delete svc key --all"):
        assert home.run(*line.split()).code == 2


def test_a_whole_service_is_deleted_only_when_somebody_says_so(home: Home) -> None:
    with local_store(home) as store:
        store.write_many("svc", {"a": "x", "b": "x", "c": "x"})
        store.write("svc/web", "a", "x")
    unasked = home.run("delete", "svc", "--all")
    assert (unasked.code, "hint: add --yes" in unasked.err) == (2, True)
    with Terminal(home, "delete", "svc", "--all") as terminal:
        terminal.expect("Delete 3 secrets of svc, with all versions? [y/N]")
        terminal.type("\n")
        assert terminal.wait() == 1
        assert "nothing was deleted" in terminal.screen
    assert value_of(home, "b") == "x"
    with Terminal(home, "-c", "vault-exec delete svc --all </dev/null", program="/bin/sh") as terminal:
        terminal.expect("[y/N]")
        terminal.type("y\n")
        assert terminal.wait() == 0
        assert "deleting 3/3" in terminal.screen
    assert value_of(home, "b") is None
    with local_store(home) as store:
        assert store.values("svc/web") == {"a": "x"}
        store.write("svc", "a", "x")
    assert home.run("delete", "svc", "--all", "--yes").err == "vault-exec: note: deleted 1 secret of svc\n"
    assert home.run("delete", "svc", "--all", "--yes").code == 3


def test_init_and_rekey(home: Home) -> None:
    assert home.run("init", "--key", "file").code == 0
    assert home.run("init").code == 5
    assert home.run("init", "--key", "elsewhere").code == 2
    home.run("write", "svc", "key", "kept")
    for line in ("rekey", "rekey --wrap-only --key file"):
        assert home.run(*line.split()).code == 0
    assert home.run("read", "svc", "key", "-q").out == "kept\n"
