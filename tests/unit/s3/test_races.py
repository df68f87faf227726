"""Writers that meet: each step of one between two steps of another, and many at once."""

from __future__ import annotations

import random
import subprocess
import sys
import threading
from collections.abc import Callable

import pytest

from tests.support.proxy import Proxy, after, before, lost, refused
from tests.support.s3 import ALIAS, BUCKET, S3, index_of
from vault_exec.checked import CheckedStore
from vault_exec.errors import ConflictError, SecretNotFound, StoreTimeoutError

OBJECT = "app/key.json"


@pytest.fixture
def index(backend: str) -> str:
    return index_of(backend, "app")


def assert_whole(store: CheckedStore, s3: S3, value: str, version: int) -> None:
    """The secret is in force, and in its object as what is in force."""
    assert store.values("app")["key"] == value
    secret = store.read("app", "key")
    assert (secret.value, secret.version) == (value, version)
    assert secret.created is not None
    newest = s3.body(OBJECT)["values"][str(version)]
    assert newest["value"] == value
    assert store.history("app", "key")[-1].version == version


def versions(store: CheckedStore) -> list[tuple[int, str | None]]:
    numbers = [version.version for version in store.history("app", "key")]
    return [(number, store.read("app", "key", number).value) for number in numbers]


# -- two writers ------------------------------------------------------------------------------------------


def test_overtaken_before_the_object(store: CheckedStore, other: CheckedStore, proxy: Proxy, s3: S3) -> None:
    other.write("app", "key", "first")
    proxy.spoil(f"PutObject {OBJECT}", before(lambda: other.write("app", "key", "theirs")))
    assert store.write("app", "key", "ours") == 3
    assert_whole(other, s3, "ours", 3)
    assert versions(other) == [(1, "first"), (2, "theirs"), (3, "ours")]


def test_a_swap_that_is_overtaken_before_the_object_loses(
    store: CheckedStore, other: CheckedStore, proxy: Proxy, s3: S3
) -> None:
    other.write("app", "key", "first")
    proxy.spoil(f"PutObject {OBJECT}", before(lambda: other.write("app", "key", "theirs")))
    with pytest.raises(ConflictError, match="app/key is at version 2"):
        store.write("app", "key", "ours", if_version=1)
    assert_whole(other, s3, "theirs", 2)


def test_of_two_that_make_a_secret_one_wins(
    store: CheckedStore, other: CheckedStore, proxy: Proxy, s3: S3
) -> None:
    proxy.spoil(f"PutObject {OBJECT}", before(lambda: other.write("app", "key", "theirs", if_version=0)))
    with pytest.raises(ConflictError, match="app/key is at version 1"):
        store.write("app", "key", "ours", if_version=0)
    assert_whole(other, s3, "theirs", 1)


def test_one_that_is_being_made_is_not_made_twice(
    store: CheckedStore, other: CheckedStore, proxy: Proxy, index: str, s3: S3
) -> None:
    conflicts: list[ConflictError] = []

    def make() -> None:
        try:
            other.write("app", "key", "theirs", if_version=0)
        except ConflictError as error:
            conflicts.append(error)

    proxy.spoil(f"PutObject {index}", before(make))
    assert store.write("app", "key", "ours", if_version=0) == 1
    assert len(conflicts) == 1
    assert_whole(other, s3, "ours", 1)


@pytest.mark.parametrize("there", [False, True])
def test_overtaken_between_object_and_index(
    store: CheckedStore, other: CheckedStore, proxy: Proxy, index: str, s3: S3, there: bool
) -> None:
    first = 1 if there else 0
    if there:
        other.write("app", "key", "first")
    proxy.spoil(f"PutObject {index}", before(lambda: other.write("app", "key", "theirs")))
    assert store.write("app", "key", "ours", if_version=first) == first + 1
    assert_whole(other, s3, "theirs", first + 2)
    assert versions(other)[first:] == [(first + 1, "ours"), (first + 2, "theirs")]


