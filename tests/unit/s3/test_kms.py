"""Several KMS keys in one service."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.support.aws import Told
from tests.support.proxy import ALWAYS, Proxy, before, refused
from tests.support.s3 import S3, index_of
from vault_exec.checked import CheckedStore
from vault_exec.errors import (
    AccessDeniedError,
    ConflictError,
    NoCredentialsError,
    SecretNotFound,
    UnreachableError,
    UsageError,
)

A, B = "alias/team-a", "alias/team_b"
INDEX_A, INDEX_B = index_of("s3-kms", "app", A), index_of("s3-kms", "app", B)
OBJECT = "app/key.json"

#: How S3 names keys: not by their aliases.
ARN_A, ARN_B = (
    f"arn:aws:kms:us-east-1:123456789012:key/0000000{n}-0000-0000-0000-000000000000" for n in "ab"
)

denied = refused(403, "AccessDenied")


@pytest.fixture
def backend() -> str:
    return "s3-kms"


@pytest.fixture
def team_a(open_store: Callable[..., CheckedStore]) -> CheckedStore:
    return open_store(kms_key_alias=A)


@pytest.fixture
def team_b(open_store: Callable[..., CheckedStore]) -> CheckedStore:
    return open_store(kms_key_alias=B)


def entry(value: str, version: int, alias: str) -> dict[str, Any]:
    return {"version": version, "value": value, "KMSAlias": alias}


def secret_object(*values: str) -> dict[str, Any]:
    return {"values": {str(n): {"version": n, "value": value} for n, value in enumerate(values, 1)}}


# -- reading together -------------------------------------------------------------------------------------


def test_the_secrets_of_all_keys_are_one_service(
    team_a: CheckedStore, team_b: CheckedStore, s3: S3, proxy: Proxy
) -> None:
    team_a.write_many("app", {"a": "1", "both-a": "2"})
    team_b.write("app", "b", "3")
    team_a.write("app", "a", "4")
    assert s3.body(INDEX_A)["latest"] == {"a": entry("4", 2, A), "both-a": entry("2", 1, A)}
    assert s3.body(INDEX_B)["latest"] == {"b": entry("3", 1, B)}
    for store in (team_a, team_b):
        assert store.values("app") == {"a": "4", "b": "3", "both-a": "2"}
        assert [it.value for it in store.list("app", values=True)] == ["4", "3", "2"]
        assert store.read("app", "b").value == "3"
        assert store.read("app", "a").version == 2
        assert store.current("app", ["a", "b"]) == {"a": "4", "b": "3"}
        assert list(store.services()) == ["app"]
        assert len(store.history("app")) == 4
    assert {s3.get(path)["SSEKMSKeyId"] for path in ("app/a.json", "app/both-a.json", INDEX_A)} == {A}


def test_an_index_that_is_listed_and_not_found_is_no_empty_one(
    team_a: CheckedStore, team_b: CheckedStore, s3: S3, proxy: Proxy
) -> None:
    team_a.write("app", "a", "1")
    team_b.write("app", "b", "2")
    proxy.reset()
    proxy.spoil(f"GetObject {INDEX_B}", refused(404, "NoSuchKey"))
    with pytest.raises(UnreachableError, match=f"app: S3 lists {INDEX_B} and does not find it"):
        team_a.values("app")
    proxy.spoil(f"GetObject {INDEX_B}", before(lambda: s3.delete(INDEX_B)), nth=2)
    assert team_a.values("app") == {"a": "1"}


def test_one_key_s_writes_leave_the_other_s_index_alone(
    team_a: CheckedStore, team_b: CheckedStore, s3: S3
) -> None:
    team_a.write("app", "a", "1")
    team_b.write("app", "b", "1")
    before_it = s3.get(INDEX_B)
    team_a.write_many("app", {"a": "2", "c": "3"})
    team_a.delete("app", "a")
    after_it = s3.get(INDEX_B)
    assert (after_it["ETag"], after_it["LastModified"]) == (before_it["ETag"], before_it["LastModified"])
    assert team_a.values("app") == {"b": "1", "c": "3"}


def test_reading_under_another_key_takes_the_other_indexes(
    team_a: CheckedStore, team_b: CheckedStore, proxy: Proxy
) -> None:
    team_a.write("app", "key", "value")
    proxy.reset()
    assert team_b.read("app", "key").value == "value"
    assert proxy.counts == {"GetObject": 3, "ListObjectsV2": 1}


@pytest.mark.parametrize("versions", [(3, 2), (2, 3), (3, 3)])
def test_of_two_that_hold_a_key_the_higher_version_is_in_force(
    team_a: CheckedStore, team_b: CheckedStore, s3: S3, versions: tuple[int, int]
) -> None:
    """chamber can leave this. Of two equal ones that of the later index's name, as in chamber."""
    s3.put(INDEX_A, {"latest": {"key": entry("of a", versions[0], A)}}, A)
    s3.put(INDEX_B, {"latest": {"key": entry("of b", versions[1], B)}}, B)
    alias, value = (A, "of a") if versions[0] > versions[1] else (B, "of b")
    s3.put(OBJECT, secret_object("1", "2", value) if max(versions) == 3 else secret_object("1", value), alias)
    for store in (team_a, team_b):
        assert store.values("app") == {"key": value}
        assert store.read("app", "key").value == value
        assert store.read("app", "key").version == max(versions)
        [listed] = store.list("app", values=True)
        assert listed.value == value


