"""A small HTTP proxy in front of moto: counts the calls of AWS operations, and spoils chosen ones.

    proxy.spoil("PutParameter", lost)                    # its first call
    proxy.spoil("PutParameter", throttled, nth=2, times=3)
    proxy.spoil("GetParameters", delayed(5), times=ALWAYS)
    proxy.spoil("PutObject app/key.json", refused(412, "PreconditionFailed"))
    proxy.spoil("DeleteObject", before(lambda: other_store.write("app", "key", "value")))

An operation is what the request names (`X-Amz-Target`, or `Action` of a query), or for S3 what its method and
path mean. A fault is a function that gets the `Exchange`.
"""

from __future__ import annotations

import http.client
import json
import select
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

Fault = Callable[["Exchange"], None]

ALWAYS = 10**9
S3_OPERATIONS = (
    "ListObjectsV2",
    "GetObject",
    "PutObject",
    "DeleteObject",
    "GetObjectTagging",
    "PutObjectTagging",
    "DeleteObjectTagging",
)
REQUEST_ID = "00000000-0000-0000-0000-000000000000"


class Call:
    """A request as the proxy saw it.

    members: its body, where the service takes JSON. object: the name of the object, where it is one on S3.
    """

    def __init__(self, operation: str, method: str, path: str, body: bytes) -> None:
        self.operation = operation
        self.method = method
        self.path = path
        self.at = time.monotonic()
        self.object = ""
        self.members: dict[str, Any] = {}
        if operation in S3_OPERATIONS:
            self.object = unquote(urlsplit(path).path).lstrip("/").partition("/")[2]
        elif body.startswith(b"{"):
            self.members = json.loads(body)

    def is_called(self, name: str) -> bool:
        """Whether the name is that of the operation, or of the operation on this object."""
        return name in (self.operation, f"{self.operation} {self.object}")


class Exchange:
    """One request, and what may be done with it."""

    def __init__(self, handler: BaseHTTPRequestHandler, call: Call, body: bytes, upstream: str) -> None:
        self.call = call
        self._handler = handler
        self._body = body
        self._upstream = upstream

    def forward(self) -> tuple[int, dict[str, str], bytes]:
        """The real answer, not yet sent on."""
        connection = http.client.HTTPConnection(self._upstream, timeout=60)
        try:
            connection.request(self.call.method, self._handler.path, self._body, dict(self._handler.headers))
            answer = connection.getresponse()
            return answer.status, dict(answer.getheaders()), answer.read()
        finally:
            connection.close()

    def send(self, status: int, headers: dict[str, str], body: bytes, *, cut_at: int | None = None) -> None:
        """Answer; with `cut_at` only so many bytes of the body that the headers promise."""
        handler = self._handler
        handler.send_response(status)
        for name, value in headers.items():
            if name.lower() not in ("content-length", "connection", "server", "date", "transfer-encoding"):
                handler.send_header(name, value)
        handler.send_header("Content-Length", str(len(body)))
        handler.send_header("Connection", "close")
        handler.end_headers()
        handler.wfile.write(body if cut_at is None else body[:cut_at])

    def pass_on(self) -> None:
        """As if the proxy were not there."""
        self.send(*self.forward())

    @property
    def is_abandoned(self) -> bool:
        """Whether the client has gone away in the meantime."""
        connection = self._handler.connection
        readable, _, _ = select.select([connection], [], [], 0)
        return bool(readable) and not connection.recv(1, socket.MSG_PEEK)

    def cut(self) -> None:
        """Close the connection without a word."""
        self._handler.connection.shutdown(socket.SHUT_RDWR)


# -- faults -------------------------------------------------------------------------------------------------


def refused(status: int, code: str, message: str = "as the test wants it") -> Fault:
    """An error of the service, in all of AWS's spellings of one."""

    def fault(exchange: Exchange) -> None:
        body = f"<Error><Code>{code}</Code><Message>{message}</Message></Error>".encode()
        if exchange.call.members:
            body = json.dumps({"__type": code, "message": message}).encode()
        elif exchange.call.operation not in S3_OPERATIONS:
            body = b"<ErrorResponse>" + body + b"</ErrorResponse>"
        exchange.send(status, {"x-amzn-RequestId": REQUEST_ID}, body)

    return fault


def answers(body: bytes, status: int = 200, content_type: str = "application/x-amz-json-1.1") -> Fault:
    """This, whatever was asked, which is not done."""

    def fault(exchange: Exchange) -> None:
        exchange.send(status, {"Content-Type": content_type, "x-amzn-RequestId": REQUEST_ID}, body)

    return fault


def web_page(exchange: Exchange) -> None:
    """What a captive portal says instead of the service: nothing of AWS is in it."""
    exchange.send(200, {"Content-Type": "text/html"}, b"<!doctype html><title>Please log in</title>")


def reset(exchange: Exchange) -> None:
    """The connection breaks before the service gets the request."""
    exchange.cut()


def lost(exchange: Exchange) -> None:
    """The service does it, and the connection breaks before it can say so."""
    exchange.forward()
    exchange.cut()


def cut_off(at: int) -> Fault:
    """The service does it, and the answer ends after so many bytes."""

    def fault(exchange: Exchange) -> None:
        exchange.send(*exchange.forward(), cut_at=at)

    return fault


