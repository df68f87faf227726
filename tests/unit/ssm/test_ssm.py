"""What the backend does that is Parameter Store's own: its layout at rest, labels, required tags, limits."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import pytest

from tests.support.aws import Told
from tests.support.proxy import ALWAYS, Exchange, Proxy, answers, denied
from vault_exec.checked import CheckedStore
from vault_exec.errors import (
    AccessDeniedError,
    ConfigError,
    ConflictError,
    InvalidNameError,
    InvalidValueError,
    NotFoundError,
    SecretNotFound,
    ServiceNotFound,
    UnsupportedError,
    UsageError,
)
from vault_exec.model import SecretId

Open = Callable[..., CheckedStore]
ALIAS = "alias/parameter_store_key"


@pytest.fixture
def boto(aws: dict[str, str]) -> Any:
    """The store as others see it."""
    import botocore.session

    return botocore.session.Session().create_client("ssm", region_name="us-east-1")


def put(boto: Any, name: str, value: str = "value", **members: Any) -> None:
    boto.put_parameter(**{"Name": name, "Value": value, "Type": "SecureString", **members})


def require(boto: Any, *tags: str) -> None:
    """Have the store's configuration require these tags."""
    config = json.dumps({"version": "1", "requiredTags": list(tags)})
    put(boto, "/_chamber/store-config", config, KeyId=ALIAS)


# -- at rest ------------------------------------------------------------------------------------------------


def test_a_secret_at_rest_is_as_chamber_writes_it(store: CheckedStore, boto: Any) -> None:
    store.write("prod/app", "db_password", "one")
    store.write("prod/app", "db_password", "two")
    store.write_many("prod/app", {"db_password": "three", "other": "four"})
    history = boto.get_parameter_history(Name="/prod/app/db_password", WithDecryption=True)["Parameters"]
    for number, (entry, value) in enumerate(zip(history, ("one", "two", "three"), strict=True), 1):
        assert entry["Value"] == value
        assert entry["Type"] == "SecureString"
        assert entry["KeyId"] == ALIAS
        assert (entry["Version"], entry["Description"]) == (number, str(number))
    [other] = boto.get_parameter_history(Name="/prod/app/other")["Parameters"]
    assert other["Description"] == "1"


@pytest.mark.parametrize(
    ("given", "sent"),
    [
        ("mine", "alias/mine"),
        ("alias/aws/ssm", "alias/aws/ssm"),
        ("1234abcd-12ab-34cd-56ef-1234567890ab", "1234abcd-12ab-34cd-56ef-1234567890ab"),
    ],
)
def test_the_kms_key_of_the_setting(open_ssm: Open, proxy: Proxy, given: str, sent: str) -> None:
    open_ssm(kms_key_alias=given).write("app", "key", "value")
    assert proxy.calls[-1].members["KeyId"] == sent


def test_versions_are_the_stores_own_and_not_the_descriptions(store: CheckedStore, boto: Any) -> None:
    put(boto, "/app/key", "one", Description="set in the console")
    put(boto, "/app/key", "two", Description="7", Overwrite=True)
    assert (store.read("app", "key").version, store.read("app", "key", 1).value) == (2, "one")
    assert [secret.version for secret in store.list("app")] == [2]
    assert store.write("app", "key", "three") == 3
    with pytest.raises(SecretNotFound):
        store.read("app", "key", 7)


def test_what_others_keep_there_is_not_ours(store: CheckedStore, boto: Any) -> None:
    put(boto, "/app/key")
    put(boto, "/app/plain", "text", Type="String")
    for name in ("top", "/app/deeper/key"):
        put(boto, name)
    assert store.values("app") == {"key": "value", "plain": "text"}
    assert [secret.id.key for secret in store.list("app", values=True)] == ["key", "plain"]
    assert store.services() == ["app", "app/deeper"]
    assert store.secrets("app/") == [SecretId("app/deeper", "key")]


def test_services_of_chamber_itself_are_listed_as_chamber_does(store: CheckedStore, boto: Any) -> None:
    require(boto)
    assert store.services() == ["_chamber"]


# -- reading ------------------------------------------------------------------------------------------------


def test_a_list_shows_what_was_written_while_it_was_made(
    store: CheckedStore, open_ssm: Open, proxy: Proxy
) -> None:
    store.write_many("app", {"old": "1", "changed": "1"})

    def late(exchange: Exchange) -> None:
        time.sleep(0.2)  # the descriptions are there by now
        open_ssm().write_many("app", {"new": "1", "changed": "2"})
        exchange.pass_on()

    proxy.spoil("GetParametersByPath", late)
    listed = store.list("app", values=True)
    assert [(secret.id.key, secret.value, secret.version, secret.created_by) for secret in listed] == [
        ("changed", "2", 2, "N/A"),
        ("new", "1", 1, "N/A"),
        ("old", "1", 1, "N/A"),
    ]


