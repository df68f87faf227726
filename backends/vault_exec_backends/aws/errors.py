"""How a call can fail, and what a person is told then. Decided by the service's code, never by its words.

`Refused`, `NotSent` and `Lost` are what a carrier raises, whatever carries the calls; they do not leave this
package: `client` retries what a retry can mend and raises `translated(…)` for the rest.
"""

from __future__ import annotations

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

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

#: botocore's list (retries/standard.py), and SSM's `TooManyUpdates`, which means the same. Secrets Manager's
#: LimitExceededException is not in it: that is a quota, which waiting does not lift.
THROTTLED = frozenset(
    [
        "BandwidthLimitExceeded",
        "PriorRequestNotComplete",
        "ProvisionedThroughputExceededException",
        "RequestLimitExceeded",
        "RequestThrottled",
        "RequestThrottledException",
        "SlowDown",
        "ThrottledException",
        "Throttling",
        "ThrottlingException",
        "TooManyRequestsException",
        "TooManyUpdates",
        "TransactionInProgressException",
    ]
)

#: Errors of a service that says it could not work, some of them with a status below 500.
_UNWELL = frozenset(
    [
        "InternalError",
        "InternalFailure",
        "InternalServerError",
        "InternalServiceError",
        "RequestTimeout",
        "RequestTimeoutException",
        "ServiceUnavailable",
    ]
)

_DENIED = frozenset(["403", "AccessDenied", "AccessDeniedException", "UnauthorizedOperation"])

_CREDENTIALS = {
    "ExpiredToken": "have expired",
    "ExpiredTokenException": "have expired",
    "RequestExpired": "have expired, or this machine's clock is wrong",
    "InvalidAccessKeyId": "are not known to AWS",
    "InvalidClientTokenId": "are not known to AWS",
    "UnrecognizedClientException": "are not known to AWS",
    "InvalidSignatureException": "do not sign correctly: the secret key or this machine's clock is wrong",
    "SignatureDoesNotMatch": "do not sign correctly: the secret key or this machine's clock is wrong",
    "RequestTimeTooSkewed": "are refused because this machine's clock is wrong",
    "IncompleteSignature": "do not sign correctly",
    "MissingAuthenticationToken": "are missing",
    "MissingAuthenticationTokenException": "are missing",
    "OptInRequired": "belong to an account that does not have this service",
}

_KMS = frozenset(
    [
        "InvalidKeyId",
        "DecryptionFailure",
        "EncryptionFailure",
        "KMS.DisabledException",
        "KMS.InvalidStateException",
        "KMS.KMSInvalidStateException",
        "KMS.NotFoundException",
    ]
)

#: Members that hold a secret.
_SECRET_MEMBERS = ("Value", "SecretString", "Body")

#: Permissions that are not called as their operation.
_PERMISSIONS = {"ListObjectsV2": "ListBucket"}


class Refused(Exception):  # noqa: N818 - an answer, which only `translated` makes an error
    """The service answered with an error. `message` may repeat what was sent."""

    def __init__(self, code: str, status: int, message: str = "", request_id: str = "") -> None:
        super().__init__(code)
        self.code = code
        self.status = status
        self.message = message
        self.request_id = request_id

    @property
    def throttled(self) -> bool:
        return self.code in THROTTLED or self.status == 429

    @property
    def unwell(self) -> bool:
        return not self.throttled and (self.status >= 500 or self.code in _UNWELL)


class NotSent(Exception):  # noqa: N818
    """No connection: the service cannot have done anything. `str(error)` says why."""


class Lost(Exception):  # noqa: N818
    """Sent, and no usable answer: the service may or may not have done it. `str(error)` says why."""

    def __init__(self, reason: str, *, malformed: bool = False) -> None:
        super().__init__(reason)
        self.malformed = malformed


Failure = Refused | NotSent | Lost


class Call:
    """What messages say of a call.

    about: what the user asked for, such as `app/db_password`. resource: what a policy must allow, such as
    `parameter/app/*`.
    """

    __slots__ = ("about", "operation", "resource", "secret", "service")

    def __init__(
        self, service: str, operation: str, members: Mapping[str, Any], about: str, resource: str
    ) -> None:
        self.service = service
        self.operation = operation
        self.about = about
        self.resource = resource
        self.secret = next((members[name] for name in _SECRET_MEMBERS if name in members), None)

    @property
    def permission(self) -> str:
        """The permission that the call needs, as a policy spells it."""
        action = _PERMISSIONS.get(self.operation, self.operation)
        return f"{self.service}:{action}" + (f" on {self.resource}" if self.resource else "")


