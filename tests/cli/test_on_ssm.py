"""Our commands on Parameter Store: labels, what a call costs, and what is told when something is refused."""

from __future__ import annotations

import re

import pytest

from tests.support.commands import Home, aws_variables
from tests.support.filling import fill_ssm
from tests.support.proxy import ALWAYS, Exchange, Proxy, refused


@pytest.fixture
def chamber(home: Home, proxy: Proxy) -> Home:
    """A user of chamber's name, whose service app holds a key in two versions."""
    home.set(**aws_variables(proxy.url), VAULT_EXEC_BACKEND="ssm")
    fill_ssm(proxy.url, {"app": {"key": "first-value"}, "other": {"key": "other-value"}})
    fill_ssm(proxy.url, {"app": {"key": "second-value"}})
    proxy.reset()
    return home


def test_labels(chamber: Home) -> None:
    assert chamber.run("label", "app", "KEY", "Stable", "--version", "1").code == 0
    assert chamber.run("read", "app", "key", "-q", "--version", "Stable").out == "first-value\n"
    assert chamber.run("read", "app", "key", "-q", "-v", "stable").code == 3
    listed = chamber.run("list", "app:Stable", "-e").out.splitlines()
    assert re.split("\t+", listed[1])[::4] == ["key", "first-value"]
    assert chamber.run("exec", "App:Stable", "--", "printenv", "KEY").out == "first-value\n"
    history = chamber.run("history", "app", "key").out.splitlines()
    assert re.split("\t+", history[0]) == ["Event", "Version", "Date", "User", "Labels"]
    assert [re.split("\t+", line)[4:] for line in history[1:]] == [["Stable"], [""]]


def test_a_quiet_read_is_one_call(chamber: Home, proxy: Proxy) -> None:
    assert chamber.run("read", "-q", "app", "Key").out == "second-value\n"
    assert proxy.counts == {"GetParameters": 1}


def test_verbose_tells_of_calls_and_never_of_values(chamber: Home) -> None:
    done = chamber.run("list", "app", "-e", "--verbose")
    assert "second-value" in done.out
    assert "DescribeParameters" in done.err
    assert "second-value" not in done.err
    assert chamber.environ["AWS_SECRET_ACCESS_KEY"] not in done.err


def test_find_tells_which_services_it_could_not_search(chamber: Home, proxy: Proxy) -> None:
    def other_is_denied(exchange: Exchange) -> None:
        if exchange.call.members["Path"].startswith("/other"):
            refused(400, "AccessDeniedException")(exchange)
        else:
            exchange.pass_on()

    proxy.spoil("GetParametersByPath", other_is_denied, times=ALWAYS)
    done = chamber.run("find", "-v", "-", stdin="second-value")
    assert done.code == 4
    assert re.split("\t+", done.out.splitlines()[1]) == ["app", "key"]
    assert "not searched" in done.err
    assert "other" in done.err
    assert "second-value" not in done.err
