"""Side by side with Segment's chamber on S3, plain and with KMS keys.

What it wrote reads the same through us. Its commands, given to us, answer the same and leave the same bytes,
but for what is listed here. And what we write on top of what it wrote can be read by its rules, which a
reader of this file's own follows.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.support.commands import Home
from tests.support.differences import COMMON, USAGE
from tests.support.recorded import Difference, Recorded, batches, load, problems, state
from tests.support.s3 import ALIAS, BUCKET, S3
from vault_exec.errors import UsageError
from vault_exec.model import SecretId

EVERYWHERE = "list-services, find, tags missing on S3: the same commands on every backend"
GONE = "delete of a missing key on S3 succeeds: not found"

#: Each command that is to answer differently, with the line of the design that says so.
DIFFERENCES: Mapping[tuple[str, ...], Difference] = {
    **COMMON,
    ("write", "tagged", "k", "v", "-t", "team=a,env=prod"): Difference(EVERYWHERE, code=0, err=""),
    ("write", "tagged", "k", "v2", "-t", "team=b"): Difference(
        USAGE, code=2, err="tagged/k is there already"
    ),
    ("exec", "svc:label", "--", "true"): Difference(USAGE, code=125, err="cannot label versions"),
    ("list-services",): Difference(EVERYWHERE, code=0, out="Service\napp\nprod\nprod/web\ntagged\n", err=""),
    ("list-services", "prod"): Difference(EVERYWHERE, code=0, out="Service\nprod\nprod/web\n", err=""),
    ("find", "url"): Difference(EVERYWHERE, code=0, out="Service\nprod/web\n", err=""),
    ("find", "u3", "-v"): Difference(EVERYWHERE, code=0, out="Service\tKey\napp\tupper\n", err=""),
    ("find", "nosuch"): Difference(EVERYWHERE, code=0, out="Service\n", err=""),
    ("tag", "write", "tagged", "k", "env=dev", "x=y"): Difference(
        EVERYWHERE, code=0, out="Key\tValue\nenv\tdev\nx\ty\n", err=""
    ),
    ("tag", "delete", "tagged", "k", "x"): Difference(EVERYWHERE, code=0, err=""),
    ("tag", "write", "tagged", "k", "only=1", "--delete-other-tags"): Difference(
        EVERYWHERE, code=0, out="Key\tValue\nonly\t1\n", err=""
    ),
}

#: Commands that are in the recording more than once, what each time should give.
AGAIN: Mapping[tuple[str, ...], list[Difference]] = {
    ("delete", "app", "plain"): [Difference(""), Difference(GONE, code=3, err="app/plain")],
    ("tag", "read", "tagged", "k"): [
        Difference(EVERYWHERE, code=0, out="Key\tValue\nteam\ta\nenv\tprod\n", err=""),
        Difference(EVERYWHERE, code=0, out="Key\tValue\nteam\ta\nenv\tdev\nx\ty\n", err=""),
        Difference(EVERYWHERE, code=0, out="Key\tValue\nonly\t1\n", err=""),
    ],
}

_CREATED = re.compile(r'(?<="created":")[^"]*')
_RFC_3339 = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{0,8}[1-9])?Z")


@pytest.fixture(params=["s3", "s3-kms"])
def backend(request: pytest.FixtureRequest) -> str:
    return request.param


def load_state(s3: S3, backend: str) -> dict[str, Any]:
    """Put what chamber left into the bucket, and return it. Each time that was left out is another one."""
    recorded = state(backend)
    for path, found in recorded.items():
        number = iter(range(1, 1000))
        found["body"] = re.sub("<time>", lambda _: f"2026-01-02T03:04:05.{next(number):09}Z", found["body"])  # noqa: B023
        s3.put(path, found["body"], found["SSEKMSKeyId"], ContentType=found["ContentType"])
    return recorded


# -- a reader by the rules of chamber ---------------------------------------------------------------------


class Chamber:
    """What chamber's commands would find in the bucket. Nothing of the program is used for it."""

    def __init__(self, s3: S3, backend: str) -> None:
        self._s3 = s3
        self._keyed = backend == "s3-kms"

    def values(self, service: str) -> dict[str, str]:
        """For exec, env, export: the index alone, or all indexes, the higher version winning."""
        if not self._keyed:
            return self._s3.body(f"{service}/__latest.json")["latest"]
        merged: dict[str, dict[str, Any]] = {}
        for path in self._s3.names(f"{service}/__kms"):
            for key, entry in self._s3.body(path)["latest"].items():
                assert path == f"{service}/__kms_{entry['KMSAlias'].replace('/', '_')}__latest.json"
                if key not in merged or merged[key]["version"] <= entry["version"]:
                    merged[key] = entry
        return {key: entry["value"] for key, entry in merged.items()}

    def secret(self, service: str, key: str) -> dict[int, dict[str, Any]]:
        """For read, history, list: the object's versions."""
        found = self._s3.body(f"{service}/{key}.json")
        assert list(found) == ["service", "key", "values"]
        assert (found["service"], found["key"]) == (service, f"/{service}/{key}")
        versions = {int(number): record for number, record in found["values"].items()}
        for number, record in versions.items():
            assert list(record) == ["created", "created_by", "version", "value"]
            assert record["version"] == number
            assert _RFC_3339.fullmatch(record["created"])
        return dict(sorted(versions.items()))

    def check_service(self, service: str, wanted: dict[str, str]) -> None:
        """exec, list and read give these values."""
        assert self.values(service) == wanted
        for key, value in wanted.items():
            versions = self.secret(service, key)
            assert versions[max(versions)]["value"] == value


