"""How many calls each operation makes, counted on the wire."""

from __future__ import annotations

from collections.abc import Callable
from threading import Barrier, Event

import pytest

from tests.support.proxy import Proxy, before
from tests.support.s3 import index_of
from vault_exec.checked import CheckedStore
from vault_exec.errors import ConflictError, SecretNotFound


def fill(store: CheckedStore, count: int, service: str = "app") -> list[str]:
    keys = [f"key-{number:03}" for number in range(count)]
    store.write_many(service, dict.fromkeys(keys, "value"))
    return keys


def order(proxy: Proxy) -> list[str]:
    """The operations in the order in which they came, those that came at once sorted."""
    return [f"{call.operation} {call.object}" for call in proxy.calls]


def reading(backend: str) -> dict[str, int]:
    """What it takes to know what is in force in a service."""
    return {"GetObject": 1} if backend == "s3" else {"ListObjectsV2": 1, "GetObject": 1}


@pytest.mark.parametrize("keys", [1, 20])
def test_values_takes_one_get_an_index(
    store: CheckedStore, other: CheckedStore, proxy: Proxy, backend: str, keys: int
) -> None:
    wanted = fill(other, keys)
    assert list(store.values("app")) == wanted
    assert proxy.counts == reading(backend)


@pytest.mark.parametrize("there", [False, True])
def test_a_write_takes_two_gets_at_once_and_two_puts_in_order_and_reads_back(
    store: CheckedStore, proxy: Proxy, backend: str, there: bool
) -> None:
    store.write("app", "other", "value")  # the caller is known from here on
    if there:
        store.write("app", "key", "old")
    proxy.reset()
    store.write("app", "key", "value")
    index = index_of(backend, "app")
    calls = order(proxy)
    assert sorted(calls[:2]) == sorted([f"GetObject {index}", "GetObject app/key.json"])
    assert calls[2:] == ["PutObject app/key.json", f"PutObject {index}", f"GetObject {index}"]


def test_the_caller_is_asked_for_once_and_only_by_writes(store: CheckedStore, proxy: Proxy) -> None:
    with pytest.raises(SecretNotFound):
        store.read("app", "key")
    assert "GetCallerIdentity" not in proxy.counts
    for value in "abc":
        store.write("app", "key", value)
    fill(store, 20)
    store.delete("app", "key")
    assert proxy.counts["GetCallerIdentity"] == 1


def test_a_write_that_changes_nothing_takes_the_two_gets(store: CheckedStore, proxy: Proxy) -> None:
    store.write("app", "key", "value")
    proxy.reset()
    assert store.write("app", "key", "value", skip_unchanged=True) == 1
    assert proxy.counts == {"GetObject": 2}


@pytest.mark.parametrize("stale", [0, 2])
def test_a_conflict_takes_the_two_gets(store: CheckedStore, proxy: Proxy, stale: int) -> None:
    store.write("app", "key", "value")
    proxy.reset()
    with pytest.raises(ConflictError, match="app/key is at version 1"):
        store.write("app", "key", "new", if_version=stale)
    assert proxy.counts == {"GetObject": 2}


def test_a_tagged_secret_takes_one_more(store: CheckedStore, proxy: Proxy) -> None:
    store.write("app", "key", "value", tags={"team": "a"})
    proxy.reset()
    store.write("app", "key", "new")
    assert proxy.counts == {"GetObject": 3, "GetObjectTagging": 1, "PutObject": 2}


def test_reading_takes_two_gets_at_once_or_one(store: CheckedStore, proxy: Proxy, backend: str) -> None:
    store.write("app", "key", "old")
    store.write("app", "key", "new")
    proxy.reset()
    assert store.read("app", "key").value == "new"
    assert proxy.counts == {"GetObject": 2}
    proxy.reset()
    assert store.read("app", "key", 1).value == "old"
    assert proxy.counts == {"GetObject": 1}
    proxy.reset()
    assert store.current("app", ["key", "other"]) == {"key": "new"}
    assert proxy.counts == reading(backend)


@pytest.mark.parametrize("values", [False, True])
def test_list_takes_a_get_a_key(
    store: CheckedStore, other: CheckedStore, proxy: Proxy, backend: str, values: bool
) -> None:
    keys = fill(other, 20)
    assert [secret.id.key for secret in store.list("app", values=values)] == keys
    assert proxy.counts == {**reading(backend), "GetObject": 21}


def test_history_takes_one_get_a_key(store: CheckedStore, proxy: Proxy, backend: str) -> None:
    for value in "abc":
        store.write("app", "key", value)
    store.write("app", "other", "value")
    proxy.reset()
    assert len(store.history("app", "key")) == 3
    assert proxy.counts == {"GetObject": 1}
    proxy.reset()
    assert len(store.history("app")) == 4
    assert proxy.counts == {**reading(backend), "GetObject": 3}


