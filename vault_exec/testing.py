"""The contract that every backend passes, as tests to run: for this project's backends and for anybody's.

    # test_contract.py of a package that brings the backend "mine"
    from vault_exec.testing import StoreContract

    class TestMine(StoreContract):
        features = MyStore.features

        @pytest.fixture
        def reopen(self, tmp_path):
            return lambda: MyStore(tmp_path / "secrets")

`reopen` gives a function that opens one store anew, as another process would, and that store is empty when
a test begins. The suite puts each store it gets into a `CheckedStore`, so that what is tested is what users
get.

What a store declares in `features` is tested, and what it does not declare must be refused with
`UnsupportedError`, so no test is ever skipped: those that need an undeclared feature are not part of the
class. Two more fixtures, `environ` and `damage`, are optional and bring tests with them.

To see what differs when a test fails, put this into conftest.py:
`pytest.register_assert_rewrite("vault_exec.testing")`.
"""
# ruff: noqa: S101 - tests assert

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from threading import Thread
from typing import Any, ClassVar, TypeVar

from vault_exec import settings
from vault_exec.checked import CheckedStore
from vault_exec.errors import (
    ConflictError,
    InvalidNameError,
    InvalidValueError,
    NotFoundError,
    SecretNotFound,
    ServiceNotFound,
    UnsupportedError,
    UsageError,
    VaultExecError,
)
from vault_exec.model import SecretId
from vault_exec.store import Context, Features, Store

try:
    import pytest
except ImportError:  # pragma: no cover - the tests of this file need it too
    raise ImportError("vault_exec.testing needs pytest, which is not installed: pip install pytest") from None

Test = TypeVar("Test", bound=Callable[..., None])
R = TypeVar("R")

#: Seconds that writers at once may take.
_PATIENCE = 60

#: Values that stores and their transports are known to spoil, by the name that tests and
#: `StoreContract.refused_values` use for them.
VALUES: Mapping[str, str] = {
    "plain": "value",
    "blanks": "  two before and two after  ",
    "one-blank": " ",
    "ends-in-newline": "line\n",
    "one-newline": "\n",
    "many-lines": "\n\nfirst\n\n second\n\n",
    "cr": "\ra\rb\r",
    "crlf": "\r\na\r\nb\r\n",
    "tabs": "\ta\t\tb\t",
    "quotes": '"double" \'single\' `back` "',
    "backslashes": r"\ \\ \n \t \u0041 \x41 \" \' \0",
    "shell": "$HOME ${HOME} $(id) !! ~ * ; & | > <",
    "percent": "%41 %s %% &amp; + =",
    "json": '{"a": ["b", null, 1.10]}',
    "template": "{{ssm:name}} {{ name }}",
    "number": "0777",
    "float": "1.10",
    "null": "null",
    "true": "true",
    "dash": "-n",
    "comment": "# not a comment",
    "at-file": "@/etc/hostname",
    "emoji": "🔑 👩‍👩‍👧‍👦 🏴‍☠️",
    "combining": "e\u0301 \u00e9 \u212b \u00c5 ﬁ",
    "line-separators": "a\u2028b\u2029c\u0085d\x0be\x0cf",
    "bidi": "\ufeff\u202eabc\u202c\u200f\u200b\ufeff",
    "no-characters": "\ufffe\uffff\U0010fffd\U0010ffff\ue000",
    "controls": "".join(map(chr, range(1, 32))) + "\x7f\x80\x9f",
    "4095-bytes": "x" * 4095,
    "4096-bytes": "x" * 4096,
    "4097-bytes": "x" * 4097,
    "character-over-4096": "x" * 4095 + "é" + "y",
}

KEYS = [
    "a.b",
    "a-b",
    "a_b",
    "A_B",
    "key",
    "KEY",
    "Key",
    "0",
    "9key",
    "_",
    "-",
    ".",
    "..",
    "x" * 100,
    "latest",
]

#: More than any store's page, and no multiple of one.
MANY_KEYS = 63
MANY_VERSIONS = 110


def needs(*features: str) -> Callable[[Test], Test]:
    """Mark a test as part of the contract only of stores that declare these features."""

    def mark(test: Test) -> Test:
        test.needed_features = features  # type: ignore[attr-defined]
        return test

    return mark


