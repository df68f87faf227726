"""Histories: several writers at once on one store, each noting what it did, and what must hold afterwards.

python -m tests.support.histories WRITER COUNT SEED    one writer, in a process of its own
"""

from __future__ import annotations

import json
import random
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import vault_exec
from tests.support.battery import Property, Tally
from tests.support.proxy import Call, Fault, cut_off, failed, lost, reset, throttled
from vault_exec.errors import ConflictError, SecretNotFound, UnreachableError
from vault_exec.model import Version
from vault_exec.store import Store

SERVICE = "app"
WRITERS = 6

HISTORIES = Property("writes that were lost, doubled or out of order", "writes by six writers at once")

#: Operations that change something: their answers get lost most.
_CHANGES = frozenset(
    ["PutParameter", "PutObject", "CreateSecret", "PutSecretValue", "UpdateSecretVersionStage"]
)


class Attempt:
    """One write. version: what it was acknowledged with. refused: whether it ended in ConflictError; with
    neither, it may have been done or not. Times are of the monotonic clock, which all processes share."""

    def __init__(self, key: str, value: str, if_version: int | None, began: float) -> None:
        self.key = key
        self.value = value
        self.if_version = if_version
        self.began = began
        self.ended = float("inf")
        self.version: int | None = None
        self.refused = False

    def __repr__(self) -> str:
        how = "" if self.if_version is None else f" if {self.if_version}"
        end = "refused" if self.refused else self.version or "unknown"
        return f"<{self.key}={self.value}{how}: {end}, {self.began:.3f} to {self.ended:.3f}>"


Note = list[Any]


def write(store: Store, writer: str, count: int, seed: str, note: Callable[[Note], object]) -> None:
    """Write `count` times: to keys that all share and to one of this writer alone, half of it by compare and
    swap. `note` gets `["begin", key, value, if_version, time]`, then `["done", version, time]`, `["refused"]`
    or `["unknown"]`."""
    chance = random.Random(f"{seed} {writer}")
    for number in range(count):
        key = chance.choice(["shared-a", "shared-b", f"own-{writer}"])
        if_version = _expected(store, key, chance)
        note(["begin", key, f"{writer}-{number}", if_version, time.monotonic()])
        try:
            version = store.write(SERVICE, key, f"{writer}-{number}", if_version=if_version)
        except ConflictError:
            note(["refused"])
        except UnreachableError:
            note(["unknown"])
        else:
            note(["done", version, time.monotonic()])


def _expected(store: Store, key: str, chance: random.Random) -> int | None:
    """What to say with if_version: nothing, or (nearly always) the version that is there now."""
    if chance.random() < 0.5:
        return None
    if not store.features.compare_and_swap:
        return 0
    if chance.random() < 0.1:
        return chance.randrange(4)
    try:
        return store.read(SERVICE, key).version
    except SecretNotFound:
        return 0
    except UnreachableError:
        return None


def attempts(notes: Iterable[Note]) -> list[Attempt]:
    """What one writer did; the last may have no end, where the writer was killed."""
    found: list[Attempt] = []
    for kind, *rest in notes:
        if kind == "begin":
            found.append(Attempt(*rest))
        elif kind == "done":
            found[-1].version, found[-1].ended = rest
        elif kind == "refused":
            found[-1].refused = True
    return found


def lottery(seed: str) -> Callable[[Call], Fault | None]:
    """For `Proxy.spoil_by`: answers to changes get lost often, and everything goes wrong now and then."""
    chance = random.Random(seed)
    others = [reset, failed, throttled, lost, cut_off(10)]

    def choose(call: Call) -> Fault | None:
        drawn = chance.random()
        if call.operation in _CHANGES and drawn < 0.12:
            return lost
        return chance.choice(others) if drawn > 0.97 else None

    return choose


def check(
    store: Store,
    done: list[Attempt],
    tally: Tally,
    values: Callable[[Store, Sequence[Version]], Mapping[int, str]] | None = None,
) -> None:
    """Count every attempt, and what is wrong with what the store holds now.

    values: of these versions of a key, oldest first; None: `store.read` of each.
    """
    tally.property = HISTORIES
    by_key: dict[str, list[Attempt]] = defaultdict(list)
    for attempt in done:
        by_key[attempt.key].append(attempt)
        tally.case()
    latest = store.values(SERVICE)
    listed = {secret.id.key: secret.version for secret in store.list(SERVICE)}
    events = store.history(SERVICE)
    for key, own in by_key.items():
        versions = sorted((event for event in events if event.id.key == key), key=lambda it: it.version)
        numbers = [event.version for event in versions]
        held = (values or _read)(store, versions)
        for problem in _problems(own, numbers, held):
            tally.problems.append(f"{store.name} {key}: {problem}")
        if numbers and (latest.get(key), listed.get(key)) != (held[numbers[-1]], numbers[-1]):
            tally.problems.append(f"{store.name} {key}: in force is version {listed.get(key)}, not the last")
    known = {key for key, own in by_key.items() if any(not attempt.refused for attempt in own)}
    if not latest.keys() <= known:
        tally.problems.append(f"{store.name}: keys that nobody wrote: {latest.keys() - known}")


def _read(store: Store, versions: Sequence[Version]) -> Mapping[int, str]:
    return {it.version: store.read(SERVICE, it.id.key, it.version).value or "" for it in versions}


def _problems(own: list[Attempt], numbers: list[int], held: Mapping[int, str]) -> Iterable[str]:
    """What is wrong with a key, given all attempts to write it, its versions and their values."""
    if numbers != list(range(1, len(numbers) + 1)):
        yield f"versions {numbers}"
    may_be_there = {attempt.value: attempt for attempt in own if not attempt.refused}
    for number, value in held.items():
        if value not in may_be_there:
            yield f"version {number} holds what was refused, or never written"
        if list(held.values()).count(value) > 1:
            yield f"version {number}: its write was applied more than once"
    acknowledged = [attempt for attempt in own if attempt.version is not None]
    for attempt in acknowledged:
        if held.get(attempt.version or 0) != attempt.value:
            yield f"lost: {attempt}"
        if attempt.if_version is not None and attempt.version != attempt.if_version + 1:
            yield f"not the version after the one expected: {attempt}"
    for first in acknowledged:
        for second in acknowledged:
            if first.ended < second.began and (first.version or 0) >= (second.version or 0):
                yield f"out of order: {first}, then {second}"


if __name__ == "__main__":
    with vault_exec.open_store() as opened:
        write(
            opened,
            sys.argv[1],
            int(sys.argv[2]),
            sys.argv[3],
            lambda note: print(json.dumps(note), flush=True),
        )