def test_a_key_described_but_not_in_the_values_is_looked_up(store: CheckedStore, proxy: Proxy) -> None:
    store.write_many("app", {"one": "1", "two": "2"})

    def without_two(exchange: Exchange) -> None:
        status, headers, body = exchange.forward()
        members = json.loads(body)
        members["Parameters"] = [it for it in members["Parameters"] if it["Name"] != "/app/two"]
        exchange.send(status, headers, json.dumps(members).encode())

    proxy.spoil("GetParametersByPath", without_two)
    assert [secret.value for secret in store.list("app", values=True)] == ["1", "2"]


def test_an_old_version_is_read_although_others_cannot_be_decrypted(
    store: CheckedStore, proxy: Proxy
) -> None:
    for number in range(1, 56):
        store.write("app", "key", f"{number}")

    def denied_with_values(exchange: Exchange) -> None:
        (denied if exchange.call.members["WithDecryption"] else Exchange.pass_on)(exchange)

    proxy.spoil("GetParameterHistory", denied_with_values, times=ALWAYS)
    secret = store.read("app", "key", 52)
    assert (secret.value, secret.version, secret.created_by) == ("52", 52, "N/A")


def test_versions_that_are_gone_or_never_were(store: CheckedStore) -> None:
    for number in range(1, 111):
        store.write("app", "key", f"{number}")
    assert store.read("app", "key", 11).value == "11"
    for version in (1, 10, 111):
        with pytest.raises(SecretNotFound, match=f"app/key.*version {version}$"):
            store.read("app", "key", version)


def test_a_labelled_version_stays_and_keeps_the_oldest_from_going(store: CheckedStore) -> None:
    store.write("app", "key", "first")
    store.label("app", "key", "prod")
    for number in range(2, 101):
        store.write("app", "key", f"{number}")
    with pytest.raises(Exception, match="100 versions, and the oldest cannot go") as caught:
        store.write("app", "key", "one more")
    assert "label" in (getattr(caught.value, "hint", None) or "")
    assert store.read("app", "key", "prod").value == "first"
    assert store.values("app") == {"key": "100"}
    store.label("app", "key", "prod", 100)
    assert store.write("app", "key", "one more") == 101


def test_history_has_dates_users_and_labels_and_needs_no_key(store: CheckedStore, proxy: Proxy) -> None:
    store.write_many("app", {"a": "1", "b": "1"})
    store.write("app", "a", "2")
    store.label("app", "a", "prod", 1)
    proxy.reset()
    events = store.history("app")
    assert [(str(event.id), event.version, event.labels) for event in events][-1] == ("app/a", 2, ())
    assert {(str(event.id), event.version): event.labels for event in events} == {
        ("app/a", 1): ("prod",),
        ("app/a", 2): (),
        ("app/b", 1): (),
    }
    assert all(event.created and event.created_by == "N/A" for event in events)
    assert not any(call.members.get("WithDecryption") for call in proxy.calls)


def test_a_key_that_goes_while_the_history_is_read_is_left_out(
    store: CheckedStore, open_ssm: Open, proxy: Proxy
) -> None:
    store.write_many("app", {"stays": "1", "goes": "1"})

    def then_gone(exchange: Exchange) -> None:
        answer = exchange.forward()
        open_ssm().delete("app", "goes")
        exchange.send(*answer)

    proxy.spoil("DescribeParameters", then_gone)
    assert [event.id.key for event in store.history("app")] == ["stays"]


# -- labels -------------------------------------------------------------------------------------------------


def test_keys_without_the_label_are_named(store: CheckedStore) -> None:
    store.write_many("app", {f"key-{number:02}": "value" for number in range(15)})
    store.label("app", "key-00", "prod")
    with pytest.raises(SecretNotFound, match="key-01") as caught:
        store.values("app", "prod")
    message = str(caught.value)
    assert "'prod'" in message
    assert "key-00" not in message
    assert "and 4 more" in message
    assert "--allow-unlabelled" in (caught.value.hint or "")


def test_keys_without_the_label_may_be_left_out_and_that_is_said(open_ssm: Open, told: Told) -> None:
    store = open_ssm(allow_unlabelled=True)
    store.write_many("app", {"with": "value", "without": "value"})
    store.label("app", "with", "prod")
    assert store.values("app", "prod") == {"with": "value"}
    assert told.notes == ["app: left out, without label prod: without"]
    assert [secret.id.key for secret in store.list("app", label="prod")] == ["with"]


