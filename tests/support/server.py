"""A server on loopback that answers with bytes as the test writes them, over TCP or TLS.

    with Server(answer(b"{}")) as server: …    # server.url; server.requests as they came, server.connections

Each connection gets the script's next entry for each request; a callable gets the request and returns bytes.
The connection ends after an entry with `closes`, and when the client ends it.
"""

from __future__ import annotations

import socket
import ssl
import threading
import time
from collections.abc import Callable

Bytes = bytes | Callable[["Request"], bytes]


class Request:
    """A request as it came. headers: by lower-case name."""

    def __init__(self, head: bytes, body: bytes) -> None:
        first, *lines = head.decode("latin-1").split("\r\n")
        self.method, self.target, _ = first.split(" ")
        self.headers = {line.partition(":")[0].lower(): line.partition(":")[2].strip() for line in lines}
        self.body = body


class Step:
    """An answer: sent in pieces of `piece` bytes, `pause` seconds apart, and then perhaps the end."""

    def __init__(self, data: Bytes, *, closes: bool = False, piece: int = 10**9, pause: float = 0.0) -> None:
        self.data = data
        self.closes = closes
        self.piece = piece
        self.pause = pause


def answer(body: bytes, status: int = 200, **headers: str) -> Step:
    """An answer as AWS gives one. headers: `_` for `-`."""
    lines = {"x-amzn-RequestId": "id", "Content-Length": str(len(body)), **headers}
    text = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in lines.items())
    return Step(f"HTTP/1.1 {status} Said\r\n{text}\r\n".encode() + body)


class Server:
    """Answers by the script, its last entry again and again."""

    def __init__(self, *script: Step, tls: ssl.SSLContext | None = None, host: str = "127.0.0.1") -> None:
        self._script = list(script)
        self._tls = tls
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._listening = socket.create_server((host, 0), family=family)
        self.port = self._listening.getsockname()[1]
        shown = f"[{host}]" if ":" in host else host
        self.url = f"{'https' if tls else 'http'}://{shown}:{self.port}"
        self.requests: list[Request] = []
        self.connections = 0
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._accept, daemon=True)

    def answers(self, *script: Step) -> None:
        """Answer by this from now on, and forget the requests so far."""
        with self._lock:
            self._script = list(script)
            self.requests = []

    def __enter__(self) -> Server:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        self._thread.join(5)

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listening.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        try:
            if self._tls:
                connection = self._tls.wrap_socket(connection, server_side=True)
            with connection:
                while (request := _read(connection)) is not None:
                    with self._lock:
                        self.requests.append(request)
                        step = self._script.pop(0) if len(self._script) > 1 else self._script[0]
                    _send(connection, step, request)
                    if step.closes:
                        return
        except OSError:
            connection.close()


def _read(connection: socket.socket) -> Request | None:
    data = b""
    while b"\r\n\r\n" not in data:
        part = connection.recv(65536)
        if not part:
            return None
        data += part
    head, _, body = data.partition(b"\r\n\r\n")
    request = Request(head, b"")
    if request.headers.get("expect") == "100-continue":
        connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
    while len(body) < int(request.headers.get("content-length", "0")):
        body += connection.recv(65536)
    request.body = body
    return request


def _send(connection: socket.socket, step: Step, request: Request) -> None:
    data = step.data(request) if callable(step.data) else step.data
    for start in range(0, len(data), step.piece):
        connection.sendall(data[start : start + step.piece])
        time.sleep(step.pause)
