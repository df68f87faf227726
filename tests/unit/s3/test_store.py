"""What S3 alone has: states that chamber can leave, tags, foreign objects, refusals and faults of S3."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest

from tests.support.aws import Told
from tests.support.proxy import ALWAYS, Proxy, answers, cut_off, lost, refused, reset, web_page
from tests.support.s3 import ALIAS, BUCKET, S3, index_of
from vault_exec.checked import CheckedStore
from vault_exec.errors import (
    AccessDeniedError,
    ConfigError,
    ConflictError,
    InvalidNameError,
    MalformedAnswerError,
    SecretNotFound,
    ServiceNotFound,
    StoreTimeoutError,
    ThrottledError,
    UnreachableError,
    UsageError,
    VaultExecError,
)
from vault_exec.model import SecretId

OBJECT = "app/key.json"
denied = refused(403, "AccessDenied", "User: arn:aws:sts::1:assumed-role/me is not authorized")


@pytest.fixture
def alias(backend: str) -> str | None:
    """What the test's own objects are sealed with."""
    return None if backend == "s3" else ALIAS


def index_body(backend: str, **versions: tuple[str, int]) -> dict[str, Any]:
    """An index that says these values, at these versions where it says any."""
    if backend == "s3":
        return {"latest": {key: value for key, (value, _) in versions.items()}}
    return {
        "latest": {
            key: {"version": version, "value": value, "KMSAlias": ALIAS}
            for key, (value, version) in versions.items()
        }
    }


def object_body(*values: str) -> dict[str, Any]:
    records = {
        str(number): {
            "created": "2026-01-01T00:00:00Z",
            "created_by": "me",
            "version": number,
            "value": value,
        }
        for number, value in enumerate(values, 1)
    }
    return {"service": "app", "key": "/app/key", "values": records}


def test_loading_it_brings_nothing_that_is_dear() -> None:
    """exec loads it; the carrier of the calls comes with the first of them."""
    show = "import sys, vault_exec_backends.s3_kms; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-I", "-c", show], capture_output=True, text=True)
    loaded = set(done.stdout.split())
    assert "vault_exec_backends.s3.store" in loaded
    bare = subprocess.run(
        [sys.executable, "-I", "-c", "import sys; print(*sys.modules)"], capture_output=True, text=True
    )
    dear = {"re", "json", "typing", "functools", "urllib.parse", "socket", "threading", "enum", "botocore"}
    assert not dear & (loaded - set(bare.stdout.split()))


# -- at rest ----------------------------------------------------------------------------------------------


def test_objects_are_as_chamber_writes_them(store: CheckedStore, s3: S3, backend: str) -> None:
    store.write("app", "key", "value")
    assert s3.names() == sorted([index_of(backend, "app"), OBJECT])
    for path in s3.names():
        found = s3.get(path)
        assert found["ContentType"] == "application/octet-stream"
        if backend == "s3":
            assert found["ServerSideEncryption"] == "AES256"
        else:
            assert (found["ServerSideEncryption"], found["SSEKMSKeyId"]) == ("aws:kms", ALIAS)
    [record] = s3.body(OBJECT)["values"].values()
    assert list(record) == ["created", "created_by", "version", "value"]
    assert record["created_by"] == "arn:aws:sts::123456789012:user/moto"
    assert s3.body(index_of(backend, "app")) == index_body(backend, key=("value", 1))


# -- what chamber can leave -------------------------------------------------------------------------------


def test_a_value_in_force_that_no_version_holds_is_served_with_a_note(
    store: CheckedStore, s3: S3, told: Told, backend: str, alias: str | None
) -> None:
    """Two chamber writers of one key, each of whom won one of the two objects."""
    s3.put(OBJECT, object_body("first", "theirs"), alias)
    s3.put(index_of(backend, "app"), index_body(backend, key=("ours", 2)), alias)
    assert store.values("app") == {"key": "ours"}
    secret = store.read("app", "key")
    assert (secret.value, secret.version, secret.created) == ("ours", 2, None)
    assert "app/key: what is in force is in no version of app/key.json" in told.notes[0]
    assert "ours" not in told.notes[0]
    [listed] = store.list("app", values=True)
    assert (listed.value, listed.version) == ("ours", 2)
    assert store.values("app") == {"key": "ours"}
    assert store.write("app", "key", "new", if_version=2) == 3
    assert store.read("app", "key").created is not None
    assert len(told.notes) == 2


