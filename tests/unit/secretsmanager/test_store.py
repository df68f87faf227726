"""Secrets Manager through moto: calls counted on the wire, races, labels, and what others put there."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from tests.support.aws import Told
from tests.support.proxy import (
    ALWAYS,
    Exchange,
    Fault,
    Proxy,
    answers,
    denied,
    edited,
    failed,
    lost,
    refused,
    reset,
)
from vault_exec.checked import CheckedStore
from vault_exec.errors import (
    ConflictError,
    FormatError,
    InvalidValueError,
    NoCredentialsError,
    SecretNotFound,
    ServiceNotFound,
    UnreachableError,
    UnsupportedError,
    VaultExecError,
)
from vault_exec_backends.secretsmanager.document import METADATA

WRITE = {
    "DescribeSecret": 1,
    "GetSecretValue": 2,  # the second reads back once, for a chamber that writes at the same moment
    "PutSecretValue": 1,
    "UpdateSecretVersionStage": 1,
}


def current(service: Any, name: str = "svc") -> dict[str, Any]:
    text = service.get_secret_value(SecretId=name, VersionStage="AWSCURRENT")["SecretString"]
    return {key: value for key, value in json.loads(text).items() if key != METADATA}


def chamber_writes(service: Any, key: str, value: str, version: int) -> None:
    """What chamber's write does: the whole secret, unconditionally."""
    content = json.loads(service.get_secret_value(SecretId="svc", VersionStage="AWSCURRENT")["SecretString"])
    metadata = json.loads(content.get(METADATA, "{}"))
    metadata[key] = {"created": "2026-01-01T00:00:00.000000001Z", "created_by": "chamber", "version": version}
    content = {**content, key: value, METADATA: json.dumps(metadata)}
    service.put_secret_value(
        SecretId="svc", SecretString=json.dumps(content), VersionStages=["AWSCURRENT", f"CHAMBER{version}"]
    )


def meanwhile(what: Callable[[], object]) -> Fault:
    """Something happens before the call reaches the service."""

    def fault(exchange: Exchange) -> None:
        what()
        exchange.pass_on()

    return fault


# -- calls --------------------------------------------------------------------------------------------------


def test_reading_takes_one_call(store: CheckedStore, proxy: Proxy) -> None:
    store.write_many("svc", {"a": "1", "b": "2"})
    for look in (
        lambda: store.values("svc"),
        lambda: store.read("svc", "a"),
        lambda: store.list("svc", values=True),
        lambda: store.current("svc", ["a", "x"]),
    ):
        proxy.reset()
        look()
        assert proxy.counts == {"GetSecretValue": 1}
        assert proxy.calls[0].members["VersionStage"] == "AWSCURRENT"


def test_a_write_takes_four_and_one_that_reads_back(store: CheckedStore, proxy: Proxy) -> None:
    store.write("svc", "a", "1")
    assert proxy.counts == {
        "DescribeSecret": 1,
        "GetSecretValue": 2,
        "GetCallerIdentity": 1,
        "CreateSecret": 1,
    }
    proxy.reset()
    store.write("svc", "a", "2")
    assert proxy.counts == WRITE
    proxy.reset()
    store.delete("svc", "a")
    assert proxy.counts == WRITE


def test_importing_many_is_one_write(store: CheckedStore, proxy: Proxy) -> None:
    store.write("svc", "a", "1")
    proxy.reset()
    done: list[str] = []
    store.write_many("svc", {f"k{n}": "v" for n in range(200)}, written=done.append)
    assert len(done) == 200
    assert proxy.counts == WRITE


def test_a_write_that_changes_nothing_writes_nothing(store: CheckedStore, proxy: Proxy) -> None:
    store.write("svc", "a", "1")
    proxy.reset()
    assert store.write("svc", "a", "1", skip_unchanged=True) == 1
    assert proxy.counts == {"DescribeSecret": 1, "GetSecretValue": 1}


