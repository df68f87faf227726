"""A store as some version of this program wrote it: read by it, by another reader, and with one thing wrong.

vectors/store.sql and passphrase.sql are the statements that make the files; expected.json is what is in the
first. failures.json changes one thing in it, and names the calls that must notice. Every other call must then
either give what it gives without the change, or notice too.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.support.local import Place
from tests.unit.local import reader
from vault_exec.errors import DamagedStoreError, NotFoundError
from vault_exec.store import Store

VECTORS = Path(__file__).parent / "vectors"
EXPECTED = json.loads((VECTORS / "expected.json").read_text())
FAILURES = json.loads((VECTORS / "failures.json").read_text())

KEY = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="  # the bytes 0 to 31
PASSPHRASE = "pass phrase ü"


def make(place: Place, name: str) -> None:
    place.path.parent.mkdir(parents=True, exist_ok=True)
    place.path.unlink(missing_ok=True)
    connection = sqlite3.connect(place.path)
    connection.executescript((VECTORS / name).read_text())
    connection.close()


def living(service: str) -> dict[str, str]:
    latest = {key: entry["rows"][-1] for key, entry in EXPECTED[service].items()}
    return {key: row["value"] for key, row in latest.items() if not row["deleted"]}


def attempted(call: Callable[[], Any]) -> Any:
    try:
        return call()
    except NotFoundError as error:
        return type(error).__name__


#: What is asked of the store, and in a form that can be compared.
CALLS: dict[str, Callable[[Store], Any]] = {
    "values": lambda store: store.values("app"),
    "list": lambda store: store.list("app", values=True),
    "read": lambda store: store.read("app", "db-password"),
    "read old": lambda store: store.read("app", "db-password", 1),
    "current": lambda store: store.current("app", ["db-password", "text"]),
    "history": lambda store: store.history("app"),
    "history key": lambda store: store.history("app", "db-password"),
    "tags": lambda store: store.tags("app", "text"),
    "services": lambda store: store.services(),
    "secrets": lambda store: store.secrets("app"),
    "absent": lambda store: attempted(lambda: store.values("absent")),
    "write absent": lambda store: store.write("absent", "key", "value"),
    "write": lambda store: store.write("app", "db-password", "third"),
    "write new": lambda store: store.write("app", "key", "value"),
    "delete": lambda store: store.delete("app", "db-password"),
    "rekey": lambda store: store.rekey(),
}


def test_another_reader_reads_it(place: Place) -> None:
    make(place, "store.sql")
    assert reader.read(place.path, key=bytes(range(32))) == EXPECTED
    make(place, "passphrase.sql")
    found = reader.read(place.path, passphrase=PASSPHRASE.encode())
    assert found["svc"]["key"]["rows"][0]["value"] == "value"


def test_it_reads_what_was_written(place: Place) -> None:
    make(place, "store.sql")
    store = place.open(VAULT_EXEC_KEY=KEY)
    assert store.services() == ["app", "other/service"]
    for service in store.services():
        assert store.values(service) == living(service)
    told = {}
    for service in EXPECTED:
        for version in store.history(service):
            assert version.created is not None
            row = (
                version.version,
                int(version.deleted),
                round(version.created.timestamp() * 1e6),
                version.created_by,
            )
            told.setdefault(str(version.id), []).append(row)
    assert told == {
        f"{service}/{key}": [
            (row["version"], row["deleted"], row["created"], row["created_by"]) for row in entry["rows"]
        ]
        for service, keys in EXPECTED.items()
        for key, entry in keys.items()
    }
    for key in living("app"):
        assert store.tags("app", key) == EXPECTED["app"][key]["tags"]
        for row in EXPECTED["app"][key]["rows"]:
            if row["value"] is not None:
                assert store.read("app", key, row["version"]).value == row["value"]
    make(place, "passphrase.sql")
    assert place.open([PASSPHRASE]).values("svc") == {"key": "value"}


def test_another_reader_reads_what_is_written_today(place: Place) -> None:
    store = place.open(VAULT_EXEC_KEY=KEY)
    for value in ("first", "second"):
        store.write("app", "key", value, skip_unchanged=True)
    store.write("app", "tagged", "🔑\n", tags={"team": "core"})
    store.write("ended", "key", "value")
    store.delete("ended", "key")
    store.rekey()
    found = reader.read(place.path, key=bytes(range(32)))
    assert [row["value"] for row in found["app"]["key"]["rows"]] == ["first", "second"]
    assert found["app"]["tagged"]["tags"] == {"team": "core"}
    assert [row["value"] for row in found["ended"]["key"]["rows"]] == [None, None]


def noticed(place: Place, call: Callable[[Store], Any]) -> Any:
    try:
        return call(place.open(VAULT_EXEC_KEY=KEY))
    except DamagedStoreError as error:
        return error


@pytest.fixture(scope="module")
def right(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What each call gives where nothing is wrong."""
    place = Place(tmp_path_factory.mktemp("right"))
    results = {}
    for name, call in CALLS.items():
        make(place, "store.sql")
        results[name] = call(place.open(VAULT_EXEC_KEY=KEY))
    return results


@pytest.mark.parametrize("failure", FAILURES, ids=lambda failure: failure["name"])
def test_one_thing_wrong_is_noticed(place: Place, right: dict[str, Any], failure: dict[str, Any]) -> None:
    make(place, "store.sql")
    for statement in failure["sql"]:
        place.sql(statement)
    changed = place.path.read_bytes()
    for name, call in CALLS.items():
        place.path.write_bytes(changed)
        result = noticed(place, call)
        if isinstance(result, DamagedStoreError):
            assert str(place.path) in str(result)
            assert place.path.read_bytes() == changed
        else:
            assert name not in failure["fails"], f"{name} did not notice"
            assert result == right[name], name
    assert set(failure["fails"]) <= set(CALLS)
