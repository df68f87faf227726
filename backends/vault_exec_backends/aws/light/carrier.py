"""Carries calls over connections of its own: see `client.Carrier`, and `plan` for what it can carry."""

from __future__ import annotations

from time import time

from vault_exec.version import __version__
from vault_exec_backends.aws.light import sigv4
from vault_exec_backends.aws.light.http import Connections, Deadline

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from vault_exec_backends.aws.light.plan import Plan


class LightCarrier:
    """One service as the plan says; threads may share it."""

    __slots__ = ("_connections", "_plan", "_protocol")

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._connections = Connections(plan.server, plan.trust)
        self._protocol = _protocol(plan.service)

    def send(self, operation: str, members: Mapping[str, Any], seconds: float) -> dict[str, Any]:
        """See `client.Carrier`. Raises Unusual too, for a call that it cannot carry; it was not done then."""
        deadline = Deadline(seconds)
        request = self._protocol.request(self._plan, operation, members)
        keys = self._plan.credentials.keys(deadline)
        headers = sigv4.signed(
            request.method,
            request.path,
            request.query,
            {**request.headers, "host": self._plan.server.authority},
            request.body,
            service=self._plan.service,
            region=self._plan.region,
            keys=keys,
            now=time(),
        )
        headers["user-agent"] = f"vault-exec/{__version__}"  # not signed: things in between may change it
        target = f"{request.path}?{request.query}" if request.query else request.path
        answer = self._connections.call(request.method, target, headers, request.body, deadline)
        found: dict[str, Any] = self._protocol.members(operation, answer)
        return found


def _protocol(service: str) -> Any:
    """The module with the service's `request` and `members`."""
    if service == "s3":
        from vault_exec_backends.aws.light import s3

        return s3
    if service == "sts":
        from vault_exec_backends.aws.light import sts

        return sts
    from vault_exec_backends.aws.light import json_protocol

    return json_protocol
