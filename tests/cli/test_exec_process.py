"""exec as the kernel sees it: one process before and after, with the files and signals it was given."""

from __future__ import annotations

import os
import resource
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.support.commands import SCRIPTS, Home, aws_variables
from tests.support.filling import fill

VAULT_EXEC = str(SCRIPTS / "vault-exec")

only_linux = pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")


@pytest.fixture
def filled(home: Home) -> Home:
    return fill(home, {"svc": {"key": "value"}})


def start(home: Home, *words: str, before: Sequence[str] = ()) -> subprocess.Popen[bytes]:
    """Start vault-exec with a limit on core dumps by which `guarded` knows when it is loading."""

    def limit() -> None:
        hard = resource.getrlimit(resource.RLIMIT_CORE)[1]
        resource.setrlimit(resource.RLIMIT_CORE, (hard if 0 <= hard < 4096 else 4096, hard))

    return subprocess.Popen(
        [*before, VAULT_EXEC, *words],
        env=home.environ,
        cwd=home.path,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        preexec_fn=limit,
    )


def output(home: Home, *words: str, **options: Any) -> str:
    """What a command prints, straight or under exec."""
    done = subprocess.run(
        words, env=home.environ, cwd=home.path, stdout=subprocess.PIPE, check=True, timeout=30, **options
    )
    return done.stdout.decode()


def under_exec(*words: str) -> tuple[str, ...]:
    return (VAULT_EXEC, "exec", "svc", "--", *words)


# -- one process -------------------------------------------------------------------------------------------


def test_the_program_has_the_pid_that_exec_had(filled: Home) -> None:
    process = start(filled, "exec", "svc", "--", "sh", "-c", "echo $$ $PPID $KEY")
    out, _ = process.communicate(timeout=30)
    assert out.decode().split() == [str(process.pid), str(os.getpid()), "value"]


def test_folder_umask_and_open_files_are_those_exec_was_given(filled: Home) -> None:
    read, write = os.pipe()
    try:
        options: dict[str, Any] = {"pass_fds": (read,), "umask": 0o027, "stdin": subprocess.DEVNULL}
        show = ("sh", "-c", "pwd; umask; ls /dev/fd | tr '\\n' ' '")
        assert output(filled, *under_exec(*show), **options) == output(filled, *show, **options)
    finally:
        os.close(read)
        os.close(write)


@only_linux
def test_a_closed_standard_file_stays_closed(filled: Home) -> None:
    closing = ("sh", "-c", '"$@" 0<&- 2>&-', "sh")
    show = ("ls", "/proc/self/fd")
    assert output(filled, *closing, *under_exec(*show)) == output(filled, *closing, *show)


def test_standard_input_is_the_programs_from_its_first_byte(filled: Home) -> None:
    done = filled.run("exec", "svc", "--", "cat", stdin=b"first\0second\n" * 1000)
    assert done.out_bytes == b"first\0second\n" * 1000


@only_linux
def test_limits_are_as_they_were(filled: Home) -> None:
    def limits() -> None:
        resource.setrlimit(resource.RLIMIT_CORE, (4096, resource.getrlimit(resource.RLIMIT_CORE)[1]))
        resource.setrlimit(resource.RLIMIT_NOFILE, (77, 99))

    show = ("cat", "/proc/self/limits")
    straight = output(filled, *show, preexec_fn=limits)
    assert output(filled, *under_exec(*show), preexec_fn=limits) == straight


# -- signals -----------------------------------------------------------------------------------------------


def signals(home: Home, under: bool, prepare: Callable[[], object]) -> dict[str, int]:
    """The masks with which a C program starts."""
    show = ("cat", "/proc/self/status")
    status = output(home, *(under_exec(*show) if under else show), preexec_fn=prepare, restore_signals=False)
    rows = dict(line.split(":\t", 1) for line in status.splitlines() if line.startswith("Sig"))
    libcs_own = 1 << 31 | 1 << 32  # signals 32 and 33: nobody else can set or reset them
    return {name: int(rows[name], 16) & ~libcs_own for name in ("SigBlk", "SigIgn", "SigCgt")}


