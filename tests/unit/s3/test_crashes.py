"""What a writer leaves that is killed, or fails, at each of its calls."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Callable

import pytest

from tests.support.aws import Told
from tests.support.proxy import ALWAYS, Proxy, before, lost, refused, reset
from tests.support.s3 import BUCKET, S3, index_of
from vault_exec.checked import CheckedStore
from vault_exec.errors import (
    AccessDeniedError,
    ConflictError,
    SecretNotFound,
    UnreachableError,
    VaultExecError,
)

OBJECT = "app/key.json"
denied = refused(403, "AccessDenied")


@pytest.fixture
def mortal(open_store: Callable[..., CheckedStore]) -> CheckedStore:
    """A store that does not try anything twice."""
    return open_store(retries=1)


def dies_at(proxy: Proxy, call: str) -> None:
    """Nothing of what is sent from this call on reaches the service."""
    proxy.reset()
    proxy.spoil(call, reset, times=ALWAYS)


def dies_after(proxy: Proxy, call: str) -> None:
    """The call is done, and nobody learns of it."""
    proxy.reset()
    proxy.spoil(call, lost, times=ALWAYS)


def versions(store: CheckedStore, key: str = "key") -> list[int]:
    return [version.version for version in store.history("app", key)]


# -- write ------------------------------------------------------------------------------------------------


def test_a_write_killed_before_its_object_leaves_nothing(
    mortal: CheckedStore, other: CheckedStore, proxy: Proxy, backend: str
) -> None:
    other.write("app", "key", "old")
    dies_at(proxy, f"PutObject {OBJECT}")
    with pytest.raises(UnreachableError):
        mortal.write("app", "key", "new")
    assert other.values("app") == {"key": "old"}
    assert versions(other) == [1]
    assert other.read("app", "key").version == 1


@pytest.fixture(params=["at the index", "after the object"])
def half_written(
    request: pytest.FixtureRequest, mortal: CheckedStore, other: CheckedStore, proxy: Proxy, backend: str
) -> None:
    """A writer died between its object and its index."""
    other.write_many("app", {"key": "old", "other": "stays"})
    if request.param == "at the index":
        dies_at(proxy, f"PutObject {index_of(backend, 'app')}")
    else:
        dies_after(proxy, f"PutObject {OBJECT}")
    with pytest.raises(UnreachableError):
        mortal.write("app", "key", "new")
    proxy.reset()


@pytest.mark.usefixtures("half_written")
def test_between_object_and_index_the_old_value_is_in_force(other: CheckedStore) -> None:
    assert other.values("app") == {"key": "old", "other": "stays"}
    assert other.current("app", ["key"]) == {"key": "old"}
    secret = other.read("app", "key")
    assert (secret.value, secret.version) == ("old", 1)
    assert versions(other) == [1, 2]
    assert other.read("app", "key", 2).value == "new"


@pytest.mark.usefixtures("half_written")
def test_the_next_write_goes_on_from_there(other: CheckedStore) -> None:
    assert other.write("app", "key", "newest") == 3
    assert other.values("app") == {"key": "newest", "other": "stays"}
    assert versions(other) == [1, 2, 3]


@pytest.mark.usefixtures("half_written")
def test_a_write_of_another_key_does_not_put_it_in_force(other: CheckedStore) -> None:
    other.write("app", "other", "changed")
    other.delete("app", "other")
    assert other.values("app") == {"key": "old"}


@pytest.mark.usefixtures("half_written")
def test_list_puts_it_in_force_and_says_so(
    open_store: Callable[..., CheckedStore], other: CheckedStore, told: Told
) -> None:
    listed = open_store().list("app", values=True)
    assert [(secret.id.key, secret.value, secret.version) for secret in listed] == [
        ("key", "new", 2),
        ("other", "stays", 1),
    ]
    assert told.notes == ["a write was interrupted, and its value is in force now: app/key"]
    assert other.values("app") == {"key": "new", "other": "stays"}
    assert other.read("app", "key").version == 2
    assert len(open_store().list("app")) == 2
    assert len(told.notes) == 1


@pytest.mark.usefixtures("half_written")
def test_list_without_the_right_to_write_shows_what_is_in_force(
    open_store: Callable[..., CheckedStore], other: CheckedStore, proxy: Proxy, told: Told
) -> None:
    store = open_store()
    proxy.spoil("PutObject", denied, times=ALWAYS)
    listed = store.list("app", values=True)
    assert [(secret.value, secret.version) for secret in listed] == [("old", 1), ("stays", 1)]
    (note,) = told.notes
    assert "a write was interrupted, and its value is not in force: app/key" in note
    assert "new" not in note
    assert other.values("app") == {"key": "old", "other": "stays"}


@pytest.mark.usefixtures("half_written")
def test_a_list_that_is_overtaken_shows_what_was_in_force(
    open_store: Callable[..., CheckedStore], other: CheckedStore, proxy: Proxy, backend: str
) -> None:
    store = open_store()
    proxy.spoil(f"PutObject {index_of(backend, 'app')}", before(lambda: other.write("app", "key", "newest")))
    assert [secret.value for secret in store.list("app", values=True)] == ["old", "stays"]
    assert other.values("app") == {"key": "newest", "other": "stays"}


@pytest.mark.usefixtures("half_written")
def test_a_swap_sees_the_version_that_is_stored(other: CheckedStore) -> None:
    with pytest.raises(ConflictError, match="app/key is at version 2"):
        other.write("app", "key", "x", if_version=1)
    assert other.write("app", "key", "newest", if_version=2) == 3
    assert other.values("app") == {"key": "newest", "other": "stays"}


@pytest.mark.usefixtures("half_written")
def test_the_old_value_is_written_again_although_it_is_unchanged(other: CheckedStore) -> None:
    """Else `list` would undo what was just acknowledged."""
    assert other.write("app", "key", "old", skip_unchanged=True) == 3
    other.list("app")
    assert other.values("app")["key"] == "old"


@pytest.mark.usefixtures("half_written")
def test_delete_deletes_all_of_it(other: CheckedStore, s3: S3) -> None:
    other.delete("app", "key")
    assert OBJECT not in s3.names("app/")
    assert other.values("app") == {"other": "stays"}


def test_a_write_killed_after_its_index_is_in_force(
    mortal: CheckedStore, other: CheckedStore, proxy: Proxy, backend: str
) -> None:
    other.write("app", "key", "old")
    dies_after(proxy, f"PutObject {index_of(backend, 'app')}")
    with pytest.raises(UnreachableError):
        mortal.write("app", "key", "new")
    assert other.values("app") == {"key": "new"}
    assert other.read("app", "key").version == 2


@pytest.fixture(params=["alone", "beside another"])
def half_made(
    request: pytest.FixtureRequest, mortal: CheckedStore, other: CheckedStore, proxy: Proxy, backend: str
) -> None:
    """A writer of a new secret died between its object and its index."""
    if request.param == "beside another":
        other.write("app", "other", "stays")
    dies_at(proxy, f"PutObject {index_of(backend, 'app')}")
    with pytest.raises(UnreachableError):
        mortal.write("app", "key", "new", tags={"team": "a"})
    proxy.reset()


@pytest.mark.usefixtures("half_made")
def test_a_new_secret_is_not_there_before_its_index(other: CheckedStore) -> None:
    with pytest.raises(SecretNotFound):
        other.read("app", "key")
    assert other.current("app", ["key"]) == {}
    assert other.read("app", "key", 1).value == "new"


@pytest.mark.usefixtures("half_made")
def test_a_new_secret_is_made_by_the_next_write_and_not_by_list(other: CheckedStore) -> None:
    other.write("app", "third", "value")
    assert "key" not in [secret.id.key for secret in other.list("app")]
    assert "key" not in other.values("app")
    assert other.write("app", "key", "newer") == 2
    assert other.values("app")["key"] == "newer"
    assert other.tags("app", "key") == {}


@pytest.mark.usefixtures("half_made")
def test_create_only_does_not_know_whether_somebody_is_making_it(other: CheckedStore) -> None:
    with pytest.raises(ConflictError, match="app/key is being made or deleted") as caught:
        other.write("app", "key", "mine", if_version=0)
    assert "delete app key" in caught.value.hint
    other.delete("app", "key")
    assert other.write("app", "key", "mine", if_version=0) == 1


# -- write_many -------------------------------------------------------------------------------------------


def test_many_killed_before_the_index_are_as_each_of_them(
    mortal: CheckedStore, other: CheckedStore, proxy: Proxy, backend: str
) -> None:
    other.write_many("app", {"a": "old", "b": "old", "c": "old"})
    dies_at(proxy, f"PutObject {index_of(backend, 'app')}")
    written: list[str] = []
    with pytest.raises(UnreachableError, match="perhaps not in force") as caught:
        mortal.write_many("app", {"a": "new", "b": "new", "d": "new"}, written=written.append)
    assert "new" not in str(caught.value)
    assert "list app" in caught.value.hint
    assert written == []
    assert other.values("app") == {"a": "old", "b": "old", "c": "old"}
    assert {secret.id.key: secret.value for secret in other.list("app", values=True)} == {
        "a": "new",
        "b": "new",
        "c": "old",
    }
    assert other.values("app") == {"a": "new", "b": "new", "c": "old"}


def test_of_many_those_that_could_be_written_are_in_force(
    mortal: CheckedStore, other: CheckedStore, proxy: Proxy
) -> None:
    other.write("app", "b", "old")
    proxy.spoil("PutObject app/b.json", denied)
    written: list[str] = []
    with pytest.raises(AccessDeniedError):
        mortal.write_many("app", {"a": "new", "b": "new"}, written=written.append)
    assert written == ["a"]
    assert other.values("app") == {"a": "new", "b": "old"}
    assert versions(other, "b") == [1]


# -- delete -----------------------------------------------------------------------------------------------


def test_a_delete_killed_before_its_index_leaves_all(
    mortal: CheckedStore, other: CheckedStore, proxy: Proxy, backend: str
) -> None:
    other.write("app", "key", "value")
    dies_at(proxy, f"PutObject {index_of(backend, 'app')}")
    with pytest.raises(UnreachableError):
        mortal.delete("app", "key")
    assert other.values("app") == {"key": "value"}
    assert other.read("app", "key").version == 1


@pytest.fixture
def half_deleted(mortal: CheckedStore, other: CheckedStore, proxy: Proxy) -> None:
    """Somebody who deleted died between the index and the object."""
    other.write_many("app", {"key": "value", "other": "stays"}, tags={"team": "a"})
    other.write("app", "key", "leaked")
    dies_at(proxy, f"DeleteObject {OBJECT}")
    with pytest.raises(UnreachableError, match="still stored: app/key") as caught:
        mortal.delete("app", "key")
    assert caught.value.hint == "do the same again"
    proxy.reset()


@pytest.mark.usefixtures("half_deleted")
def test_between_index_and_object_the_secret_is_not_there(other: CheckedStore) -> None:
    assert other.values("app") == {"other": "stays"}
    assert [secret.id.key for secret in other.list("app")] == ["other"]
    with pytest.raises(SecretNotFound):
        other.read("app", "key")
    assert versions(other) == [1, 2]


@pytest.mark.usefixtures("half_deleted")
def test_the_next_delete_ends_it(other: CheckedStore, s3: S3) -> None:
    other.delete("app", "key")
    assert OBJECT not in s3.names("app/")
    assert other.values("app") == {"other": "stays"}
    with pytest.raises(SecretNotFound):
        other.delete("app", "key")


@pytest.mark.usefixtures("half_deleted")
def test_the_next_write_makes_it_anew_with_higher_versions(other: CheckedStore) -> None:
    assert other.write("app", "key", "back") == 3
    assert other.values("app") == {"key": "back", "other": "stays"}
    assert other.tags("app", "key") == {}


def test_a_delete_killed_after_its_object_is_done(
    mortal: CheckedStore, other: CheckedStore, proxy: Proxy, s3: S3
) -> None:
    other.write_many("app", {"key": "value", "other": "stays"})
    dies_after(proxy, f"DeleteObject {OBJECT}")
    with pytest.raises(UnreachableError):
        mortal.delete("app", "key")
    assert OBJECT not in s3.names("app/")
    assert other.values("app") == {"other": "stays"}


# -- lost answers -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("there", [False, True])
@pytest.mark.parametrize("which", ["object", "index", "both", "everything"])
def test_a_write_whose_answers_get_lost_is_done_once(
    store: CheckedStore, other: CheckedStore, proxy: Proxy, backend: str, there: bool, which: str
) -> None:
    other.write("app", "other", "stays")
    if there:
        other.write("app", "key", "old")
    proxy.reset()
    lost_ones = {
        "object": [f"PutObject {OBJECT}"],
        "index": [f"PutObject {index_of(backend, 'app')}"],
        "both": [f"PutObject {OBJECT}", f"PutObject {index_of(backend, 'app')}"],
        "everything": ["GetObject", "PutObject", "ListObjectsV2", "GetCallerIdentity"],
    }
    for call in lost_ones[which]:
        proxy.spoil(call, lost, times=2)
    expected = 2 if there else 1
    assert store.write("app", "key", "new", if_version=expected - 1) == expected
    assert other.values("app") == {"key": "new", "other": "stays"}
    assert versions(other) == list(range(1, expected + 1))


def test_many_whose_answers_get_lost_are_done_once(
    store: CheckedStore, other: CheckedStore, proxy: Proxy
) -> None:
    other.write("app", "key-3", "old")
    proxy.spoil("PutObject", lost, times=6)
    wanted = {f"key-{number}": "new" for number in range(6)}
    store.write_many("app", wanted)
    assert other.values("app") == wanted
    assert [secret.version for secret in other.list("app")] == [1, 1, 1, 2, 1, 1]


@pytest.mark.parametrize("which", ["PutObject", f"DeleteObject {OBJECT}"])
def test_a_delete_whose_answers_get_lost_is_done(
    store: CheckedStore, other: CheckedStore, proxy: Proxy, s3: S3, which: str
) -> None:
    other.write_many("app", {"key": "value", "other": "stays"})
    proxy.spoil(which, lost)
    store.delete("app", "key")
    assert OBJECT not in s3.names("app/")
    assert other.values("app") == {"other": "stays"}


# -- real processes ---------------------------------------------------------------------------------------

WRITER = """
import sys, vault_exec
with vault_exec.open_store() as store:
    getattr(store, sys.argv[1])("app", "key", *sys.argv[2:])
