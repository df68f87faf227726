"""Signals, and all else that a process hands on: exec ends by them while it loads, and changes none of them.

As PID 1 and not; two signals in a row; a store that hangs; at any moment of the start; at a terminal. The
program starts with the signals, files, folder, limits and terminal that exec was given.
"""

from __future__ import annotations

import os
import pty
import random
import signal
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from tests.support.battery import Property, Tally, some
from tests.support.commands import Home
from tests.support.filling import fill
from tests.support.processes import (
    HANDED_ON,
    UNSHARE,
    VAULT_EXEC,
    child_of,
    guarded,
    ignore,
    locked,
    output,
    pid_one_is_possible,
    prepared,
    signals,
    silent_aws,
    start,
    stopped_by,
    under_exec,
    wait_until,
)
from tests.support.terminal import Terminal
from vault_exec import registry, settings
from vault_exec.store import Context

NOT_AS_GIVEN = Property("signals and what else is handed on gone wrong", "runs", "kinds")

#: How often each kind is run.
TIMES = some(1, 50)

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")

TERM, INT, HUP = signal.SIGTERM, signal.SIGINT, signal.SIGHUP

#: PID 1 or not. The kernel drops signals with their default action that are sent to PID 1 of a namespace.
PLACES = ("not PID 1", *(("PID 1",) if pid_one_is_possible() else ()))


@pytest.fixture
def filled(home: Home) -> Home:
    return fill(home, {"svc": {"key": "value"}})


@pytest.fixture(autouse=True)
def told(tally: Tally) -> None:
    tally.property = NOT_AS_GIVEN
    if len(PLACES) == 1:
        tally.note("without PID 1: this machine does not let tests make a PID namespace")


def at_once(run: Callable[[int], None], times: int = TIMES) -> None:
    with ThreadPoolExecutor(6) as pool:
        list(pool.map(run, range(times)))


# -- while loading ------------------------------------------------------------------------------------------

STORES: dict[str, Callable[[Home], AbstractContextManager[Home]]] = {"locked": locked, "hanging": silent_aws}


def codes(place: str, number: int) -> tuple[int, ...]:
    """What exec may end with: by the signal itself, or with the code by which shells tell of it."""
    if number == INT:
        return (130,)
    return (-number,) if place == "not PID 1" else (128 + number,)


def stopped(
    home: Home, place: str, numbers: Iterable[int], services: Iterable[str], gap: float
) -> str | None:
    """What was wrong with how exec took signals while it was loading."""
    before = UNSHARE if place == "PID 1" else []
    process = start(home, "exec", *services, "--", "echo", "started", before=before)
    pid = child_of(process.pid) if before else process.pid
    try:
        code, said = stopped_by(process, pid, *numbers, gap=gap)
    except AssertionError as error:
        return str(error)
    allowed = {code for number in numbers for code in codes(place, number)}
    allowed |= {-INT} if INT in numbers else set()
    return None if code in allowed and said == b"" else f"ended with {code}, saying {said!r}"


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("store", STORES)
@pytest.mark.parametrize("numbers", [(TERM,), (INT,), (HUP,)], ids=["TERM", "INT", "HUP"])
def test_a_signal_while_loading(
    filled: Home, place: str, store: str, numbers: tuple[int, ...], tally: Tally
) -> None:
    kind = f"{signal.Signals(numbers[0]).name} while the store is {store}, {place}"
    with STORES[store](filled):
        at_once(lambda _: tally.case(stopped(filled, place, numbers, ["svc"], 0), kind=kind))


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize(
    "numbers",
    [(INT, INT), (INT, INT, INT, INT), (INT, TERM), (TERM, INT), (HUP, TERM)],
    ids=lambda numbers: "-".join(signal.Signals(number).name for number in numbers),
)
def test_a_second_signal_while_the_first_is_handled(
    filled: Home, place: str, numbers: tuple[int, ...], tally: Tally
) -> None:
    kind = f"{', '.join(signal.Signals(number).name for number in numbers)}, {place}"
    chance = random.Random(kind)
    gaps = [chance.choice([0, 0.0002, 0.001, 0.005]) for _ in range(TIMES)]

    def run(number: int) -> None:
        services = ["svc", "second", "third"][: 1 + 2 * (number % 2)]
        tally.case(stopped(filled, place, numbers, services, gaps[number]), kind=kind)

    with silent_aws(filled):
        at_once(run)


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("name", ["INT", "HUP", "TERM"])
def test_an_ignored_signal_does_not_end_the_loading(
    filled: Home, place: str, name: str, tally: Tally
) -> None:
    before = UNSHARE if place == "PID 1" else []
    number = signal.Signals[f"SIG{name}"]

    def run(_: int) -> None:
        words = ("--timeout", "1", "--retries", "1", "exec", "svc", "--", "echo", "started")
        process = start(filled, *words, before=before, code=ignore(name))
        pid = child_of(process.pid) if before else process.pid
        try:
            code, said = stopped_by(process, pid, number, number, gap=0.05)
        except AssertionError:
            code, said = process.wait(), b""
        right = code == 125
        tally.case(None if right else f"{code}, {said!r}", kind=f"{name} ignored while loading, {place}")

    with silent_aws(filled):
        at_once(run)


