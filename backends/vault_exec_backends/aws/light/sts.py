"""The two calls of STS that are made: who we are, and a web identity's keys. AWS's query protocol:
https://docs.aws.amazon.com/STS/latest/APIReference/CommonParameters.html
"""

from __future__ import annotations

from vault_exec_backends.aws.errors import Lost
from vault_exec_backends.aws.light import Unusual, url, xml
from vault_exec_backends.aws.light.message import Request, refused, succeeded

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from vault_exec_backends.aws.light.http import Answer

_ANSWERS = {
    "AssumeRoleWithWebIdentity": ("Credentials",),
    "GetCallerIdentity": (),
}
_VERSION = "2011-06-15"


def request(plan: object, operation: str, members: Mapping[str, str]) -> Request:
    """Raises Unusual for any other call. The plan makes no difference."""
    if operation not in _ANSWERS:
        raise Unusual(f"the operation {operation}")
    pairs = [("Action", operation), ("Version", _VERSION), *members.items()]
    headers = {"content-type": "application/x-www-form-urlencoded; charset=utf-8"}
    return Request("POST", "/", "", headers, url.query(pairs).encode())


def members(operation: str, answer: Answer) -> dict[str, Any]:
    """The members of the answer that are texts; of AssumeRoleWithWebIdentity its Credentials.

    Raises Refused and Lost.
    """
    if not succeeded(answer):
        try:
            root = xml.parsed(answer.body)
        except Lost:
            root = xml.Element("")
        error = root if root.name == "Error" else root.find("Error") or root
        raise refused(answer, error.value("Code") or "", error.value("Message") or "")
    found = xml.parsed(answer.body).find(f"{operation}Result", *_ANSWERS[operation])
    if found is None:
        raise Lost(f"an answer without {operation}Result", malformed=True)
    return {child.name: child.text for child in found.children}
