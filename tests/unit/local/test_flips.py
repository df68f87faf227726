"""A file that was cut off or of which a byte was changed: what it held, or exit code 7, and nothing else."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.support.local import Place
from vault_exec.errors import DamagedStoreError
from vault_exec.store import Store

KEY = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="  # the bytes 0 to 31

#: Changed bytes, of 28,672. Each run takes others; all would take minutes.
FLIPS = 500


def filled(place: Place) -> Place:
    store = place.open(VAULT_EXEC_KEY=KEY)
    store.write_many("svc", {f"key-{number}": f"value {number}" for number in range(8)})
    store.write("svc", "key-1", "newer", tags=None)
    store.write("svc", "tagged", "value", tags={"team": "core"})
    store.delete("svc", "key-2")
    store.write("other", "key", "value")
    return place


def everything(store: Store) -> dict[str, Any]:
    """What the calls give, or that they noticed."""
    calls: dict[str, Callable[[], Any]] = {
        "values": lambda: store.values("svc"),
        "list": lambda: store.list("svc"),
        "read": lambda: store.read("svc", "key-1"),
        "old": lambda: store.read("svc", "key-1", 1),
        "history": lambda: store.history("svc"),
        "tags": lambda: store.tags("svc", "tagged"),
        "services": store.services,
        "secrets": store.secrets,
    }
    return {name: noticed(call) for name, call in calls.items()}


def noticed(call: Callable[[], Any]) -> Any:
    try:
        return call()
    except DamagedStoreError as error:
        return error


def check(found: dict[str, Any], right: dict[str, Any], place: Place, what: str) -> int:
    """How many calls noticed; the others must have given what is right."""
    errors = [result for result in found.values() if isinstance(result, DamagedStoreError)]
    for error in errors:
        assert str(place.path) in str(error), what
    for name, result in found.items():
        assert isinstance(result, DamagedStoreError) or result == right[name], f"{name} after {what}"
    return len(errors)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> tuple[Place, bytes, dict[str, Any]]:
    place = filled(Place(tmp_path_factory.mktemp("flips")))
    return place, place.path.read_bytes(), everything(place.open(VAULT_EXEC_KEY=KEY))


def restored(path: Path, content: bytes) -> None:
    path.with_name("store.db-journal").unlink(missing_ok=True)
    path.write_bytes(content)


def test_a_changed_byte_is_noticed_or_harmless(store: tuple[Place, bytes, dict[str, Any]]) -> None:
    place, content, right = store
    chance = random.Random()
    used = [position for position, byte in enumerate(content) if byte]
    unused = [position for position, byte in enumerate(content) if not byte]
    positions = [*range(100), *chance.sample(used, FLIPS - 200), *chance.sample(unused, 100)]
    noticed = 0
    for position in positions:
        changed = bytearray(content)
        changed[position] ^= chance.choice([1, 2, 4, 8, 16, 32, 64, 128, 255])
        restored(place.path, bytes(changed))
        what = f"byte {position} became {changed[position]:#04x}"
        noticed += bool(check(everything(place.open(VAULT_EXEC_KEY=KEY)), right, place, what))
    assert noticed > FLIPS / 2  # most of what is used holds something


def test_a_file_that_was_cut_off_is_noticed(store: tuple[Place, bytes, dict[str, Any]]) -> None:
    place, content, right = store
    lengths = [
        *range(2, 200, 7),  # SQLite takes a file of one byte for an empty one, which is no store yet
        *range(200, len(content), 509),
        *range(4096, len(content), 4096),
        len(content) - 1,
    ]
    for length in lengths:
        restored(place.path, content[:length])
        found = everything(place.open(VAULT_EXEC_KEY=KEY))
        assert check(found, right, place, f"cut at {length}") > 0, length


def test_a_page_of_another_time_is_noticed_or_harmless(store: tuple[Place, bytes, dict[str, Any]]) -> None:
    place, content, _ = store
    restored(place.path, content)
    place.open(VAULT_EXEC_KEY=KEY).write("svc", "key-1", "newest")
    place.open(VAULT_EXEC_KEY=KEY).write("svc", "key-3", "newest")
    newer = place.path.read_bytes()
    assert len(newer) == len(content)
    right = everything(place.open(VAULT_EXEC_KEY=KEY))
    old = [start for start in range(0, len(newer), 4096) if newer[start:][:4096] != content[start:][:4096]]
    assert len(old) >= 3
    for start in old:
        restored(place.path, newer[:start] + content[start : start + 4096] + newer[start + 4096 :])
        check(everything(place.open(VAULT_EXEC_KEY=KEY)), right, place, f"old page at {start}")
