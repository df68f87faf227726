"""How many calls each operation makes, counted on the wire."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.support.proxy import Proxy, delayed, denied, refused
from vault_exec.checked import CheckedStore
from vault_exec.errors import AccessDeniedError


def fill(store: CheckedStore, count: int, service: str = "app") -> list[str]:
    keys = [f"key-{number:03}" for number in range(count)]
    store.write_many(service, dict.fromkeys(keys, "value"))
    return keys


@pytest.mark.parametrize(("keys", "pages"), [(1, 1), (9, 1), (11, 2), (25, 3)])
def test_values_takes_a_call_for_ten_keys(store: CheckedStore, proxy: Proxy, keys: int, pages: int) -> None:
    fill(store, keys)
    proxy.reset()
    assert len(store.values("app")) == keys
    assert proxy.counts == {"GetParametersByPath": pages}
    assert {call.members["MaxResults"] for call in proxy.calls} == {10}


@pytest.mark.parametrize("there", [False, True])
def test_a_write_takes_two(store: CheckedStore, proxy: Proxy, there: bool) -> None:
    if there:
        store.write("app", "key", "old")
    proxy.reset()
    store.write("app", "key", "value")
    assert [call.operation for call in proxy.calls] == ["GetParameters", "PutParameter"]
    assert proxy.calls[0].members["Names"] == ["/app/key", "/_chamber/store-config"]


def test_a_write_that_changes_nothing_takes_one(store: CheckedStore, proxy: Proxy) -> None:
    store.write("app", "key", "value")
    proxy.reset()
    assert store.write("app", "key", "value", skip_unchanged=True) == 1
    assert proxy.counts == {"GetParameters": 1}


def test_a_new_secret_with_tags_takes_two(store: CheckedStore, proxy: Proxy) -> None:
    store.write("app", "key", "value", tags={"team": "a"})
    assert proxy.counts == {"GetParameters": 1, "PutParameter": 1}
    assert store.tags("app", "key") == {"team": "a"}


def test_create_only_takes_two(store: CheckedStore, proxy: Proxy) -> None:
    store.write("app", "key", "value", if_version=0)
    assert proxy.counts == {"GetParameters": 1, "PutParameter": 1}
    assert proxy.calls[1].members["Overwrite"] is False


def test_a_write_where_only_the_service_is_allowed_takes_three(store: CheckedStore, proxy: Proxy) -> None:
    store.write("app", "key", "old")
    proxy.reset()
    proxy.spoil("GetParameters", denied)
    assert store.write("app", "key", "value") == 2
    names = [call.members.get("Names") for call in proxy.calls]
    assert names == [["/app/key", "/_chamber/store-config"], ["/app/key"], None]


def test_a_new_secret_needs_the_configuration(store: CheckedStore, proxy: Proxy) -> None:
    proxy.spoil("GetParameters", denied)
    proxy.spoil("GetParameters", denied, nth=3)
    with pytest.raises(AccessDeniedError, match="ssm:GetParameters on parameter/_chamber/store-config"):
        store.write("app", "key", "value")
    assert "PutParameter" not in proxy.counts


def test_the_latest_value_alone_takes_one(store: CheckedStore, proxy: Proxy) -> None:
    store.write("app", "key", "value")
    proxy.reset()
    assert store.current("app", ["key"]) == {"key": "value"}
    assert proxy.counts == {"GetParameters": 1}


@pytest.mark.parametrize("versions", [1, 50, 51, 110])
def test_a_read_of_the_latest_takes_two(store: CheckedStore, proxy: Proxy, versions: int) -> None:
    for number in range(versions):
        store.write("app", "key", f"{number}")
    proxy.reset()
    secret = store.read("app", "key")
    assert (secret.value, secret.version, secret.created_by) == (f"{versions - 1}", versions, "N/A")
    assert len(proxy.calls) == 2


def test_a_read_of_a_version_takes_two(store: CheckedStore, proxy: Proxy) -> None:
    for number in range(1, 111):
        store.write("app", "key", f"{number}")
    for version in (11, 50, 51, 60, 61, 110):
        proxy.reset()
        secret = store.read("app", "key", version)
        assert (secret.value, secret.version, secret.created_by) == (f"{version}", version, "N/A")
        assert len(proxy.calls) <= 2


def test_a_list_asks_for_pages_of_fifty(store: CheckedStore, proxy: Proxy) -> None:
    fill(store, 25)
    proxy.reset()
    assert len(store.list("app")) == 25
    assert set(proxy.counts) == {"DescribeParameters"}
    assert {call.members["MaxResults"] for call in proxy.calls} == {50}


def test_a_list_with_values_adds_the_pages_of_the_values(store: CheckedStore, proxy: Proxy) -> None:
    fill(store, 25)
    proxy.reset()
    store.list("app")
    described = proxy.counts["DescribeParameters"]
    proxy.reset()
    assert len(store.list("app", values=True)) == 25
    assert proxy.counts == {"DescribeParameters": described, "GetParametersByPath": 3}


def test_a_list_with_values_asks_both_at_once(store: CheckedStore, proxy: Proxy) -> None:
    fill(store, 1)
    proxy.reset()
    proxy.spoil("DescribeParameters", delayed(0.6))
    store.list("app", values=True)
    first, second = proxy.calls
    assert second.at - first.at < 0.55


def test_history_of_a_key_takes_pages_of_fifty(store: CheckedStore, proxy: Proxy) -> None:
    for number in range(60):
        store.write("app", "key", f"{number}")
    proxy.reset()
    assert len(store.history("app", "key")) == 60
    assert proxy.counts == {"GetParameterHistory": 2}
    assert {call.members["WithDecryption"] for call in proxy.calls} == {False}


def test_history_of_a_service_takes_one_for_each_key_more(store: CheckedStore, proxy: Proxy) -> None:
    fill(store, 8)
    proxy.reset()
    assert len(store.history("app")) == 8
    assert proxy.counts == {"DescribeParameters": 1, "GetParameterHistory": 8}


def test_a_delete_takes_one(store: CheckedStore, proxy: Proxy) -> None:
    store.write("app", "key", "value")
    proxy.reset()
    store.delete("app", "key")
    assert proxy.counts == {"DeleteParameter": 1}


def test_deleting_many_takes_a_call_for_ten_keys(store: CheckedStore, proxy: Proxy) -> None:
    keys = fill(store, 25)
    proxy.reset()
    store.delete_many("app", keys)
    assert proxy.counts == {"DeleteParameters": 3}


def test_services_and_secrets_ask_only_for_names(store: CheckedStore, proxy: Proxy) -> None:
    fill(store, 3, "prod/web")
    fill(store, 3, "other")
    proxy.reset()
    assert store.services("prod") == ["prod/web"]
    assert len(store.secrets("prod")) == 3
    assert proxy.counts == {"DescribeParameters": 2}
    for call in proxy.calls:
        assert call.members["MaxResults"] == 50
        assert call.members["ParameterFilters"] == [
            {"Key": "Name", "Option": "BeginsWith", "Values": ["/prod"]}
        ]


@pytest.mark.parametrize("new", [False, True])
@pytest.mark.parametrize("keys", [1, 9, 25])
def test_an_import_takes_a_call_for_ten_keys_and_one_for_each_write(
    store: CheckedStore, proxy: Proxy, keys: int, new: bool
) -> None:
    names = [f"key-{number:03}" for number in range(keys)]
    if not new:
        store.write_many("app", dict.fromkeys(names, "old"))
    proxy.reset()
    store.write_many("app", dict.fromkeys(names, "value"))
    assert proxy.counts == {"GetParameters": -(-keys // 10), "PutParameter": keys}


def test_an_import_of_full_batches_asks_once_more_for_the_required_tags_of_new_secrets(
    store: CheckedStore, proxy: Proxy
) -> None:
    fill(store, 20)
    assert proxy.counts == {"GetParameters": 3, "PutParameter": 20}
    proxy.reset()
    fill(store, 20)
    assert proxy.counts == {"GetParameters": 2, "PutParameter": 20}


@pytest.mark.parametrize("new", [False, True])
def test_an_import_that_looked_first_does_not_look_again(
    store: CheckedStore, proxy: Proxy, new: bool
) -> None:
    keys = [f"key-{number:03}" for number in range(25)]
    if not new:
        store.write_many("app", dict.fromkeys(keys, "old"))
    proxy.reset()
    store.current("app", keys)
    store.write_many("app", dict.fromkeys(keys, "value"))
    assert proxy.counts == {"GetParameters": 3, "PutParameter": 25}
    described = {call.members["Description"] for call in proxy.calls if call.operation == "PutParameter"}
    assert described == {"1" if new else "2"}


@pytest.mark.parametrize("new", [False, True])
def test_an_import_that_read_the_service_looks_up_at_most_the_required_tags(
    store: CheckedStore, proxy: Proxy, new: bool
) -> None:
    keys = fill(store, 25)
    proxy.reset()
    store.values("app")
    wanted = [*keys, "new"] if new else keys
    store.write_many("app", dict.fromkeys(wanted, "value"))
    counts = {"GetParametersByPath": 3, "PutParameter": len(wanted)}
    assert proxy.counts == ({**counts, "GetParameters": 1} if new else counts)
    described = {
        call.members["Name"]: call.members["Description"]
        for call in proxy.calls
        if call.operation == "PutParameter"
    }
    assert described == {f"/app/{key}": "1" if key == "new" else "2" for key in wanted}


def test_what_was_looked_up_serves_one_import_only(store: CheckedStore, proxy: Proxy) -> None:
    keys = fill(store, 5)
    store.current("app", keys)
    for version in ("2", "3"):
        proxy.reset()
        store.write_many("app", dict.fromkeys(keys, version))
        described = [call.members["Description"] for call in proxy.calls if call.operation == "PutParameter"]
        assert described == [version] * 5


def test_reads_and_writes_of_an_import_go_eight_at_once(store: CheckedStore, proxy: Proxy) -> None:
    keys = fill(store, 80)
    for operation in ("GetParameters", "PutParameter"):
        proxy.reset()
        proxy.spoil(operation, delayed(0.6), times=8)
        store.write_many("app", dict.fromkeys(keys, "value"))
        begun = [call.at for call in proxy.calls if call.operation == operation]
        assert begun[7] - begun[0] < 0.55
        assert begun[8] - begun[0] > 0.55 if operation == "PutParameter" else len(begun) == 8


def test_labelled_values_take_the_pages_and_as_many_lookups(store: CheckedStore, proxy: Proxy) -> None:
    for key in fill(store, 12):
        store.label("app", key, "prod")
    proxy.reset()
    assert len(store.values("app", "prod")) == 12
    assert proxy.counts == {"GetParametersByPath": 2, "GetParameters": 2}


def test_a_refusal_of_one_call_is_not_repeated(open_ssm: Callable[..., CheckedStore], proxy: Proxy) -> None:
    proxy.spoil("GetParametersByPath", refused(400, "ValidationException"))
    with pytest.raises(Exception, match="ValidationException"):
        open_ssm().values("app")
    assert proxy.counts == {"GetParametersByPath": 1}
