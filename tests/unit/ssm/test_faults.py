"""What the network and the service do wrong: hidden where a retry can hide it, else the right error, and
never a part of an answer nor a second write."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest

from tests.support.aws import Told
from tests.support.commands import Home
from tests.support.proxy import (
    ALWAYS,
    Exchange,
    Fault,
    Proxy,
    answers,
    cut_off,
    delayed,
    denied,
    done_but,
    edited,
    failed,
    lost,
    refused,
    reset,
    throttled,
    too_many_updates,
    trickling,
    unavailable,
    web_page,
)
from vault_exec.checked import CheckedStore
from vault_exec.errors import (
    AccessDeniedError,
    ConfigError,
    ConflictError,
    InvalidNameError,
    InvalidValueError,
    MalformedAnswerError,
    NoCredentialsError,
    NotFoundError,
    SecretNotFound,
    StoreTimeoutError,
    ThrottledError,
    UnreachableError,
    VaultExecError,
)

Open = Callable[..., CheckedStore]

CANARY = "canary-a1b2"

NOT_DONE: dict[str, Fault] = {
    "throttled": throttled,
    "too-many-updates": too_many_updates,
    "500": failed,
    "503": unavailable,
    "reset": reset,
    "empty-object": answers(b"{}"),
    "nothing": answers(b""),
    "web-page": web_page,
    "bad-gateway": answers(b"<html>502</html>", 502, "text/html"),
}
DONE: dict[str, Fault] = {
    "lost": lost,
    "cut-off": cut_off(5),
    "done-but-500": done_but(500, b'{"__type":"InternalServerError"}'),
    "done-but-empty": done_but(200, b"{}"),
    "done-but-gateway": done_but(504, b"<html>"),
}
ALL = {**NOT_DONE, **DONE}


def versions(store: CheckedStore, key: str = "key") -> list[int]:
    return [version.version for version in store.history("app", key)]


# -- hidden -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("fault", ALL)
def test_reads_hide_it(store: CheckedStore, proxy: Proxy, fault: str) -> None:
    store.write("app", "key", "value", tags={"team": "a"})
    reads: list[tuple[str, Callable[[], object]]] = [
        ("GetParametersByPath", lambda: store.values("app")),
        ("GetParameters", lambda: store.current("app", ["key"])),
        ("GetParameter", lambda: store.read("app", "key")),
        ("GetParameterHistory", lambda: store.history("app", "key")),
        ("DescribeParameters", lambda: store.list("app")),
        ("ListTagsForResource", lambda: store.tags("app", "key")),
    ]
    for operation, read in reads:
        proxy.reset()
        proxy.spoil(operation, ALL[fault])
        spoiled = read()
        assert proxy.counts[operation] == 2, operation
        assert spoiled == read()


@pytest.mark.parametrize("fault", ALL)
def test_a_write_hides_it_and_writes_once(store: CheckedStore, proxy: Proxy, fault: str) -> None:
    for number, write in enumerate(
        [
            lambda: store.write("app", "key", "value 1", if_version=0),
            lambda: store.write("app", "key", "value 2"),
            lambda: store.write_many("app", {"key": "value 3"}),
        ]
    ):
        proxy.reset()
        proxy.spoil("PutParameter", ALL[fault])
        assert write() in (number + 1, None)
        assert proxy.counts["PutParameter"] == (1 if fault in DONE else 2)
        assert versions(store) == list(range(1, number + 2))
    assert store.values("app") == {"key": "value 3"}


@pytest.mark.parametrize("fault", ["lost", "reset"])
def test_a_write_with_tags_hides_it_and_writes_once(store: CheckedStore, proxy: Proxy, fault: str) -> None:
    proxy.spoil("PutParameter", ALL[fault])
    assert store.write("app", "key", "value", tags={"team": "a"}) == 1
    assert versions(store) == [1]
    assert store.tags("app", "key") == {"team": "a"}


@pytest.mark.parametrize("fault", sorted(set(ALL) - {"empty-object", "nothing", "done-but-empty"}))
def test_a_delete_hides_it(store: CheckedStore, proxy: Proxy, fault: str) -> None:
    store.write_many("app", {"one": "1", "two": "2", "three": "3"})
    proxy.spoil("DeleteParameter", ALL[fault])
    proxy.spoil("DeleteParameters", ALL[fault])
    store.delete("app", "one")
    store.delete_many("app", ["two"])
    assert store.values("app") == {"three": "3"}


@pytest.mark.parametrize("fault", ["throttled", "500", "lost", "reset", "web-page"])
def test_tags_and_labels_hide_it(store: CheckedStore, proxy: Proxy, fault: str) -> None:
    store.write("app", "key", "value")
    for operation in ("AddTagsToResource", "RemoveTagsFromResource", "LabelParameterVersion"):
        proxy.spoil(operation, ALL[fault])
    store.write_tags("app", "key", {"team": "a", "env": "b"})
    store.delete_tags("app", "key", ["env"])
    store.label("app", "key", "prod")
    assert store.tags("app", "key") == {"team": "a"}
    assert store.values("app", "prod") == {"key": "value"}


def test_a_lost_write_that_somebody_overwrote_is_not_repeated(
    store: CheckedStore, open_ssm: Open, proxy: Proxy
) -> None:
    store.write("app", "key", "old")

    def overwritten(exchange: Exchange) -> None:
        exchange.forward()
        open_ssm().write("app", "key", "theirs")
        exchange.cut()

    proxy.spoil("PutParameter", overwritten, nth=2)
    assert store.write("app", "key", "ours") == 2
    assert versions(store) == [1, 2, 3]
    assert store.values("app") == {"key": "theirs"}


@pytest.mark.parametrize("others", [1, 8, 9, 25])
def test_a_lost_write_is_found_among_those_of_others(
    store: CheckedStore, open_ssm: Open, proxy: Proxy, others: int
) -> None:
    store.write("app", "key", "old")

    def in_between(exchange: Exchange) -> None:
        for number in range(others):
            open_ssm().write("app", "key", f"before {number}")
        exchange.forward()
        open_ssm().write("app", "key", "after")
        exchange.cut()

    proxy.spoil("PutParameter", in_between, nth=2)
    assert store.write("app", "key", "ours") == others + 2
    assert versions(store) == list(range(1, others + 4))
    assert store.values("app") == {"key": "after"}


def test_a_lost_write_that_never_happened_is_repeated_although_somebody_wrote(
    store: CheckedStore, open_ssm: Open, proxy: Proxy
) -> None:
    store.write("app", "key", "old")

    def overtaken(exchange: Exchange) -> None:
        open_ssm().write("app", "key", "theirs")
        exchange.cut()

    proxy.spoil("PutParameter", overtaken, nth=2)
    assert store.write("app", "key", "ours") == 3
    assert versions(store) == [1, 2, 3]


def test_create_only_does_not_take_somebody_elses_value_for_its_own(
    store: CheckedStore, open_ssm: Open, proxy: Proxy
) -> None:
    def overtaken(exchange: Exchange) -> None:
        open_ssm().write("app", "key", "theirs")
        exchange.cut()

    proxy.spoil("PutParameter", overtaken)
    with pytest.raises(ConflictError, match="app/key"):
        store.write("app", "key", "ours", if_version=0)
    assert store.values("app") == {"key": "theirs"}


def test_create_only_knows_its_own_write_that_arrives_late(store: CheckedStore, proxy: Proxy) -> None:
    """The connection breaks, we look and see nothing, and only then the service does it."""
    late: list[Exchange] = []

    def held_back(exchange: Exchange) -> None:
        late.append(exchange)
        exchange.cut()

    def arrives(exchange: Exchange) -> None:
        late[0].forward()
        exchange.pass_on()

    proxy.spoil("PutParameter", held_back)
    proxy.spoil("PutParameter", arrives, nth=2)
    assert store.write("app", "key", "value", if_version=0) == 1
    assert versions(store) == [1]


def test_a_delete_knows_its_own_that_arrives_late(store: CheckedStore, proxy: Proxy) -> None:
    store.write("app", "key", "value")
    late: list[Exchange] = []

    def held_back(exchange: Exchange) -> None:
        late.append(exchange)
        exchange.cut()

    def arrives(exchange: Exchange) -> None:
        late[0].forward()
        exchange.pass_on()

    proxy.spoil("DeleteParameter", held_back)
    proxy.spoil("DeleteParameter", arrives, nth=2)
    store.delete("app", "key")
    with pytest.raises(SecretNotFound):
        store.delete("app", "key")


# -- not hidden ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        ("throttled", ThrottledError),
        ("too-many-updates", ThrottledError),
        ("500", UnreachableError),
        ("503", UnreachableError),
        ("reset", UnreachableError),
        ("cut-off", UnreachableError),
        ("bad-gateway", UnreachableError),
        ("empty-object", MalformedAnswerError),
        ("nothing", MalformedAnswerError),
        ("web-page", MalformedAnswerError),
    ],
)
def test_what_does_not_end_is_an_error(
    open_ssm: Open, proxy: Proxy, fault: str, error: type[VaultExecError]
) -> None:
    store = open_ssm(retries=3)
    store.write_many("app", {f"key-{number}": "value" for number in range(15)})
    proxy.reset()
    proxy.spoil("GetParametersByPath", ALL[fault], nth=2, times=ALWAYS)
    with pytest.raises(UnreachableError, match="app") as caught:
        store.values("app")
    assert type(caught.value) is error
    assert "3 attempts" in str(caught.value)
    assert proxy.counts["GetParametersByPath"] == 4


@pytest.mark.parametrize("fault", ["lost", "reset", "500"])
def test_a_write_that_never_gets_through_says_so(open_ssm: Open, proxy: Proxy, fault: str) -> None:
    store = open_ssm(retries=2)
    proxy.spoil("PutParameter", reset, times=ALWAYS)
    with pytest.raises(UnreachableError, match="app/key"):
        store.write("app", "key", CANARY)
    assert proxy.counts["PutParameter"] == 2
    assert store.current("app", ["key"]) == {}


def test_a_write_whose_outcome_cannot_be_found_out_says_that(open_ssm: Open, proxy: Proxy) -> None:
    store = open_ssm(retries=2)
    proxy.spoil("PutParameter", lost)
    proxy.spoil("GetParameters", reset, nth=2, times=ALWAYS)
    with pytest.raises(UnreachableError, match=r"app/key.*may or may not") as caught:
        store.write("app", "key", CANARY)
    assert CANARY not in str(caught.value)
    assert proxy.counts["PutParameter"] == 1


def reads(store: CheckedStore) -> dict[str, tuple[Callable[[], object], str]]:
    """Calls by operation, each with the permission that it needs."""
    return {
        "GetParametersByPath": (lambda: store.values("app"), "ssm:GetParametersByPath on parameter/app/*"),
        "GetParameter": (lambda: store.read("app", "key"), "ssm:GetParameter on parameter/app/key"),
        "GetParameters": (
            lambda: store.current("app", ["key"]),
            "ssm:GetParameters on parameter/app/key",
        ),
        "DescribeParameters": (lambda: store.list("app"), r"ssm:DescribeParameters on \*"),
        "GetParameterHistory": (
            lambda: store.history("app", "key"),
            "ssm:GetParameterHistory on parameter/app/key",
        ),
        "ListTagsForResource": (
            lambda: store.tags("app", "key"),
            "ssm:ListTagsForResource on parameter/app/key",
        ),
        "PutParameter": (
            lambda: store.write("app", "key", CANARY),
            "ssm:PutParameter on parameter/app/key",
        ),
        "DeleteParameter": (
            lambda: store.delete("app", "key"),
            "ssm:DeleteParameter on parameter/app/key",
        ),
        "DeleteParameters": (
            lambda: store.delete_many("app", ["key"]),
            r"ssm:DeleteParameters on parameter/app/\*",
        ),
        "AddTagsToResource": (
            lambda: store.write_tags("app", "key", {"a": "b"}),
            "ssm:AddTagsToResource on parameter/app/key",
        ),
        "LabelParameterVersion": (
            lambda: store.label("app", "key", "prod"),
            "ssm:LabelParameterVersion on parameter/app/key",
        ),
    }


@pytest.mark.parametrize("operation", reads(None))  # type: ignore[arg-type]
def test_access_denied_names_the_permission_and_is_never_not_found(
    store: CheckedStore, proxy: Proxy, operation: str
) -> None:
    store.write("app", "key", "value")
    proxy.reset()
    proxy.spoil(operation, denied, times=ALWAYS)
    call, permission = reads(store)[operation]
    with pytest.raises(AccessDeniedError, match=permission.replace("app/*", r"app/\*")) as caught:
        call()
    assert "assumed-role/me" in str(caught.value)
    assert caught.value.exit_code == 4
    assert proxy.counts[operation] == 1


@pytest.mark.parametrize(
    "code", ["ExpiredTokenException", "UnrecognizedClientException", "InvalidSignatureException"]
)
def test_credentials_that_aws_refuses(store: CheckedStore, proxy: Proxy, code: str) -> None:
    proxy.spoil("GetParametersByPath", refused(400, code))
    with pytest.raises(NoCredentialsError, match=code) as caught:
        store.values("app")
    assert caught.value.hint


def test_a_kms_key_that_is_not_there(store: CheckedStore, proxy: Proxy) -> None:
    proxy.spoil("PutParameter", refused(400, "InvalidKeyId", CANARY))
    with pytest.raises(ConfigError, match="KMS key") as caught:
        store.write("app", "key", CANARY)
    assert CANARY not in str(caught.value)
    assert "--kms-key-alias alias/aws/ssm" in (caught.value.hint or "")
    proxy.spoil("GetParametersByPath", refused(400, "InvalidKeyId"))
    with pytest.raises(AccessDeniedError, match="KMS key"):
        store.values("app")


@pytest.mark.parametrize(
    ("code", "error", "said"),
    [
        ("ParameterMaxVersionLimitExceeded", VaultExecError, "100 versions"),
        ("ParameterLimitExceeded", VaultExecError, "no room"),
        ("HierarchyTypeMismatchException", ConfigError, "another type"),
        ("ValidationException", VaultExecError, "refused PutParameter: ValidationException"),
    ],
)
def test_refusals_of_a_write_never_repeat_the_value(
    store: CheckedStore, proxy: Proxy, code: str, error: type[VaultExecError], said: str
) -> None:
    proxy.spoil("PutParameter", refused(400, code, f"1 validation error: Value '{CANARY}' at 'value'"))
    with pytest.raises(error, match=said) as caught:
        store.write("app", "key", CANARY)
    assert "app/key" in str(caught.value)
    assert CANARY not in f"{caught.value} {caught.value.hint}"
    assert proxy.counts["PutParameter"] == 1


def test_a_value_that_needs_the_advanced_tier(store: CheckedStore, proxy: Proxy) -> None:
    proxy.spoil("PutParameter", refused(400, "ValidationException"))
    with pytest.raises(InvalidValueError, match="4,097 bytes; over 4,096 bytes: needs the advanced tier"):
        store.write("app", "key", "x" * 4097)
    store.write("app", "key", "x" * 4097)


def test_a_label_that_the_service_does_not_take(store: CheckedStore, proxy: Proxy) -> None:
    store.write("app", "key", "value")
    proxy.spoil("LabelParameterVersion", answers(b'{"InvalidLabels": ["prod"], "ParameterVersion": 1}'))
    with pytest.raises(InvalidNameError, match="prod"):
        store.label("app", "key", "prod")
    proxy.spoil("LabelParameterVersion", refused(400, "ParameterVersionLabelLimitExceeded"), nth=2)
    with pytest.raises(VaultExecError, match="10 labels"):
        store.label("app", "key", "prod")


# -- pages --------------------------------------------------------------------------------------------------


@pytest.fixture
def fifteen(store: CheckedStore, proxy: Proxy) -> dict[str, str]:
    values = {f"key-{number:02}": f"value {number}" for number in range(15)}
    store.write_many("app", values)
    proxy.reset()
    return values


def test_an_empty_page_is_not_the_end(store: CheckedStore, proxy: Proxy, fifteen: dict[str, str]) -> None:
    empty = answers(b'{"Parameters": [], "NextToken": "0"}')
    for operation in ("GetParametersByPath", "DescribeParameters"):
        proxy.spoil(operation, empty)
    assert store.values("app") == fifteen
    assert [secret.id.key for secret in store.list("app")] == list(fifteen)
    proxy.spoil("DescribeParameters", empty, nth=4)
    assert store.services() == ["app"]


def test_a_page_that_comes_back_is_an_error(
    store: CheckedStore, proxy: Proxy, fifteen: dict[str, str]
) -> None:
    def again(members: dict[str, Any]) -> None:
        members["NextToken"] = "10"

    for operation, read in (
        ("GetParametersByPath", lambda: store.values("app")),
        ("DescribeParameters", lambda: store.list("app")),
        ("GetParameterHistory", lambda: store.history("app", "key-01")),
    ):
        proxy.spoil(operation, edited(again), times=ALWAYS)
        with pytest.raises(UnreachableError, match="does not go on") as caught:
            read()
        assert not isinstance(caught.value, NotFoundError)
        assert proxy.counts[operation] == 2


@pytest.mark.parametrize("instead", [None, ["x"]])
@pytest.mark.parametrize("member", ["Value", "Version", "Name"])
def test_a_parameter_without_its_members_is_an_error(
    store: CheckedStore, proxy: Proxy, fifteen: dict[str, str], member: str, instead: object
) -> None:
    change = edited(lambda members: members["Parameters"][3].update({member: instead}))
    proxy.spoil("GetParametersByPath", change)
    with pytest.raises(MalformedAnswerError, match=f"without {member}"):
        store.values("app")


def test_a_lookup_that_leaves_a_name_out_is_an_error(store: CheckedStore, proxy: Proxy) -> None:
    proxy.spoil("GetParameters", answers(b'{"Parameters": [], "InvalidParameters": []}'))
    with pytest.raises(MalformedAnswerError):
        store.write("app", "key", "value")
    assert "PutParameter" not in proxy.counts


def test_a_deletion_that_the_service_does_not_speak_of_is_an_error(
    store: CheckedStore, proxy: Proxy, fifteen: dict[str, str]
) -> None:
    proxy.spoil("DeleteParameters", answers(b'{"DeletedParameters": [], "InvalidParameters": []}'))
    with pytest.raises(MalformedAnswerError, match="app/key-01"):
        store.delete_many("app", ["key-01"])


# -- time ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("fault", [delayed(30), trickling(0.3)], ids=["hangs", "trickles"])
def test_the_time_given_is_kept(open_ssm: Open, proxy: Proxy, fault: Fault) -> None:
    store = open_ssm(timeout=1.0)
    store.write("app", "key", "value")
    proxy.spoil("GetParametersByPath", fault, times=ALWAYS)
    began = time.monotonic()
    with pytest.raises(StoreTimeoutError, match="within 1 s"):
        store.values("app")
    assert 0.9 < time.monotonic() - began < 3


def test_the_time_given_is_kept_by_a_write(open_ssm: Open, proxy: Proxy) -> None:
    store = open_ssm(timeout=1.0)
    proxy.spoil("PutParameter", delayed(30))
    began = time.monotonic()
    with pytest.raises(UnreachableError, match="may or may not"):
        store.write("app", "key", "value")
    assert time.monotonic() - began < 3


def test_throttling_until_the_time_is_over(open_ssm: Open, proxy: Proxy) -> None:
    store = open_ssm(timeout=0.5, retries=100)
    proxy.spoil("GetParametersByPath", throttled, times=ALWAYS)
    with pytest.raises(ThrottledError, match="ThrottlingException"):
        store.values("app")


def test_a_history_of_a_service_may_take_long_while_it_goes_on(open_ssm: Open, proxy: Proxy) -> None:
    store = open_ssm(timeout=0.5)
    store.write_many("app", {f"key-{number:02}": "value" for number in range(24)})
    proxy.spoil("GetParameterHistory", delayed(0.25), times=ALWAYS)
    began = time.monotonic()
    assert len(store.history("app")) == 24
    assert time.monotonic() - began > 0.7


def test_services_may_take_long_while_their_pages_come(open_ssm: Open, proxy: Proxy) -> None:
    store = open_ssm(timeout=0.5)
    store.write_many("app", {f"key-{number:02}": "value" for number in range(35)})
    proxy.spoil("DescribeParameters", delayed(0.25), times=ALWAYS)
    assert store.services() == ["app"]
    with pytest.raises(StoreTimeoutError):
        store.list("app")


# -- many writes --------------------------------------------------------------------------------------------


def test_after_a_failure_no_further_write_is_begun(open_ssm: Open, proxy: Proxy) -> None:
    store = open_ssm()
    wanted = {f"key-{number:02}": "value" for number in range(40)}
    proxy.spoil("PutParameter", denied, nth=5)
    told: list[str] = []
    with pytest.raises(AccessDeniedError):
        store.write_many("app", wanted, written=told.append)
    assert proxy.counts["PutParameter"] <= 5 + 7
    assert sorted(told) == sorted(store.values("app"))


def bucket(each_second: float, burst: int) -> Fault:
    """A quota as the service keeps it: what comes faster is throttled."""
    state = {"tokens": float(burst), "at": time.monotonic()}

    def fault(exchange: Exchange) -> None:
        now = time.monotonic()
        state["tokens"] = min(burst, state["tokens"] + (now - state["at"]) * each_second)
        state["at"] = now
        if state["tokens"] < 1:
            throttled(exchange)
            return
        state["tokens"] -= 1
        exchange.pass_on()

    return fault


def test_an_import_slows_down_to_the_quota(open_ssm: Open, proxy: Proxy) -> None:
    store = open_ssm(retries=6)
    wanted = {f"key-{number:02}": "value" for number in range(24)}
    proxy.spoil("PutParameter", bucket(20, burst=4), times=ALWAYS)
    store.write_many("app", wanted)
    assert store.values("app") == wanted
    assert proxy.counts["PutParameter"] < 3 * len(wanted)


# -- what is told -------------------------------------------------------------------------------------------


def test_the_trace_has_operation_duration_and_attempt_and_no_value(
    store: CheckedStore, proxy: Proxy, told: Told
) -> None:
    proxy.spoil("PutParameter", throttled)
    store.write("app", "key", CANARY)
    assert store.values("app") == {"key": CANARY}
    names = [line.split(" ")[0] for line in told.traces]
    assert names == [
        "ssm:GetParameters",
        "ssm:PutParameter",
        "ssm:PutParameter",
        "ssm:GetParametersByPath",
    ]
    assert "attempt 1: Refused: ThrottlingException" in told.traces[1]
    assert "attempt 2: ok" in told.traces[2]
    assert " ms" in told.traces[2]
    assert not any(CANARY in line for line in told.traces)


# -- as a program -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "code"),
    [(["exec", "app", "--", "true"], 125), (["list", "app"], 6), (["write", "app", "k", "v"], 6)],
)
def test_the_program_ends_when_the_time_is_over(
    home: Home, proxy: Proxy, aws: dict[str, str], arguments: list[str], code: int
) -> None:
    for operation in ("GetParametersByPath", "DescribeParameters", "GetParameters"):
        proxy.spoil(operation, delayed(30), times=ALWAYS)
    home.set(**aws)
    began = time.monotonic()
    done = home.run("--timeout", "2", *arguments, program="chamber")
    assert 2 < time.monotonic() - began < 6
    assert done.code == code
    assert "did not answer within 2 s" in done.err
    assert "--timeout" in done.err
    assert "Traceback" not in done.err
