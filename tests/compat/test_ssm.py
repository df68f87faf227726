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
from tests.support.differences import COMMON, NOT_FOUND, USAGE
from tests.support.recorded import Difference, Recorded, batches, load, problems, state

#: Each command that is to answer differently, with the line of the design that says so.
DIFFERENCES: Mapping[tuple[str, ...], Difference] = {
    **COMMON,
    ("write", "app", "empty", ""): Difference(
        "Over the limit, or empty where the store has no empty: an error that names the limit, "
        "before the write",
        code=2,
        err="app/empty is empty",
    ),
    ("write", "tagged", "k", "v2", "-t", "team=b"): Difference(
        USAGE, code=2, err="tags on write are only supported for new secrets"
    ),
    ("delete", "app", "plain"): Difference(NOT_FOUND, instead_of=1, code=3, err="app/plain"),
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
