"""exec as the kernel sees it: started with this and that, watched from outside, and interrupted."""

from __future__ import annotations

import os
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from tests.support.commands import SCRIPTS, Home, aws_variables

VAULT_EXEC = str(SCRIPTS / "vault-exec")


def prepared(code: str) -> list[str]:
    """What to put before a command, so that the new process does this first. Not `preexec_fn`: other threads
    of the tests hold locks. Signals have their default action then, unless the code says otherwise."""
    first = """
import os, resource, signal, sys
for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}:
    signal.signal(number, signal.SIG_DFL)
"""
    return [sys.executable, "-ISc", f"{first}{code}\nos.execvp(sys.argv[1], sys.argv[1:])"]


#: By this limit on core dumps `guarded` knows when exec is loading.
LIMIT_CORE = """
hard = resource.getrlimit(resource.RLIMIT_CORE)[1]
resource.setrlimit(resource.RLIMIT_CORE, (hard if 0 <= hard < 4096 else 4096, hard))
"""


def start(home: Home, *words: str, before: Sequence[str] = (), code: str = "") -> subprocess.Popen[bytes]:
    """Start vault-exec so that `guarded` knows when it is loading.

    before: a command that starts it. code: what the new process does first.
    """
    return subprocess.Popen(
        [*before, *prepared(LIMIT_CORE + code), VAULT_EXEC, *words],
        env=home.environ,
        cwd=home.path,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def output(home: Home, *words: str, code: str = "", **options: Any) -> str:
    """What a command prints: straight, or with `under_exec`."""
    command = [*prepared(code), *words]
    done = subprocess.run(
        command, env=home.environ, cwd=home.path, stdout=subprocess.PIPE, check=True, timeout=60, **options
    )
    return done.stdout.decode()


def under_exec(*words: str) -> tuple[str, ...]:
    return (VAULT_EXEC, "exec", "svc", "--", *words)


_RAW = """
import ctypes
with open(sys.argv[1], "rb") as file:
    entries = [bytes.fromhex(line) for line in file.read().decode().splitlines()]
os.unlink(sys.argv[1])
words = [os.fsencode(word) for word in sys.argv[2:]]
array = lambda texts: (ctypes.c_char_p * (len(texts) + 1))(*texts, None)
ctypes.CDLL(None).execve(words[0], array(words), array(entries))
sys.exit("execve failed")
"""


def raw_exec(
    program: str, *words: str | bytes, entries: Sequence[bytes], cwd: Path, code: str = ""
) -> subprocess.CompletedProcess[bytes]:
    """Run a program with an environment block that no mapping can hold and Python's own execve refuses.

    code: what the new process does first.
    """
    with tempfile.NamedTemporaryFile("w", delete=False) as file:
        file.writelines([f"{entry.hex()}\n" for entry in entries])
    code = f"import os, resource, sys\n{_RAW.replace('words = ', code + chr(10) + 'words = ')}"
    command = [sys.executable, "-ISc", code, file.name, program, *words]
    return subprocess.run(command, cwd=cwd, capture_output=True, timeout=60)


# -- signals ------------------------------------------------------------------------------------------------


def ignore(*names: str) -> str:
    """Code by which these signals are ignored."""
    return "; ".join([f"signal.signal(signal.SIG{name}, signal.SIG_IGN)" for name in names])


def block(*names: str) -> str:
    """Code by which these signals are blocked."""
    return "; ".join([f"signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIG{name}])" for name in names])


#: What exec may be given, and must hand on.
HANDED_ON = {
    "all default": "",
    "INT and HUP ignored": ignore("INT", "HUP"),
    "INT ignored": ignore("INT"),
    "TERM and USR1 ignored": ignore("TERM", "USR1"),
    "TERM and USR2 blocked": block("TERM", "USR2"),
    "INT, HUP and URG blocked": block("INT", "HUP", "URG"),
}


def signals(home: Home, code: str, *, under: bool) -> dict[str, int]:
    """The masks with which a program starts, straight or under exec."""
    show = ("cat", "/proc/self/status")
    status = output(home, *(under_exec(*show) if under else show), code=code)
    rows = dict(line.split(":\t", 1) for line in status.splitlines() if line.startswith("Sig"))
    libc = (
        0b11 << 31
    )  # signals 32 and 33 are libc's own, and whoever starts the tests may have left them anyhow
    return {name: int(rows[name], 16) & ~libc for name in ("SigBlk", "SigIgn", "SigCgt")}


# -- loading that does not end ------------------------------------------------------------------------------


@contextmanager
def locked(home: Home) -> Iterator[Home]:
    """The home while another process keeps its store locked, so that loading takes seconds."""
    [store] = home.path.rglob("store.db")
    database = sqlite3.connect(store, isolation_level=None)
    try:
        database.execute("BEGIN EXCLUSIVE")
        yield home
        database.execute("ROLLBACK")
    finally:
        database.close()


@contextmanager
def silent_aws(home: Home) -> Iterator[Home]:
    """The home while its AWS takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0), backlog=512) as server:
        home.set(**aws_variables(f"http://127.0.0.1:{server.getsockname()[1]}"), VAULT_EXEC_BACKEND="ssm")
        yield home


def wait_until(condition: Callable[[], bool]) -> None:
    ends = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < ends, "it did not happen"
        time.sleep(0.01)


def guarded(pid: int) -> bool:
    """Whether the process is loading: it is exec, and has lowered the limit that `start` gave it."""
    words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    limits = Path(f"/proc/{pid}/limits").read_text()
    [core] = [line.split() for line in limits.splitlines() if line.startswith("Max core file size")]
    return words[1:2] == [VAULT_EXEC.encode()] and core[4] == "0"


def stopped_by(
    process: subprocess.Popen[bytes], pid: int, *numbers: int, gap: float = 0
) -> tuple[int, bytes]:
    """How the process ended after signals sent while it was loading, within a second.

    pid: that of exec, which `process` may have started. numbers: the signals, one after the other, `gap`
    seconds apart. Returns its code and what it said.
    """
    exec_itself = os.pidfd_open(pid)  # a number may be another process's by the time of the second signal
    try:
        wait_until(lambda: guarded(pid))
        time.sleep(0.3)  # into the waiting itself
        began = time.monotonic()
        for number in numbers:
            with suppress(ProcessLookupError):
                signal.pidfd_send_signal(exec_itself, number)
            time.sleep(gap)
        out, err = process.communicate(timeout=20)
    finally:
        process.kill()
        os.close(exec_itself)
    took = time.monotonic() - began
    assert took < 1, f"{took:.2f} s"
    assert out == b""
    return process.returncode, err


# -- as PID 1, where the kernel drops what has its default action -------------------------------------------

UNSHARE = ["unshare", "--pid", "--fork", *([] if os.geteuid() == 0 else ["--user", "--map-root-user"])]


def pid_one_is_possible() -> bool:
    """Whether this machine lets tests make a PID namespace."""
    try:
        return subprocess.run([*UNSHARE, "true"], capture_output=True).returncode == 0
    except OSError:
        return False


def child_of(pid: int) -> int:
    """The first child of the process, once it has one."""
    found: list[int] = []

    def look() -> bool:
        found[:] = map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split())
        return bool(found)

    wait_until(look)
    return found[0]