def test_an_old_version_takes_three(store: CheckedStore, proxy: Proxy) -> None:
    for value in "one", "two", "three":
        store.write("svc", "a", value)
    proxy.reset()
    assert store.read("svc", "a", 2).value == "two"
    assert proxy.counts == {"ListSecretVersionIds": 1, "GetSecretValue": 2}
    proxy.reset()
    assert store.read("svc", "a", 3).value == "three"
    assert proxy.counts == {"ListSecretVersionIds": 1, "GetSecretValue": 1}


def test_a_version_of_a_deleted_secret_is_not_one_of_its_successor(store: CheckedStore) -> None:
    """Its label is still there."""
    store.write("svc", "other", "x")
    store.write("svc", "a", "one")
    store.write("svc", "a", "two")
    store.delete("svc", "a")
    with pytest.raises(SecretNotFound):
        store.read("svc", "a", 2)
    store.write("svc", "a", "new")
    assert [event.version for event in store.history("svc", "a")] == [1]
    with pytest.raises(SecretNotFound):
        store.read("svc", "a", 2)
    assert store.read("svc", "a", 1).value == "new"


def test_history_takes_a_list_and_a_call_a_version(store: CheckedStore, proxy: Proxy) -> None:
    for number in range(5):
        store.write("svc", "a", str(number))
    proxy.reset()
    assert [event.version for event in store.history("svc", "a")] == [1, 2, 3, 4, 5]
    assert proxy.counts == {"ListSecretVersionIds": 1, "GetSecretValue": 5}


def test_services_and_secrets(store: CheckedStore, proxy: Proxy) -> None:
    for service in "app", "app/web", "other":
        store.write(service, "key", "v")
    proxy.reset()
    assert store.services("app") == ["app", "app/web"]
    assert proxy.counts == {"ListSecrets": 1}
    proxy.reset()
    assert len(store.secrets()) == 3
    assert proxy.counts == {"ListSecrets": 1, "GetSecretValue": 3}


# -- races --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("at", ["PutSecretValue", "UpdateSecretVersionStage"])
def test_of_two_writers_none_loses_a_key(
    open_store: Callable[..., CheckedStore], proxy: Proxy, service: Any, at: str
) -> None:
    store, other = open_store(), open_store()
    store.write("svc", "a", "1")
    proxy.reset()
    proxy.spoil(at, meanwhile(lambda: other.write("svc", "b", "1")))
    assert store.write("svc", "a", "2") == 2
    assert current(service) == {"a": "2", "b": "1"}
    assert [event.version for event in store.history("svc", "a")] == [1, 2]
    assert [event.version for event in store.history("svc", "b")] == [1]


@pytest.mark.parametrize("at", ["PutSecretValue", "UpdateSecretVersionStage"])
def test_of_two_that_compare_and_swap_one_wins(
    open_store: Callable[..., CheckedStore], proxy: Proxy, service: Any, at: str
) -> None:
    store, other = open_store(), open_store()
    store.write("svc", "a", "1")
    proxy.reset()
    proxy.spoil(at, meanwhile(lambda: other.write("svc", "a", "theirs", if_version=1)))
    with pytest.raises(ConflictError):
        store.write("svc", "a", "ours", if_version=1)
    assert current(service) == {"a": "theirs"}
    assert store.read("svc", "a", 2).value == "theirs"
    assert [event.version for event in store.history("svc", "a")] == [1, 2]


@pytest.mark.parametrize("at", ["PutSecretValue", "UpdateSecretVersionStage"])
def test_what_chamber_wrote_in_between_is_kept(
    store: CheckedStore, proxy: Proxy, service: Any, at: str
) -> None:
    store.write("svc", "a", "1")
    proxy.reset()
    proxy.spoil(at, meanwhile(lambda: chamber_writes(service, "b", "theirs", 1)))
    assert store.write("svc", "a", "2") == 2
    assert current(service) == {"a": "2", "b": "theirs"}