def ignore(*numbers: int) -> Callable[[], None]:
    def prepare() -> None:
        for number in range(1, signal.NSIG):
            if number not in (signal.SIGKILL, signal.SIGSTOP, 32, 33):
                signal.signal(number, signal.SIG_IGN if number in numbers else signal.SIG_DFL)

    return prepare


@only_linux
@pytest.mark.parametrize(
    "prepare",
    [
        ignore(),
        ignore(signal.SIGINT, signal.SIGHUP),
        ignore(signal.SIGINT),
        ignore(signal.SIGTERM, signal.SIGUSR1),
        lambda: signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM, signal.SIGUSR2]),
    ],
    ids=[
        "all default",
        "INT and HUP ignored",
        "INT ignored",
        "TERM and USR1 ignored",
        "TERM and USR2 blocked",
    ],
)
def test_the_program_gets_its_signals_as_exec_got_them(filled: Home, prepare: Callable[[], object]) -> None:
    def default_pipe() -> None:
        prepare()
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)
        signal.signal(signal.SIGXFSZ, signal.SIG_DFL)

    assert signals(filled, True, default_pipe) == signals(filled, False, default_pipe)


@only_linux
def test_sigpipe_and_sigxfsz_are_at_their_default_whatever_they_were(filled: Home) -> None:
    got = signals(filled, True, ignore(signal.SIGPIPE, signal.SIGXFSZ))
    assert got == {"SigBlk": 0, "SigIgn": 0, "SigCgt": 0}


def test_a_pipeline_ends_when_its_reader_does(filled: Home) -> None:
    done = filled.run("exec", "svc", "--", "sh", "-c", "yes | head -n 1")
    assert (done.code, done.out, done.err) == (0, "y\n", "")


# -- interrupted and terminated while loading --------------------------------------------------------------


@pytest.fixture
def locked(filled: Home) -> Iterator[Home]:
    """A home whose store another process keeps locked, so that loading takes seconds."""
    [store] = filled.path.rglob("store.db")
    with sqlite3.connect(store, isolation_level=None) as database:
        database.execute("BEGIN EXCLUSIVE")
        yield filled
        database.execute("ROLLBACK")
    database.close()


@pytest.fixture
def silent_aws(home: Home) -> Iterator[Home]:
    """A home whose AWS takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        home.set(**aws_variables(f"http://127.0.0.1:{server.getsockname()[1]}"), VAULT_EXEC_BACKEND="ssm")
        yield home


@pytest.fixture(params=["locked", "silent_aws"])
def loading(request: pytest.FixtureRequest) -> Home:
    home: Home = request.getfixturevalue(request.param)
    return home


def wait_until(condition: Callable[[], bool]) -> None:
    ends = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < ends, "it did not happen"
        time.sleep(0.01)


def core_limit(pid: int) -> str:
    limits = Path(f"/proc/{pid}/limits").read_text()
    [core] = [line.split() for line in limits.splitlines() if line.startswith("Max core file size")]
    return core[4]


def guarded(pid: int) -> bool:
    """Whether the process is loading: it has lowered the limit that `start` gave it."""
    return core_limit(pid) == "0"


def stopped_by(process: subprocess.Popen[bytes], pid: int, number: int) -> tuple[int, bytes]:
    """How the process ended after a signal sent while it was loading, within a second."""
    wait_until(lambda: guarded(pid))
    time.sleep(0.3)  # into the waiting itself
    began = time.monotonic()
    os.kill(pid, number)
    try:
        out, err = process.communicate(timeout=20)
    finally:
        process.kill()
    took = time.monotonic() - began
    assert took < 1, f"{took:.2f} s"
    assert out == b""
    return process.returncode, err


@only_linux
def test_sigterm_while_loading_ends_exec(loading: Home) -> None:
    process = start(loading, "exec", "svc", "--", "echo", "started")
    assert stopped_by(process, process.pid, signal.SIGTERM) == (-signal.SIGTERM, b"")


@only_linux
def test_an_interrupt_while_loading_ends_exec_with_130(loading: Home) -> None:
    process = start(loading, "exec", "svc", "--", "echo", "started")
    assert stopped_by(process, process.pid, signal.SIGINT) == (130, b"")


@only_linux
def test_an_interrupt_while_several_services_load_ends_exec_with_130(silent_aws: Home) -> None:
    process = start(silent_aws, "exec", "one", "two", "three", "--", "echo", "started")
    assert stopped_by(process, process.pid, signal.SIGINT) == (130, b"")


@only_linux
def test_while_loading_there_is_no_core_dump(locked: Home) -> None:
    process = start(locked, "exec", "svc", "--", "true")
    try:
        wait_until(lambda: guarded(process.pid))
        process.send_signal(signal.SIGABRT)
        process.communicate(timeout=20)
    finally:
        process.kill()
    assert process.returncode == -signal.SIGABRT
    assert not [path for path in locked.path.iterdir() if path.name.startswith("core")]


@only_linux
def test_the_process_is_not_dumpable_while_guarded(filled: Home) -> None:
    probe = """