@pytest.mark.parametrize("there", [False, True])
def test_another_key_is_written_between_object_and_index(
    store: CheckedStore, other: CheckedStore, proxy: Proxy, index: str, s3: S3, there: bool
) -> None:
    if there:
        other.write("app", "key", "first")
    proxy.spoil(f"PutObject {index}", before(lambda: other.write("app", "second", "theirs")))
    version = store.write("app", "key", "ours")
    assert version == (2 if there else 1)
    assert_whole(other, s3, "ours", version)
    assert other.values("app") == {"key": "ours", "second": "theirs"}
    assert [number for number, _ in versions(other)] == list(range(1, version + 1))


def test_overtaken_while_it_writes_its_object_again(
    store: CheckedStore, other: CheckedStore, proxy: Proxy, index: str, s3: S3
) -> None:
    """Its first attempt is in the object already, and somebody goes on from there."""
    other.write("app", "other", "value")
    proxy.spoil(f"PutObject {index}", before(lambda: other.write("app", "other", "changed")))
    proxy.spoil(f"PutObject {OBJECT}", before(lambda: other.write("app", "key", "theirs")), nth=2)
    assert store.write("app", "key", "ours") == 1
    assert_whole(other, s3, "theirs", 2)
    assert versions(other) == [(1, "ours"), (2, "theirs")]


def test_a_service_that_is_made_by_two_at_once(
    store: CheckedStore, other: CheckedStore, proxy: Proxy, index: str
) -> None:
    proxy.spoil(f"PutObject {index}", before(lambda: other.write_many("app", {"b": "theirs", "c": "theirs"})))
    store.write_many("app", {"a": "ours", "b": "ours"})
    assert other.values("app") == {"a": "ours", "b": "theirs", "c": "theirs"}
    assert other.read("app", "b").version == 2


def test_a_list_helps_a_writer_that_is_at_it(
    store: CheckedStore, other: CheckedStore, proxy: Proxy, index: str, s3: S3
) -> None:
    other.write("app", "key", "first")
    proxy.spoil(f"PutObject {index}", before(lambda: other.list("app")))
    assert store.write("app", "key", "ours") == 2
    assert_whole(other, s3, "ours", 2)
    assert len(versions(other)) == 2


@pytest.mark.parametrize("first", ["index", "object"])
def test_a_read_does_not_mix_two_writes(
    store: CheckedStore, other: CheckedStore, proxy: Proxy, backend: str, index: str, first: str
) -> None:
    """A write between its two reads, which are made at once."""
    other.write("app", "key", "old")
    was_read = threading.Event()

    def write_after_the_first() -> None:
        assert was_read.wait(10)
        other.write("app", "key", "new")

    calls = [f"GetObject {index}", f"GetObject {OBJECT}"]
    if first == "object":
        calls.reverse()
    proxy.spoil(calls[0], after(was_read.set))
    proxy.spoil(calls[1], before(write_after_the_first))
    secret = store.read("app", "key")
    # s3-kms looks at all indexes where its own and the object do not agree.
    old = first == "index" and backend == "s3"
    assert (secret.value, secret.version) == (("old", 1) if old else ("new", 2))
    assert secret.created == other.read("app", "key", secret.version).created


@pytest.mark.parametrize("call", [f"GetObject {OBJECT}", "GetObject {index}"])
def test_overtaken_again_while_it_looks_again(
    store: CheckedStore, other: CheckedStore, proxy: Proxy, index: str, s3: S3, call: str
) -> None:
    """The index must not go back to the older of two versions."""
    other.write("app", "key", "first")
    proxy.spoil(f"PutObject {index}", before(lambda: other.write("app", "second", "stays")))
    proxy.spoil(call.format(index=index), after(lambda: other.write("app", "key", "theirs")), nth=2)
    assert store.write("app", "key", "ours") == 2
    assert_whole(other, s3, "theirs", 3)