def test_a_secret_whose_object_is_gone_is_in_force_with_a_note(
    store: CheckedStore, s3: S3, told: Told, backend: str, alias: str | None
) -> None:
    """chamber deletes the object first."""
    s3.put(index_of(backend, "app"), index_body(backend, key=("value", 4), other=("x", 1)), alias)
    known = 0 if backend == "s3" else 4
    secret = store.read("app", "key")
    assert (secret.value, secret.version, secret.created) == ("value", known, None)
    assert [(it.id.key, it.version) for it in store.list("app")] == [("key", known), ("other", min(known, 1))]
    assert len(told.notes) == 3
    for wrong in (known + 1, 7):
        with pytest.raises(ConflictError):
            store.write("app", "key", "new", if_version=wrong)
    assert store.write("app", "key", "new", if_version=known) == known + 1
    assert store.read("app", "key").value == "new"
    store.delete("app", "other")
    assert store.values("app") == {"key": "new"}
    with pytest.raises(SecretNotFound):
        store.history("app", "other")


def test_a_service_of_which_only_the_index_is_left_has_no_history(
    store: CheckedStore, s3: S3, backend: str, alias: str | None
) -> None:
    s3.put(index_of(backend, "app"), index_body(backend, key=("value", 4)), alias)
    with pytest.raises(ServiceNotFound):
        store.history("app")


def test_a_service_that_chamber_has_emptied_is_not_there(
    store: CheckedStore, s3: S3, backend: str, alias: str | None
) -> None:
    s3.put(index_of(backend, "app"), {"latest": {}}, alias)
    for look in (store.values, store.list, store.history):
        with pytest.raises(ServiceNotFound):
            look("app")
    assert store.current("app", ["key"]) == {}
    assert list(store.services()) == []


def test_a_swap_where_chamber_has_deleted_half_is_the_store_s_own_number(
    store: CheckedStore, s3: S3, backend: str, alias: str | None
) -> None:
    s3.put(OBJECT, object_body("one", "two", "three"), alias)
    s3.put(index_of(backend, "app"), index_body(backend, key=("three", 3)), alias)
    assert store.write("app", "key", "four", if_version=3) == 4


# -- other things in the bucket ---------------------------------------------------------------------------


def test_other_things_in_the_bucket_are_no_secrets(
    store: CheckedStore, s3: S3, backend: str, alias: str | None
) -> None:
    store.write("app", "key", "value")
    for path in (
        "app/readme.txt",
        "app/sub/page.json",
        "app/with blank.json",
        "app/.json",
        "top.json",
        "a//b.json",
        "logs/__latestx.json",
        "logs/2026.json",
        "app/ключ.json",
    ):
        s3.put(path, "not JSON", alias)
    s3.put(index_of("s3-kms" if backend == "s3" else "s3", "mixed"), {"latest": {}})
    s3.put("mixed/key.json", object_body("x"))
    assert list(store.services()) == ["app"]
    assert list(store.secrets()) == [SecretId("app", "key")]
    assert store.values("app") == {"key": "value"}


@pytest.mark.parametrize("key", ["__latest", "__kms_alias_x__latest", "__kms_"])
def test_keys_that_are_names_of_indexes_are_refused(store: CheckedStore, proxy: Proxy, key: str) -> None:
    store.write("app", "other", "value")
    proxy.reset()
    calls: list[Callable[[], object]] = [
        lambda: store.write("app", key, "value"),
        lambda: store.write_many("app", {"other": "new", key: "value"}),
        lambda: store.read("app", key),
        lambda: store.read("app", key, 1),
        lambda: store.delete("app", key),
        lambda: store.delete_many("app", ["other", key]),
        lambda: store.history("app", key),
        lambda: store.tags("app", key),
        lambda: store.write_tags("app", key, {"a": "b"}),
        lambda: store.delete_tags("app", key, ["a"]),
    ]
    for call in calls:
        with pytest.raises(InvalidNameError, match=key):
            call()
    assert proxy.calls == []
    assert store.values("app") == {"other": "value"}