def test_a_secret_that_is_made_while_we_look_is_not_taken_for_empty(
    open_store: Callable[..., CheckedStore], proxy: Proxy, service: Any
) -> None:
    open_store().write("svc", "b", "theirs")
    proxy.reset()
    proxy.spoil("GetSecretValue", refused(400, "ResourceNotFoundException"))  # asked a moment too early
    assert open_store().write("svc", "a", "1") == 1
    assert current(service) == {"a": "1", "b": "theirs"}


def test_of_two_first_writers_to_an_empty_secret_none_loses_a_key(
    open_store: Callable[..., CheckedStore], proxy: Proxy, service: Any
) -> None:
    service.create_secret(Name="svc")
    store, other = open_store(), open_store()
    proxy.spoil("PutSecretValue", meanwhile(lambda: other.write("svc", "b", "theirs")))
    assert store.write("svc", "a", "1") == 1
    assert current(service) == {"a": "1", "b": "theirs"}
    assert [(event.id.key, event.version) for event in store.history("svc")] == [("b", 1), ("a", 1)]


def test_what_chamber_overwrote_with_an_older_state_is_written_again(
    store: CheckedStore, proxy: Proxy, service: Any
) -> None:
    store.write("svc", "a", "1")
    stale = service.get_secret_value(SecretId="svc", VersionStage="AWSCURRENT")["SecretString"]
    proxy.reset()

    def chamber_finishes() -> None:
        content = {**json.loads(stale), "b": "theirs"}
        service.put_secret_value(
            SecretId="svc", SecretString=json.dumps(content), VersionStages=["AWSCURRENT", "CHAMBER1"]
        )

    proxy.spoil("GetSecretValue", meanwhile(chamber_finishes), nth=2)
    assert store.write("svc", "a", "2") == 2
    assert current(service) == {"a": "2", "b": "theirs"}


@pytest.mark.parametrize("operation", ["CreateSecret", "PutSecretValue", "UpdateSecretVersionStage"])
def test_a_lost_answer_is_one_write(store: CheckedStore, proxy: Proxy, service: Any, operation: str) -> None:
    if operation != "CreateSecret":
        store.write("svc", "other", "v")
    proxy.reset()
    proxy.spoil(operation, lost)
    assert store.write("svc", "a", "1") == 1
    assert current(service)["a"] == "1"
    assert [event.version for event in store.history("svc", "a")] == [1]


@pytest.mark.parametrize("operation", ["PutSecretValue", "UpdateSecretVersionStage"])
def test_an_empty_answer_is_none_and_asked_for_again(
    store: CheckedStore, proxy: Proxy, service: Any, operation: str
) -> None:
    store.write("svc", "a", "1")
    proxy.reset()
    proxy.spoil(operation, answers(b"{}"))
    assert store.write("svc", "a", "2") == 2
    assert current(service) == {"a": "2"}
    assert proxy.counts == {**WRITE, operation: 2}


def test_a_lost_move_that_somebody_else_followed_is_one_write(
    open_store: Callable[..., CheckedStore], proxy: Proxy, service: Any
) -> None:
    store, other = open_store(), open_store()
    store.write("svc", "a", "1")
    proxy.reset()

    def lost_and_followed(exchange: Exchange) -> None:
        exchange.forward()
        other.write("svc", "a", "theirs", if_version=2)
        exchange.cut()

    proxy.spoil("UpdateSecretVersionStage", lost_and_followed)
    assert store.write("svc", "a", "ours") == 2
    assert [(event.version) for event in store.history("svc", "a")] == [1, 2, 3]
    assert current(service) == {"a": "theirs"}


def test_a_write_that_others_overtook_twice_is_not_taken_for_done(
    open_store: Callable[..., CheckedStore], proxy: Proxy, service: Any
) -> None:
    """All in the second that is moto's clock, so that the dates do not tell who came first."""
    store, other = open_store(), open_store()
    store.write("svc", "a", "1")
    proxy.reset()

    def overtaken() -> None:
        other.write("svc", "a", "theirs")
        other.write("svc", "a", "theirs again")

    proxy.spoil("UpdateSecretVersionStage", meanwhile(overtaken))
    assert store.write("svc", "a", "ours") == 4
    assert current(service) == {"a": "ours"}
    assert [store.read("svc", "a", number).value for number in (2, 3, 4)] == [
        "theirs",
        "theirs again",
        "ours",
    ]


