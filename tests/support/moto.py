"""moto's server over HTTP on loopback: the AWS of these tests."""

from __future__ import annotations

import urllib.request

from moto.server import ThreadedMotoServer


class Moto:
    """One server, in a thread of the test process. `url` is its endpoint; `reset()` empties it."""

    def __init__(self) -> None:
        self._server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
        self._server.start()
        host, port = self._server.get_host_and_port()
        self.url = f"http://{host}:{port}"

    def reset(self) -> None:
        request = urllib.request.Request(f"{self.url}/moto-api/reset", method="POST")
        with urllib.request.urlopen(request) as answer:
            answer.read()

    def stop(self) -> None:
        self._server.stop()