# -- the tests --------------------------------------------------------------------------------------------


def test_what_chamber_wrote_reads_the_same(s3: S3, backend: str) -> None:
    recorded = load_state(s3, backend)
    reader = Chamber(s3, backend)
    ids = sorted(
        SecretId(*path.removesuffix(".json").rpartition("/")[::2])
        for path in recorded
        if not path.rpartition("/")[2].startswith("__")
    )
    services = sorted({id.service for id in ids})
    with s3.open(backend) as store:
        assert list(store.services()) == services
        assert list(store.secrets()) == ids
        for service in services:
            values = reader.values(service)
            assert store.values(service) == values
            listed = [(secret.id.key, secret.value) for secret in store.list(service, values=True)]
            assert listed == sorted(values.items())
        for id in ids:
            versions = reader.secret(id.service, id.key)
            history = store.history(id.service, id.key)
            assert [event.version for event in history] == list(versions)
            assert [event.created_by for event in history] == [it["created_by"] for it in versions.values()]
            for event in history[-2:]:
                secret = store.read(id.service, id.key, event.version)
                assert secret.value == versions[event.version]["value"]
                assert secret.created == event.created
                assert f"{event.created:%Y-%m-%dT%H:%M:%S}" == versions[event.version]["created"][:19]
    assert {path: s3.get(path)["Body"].decode() for path in s3.names()} == {
        path: found["body"] for path, found in recorded.items()
    }


def test_exec_gives_every_value_that_chamber_wrote_byte_for_byte(
    s3: S3, backend: str, aws_home: Home
) -> None:
    home = aws_home.set(CHAMBER_SECRET_BACKEND=backend, CHAMBER_S3_BUCKET=BUCKET)
    load_state(s3, backend)
    dump = "import json, os; print(json.dumps({k.decode(): v.hex() for k, v in os.environb.items()}))"
    done = home.run("exec", "app", "--", sys.executable, "-I", "-c", dump, program="chamber")
    assert (done.code, done.err) == (0, "")
    printed = json.loads(done.out)
    wanted = {
        key.upper().replace("-", "_"): value.encode().hex()
        for key, value in Chamber(s3, backend).values("app").items()
    }
    assert {name: printed.get(name) for name in wanted} == wanted


def test_the_same_commands_answer_the_same_and_leave_the_same_bytes(s3: S3, aws_home: Home) -> None:
    home = aws_home.set(CHAMBER_SECRET_BACKEND="s3", CHAMBER_S3_BUCKET=BUCKET)
    # What formats look like is the same for all stores.
    calls = [call for call in load("s3") if call.argv[0] not in ("env", "export")]
    turns = {argv: iter(differences) for argv, differences in AGAIN.items()}
    found: list[str] = []
    with ThreadPoolExecutor(4) as pool:
        for group in batches(calls):
            for found_here in pool.map(lambda call: _replayed(home, s3, call, turns), group):
                found += found_here
    assert not found, "\n".join(found)
    assert not any(list(turn) for turn in turns.values())
    assert {*DIFFERENCES} - {*COMMON} <= {call.argv for call in calls}

    recorded = state("s3")
    for path, value, ours in (("imp/f.json", "1.1", "1.10"), ("imp/o.json", "511", "0777")):
        for changed in (path, "imp/__latest.json"):  # scalars keep their text
            recorded[changed]["body"] = recorded[changed]["body"].replace(f':"{value}"', f':"{ours}"')
    assert _state(s3, but="tagged/") == recorded


def test_the_same_writes_leave_the_same_bytes_under_a_kms_key(s3: S3) -> None:
    store = s3.open("s3-kms")
    services = ("app", "prod", "prod/web")
    for call in load("s3-kms"):
        command, *words = call.argv
        if call.code or words[:1] == ["imp"] or command not in ("write", "delete"):
            continue
        id = SecretId(words[0].lower(), words[1].lower())
        if command == "write":
            value = call.stdin if "-" in words[2:3] else next(word for word in words[2:] if word != "--")
            value = value.split("\n")[0] if "-s" in words else value
            store.write(id.service, id.key, value, skip_unchanged="--skip-unchanged" in words)
        else:
            store.delete_many(id.service, [id.key])  # chamber deletes what is not there
    recorded = {p: it for p, it in state("s3-kms").items() if p.rpartition("/")[0] in services}
    assert len(recorded) > 40
    assert _state(s3) == recorded


