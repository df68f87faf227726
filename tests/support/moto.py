"""moto's server over HTTP on loopback: the AWS of these tests."""

from __future__ import annotations

import functools
import logging
import threading
import urllib.request
from collections.abc import Callable
from typing import Any

from moto.server import ThreadedMotoServer


def _mend() -> None:
    """Where moto differs from the service: it fails at the versions of a secret that is not there, does not
    remember that AWSCURRENT was moved, so that the next put leaves two of them, takes a label off before it
    looks whether there is a version to move it to, and shows other threads what is half done."""
    from moto.secretsmanager.exceptions import InvalidParameterException, SecretNotFoundException
    from moto.secretsmanager.models import SecretsManagerBackend

    original = SecretsManagerBackend.list_secret_version_ids

    def list_secret_version_ids(self: SecretsManagerBackend, secret_id: str) -> str:
        if secret_id not in self.secrets:
            raise SecretNotFoundException
        return original(self, secret_id)

    move = SecretsManagerBackend.update_secret_version_stage

    def update_secret_version_stage(self: SecretsManagerBackend, **named: str) -> tuple[str, str]:
        to = named["move_to_version_id"]
        if to and named["secret_id"] in self.secrets and to not in self.secrets[named["secret_id"]].versions:
            raise InvalidParameterException(f"Not a valid version: {to}")
        moved = move(self, **named)
        if named["version_stage"] == "AWSCURRENT":
            self.secrets[named["secret_id"]].default_version_id = named["move_to_version_id"]
        return moved

    SecretsManagerBackend.list_secret_version_ids = list_secret_version_ids
    SecretsManagerBackend.update_secret_version_stage = update_secret_version_stage
    for name in (
        "create_secret",
        "describe_secret",
        "get_secret_value",
        "list_secret_version_ids",
        "put_secret_value",
        "update_secret_version_stage",
    ):
        setattr(SecretsManagerBackend, name, _one_at_a_time(getattr(SecretsManagerBackend, name)))


_LOCK = threading.RLock()


def _one_at_a_time(method: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(method)
    def locked(*arguments: Any, **named: Any) -> Any:
        with _LOCK:
            return method(*arguments, **named)

    return locked


class Moto:
    """One server, in a thread of the test process. `url` is its endpoint; `reset()` empties it."""

    def __init__(self) -> None:
        logging.getLogger("werkzeug").setLevel(logging.WARNING)  # or it tells of every request
        _mend()
        self._server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
        self._server.start()
        host, port = self._server.get_host_and_port()
        self.url = f"http://{host}:{port}"

    def reset(self) -> None:
        request = urllib.request.Request(f"{self.url}/moto-api/reset", method="POST")
        with urllib.request.urlopen(request) as answer:
            answer.read()

    def stop(self) -> None:
        self._server.stop()