def test_a_secret_that_another_index_holds_at_a_higher_version_is_not_written(
    team_a: CheckedStore, s3: S3
) -> None:
    s3.put(INDEX_A, {"latest": {"key": entry("of a", 2, A)}}, A)
    s3.put(INDEX_B, {"latest": {"key": entry("of b", 3, B)}}, B)
    s3.put(OBJECT, secret_object("1", "of a", "of b"), B)
    with pytest.raises(UsageError, match=f"held under the KMS key {B}"):
        team_a.write("app", "key", "new")
    assert team_a.values("app") == {"key": "of b"}


def test_a_secret_that_chamber_left_in_another_index_is_told_of(
    team_a: CheckedStore, s3: S3, told: Told
) -> None:
    s3.put(INDEX_B, {"latest": {"key": entry("of b", 3, B)}}, B)
    assert team_a.write("app", "key", "new") == 1
    assert team_a.values("app") == {"key": "of b"}
    [listed] = team_a.list("app", values=True)
    assert (listed.value, listed.version) == ("of b", 3)
    assert "app/key: what is in force is in no version of app/key.json" in told.notes[0]


def test_what_is_no_index_is_not_taken_for_one(team_a: CheckedStore, s3: S3) -> None:
    team_a.write("app", "a", "1")
    for path in (
        "app/__kms",
        "app/__kmsx__latest.json",
        "app/__kms_x.json",
        "app/__kms_x/__kms_y__latest.json",
    ):
        s3.put(path, "no index", A)
    assert team_a.values("app") == {"a": "1"}


# -- whose key a secret is under --------------------------------------------------------------------------


def test_a_secret_of_another_key_is_refused_and_says_what_to_type(
    team_a: CheckedStore, team_b: CheckedStore, s3: S3
) -> None:
    team_a.write("app", "key", "value")
    team_b.write("app", "own", "value")
    found = {path: s3.get(path)["Body"] for path in s3.names()}
    calls: list[Callable[[], object]] = [
        lambda: team_b.write("app", "key", "theirs"),
        lambda: team_b.write("app", "key", "theirs", if_version=1),
        lambda: team_b.write_many("app", {"key": "theirs"}),
        lambda: team_b.delete("app", "key"),
        lambda: team_b.delete_many("app", ["own", "key"]),
    ]
    for call in calls:
        with pytest.raises(UsageError, match=f"app/key is held under the KMS key {A}, not {B}") as caught:
            call()
        assert f"--kms-key-alias {A}" in (caught.value.hint or "")
        assert "delete app key" in (caught.value.hint or "")
        assert {path: s3.get(path)["Body"] for path in s3.names()} == found


def test_after_a_delete_another_key_may_take_it(team_a: CheckedStore, team_b: CheckedStore, s3: S3) -> None:
    team_a.write("app", "key", "value")
    team_a.delete("app", "key")
    assert team_b.write("app", "key", "theirs") == 1
    assert s3.get(OBJECT)["SSEKMSKeyId"] == B
    assert team_a.values("app") == {"key": "theirs"}


def test_of_two_keys_that_make_a_secret_at_once_one_wins(
    team_a: CheckedStore, team_b: CheckedStore, other: CheckedStore, proxy: Proxy, s3: S3
) -> None:
    refusals: list[UsageError] = []

    def make() -> None:
        try:
            team_b.write("app", "key", "of b")
        except UsageError as error:
            refusals.append(error)

    proxy.spoil(f"PutObject {INDEX_A}", before(make))
    team_a.write("app", "key", "of a")
    assert len(refusals) == 1
    assert team_b.values("app") == {"key": "of a"}
    assert s3.get(OBJECT)["SSEKMSKeyId"] == A