@pytest.mark.parametrize("if_version", [None, 1])
def test_a_write_that_chamber_overtook_twice_is_not_taken_for_done(
    store: CheckedStore, proxy: Proxy, service: Any, if_version: int | None
) -> None:
    """The key is at a newer version than ours then, and yet ours never was in force."""
    store.write("svc", "a", "1")
    proxy.reset()

    def overtaken() -> None:
        chamber_writes(service, "a", "theirs", 2)
        chamber_writes(service, "a", "theirs again", 3)

    proxy.spoil("UpdateSecretVersionStage", meanwhile(overtaken))
    if if_version is None:
        assert store.write("svc", "a", "ours") == 4
        assert current(service) == {"a": "ours"}
    else:
        with pytest.raises(ConflictError):
            store.write("svc", "a", "ours", if_version=if_version)
        assert current(service) == {"a": "theirs again"}


def test_of_two_that_delete_the_last_key_the_service_is_gone_for_both(
    open_store: Callable[..., CheckedStore], proxy: Proxy
) -> None:
    store, other = open_store(), open_store()
    store.write("svc", "a", "1")
    proxy.reset()
    proxy.spoil("PutSecretValue", meanwhile(lambda: other.delete("svc", "a")))
    with pytest.raises(SecretNotFound):
        store.delete("svc", "a")
    assert store.services() == []


# -- a writer that dies -------------------------------------------------------------------------------------


@pytest.mark.parametrize("operation", ["PutSecretValue", "UpdateSecretVersionStage"])
def test_a_writer_that_dies_before_the_move_leaves_the_old_value(
    open_store: Callable[..., CheckedStore], proxy: Proxy, operation: str
) -> None:
    open_store().write("svc", "a", "old")
    proxy.reset()
    proxy.spoil(operation, reset, times=ALWAYS)
    with pytest.raises(UnreachableError):
        open_store(retries=1).write("svc", "a", "new")
    proxy.reset()
    store = open_store()
    assert store.values("svc") == {"a": "old"}
    assert [event.version for event in store.history("svc", "a")] == [1]
    with pytest.raises(SecretNotFound):
        store.read("svc", "a", 2)
    assert store.write("svc", "a", "newer") == 2
    assert store.read("svc", "a", 2).value == "newer"
    assert [event.version for event in store.history("svc", "a")] == [1, 2]


def test_a_writer_that_dies_after_the_move_has_written(
    open_store: Callable[..., CheckedStore], proxy: Proxy
) -> None:
    open_store().write("svc", "a", "old")
    proxy.reset()
    proxy.spoil("GetSecretValue", reset, nth=2, times=ALWAYS)
    with pytest.raises(UnreachableError):
        open_store(retries=1).write("svc", "a", "new")
    proxy.reset()
    assert open_store().values("svc") == {"a": "new"}


# -- labels and permissions ---------------------------------------------------------------------------------


def test_labels_are_chambers(store: CheckedStore, service: Any) -> None:
    for value in "one", "two", "three":
        store.write("svc", "a", value)
    stages = service.describe_secret(SecretId="svc")["VersionIdsToStages"]
    assert sorted(sorted(names) for names in stages.values() if names) == [
        ["AWSCURRENT", "CHAMBER3"],
        ["AWSPREVIOUS", "CHAMBER2"],
    ]


def test_more_than_twenty_labels_cannot_fail_a_write(store: CheckedStore, proxy: Proxy, service: Any) -> None:
    for number in range(25):
        proxy.reset()
        store.write("svc", "a", str(number))
        stages = service.describe_secret(SecretId="svc")["VersionIdsToStages"]
        labels = [name for names in stages.values() for name in names]
        assert len(labels) == len(set(labels)) <= 20
    assert proxy.counts == {**WRITE, "UpdateSecretVersionStage": 2}
    assert "CHAMBER25" in labels
    assert "CHAMBER2" not in labels
    assert [event.version for event in store.history("svc", "a")] == list(range(1, 26))
    assert store.read("svc", "a", 2).value == "1"


