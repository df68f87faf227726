"""Doing several things that wait for a network at once, with results in the order of the things."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import TypeVar

    T = TypeVar("T")
    R = TypeVar("R")


def each(function: Callable[[T], R], things: Iterable[T], *, at_once: int) -> list[R]:
    """`[function(thing) for thing in things]`, up to `at_once` at a time, in threads.

    When one fails, no further one is begun, those under way are waited for, and the error of the first
    failed thing in order is raised. One thing, or `at_once=1`, runs here without a thread.
    """
    pending = list(things)
    if len(pending) <= 1 or at_once == 1:
        return [function(thing) for thing in pending]
    from threading import Lock, Thread

    lock = Lock()
    results: dict[int, R] = {}
    errors: dict[int, BaseException] = {}
    positions = iter(range(len(pending)))

    def work() -> None:
        while True:
            with lock:
                position = None if errors else next(positions, None)
            if position is None:
                return
            try:
                results[position] = function(pending[position])
            except BaseException as error:
                errors[position] = error

    # Daemons, so that Ctrl-C does not wait for a call that hangs.
    threads = [Thread(target=work, daemon=True) for _ in range(min(at_once, len(pending)))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[min(errors)]
    return [results[position] for position in range(len(pending))]