def test_a_label_that_no_key_has_is_an_error_in_any_case(open_ssm: Open) -> None:
    store = open_ssm(allow_unlabelled=True)
    store.write("app", "key", "value")
    store.label("app", "key", "prod")
    with pytest.raises(NotFoundError, match="'Prod'") as caught:
        store.values("app", "Prod")
    assert caught.value.hint == "label them with: label app KEY Prod"
    with pytest.raises(ServiceNotFound):
        store.values("other", "prod")


def test_a_list_by_label_shows_who_wrote_that_version(store: CheckedStore, proxy: Proxy) -> None:
    store.write_many("app", {"a": "1", "b": "1"})
    store.label("app", "a", "prod")
    store.label("app", "b", "prod")
    store.write("app", "a", "2")
    listed = store.list("app", label="prod")
    assert [(secret.version, secret.value, secret.created_by) for secret in listed] == [
        (1, None, "N/A"),
        (1, None, "N/A"),
    ]
    decrypted = [
        call.operation
        for call in proxy.calls
        if call.members.get("WithDecryption") and call.operation != "GetParameters"
    ]
    assert decrypted == []


def test_a_label_of_the_latest_names_its_version(store: CheckedStore, proxy: Proxy) -> None:
    store.write("app", "key", "1")
    store.write("app", "key", "2")
    store.label("app", "key", "prod")
    assert proxy.calls[-1].members == {"Name": "/app/key", "Labels": ["prod"], "ParameterVersion": 2}


# -- writing ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("service", ["aws", "awsome/app", "SSM-x", "ssm/app", "Aws/app"])
def test_reserved_names_are_refused_before_anything_is_sent(
    store: CheckedStore, proxy: Proxy, service: str
) -> None:
    for write in (
        lambda: store.write(service, "key", "value"),
        lambda: store.write_many(service, {"key": "value"}),
    ):
        with pytest.raises(InvalidNameError, match=f"{service}/key"):
            write()
    assert proxy.calls == []


def test_depth_and_length_of_names(store: CheckedStore, proxy: Proxy) -> None:
    deepest = "/".join("abcdefghijklmn")
    store.write(deepest, "key", "value")
    assert store.values(deepest) == {"key": "value"}
    proxy.reset()
    with pytest.raises(InvalidNameError, match="16 levels"):
        store.write(deepest + "/o", "key", "value")
    with pytest.raises(InvalidNameError, match="1,012 characters"):
        store.write("app", "k" * 1007, "value")
    assert proxy.calls == []
    store.write("app", "k" * 1006, "value")


@pytest.mark.parametrize("value", ["{{ssm:other}}", "a {{ b }} c", "{{}}", "}}{{\n}}"])
def test_values_that_the_service_takes_for_references(store: CheckedStore, proxy: Proxy, value: str) -> None:
    with pytest.raises(InvalidValueError, match="app/key"):
        store.write("app", "key", value)
    with pytest.raises(InvalidValueError, match="app/key"):
        store.write_many("app", {"first": "value", "key": value})
    assert proxy.calls == []


@pytest.mark.parametrize("value", ["{{", "}}", "}} {{", "{ {a} }"])
def test_braces_that_are_no_reference(store: CheckedStore, value: str) -> None:
    store.write("app", "key", value)
    assert store.values("app") == {"key": value}


def test_only_creating_can_be_conditional(store: CheckedStore) -> None:
    with pytest.raises(UnsupportedError, match="only --if-version 0") as caught:
        store.write("app", "key", "value", if_version=3)
    assert caught.value.exit_code == 2