def test_two_conditional_writes_that_meet_are_sorted_out(
    store: CheckedStore, other: CheckedStore, proxy: Proxy, index: str, s3: S3
) -> None:
    for call in (f"PutObject {OBJECT}", f"PutObject {index}"):
        proxy.spoil(call, refused(409, "ConditionalRequestConflict"), times=2)
    assert store.write("app", "key", "ours", if_version=0) == 1
    assert_whole(other, s3, "ours", 1)


def test_who_never_wins_gives_up_in_time(
    open_store: Callable[..., CheckedStore], proxy: Proxy, index: str
) -> None:
    store = open_store(timeout=1.5)
    proxy.spoil(f"PutObject {index}", refused(412, "PreconditionFailed"), times=10**6)
    with pytest.raises(StoreTimeoutError, match="perhaps not in force"):
        store.write("app", "key", "ours")


# -- write and delete ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("there", [False, True])
def test_deleted_between_object_and_index(
    store: CheckedStore, other: CheckedStore, proxy: Proxy, index: str, s3: S3, there: bool
) -> None:
    if there:
        other.write("app", "key", "first")
    proxy.spoil(f"PutObject {index}", before(lambda: other.delete("app", "key")))
    version = store.write("app", "key", "ours")
    assert_whole(other, s3, "ours", version)


@pytest.mark.parametrize("alone", [False, True])
@pytest.mark.parametrize("there", [False, True])
def test_a_delete_that_is_slower_than_the_write_does_not_take_its_object(
    store: CheckedStore,
    open_store: Callable[..., CheckedStore],
    other: CheckedStore,
    proxy: Proxy,
    index: str,
    s3: S3,
    there: bool,
    alone: bool,
) -> None:
    """It sees the written object, takes the key out of the index, and is held up before it deletes."""
    if there:
        other.write("app", "key", "first")
    if not alone:
        other.write("app", "second", "stays")
    deleter = open_store()
    at_the_object, written = threading.Event(), threading.Event()
    thread = threading.Thread(target=deleter.delete, args=("app", "key"))

    def start_delete() -> None:
        thread.start()
        assert at_the_object.wait(10)

    def hold() -> None:
        at_the_object.set()
        assert written.wait(10)

    proxy.spoil(f"PutObject {index}", before(start_delete))
    proxy.spoil(f"DeleteObject {OBJECT}", before(hold))
    version = store.write("app", "key", "ours")
    written.set()
    thread.join(10)
    assert not thread.is_alive()
    assert_whole(other, s3, "ours", version)


@pytest.mark.parametrize("call", ["PutObject {index}", f"DeleteObject {OBJECT}"])
def test_written_while_it_is_deleted(
    store: CheckedStore, other: CheckedStore, proxy: Proxy, index: str, s3: S3, call: str
) -> None:
    other.write("app", "key", "first")
    proxy.spoil(call.format(index=index), before(lambda: other.write("app", "key", "theirs")))
    store.delete("app", "key")
    if call.startswith("Put"):  # the write was first
        assert s3.names("app/") == [index]
    else:
        assert_whole(other, s3, "theirs", 2)


@pytest.mark.parametrize("call", ["PutObject {index}", f"DeleteObject {OBJECT}"])
def test_deleted_by_two_at_once(
    store: CheckedStore, other: CheckedStore, proxy: Proxy, index: str, s3: S3, call: str
) -> None:
    other.write_many("app", {"key": "first", "second": "stays"})
    failures: list[SecretNotFound] = []

    def delete() -> None:
        try:
            other.delete("app", "key")
        except SecretNotFound as error:
            failures.append(error)

    proxy.spoil(call.format(index=index), before(delete))
    store.delete("app", "key")
    assert failures == []
    assert other.values("app") == {"second": "stays"}
    assert OBJECT not in s3.names("app/")


