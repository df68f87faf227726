"""What guards this process while secrets are in its memory, and is undone before it becomes the program.

- No core dump, and no debugger of the same user: RLIMIT_CORE is 0, and the process is not dumpable (Linux,
  PR_SET_DUMPABLE of prctl(2)), because a handler that dumps are piped to gets them whatever the limit says
  (core(5)). 0.7 ms in all. Afterwards /proc/self/environ cannot be read any more, except by root.
- As PID 1, which the kernel sends no signal that has its default action, SIGTERM and SIGHUP end the process
  with 143 and 129: a thread waits for them. A Python handler would run only when the call that is under way
  returns to the interpreter. Where they were ignored or blocked when we started, they stay that.
- An interrupt (SIGINT) ends this process at the last moment before execve, too: CPython only notes down that
  it came, and execve would forget the note.
"""

from __future__ import annotations

import _signal  # type: ignore[import-not-found]  # `signal` wraps it in enums, for 4 ms
import os
import resource
import sys
from _thread import allocate_lock, start_new_thread

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

#: What ends a program unless it says otherwise, and who stops a container sends.
_ENDING = (_signal.SIGTERM, _signal.SIGHUP)

_PR_GET_DUMPABLE = 3  # linux/prctl.h
_PR_SET_DUMPABLE = 4


class Guard:
    """In force from its making until `lift`, which leaves this process as it was started."""

    __slots__ = ("_core", "_dumpable", "_watch")

    def __init__(self) -> None:
        self._watch = _Watch(_awaited()) if os.getpid() == 1 else None
        self._core = resource.getrlimit(resource.RLIMIT_CORE)
        resource.setrlimit(resource.RLIMIT_CORE, (0, self._core[1]))
        self._dumpable = _prctl(_PR_GET_DUMPABLE) == 1
        if self._dumpable:
            _prctl(_PR_SET_DUMPABLE, 0)

    def lift(self) -> None:
        """Undo all, and let the program have its signals as we got ours.

        CPython ignores SIGPIPE and SIGXFSZ from its start, and what they were before cannot be known any
        more. The default is what Go leaves, and so chamber.
        """
        if self._dumpable:
            _prctl(_PR_SET_DUMPABLE, 1)
        resource.setrlimit(resource.RLIMIT_CORE, self._core)
        _signal.signal(_signal.SIGPIPE, _signal.SIG_DFL)
        _signal.signal(_signal.SIGXFSZ, _signal.SIG_DFL)
        if self._watch is not None:
            self._watch.end()
        _leave_interrupts_to_the_kernel()


class _Watch:
    """A thread that ends the process on these signals; SIGURG, which nobody else sends, tells it to stop."""

    __slots__ = ("_awaited", "_mask", "_stopped", "_stopping")

    def __init__(self, awaited: frozenset[int]) -> None:
        self._awaited = awaited
        self._stopping = False
        self._stopped = allocate_lock()
        self._stopped.acquire()
        # A blocked signal is kept by the kernel even where its default action would be to drop it.
        self._mask = _signal.pthread_sigmask(_signal.SIG_BLOCK, {*awaited, _signal.SIGURG})
        start_new_thread(self._wait, ())

    def _wait(self) -> None:
        while not self._stopping:
            number = _signal.sigwait({*self._awaited, _signal.SIGURG})
            if number != _signal.SIGURG:
                _end_by(number)
        self._stopped.release()

    def end(self) -> None:
        self._stopping = True
        os.kill(os.getpid(), _signal.SIGURG)
        self._stopped.acquire()
        for number in self._awaited & _signal.sigpending():  # came after the thread; unblocking would drop it
            _end_by(number)
        _signal.pthread_sigmask(_signal.SIG_SETMASK, self._mask)


def _awaited() -> frozenset[int]:
    """The signals that would end any other process: neither ignored nor blocked."""
    blocked = _signal.pthread_sigmask(_signal.SIG_BLOCK, ())
    return frozenset(n for n in _ENDING if n not in blocked and _signal.getsignal(n) == _signal.SIG_DFL)


def _leave_interrupts_to_the_kernel() -> None:
    """Give SIGINT its default action back, where CPython has taken it."""
    if _signal.getsignal(_signal.SIGINT) is not _signal.default_int_handler:
        return
    mask = _signal.pthread_sigmask(_signal.SIG_BLOCK, (_signal.SIGINT,))  # raises what was noted down by now
    _signal.signal(_signal.SIGINT, _signal.SIG_DFL)
    if _signal.SIGINT in _signal.sigpending():
        _end_by(_signal.SIGINT)
    _signal.pthread_sigmask(_signal.SIG_SETMASK, mask)


def _end_by(number: int) -> NoReturn:
    """End with the code by which shells tell of such a signal."""
    os._exit(128 + number)


def _prctl(option: int, argument: int = 0) -> int:
    """prctl(2); -1 where there is none."""
    if sys.platform != "linux":
        return -1
    try:
        from _ctypes import call_function, dlopen, dlsym  # `ctypes` on top of it would cost 2 ms more
    except ImportError:  # a Python that was built without libffi
        return -1
    library = dlopen(None, 0)  # type: ignore[arg-type]  # what is loaded already
    result: int = call_function(dlsym(library, "prctl"), (option, argument, 0, 0, 0))
    return result
