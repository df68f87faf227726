"""Namespaces → the child's environment, without a process: what the rules make of a store's values."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vault_exec import environ, names
from vault_exec.errors import (
    InvalidNameError,
    InvalidValueError,
    LaunchError,
    ServiceNotFound,
    UnreachableError,
    UsageError,
    VaultExecError,
)
from vault_exec.model import Secret
from vault_exec.store import Features, Store

CANARY = "canary-value"


class Fixed(Store):
    """A store that holds what it was made with, to be read only."""

    name = "fixed"

    def __init__(self, services: Mapping[str, Mapping[str, str]], *, remote: bool = False) -> None:
        self.services_ = services
        self.features = Features(remote=remote, labels=True)
        self.asked: list[tuple[str, str | None]] = []

    def values(self, service: str, label: str | None = None) -> dict[str, str]:
        self.asked.append((service, label))
        if service not in self.services_:
            raise ServiceNotFound(f"service {service} holds no secret", service=service)
        return dict(self.services_[service])

    def read(self, service: str, key: str, version: int | str | None = None) -> Secret:
        raise NotImplementedError

    def list(self, service: str, *, values: bool = False, label: str | None = None) -> Sequence[Secret]:
        raise NotImplementedError

    def services(self, prefix: str = "") -> Sequence[str]:
        return sorted(self.services_)


class Loaded:
    """What `environ.load` made, as a test looks at it."""

    def __init__(self, child: environ.Environment, warnings: list[str]) -> None:
        self.pairs = list(zip(child.keys(), child.values(), strict=True))
        self.secrets = {variable.name: variable.value for variable in child.secrets}
        self.warnings = warnings


def load(
    services: Mapping[str, Mapping[str, str]],
    *asked: str,
    inherited: Sequence[tuple[bytes, bytes]] = (),
    **rules: Any,
) -> Loaded:
    warnings: list[str] = []
    child = environ.load(
        Fixed(services), asked or list(services), environ.Rules(**rules), inherited, warnings.append
    )
    return Loaded(child, warnings)


def refusal(*arguments: Any, **options: Any) -> VaultExecError:
    with pytest.raises(VaultExecError) as caught:
        load(*arguments, **options)
    assert CANARY not in f"{caught.value} {caught.value.hint}"
    return caught.value


# -- the order of services, and what is told ---------------------------------------------------------------


def test_secrets_come_after_what_was_inherited_and_replace_it() -> None:
    loaded = load({"svc": {"b": "2", "a": "1"}}, inherited=[(b"A", b"old"), (b"KEEP", b"x")])
    assert loaded.pairs == [(b"KEEP", b"x"), (b"B", b"2"), (b"A", b"1")]
    assert loaded.warnings == ["service svc overwriting environment variable A"]


def test_a_later_service_wins_and_says_so() -> None:
    loaded = load({"one": {"key": "1", "only": "x"}, "two": {"key": "2"}})
    assert loaded.secrets == {"KEY": "2", "ONLY": "x"}
    assert loaded.warnings == ["service two overwriting environment variable KEY"]


def test_services_are_told_of_as_they_were_asked_for() -> None:
    loaded = load({"svc": {"key": "1"}}, "SVC:prod", inherited=[(b"KEY", b"")])
    assert loaded.warnings == ["service SVC:prod overwriting environment variable KEY"]


def test_a_label_reaches_the_store_and_the_service_is_folded() -> None:
    store = Fixed({"prod/web": {"key": "1"}})
    environ.load(store, ["PROD/Web:Blue"], environ.Rules(), [], print)
    assert store.asked == [("prod/web", "Blue")]


def test_duplicates_are_kept_and_a_secret_replaces_all_of_its_name() -> None:
    inherited = [(b"DUP", b"1"), (b"KEY", b"1"), (b"DUP", b"2"), (b"KEY", b"2")]
    loaded = load({"svc": {"key": "new"}}, inherited=inherited)
    assert loaded.pairs == [(b"DUP", b"1"), (b"DUP", b"2"), (b"KEY", b"new")]


def test_bytes_that_are_no_text_pass_through() -> None:
    inherited = [(b"\xff\xfe", b"\x80=\x81"), (b"=C:", b"C:\\")]
    assert load({"svc": {"key": "1"}}, inherited=inherited).pairs[:2] == inherited


def test_a_powerful_name_is_injected_with_a_warning() -> None:
    loaded = load({"svc": {"ld_preload": "x", "path": "y", "harmless": "z"}})
    assert set(loaded.secrets) == {"LD_PRELOAD", "PATH", "HARMLESS"}
    assert loaded.warnings == [
        "service svc sets LD_PRELOAD, which can make programs run other code",
        "service svc sets PATH, which can make programs run other code",
    ]


# -- names -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("style", "expected"),
    [("posix", {"DB_HOST", "DOT_TED", "9LIVES"}), ("chamber", {"DB_HOST", "DOT.TED", "9LIVES"})],
)
def test_names_follow_the_style(style: str, expected: set[str]) -> None:
    assert set(load({"svc": {"db-host": "", "Dot.ted": "", "9lives": ""}}, style=style).secrets) == expected


def test_a_prefix_is_put_before_every_name_as_it_is() -> None:
    assert set(load({"svc": {"key": "1"}}, prefix="app_").secrets) == {"app_KEY"}


@pytest.mark.parametrize("prefix", ["A=", "9", "a b", "ä", "A-"])
def test_a_prefix_that_no_name_may_begin_with_is_refused(prefix: str) -> None:
    with pytest.raises(InvalidNameError):
        environ.Rules(prefix=prefix)


def test_two_keys_with_one_name_in_a_service_are_an_error_naming_both() -> None:
    error = refusal({"svc": {"db-host": CANARY, "db_host": CANARY}}, prefix="X_")
    assert isinstance(error, UsageError)
    assert "db-host and db_host" in str(error)
    assert "svc" in str(error)
    assert "X_DB_HOST" in str(error)


def test_two_keys_with_one_name_in_two_services_are_merged_as_any_other() -> None:
    assert load({"a": {"db-host": "1"}, "b": {"db_host": "2"}}).secrets == {"DB_HOST": "2"}


def test_a_collision_that_is_filtered_out_is_none() -> None:
    assert load({"svc": {"db-host": "1", "db_host": "2"}}, exclude=["db-host"]).secrets == {"DB_HOST": "2"}


def test_dots_collide_only_where_they_are_replaced() -> None:
    services = {"svc": {"a.b": "1", "a_b": "2"}}
    assert load(services, style="chamber").secrets == {"A.B": "1", "A_B": "2"}
    assert "a.b and a_b" in str(refusal(services))


@pytest.mark.parametrize("key", ["a=b", "ü", "nul\0", "", "\ud800"])
def test_a_foreign_key_that_can_be_no_name_is_refused(key: str) -> None:
    error = refusal({"svc": {key: CANARY}}, style="chamber")
    assert isinstance(error, InvalidNameError)
    assert "svc" in str(error)


@pytest.mark.parametrize("value", [f"{CANARY}\0", f"{CANARY}\ud800"])
def test_a_value_that_no_variable_can_hold_is_refused_by_name(value: str) -> None:
    error = refusal({"svc": {"key": value}})
    assert isinstance(error, InvalidValueError)
    assert "svc/key" in str(error)


# -- only, except, require, no-clobber, missing ------------------------------------------------------------


@pytest.mark.parametrize(
    ("only", "exclude", "expected"),
    [
        (["db_*"], [], {"DB_HOST", "DB_PASS"}),
        (["DB_*"], [], {"DB_HOST", "DB_PASS"}),
        (["db_host", "api*"], [], {"DB_HOST", "API_KEY"}),
        ([], ["db_*"], {"API_KEY", "UPPER"}),
        (["*"], ["*_host"], {"DB_PASS", "API_KEY", "UPPER"}),
        (["d?_[gh]ost"], [], {"DB_HOST"}),
        (["upper"], [], {"UPPER"}),
        (["nothing", "upper"], [], {"UPPER"}),
    ],
)
def test_globs_choose_by_the_stores_keys_in_any_case(
    only: list[str], exclude: list[str], expected: set[str]
) -> None:
    services = {"svc": {"db_host": "", "db_pass": "", "api_key": "", "UPPER": ""}}
    assert set(load(services, only=only, exclude=exclude).secrets) == expected


def test_globs_that_leave_nothing_start_nothing() -> None:
    services = {"one": {"key": CANARY}, "two": {"key": CANARY}}
    error = refusal(services, only=["typo*"])
    assert isinstance(error, ServiceNotFound)
    assert "one, two" in str(error)
    assert "--allow-missing" in str(error.hint)
    assert load(services, only=["typo*"], allow_missing=True).secrets == {}


def test_required_names_are_final_and_all_that_are_missing_are_named() -> None:
    services = {"svc": {"db-host": CANARY}}
    assert load(services, prefix="APP_", require=["APP_DB_HOST"]).secrets == {"APP_DB_HOST": CANARY}
    error = refusal(services, prefix="APP_", require=["DB_HOST", "APP_DB_HOST", "A\x1bB"])
    assert isinstance(error, LaunchError)
    assert "DB_HOST" in str(error)
    assert "'A\\x1bB'" in str(error)
    assert "APP_DB_HOST" not in str(error)


def test_an_inherited_variable_does_not_satisfy_require() -> None:
    assert "DB_HOST" in str(refusal({"svc": {"key": ""}}, inherited=[(b"DB_HOST", b"")], require=["DB_HOST"]))


def test_no_clobber_keeps_what_was_inherited_without_a_word() -> None:
    inherited = [(b"KEY", b"mine"), (b"KEY", b"again")]
    services = {"a": {"key": "1", "new": "2"}, "b": {"key": "3"}}
    loaded = load(services, inherited=inherited, no_clobber=True, require=["KEY"])
    assert loaded.pairs == [*inherited, (b"NEW", b"2")]
    assert loaded.warnings == []


def test_no_clobber_does_not_go_with_strict() -> None:
    with pytest.raises(UsageError, match="--no-clobber and --strict"):
        environ.Rules(no_clobber=True, strict=b"x")


def test_pristine_inherits_nothing_and_overwrites_nothing() -> None:
    loaded = load({"svc": {"key": "1"}}, inherited=[(b"KEY", b"old"), (b"HOME", b"/")], pristine=True)
    assert loaded.pairs == [(b"KEY", b"1")]
    assert loaded.warnings == []


def test_a_missing_service_is_named_and_can_be_allowed() -> None:
    services = {"svc": {"key": "1"}}
    error = refusal(services, "svc", "gone", "gone-too")
    assert isinstance(error, ServiceNotFound)
    assert error.service == "gone"
    assert "--allow-missing" in str(error.hint)
    assert "--optional gone" in str(error.hint)
    assert load(services, "svc", "gone", allow_missing=True).secrets == {"KEY": "1"}
    assert load(services, "gone:label", "svc", optional=["GONE"]).secrets == {"KEY": "1"}
    assert refusal(services, "gone", "svc", optional=["other"]).exit_code == 3


# -- strict ------------------------------------------------------------------------------------------------

FILL = b"chamberme"


def test_strict_fills_only_what_holds_the_strict_value() -> None:
    inherited = [(b"KEY", FILL), (b"HOME", b"/")]
    loaded = load({"svc": {"key": "1", "other": "2"}}, inherited=inherited, strict=FILL)
    assert loaded.pairs == [(b"HOME", b"/"), (b"KEY", b"1")]
    assert loaded.warnings == []


def test_strict_checks_the_services_together() -> None:
    inherited = [(b"A", FILL), (b"B", FILL)]
    loaded = load({"one": {"a": "1"}, "two": {"b": "2"}}, inherited=inherited, strict=FILL)
    assert loaded.secrets == {"A": "1", "B": "2"}


def test_strict_names_every_variable_that_stays_unfilled() -> None:
    inherited = [(b"KEY", FILL), (b"NOPE", FILL), (b"lower", FILL)]
    error = refusal({"svc": {"key": CANARY}}, inherited=inherited, strict=FILL)
    assert isinstance(error, LaunchError)
    assert "NOPE, lower are" in str(error)
    assert "KEY" not in str(error)


def test_strict_refuses_a_variable_that_holds_something_else_and_does_not_show_it() -> None:
    inherited = [(b"KEY", CANARY.encode()), (b"NOPE", FILL)]
    error = refusal({"svc": {"key": CANARY}}, inherited=inherited, strict=FILL)
    assert isinstance(error, LaunchError)
    assert "KEY is" in str(error)


@pytest.mark.parametrize("values", [(FILL, b"x"), (b"x", FILL)])
def test_strict_refuses_a_variable_that_is_there_twice_with_two_values(values: tuple[bytes, bytes]) -> None:
    inherited = [(b"KEY", value) for value in values]
    assert "KEY" in str(refusal({"svc": {"key": CANARY}}, inherited=inherited, strict=FILL))


def test_strict_and_pristine_leave_only_what_was_filled() -> None:
    inherited = [(b"KEY", FILL), (b"HOME", b"/")]
    loaded = load({"svc": {"key": "1", "x": "2"}}, inherited=inherited, strict=FILL, pristine=True)
    assert loaded.pairs == [(b"KEY", b"1")]


def test_strict_and_pristine_still_refuse_what_is_unfilled() -> None:
    assert "NOPE" in str(
        refusal({"svc": {"key": ""}}, inherited=[(b"NOPE", FILL)], strict=FILL, pristine=True)
    )


def test_the_strict_value_can_be_any_bytes_also_none() -> None:
    assert load({"svc": {"key": "1"}}, inherited=[(b"KEY", b"")], strict=b"").secrets == {"KEY": "1"}
    assert load({"svc": {"key": "1"}}, inherited=[(b"KEY", b"\xff")], strict=b"\xff").secrets == {"KEY": "1"}


def test_a_required_secret_that_strict_leaves_out_is_missing() -> None:
    assert "OTHER" in str(
        refusal({"svc": {"key": "", "other": ""}}, inherited=[(b"KEY", FILL)], strict=FILL, require=["OTHER"])
    )


# -- several services at once ------------------------------------------------------------------------------


class Meeting(Fixed):
    """Answers only once as many callers as it has services are waiting: none, if they come one by one."""

    def __init__(self, services: Mapping[str, Mapping[str, str]]) -> None:
        super().__init__(services, remote=True)
        self.barrier = threading.Barrier(len(services), timeout=5)

    def values(self, service: str, label: str | None = None) -> dict[str, str]:
        self.barrier.wait()
        return super().values(service, label)


def test_a_remote_store_is_asked_for_all_services_at_once_and_merged_in_order() -> None:
    store = Meeting({f"s{n}": {"key": str(n)} for n in range(5)})
    child = environ.load(store, ["s3", "s0", "s4", "s1", "s2"], environ.Rules(), [], lambda _: None)
    assert [(variable.name, variable.value) for variable in child.secrets] == [("KEY", "2")]


def test_a_store_on_this_machine_is_asked_in_order_from_this_thread() -> None:
    store = Fixed({"b": {"k": ""}, "a": {"k": ""}})
    environ.load(store, ["b", "a"], environ.Rules(), [], lambda _: None)
    assert store.asked == [("b", None), ("a", None)]


def test_the_error_of_one_service_is_the_error_of_all() -> None:
    class Half(Fixed):
        def values(self, service: str, label: str | None = None) -> dict[str, str]:
            if service == "bad":
                raise UnreachableError("no answer for bad")
            return super().values(service, label)

    store = Half({"good": {"key": CANARY}}, remote=True)
    with pytest.raises(UnreachableError, match="no answer for bad"):
        environ.load(store, ["good", "bad"], environ.Rules(allow_missing=True), [], print)


# -- properties --------------------------------------------------------------------------------------------

KEYS = st.text("abcXYZ019_.-", min_size=1, max_size=6)
VALUES = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20)
VARIABLE = st.tuples(st.sampled_from([b"A", b"B", b"ABC", b"\xff"]), st.binary(max_size=5))


@given(st.dictionaries(KEYS, VALUES, max_size=6), st.lists(VARIABLE, max_size=6))
def test_the_child_gets_every_value_and_everything_else_that_was_inherited(
    values: dict[str, str], inherited: list[tuple[bytes, bytes]]
) -> None:
    clashing = {key for keys in names.collisions(values, "posix").values() for key in keys}
    values = {key: value for key, value in values.items() if key not in clashing}
    loaded = load({"svc": values}, inherited=inherited)
    expected = {names.variable_name(key, "posix").encode(): value.encode() for key, value in values.items()}
    assert loaded.pairs == [pair for pair in inherited if pair[0] not in expected] + list(expected.items())


def test_an_environment_answers_as_getenv_does() -> None:
    child = environ.Environment([(b"A", b"1"), (b"A", b"2")], [environ.Variable("B", "svc", "b", "é")])
    assert len(child) == 3
    assert child[b"A"] == b"1"
    assert child[b"B"] == "é".encode()
    with pytest.raises(KeyError):
        child[b"C"]
