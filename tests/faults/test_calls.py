"""Each operation of a read and of a write, and each fault that it can meet: hidden where a retry can hide it,
else the right error, with nothing half-read and nothing half-written."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial

import pytest

from tests.support.battery import Property, Tally
from tests.support.commands import CARRIER
from tests.support.faults import faults_of
from tests.support.proxy import (
    ALWAYS,
    Fault,
    Proxy,
    answers,
    delayed,
    denied,
    failed,
    refused,
    reset,
    throttled,
    unavailable,
    web_page,
)
from tests.support.s3 import index_of
from vault_exec.checked import CheckedStore
from vault_exec.errors import (
    AccessDeniedError,
    MalformedAnswerError,
    NoCredentialsError,
    StoreTimeoutError,
    ThrottledError,
    UnreachableError,
    VaultExecError,
)

Open = Callable[..., CheckedStore]

VALUES = {f"key-{number:02}": f"value {number}" for number in range(12)}  # two pages of Parameter Store

#: What loading a service calls, as exec, env and export do.
READS = [
    ("ssm", "GetParametersByPath"),
    ("s3", "GetObject"),
    ("s3-kms", "ListObjectsV2"),
    ("s3-kms", "GetObject"),
    ("secretsmanager", "GetSecretValue"),
]

#: What a write of `app/key-00` calls.
WRITES = [
    ("ssm", "GetParameters"),
    ("ssm", "PutParameter"),
    *(
        (backend, operation)
        for backend in ("s3", "s3-kms")
        for operation in (
            "GetCallerIdentity",
            "GetObject app/key-00.json",
            f"GetObject {index_of(backend, 'app')}",
            "PutObject app/key-00.json",
            f"PutObject {index_of(backend, 'app')}",
        )
    ),
    ("secretsmanager", "GetCallerIdentity"),
    ("secretsmanager", "DescribeSecret"),
    ("secretsmanager", "GetSecretValue"),
    ("secretsmanager", "PutSecretValue"),
    ("secretsmanager", "UpdateSecretVersionStage"),
]

HIDDEN = Property("faults of exec's calls that a retry did not hide", "faults", "kinds of fault by operation")


def filled(open_store: Open, backend: str) -> CheckedStore:
    """A store whose service `app` holds `VALUES`."""
    store = open_store(backend)
    store.write_many("app", VALUES)
    return store


def times(proxy: Proxy, operation: str) -> int:
    """How often an operation (on an object) was called."""
    return sum(call.is_called(operation) for call in proxy.calls)


# -- hidden -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("backend", "operation"), READS)
def test_every_fault_of_execs_calls_is_met_and_hidden(
    open_store: Open, proxy: Proxy, tally: Tally, backend: str, operation: str
) -> None:
    tally.property = HIDDEN
    store = filled(open_store, backend)
    for nth in (1, 2):
        for name, fault in faults_of(operation).items():
            proxy.reset()
            assert store.values("app") == VALUES
            calls = times(proxy, operation)
            if calls < nth:
                continue
            proxy.reset()
            proxy.spoil(operation, fault, nth=nth)
            same = store.values("app") == VALUES
            again = times(proxy, operation) - calls
            wrong = None if same and again == (name != "delayed") else f"{again} calls more, same: {same}"
            tally.case(wrong, kind=f"{backend} {operation} {name}")


# -- not hidden ---------------------------------------------------------------------------------------------

#: Faults that do not end, and what they are called then.
ENDLESS: dict[str, tuple[Fault, type[VaultExecError]]] = {
    "throttled": (throttled, ThrottledError),
    "500": (failed, UnreachableError),
    "503": (unavailable, UnreachableError),
    "reset": (reset, UnreachableError),
    "empty-object": (answers(b"{}"), MalformedAnswerError),
    "nothing": (answers(b""), MalformedAnswerError),
    "web-page": (web_page, MalformedAnswerError),
    "bad-gateway": (answers(b"<html>502</html>", 502, "text/html"), UnreachableError),
}

#: Refusals, which are final.
FINAL: dict[str, tuple[Fault, type[VaultExecError]]] = {
    "denied": (denied, AccessDeniedError),
    "expired": (refused(400, "ExpiredTokenException"), NoCredentialsError),
    "unknown": (refused(400, "SomethingNewException"), VaultExecError),
}


def fails(proxy: Proxy, operation: str, name: str, action: Callable[[], object]) -> None:
    """Do it while each call of the operation meets the fault of this name: it must end in the right error."""
    fault, error = {**ENDLESS, **FINAL}[name]
    no_xml = name == "empty-object" and operation.startswith(("ListObjects", "PutObject"))
    if no_xml and CARRIER == "botocore":
        error = UnreachableError  # botocore takes what is no XML for status 500 of S3
    proxy.reset()
    proxy.spoil(operation, fault, times=ALWAYS)
    with pytest.raises(VaultExecError) as caught:
        action()
    assert type(caught.value) is error, f"{name}: {caught.value}"
    assert caught.value.exit_code == (6 if name in ENDLESS else 1 if name == "unknown" else 4), name
    assert "value" not in str(caught.value)
    # As many attempts as --retries says, and none by botocore. What is denied may be looked up together with
    # the store's configuration first, then alone.
    alone = operation == "GetParameters" and issubclass(error, AccessDeniedError)
    wanted = 2 if name in ENDLESS or alone else 1
    assert times(proxy, operation) == wanted, name


@pytest.mark.parametrize(("backend", "operation"), READS)
def test_a_read_fails_as_a_whole_with_the_right_error(
    open_store: Open, proxy: Proxy, backend: str, operation: str
) -> None:
    filled(open_store, backend)
    store = open_store(backend, retries=2)
    for name in (*ENDLESS, *FINAL):
        fails(proxy, operation, name, lambda: store.values("app"))
    proxy.reset()
    assert store.values("app") == VALUES


@pytest.mark.parametrize(("backend", "operation"), WRITES)
def test_a_write_fails_as_a_whole_with_the_right_error(
    open_store: Open, proxy: Proxy, backend: str, operation: str
) -> None:
    store = filled(open_store, backend)
    for name in (*ENDLESS, *FINAL):
        if (operation, name) == ("UpdateSecretVersionStage", "denied"):
            continue  # then it writes as chamber does: tests/unit/secretsmanager
        anew = open_store(backend, retries=2)  # because who we are is asked once a store
        fails(proxy, operation, name, partial(anew.write, "app", "key-00", "new value"))
        proxy.reset()
        assert store.values("app") == VALUES, name
    # What is left behind, if anything, is in nobody's way.
    version = store.write("app", "key-00", "new value")
    assert store.values("app") == {**VALUES, "key-00": "new value"}
    assert store.read("app", "key-00").version == version


# -- refused again and again, and no answer at all -----------------------------------------------------------


@pytest.mark.parametrize("code", ["PreconditionFailed", "ConditionalRequestConflict"])
@pytest.mark.parametrize(
    ("backend", "operation"), [case for case in WRITES if case[1].startswith("PutObject")]
)
def test_a_conditional_write_that_is_refused_for_ever_ends_when_the_time_is_over(
    open_store: Open, proxy: Proxy, backend: str, operation: str, code: str
) -> None:
    filled(open_store, backend)
    store = open_store(backend, timeout=1.0)
    proxy.reset()
    proxy.spoil(operation, refused(412 if code == "PreconditionFailed" else 409, code), times=ALWAYS)
    with pytest.raises(StoreTimeoutError, match="within 1 s") as caught:
        store.write("app", "key-00", "new")
    assert caught.value.exit_code == 6
    assert 1 < times(proxy, operation) < 200
    proxy.reset()
    assert store.values("app") == VALUES


@pytest.mark.parametrize(
    ("backend", "operation"),
    [*READS, *(case for case in WRITES if case[1].startswith(("Put", "Update")) and case[0] != "s3-kms")],
)
def test_what_hangs_is_not_waited_for(open_store: Open, proxy: Proxy, backend: str, operation: str) -> None:
    filled(open_store, backend)
    store = open_store(backend, timeout=1.0)
    proxy.reset()
    proxy.spoil(operation, delayed(3), times=ALWAYS)
    action = partial(store.write, "app", "key-00", "new")
    if (backend, operation) in READS:
        action = partial(store.values, "app")
    began = time.monotonic()
    with pytest.raises(UnreachableError) as caught:
        action()
    assert caught.value.exit_code == 6
    assert 0.9 < time.monotonic() - began < 3
    assert times(proxy, operation) == 1
    proxy.reset()
    assert store.values("app") == VALUES
