"""Side by side with Segment's chamber on Parameter Store: what it wrote reads the same through us, and its
commands, given to us, answer the same and leave the same state, but for what is listed here."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.support.aws import open_store
from tests.support.commands import Home
from tests.support.recorded import Difference, Recorded, batches, load, problems, state

USAGE = "2 usage, or the backend cannot"
NOT_FOUND = "3 not found"
NOT_STARTED = "125 anything that failed before it started, usage included"
OWN_GRAMMAR = "`\\uXXXX`, escaped blanks; the target's own grammar, checked by its own parser"

#: Each command that is to answer differently, with the line of the design that says so.
DIFFERENCES: Mapping[tuple[str, ...], Difference] = {
    ("write", "app", "endnl", "-"): Difference(
        "a value that ends in one newline is written as it is, with a note on stderr that `-s` drops it",
        err="chamber: note: the value ends in a newline, which is part of it; -s (--singleline) drops it\n",
    ),
    ("write", "app", "single2", "-", "-s"): Difference(
        "`write -s -` fails when the last line has no newline: reads it", code=0, err=""
    ),
    ("write", "app", "empty", ""): Difference(
        "Over the limit, or empty where the store has no empty: an error that names the limit, "
        "before the write",
        code=2,
        err="app/empty is empty",
    ),
    ("write", "app", "bad key", "x"): Difference(USAGE, code=2, err="'bad key'"),
    ("write", "bad service", "k", "x"): Difference(USAGE, code=2, err="'bad service'"),
    ("write", "a//b", "k", "x"): Difference(USAGE, code=2, err="'a//b'"),
    ("write", "app"): Difference(USAGE, code=2, err="KEY"),
    ("write", "tagged", "k", "v2", "-t", "team=b"): Difference(
        USAGE, code=2, err="tags on write are only supported for new secrets"
    ),
    ("read", "app", "upper", "--nosuchflag"): Difference(USAGE, code=2, err="--nosuchflag"),
    ("nosuchcommand",): Difference(USAGE, code=2, err="nosuchcommand"),
    ("export", "app", "-f", "toml"): Difference(USAGE, code=2, err="toml"),
    ("import", "imp6", "/nosuch/file"): Difference(USAGE, code=2, err="/nosuch/file"),
    ("read", "app", "upper", "-v", "9"): Difference(NOT_FOUND, code=3, err="app/upper"),
    ("read", "app", "nosuch"): Difference(NOT_FOUND, code=3, err="app/nosuch"),
    ("delete", "app", "plain"): Difference(NOT_FOUND, instead_of=1, code=3, err="app/plain"),
    ("history", "app", "nosuch"): Difference(NOT_FOUND, code=3, err="app/nosuch"),
    ("export", "nosuch", "-f", "json"): Difference(
        "A service with no secrets: exec, env, export and diff fail (not found)", code=3, out="", err="nosuch"
    ),
    ("list", "nosuch"): Difference(
        "`list` prints its header and a note on stderr, exit 0, as chamber does",
        err="chamber: note: service nosuch holds no secret\n",
    ),
    ("exec", "nosuch", "--", "sh", "-c", "echo ran"): Difference(
        "fails closed, exit 125, says which service and how to allow it (`--allow-missing`)",
        code=125,
        out="",
        err="--allow-missing",
    ),
    ("exec", "prod/web", "--", "/nosuch/command"): Difference(
        "127, not executable 126, our own failure 125", code=127, err="/nosuch/command"
    ),
    ("exec", "prod/web", "true"): Difference("no `--` is exit 125", code=125, err="--"),
    ("exec", "prod/web", "--"): Difference(NOT_STARTED, code=125),
    ("exec", "svc:label", "--", "true"): Difference(
        "`svc:label` is meant to read a label but its regex never matches in chamber. Ours works.",
        code=125,
        err="svc",
    ),
    ("exec", "prod/web", "--strict", "--", "true"): Difference(
        "never a value in any message (strict errors print values)", code=125, err="URL"
    ),
    ("export", "app", "-f", "yaml"): Difference(
        "YAML export writes raw control characters; every format that can be read back round-trips exactly",
        out="checked by test_our_yaml_holds_what_the_json_holds",
    ),
    ("export", "app", "-f", "java-properties"): Difference(
        "java-properties writes `?` for what Latin-1 lacks and drops leading blanks: " + OWN_GRAMMAR,
        lines=["ctrl", "emoji", "lead"],
    ),
    ("export", "app", "-f", "dotenv"): Difference(
        "`dotenv` targets python-dotenv and node's dotenv; where the two cannot agree on a value, "
        "python-dotenv wins and stderr names the key",
        lines=["BACK", "DOLLAR", "DQUOTE", "EMPTY_QUOTES", "HTML", "JSON"],
        err="chamber: note: dotenv: 'dollar' is right for python-dotenv; node's dotenv reads another value\n",
    ),
    ("export", "app", "-f", "tfvars"): Difference(
        "tfvars and dotenv escape wrongly: " + OWN_GRAMMAR, lines=["ctrl", "dollar", "tab", "u2028"]
    ),
    ("export", "imp"): Difference(
        "YAML import turns `0777` into 511, `1.10` into 1.1: scalars keep their text",
        out={"DB_USER": "root", "b": "true", "f": "1.10", "n": "1", "o": "0777", "s": "x"},
    ),
}

#: The same of what is in the store in the end: scalars keep their text.
OTHER_VALUES = {"/imp/f": "1.10", "/imp/o": "0777"}


@pytest.fixture
def boto(aws: dict[str, str]) -> Any:
    """Parameter Store as others see it."""
    import botocore.session

    return botocore.session.Session().create_client("ssm", region_name="us-east-1")


def load_state(boto: Any) -> dict[str, Any]:
    """Put what chamber left into the store, and return it."""
    recorded = state("ssm")
    for name, parameter in recorded.items():
        for version in parameter["history"]:
            members = {member: version[member] for member in ("Value", "Description", "Type", "KeyId")}
            boto.put_parameter(Name=name, Overwrite=version["Version"] > 1, **members)
        if parameter["tags"]:
            pairs = [{"Key": key, "Value": value} for key, value in parameter["tags"].items()]
            boto.add_tags_to_resource(ResourceType="Parameter", ResourceId=name, Tags=pairs)
    return recorded


def state_of(boto: Any) -> dict[str, Any]:
    """What is in the store, in the recording's form."""
    found = {}
    for page in boto.get_paginator("describe_parameters").paginate():
        for name in (parameter["Name"] for parameter in page["Parameters"]):
            history = boto.get_parameter_history(Name=name, WithDecryption=True)["Parameters"]
            tags = boto.list_tags_for_resource(ResourceType="Parameter", ResourceId=name)["TagList"]
            members = ("Value", "Version", "Description", "Type", "KeyId", "Labels")
            found[name] = {
                "history": [{member: entry[member] for member in members} for entry in history],
                "tags": {tag["Key"]: tag["Value"] for tag in tags},
            }
    return found


