from __future__ import annotations

from collections.abc import Callable, Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.memory import Memory, MemoryStore
from vault_exec import names, settings, transfer
from vault_exec.checked import CheckedStore
from vault_exec.errors import (
    InvalidNameError,
    InvalidValueError,
    PartialWriteError,
    ServiceNotFound,
    ThrottledError,
    UnreachableError,
    UnsupportedError,
    UsageError,
)
from vault_exec.store import Context, Store
from vault_exec.transfer import Kind, Plan
from vault_exec_backends.null import NullStore

CANARY = "canary-value"


def open_store(inner: Store | None = None) -> Store:
    return CheckedStore(inner or MemoryStore(Memory()), Context(settings.load({}, {}), {}))


def steps(plan: Plan) -> list[tuple[str, str, str]]:
    return [(step.kind.value, step.given, step.key) for step in plan.steps]


# -- the plan ----------------------------------------------------------------------------------------------


def test_a_plan_tells_added_changed_and_same_in_the_order_of_the_source() -> None:
    plan = transfer.plan({"b": "1", "a": "1", "other": "1"}, {"c": "1", "b": "2", "a": "1"})
    assert steps(plan) == [("added", "c", "c"), ("changed", "b", "b"), ("same", "a", "a")]
    assert list(plan.writes.items()) == [("c", "1"), ("b", "2")]
    assert plan.deletes == []


def test_force_writes_again_what_is_the_same() -> None:
    plan = transfer.plan({"a": "1"}, {"a": "1"}, force=True)
    assert steps(plan) == [("same", "a", "a")]
    assert plan.writes == {"a": "1"}


def test_prune_removes_what_is_not_wanted() -> None:
    plan = transfer.plan({"z": "1", "b": "1", "a": "1"}, {"a": "1"}, prune=True)
    assert steps(plan) == [("same", "a", "a"), ("removed", "b", "b"), ("removed", "z", "z")]
    assert plan.deletes == ["b", "z"]
    assert plan.writes == {}


def test_a_key_that_is_the_same_variable_updates_the_key_of_the_store() -> None:
    plan = transfer.plan({"db_host": "old", "name": "n"}, {"DB_HOST": "new", "NAME": "n"}, prune=True)
    assert steps(plan) == [("changed", "DB_HOST", "db_host"), ("same", "NAME", "name")]
    assert plan.writes == {"db_host": "new"}


def test_exact_key_keeps_both() -> None:
    plan = transfer.plan({"db_host": "old"}, {"DB_HOST": "new", "db-host": "x"}, exact_key=True)
    assert steps(plan) == [("added", "DB_HOST", "DB_HOST"), ("added", "db-host", "db-host")]
    plan = transfer.plan({"db_host": "old"}, {"DB_HOST": "new"}, exact_key=True, prune=True)
    assert plan.deletes == ["db_host"]


def test_which_keys_are_one_variable_depends_on_the_style() -> None:
    posix = transfer.plan({"db.host": "old"}, {"DB_HOST": "new"}, names_style="posix")
    chamber = transfer.plan({"db.host": "old"}, {"DB_HOST": "new"}, names_style="chamber")
    assert steps(posix) == [("changed", "DB_HOST", "db.host")]
    assert steps(chamber) == [("added", "DB_HOST", "DB_HOST")]


def test_two_wanted_keys_that_are_one_variable_are_an_error_naming_both() -> None:
    with pytest.raises(UsageError, match="DB_HOST and db-host") as caught:
        transfer.plan({}, {"db-host": "1", "DB_HOST": "2"})
    assert "--exact-key" in (caught.value.hint or "")


def test_a_key_that_could_be_several_of_the_store_is_an_error_unless_it_is_one_of_them() -> None:
    store = {"db-host": "1", "db_host": "2"}
    with pytest.raises(UsageError, match="DB_HOST is the same variable as db-host and db_host"):
        transfer.plan(store, {"DB_HOST": "new"})
    assert transfer.plan(store, {"db_host": "new"}).writes == {"db_host": "new"}


def test_no_plan_shows_a_value() -> None:
    plan = transfer.plan({"a": CANARY, "b": "1"}, {"a": CANARY, "b": CANARY, "c": CANARY}, prune=True)
    assert CANARY not in repr(plan) + str(plan)


# -- what a source may hold --------------------------------------------------------------------------------


