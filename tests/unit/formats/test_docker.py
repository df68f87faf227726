"""docker: a container has the values exactly, or the key is refused that a line of the file cannot hold."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from socketserver import ThreadingMixIn, UnixStreamServer
from tempfile import TemporaryDirectory
from threading import Thread
from typing import Any

import pytest
from hypothesis import given

from tests.support.formats import examples, few, many, tool, variables_for
from vault_exec.errors import FormatError
from vault_exec.formats import Options, dump


def fits(value: str) -> bool:
    return "\n" not in value and not value.endswith("\r")


def as_docker_reads(text: str) -> dict[str, str]:
    """The rules in the package documentation of docker/cli's pkg/kvfile, with Go's bufio.ScanLines."""
    found = {}
    for line in text.split("\n"):
        line = line.removesuffix("\r").lstrip()
        assert len(line.encode()) < 64 * 1024
        if line and not line.startswith("#"):
            name, equals, value = line.partition("=")
            assert equals
            assert not set(name) & set(" \t")
            found[name] = value
    return found


class Daemon(ThreadingMixIn, UnixStreamServer):
    """Enough of Docker's API for `docker create`: it keeps the environment that it is asked for."""

    daemon_threads = True

    def __init__(self, path: Path) -> None:
        super().__init__(str(path), _Handler)
        self.environment: list[str] = []
        Thread(target=self.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()


class _Handler(BaseHTTPRequestHandler):
    server: Daemon
    protocol_version = "HTTP/1.1"

    def do_HEAD(self) -> None:
        self._answer(b"")

    do_GET = do_HEAD

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.environment = json.loads(body)["Env"]
        self._answer(b'{"Id": "0123456789ab", "Warnings": []}', 201)

    def _answer(self, body: bytes, status: int = 200) -> None:
        self.send_response(status)
        self.send_header("Api-Version", "1.44")
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def address_string(self) -> str:
        return "unix"

    def log_message(self, *arguments: Any) -> None:
        """Not into the tests' output."""


@pytest.fixture(scope="module")
def daemon() -> Iterator[Daemon]:
    with TemporaryDirectory(dir="/tmp") as folder:  # the path of a socket must be short
        daemon = Daemon(Path(folder) / "socket")
        yield daemon
        daemon.shutdown()
        daemon.server_close()


def docker_create(daemon: Daemon, text: str, folder: Path) -> subprocess.CompletedProcess[bytes]:
    (folder / "file").write_bytes(text.encode())
    return subprocess.run(
        [tool("docker"), "create", "--pull=never", "--env-file", str(folder / "file"), "image"],
        env={"HOME": str(folder), "DOCKER_HOST": f"unix://{daemon.server_address}"},
        capture_output=True,
        timeout=30,
    )


@examples()
@given(variables_for(fits))
def test_the_documented_rules_read_the_values_exactly(secrets: dict[str, str]) -> None:
    assert as_docker_reads(dump("docker", secrets)) == secrets


@few(100)
@given(secrets=many(fits))
def test_dockers_own_command_reads_the_values_exactly(
    daemon: Daemon, secrets: dict[str, str], tmp_path: Path
) -> None:
    done = docker_create(daemon, dump("docker", secrets), tmp_path)
    assert done.returncode == 0, done.stderr
    assert dict([entry.split("=", 1) for entry in daemon.environment]) == secrets


def test_the_longest_line_is_the_longest_that_docker_reads(daemon: Daemon, tmp_path: Path) -> None:
    longest = "x" * (64 * 1024 - 1 - len("K="))
    text = dump("docker", {"k": longest})
    assert docker_create(daemon, text, tmp_path).returncode == 0
    assert daemon.environment == [f"K={longest}"]
    assert docker_create(daemon, text.replace("K=", "K=x"), tmp_path).returncode != 0
    with pytest.raises(
        FormatError, match="cannot hold the value of 'k': name and value together can have 65,534 b"
    ):
        dump("docker", {"k": longest + "x"})
    with pytest.raises(FormatError, match="'k'"):
        dump("docker", {"k": "é" * (32 * 1024)})


def test_names_are_those_of_exec() -> None:
    assert dump("docker", {"2fa.x-y": " a "}) == "2FA_X_Y= a \n"
    assert dump("docker", {"2fa.x-y": " a "}, Options(style="chamber")) == "2FA.X_Y= a \n"


@pytest.mark.parametrize("value", ["SECRET\n", "\nSECRET", "a\r\nSECRET", "SECRET\r"])
def test_a_value_that_a_line_cannot_hold_is_refused_by_key(value: str) -> None:
    with pytest.raises(FormatError, match="docker cannot hold the value of 'k': ") as error:
        dump("docker", {"a": "1", "k": value})
    assert "SECRET" not in str(error.value)
    assert error.value.hint
