"""read, list, history, find and list-services, on a store that nobody changes meanwhile."""

from __future__ import annotations

import json
import re

import pytest

from tests.cli.conftest import HOSTILE
from tests.support.commands import Home
from tests.support.terminal import Terminal

TIME = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d")
UTC_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")


def cells(table: str) -> list[list[str]]:
    """The cells of each line; a time, which nobody can foretell, as TIME."""
    return [re.split("\t+", TIME.sub("TIME", line)) for line in table.splitlines()]


def users(home: Home) -> str:
    (user,) = {row[3] for row in cells(home.run("list", "app").out)[1:]}
    assert "@" in user
    return user


def test_list(stocked: Home) -> None:
    user = users(stocked)
    assert cells(stocked.run("list", "APP", "-e").out) == [
        ["Key", "Version", "LastModified", "User", "Value"],
        ["Mixed.Case", "1", "TIME", user, "exact"],
        ["db-password", "2", "TIME", user, "second"],
    ]
    by_version = cells(stocked.run("list", "app", "--version").out)
    assert [row[0] for row in by_version] == ["Key", "Mixed.Case", "db-password"]
    by_time = cells(stocked.run("list", "app", "-t").out)
    assert [row[0] for row in by_time] == ["Key", "db-password", "Mixed.Case"]


def test_list_as_json(stocked: Home) -> None:
    secrets = json.loads(stocked.run("list", "app", "--json", "-e").out)
    assert [(one["service"], one["key"], one["version"], one["value"]) for one in secrets] == [
        ("app", "Mixed.Case", 1, "exact"),
        ("app", "db-password", 2, "second"),
    ]
    assert all(UTC_TIME.fullmatch(one["created"]) for one in secrets)
    assert "value" not in stocked.run("list", "app", "--json").out
    off = stocked.run("list", "app", "--json", "--expand=true", "--json=false", "--expand=0")
    assert off.out == stocked.run("list", "app").out


def test_list_of_a_service_without_secrets_is_a_header_and_a_note(stocked: Home) -> None:
    done = stocked.run("list", "nosuch")
    assert done.code == 0
    assert cells(done.out) == [["Key", "Version", "LastModified", "User"]]
    assert done.err.startswith("vault-exec: note: ")
    assert "nosuch" in done.err
    assert stocked.run("list", "nosuch", "--json").out == "[]\n"


def test_read(stocked: Home) -> None:
    done = stocked.run("read", "app", "DB-Password")
    assert cells(done.out) == [
        ["Key", "Value", "Version", "LastModified", "User"],
        ["db-password", "second", "2", "TIME", users(stocked)],
    ]
    assert cells(stocked.run("read", "app", "db-password", "-v", "1").out)[1][1:3] == ["first", "1"]
    document = json.loads(stocked.run("read", "app", "db-password", "--json").out)
    assert (document["value"], document["version"]) == ("second", 2)


@pytest.mark.parametrize(
    ("line", "value"),
    [
        ("app db-password", "second"),
        ("App Mixed.Case", "exact"),
        ("app DB-PASSWORD", "second"),
        ("app db-password --version -1", "second"),
        ("app db-password -v 1", "first"),
        ("hostile tricks", HOSTILE),
    ],
)
def test_a_quiet_read_is_the_exact_value_and_a_newline(stocked: Home, line: str, value: str) -> None:
    done = stocked.run("read", "-q", *line.split())
    assert (done.code, done.out_bytes, done.err) == (0, value.encode() + b"\n", "")


@pytest.mark.parametrize("line", ["app mixed.case", "app db-password -v 9", "app gone", "nosuch key"])
def test_what_is_not_there(stocked: Home, line: str) -> None:
    for options in ([], ["-q"]):
        done = stocked.run("read", *line.split(), *options)
        assert (done.code, done.out) == (3, "")
        assert "vault-exec: error: " in done.err


def test_a_version_that_the_exact_key_lacks_is_not_taken_from_another(stocked: Home) -> None:
    assert stocked.run("read", "app", "Mixed.Case", "-v", "2", "-q").code == 3


def test_history_of_a_key_is_chamber_s(stocked: Home) -> None:
    user = users(stocked)
    assert cells(stocked.run("history", "app", "DB-password").out) == [
        ["Event", "Version", "Date", "User"],
        ["Created", "1", "TIME", user],
        ["Updated", "2", "TIME", user],
    ]
    assert [row[0] for row in cells(stocked.run("history", "app", "gone").out)] == [
        "Event",
        "Created",
        "Deleted",
    ]
    assert stocked.run("history", "app", "nosuch").code == 3


