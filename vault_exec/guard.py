"""What guards this process while secrets are in its memory, and is undone before it becomes the program.

- A core dump holds no secret: RLIMIT_CORE is 0, and where a handler gets dumps whatever that limit says
  (core(5), "Piping core dumps to a program"), the coredump_filter leaves out all memory. Both together cost
  0.35 ms. Not PR_SET_DUMPABLE: it takes ctypes (2 ms), and a process that is not dumpable and not root's can
  no longer open /dev/fd/N, from which keys and passphrases come.
- As PID 1, which the kernel sends no signal that has its default action, SIGTERM ends the process with 143: a
  thread waits for it. A Python handler would run only when the call that is under way returns to the
  interpreter.
"""

from __future__ import annotations

import _signal  # type: ignore[import-not-found]  # `signal` wraps it in enums, for 4 ms
import os
import resource
from _thread import allocate_lock, start_new_thread

TERMINATED = 128 + 15  # what a shell says of a process that SIGTERM ended
_FILTER = "/proc/self/coredump_filter"


class Guard:
    """In force from its making until `lift`, which leaves this process as it was started."""

    __slots__ = ("_core", "_filter", "_watch")

    def __init__(self) -> None:
        self._watch = _Watch() if os.getpid() == 1 else None
        self._core = resource.getrlimit(resource.RLIMIT_CORE)
        resource.setrlimit(resource.RLIMIT_CORE, (0, self._core[1]))
        self._filter = _exchange_filter("0")

    def lift(self) -> None:
        """Undo all, and let the program have its signals as we got ours.

        CPython ignores SIGPIPE and SIGXFSZ from its start, and what they were before cannot be known any
        more. The default is what Go leaves, and so chamber.
        """
        if self._filter is not None:
            _exchange_filter(self._filter)
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


def _exchange_filter(new: str) -> str | None:
    """Write the filter of this process and return what it was; None where it cannot be written."""
    try:
        with open(_FILTER, "r+b", buffering=0) as file:
            old = int(file.read(), 16)
            file.write(new.encode("ascii"))
    except (OSError, ValueError):
        return None
    return hex(old)