def test_an_unfinished_secret_is_deleted_while_it_is_written(
    store: CheckedStore, other: CheckedStore, proxy: Proxy, s3: S3, backend: str
) -> None:
    """Its object is in no index: who deletes it must not take what somebody goes on to write."""
    other.write("app", "second", "stays")
    alias = None if backend == "s3" else ALIAS
    s3.put(OBJECT, {"values": {"1": {"version": 1, "value": "left"}}}, alias)
    proxy.spoil(f"DeleteObject {OBJECT}", before(lambda: other.write("app", "key", "theirs")))
    store.delete("app", "key")
    assert_whole(other, s3, "theirs", 2)


# -- beside chamber ---------------------------------------------------------------------------------------


def test_what_chamber_drops_from_the_index_is_put_in_again(
    store: CheckedStore, other: CheckedStore, proxy: Proxy, index: str, s3: S3, backend: str
) -> None:
    other.write("app", "second", "stays")
    seen_by_chamber = s3.body(index)
    alias = None if backend == "s3" else ALIAS
    proxy.spoil(f"PutObject {index}", after(lambda: s3.put(index, seen_by_chamber, alias)))
    store.write("app", "key", "ours")
    assert_whole(other, s3, "ours", 1)
    assert other.values("app") == {"key": "ours", "second": "stays"}


def test_what_chamber_brings_back_into_the_index_is_taken_out_again(
    store: CheckedStore, other: CheckedStore, proxy: Proxy, index: str, s3: S3, backend: str
) -> None:
    other.write_many("app", {"key": "first", "second": "stays"})
    seen_by_chamber = s3.body(index)
    alias = None if backend == "s3" else ALIAS
    proxy.spoil(f"PutObject {index}", after(lambda: s3.put(index, seen_by_chamber, alias)))
    store.delete("app", "key")
    assert other.values("app") == {"second": "stays"}
    assert OBJECT not in s3.names("app/")


# -- many processes -----------------------------------------------------------------------------------------

WRITERS = 3
WRITES = 5

WRITER = """
import sys, vault_exec
from vault_exec.errors import ConflictError

number, writes = sys.argv[1], int(sys.argv[2])
with vault_exec.open_store() as store:
    for turn in range(writes):
        store.write("app", f"own-{number}-{turn}", f"{number} {turn}")
        print("shared", store.write("app", "shared", f"{number} {turn}"))
        while True:
            secret = store.read("app", "counter")
            try:
                store.write("app", "counter", str(int(secret.value) + 1), if_version=secret.version)
                break
            except ConflictError:
                pass
"""


def test_of_many_writers_none_is_lost_and_none_is_applied_twice(
    other: CheckedStore, proxy: Proxy, aws: dict[str, str], backend: str
) -> None:
    """Some of their answers get lost."""
    chance = random.Random(1)
    for call in ("PutObject", "GetObject"):
        for nth in chance.sample(range(5, WRITERS * WRITES * 8), 6):
            proxy.spoil(call, lost, nth=nth)
    other.write("app", "counter", "0")
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", WRITER, str(number), str(WRITES)],
            env={**aws, "VAULT_EXEC_BACKEND": backend, "CHAMBER_S3_BUCKET": BUCKET},
            stdout=subprocess.PIPE,
            text=True,
        )
        for number in range(WRITERS)
    ]
    printed = [process.communicate(timeout=60)[0] for process in processes]
    assert [process.returncode for process in processes] == [0] * WRITERS
    values = other.values("app")
    assert values.pop("counter") == str(WRITERS * WRITES)
    assert other.read("app", "counter").version == WRITERS * WRITES + 1
    acknowledged = [int(line.split()[1]) for text in printed for line in text.splitlines()]
    assert sorted(acknowledged) == list(range(1, WRITERS * WRITES + 1))
    assert [version.version for version in other.history("app", "shared")] == sorted(acknowledged)
    told = {other.read("app", "shared", number).value for number in acknowledged}
    assert told == {f"{number} {turn}" for number in range(WRITERS) for turn in range(WRITES)}
    assert values.pop("shared") == other.read("app", "shared", WRITERS * WRITES).value
    assert values == {
        f"own-{number}-{turn}": f"{number} {turn}" for number in range(WRITERS) for turn in range(WRITES)
    }