# -- malformed --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("body", [b"", b"{}", b'{"latest":[]}', b'{"latest":{"key":7}}', b"\xff"])
def test_a_malformed_index_is_an_error_that_names_it(
    store: CheckedStore, s3: S3, backend: str, alias: str | None, body: bytes
) -> None:
    store.write("app", "key", "value")
    path = index_of(backend, "app")
    s3.put(path, body, alias)
    calls: list[Callable[[], object]] = [
        lambda: store.values("app"),
        lambda: store.list("app"),
        lambda: store.read("app", "key"),
        lambda: store.current("app", ["key"]),
        lambda: store.write("app", "key", "new"),
        lambda: store.delete("app", "key"),
    ]
    for call in calls:
        with pytest.raises(MalformedAnswerError, match=path):
            call()
    assert s3.get(path)["Body"] == body
    assert list(s3.body(OBJECT)["values"]) == ["1"]


def test_a_malformed_object_is_an_error_that_names_it(store: CheckedStore, s3: S3, alias: str | None) -> None:
    store.write_many("app", {"key": "canary", "other": "value"})
    s3.put(OBJECT, b'{"values":{"1":{"value":"canary"', alias)
    calls: list[Callable[[], object]] = [
        lambda: store.list("app"),
        lambda: store.read("app", "key"),
        lambda: store.read("app", "key", 1),
        lambda: store.history("app", "key"),
        lambda: store.history("app"),
        lambda: store.write("app", "key", "new"),
    ]
    for call in calls:
        with pytest.raises(MalformedAnswerError, match=r"app/key\.json") as caught:
            call()
        assert "canary" not in str(caught.value)
    assert store.values("app") == {"key": "canary", "other": "value"}


# -- tags -------------------------------------------------------------------------------------------------


def test_tags_are_those_of_the_object(store: CheckedStore, s3: S3) -> None:
    store.write("app", "key", "value", tags={"team": "a b", "env": "prod/1 + = : @"})
    assert s3.tags(OBJECT) == {"team": "a b", "env": "prod/1 + = : @"}
    store.write("app", "key", "new")
    store.write_many("app", {"key": "newer"}, tags={"team": "other"})
    assert s3.tags(OBJECT) == store.tags("app", "key") == {"team": "a b", "env": "prod/1 + = : @"}


def test_an_object_has_ten_tags_at_most(store: CheckedStore, s3: S3) -> None:
    ten = {f"tag-{number}": "x" for number in range(10)}
    for call in (
        lambda: store.write("app", "new", "value", tags={**ten, "one": "more"}),
        lambda: store.write_many("app", {"new": "value"}, tags={**ten, "one": "more"}),
    ):
        with pytest.raises(UsageError, match="10 tags"):
            call()
    assert s3.names() == []
    store.write("app", "key", "value", tags=ten)
    with pytest.raises(UsageError, match="10 tags"):
        store.write_tags("app", "key", {"one": "more"})
    store.write_tags("app", "key", {"one": "more"}, delete_others=True)
    assert store.tags("app", "key") == {"one": "more"}


def test_tags_that_may_not_be_read_are_an_error(store: CheckedStore, proxy: Proxy) -> None:
    store.write("app", "key", "value", tags={"team": "a"})
    proxy.spoil("GetObjectTagging", denied, times=ALWAYS)
    for call in (lambda: store.tags("app", "key"), lambda: store.write("app", "key", "new")):
        with pytest.raises(AccessDeniedError, match="s3:GetObjectTagging on secrets-bucket/app/key"):
            call()