import ctypes
from vault_exec.guard import Guard

dumpable = lambda: print(ctypes.CDLL(None).prctl(3, 0, 0, 0, 0))
dumpable()
guard = Guard()
dumpable()
guard.lift()
dumpable()
"""
    assert output(filled, sys.executable, "-I", "-c", probe).split() == ["1", "0", "1"]


# -- as PID 1, where the kernel drops what has its default action ------------------------------------------

UNSHARE = ["unshare", "--pid", "--fork", *([] if os.geteuid() == 0 else ["--user", "--map-root-user"])]


def pid_one_is_possible() -> bool:
    try:
        return subprocess.run([*UNSHARE, "true"], capture_output=True).returncode == 0
    except OSError:
        return False


needs_pid_one = pytest.mark.skipif(
    not pid_one_is_possible(), reason="this machine does not let tests make a PID namespace (unshare --pid)"
)


def child_of(pid: int) -> int:
    found: list[int] = []

    def look() -> bool:
        found[:] = map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split())
        return bool(found)

    wait_until(look)
    return found[0]


@needs_pid_one
def test_as_pid_1_sigterm_while_loading_ends_with_143(loading: Home) -> None:
    process = start(loading, "exec", "svc", "--", "echo", "started", before=UNSHARE)
    assert stopped_by(process, child_of(process.pid), signal.SIGTERM) == (143, b"")


@needs_pid_one
def test_as_pid_1_an_interrupt_while_loading_ends_with_130(loading: Home) -> None:
    process = start(loading, "exec", "svc", "--", "echo", "started", before=UNSHARE)
    assert stopped_by(process, child_of(process.pid), signal.SIGINT) == (130, b"")


@needs_pid_one
def test_as_pid_1_the_program_gets_its_signals_as_exec_got_them(filled: Home) -> None:
    show = ("sh", "-c", "echo $$; grep -E '^Sig(Blk|Ign|Cgt|Q)|^ShdPnd' /proc/self/status")
    straight = output(filled, *UNSHARE, *show)
    assert straight.startswith("1\n")
    assert output(filled, *UNSHARE, *under_exec(*show)) == straight


@needs_pid_one
def test_as_pid_1_the_program_handles_sigterm_itself(filled: Home) -> None:
    process = subprocess.Popen(
        [
            *UNSHARE,
            *under_exec("sh", "-c", "trap 'echo bye; exit 5' TERM; echo ready; while :; do sleep 0.05; done"),
        ],
        env=filled.environ,
        stdout=subprocess.PIPE,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == b"ready\n"
    os.kill(child_of(process.pid), signal.SIGTERM)
    assert process.communicate(timeout=10)[0] == b"bye\n"
    assert process.returncode == 5


# -- the mapping that os.execve takes ----------------------------------------------------------------------


def test_execve_passes_duplicates_of_our_mapping(filled: Home) -> None:
    probe = (
        "import os, sys; from vault_exec.environ import Environment; "
        "os.execve('/usr/bin/env', ['env'], Environment([(b'A', b'1'), (b'A', b'2')], []))"
    )
    assert output(filled, sys.executable, "-I", "-c", probe) == "A=1\nA=2\n"
