"""exec of servers that somebody else wrote: configured from the store, logged in to with it, stopped as ever.

PostgreSQL where the machine has it, and Python's own http.server everywhere; the end of a run says which.
"""

from __future__ import annotations

import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.commands import SCRIPTS, Home
from tests.support.filling import fill

VAULT_EXEC = str(SCRIPTS / "vault-exec")


def free_port() -> str:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return str(server.getsockname()[1])


@contextmanager
def running(
    command: list[str], environ: dict[str, str], ready: Callable[[], bool]
) -> Iterator[subprocess.Popen[bytes]]:
    """A server that is ready, and is gone at the end whatever happens."""
    process = subprocess.Popen(command, env=environ, cwd="/", stderr=subprocess.DEVNULL)
    try:
        ends = time.monotonic() + 30
        while not ready():
            assert process.poll() is None, "the server ended"
            assert time.monotonic() < ends, "the server is not ready"
            time.sleep(0.05)
        yield process
    finally:
        process.kill()
        process.wait()


def listens(port: str) -> bool:
    try:
        socket.create_connection(("127.0.0.1", int(port)), 1).close()
    except OSError:
        return False
    return True


def ended_by_sigterm(process: subprocess.Popen[bytes]) -> int:
    """The exit code after SIGTERM."""
    process.send_signal(signal.SIGTERM)
    return process.wait(timeout=30)


# -- http.server -------------------------------------------------------------------------------------------


def http_server(home: Home) -> None:
    (home.path / "page").write_text("served\n")
    port = free_port()
    settings = {"port": port, "folder": str(home.path)}
    fill(home, {"web": settings})
    words = [
        *("sh", "-c", 'exec "$0" -I -m http.server --bind 127.0.0.1 --directory "$FOLDER" "$PORT"'),
        sys.executable,
    ]
    straight = {**home.environ, **{name.upper(): value for name, value in settings.items()}}
    codes = []
    for command, environ in [([VAULT_EXEC, "exec", "web", "--", *words], home.environ), (words, straight)]:
        with running(command, environ, lambda: listens(port)) as process:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/page") as answer:
                assert answer.read() == b"served\n"
            codes.append(ended_by_sigterm(process))
    assert codes == [-signal.SIGTERM, -signal.SIGTERM]


# -- PostgreSQL --------------------------------------------------------------------------------------------


def programs() -> Path | None:
    """The folder of the newest PostgreSQL's programs."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: float(path.parent.name))
    if found:
        return found[-1]
    server = shutil.which("postgres")
    return Path(server).resolve().parent if server else None


BIN = programs()


@contextmanager
def unprivileged() -> Iterator[tuple[list[str], Path]]:
    """What to put before a command, and a folder: PostgreSQL refuses to be root's."""
    folder = Path(tempfile.mkdtemp(prefix="vault-exec-pg-", dir="/tmp"))
    prefix: list[str] = []
    if os.geteuid() == 0:
        nobody = pwd.getpwnam("nobody")
        prefix = ["setpriv", f"--reuid={nobody.pw_uid}", f"--regid={nobody.pw_gid}", "--clear-groups"]
        os.chown(folder, nobody.pw_uid, nobody.pw_gid)
    try:
        yield prefix, folder
    finally:
        shutil.rmtree(folder)


def postgresql(home: Home) -> None:
    with unprivileged() as (prefix, folder):
        run_postgresql(home, prefix, folder)


def run_postgresql(home: Home, prefix: list[str], folder: Path) -> None:
    settings = {
        "pgport": free_port(),
        "pgdata": str(folder / "data"),
        "pguser": "app",
        "pgpassword": secrets.token_urlsafe(12) + " '$\"\\ é",
    }
    fill(home, {"db": settings})
    home.set(PATH=f"{BIN}:{home.environ['PATH']}", HOST=str(folder))

    made = home.run(
        *("exec", "db", "--", *prefix, "sh", "-c"),
        'cd "$HOST" && umask 077 && printf "%s\\n" "$PGPASSWORD" > password'
        ' && initdb -U "$PGUSER" --auth=scram-sha-256 --pwfile=password --no-sync --no-locale -E UTF8'
        " && rm password",
    )
    assert made.code == 0, made

    status = folder / "data" / "postmaster.pid"

    def ready() -> bool:
        return status.exists() and "ready" in status.read_text()

    # PGDATA and PGPORT are read by the server itself.
    words = [
        *prefix,
        *("postgres", "-k", str(folder), "-c", "listen_addresses=127.0.0.1", "-c", "fsync=off"),
    ]
    straight = {**home.environ, **{name.upper(): value for name, value in settings.items()}}
    codes = []
    for command, environ in [([VAULT_EXEC, "exec", "db", "--", *words], home.environ), (words, straight)]:
        with running(command, environ, ready) as process:
            assert int(status.read_text().split()[0]) == process.pid
            ask = ("psql", "-h", "127.0.0.1", "-d", "postgres", "-Atc", "select current_user")
            assert home.run("exec", "db", "--", *ask).out == "app\n"
            denied = home.run("exec", "db", "--no-clobber", "--", *ask, env={"PGPASSWORD": "wrong"})
            assert "password authentication failed" in denied.err
            codes.append(ended_by_sigterm(process))
    assert codes == [0, 0]


SERVERS = [http_server, *([postgresql] if BIN else [])]


@pytest.mark.parametrize("server", SERVERS, ids=lambda server: server.__name__)
def test_a_server_runs_under_exec_as_without_it(
    home: Home, server: Callable[[Home], None], record_property: pytest.RecordProperty
) -> None:
    server(home)
    missing = "" if BIN else " (this machine has no PostgreSQL)"
    record_property("server", server.__name__ + missing)
