"""Which carrier a call gets: the light one where all that is configured is plain, else botocore."""

from __future__ import annotations

from _thread import allocate_lock

from vault_exec_backends.aws.light import Unusual

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from vault_exec.store import Context
    from vault_exec_backends.aws.client import Carrier


class ChosenCarrier:
    """Decides at the first call, and goes over to botocore for good when a call turns out to be unusual."""

    __slots__ = ("_carrier", "_context", "_lock", "_service")

    def __init__(self, service: str, context: Context) -> None:
        self._service = service
        self._context = context
        self._lock = allocate_lock()
        self._carrier: Carrier | None = None

    def send(self, operation: str, members: Mapping[str, Any], seconds: float) -> dict[str, Any]:
        """See `client.Carrier`."""
        with self._lock:
            if self._carrier is None:
                self._carrier = self._chosen()
            carrier = self._carrier
        try:
            return carrier.send(operation, members, seconds)
        except Unusual as unusual:
            with self._lock:
                if self._carrier is carrier:
                    self._carrier = self._botocore(unusual)
                carrier = self._carrier
            return carrier.send(operation, members, seconds)

    def _chosen(self) -> Carrier:
        from vault_exec_backends.aws.light.plan import Plan

        try:
            plan = Plan(self._service, self._context.environ, self._context.settings.backend_s3_bucket)
        except Unusual as unusual:
            return self._botocore(unusual)
        from vault_exec_backends.aws.light.carrier import LightCarrier

        self._context.trace(f"{self._service}: carried without botocore: nothing unusual is configured")
        return LightCarrier(plan)

    def _botocore(self, unusual: Unusual) -> Carrier:
        from vault_exec_backends.aws.boto_carrier import BotoCarrier

        self._context.trace(f"{self._service}: carried by botocore: {unusual}")
        return BotoCarrier(self._service, self._context.environ, self._context.settings.timeout)