def done_but(status: int, body: bytes) -> Fault:
    """The service does it, and something in between answers for it."""

    def fault(exchange: Exchange) -> None:
        exchange.forward()
        exchange.send(status, {"x-amzn-RequestId": REQUEST_ID}, body)

    return fault


def delayed(seconds: float) -> Fault:
    """The service does it, and answers, so much later; not at all where the client has gone by then, or it
    would be done in the middle of another test."""

    def fault(exchange: Exchange) -> None:
        time.sleep(seconds)
        if not exchange.is_abandoned:
            exchange.pass_on()

    return fault


def trickling(seconds: float) -> Fault:
    """The answer comes byte by byte, each so much later, so that no read ever waits long."""

    def fault(exchange: Exchange) -> None:
        status, headers, body = exchange.forward()
        exchange.send(status, headers, body, cut_at=0)
        for position in range(len(body)):
            time.sleep(seconds)
            exchange._handler.wfile.write(body[position : position + 1])

    return fault


def before(action: Callable[[], object]) -> Fault:
    """Something happens after the call was sent and before the service gets it."""

    def fault(exchange: Exchange) -> None:
        action()
        exchange.pass_on()

    return fault


def after(action: Callable[[], object]) -> Fault:
    """Something happens after the service has done it and before it says so."""

    def fault(exchange: Exchange) -> None:
        answer = exchange.forward()
        action()
        exchange.send(*answer)

    return fault


def edited(edit: Callable[[dict[str, Any]], None]) -> Fault:
    """The answer's members, changed."""

    def fault(exchange: Exchange) -> None:
        status, headers, body = exchange.forward()
        members = json.loads(body)
        edit(members)
        exchange.send(status, headers, json.dumps(members).encode())

    return fault


throttled = refused(400, "ThrottlingException")
too_many_updates = refused(400, "TooManyUpdates")
failed = refused(500, "InternalServerError")
unavailable = refused(503, "ServiceUnavailable")
denied = refused(400, "AccessDeniedException", "User: arn:aws:sts::1:assumed-role/me is not authorized")


# -- the proxy ----------------------------------------------------------------------------------------------


class Proxy:
    """Listens on loopback at `url`. `calls` has what came since the last `reset`."""

    def __init__(self, upstream: str) -> None:
        self._lock = threading.Lock()
        self._faults: list[tuple[str, range, Fault]] = []
        self._choose: Callable[[Call], Fault | None] = _none
        self.calls: list[Call] = []
        proxy = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"  # botocore waits a second for "100 Continue" before each body

            def do_POST(self) -> None:
                proxy._serve(self, urlsplit(upstream).netloc)

            do_GET = do_PUT = do_DELETE = do_HEAD = do_POST

            def log_message(self, format: str, *arguments: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._server.handle_error = lambda *_: None  # type: ignore[method-assign] - clients that went away
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def reset(self) -> None:
        """Forget calls and faults."""
        with self._lock:
            self.calls = []
            self._faults = []
            self._choose = _none

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def spoil(self, operation: str, fault: Fault, *, nth: int = 1, times: int = 1) -> None:
        """Apply the fault to calls `nth` to `nth + times - 1` of the operation since the last reset."""
        with self._lock:
            self._faults.append((operation, range(nth, nth + times), fault))

    def spoil_by(self, choose: Callable[[Call], Fault | None]) -> None:
        """Let this function say the fault of each call, one call at a time, until the next reset."""
        with self._lock:
            self._choose = choose

    @property
    def counts(self) -> Counter[str]:
        """How often each operation was called."""
        return Counter(call.operation for call in self.calls)

    def _number(self, call: Call, name: str) -> int:
        """Which of the calls of this name it is; 0 where it is none."""
        return sum(other.is_called(name) for other in self.calls) if call.is_called(name) else 0

    def _serve(self, handler: BaseHTTPRequestHandler, upstream: str) -> None:
        body = handler.rfile.read(int(handler.headers.get("Content-Length") or 0))
        call = Call(_operation(handler, body), handler.command, handler.path, body)
        with self._lock:
            self.calls.append(call)
            spoiled = (f for name, at, f in self._faults if self._number(call, name) in at)
            fault = next(spoiled, None) or self._choose(call)
        exchange = Exchange(handler, call, body, upstream)
        if fault is None:
            exchange.pass_on()
        else:
            fault(exchange)


def _none(call: Call) -> None:
    """Spoil nothing."""


def _operation(handler: BaseHTTPRequestHandler, body: bytes) -> str:
    target = handler.headers.get("X-Amz-Target")
    if target:
        return target.rpartition(".")[2]
    if (handler.headers.get("Content-Type") or "").startswith("application/x-www-form-urlencoded"):
        return parse_qs(body.decode())["Action"][0]
    path, query = urlsplit(handler.path).path, parse_qs(urlsplit(handler.path).query, keep_blank_values=True)
    if not path.strip("/").partition("/")[2]:
        return S3_OPERATIONS[0] if handler.command == "GET" else f"{handler.command}Bucket"
    return f"{handler.command.title()}Object{'Tagging' if 'tagging' in query else ''}"
