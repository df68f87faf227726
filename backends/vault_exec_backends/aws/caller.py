"""Who we are to AWS, as chamber writes it next to each version: the ARN of STS GetCallerIdentity."""

from __future__ import annotations

from _thread import allocate_lock

from vault_exec_backends.aws.client import connect

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from vault_exec.store import Context
    from vault_exec_backends.aws.client import Client


class Caller:
    """Asked once a store, and only by writes."""

    __slots__ = ("_arn", "_connect", "_context", "_lock")

    def __init__(self, context: Context, connect: Callable[[str, Context], Client] = connect) -> None:
        self._context = context
        self._connect = connect
        self._lock = allocate_lock()
        self._arn = ""

    def arn(self) -> str:
        """The caller's ARN; asks STS at the first call. Raises VaultExecErrors."""
        with self._lock:
            if not self._arn:
                answer = self._connect("sts", self._context).call(
                    "GetCallerIdentity", about="who writes", must=("Arn",)
                )
                self._arn = answer["Arn"]
            return self._arn
