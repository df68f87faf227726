from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from time import sleep
from typing import Any

import pytest

from vault_exec import settings
from vault_exec.checked import CheckedStore
from vault_exec.errors import (
    InvalidNameError,
    InvalidValueError,
    ServiceNotFound,
    StoreTimeoutError,
    UnsupportedError,
    UsageError,
    VaultExecError,
)
from vault_exec.store import Context, Features, Store

ALL = {
    "writable": True,
    "history": True,
    "tags": True,
    "labels": True,
    "empty_values": True,
    "compare_and_swap": True,
    "own_key": True,
}

Call = Callable[[Store], object]


class Recorder(Store):
    """A backend that does nothing but note what it was asked: nothing, where the checks bite."""

    name = "recorder"

    def __init__(self, features: Features, context: Context, values: Mapping[str, str]) -> None:
        self.features = features
        self.asked: list[str] = []
        self._context = context
        self._values = dict(values)

    def __getattribute__(self, name: str) -> Any:
        found = super().__getattribute__(name)
        if name not in Store.__dict__ or not callable(found) or name.startswith("_"):
            return found

        def noted(*arguments: Any, **options: Any) -> Any:
            self.asked.append(name)
            return found(*arguments, **options)

        return noted

    def values(self, service: str, label: str | None = None) -> dict[str, str]:
        return self._values

    def read(self, service: str, key: str, version: int | str | None = None) -> Any: ...

    def list(self, service: str, *, values: bool = False, label: str | None = None) -> Any: ...

    def services(self, prefix: str = "") -> Any: ...

    def write(self, service: str, key: str, value: str, **options: Any) -> int:
        return 1

    def write_many(
        self, service: str, values: Mapping[str, str], *, tags: Any = None, written: Callable[[str], None]
    ) -> None:
        for key in values:
            sleep(0.06)
            written(key)
        self._context.time_left()


def store(tmp_path: Path, values: Mapping[str, str] = {}, **features: Any) -> CheckedStore:
    loaded = settings.load({"timeout": 0.1}, {"HOME": str(tmp_path)})
    context = Context(loaded, {})
    return CheckedStore(Recorder(Features(**features), context, values), context)


def refused(checked: CheckedStore, call: Call, error: type[VaultExecError]) -> str:
    """The message that the call is refused with; the backend must not have been asked."""
    with pytest.raises(error) as caught:
        call(checked)
    assert type(caught.value) is error
    assert isinstance(checked.inner, Recorder)
    assert checked.inner.asked == []
    return str(caught.value)


@pytest.mark.parametrize(
    "call",
    [
        lambda s: s.values("a b"),
        lambda s: s.read("a//b", "key"),
        lambda s: s.read("svc", "a b"),
        lambda s: s.read("svc", "key", "1label"),
        lambda s: s.list("svc\n"),
        lambda s: s.list("svc", label="aws-x"),
        lambda s: s.current("svc", ["ok", "not ok"]),
        lambda s: s.write("svc", "", "value"),
        lambda s: s.write("svc", "key", "value", tags={"bad!": "x"}),
        lambda s: s.write_many("svc", {"good": "x", "bad key": "x"}),
        lambda s: s.delete("svc/", "key"),
        lambda s: s.delete_many("svc", ["a", "b/c"]),
        lambda s: s.history("svc", "ключ"),
        lambda s: s.tags("svc", "a b"),
        lambda s: s.write_tags("svc", "key", {"tag": ""}),
        lambda s: s.delete_tags("svc", "key", ["ok", "x" * 129]),
        lambda s: s.label("svc", "key", "a b"),
    ],
)
def test_a_bad_name_never_reaches_the_backend(tmp_path: Path, call: Call) -> None:
    refused(store(tmp_path, **ALL), call, InvalidNameError)