# -- at any moment of the start -----------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["INT", "TERM", "HUP"])
def test_a_signal_at_any_moment_of_the_start(filled: Home, name: str, tally: Tally) -> None:
    """All of the program's environment, or no program; and no traceback of ours."""
    number = signal.Signals[f"SIG{name}"]
    python_itself = 0

    def run(turn: int) -> None:
        nonlocal python_itself
        process = start(filled, "exec", "svc", "--", "sh", "-c", 'echo "$KEY"; exec sleep 5')
        time.sleep(0.15 * turn / TIMES)
        process.send_signal(number)
        out, said = process.communicate(timeout=30)
        ours = b"in _end" in said or b"in main" in said
        if b"Traceback" in said and not ours:
            python_itself += 1
            said = b""
        right = out in (b"", b"value\n") and said == b"" and process.returncode in (-number, 128 + number, 1)
        wrong = None if right else f"{process.returncode}, {out!r}, {said!r}"
        tally.case(wrong, kind=f"{name} at any moment of the start")

    for turn in range(TIMES):
        run(turn)
    if python_itself:
        tally.note(f"{python_itself} of {TIMES} {name} came while Python itself was starting")


# -- at a terminal ------------------------------------------------------------------------------------------


def with_passphrase(home: Home) -> Home:
    environ = {**home.environ, "VAULT_EXEC_PASSPHRASE": "correct horse"}
    with registry.open_store(Context(settings.load({"backend": "local"}, environ), environ)) as store:
        store.initialise("passphrase")
        store.write("svc", "key", "value")
    return home


@pytest.mark.parametrize("how", ["Ctrl-C", "TERM", "HUP"])
def test_a_prompt_that_is_interrupted_leaves_the_terminal_as_it_was(
    home: Home, how: str, tally: Tally
) -> None:
    with_passphrase(home)
    for _ in range(TIMES):
        with Terminal(home, "exec", "svc", "--", "echo", "started") as terminal:
            terminal.expect("passphrase")
            if how == "Ctrl-C":
                terminal.type("\x03")
            else:
                terminal.process.send_signal(signal.Signals[f"SIG{how}"])
            code = terminal.wait()
            right = terminal.is_as_it_was() and "started" not in terminal.screen
            right = right and code in (130, -TERM, -HUP) and "Traceback" not in terminal.screen
            wrong = None if right else f"{code}, {terminal.screen!r}, as it was: {terminal.is_as_it_was()}"
            tally.case(wrong, kind=f"{how} at a prompt")


@pytest.mark.parametrize("store", STORES)
def test_ctrl_c_at_a_terminal_while_loading(filled: Home, store: str, tally: Tally) -> None:
    with STORES[store](filled):
        for _ in range(TIMES):
            with Terminal(filled, "exec", "svc", "--", "echo", "started") as terminal:
                wait_until(lambda: guarded(terminal.process.pid))
                time.sleep(0.3)
                terminal.type("\x03")
                code = terminal.wait()
                right = (code, terminal.screen) == (130, "^C") and terminal.is_as_it_was()
                wrong = None if right else f"{code}, {terminal.screen!r}"
                tally.case(wrong, kind=f"Ctrl-C at a terminal, the store {store}")


# -- what the program is given ------------------------------------------------------------------------------


@pytest.mark.parametrize("handed", HANDED_ON)
def test_signals_are_handed_on_as_they_were(filled: Home, handed: str, tally: Tally) -> None:
    straight = signals(filled, HANDED_ON[handed], under=False)

    def run(_: int) -> None:
        got = signals(filled, HANDED_ON[handed], under=True)
        tally.case(None if got == straight else f"{got} for {straight}", kind=f"handed on: {handed}")

    at_once(run)


def test_sigpipe_and_sigxfsz_have_their_default_action(filled: Home, tally: Tally) -> None:
    def run(_: int) -> None:
        got = signals(filled, ignore("PIPE", "XFSZ"), under=True)
        right = got == {"SigBlk": 0, "SigIgn": 0, "SigCgt": 0}
        tally.case(None if right else str(got), kind="SIGPIPE and SIGXFSZ")

    at_once(run)


