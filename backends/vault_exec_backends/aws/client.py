"""The seam: `connect(service, context).call(operation, …)`. Retries, deadlines and errors stand here, once.

What carries a call is behind it (`choice`), and knows none of this: it sends one request and raises
`Refused`, `NotSent` or `Lost`.
"""

from __future__ import annotations

from _thread import allocate_lock
from time import monotonic, sleep

from vault_exec.errors import StoreTimeoutError, UnreachableError
from vault_exec_backends.aws.errors import (
    Call,
    Lost,
    NotSent,
    Refused,
    may_be_done,
    translated,
    unknown_outcome,
    worth_retrying,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from typing import Any, Protocol

    from vault_exec.errors import VaultExecError
    from vault_exec.store import Context
    from vault_exec_backends.aws.errors import Failure

    class Carrier(Protocol):
        """Sends one request, once."""

        def send(self, operation: str, members: Mapping[str, Any], seconds: float) -> dict[str, Any]:
            """The service's answer: times as aware datetimes, a stream as bytes.

            seconds: how long it may take altogether.
            Raises Refused, NotSent and Lost, ConfigError and NoCredentialsError.
            """


#: Operations that must not be repeated blindly once the service may have done them: each makes a new version.
ONCE = frozenset(["DeleteParameter", "PutParameter"])

#: Operations whose quota is so low that the threads of one process share it from the first refusal on
#: (PutParameter: 3 a second by default).
_PACED = frozenset(["PutParameter"])

_FIRST_WAIT = 0.1
_LONGEST_WAIT = 10.0


def connect(service: str, context: Context) -> Client:
    """A client for one AWS service. Nothing is looked up or sent before its first call."""
    from vault_exec_backends.aws.choice import ChosenCarrier

    return Client(service, context, ChosenCarrier(service, context))


class Client:
    """Calls to one service; threads may share it.

    Attempts: `settings.retries`, with full jitter between them. `retry_mode`: in "adaptive", all calls of an
    operation that was throttled are spaced out together; in "standard" only PutParameter's are, and other
    calls wait each on their own.
    """

    __slots__ = ("_carrier", "_context", "_lock", "_paces", "_said", "_service")

    def __init__(self, service: str, context: Context, carrier: Carrier) -> None:
        self._service = service
        self._context = context
        self._carrier = carrier
        self._lock = allocate_lock()
        self._paces: dict[str, Pace] = {}
        self._said = False

    def call(
        self,
        operation: str,
        *,
        about: str,
        resource: str = "",
        must: Iterable[str] = (),
        meaning: Mapping[str, VaultExecError] | None = None,
        settle: Callable[[], dict[str, Any] | None] | None = None,
        **members: Any,
    ) -> dict[str, Any]:
        """The answer to one call of the service, whatever number of attempts it takes.

        about, resource: for messages, see `errors.Call`.
        must: the members without which an answer is none.
        meaning: what an error code of the service means here; any other code is translated in general.
        settle: for operations of `ONCE`: after a lost answer finds out whether it was done, and returns the
            answer, or None where it was not.
        Raises only VaultExecErrors.
        """
        told = Call(self._service, operation, members, about, resource)
        attempt = 0
        failure: Failure | None = None
        while True:
            attempt += 1
            try:
                if failure is not None:
                    self._wait(failure, told, attempt - 1)
                self._take_turn(operation)
                return self._send(operation, must, members, attempt)
            except (Refused, NotSent, Lost) as error:
                failure = error
            except StoreTimeoutError as error:
                raise _late(error, failure, told, attempts=attempt - 1) from None
            if isinstance(failure, Refused) and meaning and failure.code in meaning:
                raise meaning[failure.code]
            if operation in ONCE and may_be_done(failure):
                done = _settled(settle, told)
                if done is not None:
                    return done
            if attempt >= self._context.settings.retries or not worth_retrying(failure):
                raise translated(failure, told, attempts=attempt)

    def pages(
        self,
        operation: str,
        member: str,
        *,
        about: str,
        must: Iterable[str] | None = None,
        token_names: tuple[str, str] = ("NextToken", "NextToken"),
        endless: bool = False,
        **rest: Any,
    ) -> Iterator[dict[str, Any]]:
        """The items of `member` on all pages of the answer. An empty page is not the end.

        must: as for `call`; None: the member itself, which some services leave out of an empty page.
        token_names: what the token of the next page is called in the answer, and in the call.
        endless: each page is progress, and gives the operation its full time again.
        Raises UnreachableError where a page's token comes back: the rest can never be had then.
        """
        tokens: set[str] = set()
        more: dict[str, Any] = {}
        must = (member,) if must is None else must
        while True:
            answer = self.call(operation, about=about, must=must, **rest, **more)
            if endless:
                self._context.restart_deadline()
            yield from answer.get(member) or ()
            token = answer.get(token_names[0])
            if not token and not answer.get("IsTruncated"):
                return
            if not token or token in tokens:
                raise UnreachableError(
                    f"{about}: {self._service} does not go on after a page of {operation}",
                    hint="try again",
                )
            tokens.add(token)
            more = {token_names[1]: token}

    def _send(
        self, operation: str, must: Iterable[str], members: Mapping[str, Any], attempt: int
    ) -> dict[str, Any]:
        seconds = self._context.time_left()
        began = monotonic()
        outcome = "not sent"  # no credentials, no region, …
        try:
            answer = self._carrier.send(operation, members, seconds)
            for name in must:
                if answer.get(name) is None:
                    raise Lost(f"an answer without {name}", malformed=True)
        except (Refused, NotSent, Lost) as error:
            outcome = f"{type(error).__name__}: {error}"
            throttled = isinstance(error, Refused) and error.throttled
            self._learn(operation, began if throttled else None)
            raise
        else:
            outcome = "ok"
            self._learn(operation, None)
            return answer
        finally:
            took = (monotonic() - began) * 1000
            self._context.trace(f"{self._service}:{operation} {took:.0f} ms, attempt {attempt}: {outcome}")

    def _wait(self, failure: Failure, told: Call, attempt: int) -> None:
        """Full jitter, the longest wait doubling each time, so that many clients do not meet again."""
        from random import random

        wait = random() * min(_LONGEST_WAIT, _FIRST_WAIT * 2 ** (attempt - 1))  # noqa: S311 - no secret
        if wait > 1 and not self._said:
            self._said = True
            self._context.notify(
                f"{told.about}: {self._service} does not answer well; trying again for a while"
            )
        sleep(min(wait, self._context.time_left()))

    def _take_turn(self, operation: str) -> None:
        pace = self._paces.get(operation)
        if pace is not None:
            sleep(min(pace.turn(monotonic()), self._context.time_left()))

    def _learn(self, operation: str, throttled_at: float | None) -> None:
        """Note how a call went; `throttled_at` is when a throttled one began."""
        pace = self._paces.get(operation)
        if throttled_at is None:
            if pace is not None:
                pace.went_well()
            return
        if pace is None:
            if operation not in _PACED and self._context.settings.retry_mode != "adaptive":
                return
            with self._lock:
                pace = self._paces.setdefault(operation, Pace())
        pace.throttled(throttled_at, monotonic())


class Pace:
    """Spaces out the calls that several threads make: further apart at each refusal, closer as they go well.

    Times are seconds on the monotonic clock.
    """

    __slots__ = ("_changed", "_gap", "_lock", "_next")

    def __init__(self) -> None:
        self._lock = allocate_lock()
        self._gap = 0.0
        self._next = 0.0
        self._changed = 0.0

    def turn(self, now: float) -> float:
        """How long the caller must wait for its turn."""
        with self._lock:
            start = max(now, self._next)
            self._next = start + self._gap
            return start - now

    def throttled(self, began: float, now: float) -> None:
        """A call that began then was refused. Calls that began before the last change teach nothing new."""
        with self._lock:
            if began >= self._changed:
                self._gap = min(max(2 * self._gap, 0.1), 2.0)
                self._changed = now

    def went_well(self) -> None:
        with self._lock:
            self._gap *= 0.95


def _late(error: StoreTimeoutError, failure: Failure | None, told: Call, *, attempts: int) -> VaultExecError:
    """The error of a call whose time is over, after the last of its attempts failed like this."""
    if isinstance(failure, Refused) and failure.throttled:
        return translated(failure, told, attempts=attempts)
    last = f"{failure.status} {failure.code}" if isinstance(failure, Refused) else str(failure or "")
    after = f" ({attempts} attempt{'s' * (attempts > 1)}, the last: {last})" if last else ""
    return StoreTimeoutError(f"{told.about}: {told.operation}: {error}{after}", hint=error.hint)


def _settled(settle: Callable[[], dict[str, Any] | None] | None, told: Call) -> dict[str, Any] | None:
    if settle is None:
        raise unknown_outcome(told)
    try:
        return settle()
    except UnreachableError:
        raise unknown_outcome(told) from None
