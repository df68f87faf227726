from __future__ import annotations

from threading import Barrier, Lock, current_thread, main_thread
from time import sleep

import pytest

from vault_exec.parallel import each


def test_results_are_in_the_order_of_the_things() -> None:
    def slow_first(number: int) -> int:
        sleep(0.02 if number == 0 else 0)
        return number * 2

    assert each(slow_first, range(20), at_once=8) == [number * 2 for number in range(20)]


def test_so_many_at_once_and_not_more() -> None:
    lock = Lock()
    meeting = Barrier(4, timeout=5)
    now, most = 0, 0

    def work(_: int) -> None:
        nonlocal now, most
        with lock:
            now += 1
            most = max(most, now)
        meeting.wait()  # passes only where four are at work at one time
        with lock:
            now -= 1

    each(work, range(12), at_once=4)
    assert most == 4


@pytest.mark.parametrize(("things", "at_once"), [([1], 8), ([1, 2, 3], 1), ([], 8)])
def test_one_at_a_time_needs_no_thread(things: list[int], at_once: int) -> None:
    threads = each(lambda _: current_thread(), things, at_once=at_once)
    assert set(threads) <= {main_thread()}
    assert len(threads) == len(things)


def test_the_first_error_in_order_is_raised_and_nothing_more_is_begun() -> None:
    begun: list[int] = []

    def work(number: int) -> None:
        begun.append(number)
        if number == 0:
            sleep(0.05)
        if number < 2:
            raise ValueError(number)
        sleep(0.01)

    with pytest.raises(ValueError, match="0"):
        each(work, range(100), at_once=2)
    assert len(begun) < 10
