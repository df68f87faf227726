"""exec as the kernel sees it: one process before and after, with the files and signals it was given."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.commands import Home
from tests.support.filling import fill
from tests.support.processes import (
    HANDED_ON,
    UNSHARE,
    child_of,
    guarded,
    ignore,
    locked,
    output,
    pid_one_is_possible,
    signals,
    silent_aws,
    start,
    stopped_by,
    under_exec,
    wait_until,
)

only_linux = pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")


@pytest.fixture
def filled(home: Home) -> Home:
    return fill(home, {"svc": {"key": "value"}})


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
    limits = """
resource.setrlimit(resource.RLIMIT_CORE, (4096, resource.getrlimit(resource.RLIMIT_CORE)[1]))
resource.setrlimit(resource.RLIMIT_NOFILE, (77, 99))
"""
    show = ("cat", "/proc/self/limits")
    straight = output(filled, *show, code=limits)
    assert output(filled, *under_exec(*show), code=limits) == straight


# -- signals -----------------------------------------------------------------------------------------------


@only_linux
@pytest.mark.parametrize("handed", HANDED_ON)
def test_the_program_gets_its_signals_as_exec_got_them(filled: Home, handed: str) -> None:
    code = HANDED_ON[handed]
    assert signals(filled, code, under=True) == signals(filled, code, under=False)


@only_linux
def test_sigpipe_and_sigxfsz_are_at_their_default_whatever_they_were(filled: Home) -> None:
    got = signals(filled, ignore("PIPE", "XFSZ"), under=True)
    assert got == {"SigBlk": 0, "SigIgn": 0, "SigCgt": 0}


def test_a_pipeline_ends_when_its_reader_does(filled: Home) -> None:
    done = filled.run("exec", "svc", "--", "sh", "-c", "yes | head -n 1")
    assert (done.code, done.out, done.err) == (0, "y\n", "")


# -- interrupted and terminated while loading --------------------------------------------------------------


@pytest.fixture
def silent(home: Home) -> Iterator[Home]:
    with silent_aws(home):
        yield home


@pytest.fixture
def busy(filled: Home) -> Iterator[Home]:
    with locked(filled):
        yield filled


@pytest.fixture(params=["busy", "silent"])
def loading(request: pytest.FixtureRequest) -> Home:
    home: Home = request.getfixturevalue(request.param)
    return home


@only_linux
def test_sigterm_while_loading_ends_exec(loading: Home) -> None:
    process = start(loading, "exec", "svc", "--", "echo", "started")
    assert stopped_by(process, process.pid, signal.SIGTERM) == (-signal.SIGTERM, b"")


@only_linux
def test_an_interrupt_while_loading_ends_exec_with_130(loading: Home) -> None:
    process = start(loading, "exec", "svc", "--", "echo", "started")
    assert stopped_by(process, process.pid, signal.SIGINT) == (130, b"")


@only_linux
def test_an_interrupt_while_several_services_load_ends_exec_with_130(silent: Home) -> None:
    process = start(silent, "exec", "one", "two", "three", "--", "echo", "started")
    assert stopped_by(process, process.pid, signal.SIGINT) == (130, b"")


@only_linux
def test_while_loading_there_is_no_core_dump(busy: Home) -> None:
    process = start(busy, "exec", "svc", "--", "true")
    try:
        wait_until(lambda: guarded(process.pid))
        process.send_signal(signal.SIGABRT)
        process.communicate(timeout=20)
    finally:
        process.kill()
    assert process.returncode == -signal.SIGABRT
    assert not [path for path in busy.path.iterdir() if path.name.startswith("core")]


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

needs_pid_one = pytest.mark.skipif(
    not pid_one_is_possible(), reason="this machine does not let tests make a PID namespace (unshare --pid)"
)


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
    show = ("sh", "-c", "echo $$; grep -E '^Sig(Blk|Ign|Cgt)|^ShdPnd' /proc/self/status")
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