def test_a_plain_object_is_not_taken_under_a_key_nor_back(s3: S3, team_a: CheckedStore) -> None:
    plain = s3.open("s3")
    plain.write("app", "plain", "value")
    team_a.write("app", "sealed", "value")
    for call in (lambda: team_a.write("app", "plain", "x"), lambda: team_a.delete("app", "plain")):
        with pytest.raises(UsageError, match="app/plain is held by another backend") as caught:
            call()
        assert "--backend s3" in (caught.value.hint or "")
    for call in (lambda: plain.write("app", "sealed", "x"), lambda: plain.delete("app", "sealed")):
        with pytest.raises(
            UsageError, match=f"app/sealed is held by s3-kms, under the KMS key {A}"
        ) as caught:
            call()
        assert "--kms-key-alias" in (caught.value.hint or "")
    assert plain.values("app") == {"plain": "value"}
    assert team_a.values("app") == {"sealed": "value"}


@pytest.mark.parametrize(("first", "second"), [("alias/a/b", "alias/a_b"), ("alias/a_b", "alias/a/b")])
def test_keys_whose_indexes_have_one_name_are_refused(
    open_store: Callable[..., CheckedStore], s3: S3, first: str, second: str
) -> None:
    open_store(kms_key_alias=first).write("app", "key", "value")
    found = {path: s3.get(path)["ETag"] for path in s3.names()}
    store = open_store(kms_key_alias=second)
    calls: list[Callable[[], object]] = [
        lambda: store.write("app", "key", "new"),
        lambda: store.write("app", "other", "new"),
        lambda: store.write_many("app", {"other": "new"}),
        lambda: store.delete("app", "key"),
    ]
    for call in calls:
        with pytest.raises(UsageError, match=f"{second} and {first} have one index") as caught:
            call()
        assert "--kms-key-alias" in (caught.value.hint or "")
    assert {path: s3.get(path)["ETag"] for path in s3.names()} == found
    assert store.values("app") == {"key": "value"}


@pytest.mark.parametrize("name", ["team-a", "alias/team-a"])
def test_a_name_is_an_alias(open_store: Callable[..., CheckedStore], s3: S3, name: str) -> None:
    open_store(kms_key_alias=name).write("app", "key", "value")
    assert s3.names() == [INDEX_A, OBJECT]
    assert s3.body(INDEX_A)["latest"]["key"]["KMSAlias"] == A


# -- keys as S3 names them --------------------------------------------------------------------------------


def sealed_as(s3: S3, path: str, key: str) -> None:
    """What S3 says of an object when the alias it was put under means that key."""
    s3.put(path, s3.get(path)["Body"], key)


def test_a_secret_is_known_by_the_key_of_its_index(team_a: CheckedStore, s3: S3, proxy: Proxy) -> None:
    team_a.write("app", "key", "value")
    for path in (INDEX_A, OBJECT):
        sealed_as(s3, path, ARN_A)
    proxy.reset()
    assert team_a.write("app", "key", "new") == 2
    assert "ListObjectsV2" not in proxy.counts


def test_an_alias_that_means_another_key_now_goes_on(team_a: CheckedStore, s3: S3) -> None:
    team_a.write_many("app", {"key": "value", "other": "value"})
    for path, key in ((INDEX_A, ARN_B), (OBJECT, ARN_A), ("app/other.json", ARN_B)):
        sealed_as(s3, path, key)
    assert team_a.write("app", "key", "new") == 2
    team_a.delete("app", "key")
    assert team_a.values("app") == {"other": "value"}


@pytest.mark.parametrize("with_index", [False, True])
def test_an_unfinished_secret_of_another_key_is_refused(
    team_b: CheckedStore, s3: S3, with_index: bool
) -> None:
    if with_index:
        team_b.write("app", "own", "value")
    s3.put(OBJECT, secret_object("left"), ARN_A)
    for call in (lambda: team_b.write("app", "key", "new"), lambda: team_b.delete("app", "key")):
        with pytest.raises(UsageError, match=f"app/key is held under the KMS key {ARN_A}, not {B}"):
            call()
    assert s3.body(OBJECT) == secret_object("left")
    assert s3.body(INDEX_B) == {"latest": {"own": entry("value", 1, B)} if with_index else {}}


@pytest.mark.parametrize("with_index", [False, True])
def test_an_unfinished_secret_of_the_same_key_is_gone_on_with(
    team_b: CheckedStore, s3: S3, with_index: bool
) -> None:
    if with_index:
        team_b.write("app", "own", "value")
    s3.put(OBJECT, secret_object("left"), B)
    assert team_b.write("app", "key", "new") == 2
    assert team_b.values("app")["key"] == "new"


@pytest.mark.parametrize("key", [ARN_A, ARN_A.rpartition("/")[2]])
def test_a_key_may_be_named_by_its_id(open_store: Callable[..., CheckedStore], s3: S3, key: str) -> None:
    store = open_store(kms_key_alias=key)
    s3.put(OBJECT, secret_object("left"), ARN_A)
    assert store.write("app", "key", "new") == 2
    assert store.values("app") == {"key": "new"}