def _replayed(home: Home, s3: S3, call: Recorded, turns: Mapping[tuple[str, ...], Any]) -> list[str]:
    difference = next(turns[call.argv]) if call.argv in turns else DIFFERENCES.get(call.argv)
    ours = call.run(home)
    if call.argv[:3] == ("write", "app", "single2"):  # chamber did not write it: out of the way of the rest
        assert home.run("delete", "app", "single2", program="chamber").code == 0
    if call.argv == ("list-services", "-s"):
        names = [f"/{id}" for id in s3.open().secrets()]
        return [] if ours.out.splitlines() == ["Service", *names] else [repr(ours)]
    return problems(call, ours, difference)


def _state(s3: S3, but: str = "-") -> dict[str, Any]:
    """What is in the bucket, in the recording's form, but for what begins so."""
    found = {path: s3.get(path) for path in s3.names() if not path.startswith(but)}
    return {
        path: {
            "body": _CREATED.sub("<time>", it["Body"].decode()),
            "ServerSideEncryption": it["ServerSideEncryption"],
            "SSEKMSKeyId": it.get("SSEKMSKeyId"),
            "ContentType": it["ContentType"],
        }
        for path, it in found.items()
    }


@pytest.mark.parametrize("work", ["write", "write_many", "delete"])
def test_forty_keys_under_two_aliases_that_we_write_to_stay_readable_for_chamber(s3: S3, work: str) -> None:
    recorded = load_state(s3, "s3-kms")
    reader = Chamber(s3, "s3-kms")
    theirs = "alias/other/team"
    index = "app/__kms_alias_other_team__latest.json"
    latest = {}
    for number in range(12):
        key = f"other-{number}"
        record = {
            "created": "2026-01-02T03:04:05.1Z",
            "created_by": "me",
            "version": 7,
            "value": f"v{number}",
        }
        s3.put(f"app/{key}.json", {"service": "app", "key": f"/app/{key}", "values": {"7": record}}, theirs)
        latest[key] = {"version": 7, "value": f"v{number}", "KMSAlias": theirs}
    s3.put(index, {"latest": latest}, theirs)
    before = reader.values("app")
    assert len(before) > 40
    untouched = {path: s3.get(path)["Body"] for path in s3.names() if path not in ("app/upper.json",)}

    ours, other = s3.open("s3-kms"), s3.open("s3-kms", kms_key_alias=theirs)
    wanted = dict(before)
    changed: dict[str, str] = {}
    if work == "write":
        changed = {"upper": "u4 <&>\u2028", "new": "é 🔑"}
        for key, value in changed.items():
            ours.write("app", key, value)
        other.write("app", "other-3", "theirs")
        changed["other-3"] = "theirs"
    elif work == "write_many":
        changed = {key: f"{value}!" for key, value in before.items() if not key.startswith("other-")}
        ours.write_many("app", changed)
    else:
        ours.delete_many("app", ["upper", "emoji"])
        other.delete("app", "other-5")
        for key in ("upper", "emoji", "other-5"):
            del wanted[key]
    wanted |= changed
    reader.check_service("app", wanted)
    for key, value in changed.items():
        versions = reader.secret("app", key)
        path = f"app/{key}.json"
        alias = theirs if key.startswith("other-") else ALIAS
        assert s3.get(path)["SSEKMSKeyId"] == alias
        assert versions[max(versions)]["value"] == value
        if path in recorded:  # what was there before is there to the letter
            old = recorded[path]["body"]
            inner = old[old.index('"values":{') + len('"values":{') : old.rindex("}}")]
            assert inner in s3.get(path)["Body"].decode()
    touched = {f"app/{key}.json" for key in {*changed, *set(before) - set(wanted)}}
    for path, body in untouched.items():
        if path not in touched and "__latest" not in path:
            assert s3.get(path)["Body"] == body
    for alias, path in ((ALIAS, "app/__kms_alias_parameter_store_key__latest.json"), (theirs, index)):
        assert {entry["KMSAlias"] for entry in s3.body(path)["latest"].values()} == {alias}
        assert s3.get(path)["SSEKMSKeyId"] == alias


def test_a_secret_of_the_other_alias_is_refused_as_by_chamber(s3: S3) -> None:
    load_state(s3, "s3-kms")
    store = s3.open("s3-kms", kms_key_alias="alias/other")
    calls: list[Callable[[], object]] = [
        lambda: store.write("app", "upper", "x"),
        lambda: store.delete("app", "upper"),
    ]
    for call in calls:
        with pytest.raises(UsageError, match=ALIAS):
            call()