def test_what_chamber_wrote_reads_the_same(boto: Any, aws: dict[str, str]) -> None:
    recorded = load_state(boto)
    services: dict[str, dict[str, Any]] = {}
    for name, parameter in recorded.items():
        service, _, key = name[1:].rpartition("/")
        services.setdefault(service, {})[key] = parameter
    with open_store("ssm", aws) as store:
        assert store.services() == sorted(services)
        assert [f"/{id}" for id in store.secrets()] == sorted(recorded)
        for service, parameters in services.items():
            latest = {key: parameter["history"][-1] for key, parameter in parameters.items()}
            assert store.values(service) == {key: entry["Value"] for key, entry in latest.items()}
            assert [
                (secret.id.key, secret.value, secret.version) for secret in store.list(service, values=True)
            ] == [(key, latest[key]["Value"], latest[key]["Version"]) for key in sorted(latest)]
        for name, parameter in recorded.items():
            if len(parameter["history"]) == 1 and not parameter["tags"]:
                continue
            service, _, key = name[1:].rpartition("/")
            versions = [(entry["Version"], entry["Value"]) for entry in parameter["history"]]
            assert [event.version for event in store.history(service, key)] == [n for n, _ in versions]
            assert [store.read(service, key, number).value for number, _ in versions] == [
                v for _, v in versions
            ]
            assert store.tags(service, key) == parameter["tags"]


def test_exec_gives_every_value_that_chamber_wrote_byte_for_byte(boto: Any, aws_home: Home) -> None:
    recorded = load_state(boto)
    dump = "import json, os; print(json.dumps({k.decode(): v.hex() for k, v in os.environb.items()}))"
    done = aws_home.run("exec", "app", "--", sys.executable, "-I", "-c", dump, program="chamber")
    assert (done.code, done.err) == (0, "")
    printed = json.loads(done.out)
    wanted = {
        name.removeprefix("/app/").upper().replace("-", "_"): parameter["history"][-1]["Value"].encode().hex()
        for name, parameter in recorded.items()
        if name.startswith("/app/")
    }
    assert {name: printed.get(name) for name in wanted} == wanted


def test_our_yaml_holds_what_the_json_holds(boto: Any, aws_home: Home) -> None:
    import yaml

    load_state(boto)
    exported = [aws_home.run("export", "app", "-f", form, program="chamber").out for form in ("yaml", "json")]
    assert yaml.safe_load(exported[0]) == json.loads(exported[1])


def test_the_same_commands_answer_the_same_and_leave_the_same_state(boto: Any, aws_home: Home) -> None:
    calls = load("ssm")
    found: list[str] = []
    with ThreadPoolExecutor(4) as pool:
        for group in batches(calls):
            for found_here in pool.map(lambda call: _replayed(aws_home, call, boto), group):
                found += found_here
    assert not found, "\n".join(found)
    assert DIFFERENCES.keys() <= {call.argv for call in calls}

    recorded = state("ssm")
    for name, value in OTHER_VALUES.items():
        assert recorded[name]["history"][-1]["Value"] != value
        recorded[name]["history"][-1]["Value"] = value
    assert state_of(boto) == recorded


def _replayed(home: Home, call: Recorded, boto: Any) -> list[str]:
    difference = DIFFERENCES.get(call.argv)
    ours = call.run(home)
    if call.argv[:3] == ("write", "app", "single2"):  # chamber did not write it: out of the way of the rest
        assert (
            boto.get_parameter(Name="/app/single2", WithDecryption=True)["Parameter"]["Value"] == call.stdin
        )
        boto.delete_parameter(Name="/app/single2")
    if call.argv[-1:] == ("yaml",):
        return [] if (ours.code, ours.err) == (0, "") else [repr(ours)]
    return problems(call, ours, difference)
