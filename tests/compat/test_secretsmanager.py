"""Side by side with Segment's chamber on Secrets Manager.

What it wrote reads the same through us. Its commands, given to us, answer the same and leave the same texts
under AWSCURRENT and AWSPREVIOUS, but for what is listed here. Of other labels moto tells little: at a put it
takes all labels off the version that was current.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from zlib import crc32

import pytest

from tests.support.aws import open_store
from tests.support.commands import Home
from tests.support.differences import COMMON, NOT_STARTED, USAGE
from tests.support.recorded import Difference, Recorded, batches, load, problems, state
from vault_exec.store import Store
from vault_exec_backends.aws.times import parsed

METADATA = "_chamber_metadata"

EVERYWHERE = "list-services, find missing on Secrets Manager: the same commands on every backend"
NO_TAGS = "tags on Secrets Manager: refuse by name, since one secret there holds many keys"
NOT_THERE = "delete of a missing key: not found"

#: Each command that is to answer differently, with the line of the design that says so. Besides, for all
#: commands: "metadata hidden", which `without_metadata` takes out of what chamber printed.
DIFFERENCES: Mapping[tuple[str, ...], Difference] = {
    **COMMON,
    ("write", "app", "empty", ""): Difference(
        "empty value deletes: empty is an error there", code=2, err="empty"
    ),
    ("write", "tagged", "k", "v", "-t", "team=a,env=prod"): Difference(
        NO_TAGS, code=2, err="cannot tag secrets"
    ),
    ("write", "tagged", "k", "v2", "-t", "team=b"): Difference(NO_TAGS, code=2, err="cannot tag secrets"),
    ("tag", "read", "tagged", "k"): Difference(NO_TAGS, code=2, err="cannot tag secrets"),
    ("tag", "write", "tagged", "k", "env=dev", "x=y"): Difference(NO_TAGS, code=2, err="cannot tag secrets"),
    ("tag", "delete", "tagged", "k", "x"): Difference(NO_TAGS, code=2, err="cannot tag secrets"),
    ("tag", "write", "tagged", "k", "only=1", "--delete-other-tags"): Difference(
        NO_TAGS, code=2, err="cannot tag secrets"
    ),
    ("delete", "app", "plain"): Difference(NOT_THERE, instead_of=1, code=3, err="app/plain"),
    ("exec", "svc:label", "--", "true"): Difference(USAGE, code=125, err="cannot label versions"),
    ("list", "nosuch"): Difference(
        COMMON["list", "nosuch"].follows,
        code=0,
        out="Key\tVersion\tLastModified\tUser\n",
        err="chamber: note: service nosuch holds no secret in Secrets Manager\n",
    ),
    ("list-services",): Difference(EVERYWHERE, code=0, out="Service\napp\nprod\nprod/web\n", err=""),
    ("list-services", "prod"): Difference(EVERYWHERE, code=0, out="Service\nprod\nprod/web\n", err=""),
    ("find", "url"): Difference(EVERYWHERE, code=0, out="Service\nprod/web\n", err=""),
    ("find", "u3", "-v"): Difference(EVERYWHERE, code=0, out="Service\tKey\napp\tupper\n", err=""),
    ("find", "nosuch"): Difference(EVERYWHERE, code=0, out="Service\n", err=""),
}

_ENTRY = re.compile(r'\\"(?P<key>[^"]*)\\":{\\"created\\":\\"<time>\\"[^}]*\\"version\\":(?P<version>\d+)')
_CREATED = re.compile(r'(?<=\\"created\\":\\")[^"\\]*')


@pytest.fixture
def boto(aws: dict[str, str]) -> Any:
    """Secrets Manager as others see it."""
    import boto3

    return boto3.client("secretsmanager", region_name="us-east-1")


@pytest.fixture
def store(aws: dict[str, str]) -> Store:
    return open_store("secretsmanager", aws)


def load_state(boto: Any) -> dict[str, dict[str, str]]:
    """Put what chamber left into the store, oldest first, and return its texts by service and labels."""
    found = {}
    for service, recorded in state("secretsmanager").items():
        texts = {labels: _ENTRY.sub(dated, text) for labels, text in recorded["versions"].items()}
        order = sorted(texts, key=lambda labels: ("AWSCURRENT" in labels, labels == "AWSPREVIOUS"))
        boto.create_secret(Name=service, SecretString=texts[order[0]])
        for labels in order[1:]:
            stages = ["AWSCURRENT", *(name for name in labels.split(",") if name.startswith("CHAMBER"))]
            boto.put_secret_value(SecretId=service, SecretString=texts[labels], VersionStages=stages)
        found[service] = texts
    return found


def dated(entry: re.Match[str]) -> str:
    """What is known of a version of a key, with a time of its own where the recording has left it out."""
    nanoseconds = crc32(entry["key"].encode()) % 1_000_000_000
    return entry[0].replace("<time>", f"2026-01-02T03:04:{int(entry['version']):02}.{nanoseconds:09}Z")


def current(texts: Mapping[str, str]) -> tuple[dict[str, str], dict[str, Any]]:
    """The values of a service and what is known about them, by the rules of chamber."""
    text = next(text for labels, text in texts.items() if "AWSCURRENT" in labels)
    values = json.loads(text)
    return values, json.loads(values.pop(METADATA))


def state_of(boto: Any) -> dict[str, Any]:
    """What is in the store, in the recording's form: texts with their times left out. Of the labels, those of
    the current version and AWSPREVIOUS."""
    found: dict[str, Any] = {}
    for page in boto.get_paginator("list_secrets").paginate():
        for secret in page["SecretList"]:
            texts = found.setdefault(secret["Name"], {})
            for id, labels in secret["SecretVersionsToStages"].items():
                text = boto.get_secret_value(SecretId=secret["Name"], VersionId=id)["SecretString"]
                if "AWSCURRENT" in labels:
                    texts[",".join(sorted(labels))] = _CREATED.sub("<time>", text)
                elif "AWSPREVIOUS" in labels:
                    texts["AWSPREVIOUS"] = _CREATED.sub("<time>", text)
    return found


def test_what_chamber_wrote_reads_the_same(boto: Any, store: Store) -> None:
    services = load_state(boto)
    assert store.services() == sorted(services)
    for service, texts in services.items():
        values, known = current(texts)
        assert store.values(service) == values
        listed = store.list(service, values=True)
        assert [(it.id.key, it.value) for it in listed] == sorted(values.items())
        for secret in listed:
            entry = known[secret.id.key]
            assert (secret.version, secret.created_by) == (entry["version"], entry["created_by"])
            assert secret.created == parsed(entry["created"])
    assert [(event.version, event.id.key) for event in store.history("prod/web", "url")] == [
        (2, "url"),
        (3, "url"),
    ]
    assert [store.read("prod/web", "url", number).value for number in (2, 3)] == ["https://y", "https://z"]


def test_what_we_write_on_top_of_it_stays_readable_for_chamber(boto: Any, store: Store) -> None:
    values, known = current(load_state(boto)["app"])
    assert len(values) >= 40
    assert store.write("app", "upper", "u4 <&>\u2028") == known["upper"]["version"] + 1
    store.write_many("app", {"new": "é 🔑", "emoji": "changed"})
    store.delete("app", "dash")
    answer = boto.get_secret_value(SecretId="app", VersionStage="AWSCURRENT")
    after, after_known = current({"AWSCURRENT": answer["SecretString"]})
    del values["dash"]
    assert after == {**values, "upper": "u4 <&>\u2028", "new": "é 🔑", "emoji": "changed"}
    assert {key: entry["version"] for key, entry in after_known.items()} == {
        **{key: entry["version"] for key, entry in known.items() if key != "dash"},
        "upper": known["upper"]["version"] + 1,
        "new": 1,
        "emoji": known["emoji"]["version"] + 1,
    }
    for key in values.keys() - {"upper", "emoji"}:
        assert after_known[key] == known[key]


def test_exec_gives_every_value_that_chamber_wrote_byte_for_byte(boto: Any, aws_home: Home) -> None:
    values, _ = current(load_state(boto)["app"])
    dump = "import json, os; print(json.dumps({k.decode(): v.hex() for k, v in os.environb.items()}))"
    home = aws_home.set(CHAMBER_SECRET_BACKEND="secretsmanager")
    done = home.run("exec", "app", "--", sys.executable, "-I", "-c", dump, program="chamber")
    assert (done.code, done.err) == (0, "")
    printed = json.loads(done.out)
    wanted = {key.upper().replace("-", "_"): value.encode().hex() for key, value in values.items()}
    assert {name: printed.get(name) for name in wanted} == wanted
    assert METADATA.upper() not in printed


def without_metadata(call: Recorded) -> Recorded:
    """The command as recorded, but that chamber did not hand out its metadata as if it were a secret."""
    if call.out.startswith("{"):
        call.out = json.dumps({key: value for key, value in json.loads(call.out).items() if key != METADATA})
    lines = call.out.splitlines(keepends=True)
    call.out = "".join(line for line in lines if METADATA not in line.lower()[: len(METADATA) + 7])
    lines = call.err.splitlines(keepends=True)
    call.err = "".join(
        line for line in lines if not (METADATA in line.lower() and line.startswith("warning:"))
    )
    return call


def test_the_same_commands_answer_the_same_and_leave_the_same_state(
    boto: Any, aws_home: Home, store: Store
) -> None:
    home = aws_home.set(CHAMBER_SECRET_BACKEND="secretsmanager")
    calls = [without_metadata(call) for call in load("secretsmanager") if is_of_the_store(call)]
    found: list[str] = []
    with ThreadPoolExecutor(4) as pool:
        for group in batches(calls):
            run = map if group[0].written else pool.map  # all the writes are to one secret
            for found_here in run(lambda call: replayed(home, store, call), group):
                found += found_here
    assert not found, "\n".join(found)
    assert {*DIFFERENCES} - {*COMMON} <= {call.argv for call in calls}
    assert state_of(boto) == wanted_state()


def is_of_the_store(call: Recorded) -> bool:
    """Whether the store has a part in the answer: how formats look, and what is refused before anything is
    read, is tried with other stores."""
    if call.argv[0] in ("env", "export"):
        return call.argv in (("export", "imp"), ("export", "imp2"), ("env", "prod/web"), ("export", "nosuch"))
    return call.argv not in COMMON or COMMON[call.argv].follows not in (USAGE, NOT_STARTED)


def replayed(home: Home, store: Store, call: Recorded) -> list[str]:
    words = call.argv
    if words[:2] == ("write", "app") and words[3:] == ("-",) and words[2] != "endnl":
        store.write(words[1], words[2], call.stdin)  # which is all that the command does then
        return []
    ours = call.run(home)
    if words[:3] == ("write", "app", "single2"):  # chamber did not write it: out of the way of the rest
        store.delete("app", "single2")
    if words == ("list-services", "-s"):
        names = [f"/{id}" for id in store.secrets()]
        return [] if ours.out.splitlines() == ["Service", *names] else [repr(ours)]
    return problems(call, ours, DIFFERENCES.get(words))


def wanted_state() -> dict[str, Any]:
    """What chamber left, as far as moto tells, with what the design wants otherwise."""
    found = {}
    for service, recorded in state("secretsmanager").items():
        found[service] = {labels: text for labels, text in recorded["versions"].items() if labels != "(none)"}
        # "import m keys: 1 read + 1 write", which is CreateSecret where the service is new.
        if service == "imp2":
            found[service] = {"AWSCURRENT": found[service]["AWSCURRENT,CHAMBER1"]}
        if service == "imp":  # "scalars keep their text"
            for labels, text in found[service].items():
                for theirs, ours in (("1.1", "1.10"), ("511", "0777")):
                    assert f'"{theirs}"' in text
                    text = text.replace(f'"{theirs}"', f'"{ours}"')
                found[service][labels] = text
    return found