def test_of_many_that_create_at_once_one_does(open_ssm: Open) -> None:
    from threading import Barrier, Thread

    start = Barrier(8)
    results: list[str] = []

    def create(number: int) -> None:
        store = open_ssm()
        start.wait()
        try:
            store.write("app", "key", f"{number}", if_version=0)
        except ConflictError:
            results.append("conflict")
        else:
            results.append(f"{number}")

    threads = [Thread(target=create, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    winners = [result for result in results if result != "conflict"]
    assert len(results) == 8
    assert len(winners) == 1
    assert open_ssm().values("app") == {"key": winners[0]}


def test_writing_to_chambers_own_service_is_warned_of(store: CheckedStore, told: Told) -> None:
    store.write("_chamber", "store-config", '{"version":"1","requiredTags":["team"]}')
    assert len(told.notes) == 1
    assert "_chamber" in told.notes[0]
    store.write("app", "key", "value", tags={"team": "a"})
    assert len(told.notes) == 1


# -- required tags ------------------------------------------------------------------------------------------


def test_new_secrets_need_the_required_tags(store: CheckedStore, boto: Any) -> None:
    put(boto, "/app/old")
    require(boto, "team", "env")
    for write in (
        lambda: store.write("app", "key", "value"),
        lambda: store.write("app", "key", "value", tags={"team": "a"}),
        lambda: store.write_many("app", {"old": "2", "key": "value"}, tags={"team": "a"}),
    ):
        with pytest.raises(UsageError, match=r"app/key.*env"):
            write()
    assert store.values("app") == {"old": "value"}
    store.write_many("app", {"old": "2", "key": "value"}, tags={"team": "a", "env": "b"})
    assert store.tags("app", "key") == {"team": "a", "env": "b"}
    assert store.tags("app", "old") == {}
    store.write("app", "key", "changed")
    assert store.values("app") == {"old": "2", "key": "changed"}


def test_required_tags_stay(store: CheckedStore, boto: Any) -> None:
    require(boto, "team", "env")
    put(boto, "/app/key", Tags=[{"Key": "team", "Value": "a"}, {"Key": "x", "Value": "y"}])
    with pytest.raises(UsageError, match="team are required"):
        store.delete_tags("app", "key", ["x", "team"])
    with pytest.raises(UsageError, match="team are required"):
        store.write_tags("app", "key", {"other": "b"}, delete_others=True)
    assert store.tags("app", "key") == {"team": "a", "x": "y"}
    store.write_tags("app", "key", {"team": "b"}, delete_others=True)
    assert store.tags("app", "key") == {"team": "b"}
    store.write_tags("app", "key", {"x": "z"})
    store.delete_tags("app", "key", ["x"])
    assert store.tags("app", "key") == {"team": "b"}


@pytest.mark.parametrize(
    "text", ["not json", "[]", '{"requiredTags": "team"}', '{"requiredTags": [1]}', "null"]
)
def test_a_configuration_that_is_none_stops_new_secrets(store: CheckedStore, boto: Any, text: str) -> None:
    put(boto, "/_chamber/store-config", text)
    with pytest.raises(ConfigError, match="/_chamber/store-config"):
        store.write("app", "key", "value")
    assert store.current("app", ["key"]) == {}


@pytest.mark.parametrize("text", ["{}", '{"version":"1"}', '{"requiredTags":null}', '{"requiredTags":[]}'])
def test_a_configuration_that_requires_nothing(store: CheckedStore, boto: Any, text: str) -> None:
    put(boto, "/_chamber/store-config", text)
    assert store.write("app", "key", "value") == 1


def test_tags_on_a_secret_that_came_in_between_are_a_conflict(
    store: CheckedStore, boto: Any, proxy: Proxy
) -> None:
    nothing = b'{"Parameters": [], "InvalidParameters": ["/app/key", "/_chamber/store-config"]}'
    put(boto, "/app/key", "theirs")
    proxy.reset()
    proxy.spoil("GetParameters", answers(nothing))
    with pytest.raises(ConflictError, match="app/key"):
        store.write("app", "key", "ours", tags={"team": "a"})
    assert store.values("app") == {"key": "theirs"}


def test_a_denied_configuration_does_not_stop_what_is_there(
    store: CheckedStore, boto: Any, proxy: Proxy
) -> None:
    put(boto, "/app/key")

    def only_the_service(exchange: Exchange) -> None:
        names = exchange.call.members["Names"]
        (denied if "/_chamber/store-config" in names else Exchange.pass_on)(exchange)

    proxy.spoil("GetParameters", only_the_service, times=ALWAYS)
    assert store.write("app", "key", "new") == 2
    store.write_many("app", {"key": "newer"})
    with pytest.raises(AccessDeniedError, match="_chamber/store-config"):
        store.write_many("app", {"key": "newest", "fresh": "value"})
    with pytest.raises(AccessDeniedError, match="_chamber/store-config"):
        store.delete_tags("app", "key", ["team"])
    assert store.values("app") == {"key": "newer"}


# -- weight -------------------------------------------------------------------------------------------------


def test_importing_the_backend_loads_nothing_heavy() -> None:
    code = (
        "import sys; before = set(sys.modules); import vault_exec_backends.ssm; "
        "print(*sorted(set(sys.modules) - before))"
    )
    done = subprocess.run([sys.executable, "-I", "-c", code], capture_output=True, text=True, check=True)
    loaded = [name for name in done.stdout.split() if not name.startswith(("vault_exec", "__future__"))]
    assert set(loaded) <= {"_collections_abc", "abc", "_abc", "time", "_thread"}