def test_a_bad_key_or_value_is_refused_by_name() -> None:
    with pytest.raises(InvalidNameError, match="bad key"):
        transfer.checked("svc", {"good": "1", "bad key": CANARY})
    with pytest.raises(InvalidNameError, match="bad service"):
        transfer.checked("bad service", {"good": "1"})
    with pytest.raises(InvalidValueError, match="svc/key") as caught:
        transfer.checked("svc", {"key": f"{CANARY}\0"})
    assert CANARY not in str(caught.value)


def test_keys_are_folded_only_where_that_is_wanted() -> None:
    assert transfer.checked("svc", {"Key": "1"}) == {"Key": "1"}
    assert transfer.checked("svc", {"Key": "1", "OTHER": "2"}, fold_keys=True) == {"key": "1", "other": "2"}
    with pytest.raises(UsageError, match="the keys Key and KEY are both key"):
        transfer.checked("svc", {"Key": "1", "KEY": "2"}, fold_keys=True)


def test_what_is_there_is_read_only_as_far_as_the_plan_needs_it() -> None:
    store = open_store()
    assert transfer.current(store, "svc", ["a"]) == {}
    store.write_many("svc", {"a": "1", "b": "2"})
    assert transfer.current(store, "svc", ["a"]) == {"a": "1", "b": "2"}
    assert transfer.current(store, "svc", ["a", "c"], exact_key=True) == {"a": "1"}
    assert transfer.current(store, "svc", ["a"], exact_key=True, prune=True) == {"a": "1", "b": "2"}


# -- doing it ----------------------------------------------------------------------------------------------


def test_apply_writes_then_deletes_and_tells_of_each() -> None:
    store = open_store()
    store.write_many("svc", {"old": "1", "same": "1", "change": "1"})
    plan = transfer.plan(store.values("svc"), {"new": "1", "same": "1", "change": "2"}, prune=True)
    told: list[str] = []
    transfer.apply(store, "svc", plan, progress=told.append)
    assert told == ["new", "change", "old"]
    assert store.values("svc") == {"new": "1", "same": "1", "change": "2"}
    assert store.read("svc", "same").version == 1


def test_tags_go_to_new_secrets_only() -> None:
    store = open_store()
    store.write("svc", "old", "1", tags={"team": "a"})
    plan = transfer.plan(store.values("svc"), {"old": "2", "new": "1"})
    transfer.apply(store, "svc", plan, tags={"team": "b"})
    assert store.tags("svc", "old") == {"team": "a"}
    assert store.tags("svc", "new") == {"team": "b"}


def test_nothing_to_do_asks_the_store_for_nothing() -> None:
    transfer.apply(NullStore(), "svc", transfer.plan({"a": "1"}, {"a": "1"}))


def test_a_value_over_the_limit_writes_nothing() -> None:
    store = open_store()
    plan = transfer.plan({}, {"good": "1", "long": "x" * 10_001, "last": "1"})
    with pytest.raises(InvalidValueError, match="svc/long"):
        transfer.apply(store, "svc", plan)
    with pytest.raises(ServiceNotFound):
        store.values("svc")


def test_a_store_that_cannot_write_says_so() -> None:
    with pytest.raises(UnsupportedError):
        transfer.apply(open_store(NullStore()), "svc", transfer.plan({}, {"a": "1"}))


class FailingStore(MemoryStore):
    """Stops after some writes or deletions, as a store does that is throttled or out of reach."""

    def __init__(self, memory: Memory, works_for: int, error: Exception) -> None:
        super().__init__(memory)
        self.left = works_for
        self.error = error

    def _work(self) -> None:
        if not self.left:
            raise self.error
        self.left -= 1

    def write_many(
        self,
        service: str,
        values: Mapping[str, str],
        *,
        tags: Mapping[str, str] | None = None,
        written: Callable[[str], None] = lambda key: None,
    ) -> None:
        for key, value in values.items():
            self._work()
            self.write(service, key, value)
            written(key)

    def delete(self, service: str, key: str) -> None:
        self._work()
        super().delete(service, key)


WANTED = {"a": CANARY, "b": CANARY, "c": CANARY}


def stopped(works_for: int, error: Exception) -> PartialWriteError:
    memory = Memory()
    MemoryStore(memory).write_many("svc", {"x": "1", "y": "1"})
    store = open_store(FailingStore(memory, works_for, error))
    plan = transfer.plan(store.values("svc"), WANTED, prune=True)
    with pytest.raises(PartialWriteError) as caught:
        transfer.apply(store, "svc", plan)
    assert CANARY not in str(caught.value)
    left = set(store.values("svc"))
    assert left == {"x", "y", *list(WANTED)[:works_for]} - {"x" if works_for > len(WANTED) else ""}
    return caught.value


