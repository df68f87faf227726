"""Faults that a retry must hide: by name, for each operation, and taking turns over the calls of a test."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from zlib import crc32

from tests.support.proxy import (
    S3_OPERATIONS,
    Call,
    Exchange,
    Fault,
    answers,
    delayed,
    done_but,
    failed,
    lost,
    refused,
    reset,
    throttled,
    too_many_updates,
    unavailable,
    web_page,
)

#: Operations whose real answer is empty, so that only its request id tells it from one that is not from AWS.
_SAY_NOTHING = frozenset(
    [
        "AddTagsToResource",
        "DeleteObject",
        "DeleteObjectTagging",
        "DeleteParameter",
        "PutObjectTagging",
        "RemoveTagsFromResource",
    ]
)
_CONDITIONAL = frozenset(["DeleteObject", "PutObject"])


def instead(body: bytes) -> Fault:
    """This with status 200, not done: as if from the service where its answer would have members, else as if
    from something in between."""
    from_aws = answers(body)

    def fault(exchange: Exchange) -> None:
        if exchange.call.operation in _SAY_NOTHING:
            exchange.send(200, {"Content-Type": "application/json"}, body)
        else:
            from_aws(exchange)

    return fault


class CutOff:
    """The service does it, and the answer's body ends early: at its start, after a byte, in the middle, and
    before its last byte, in turns."""

    def __init__(self) -> None:
        self._turn = 0

    def __call__(self, exchange: Exchange) -> None:
        status, headers, body = exchange.forward()
        if not body:
            exchange.cut()
            return
        self._turn += 1
        exchange.send(status, headers, body, cut_at=(0, 1, len(body) // 2, len(body) - 1)[self._turn % 4])


_EVERYWHERE: Mapping[str, Fault] = {
    "throttled": throttled,
    "500": failed,
    "503": unavailable,
    "reset": reset,
    "lost": lost,
    "cut-off": CutOff(),
    "done-but-gateway": done_but(504, b"<html>504</html>"),
    "empty-object": instead(b"{}"),
    "nothing": instead(b""),
    "web-page": web_page,
    "delayed": delayed(0.05),
}
_ON_SSM: Mapping[str, Fault] = {"too-many-updates": too_many_updates}
_ON_S3: Mapping[str, Fault] = {"slow-down": refused(503, "SlowDown")}
_ON_CONDITIONAL: Mapping[str, Fault] = {
    "409": refused(409, "ConditionalRequestConflict"),
    "412": refused(412, "PreconditionFailed"),
}


def faults_of(operation: str) -> dict[str, Fault]:
    """The faults that a call of this operation may meet and a retry must hide."""
    found = dict(_EVERYWHERE)
    if "Parameter" in operation or operation.endswith("Resource"):
        found |= _ON_SSM
    if operation in S3_OPERATIONS:
        found |= _ON_S3
    if operation in _CONDITIONAL:
        found |= _ON_CONDITIONAL
    return found


class Turns:
    """For `Proxy.spoil_by`: the first and then every fifth call of each operation is spoiled, each time with
    another fault. More often, and ten attempts in a row would be spoiled now and then.

    name: says where the turns begin, so that a test meets the same faults again.
    only: the one fault to use, where it is possible.
    """

    def __init__(self, name: str, only: str | None = None) -> None:
        self._begin = crc32(name.encode())
        self._only = only
        self.seen: Counter[str] = Counter()
        self.injected: Counter[tuple[str, str]] = Counter()

    def __call__(self, call: Call) -> Fault | None:
        turn = self.seen[call.operation]
        self.seen[call.operation] += 1
        if turn % 5:
            return None
        possible = faults_of(call.operation)
        name = list(possible)[(self._begin + crc32(call.operation.encode()) + turn // 5) % len(possible)]
        name = self._only or name
        if name not in possible:
            return None
        self.injected[call.operation, name] += 1
        return possible[name]
