"""Bringing the values of a service to what somebody wants: first a plan, then doing it.

    wanted = checked("svc", values)
    steps = plan(current(store, "svc", wanted), wanted)
    apply(store, "svc", steps)

A plan is data: it can be shown before anything is written, and shows no value. Whatever fills a service from
somewhere else differs only in where `wanted` comes from.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from vault_exec import names
from vault_exec.errors import PartialWriteError, ServiceNotFound, UsageError, VaultExecError
from vault_exec.store import Store


class Kind(StrEnum):
    """What a step does to a key."""

    ADDED = "added"
    CHANGED = "changed"
    SAME = "same"
    REMOVED = "removed"


@dataclass(frozen=True, slots=True)
class Step:
    """One key of a plan.

    key: as the store spells it. given: as the source spells it, which differs where the key goes by another
    spelling in the store. value: what is wanted; None for a key that is removed.
    """

    kind: Kind
    key: str
    given: str
    value: str | None = field(repr=False)


@dataclass(frozen=True, slots=True)
class Plan:
    """What to do, in the order of the source, and last what to remove, sorted by key.

    force: values that are the same are written again.
    """

    steps: tuple[Step, ...]
    force: bool = False

    def of(self, *kinds: Kind) -> list[Step]:
        """The steps of these kinds."""
        return [step for step in self.steps if step.kind in kinds]

    @property
    def writes(self) -> dict[str, str]:
        """What must be written: key → value."""
        kinds = {Kind.ADDED, Kind.CHANGED} | ({Kind.SAME} if self.force else set())
        return {step.key: step.value for step in self.of(*kinds) if step.value is not None}

    @property
    def deletes(self) -> list[str]:
        """The keys that must be deleted."""
        return [step.key for step in self.of(Kind.REMOVED)]


def checked(service: str, given: Mapping[str, str], *, fold_keys: bool = False) -> dict[str, str]:
    """The values of a source, when all of them can be secrets of the service.

    fold_keys: lower-case the keys, as chamber's `write` does.
    Raises InvalidNameError, InvalidValueError, and UsageError for two keys that become one.
    """
    names.check_service(service)
    wanted: dict[str, str] = {}
    spelled: dict[str, str] = {}
    for name, value in given.items():
        key = names.fold(names.check_key(name)) if fold_keys else names.check_key(name)
        if key in wanted:
            raise UsageError(
                f"the keys {spelled[key]} and {name} are both {key} in lower case",
                hint="leave one of the two out",
            )
        wanted[key] = names.check_value(service, key, value)
        spelled[key] = name
    return wanted


def current(
    store: Store, service: str, wanted: Iterable[str], *, exact_key: bool = False, prune: bool = False
) -> dict[str, str]:
    """What of the service `plan` must know for these keys; empty where the service is not there."""
    if exact_key and not prune:
        return store.current(service, wanted)
    try:
        return store.values(service)
    except ServiceNotFound:
        return {}


def plan(
    current: Mapping[str, str],
    wanted: Mapping[str, str],
    *,
    exact_key: bool = False,
    names_style: str = "posix",
    prune: bool = False,
    force: bool = False,
) -> Plan:
    """The steps from the values that a service holds to those that are wanted.

    A wanted key that is the same variable as a key of the store updates that one, because a program could not
    get both; `exact_key` takes every key as it is spelled. names_style: how a key becomes a variable's name
    (`names.STYLES`). prune: remove what is not wanted; `current` must be the whole service then. force: write
    values again that are the same.
    Raises UsageError, naming the keys, where two wanted keys are one variable, or one wanted key is the same
    variable as several of the store.
    """
    targets = {key: key for key in wanted} if exact_key else _targets(current, wanted, names_style)
    steps = [
        Step(_kind(current.get(targets[given]), value), targets[given], given, value)
        for given, value in wanted.items()
    ]
    if prune:
        removed = sorted(set(current) - set(targets.values()))
        steps += [Step(Kind.REMOVED, key, key, None) for key in removed]
    return Plan(tuple(steps), force)


def _kind(old: str | None, new: str) -> Kind:
    if old is None:
        return Kind.ADDED
    return Kind.SAME if old == new else Kind.CHANGED


def _targets(current: Iterable[str], wanted: Iterable[str], style: str) -> dict[str, str]:
    """Which key of the store each wanted key means."""
    for variable, keys in names.collisions(wanted, style).items():
        raise UsageError(
            f"the keys {' and '.join(keys)} would all be the variable {variable}",
            hint="leave all but one of them out, or take them as they are spelled: --exact-key",
        )
    there: dict[str, list[str]] = {}
    for key in sorted(current):
        there.setdefault(names.variable_name(key, style), []).append(key)
    return {key: _target(key, there.get(names.variable_name(key, style), [])) for key in wanted}


def _target(key: str, same_variable: list[str]) -> str:
    if key in same_variable or not same_variable:
        return key
    if len(same_variable) > 1:
        raise UsageError(
            f"{key} is the same variable as {' and '.join(same_variable)}, which the store holds",
            hint="delete all but one of those, or take keys as they are spelled: --exact-key",
        )
    return same_variable[0]


def _ignore(key: str) -> None:
    """Progress that nobody watches."""


def apply(
    store: Store,
    service: str,
    plan: Plan,
    *,
    tags: Mapping[str, str] | None = None,
    progress: Callable[[str], None] = _ignore,
) -> None:
    """Do what the plan says: first all writes, in order, then the deletions.

    tags: put on the secrets that are new. progress: called with each key once the store has done with it.
    Raises what the store raises where nothing was done yet, and where it fails after that PartialWriteError,
    which says what was done and what was not.
    """
    done: list[str] = []

    def step(key: str) -> None:
        done.append(key)
        progress(key)

    try:
        if plan.writes:
            store.write_many(service, plan.writes, tags=tags, written=step)
        if plan.deletes:
            store.delete_many(service, plan.deletes, deleted=step)
    except VaultExecError as error:
        if not done:
            raise
        raise PartialWriteError(
            f"{error}; of service {service} {summary(plan, done)}",
            hint=error.hint or "do the same again: what is done already is not done twice",
            exit_code=error.exit_code,
        ) from error


def summary(plan: Plan, done: Iterable[str]) -> str:
    """Which keys were written and deleted, and which not, in words. What the store did not acknowledge counts
    as not written, although it may be: a plan made anew tells."""
    finished = set(done)
    parts = [
        ("written", [key for key in plan.writes if key in finished]),
        ("not written", [key for key in plan.writes if key not in finished]),
        ("deleted", [key for key in plan.deletes if key in finished]),
        ("not deleted", [key for key in plan.deletes if key not in finished]),
    ]
    return "; ".join(f"{what}: {', '.join(keys)}" for what, keys in parts if keys)