"""


@pytest.mark.parametrize(
    ("call", "work", "values"),
    [
        ("PutObject app/key.json", ["write", "new"], {"key": "old", "other": "stays"}),
        ("PutObject {index}", ["write", "new"], {"key": "old", "other": "stays"}),
        ("PutObject {index}", ["delete"], {"key": "old", "other": "stays"}),
        ("DeleteObject app/key.json", ["delete"], {"other": "stays"}),
    ],
)
def test_a_process_is_killed_at_a_call(
    other: CheckedStore,
    proxy: Proxy,
    aws: dict[str, str],
    backend: str,
    call: str,
    work: list[str],
    values: dict[str, str],
) -> None:
    other.write_many("app", {"key": "old", "other": "stays"})
    came, dead = threading.Event(), threading.Event()

    def hold() -> None:
        came.set()
        dead.wait(20)
        raise ConnectionAbortedError

    proxy.spoil(call.format(index=index_of(backend, "app")), before(hold))
    writer = subprocess.Popen(
        [sys.executable, "-c", WRITER, *work],
        env={**aws, "VAULT_EXEC_BACKEND": backend, "CHAMBER_S3_BUCKET": BUCKET},
    )
    assert came.wait(20)
    writer.kill()
    writer.wait()
    dead.set()
    assert other.values("app") == values
    assert other.write("app", "key", "newest") > 1
    assert other.values("app") == {"key": "newest", "other": "stays"}


def test_no_message_of_a_failed_write_holds_the_value(
    mortal: CheckedStore, proxy: Proxy, backend: str
) -> None:
    for call in (f"PutObject {OBJECT}", f"PutObject {index_of(backend, 'app')}"):
        for fault in (denied, reset, lost, refused(500, "InternalError", "canary-value")):
            proxy.reset()
            proxy.spoil(call, fault, times=ALWAYS)
            with pytest.raises(VaultExecError) as caught:
                mortal.write("app", "key", "canary-value")
            assert "canary" not in f"{caught.value} {caught.value.hint}"
            assert "app" in str(caught.value)