# -- mending ----------------------------------------------------------------------------------------------


def test_list_mends_the_index_of_another_key_under_that_key(
    team_a: CheckedStore, team_b: CheckedStore, s3: S3, told: Told
) -> None:
    team_a.write("app", "key", "old")
    s3.put(OBJECT, secret_object("old", "new"), A)
    [listed] = team_b.list("app", values=True)
    assert (listed.value, listed.version) == ("new", 2)
    assert s3.body(INDEX_A)["latest"] == {"key": entry("new", 2, A)}
    assert s3.get(INDEX_A)["SSEKMSKeyId"] == A
    assert INDEX_B not in s3.names()


def test_a_value_is_not_mended_into_the_index_of_another_key(
    team_a: CheckedStore, s3: S3, told: Told
) -> None:
    team_a.write("app", "key", "old")
    s3.put(OBJECT, secret_object("old", "new"), ARN_B)
    [listed] = team_a.list("app", values=True)
    assert (listed.value, listed.version) == ("old", 1)
    assert told.notes == ["app/key: a write was interrupted, and its value is not in force"]
    assert s3.body(INDEX_A)["latest"] == {"key": entry("old", 1, A)}


# -- an index that may not be read ------------------------------------------------------------------------


@pytest.fixture
def readable(open_store: Callable[..., CheckedStore]) -> CheckedStore:
    return open_store(kms_key_alias=A, readable_only=True)


@pytest.fixture
def without_b(team_a: CheckedStore, team_b: CheckedStore, proxy: Proxy) -> None:
    """Somebody who may not use team b's key."""
    team_a.write("app", "a", "1")
    team_b.write("app", "b", "2")
    proxy.reset()
    for path in (INDEX_B, "app/b.json"):
        proxy.spoil(f"GetObject {path}", denied, times=ALWAYS)


@pytest.mark.usefixtures("without_b")
def test_a_denied_index_is_an_error_that_names_the_key_and_the_permission(team_a: CheckedStore) -> None:
    for look in (team_a.values, team_a.list, team_a.history, lambda service: team_a.current(service, ["a"])):
        with pytest.raises(
            AccessDeniedError, match="access denied to what is under the KMS key alias/team_b"
        ) as caught:
            look("app")
        assert caught.value.exit_code == 4
        assert INDEX_B in str(caught.value)
        for needed in ("kms:Decrypt", "s3:GetObject", "--readable-only"):
            assert needed in (caught.value.hint or "")


def test_readable_only_leaves_it_out_and_says_so(readable: CheckedStore, without_b: None, told: Told) -> None:
    assert readable.values("app") == {"a": "1"}
    assert told.notes == [
        "service app: left out what is under the KMS key alias/team_b: access denied (--readable-only)"
    ]
    assert [it.id.key for it in readable.list("app")] == ["a"]
    assert [it.id.key for it in readable.history("app")] == ["a"]
    with pytest.raises(AccessDeniedError, match="app/b"):
        readable.write("app", "b", "mine")
    with pytest.raises(AccessDeniedError, match="app/b"):
        readable.read("app", "b")


def test_readable_only_is_not_nothing_at_all(
    team_b: CheckedStore, readable: CheckedStore, proxy: Proxy
) -> None:
    team_b.write("app", "b", "2")
    proxy.spoil(f"GetObject {INDEX_B}", denied, times=ALWAYS)
    with pytest.raises(AccessDeniedError):
        readable.values("app")


def test_the_own_secrets_can_be_read_and_written_beside_a_denied_index(
    without_b: None, team_a: CheckedStore
) -> None:
    assert team_a.read("app", "a").value == "1"
    assert team_a.write("app", "a", "3") == 2
    assert team_a.write("app", "new", "4") == 1
    team_a.delete("app", "new")
    assert team_a.read("app", "a").value == "3"


def test_credentials_that_have_expired_are_not_a_denied_index(
    team_a: CheckedStore, readable: CheckedStore, proxy: Proxy
) -> None:
    team_a.write("app", "a", "1")
    proxy.spoil("GetObject", refused(400, "ExpiredToken"), times=ALWAYS)
    with pytest.raises(NoCredentialsError):
        readable.values("app")


def test_a_key_that_nobody_holds_is_not_found(team_a: CheckedStore, team_b: CheckedStore) -> None:
    team_b.write("app", "b", "2")
    with pytest.raises(SecretNotFound):
        team_a.read("app", "key")
    with pytest.raises(SecretNotFound):
        team_a.delete("app", "key")
    with pytest.raises(ConflictError):
        team_b.write("app", "b", "x", if_version=0)