#: Everything else that a process has from the one that started it. Of the files, what they are and where they
#: stand; `stat` without what changes by itself (fields 1, and from 9 on all but priority and niceness).
_SHOW = """
pwd
umask
cut -d' ' -f4-8,18,19 /proc/$$/stat
grep -E '^(Uid|Gid|Groups|Seccomp|NoNewPrivs|Cap|Cpus_allowed_list|CoreDumping)' /proc/self/status
grep -E '^(Umask|Sig(Blk|Ign|Cgt))' /proc/self/status
cat /proc/self/limits /proc/self/oom_score_adj /proc/self/timerslack_ns /proc/self/coredump_filter
for file in 0 1 2 5 7 9; do readlink /proc/$$/fd/$file; grep -hE 'pos|flags' /proc/$$/fdinfo/$file; done
ls /proc/$$/fd
"""

_GIVEN = """
os.umask(0o027)
os.nice(3)
resource.setrlimit(resource.RLIMIT_NOFILE, (77, 99))
resource.setrlimit(resource.RLIMIT_CORE, (4096, resource.getrlimit(resource.RLIMIT_CORE)[1]))
resource.setrlimit(resource.RLIMIT_STACK, (1 << 22, 1 << 23))
os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
signal.alarm(1000)
file = os.open(__import__("tempfile").gettempdir(), os.O_RDONLY)
for number in (5, 7):
    os.dup2(file, number)
os.close(file)
file = os.open("given", os.O_RDWR | os.O_CREAT | os.O_APPEND)
os.lseek(file, 3, 0)
os.dup2(file, 9)
os.close(file)
"""


def test_all_else_is_handed_on_as_it_was(filled: Home, tally: Tally) -> None:
    (filled.path / "given").write_text("0123456789")
    show = ("sh", "-c", _SHOW)
    straight = output(filled, *show, code=_GIVEN, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL)
    assert "27" in straight

    def run(_: int) -> None:
        options = {"stderr": subprocess.STDOUT, "stdin": subprocess.DEVNULL}
        got = output(filled, *under_exec(*show), code=_GIVEN, **options)
        pairs = zip(without_own(got), without_own(straight), strict=False)
        different = [pair for pair in pairs if pair[0] != pair[1]]
        tally.case(str(different) if different else None, kind="files, folder, limits and the like")

    at_once(run)


def without_own(shown: str) -> list[str]:
    """The lines without those that are each process's own: the pipe of its output."""
    return [line for line in shown.splitlines() if not line.startswith("pipe:")]


def test_the_terminal_is_handed_on_as_it_was(filled: Home, tally: Tally) -> None:
    """Its settings, that it is the controlling one, and who is in front."""
    show = ("sh", "-c", "stty -a; tty; cut -d' ' -f6-8 /proc/$$/stat | tr -s '0-9' n; ps -o stat= -p $$")
    straight = on_terminal(filled, *show)
    assert "speed" in straight

    def run(_: int) -> None:
        got = on_terminal(filled, *under_exec(*show))
        tally.case(None if got == straight else f"{got!r} for {straight!r}", kind="the terminal")

    at_once(run)


def on_terminal(home: Home, *words: str) -> str:
    """What a command shows on a terminal with unusual settings, but for the terminal's name."""
    master, slave = pty.openpty()
    attributes = termios.tcgetattr(slave)
    attributes[3] &= ~(termios.ECHOCTL | termios.IEXTEN)
    attributes[6][termios.VINTR] = b"\x1f"
    termios.tcsetattr(slave, termios.TCSANOW, attributes)
    take = "os.setsid(); os.close(os.open(os.ttyname(0), os.O_RDWR))"
    process = subprocess.Popen(
        [*prepared(take), *words], stdin=slave, stdout=slave, stderr=slave, env=home.environ, cwd=home.path
    )
    name = Path(os.ttyname(slave)).name
    code = process.wait(timeout=60)
    after = termios.tcgetattr(slave)
    os.close(slave)
    shown = b""
    try:
        while piece := os.read(master, 65536):
            shown += piece
    except OSError:  # Linux says so of a terminal that nobody has open any more
        pass
    os.close(master)
    return f"{shown.decode()}{code}{after == attributes}".replace(f"/dev/pts/{name}", "/dev/pts/N")


@pytest.mark.parametrize("place", PLACES)
def test_the_program_handles_its_signals_itself(filled: Home, place: str, tally: Tally) -> None:
    before = UNSHARE if place == "PID 1" else []
    script = "trap 'echo bye; exit 5' TERM INT HUP; echo ready; while :; do sleep 0.02; done"

    def run(turn: int) -> None:
        number = (TERM, INT, HUP)[turn % 3]
        process = subprocess.Popen(
            [*before, *prepared(""), VAULT_EXEC, "exec", "svc", "--", "sh", "-c", script],
            env=filled.environ,
            stdout=subprocess.PIPE,
        )
        assert process.stdout is not None
        ready = process.stdout.readline()
        os.kill(child_of(process.pid) if before else process.pid, number)
        out = process.communicate(timeout=20)[0]
        right = (ready, out, process.returncode) == (b"ready\n", b"bye\n", 5)
        tally.case(None if right else f"{ready!r}, {out!r}, {process.returncode}", kind=f"its own, {place}")

    at_once(run)