def may_be_done(failure: Failure) -> bool:
    """Whether the service may have done what was asked although it did not say so."""
    return isinstance(failure, Lost) or (isinstance(failure, Refused) and failure.unwell)


def worth_retrying(failure: Failure) -> bool:
    """Whether the same call may go well a little later."""
    return not isinstance(failure, Refused) or failure.throttled or failure.unwell


def translated(failure: Failure, call: Call, *, attempts: int) -> VaultExecError:
    """The error that tells a user of a failed call, once no retry is left."""
    tried = "" if attempts == 1 else f", {attempts} attempts"
    if isinstance(failure, NotSent):
        return UnreachableError(
            f"{call.about}: no connection to {call.service}: {failure}{tried}",
            hint="check the network, the region (AWS_REGION) and the endpoint (AWS_ENDPOINT_URL)",
        )
    if isinstance(failure, Lost):
        text = f"{call.about}: no answer from {call.service} to {call.operation}: {failure}{tried}"
        if failure.malformed:
            return MalformedAnswerError(
                text, hint="something else may answer for AWS: look at HTTPS_PROXY and AWS_ENDPOINT_URL"
            )
        return UnreachableError(text, hint="check the network, or allow more with --retries and --timeout")
    if failure.throttled:
        return ThrottledError(
            f"{call.about}: {call.service} refused {call.operation}: too many calls ({failure.code}{tried})",
            hint="try again later, or allow more with --retries and --timeout",
        )
    if failure.unwell:
        return UnreachableError(
            f"{call.about}: {call.service} failed at {call.operation} "
            f"({failure.status} {failure.code}{tried}{_request(failure)})",
            hint="try again; the AWS Health Dashboard tells of outages",
        )
    return _refusal(failure, call)


def unknown_outcome(call: Call) -> VaultExecError:
    """For a change whose answer was lost, where it cannot be found out whether it was made."""
    return UnreachableError(
        f"{call.about}: no answer from {call.service} to {call.operation}: it may or may not have been done",
        hint="look at what is there now before you repeat it",
    )


def _refusal(failure: Refused, call: Call) -> VaultExecError:
    if failure.code in _CREDENTIALS:
        return NoCredentialsError(
            f"{call.about}: the AWS credentials {_CREDENTIALS[failure.code]} ({failure.code})",
            hint="get new ones (such as aws sso login); 'aws sts get-caller-identity' shows who you are",
        )
    if failure.code in _DENIED:
        return AccessDeniedError(
            f"{call.about}: access denied: {call.permission}{_words(failure, call)}",
            hint=f"allow {call.permission}, and the use of the KMS key for values",
        )
    if failure.code in _KMS:
        return _kms(failure, call)
    if failure.code in ("ParameterAlreadyExists", "ResourceExistsException"):
        return ConflictError(f"{call.about} is there already")
    if failure.code in ("InvalidNextToken", "InvalidNextTokenException"):
        return UnreachableError(f"{call.about}: {call.service} lost track of its pages", hint="try again")
    return VaultExecError(
        f"{call.about}: {call.service} refused {call.operation}: "
        f"{failure.code}{_words(failure, call)}{_request(failure)}"
    )


def _kms(failure: Refused, call: Call) -> VaultExecError:
    if call.secret is None:  # reading: the key that the value was sealed with
        return AccessDeniedError(
            f"{call.about}: its KMS key cannot be used ({failure.code}): disabled, deleted, or not yours",
            hint="look at the key's state and policy; values under a deleted key are lost",
        )
    return ConfigError(
        f"{call.about}: the KMS key is not there or cannot be used ({failure.code})",
        hint=f"use AWS's own with --kms-key-alias alias/aws/{call.service}, or create the alias",
    )


def _words(failure: Refused, call: Call) -> str:
    """The service's own words, on one line, where they cannot repeat a secret: a refusal by policy names who
    may not do what, any other one repeats what it does not like."""
    if call.secret is not None and (failure.code not in _DENIED or str(call.secret) in failure.message):
        return ""
    if not failure.message:
        return ""
    text = "".join(c if c.isprintable() else " " for c in failure.message)
    return f" ({text[:400]})"


def _request(failure: Refused) -> str:
    return f", request {failure.request_id}" if failure.request_id else ""
