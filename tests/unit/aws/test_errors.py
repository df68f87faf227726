"""What a user is told of a failed call: by its code, with what to do next, and never with a value."""

from __future__ import annotations

from typing import Any

import pytest

from vault_exec.errors import (
    AccessDeniedError,
    ConfigError,
    ConflictError,
    MalformedAnswerError,
    NoCredentialsError,
    ThrottledError,
    UnreachableError,
    VaultExecError,
)
from vault_exec_backends.aws.errors import THROTTLED, Call, Lost, NotSent, Refused, translated

CANARY = "canary-a1b2"


def call(**members: Any) -> Call:
    return Call("ssm", "GetParameters", members, "app/key", "parameter/app/key")


@pytest.mark.parametrize(
    ("failure", "error"),
    [
        (NotSent("cannot connect to http://x"), UnreachableError),
        (Lost("none within 10 s"), UnreachableError),
        (Lost("an answer without Parameters", malformed=True), MalformedAnswerError),
        *((Refused(code, 400), ThrottledError) for code in sorted(THROTTLED)),
        (Refused("Whatever", 429), ThrottledError),
        (Refused("Whatever", 500), UnreachableError),
        (Refused("InternalServerError", 400), UnreachableError),
        (Refused("AccessDeniedException", 400), AccessDeniedError),
        (Refused("AccessDenied", 403), AccessDeniedError),
        (Refused("ExpiredTokenException", 400), NoCredentialsError),
        (Refused("UnrecognizedClientException", 400), NoCredentialsError),
        (Refused("SignatureDoesNotMatch", 403), NoCredentialsError),
        (Refused("ParameterAlreadyExists", 400), ConflictError),
        (Refused("InvalidNextToken", 400), UnreachableError),
        (Refused("ValidationException", 400), VaultExecError),
    ],
    ids=repr,
)
def test_each_failure_is_the_error_of_its_kind(failure: Any, error: type[VaultExecError]) -> None:
    found = translated(failure, call(), attempts=1)
    assert type(found) is error
    assert "app/key" in str(found)


def test_a_denial_names_the_permission_and_who_lacks_it() -> None:
    found = translated(
        Refused("AccessDeniedException", 400, "User: me is not authorized"), call(), attempts=1
    )
    assert "ssm:GetParameters on parameter/app/key" in str(found)
    assert "User: me is not authorized" in str(found)
    assert "ssm:GetParameters" in (found.hint or "")


@pytest.mark.parametrize("member", ["Value", "SecretString", "Body"])
@pytest.mark.parametrize("code", ["ValidationException", "AccessDenied", "InvalidKeyId", "InternalFailure"])
def test_words_that_repeat_a_secret_are_not_shown(member: str, code: str) -> None:
    refused = Refused(code, 400, f"Value '{CANARY}' is bad")
    found = translated(refused, call(**{member: CANARY}), attempts=1)
    assert CANARY not in f"{found} {found.hint}"


def test_what_is_no_answer_says_where_to_look() -> None:
    lost = translated(Lost("none within 10 s"), call(), attempts=1)
    assert "network" in (lost.hint or "")
    foreign = translated(Lost("an answer that is not from AWS", malformed=True), call(), attempts=1)
    assert "HTTPS_PROXY" in (foreign.hint or "")


def test_words_about_a_read_are_shown_on_one_line() -> None:
    found = translated(Refused("ValidationException", 400, "first\nsecond\x1b[31m"), call(), attempts=1)
    assert "first second [31m" in str(found)


def test_a_kms_key_on_writing_is_a_setting_and_on_reading_a_refusal() -> None:
    assert type(translated(Refused("InvalidKeyId", 400), call(Value="x"), attempts=1)) is ConfigError
    assert type(translated(Refused("InvalidKeyId", 400), call(), attempts=1)) is AccessDeniedError


def test_the_request_is_named_where_aws_must_be_asked() -> None:
    found = translated(Refused("InternalServerError", 500, "", "id-1"), call(), attempts=3)
    assert "500 InternalServerError, 3 attempts, request id-1" in str(found)
