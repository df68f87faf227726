"""What guards this process while secrets are in its memory, and is undone before it becomes the program.

- No core dump, and no debugger of the same user: RLIMIT_CORE is 0, and the process is not dumpable (Linux,
  PR_SET_DUMPABLE of prctl(2)), because a handler that dumps are piped to gets them whatever the limit says
  (core(5)). 0.7 ms in all. Afterwards /proc/self/environ cannot be read any more, except by root.
- As PID 1, which the kernel sends no signal that has its default action, SIGTERM ends the process with 143: a
  thread waits for it. A Python handler would run only when the call that is under way returns to the
  interpreter.
"""

from __future__ import annotations

import _signal  # type: ignore[import-not-found]  # `signal` wraps it in enums, for 4 ms
import os
import resource
import sys
from _thread import allocate_lock, start_new_thread

TERMINATED = 128 + 15  # what a shell says of a process that SIGTERM ended

_PR_GET_DUMPABLE = 3  # linux/prctl.h
_PR_SET_DUMPABLE = 4


class Guard:
    """In force from its making until `lift`, which leaves this process as it was started."""

    __slots__ = ("_core", "_dumpable", "_watch")

    def __init__(self) -> None:
        self._watch = _Watch() if os.getpid() == 1 else None
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


class _Watch:
    """A thread that ends the process on SIGTERM; SIGURG, which nobody sends to PID 1, tells it to stop."""

    __slots__ = ("_mask", "_stopped", "_stopping")

    def __init__(self) -> None:
        self._stopping = False
        self._stopped = allocate_lock()
        self._stopped.acquire()
        # A blocked signal is kept by the kernel even where its default action would be to drop it.
        self._mask = _signal.pthread_sigmask(_signal.SIG_BLOCK, (_signal.SIGTERM, _signal.SIGURG))
        start_new_thread(self._wait, ())

    def _wait(self) -> None:
        while not self._stopping:
            if _signal.sigwait((_signal.SIGTERM, _signal.SIGURG)) == _signal.SIGTERM:
                os._exit(TERMINATED)
        self._stopped.release()

    def end(self) -> None:
        self._stopping = True
        os.kill(os.getpid(), _signal.SIGURG)
        self._stopped.acquire()
        if _signal.SIGTERM in _signal.sigpending():  # came after the thread, and unblocking would drop it
            os._exit(TERMINATED)
        _signal.pthread_sigmask(_signal.SIG_SETMASK, self._mask)


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