# -- what the service says --------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["no-such-bucket-here", "secrets-bucket-2"])
def test_a_bucket_that_is_not_there_names_the_setting(
    open_store: Callable[..., CheckedStore], name: str
) -> None:
    store = open_store(backend_s3_bucket=name)
    calls: list[Callable[[], object]] = [
        lambda: store.values("app"),
        lambda: store.services(),
        lambda: store.write("app", "key", "value"),
    ]
    for call in calls:
        with pytest.raises(
            ConfigError, match=f"there is no bucket {name} .from --backend-s3-bucket."
        ) as caught:
            call()
        assert "CHAMBER_S3_BUCKET" in (caught.value.hint or "")


@pytest.mark.parametrize("name", ["", "s3://bucket", "with blank", "a/b"])
def test_a_bucket_that_cannot_be_names_the_setting(
    open_store: Callable[..., CheckedStore], name: str
) -> None:
    with pytest.raises(ConfigError, match="bucket") as caught:
        open_store(backend_s3_bucket=name)
    assert caught.value.hint


@pytest.mark.parametrize("code", ["AuthorizationHeaderMalformed", "IllegalLocationConstraintException"])
def test_a_bucket_elsewhere_says_which_setting(store: CheckedStore, proxy: Proxy, code: str) -> None:
    for operation in ("GetObject", "ListObjectsV2"):
        proxy.spoil(operation, refused(400, code), times=ALWAYS)
    with pytest.raises(ConfigError, match="another region") as caught:
        store.values("app")
    assert "AWS_REGION" in (caught.value.hint or "")


def test_a_denied_read_says_that_it_may_mean_absence(store: CheckedStore, proxy: Proxy) -> None:
    proxy.spoil("GetObject", denied, times=ALWAYS)
    with pytest.raises(AccessDeniedError, match="s3:GetObject on secrets-bucket/app/") as caught:
        store.read("app", "key")
    assert "s3:ListBucket" in (caught.value.hint or "")


@pytest.mark.parametrize("operation", ["PutObject", "DeleteObject"])
def test_a_denied_change_names_the_permission(store: CheckedStore, proxy: Proxy, operation: str) -> None:
    store.write("app", "key", "value")
    proxy.spoil(operation, denied, times=ALWAYS)
    with pytest.raises(AccessDeniedError, match=f"s3:{operation} on secrets-bucket/app/"):
        store.delete("app", "key")


def test_a_denied_listing_names_the_permission(store: CheckedStore, proxy: Proxy) -> None:
    proxy.spoil("ListObjectsV2", denied, times=ALWAYS)
    with pytest.raises(AccessDeniedError, match="s3:ListBucket on secrets-bucket"):
        store.services()


@pytest.mark.parametrize("code", ["KMS.NotFoundException", "KMS.DisabledException"])
def test_a_kms_key_that_is_not_there_gets_a_hint(store: CheckedStore, proxy: Proxy, code: str) -> None:
    proxy.spoil("PutObject", refused(400, code), times=ALWAYS)
    with pytest.raises(ConfigError, match=code) as caught:
        store.write("app", "key", "value")
    assert "--kms-key-alias alias/aws/s3" in (caught.value.hint or "")


# -- faults that a retry hides, and those that it cannot ----------------------------------------------------

HIDDEN = {
    "throttled": refused(503, "SlowDown"),
    "failed": refused(500, "InternalError"),
    "unavailable": refused(503, "ServiceUnavailable"),
    "reset": reset,
    "lost": lost,
    "cut off": cut_off(3),
    "web page": web_page,
    "empty": answers(b"", content_type="application/xml"),
    "JSON": answers(b"{}", content_type="application/json"),
}