class StoreContract:
    """Subclass it in a module that pytest collects, under a name that begins with Test.

    features: what the store declares, so that it is known when tests are collected: `MyStore.features`.
    history_depth: how many versions of a key the store keeps; None: all.
    refused_values: names from `VALUES` that this store cannot hold; it must then say so.
    """

    features: ClassVar[Features]
    history_depth: ClassVar[int | None] = None
    refused_values: ClassVar[frozenset[str]] = frozenset()

    #: Features and fixtures that this class does not have, so that tests of them are not part of it.
    left_out: ClassVar[tuple[str, ...]] = ()

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        if not hasattr(cls, "features"):
            return
        has = {name for name in Features.__slots__ if getattr(cls.features, name)}
        own = cls.__mro__[: cls.__mro__.index(StoreContract)]
        has |= {name for name in ("environ", "damage") if any(name in vars(base) for base in own)}
        needed: set[str] = set()
        for name, test in list(vars(StoreContract).items()):
            missing = set(getattr(test, "needed_features", ())) - has
            needed |= missing
            if missing:
                setattr(cls, name, None)
            elif name.startswith("test_") and getattr(cls, name) is None:  # a base class has less
                setattr(cls, name, test)
        cls.left_out = tuple(sorted(needed))

    # -- what the author provides -----------------------------------------------------------------------

    @pytest.fixture
    def reopen(self) -> Callable[[], Store]:
        """A function that opens the same store anew, as another process would. Required."""
        raise NotImplementedError(f"{type(self).__name__} must define the fixture `reopen`")

    @pytest.fixture
    def environ(self) -> Mapping[str, str]:
        """Environment variables with which `vault_exec.open_store()` opens this store in another process."""
        raise NotImplementedError

    @pytest.fixture
    def damage(self) -> Callable[[str, str], None]:
        """A function of service and key that takes this secret away behind the store's back: a page that
        fails, a row that is gone. Parametrise the fixture for several kinds."""
        raise NotImplementedError

    @pytest.fixture
    def variant(self) -> str:
        """What is special about this store among others of its backend, for the report of the run."""
        return ""

    # -- what the suite makes of it ---------------------------------------------------------------------

    @pytest.fixture
    def open(self, reopen: Callable[[], Store]) -> Iterator[Callable[[], Store]]:
        """`reopen`, checked as for users; what it opened is closed when the test ends."""
        opened: list[Store] = []

        def open_checked() -> Store:
            store = reopen()
            if not isinstance(store, CheckedStore):
                store = CheckedStore(store, Context(settings.load({}, {}), {}))
            opened.append(store)
            return store

        yield open_checked
        for store in opened:
            store.close()

    @pytest.fixture
    def store(self, open: Callable[[], Store], variant: str, request: pytest.FixtureRequest) -> Store:
        """The store under test, empty."""
        store = open()
        # Not record_property, which JUnit's current format refuses.
        request.node.user_properties += [
            ("contract", f"{store.name} ({variant})" if variant else store.name),
            ("contract-left-out", ", ".join(self.left_out)),
        ]
        return store

    # -- every store ------------------------------------------------------------------------------------

    def test_it_declares_what_the_class_says(self, store: Store) -> None:
        assert store.name
        assert store.name == store.name.lower()
        for feature in Features.__slots__:
            assert getattr(store.features, feature) == getattr(self.features, feature), feature

    def test_a_service_without_secrets_is_not_found(self, store: Store) -> None:
        assert list(store.services()) == []
        assert list(store.secrets()) == []
        assert store.current("svc", ["key"]) == {}
        with pytest.raises(SecretNotFound):
            store.read("svc", "key")
        if self.features.empty_services:
            assert store.values("svc") == {}
            assert list(store.list("svc")) == []
            return
        for look in (store.values, store.list):
            with pytest.raises(ServiceNotFound) as caught:
                look("svc")
            assert caught.value.service == "svc"

    def test_bad_names_are_refused(self, store: Store) -> None:
        for service in ("", "/svc", "svc/", "a//b", "a b", "svc:x", "svc\n", "ключ", "svc*"):
            with pytest.raises(InvalidNameError):
                store.values(service)
        for key in ("", "a/b", "a b", "key:x", "key\n", "ключ", "a=b", "key*"):
            with pytest.raises(InvalidNameError):
                store.read("svc", key)

    def test_closing_twice_is_fine(self, store: Store) -> None:
        with store:
            store.services()
        store.close()

    def test_what_is_not_declared_is_refused(self, store: Store) -> None:
        if self.features.writable:
            store.write("svc", "key", "value")
        for feature, calls in UNDECLARED.items():
            if getattr(self.features, feature):
                continue
            for call in calls:
                with pytest.raises(UnsupportedError) as caught:
                    call(store)
                assert caught.value.exit_code == 2
                assert store.name in str(caught.value)
        if self.features.writable:
            assert store.values("svc") == {"key": "value"}

    # -- features.writable ------------------------------------------------------------------------------

    @needs("writable")
    def test_a_write_is_seen_by_whoever_opens_the_store_next(
        self, store: Store, open: Callable[[], Store]
    ) -> None:
        assert store.write("svc", "key", "value") == 1
        again = open()
        assert again.values("svc") == {"key": "value"}
        secret = again.read("svc", "key")
        assert (secret.id, secret.value, secret.version) == (SecretId("svc", "key"), "value", 1)
        [listed] = again.list("svc")
        assert (listed.id, listed.value, listed.version) == (secret.id, None, 1)
        [listed] = again.list("svc", values=True)
        assert (listed.id, listed.value, listed.version) == (secret.id, "value", 1)
        assert list(again.services()) == ["svc"]
        assert list(again.secrets()) == [secret.id]
        assert again.current("svc", ["other", "key"]) == {"key": "value"}

    @needs("writable")
    def test_a_change_is_seen_by_a_store_that_was_open_before(
        self, store: Store, open: Callable[[], Store]
    ) -> None:
        store.write("svc", "key", "old")
        other = open()
        assert other.values("svc") == {"key": "old"}
        store.write("svc", "key", "new")
        store.write("svc", "second", "value")
        assert other.values("svc") == {"key": "new", "second": "value"}
        assert other.read("svc", "key").value == "new"

    @needs("writable")
    def test_values_are_kept_byte_for_byte(self, store: Store, open: Callable[[], Store]) -> None:
        wanted = dict(VALUES)
        for name, value in VALUES.items():
            if self._holds(name):
                store.write("svc", name, value)
            else:
                store.write("svc", name, "old")
                with pytest.raises(InvalidValueError, match=f"svc/{name}"):
                    store.write("svc", name, value)
                wanted[name] = "old"
        again = open()
        told: dict[str, Mapping[str, str | None]] = {
            "values": again.values("svc"),
            "list": {secret.id.key: secret.value for secret in again.list("svc", values=True)},
            "current": again.current("svc", wanted),
            "read": {name: again.read("svc", name).value for name in wanted},
        }
        for call, found in told.items():
            assert not {name for name in wanted if found.get(name) != wanted[name]}, call

    @needs("writable", "max_value_bytes")
    def test_the_longest_value_is_kept_and_one_byte_more_is_refused(
        self, store: Store, open: Callable[[], Store]
    ) -> None:
        limit = self.features.max_value_bytes or 0
        longest = {}
        for key, character in (("one", "x"), ("two", "é"), ("three", "€"), ("four", "🔑")):
            count, rest = divmod(limit, len(character.encode()))
            longest[key] = character * count + "." * rest
            store.write("svc", key, longest[key])
            with pytest.raises(InvalidValueError, match=f"svc/{key}"):
                store.write("svc", key, longest[key] + ".")
        values = open().values("svc")
        assert set(values) == set(longest)
        assert not {key for key in longest if values[key] != longest[key]}

    @needs("writable")
    def test_a_value_that_no_program_could_get_is_refused(
        self, store: Store, open: Callable[[], Store]
    ) -> None:
        store.write("svc", "key", "old")
        for value in ("a\0b", "\0", "\ud800"):
            with pytest.raises(InvalidValueError, match="svc/key"):
                store.write("svc", "key", value)
        assert open().values("svc") == {"key": "old"}

    @needs("writable")
    def test_an_empty_value_is_kept_or_refused(self, store: Store, open: Callable[[], Store]) -> None:
        store.write("svc", "key", "old")
        if self.features.empty_values:
            store.write("svc", "key", "")
            again = open()
            assert again.values("svc") == {"key": ""}
            assert again.read("svc", "key").value == ""
            assert again.current("svc", ["key"]) == {"key": ""}
        else:
            with pytest.raises(InvalidValueError, match="svc/key"):
                store.write("svc", "key", "")
            assert open().values("svc") == {"key": "old"}

    @needs("writable")
    def test_more_keys_than_a_page(self, store: Store, open: Callable[[], Store]) -> None:
        wanted = {f"key-{number:03}": f"value {number}" for number in range(MANY_KEYS)}
        store.write_many("svc", wanted)
        again = open()
        assert again.values("svc") == wanted
        assert [secret.id.key for secret in again.list("svc")] == sorted(wanted)
        listed = again.list("svc", values=True)
        assert [(secret.id.key, secret.value) for secret in listed] == sorted(wanted.items())
        assert again.current("svc", wanted) == wanted
        assert list(again.secrets()) == [SecretId("svc", key) for key in sorted(wanted)]

    @needs("writable")
    def test_more_services_than_a_page(self, store: Store, open: Callable[[], Store]) -> None:
        wanted = sorted(f"svc-{number:03}" for number in range(MANY_KEYS))
        for service in wanted:
            store.write(service, "key", service)
        again = open()
        assert list(again.services()) == wanted
        assert list(again.secrets()) == [SecretId(service, "key") for service in wanted]

    @needs("writable")
    def test_services_are_never_mixed(self, store: Store, open: Callable[[], Store]) -> None:
        services = [
            "a",
            "app",
            "app-x",
            "app.x",
            "app/sub",
            "app/sub/deep",
            "app2",
            "App",
            "sub",
            "z/only/deep",
        ]
        keys = ["key", "sub", "app"]
        for service in services:
            store.write_many(service, {key: f"{service} {key}" for key in keys})
        again = open()
        for service in services:
            assert again.values(service) == {key: f"{service} {key}" for key in keys}
            assert [str(secret.id) for secret in again.list(service)] == [
                f"{service}/{key}" for key in sorted(keys)
            ]
        assert list(again.services()) == sorted(services)
        assert list(again.services("app")) == sorted(name for name in services if name.startswith("app"))
        assert list(again.services("app/")) == ["app/sub", "app/sub/deep"]
        assert list(again.services("nothing")) == []
        assert list(again.secrets("app/sub/")) == [SecretId("app/sub/deep", key) for key in sorted(keys)]
        for service in ("z", "z/only", "ap"):
            with pytest.raises(ServiceNotFound):
                again.values(service)
        again.delete("app", "sub")
        again.delete_many("app/sub", keys)
        assert set(store.values("app")) == {"key", "app"}
        assert set(store.values("app/sub/deep")) == set(keys)
        assert list(store.services()) == sorted(set(services) - {"app/sub"})

    @needs("writable")
    def test_keys_are_spelled_exactly(self, store: Store, open: Callable[[], Store]) -> None:
        for key in KEYS:
            store.write("svc", key, f"value of {key}")
        again = open()
        assert again.values("svc") == {key: f"value of {key}" for key in KEYS}
        assert [secret.id.key for secret in again.list("svc")] == sorted(KEYS)
        for key in KEYS:
            assert again.read("svc", key).value == f"value of {key}"
        with pytest.raises(SecretNotFound):
            again.read("svc", "LATEST")
        again.delete("svc", "KEY")
        assert set(store.values("svc")) == set(KEYS) - {"KEY"}

    @needs("writable")
    def test_versions_count_up_for_each_key(self, store: Store, open: Callable[[], Store]) -> None:
        assert [store.write("svc", "key", f"{number}") for number in range(3)] == [1, 2, 3]
        assert store.write("svc", "other", "0") == 1
        again = open()
        assert again.write("svc", "key", "3") == 4
        assert store.read("svc", "key").version == 4
        assert [secret.version for secret in store.list("svc")] == [4, 1]

    @needs("writable")
    def test_the_same_value_again_is_a_new_version(self, store: Store) -> None:
        assert store.write("svc", "key", "same") == 1
        assert store.write("svc", "key", "same") == 2
        assert store.read("svc", "key").version == 2

    @needs("writable")
    def test_skip_unchanged_writes_only_what_differs(self, store: Store, open: Callable[[], Store]) -> None:
        other = open()
        assert store.write("svc", "key", "a", skip_unchanged=True) == 1
        assert store.write("svc", "key", "a", skip_unchanged=True) == 1
        assert other.read("svc", "key").version == 1
        assert store.write("svc", "key", "b", skip_unchanged=True) == 2
        assert store.write("svc", "key", "a", skip_unchanged=True) == 3
        assert other.read("svc", "key").value == "a"

    @needs("writable")
    def test_times_are_in_utc_and_now(self, store: Store, open: Callable[[], Store]) -> None:
        store.write("svc", "key", "value")
        again = open()
        secret = again.read("svc", "key")
        [listed] = again.list("svc")
        if secret.created is not None:
            check_time(secret.created)
        if listed.created is not None:
            check_time(listed.created)
        assert listed.created == secret.created
        assert listed.created_by == secret.created_by

    @needs("writable")
    def test_a_deleted_secret_is_gone(self, store: Store, open: Callable[[], Store]) -> None:
        store.write_many("svc", {"key": "value", "other": "stays"})
        store.write("svc", "key", "value 2")
        store.delete("svc", "key")
        again = open()
        with pytest.raises(SecretNotFound):
            again.read("svc", "key")
        assert again.values("svc") == {"other": "stays"}
        assert [secret.id.key for secret in again.list("svc", values=True)] == ["other"]
        assert list(again.secrets()) == [SecretId("svc", "other")]
        assert again.current("svc", ["key", "other"]) == {"other": "stays"}
        with pytest.raises(SecretNotFound):
            again.delete("svc", "key")
        if self.features.history:
            with pytest.raises(SecretNotFound):
                again.read("svc", "key", 3)
        again.delete("svc", "other")
        self._assert_gone(store, "svc")

    @needs("writable")
    def test_a_secret_that_is_not_there_cannot_be_deleted(
        self, store: Store, open: Callable[[], Store]
    ) -> None:
        with pytest.raises(SecretNotFound):
            store.delete("svc", "key")
        store.write("svc", "key", "value")
        for service, key in (("svc", "other"), ("other", "key"), ("svc/key", "key"), ("svc", "KEY")):
            with pytest.raises(SecretNotFound):
                store.delete(service, key)
        assert open().values("svc") == {"key": "value"}

    @needs("writable")
    def test_a_deleted_secret_can_come_back(self, store: Store, open: Callable[[], Store]) -> None:
        store.write("svc", "key", "1")
        store.write("svc", "key", "2")
        store.delete("svc", "key")
        again = open()
        version = again.write("svc", "key", "back")
        assert version == (3 if self.features.deletions else 1)
        assert again.values("svc") == {"key": "back"}
        assert again.read("svc", "key").version == version
        assert list(again.services()) == ["svc"]

    @needs("writable")
    def test_create_only_does_not_overwrite(self, store: Store, open: Callable[[], Store]) -> None:
        other = open()
        assert store.write("svc", "key", "mine", if_version=0) == 1
        with pytest.raises(ConflictError, match="svc/key"):
            other.write("svc", "key", "theirs", if_version=0)
        secret = store.read("svc", "key")
        assert (secret.value, secret.version) == ("mine", 1)
        store.delete("svc", "key")
        other.write("svc", "key", "again", if_version=0)
        assert store.values("svc") == {"key": "again"}

    @needs("writable")
    def test_write_many_writes_all_and_tells_of_each(self, store: Store, open: Callable[[], Store]) -> None:
        store.write_many("svc", {"b": "old", "kept": "stays"})
        wanted = {"z": "1", "b": "2", "a": " 3\n"}
        written: list[str] = []
        store.write_many("svc", wanted, written=written.append)
        if self.features.remote:  # several at once: told as they end
            written.sort(key=list(wanted).index)
        assert written == list(wanted)
        store.write_many("svc", {}, written=written.append)
        assert len(written) == len(wanted)
        again = open()
        assert again.values("svc") == {**wanted, "kept": "stays"}
        assert {secret.id.key: secret.version for secret in again.list("svc")} == {
            "a": 1,
            "b": 2,
            "kept": 1,
            "z": 1,
        }

    @needs("writable")
    def test_write_many_checks_all_before_it_writes_any(
        self, store: Store, open: Callable[[], Store]
    ) -> None:
        store.write("svc", "key", "old")
        bad = ["a\0b"]
        bad += [VALUES[name] for name in sorted(self.refused_values)]
        if self.features.max_value_bytes:
            bad.append("x" * (self.features.max_value_bytes + 1))
        if not self.features.empty_values:
            bad.append("")
        for value in bad:
            written: list[str] = []
            with pytest.raises(InvalidValueError, match="svc/last"):
                store.write_many("svc", {"key": "new", "first": "1", "last": value}, written=written.append)
            assert written == []
        with pytest.raises(InvalidNameError):
            store.write_many("svc", {"key": "new", "bad/name": "value"})
        assert open().values("svc") == {"key": "old"}

    @needs("writable")
    def test_delete_many_deletes_those_and_tells_of_each(
        self, store: Store, open: Callable[[], Store]
    ) -> None:
        keys = [f"key-{number:02}" for number in range(25)]
        store.write_many("svc", dict.fromkeys(keys, "value"))
        gone = [*keys[5:], "never-there"]
        told: list[str] = []
        store.delete_many("svc", gone, deleted=told.append)
        assert sorted(told) == sorted(gone)
        again = open()
        assert sorted(again.values("svc")) == keys[:5]
        store.delete_many("svc", keys)
        self._assert_gone(again, "svc")

    @needs("writable")
    def test_what_a_caller_does_to_the_values_changes_nothing(self, store: Store) -> None:
        store.write("svc", "key", "value")
        store.values("svc").clear()
        assert store.values("svc") == {"key": "value"}

    @needs("writable")
    def test_two_writers_at_once_lose_no_key(self, store: Store, open: Callable[[], Store]) -> None:
        """Not even when one of them makes the very first write of the store."""

        def write(number: int, writer: Store) -> list[int]:
            for position in range(10):
                writer.write("svc", f"key-{number}-{position}", f"{number} {position}")
            return [writer.write("svc", "both", f"{number} {turn}") for turn in range(10)]

        versions = at_once(write, [open(), open()])
        self._check_two_writers(store, versions)

    @needs("writable", "environ")
    def test_two_processes_at_once_lose_no_key(self, store: Store, environ: Mapping[str, str]) -> None:
        processes = [
            subprocess.Popen(
                [sys.executable, "-c", WRITER, str(number)],
                env=dict(environ),
                stdout=subprocess.PIPE,
                text=True,
            )
            for number in range(2)
        ]
        try:
            printed = [process.communicate(timeout=_PATIENCE)[0] for process in processes]
        finally:
            for process in processes:
                process.kill()
        assert [process.returncode for process in processes] == [0, 0]
        self._check_two_writers(store, [[int(word) for word in text.split()] for text in printed])

    def _holds(self, name: str) -> bool:
        """Whether the store must take this one of `VALUES`."""
        limit = self.features.max_value_bytes
        return name not in self.refused_values and (limit is None or len(VALUES[name].encode()) <= limit)

    def _check_two_writers(self, store: Store, versions: list[list[int]]) -> None:
        for own in versions:
            assert own == sorted(own)
        assert sorted(versions[0] + versions[1]) == list(range(1, 21))
        values = store.values("svc")
        assert values.pop("both") in ("0 9", "1 9")
        assert values == {
            f"key-{n}-{position}": f"{n} {position}" for n in range(2) for position in range(10)
        }
        assert store.read("svc", "both").version == 20

    def _assert_gone(self, store: Store, service: str) -> None:
        if self.features.empty_services:
            assert store.values(service) == {}
        else:
            for look in (store.values, store.list):
                with pytest.raises(ServiceNotFound):
                    look(service)
        assert list(store.services()) == []
        assert list(store.secrets()) == []

    # -- features.compare_and_swap ----------------------------------------------------------------------

    @needs("writable", "compare_and_swap")
    def test_compare_and_swap(self, store: Store, open: Callable[[], Store]) -> None:
        other = open()
        store.write("svc", "key", "1")
        assert other.write("svc", "key", "2", if_version=1) == 2
        for stale in (0, 1, 3, 99):
            with pytest.raises(ConflictError, match="svc/key"):
                store.write("svc", "key", "lost", if_version=stale)
        secret = other.read("svc", "key")
        assert (secret.value, secret.version) == ("2", 2)
        with pytest.raises(ConflictError):
            store.write("svc", "absent", "value", if_version=1)
        assert other.values("svc") == {"key": "2"}

    @needs("writable", "compare_and_swap")
    def test_of_two_that_swap_at_once_one_wins(self, store: Store, open: Callable[[], Store]) -> None:
        store.write("svc", "key", "0")

        def swap(number: int, writer: Store) -> bool:
            try:
                writer.write("svc", "key", f"{number}", if_version=1)
            except ConflictError:
                return False
            return True

        won = at_once(swap, [open(), open()])
        assert sorted(won) == [False, True]
        secret = store.read("svc", "key")
        assert (secret.value, secret.version) == (f"{won.index(True)}", 2)

    # -- features.history -------------------------------------------------------------------------------

    @needs("history")
    def test_nothing_is_known_of_a_secret_that_never_was(self, store: Store) -> None:
        if self.features.empty_services:
            assert list(store.history("svc", "key")) == []
            assert list(store.history("svc")) == []
            return
        with pytest.raises(SecretNotFound):
            store.history("svc", "key")
        with pytest.raises(ServiceNotFound):
            store.history("svc")

    @needs("writable", "history")
    def test_history_is_complete_and_oldest_first(self, store: Store, open: Callable[[], Store]) -> None:
        """More versions than a page has, and than the store keeps."""
        count = MANY_VERSIONS
        for number in range(1, count + 1):
            assert store.write("svc", "key", f"value {number}") == number
        oldest = 1 if self.history_depth is None else max(1, count - self.history_depth + 1)
        again = open()
        versions = list(again.history("svc", "key"))
        assert [version.version for version in versions] == list(range(oldest, count + 1))
        assert {version.id for version in versions} == {SecretId("svc", "key")}
        assert not any(version.deleted for version in versions)
        created = [version.created for version in versions if version.created is not None]
        for time in created:
            check_time(time)
        assert created == sorted(created)
        for number in (oldest, (oldest + count) // 2, count):
            secret = again.read("svc", "key", number)
            assert (secret.value, secret.version) == (f"value {number}", number)
            [version] = [version for version in versions if version.version == number]
            assert (secret.created, secret.created_by) == (version.created, version.created_by)
        for number in {oldest - 1, count + 1} - {0}:
            with pytest.raises(SecretNotFound):
                again.read("svc", "key", number)
        latest = again.read("svc", "key")
        assert (latest.value, latest.version) == (f"value {count}", count)

    @needs("writable", "history")
    def test_an_old_version_keeps_its_value(self, store: Store, open: Callable[[], Store]) -> None:
        values = [VALUES["crlf"], VALUES["blanks"], VALUES["emoji"], "last"]
        for value in values:
            store.write("svc", "key", value)
        again = open()
        assert [again.read("svc", "key", number + 1).value for number in range(4)] == values
        for wrong in (0, -1):
            with pytest.raises(UsageError):
                again.read("svc", "key", wrong)

    @needs("writable", "history")
    def test_the_history_of_a_service_has_every_version_of_every_key(
        self, store: Store, open: Callable[[], Store]
    ) -> None:
        for key in "abacca":
            store.write("svc", key, "value")
        store.write("svc2", "a", "not of this service")
        again = open()
        versions = list(again.history("svc"))
        told = sorted((version.id.key, version.version) for version in versions)
        assert told == [("a", 1), ("a", 2), ("a", 3), ("b", 1), ("c", 1), ("c", 2)]
        assert {version.id.service for version in versions} == {"svc"}
        for key in "abc":
            own = [version.version for version in versions if version.id.key == key]
            assert own == sorted(own)
            assert [version for version in versions if version.id.key == key] == list(
                again.history("svc", key)
            )
        created = [version.created for version in versions if version.created is not None]
        assert created == sorted(created)

    @needs("writable", "history", "deletions")
    def test_history_tells_of_deletions(self, store: Store, open: Callable[[], Store]) -> None:
        other = open()
        store.write("svc", "key", "1")
        store.write("svc", "key", "2")
        store.delete("svc", "key")
        events = [(version.version, version.deleted) for version in other.history("svc", "key")]
        assert events == [(1, False), (2, False), (2, True)]
        assert list(other.history("svc")) == list(other.history("svc", "key"))
        for number in (1, 2):
            with pytest.raises(SecretNotFound):
                other.read("svc", "key", number)
        store.write("svc", "key", "3")
        events = [(version.version, version.deleted) for version in other.history("svc", "key")]
        assert events == [(1, False), (2, False), (2, True), (3, False)]
        store.delete_many("svc", ["key"])
        assert [version.deleted for version in other.history("svc", "key")][-1]
        assert list(other.services()) == []

    # -- features.tags ----------------------------------------------------------------------------------

    @needs("writable", "tags")
    def test_tags_are_added_changed_and_removed(self, store: Store, open: Callable[[], Store]) -> None:
        other = open()
        store.write("svc", "key", "value")
        store.write("svc", "other", "value", tags={"team": "other"})
        assert other.tags("svc", "key") == {}
        store.write_tags("svc", "key", {"team": "a", "env": "prod/1"})
        assert other.tags("svc", "key") == {"team": "a", "env": "prod/1"}
        store.write_tags("svc", "key", {"team": "b", "cost": "x y"})
        assert other.tags("svc", "key") == {"team": "b", "env": "prod/1", "cost": "x y"}
        store.delete_tags("svc", "key", ["env", "never-there"])
        assert other.tags("svc", "key") == {"team": "b", "cost": "x y"}
        store.write_tags("svc", "key", {"only": "this"}, delete_others=True)
        assert other.tags("svc", "key") == {"only": "this"}
        assert other.tags("svc", "other") == {"team": "other"}
        assert other.values("svc") == {"key": "value", "other": "value"}
        assert other.read("svc", "key").version == 1

    @needs("writable", "tags")
    def test_tags_stay_when_the_value_changes_and_go_with_the_secret(
        self, store: Store, open: Callable[[], Store]
    ) -> None:
        other = open()
        store.write("svc", "key", "1", tags={"team": "a"})
        store.write("svc", "key", "2")
        store.write_many("svc", {"key": "3", "new": "1"}, tags={"team": "b"})
        assert other.tags("svc", "key") == {"team": "a"}
        assert other.tags("svc", "new") == {"team": "b"}
        store.delete("svc", "key")
        store.write("svc", "key", "back")
        assert other.tags("svc", "key") == {}

    @needs("writable", "tags")
    def test_a_write_with_tags_is_for_new_secrets_only(self, store: Store, open: Callable[[], Store]) -> None:
        other = open()
        store.write("svc", "key", "old", tags={"team": "a"})
        with pytest.raises(UsageError):
            store.write("svc", "key", "new", tags={"team": "b"})
        assert other.values("svc") == {"key": "old"}
        assert other.tags("svc", "key") == {"team": "a"}

    @needs("writable", "tags")
    def test_tags_need_a_secret(self, store: Store, open: Callable[[], Store]) -> None:
        other = open()
        store.write("svc", "key", "value")
        calls: list[Callable[[], object]] = [
            lambda: store.tags("svc", "absent"),
            lambda: store.write_tags("svc", "absent", {"team": "a"}),
            lambda: store.delete_tags("svc", "absent", ["team"]),
        ]
        for call in calls:
            with pytest.raises(SecretNotFound):
                call()
        assert other.values("svc") == {"key": "value"}

    # -- features.labels --------------------------------------------------------------------------------

    @needs("writable", "labels")
    def test_a_label_selects_a_version(self, store: Store, open: Callable[[], Store]) -> None:
        other = open()
        for number in range(1, 4):
            store.write("svc", "key", f"value {number}")
        store.label("svc", "key", "prod", 1)
        store.label("svc", "key", "next")
        for label, number in (("prod", 1), ("next", 3)):
            secret = other.read("svc", "key", label)
            assert (secret.value, secret.version) == (f"value {number}", number)
            assert other.values("svc", label) == {"key": f"value {number}"}
            [listed] = other.list("svc", values=True, label=label)
            assert (listed.value, listed.version) == (f"value {number}", number)
        store.label("svc", "key", "prod", 2)
        assert other.values("svc", "prod") == {"key": "value 2"}
        store.write("svc", "key", "value 4")
        assert other.values("svc", "prod") == {"key": "value 2"}
        assert other.values("svc") == {"key": "value 4"}
        for label in ("PROD", "absent"):
            with pytest.raises(SecretNotFound):
                other.read("svc", "key", label)
        with pytest.raises(SecretNotFound):
            store.label("svc", "key", "prod", 9)
        with pytest.raises(SecretNotFound):
            store.label("svc", "absent", "prod")
        assert other.values("svc", "prod") == {"key": "value 2"}

    @needs("writable", "labels", "history")
    def test_history_shows_labels(self, store: Store, open: Callable[[], Store]) -> None:
        other = open()
        for number in range(1, 4):
            store.write("svc", "key", f"value {number}")
        store.label("svc", "key", "prod", 2)
        store.label("svc", "key", "canary", 2)
        assert [version.labels for version in other.history("svc", "key")] == [(), ("canary", "prod"), ()]

    @needs("writable", "labels")
    def test_a_label_that_some_keys_lack_is_an_error_and_never_a_part(
        self, store: Store, open: Callable[[], Store]
    ) -> None:
        other = open()
        store.write_many("svc", {"with": "value", "without": "value"})
        store.label("svc", "with", "prod")
        for look in (other.values, other.list):
            with pytest.raises(VaultExecError, match="without"):
                look("svc", label="prod")
            with pytest.raises(NotFoundError):
                look("svc", label="absent")
        store.label("svc", "without", "prod")
        assert other.values("svc", "prod") == {"with": "value", "without": "value"}

    # -- features.own_key -------------------------------------------------------------------------------

    @needs("writable", "own_key")
    def test_a_new_key_changes_nothing_else(self, store: Store, open: Callable[[], Store]) -> None:
        store.write_many("svc", {"key": "1", "other": VALUES["crlf"]})
        store.write("svc", "key", "2")
        before = list(store.list("svc", values=True))
        store.rekey()
        again = open()
        assert list(again.list("svc", values=True)) == before
        assert again.write("svc", "key", "3") == 3

    @needs("writable", "own_key")
    def test_a_store_that_exists_is_not_initialised_again(
        self, store: Store, open: Callable[[], Store]
    ) -> None:
        store.write("svc", "key", "value")
        with pytest.raises(ConflictError):
            open().initialise()
        assert open().values("svc") == {"key": "value"}

    # -- what the author can break ----------------------------------------------------------------------

    @needs("writable", "damage")
    def test_a_damaged_service_is_an_error_and_never_a_part(
        self, store: Store, open: Callable[[], Store], damage: Callable[[str, str], None]
    ) -> None:
        keys = [f"key-{number:02}" for number in range(MANY_KEYS)]
        store.write_many("svc", dict.fromkeys(keys, "value"))
        damage("svc", keys[-2])
        again = open()
        looks: list[Callable[[], object]] = [
            lambda: again.values("svc"),
            lambda: again.list("svc"),
            lambda: again.list("svc", values=True),
        ]
        for look in looks:
            with pytest.raises(VaultExecError) as caught:
                look()
            assert not isinstance(caught.value, NotFoundError)


def at_once(function: Callable[[int, Store], R], stores: Sequence[Store]) -> list[R]:
    """What the function returns for each (number, store), all called at the same time. One that does not come
    back fails the test rather than holding it up."""
    results: dict[int, R] = {}
    errors: list[BaseException] = []

    def run(number: int, store: Store) -> None:
        try:
            results[number] = function(number, store)
        except BaseException as error:
            errors.append(error)

    threads = [Thread(target=run, args=pair, daemon=True) for pair in enumerate(stores)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(_PATIENCE)
    if errors:
        raise errors[0]
    assert len(results) == len(stores), f"no answer within {_PATIENCE} s"
    return [results[number] for number in range(len(stores))]


def check_time(time: datetime) -> None:
    """Assert that a time is in UTC and not far from now."""
    assert time.utcoffset() == timedelta(0)
    assert abs(datetime.now(UTC) - time) < timedelta(hours=1)


#: What a store must refuse when it does not declare the feature. The secret svc/key is there when the store
#: can be written.
UNDECLARED: Mapping[str, list[Callable[[Store], Any]]] = {
    "writable": [
        lambda store: store.write("svc", "key", "value"),
        lambda store: store.write_many("svc", {"key": "value"}),
        lambda store: store.delete("svc", "key"),
        lambda store: store.delete_many("svc", ["key"]),
    ],
    "compare_and_swap": [lambda store: store.write("svc", "key", "value", if_version=1)],
    "history": [
        lambda store: store.history("svc", "key"),
        lambda store: store.history("svc"),
        lambda store: store.read("svc", "key", 1),
    ],
    "tags": [
        lambda store: store.write("svc", "new", "value", tags={"team": "a"}),
        lambda store: store.write_many("svc", {"new": "value"}, tags={"team": "a"}),
        lambda store: store.tags("svc", "key"),
        lambda store: store.write_tags("svc", "key", {"team": "a"}),
        lambda store: store.delete_tags("svc", "key", ["team"]),
    ],
    "labels": [
        lambda store: store.label("svc", "key", "prod"),
        lambda store: store.read("svc", "key", "prod"),
        lambda store: store.values("svc", "prod"),
        lambda store: store.list("svc", label="prod"),
    ],
    "own_key": [
        lambda store: store.initialise(),
        lambda store: store.rekey(),
    ],
}

#: What each of two processes runs, with its number as argument.
WRITER = """
import sys, vault_exec
number = sys.argv[1]
with vault_exec.open_store() as store:
    for position in range(10):
        store.write("svc", f"key-{number}-{position}", f"{number} {position}")
    print(*[store.write("svc", "both", f"{number} {turn}") for turn in range(10)])
"""