def test_a_label_that_somebody_else_takes_off_first_cannot_fail_a_write(
    store: CheckedStore, proxy: Proxy, service: Any
) -> None:
    for number in range(20):
        store.write("svc", "a", str(number))
    stages = service.describe_secret(SecretId="svc")["VersionIdsToStages"]
    [oldest] = [id for id, names in stages.items() if "CHAMBER3" in names]
    proxy.reset()
    proxy.spoil(
        "UpdateSecretVersionStage",
        meanwhile(
            lambda: service.update_secret_version_stage(
                SecretId="svc", VersionStage="CHAMBER3", RemoveFromVersionId=oldest
            )
        ),
    )
    assert store.write("svc", "a", "20") == 21


def test_room_for_labels_that_others_took_is_made_again(
    store: CheckedStore, proxy: Proxy, service: Any
) -> None:
    for number in range(20):
        store.write("svc", "a", str(number))
    proxy.reset()

    def crowded(exchange: Exchange) -> None:
        service.put_secret_value(SecretId="svc", SecretString="{}", VersionStages=["THEIRS"])
        refused(400, "LimitExceededException")(exchange)

    proxy.spoil("PutSecretValue", crowded)
    assert store.write("svc", "a", "20") == 21
    assert proxy.counts["PutSecretValue"] == 2


def test_emptied_with_all_labels_in_use(store: CheckedStore, service: Any) -> None:
    for number in range(20):
        store.write("svc", "a", str(number))
    store.delete("svc", "a")
    stages = service.describe_secret(SecretId="svc")["VersionIdsToStages"]
    assert sum(map(len, stages.values())) <= 20
    assert store.services() == []


def test_without_permission_to_move_labels_it_writes_as_chamber_does_and_says_so_once(
    store: CheckedStore, proxy: Proxy, service: Any, told: Told
) -> None:
    store.write("svc", "a", "1")
    proxy.spoil("UpdateSecretVersionStage", denied, times=ALWAYS)
    assert store.write("svc", "a", "2") == 2
    assert store.write("svc", "a", "3") == 3
    assert current(service) == {"a": "3"}
    [note] = told.notes
    assert "secretsmanager:UpdateSecretVersionStage" in note
    assert [event.version for event in store.history("svc", "a")] == [1, 2, 3]


def test_credentials_that_expire_before_the_move_are_told_and_nothing_is_in_force(
    store: CheckedStore, proxy: Proxy, service: Any, told: Told
) -> None:
    store.write("svc", "a", "1")
    proxy.spoil("UpdateSecretVersionStage", refused(400, "ExpiredTokenException"), times=ALWAYS)
    with pytest.raises(NoCredentialsError):
        store.write("svc", "a", "2")
    assert current(service) == {"a": "1"}
    assert told.notes == []


def test_the_quota_of_versions_is_told_and_not_retried(store: CheckedStore, proxy: Proxy) -> None:
    store.write("svc", "a", "1")
    proxy.reset()
    proxy.spoil("PutSecretValue", refused(400, "LimitExceededException"), times=ALWAYS)
    with pytest.raises(VaultExecError, match="takes no more of it now"):
        store.write("svc", "a", "2")
    assert proxy.counts["PutSecretValue"] == 1


# -- what others made ---------------------------------------------------------------------------------------


def test_the_secret_of_a_database_survives(store: CheckedStore, service: Any) -> None:
    text = (
        '{"username": "root", "port": 5432, "ratio": 1.10, "ssl": true, "none": null, "nested": {"a": [1]}}'
    )
    service.create_secret(Name="svc", SecretString=text)
    assert store.values("svc") == {
        "username": "root",
        "port": "5432",
        "ratio": "1.10",
        "ssl": "true",
        "none": "null",
        "nested": '{"a": [1]}',
    }
    assert store.read("svc", "port").version == 1
    assert store.write("svc", "username", "admin") == 2
    assert current(service) == {**json.loads(text), "username": "admin"}
    assert "1.10" in service.get_secret_value(SecretId="svc", VersionStage="AWSCURRENT")["SecretString"]