@pytest.mark.parametrize("name", HIDDEN)
def test_a_fault_that_a_retry_hides(
    store: CheckedStore, other: CheckedStore, proxy: Proxy, s3: S3, name: str
) -> None:
    other.write_many("app", {"key": "old", "other": "stays"})

    def spoil(*operations: str) -> None:
        proxy.reset()
        for operation in operations:
            proxy.spoil(operation, HIDDEN[name])

    spoil("GetObject", "ListObjectsV2")
    assert store.values("app") == {"key": "old", "other": "stays"}
    spoil("GetObject", "ListObjectsV2")
    assert [secret.value for secret in store.list("app", values=True)] == ["old", "stays"]
    spoil("GetObject")
    assert len(store.history("app", "key")) == 1
    spoil("ListObjectsV2")
    assert list(store.services()) == ["app"]
    spoil("GetObject", "PutObject", "GetCallerIdentity")
    assert store.write("app", "key", "new", if_version=1) == 2
    assert other.values("app") == {"key": "new", "other": "stays"}
    if name == "empty":  # which is what a delete that went well looks like
        spoil("GetObject", "PutObject")
    else:
        spoil("GetObject", "PutObject", "DeleteObject")
    store.delete("app", "key")
    assert other.values("app") == {"other": "stays"}
    assert OBJECT not in s3.names()


@pytest.mark.parametrize(
    ("name", "error"),
    [
        ("throttled", ThrottledError),
        ("failed", UnreachableError),
        ("reset", UnreachableError),
        ("cut off", UnreachableError),
        ("web page", UnreachableError),
        ("JSON", UnreachableError),
    ],
)
def test_a_fault_that_stays_is_the_right_error(
    open_store: Callable[..., CheckedStore],
    other: CheckedStore,
    proxy: Proxy,
    name: str,
    error: type[VaultExecError],
) -> None:
    other.write("app", "key", "canary")
    store = open_store(retries=2)
    for operation in ("GetObject", "ListObjectsV2"):
        proxy.spoil(operation, HIDDEN[name], times=ALWAYS)
    calls: list[Callable[[], object]] = [
        lambda: store.values("app"),
        lambda: store.list("app"),
        lambda: store.read("app", "key"),
        lambda: store.current("app", ["key"]),
        lambda: store.history("app"),
        lambda: store.services(),
        lambda: store.write("app", "key", "new"),
        lambda: store.delete("app", "key"),
    ]
    for call in calls:
        with pytest.raises(error) as caught:
            call()
        assert caught.value.exit_code == 6
        assert "canary" not in str(caught.value)
    assert other.values("app") == {"key": "canary"}


def test_a_page_that_repeats_or_stops_short_is_an_error(store: CheckedStore, proxy: Proxy) -> None:
    page = "<ListBucketResult><IsTruncated>true</IsTruncated><KeyCount>0</KeyCount>{}</ListBucketResult>"
    for token in ("<NextContinuationToken>again</NextContinuationToken>", ""):
        proxy.reset()
        proxy.spoil(
            "ListObjectsV2",
            answers(page.format(token).encode(), content_type="application/xml"),
            times=ALWAYS,
        )
        with pytest.raises(UnreachableError, match="does not go on"):
            store.services()


def test_an_empty_page_is_not_the_end(store: CheckedStore, other: CheckedStore, proxy: Proxy) -> None:
    other.write("app", "key", "value")
    first = (
        b"<ListBucketResult><IsTruncated>true</IsTruncated><KeyCount>0</KeyCount>"
        b"<NextContinuationToken>next</NextContinuationToken></ListBucketResult>"
    )
    proxy.spoil("ListObjectsV2", answers(first, content_type="application/xml"))
    proxy.spoil("ListObjectsV2", lambda exchange: rest(exchange), nth=2)
    assert list(store.services()) == ["app"]


def rest(exchange: Any) -> None:
    """The whole list, as moto knows nothing of the token."""
    exchange._handler.path = f"/{BUCKET}?list-type=2"
    exchange.pass_on()


def test_the_time_for_an_operation_is_kept(open_store: Callable[..., CheckedStore], proxy: Proxy) -> None:
    store = open_store(timeout=1.0, retries=1000)
    proxy.spoil("GetObject", reset, times=ALWAYS)
    proxy.spoil("ListObjectsV2", reset, times=ALWAYS)
    with pytest.raises(StoreTimeoutError):
        store.values("app")


def test_what_is_traced_holds_no_value(store: CheckedStore, told: Told) -> None:
    store.write("app", "key", "canary")
    store.values("app")
    assert told.traces
    assert "canary" not in json.dumps(told.traces + told.notes)