@pytest.mark.parametrize(
    "call",
    [
        lambda s: s.write("svc", "key", "a\0b"),
        lambda s: s.write("svc", "key", "\udcff"),
        lambda s: s.write_many("svc", {"good": "x", "key": "a\0b"}),
    ],
)
def test_a_bad_value_never_reaches_the_backend(tmp_path: Path, call: Call) -> None:
    assert "svc/key" in refused(store(tmp_path, **ALL), call, InvalidValueError)


def test_the_limits_that_a_backend_declares(tmp_path: Path) -> None:
    limits = ALL | {"empty_values": False, "max_value_bytes": 4}
    checked = store(tmp_path, **limits)
    assert "empty" in refused(checked, lambda s: s.write("svc", "key", ""), InvalidValueError)
    message = refused(checked, lambda s: s.write("svc", "key", "€uro"), InvalidValueError)
    assert "6 bytes" in message
    assert "up to 4" in message
    assert checked.write("svc", "key", "€x") == 1  # four bytes in UTF-8


@pytest.mark.parametrize(
    ("missing", "call"),
    [
        ("writable", lambda s: s.write("svc", "key", "x")),
        ("writable", lambda s: s.write_many("svc", {"key": "x"})),
        ("writable", lambda s: s.delete("svc", "key")),
        ("writable", lambda s: s.delete_many("svc", ["key"])),
        ("history", lambda s: s.history("svc", "key")),
        ("history", lambda s: s.read("svc", "key", 1)),
        ("tags", lambda s: s.tags("svc", "key")),
        ("tags", lambda s: s.write("svc", "key", "x", tags={"a": "b"})),
        ("tags", lambda s: s.write_tags("svc", "key", {"a": "b"})),
        ("tags", lambda s: s.delete_tags("svc", "key", ["a"])),
        ("labels", lambda s: s.label("svc", "key", "label")),
        ("labels", lambda s: s.values("svc", "label")),
        ("labels", lambda s: s.list("svc", label="label")),
        ("labels", lambda s: s.read("svc", "key", "label")),
        ("compare_and_swap", lambda s: s.write("svc", "key", "x", if_version=3)),
    ],
)
def test_what_a_backend_cannot_is_refused_by_name(tmp_path: Path, missing: str, call: Call) -> None:
    features = ALL | {missing: False}
    message = refused(store(tmp_path, **features), call, UnsupportedError)
    assert "the recorder backend cannot" in message


def test_create_only_needs_no_compare_and_swap(tmp_path: Path) -> None:
    assert store(tmp_path, **ALL | {"compare_and_swap": False}).write("svc", "key", "x", if_version=0) == 1


@pytest.mark.parametrize(
    "call",
    [
        lambda s: s.read("svc", "key", 0),
        lambda s: s.read("svc", "key", -2),
        lambda s: s.write("svc", "key", "x", if_version=-1),
        lambda s: s.label("svc", "key", "label", 0),
    ],
)
def test_versions_count_from_one(tmp_path: Path, call: Call) -> None:
    assert "is not a version" in refused(store(tmp_path, **ALL), call, UsageError)


def test_no_values_are_an_error_unless_the_store_is_empty_on_purpose(tmp_path: Path) -> None:
    with pytest.raises(ServiceNotFound) as caught:
        store(tmp_path).values("svc")
    assert caught.value.service == "svc"
    assert store(tmp_path, empty_services=True).values("svc") == {}
    assert store(tmp_path, {"key": "x"}).values("svc") == {"key": "x"}


def test_each_operation_starts_with_its_full_time_and_gets_more_as_it_progresses(tmp_path: Path) -> None:
    checked = store(tmp_path, **ALL)
    sleep(0.11)  # the time is over before anything was asked
    with pytest.raises(StoreTimeoutError, match=r"within 0\.1 s"):
        checked._context.time_left()
    checked.write_many(
        "svc", {"a": "x", "b": "x", "c": "x"}
    )  # 0.18 s in all, 0.1 s between two signs of life