def test_a_store_that_fails_half_way_is_told_with_the_names_and_the_cause() -> None:
    error = stopped(2, ThrottledError("svc: told to slow down", hint="--retries 20"))
    assert (
        str(error)
        == "svc: told to slow down; of service svc written: a, b; not written: c; not deleted: x, y"
    )
    assert error.exit_code == 6
    assert error.hint == "--retries 20"
    assert isinstance(error.__cause__, ThrottledError)


def test_a_deletion_that_fails_is_told_too() -> None:
    error = stopped(4, UnreachableError("no answer"))
    assert str(error) == "no answer; of service svc written: a, b, c; deleted: x; not deleted: y"
    assert "do the same again" in (error.hint or "")


def test_a_store_that_fails_at_once_keeps_its_own_error() -> None:
    store = open_store(FailingStore(Memory(), 0, UnreachableError("no answer")))
    with pytest.raises(UnreachableError) as caught:
        transfer.apply(store, "svc", transfer.plan({}, WANTED))
    assert str(caught.value) == "no answer"


def test_doing_it_again_after_a_failure_writes_only_the_rest() -> None:
    memory = Memory()
    failing = open_store(FailingStore(memory, 2, UnreachableError("no answer")))
    with pytest.raises(PartialWriteError):
        transfer.apply(failing, "svc", transfer.plan({}, WANTED))
    store = open_store(MemoryStore(memory))
    plan = transfer.plan(store.values("svc"), WANTED)
    assert list(plan.writes) == ["c"]
    transfer.apply(store, "svc", plan)
    assert store.values("svc") == WANTED
    assert [secret.version for secret in store.list("svc")] == [1, 1, 1]


# -- whatever the source and the store hold ----------------------------------------------------------------

KEYS = st.text(alphabet="aAbB._-1", min_size=1, max_size=3)
VALUES = st.sampled_from(["", "1", "2", " ", "\r\n"])
SERVICES = st.dictionaries(KEYS, VALUES, max_size=6)
STYLES = st.sampled_from(names.STYLES)


def applied(store: Mapping[str, str], plan: Plan) -> dict[str, str]:
    result = {**store, **plan.writes}
    for key in plan.deletes:
        del result[key]
    return result


@given(SERVICES, SERVICES, st.booleans(), st.booleans())
def test_exact_plans_bring_every_wanted_value(
    store: dict[str, str], wanted: dict[str, str], prune: bool, force: bool
) -> None:
    plan = transfer.plan(store, wanted, exact_key=True, prune=prune, force=force)
    assert applied(store, plan) == (wanted if prune else {**store, **wanted})
    assert set(plan.writes) == {key for key in wanted if force or store.get(key) != wanted[key]}


@given(SERVICES, SERVICES, STYLES, st.booleans())
def test_plans_bring_every_wanted_variable_and_no_new_collision(
    store: dict[str, str], wanted: dict[str, str], style: str, prune: bool
) -> None:
    try:
        plan = transfer.plan(store, wanted, names_style=style, prune=prune)
    except UsageError:
        assert names.collisions(wanted, style) or names.collisions(store, style)
        return
    result = applied(store, plan)
    assert not names.collisions(wanted, style)
    for step in plan.of(Kind.ADDED, Kind.CHANGED, Kind.SAME):
        assert names.variable_name(step.key, style) == names.variable_name(step.given, style)
        assert result[step.key] == wanted[step.given]
    assert [step.given for step in plan.steps if step.kind is not Kind.REMOVED] == list(wanted)
    assert set(names.collisions(result, style)) <= set(names.collisions(store, style))
    if prune:
        assert {names.variable_name(key, style) for key in result} == {
            names.variable_name(key, style) for key in wanted
        }


@given(SERVICES, SERVICES, STYLES, st.booleans(), st.booleans())
def test_a_plan_that_was_done_has_nothing_left_to_do(
    store: dict[str, str], wanted: dict[str, str], style: str, prune: bool, exact_key: bool
) -> None:
    try:
        plan = transfer.plan(store, wanted, names_style=style, prune=prune, exact_key=exact_key)
    except UsageError:
        assert not exact_key
        return
    again = transfer.plan(applied(store, plan), wanted, names_style=style, prune=prune, exact_key=exact_key)
    assert {step.kind for step in again.steps} <= {Kind.SAME}
