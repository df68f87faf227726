"""The policy of the seam, over a carrier that does what the test says: attempts, waits, deadline, pace."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping
from threading import Thread
from typing import Any

import pytest

from tests.support.aws import Told, context
from vault_exec.errors import (
    MalformedAnswerError,
    NoCredentialsError,
    SecretNotFound,
    StoreTimeoutError,
    ThrottledError,
    UnreachableError,
)
from vault_exec_backends.aws.client import Client, Pace
from vault_exec_backends.aws.errors import Lost, NotSent, Refused

THROTTLED = Refused("ThrottlingException", 400)
UNWELL = Refused("InternalServerError", 500)


class Scripted:
    """A carrier that answers as written down; the last entry again and again."""

    def __init__(self, *script: dict[str, Any] | Exception | Callable[[], dict[str, Any]]) -> None:
        self._script = list(script)
        self.sent: list[tuple[str, float]] = []

    def send(self, operation: str, members: Mapping[str, Any], seconds: float) -> dict[str, Any]:
        self.sent.append((operation, seconds))
        step = self._script.pop(0) if len(self._script) > 1 else self._script[0]
        if isinstance(step, Exception):
            raise step
        return step() if callable(step) else step


def client(carrier: Scripted, told: Told | None = None, **options: Any) -> Client:
    return Client("ssm", context("ssm", {}, told, **options), carrier)


@pytest.mark.parametrize("failure", [THROTTLED, UNWELL, NotSent("no way"), Lost("cut")])
def test_attempts_are_counted_by_the_setting(failure: Exception) -> None:
    carrier = Scripted(failure)
    with pytest.raises(UnreachableError, match=r"app.*4 attempts"):
        client(carrier, retries=4).call("GetParameters", about="app")
    assert len(carrier.sent) == 4


@pytest.mark.parametrize(
    "code", ["ValidationException", "LimitExceededException", "AccessDenied", "NoSuchKey"]
)
def test_a_refusal_is_final(code: str) -> None:
    carrier = Scripted(Refused(code, 400), {})
    with pytest.raises(Exception, match=code if code != "AccessDenied" else "access denied"):
        client(carrier).call("GetParameters", about="app")
    assert len(carrier.sent) == 1


def test_a_code_means_what_the_caller_says() -> None:
    missing = SecretNotFound("app/key is not there")
    with pytest.raises(SecretNotFound) as caught:
        client(Scripted(Refused("ParameterNotFound", 400))).call(
            "GetParameter", about="app/key", meaning={"ParameterNotFound": missing}
        )
    assert caught.value is missing


def test_an_answer_without_its_member_is_none() -> None:
    told = client(Scripted({}, {"Other": 1}, {"Parameters": None}, {"Parameters": []}))
    assert told.call("GetParameters", about="app", must=("Parameters",)) == {"Parameters": []}
    with pytest.raises(MalformedAnswerError, match="without Parameters"):
        client(Scripted({}), retries=1).call("GetParameters", about="app", must=("Parameters",))


def test_what_may_be_done_already_is_not_repeated_before_it_is_found_out() -> None:
    for failure in (Lost("cut"), UNWELL):
        carrier = Scripted(failure, {"Version": 7})
        with pytest.raises(UnreachableError, match="may or may not"):
            client(carrier).call("PutParameter", about="app/key")
        assert len(carrier.sent) == 1

        answer = client(Scripted(failure)).call("PutParameter", about="app", settle=lambda: {"Version": 3})
        assert answer == {"Version": 3}

        carrier = Scripted(failure, {"Version": 7})
        answer = client(carrier).call("PutParameter", about="app", settle=lambda: None)
        assert answer == {"Version": 7}
        assert len(carrier.sent) == 2


def test_what_surely_was_not_done_is_repeated_without_looking() -> None:
    def never() -> None:
        raise AssertionError("looked")

    for failure in (NotSent("no way"), THROTTLED, Refused("TooManyUpdates", 400)):
        answer = client(Scripted(failure, {"Version": 1})).call("PutParameter", about="app", settle=never)
        assert answer == {"Version": 1}


def test_every_attempt_gets_what_is_left_of_the_time() -> None:
    carrier = Scripted(UNWELL)
    began = time.monotonic()
    with pytest.raises(
        StoreTimeoutError, match=r"^app: GetParameters: .* 0\.4 s \(\d+ attempts, the last: 5"
    ):
        client(carrier, timeout=0.4, retries=100).call("GetParameters", about="app")
    assert 0.35 < time.monotonic() - began < 1
    left = [seconds for _, seconds in carrier.sent]
    assert left == sorted(left, reverse=True)
    assert 0 < left[-1] < left[0] <= 0.4


def test_throttled_until_the_time_is_over_is_throttled() -> None:
    with pytest.raises(ThrottledError):
        client(Scripted(THROTTLED), timeout=0.3, retries=100).call("GetParameters", about="app")


def test_a_long_wait_is_said_once() -> None:
    told = Told()
    around = context("ssm", {}, told, timeout=0.2, retries=100)
    patient = Client("ssm", around, Scripted(UNWELL))
    for _ in range(2):
        random.seed(168042)  # four short waits, then one of more than a second, which the time cuts short
        around.restart_deadline()
        with pytest.raises(StoreTimeoutError):
            patient.call("GetParameters", about="app")
    assert told.notes == ["app: ssm does not answer well; trying again for a while"]


def test_the_trace_never_holds_a_value() -> None:
    told = Told()
    carrier = Scripted(Refused("ValidationException", 400, "Value 'canary' is bad"))
    with pytest.raises(Exception, match="ValidationException") as caught:
        client(carrier, told).call("PutParameter", about="app/key", Value="canary")
    assert "canary" not in str(caught.value) + "".join(told.traces)
    assert told.traces[0].startswith("ssm:PutParameter ")


def test_the_trace_tells_what_came_of_each_attempt() -> None:
    told = Told()
    steps = (Lost("cut"), {"Parameters": []}, NoCredentialsError("there are no AWS credentials"))
    calls = client(Scripted(*steps), told)
    calls.call("GetParameters", about="app")
    with pytest.raises(NoCredentialsError):
        calls.call("GetParameters", about="app")
    assert [trace.partition(", ")[2] for trace in told.traces] == [
        "attempt 1: Lost: cut",
        "attempt 2: ok",
        "attempt 1: not sent",
    ]


def test_pages_end_where_there_is_no_token() -> None:
    carrier = Scripted(
        {"Parameters": [1, 2], "NextToken": "a"},
        {"Parameters": [], "NextToken": "b"},
        {"Parameters": [3], "NextToken": ""},
    )
    assert list(client(carrier).pages("DescribeParameters", "Parameters", about="app")) == [1, 2, 3]
    carrier = Scripted({"Parameters": [1], "NextToken": "a"})
    with pytest.raises(UnreachableError, match="does not go on"):
        list(client(carrier).pages("DescribeParameters", "Parameters", about="app"))
    assert len(carrier.sent) == 2


@pytest.mark.parametrize(
    ("mode", "operation", "spaced"),
    [
        ("standard", "GetParameters", False),
        ("adaptive", "GetParameters", True),
        ("standard", "PutParameter", True),
    ],
)
def test_after_a_refusal_the_threads_share_the_pace(mode: str, operation: str, spaced: bool) -> None:
    at: list[float] = []

    def answer() -> dict[str, Any]:
        at.append(time.monotonic())
        return {}

    told = client(Scripted(THROTTLED, answer), retry_mode=mode)
    told.call(operation, about="app")
    at.clear()
    threads = [Thread(target=told.call, args=(operation,), kwargs={"about": "app"}) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    took = max(at) - min(at)
    assert took > 0.25 if spaced else took < 0.2


def test_a_pace_slows_down_at_each_refusal_and_recovers() -> None:
    pace = Pace()
    assert pace.turn(10.0) == 0
    assert pace.turn(10.0) == 0
    pace.throttled(10.0, 10.5)
    pace.throttled(10.2, 10.6)  # was under way when the first one came back
    assert pace.turn(11.0) == 0
    assert pace.turn(11.0) == pytest.approx(0.1)
    pace.throttled(12.0, 12.5)
    pace.turn(13.0)
    assert pace.turn(13.0) == pytest.approx(0.2)
    for _ in range(10):
        pace.throttled(20.0, 20.0)
    pace.turn(30.0)
    assert pace.turn(30.0) == pytest.approx(2.0)
    for _ in range(100):
        pace.went_well()
    pace.turn(60.0)
    assert pace.turn(60.0) < 0.05