def test_history_of_a_service_is_newest_first_with_deletions_and_no_value(stocked: Home) -> None:
    done = stocked.run("history", "app")
    assert [row[:3] for row in cells(done.out)] == [
        ["Event", "Key", "Version"],
        ["Deleted", "gone", "1"],
        ["Created", "gone", "1"],
        ["Created", "Mixed.Case", "1"],
        ["Updated", "db-password", "2"],
        ["Created", "db-password", "1"],
    ]
    events = json.loads(stocked.run("history", "app", "--json").out)
    assert (events[0]["event"], events[0]["key"]) == ("Deleted", "gone")
    assert all(UTC_TIME.fullmatch(one["time"]) and "value" not in one for one in events)


@pytest.mark.parametrize(
    ("options", "how_many"),
    [
        ("--since 1h", 5),
        ("--until 1h", 0),
        ("--since 2020-01-01 --until 2020-12-31", 0),
        ("--since 2020-01-01T00:00:00+02:00", 5),
        ("--user @", 5),
        ("--user nobody-of-this-name", 0),
    ],
)
def test_history_can_be_narrowed(stocked: Home, options: str, how_many: int) -> None:
    done = stocked.run("history", "app", *options.split())
    assert (done.code, len(done.out.splitlines())) == (0, 1 + how_many)


def test_find(stocked: Home) -> None:
    assert stocked.run("find", "db-password").out == "Service\napp\nother\n"
    assert stocked.run("find", "Db-Password").out == "Service\n"
    by_value = stocked.run("find", "-v", "-", stdin="8080")
    assert cells(by_value.out) == [["Service", "Key"], ["app/web", "port"], ["other", "db-password"]]
    assert by_value.out == stocked.run("find", "--by-value", "8080").out
    assert json.loads(stocked.run("find", "port", "--json").out) == [{"service": "app/web", "key": "port"}]


def test_list_services(stocked: Home) -> None:
    assert stocked.run("list-services").out == "Service\napp\napp/web\nhostile\nother\n"
    assert stocked.run("list-services", "APP").out == "Service\napp\napp/web\n"
    assert stocked.run("list-services", "-s", "app/").out == "Service\n/app/web/port\n"
    assert json.loads(stocked.run("list-services", "o", "--json").out) == ["other"]


def test_tag_read(stocked: Home) -> None:
    assert stocked.run("tag", "read", "app/web", "PORT").out == "Key\tValue\nteam\tweb\n"
    assert json.loads(stocked.run("tag", "read", "app/web", "port", "--json").out) == {"team": "web"}


def test_a_value_cannot_act_on_the_terminal(stocked: Home) -> None:
    shown = "a\\x1b[2J\\x7f\\x9b\\u202eb"
    for arguments in (
        ["list", "hostile", "-e"],
        ["read", "hostile", "tricks"],
        ["read", "hostile", "tricks", "-q"],
    ):
        with Terminal(stocked, *arguments) as terminal:
            assert terminal.wait() == 0
            assert shown in terminal.screen
            assert not set(HOSTILE) & set(terminal.screen) - set("ab[2J")
    with Terminal(stocked, "read", "hostile", "tricks", "--json") as terminal:
        terminal.wait()
        assert json.loads(terminal.screen)["value"] == HOSTILE
        assert "\x1b" not in terminal.screen


def test_line_ends_and_tabs_are_escaped_in_tables_but_not_by_read(stocked: Home) -> None:
    with Terminal(stocked, "list", "hostile", "-e") as table:
        table.wait()
        assert "one\\ttab\\ntwo" in table.screen
    with Terminal(stocked, "read", "hostile", "lines", "-q") as value:
        value.wait()
        # A terminal shows a tab as it is set to; here as the tab or the blanks to the next stop.
        assert "one\ttab\r\ntwo\r\n" in value.screen or re.search(r"one +tab\r\ntwo\r\n", value.screen)


def test_verbose_never_shows_a_value(stocked: Home) -> None:
    done = stocked.run("list", "app", "-e", "--verbose")
    assert done.code == 0
    assert "second" not in done.err
