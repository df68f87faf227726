"""What a protocol makes of a call, and what all protocols see in an answer alike."""

from __future__ import annotations

from vault_exec_backends.aws.errors import Lost, Refused

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from vault_exec_backends.aws.light.http import Answer


class Request:
    """path, query: percent-encoded. headers: by lower-case name, without host."""

    __slots__ = ("body", "headers", "method", "path", "query")

    def __init__(
        self, method: str, path: str, query: str, headers: Mapping[str, str], body: bytes = b""
    ) -> None:
        self.method = method
        self.path = path
        self.query = query
        self.headers = headers
        self.body = body


def request_id(answer: Answer) -> str:
    """The id under which AWS knows the call; "" in an answer that is not from AWS."""
    return answer.headers.get("x-amzn-requestid") or answer.headers.get("x-amz-request-id") or ""


def succeeded(answer: Answer) -> bool:
    """Whether the service did it. Raises Lost for an answer of something else, such as a proxy's refusal."""
    if not request_id(answer):
        raise Lost(f"an answer that is not from AWS (status {answer.status})", malformed=True)
    return answer.status < 300


def refused(answer: Answer, code: str, message: str) -> Refused:
    """The service's error; the status stands for a code that is not there."""
    return Refused(code or str(answer.status), answer.status, message, request_id(answer))