def test_a_delete_takes_two_gets_at_once_a_put_and_a_delete_and_reads_back(
    store: CheckedStore, proxy: Proxy, backend: str
) -> None:
    store.write_many("app", {"key": "value", "other": "value"})
    proxy.reset()
    store.delete("app", "key")
    index = index_of(backend, "app")
    calls = order(proxy)
    assert sorted(calls[:2]) == sorted([f"GetObject {index}", "GetObject app/key.json"])
    assert calls[2:] == [f"PutObject {index}", "DeleteObject app/key.json", f"GetObject {index}"]


def test_deleting_many_writes_the_index_once(store: CheckedStore, other: CheckedStore, proxy: Proxy) -> None:
    keys = fill(other, 18)
    store.delete_many("app", keys)
    assert proxy.counts == {"GetObject": 20, "PutObject": 1, "DeleteObject": 18}


def test_nothing_to_delete_writes_nothing(store: CheckedStore, proxy: Proxy, backend: str) -> None:
    store.write("app", "other", "value")
    proxy.reset()
    with pytest.raises(SecretNotFound):
        store.delete("app", "key")
    store.delete_many("app", ["key", "nor-this"])
    assert proxy.counts == {"GetObject": 5}


def test_services_and_secrets_are_listed_a_thousand_objects_a_call(
    store: CheckedStore, other: CheckedStore, proxy: Proxy
) -> None:
    fill(other, 5)
    fill(other, 5, "app/sub")
    assert list(store.services()) == ["app", "app/sub"]
    assert len(list(store.secrets("app/"))) == 5
    assert proxy.counts == {"ListObjectsV2": 2}


def test_an_import_writes_the_index_once(store: CheckedStore, proxy: Proxy, backend: str) -> None:
    count = 200 if backend == "s3" else 20
    fill(store, count)
    index = index_of(backend, "app")
    assert proxy.counts == {"GetCallerIdentity": 1, "GetObject": count + 2, "PutObject": count + 1}
    assert [call.object for call in proxy.calls if call.operation == "PutObject"][-1] == index
    assert sum(call.object == index for call in proxy.calls) == 3


@pytest.mark.parametrize(
    ("operation", "work"),
    [
        ("GetObject", lambda store, keys: store.list("app")),
        ("GetObject", lambda store, keys: store.history("app")),
        ("PutObject", lambda store, keys: store.write_many("app", dict.fromkeys(keys, "new"))),
        ("DeleteObject", lambda store, keys: store.delete_many("app", keys)),
    ],
)
def test_sixteen_objects_are_read_and_written_at_once(
    store: CheckedStore,
    other: CheckedStore,
    proxy: Proxy,
    operation: str,
    work: Callable[[CheckedStore, list[str]], object],
) -> None:
    keys = fill(other, 20)
    under_way: list[int] = []
    opened = Event()

    def open_it() -> None:
        under_way.append(sum(call.operation == operation and "key-" in call.object for call in proxy.calls))
        opened.set()

    # Opens when sixteen calls have come, and tells how many had by then.
    barrier = Barrier(16, action=open_it, timeout=20)
    wait = before(lambda: None if opened.is_set() else barrier.wait())
    for key in keys:
        proxy.spoil(f"{operation} app/{key}.json", wait)
    work(store, keys)
    assert under_way == [16]


def test_tags_take_one_call_and_two_to_change(store: CheckedStore, proxy: Proxy) -> None:
    store.write("app", "key", "value")
    proxy.reset()
    store.write_tags("app", "key", {"team": "a"})
    assert proxy.counts == {"GetObjectTagging": 1, "PutObjectTagging": 1}
    proxy.reset()
    assert store.tags("app", "key") == {"team": "a"}
    assert proxy.counts == {"GetObjectTagging": 1}


def test_several_indexes_are_read_at_once(
    open_store: Callable[..., CheckedStore], proxy: Proxy, backend: str
) -> None:
    if backend == "s3":
        wanted = {"key": "value"}
        open_store().write("app", "key", "value")
    else:
        wanted = {f"key-{number}": "value" for number in range(5)}
        for number, key in enumerate(wanted):
            open_store(kms_key_alias=f"alias/team-{number}").write("app", key, "value")
    proxy.reset()
    assert open_store().values("app") == wanted
    expected = {"GetObject": 1} if backend == "s3" else {"ListObjectsV2": 1, "GetObject": 5}
    assert proxy.counts == expected