@pytest.mark.parametrize("content", ["plain text", "[1, 2]", ""])
def test_a_secret_that_is_no_json_object_is_a_clear_error(
    store: CheckedStore, service: Any, content: str
) -> None:
    service.create_secret(Name="svc", SecretString=content or " ")
    with pytest.raises(FormatError, match="svc in Secrets Manager is not a JSON object"):
        store.values("svc")
    with pytest.raises(FormatError):
        store.write("svc", "a", "1")
    assert store.secrets() == []


def test_a_binary_secret_is_a_clear_error(store: CheckedStore, service: Any) -> None:
    service.create_secret(Name="svc", SecretBinary=b"\x00\x01")
    with pytest.raises(FormatError, match="not a JSON object"):
        store.values("svc")


def test_a_secret_without_a_value_takes_a_first_one(store: CheckedStore, proxy: Proxy, service: Any) -> None:
    service.create_secret(Name="svc")
    with pytest.raises(ServiceNotFound):
        store.values("svc")
    assert store.write("svc", "a", "1") == 1
    assert current(service) == {"a": "1"}


def test_an_emptied_service_is_not_there_and_comes_back(store: CheckedStore, service: Any) -> None:
    store.write("svc", "a", "1")
    store.write("kept", "a", "1")
    store.delete("svc", "a")
    assert store.services() == ["kept"]
    with pytest.raises(ServiceNotFound):
        store.values("svc")
    assert service.describe_secret(SecretId="svc")["Name"] == "svc"
    store.write("svc", "a", "2")
    assert store.services() == ["kept", "svc"]


def test_a_rotated_secret_is_not_written_to(store: CheckedStore, proxy: Proxy) -> None:
    store.write("svc", "a", "1")
    proxy.spoil("DescribeSecret", edited(lambda answer: answer.update(RotationEnabled=True)), times=ALWAYS)
    with pytest.raises(UnsupportedError, match="rotated"):
        store.write("svc", "a", "2")
    assert proxy.counts["PutSecretValue"] == 0
    assert store.values("svc") == {"a": "1"}


def test_a_secret_that_is_being_deleted_is_told_so(store: CheckedStore, service: Any) -> None:
    store.write("svc", "a", "1")
    service.delete_secret(SecretId="svc")
    for look in (lambda: store.values("svc"), lambda: store.write("svc", "a", "2")):
        with pytest.raises(VaultExecError, match="scheduled for deletion") as caught:
            look()
        assert not isinstance(caught.value, ServiceNotFound)
        assert "restore-secret" in str(caught.value.hint)
    assert store.services() == []


def test_the_limit_of_the_whole_secret_is_told_before_the_write(store: CheckedStore, proxy: Proxy) -> None:
    store.write("svc", "a", "x" * 30_000)
    proxy.reset()
    with pytest.raises(InvalidValueError, match="65,536"):
        store.write("svc", "b", "x" * 40_000)
    assert proxy.counts["PutSecretValue"] == 0
    assert list(store.values("svc")) == ["a"]


def test_access_denied_is_not_not_found(store: CheckedStore, proxy: Proxy) -> None:
    proxy.spoil("GetSecretValue", denied, times=ALWAYS)
    with pytest.raises(VaultExecError, match="secretsmanager:GetSecretValue") as caught:
        store.values("svc")
    assert caught.value.exit_code == 4


def test_a_failing_service_is_ridden_out(store: CheckedStore, proxy: Proxy) -> None:
    store.write("svc", "a", "1")
    for operation in ("DescribeSecret", "GetSecretValue", "PutSecretValue", "UpdateSecretVersionStage"):
        proxy.reset()
        proxy.spoil(operation, failed)
        store.write("svc", "a", operation)
    assert [event.version for event in store.history("svc", "a")] == [1, 2, 3, 4, 5]
