"""Parameter Store with canned answers and a quota, which many programs can ask at once: moto is too slow."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

_PAGE = 10  # GetParametersByPath's


class Quota:
    """What a service allows: so many calls a second, and a second's at once. Threads share it."""

    def __init__(self, calls_a_second: float) -> None:
        self._rate = calls_a_second
        self._left = calls_a_second
        self._at = time.monotonic()
        self._lock = threading.Lock()

    def allows(self) -> bool:
        """Whether one more call may be made now."""
        with self._lock:
            now = time.monotonic()
            self._left = min(self._rate, self._left + (now - self._at) * self._rate)
            self._at = now
            if self._left < 1:
                return False
            self._left -= 1
            return True


class QuotaServer:
    """Answers GetParametersByPath with these values, page by page, and throttles what comes too fast.

    url: its endpoint. served, throttled: calls so far. In a `with` statement.
    """

    def __init__(self, values: Mapping[str, str], calls_a_second: float) -> None:
        self._values = list(values.items())
        self._quota = Quota(calls_a_second)
        self._lock = threading.Lock()
        self.served = 0
        self.throttled = 0
        ours = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            wbufsize = -1  # an answer in one packet

            def do_POST(self) -> None:
                asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                status, document = ours._answer(asked)
                body = json.dumps(document).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/x-amz-json-1.1")
                self.send_header("x-amzn-RequestId", "0")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *arguments: object) -> None:
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 256

        self._server = Server(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> QuotaServer:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def _answer(self, asked: Mapping[str, str]) -> tuple[int, dict[str, object]]:
        allowed = self._quota.allows()
        with self._lock:
            self.served += allowed
            self.throttled += not allowed
        if not allowed:
            return 400, {"__type": "ThrottlingException", "message": "Rate exceeded"}
        start = int(asked.get("NextToken", 0))
        page = self._values[start : start + _PAGE]
        parameters = [
            {"Name": asked["Path"] + key, "Type": "SecureString", "Value": value, "Version": 1}
            for key, value in page
        ]
        more = {"NextToken": str(start + _PAGE)} if start + _PAGE < len(self._values) else {}
        return 200, {"Parameters": parameters, **more}
