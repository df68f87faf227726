"""AWS JSON 1.1, as Parameter Store and Secrets Manager speak it:
https://smithy.io/2.0/aws/protocols/aws-json-1_1-protocol.html
"""

from __future__ import annotations

from vault_exec_backends.aws.errors import Lost
from vault_exec_backends.aws.light import Unusual
from vault_exec_backends.aws.light.message import Request, refused, succeeded
from vault_exec_backends.aws.light.quick import datetime, loads, quoted, timezone

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from vault_exec_backends.aws.errors import Refused
    from vault_exec_backends.aws.light.http import Answer
    from vault_exec_backends.aws.light.plan import Plan

_TARGETS = {"secretsmanager": "secretsmanager", "ssm": "AmazonSSM"}
_BINARY = "SecretBinary"  # the only member that is base64, in either direction

#: What the members are that the stores read, by their names, which mean the same in both services; times have
#: names that end in `Date`. That a text is a text is the stores' to check, as behind botocore; but a token of
#: another type could read as the end of the pages.
_STRUCTURES = frozenset(["Parameter", "VersionIdsToStages"])
_LISTS_OF_STRUCTURES = frozenset(["Parameters", "SecretList", "TagList", "Tags", "Versions"])
_LISTS = frozenset(["DeletedParameters", "InvalidLabels", "InvalidParameters", "Labels", "VersionStages"])
_TEXTS = frozenset(["NextToken"])


def request(plan: Plan, operation: str, members: Mapping[str, Any]) -> Request:
    """Raises Unusual for a value that has no plain form, among them what the service would not take."""
    headers = {
        "content-type": "application/x-amz-json-1.1",
        "x-amz-target": f"{_TARGETS[plan.service]}.{operation}",
    }
    return Request("POST", "/", "", headers, _dumped(members).encode())


def members(operation: str, answer: Answer) -> dict[str, Any]:
    """The members of an answer, its times as aware datetimes. Raises Refused and Lost."""
    if not succeeded(answer):
        raise _refused(answer)
    try:
        found = loads(answer.body.decode())
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise Lost("an answer that cannot be read (not a JSON object)", malformed=True) from None
    return _structure(found)


def _dumped(value: Any) -> str:
    if isinstance(value, str):
        return quoted(value)
    if value is True or value is False:
        return "true" if value else "false"
    if type(value) is int:
        return str(value)
    if isinstance(value, dict):
        for name in value:
            if not isinstance(name, str) or name == _BINARY:
                raise Unusual(f"a member {name!r}")
        return "{" + ", ".join(f"{quoted(name)}: {_dumped(value[name])}" for name in value) + "}"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join([_dumped(item) for item in value]) + "]"
    raise Unusual(f"a value of the type {type(value).__name__}")


def _structure(found: Mapping[str, Any]) -> dict[str, Any]:
    return {name: _parsed(name, value) for name, value in found.items() if value is not None}


def _parsed(name: str, value: Any) -> Any:
    """The member's value as botocore gives it. Raises Lost for one of another type than it should have."""
    if name in _STRUCTURES:
        return _structure(_checked(name, value, dict))
    if name in _LISTS_OF_STRUCTURES:
        return [_structure(_checked(name, item, dict)) for item in _checked(name, value, list)]
    if name in _LISTS:
        return _checked(name, value, list)
    if name in _TEXTS:
        return _checked(name, value, str)
    if name.endswith("Date"):
        return _time(name, value)
    if name == _BINARY:
        from binascii import Error, a2b_base64

        try:
            return a2b_base64(_checked(name, value, str))
        except Error:
            raise _malformed(name) from None
    return value


def _checked(name: str, value: Any, kind: type) -> Any:
    if type(value) is not kind:
        raise _malformed(name)
    return value


def _time(name: str, seconds: Any) -> datetime:
    try:
        return datetime.fromtimestamp(seconds, timezone.utc)
    except (TypeError, ValueError, OverflowError, OSError):
        raise _malformed(name) from None


def _malformed(name: str) -> Lost:
    return Lost(f"an answer that cannot be read (its {name})", malformed=True)


def _refused(answer: Answer) -> Refused:
    try:
        found = loads(answer.body.decode())
    except (ValueError, RecursionError):
        found = None
    found = found if isinstance(found, dict) else {}
    code = found.get("__type")
    code = code.partition(":")[0].rpartition("#")[2] if isinstance(code, str) else ""
    return refused(answer, code, str(found.get("message") or found.get("Message") or ""))
