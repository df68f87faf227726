"""Keyrings that behave as badly as real ones can, for `PYTHON_KEYRING_BACKEND` of another process.

Importing this module makes keyring choose among them, so nothing of this process does.
"""

from __future__ import annotations

import time

from keyring.backend import KeyringBackend  # noqa: TID253 - loaded by keyring
from keyring.errors import KeyringLocked  # noqa: TID253


class Locked(KeyringBackend):
    """Says that it is locked."""

    priority = 1

    def get_password(self, service: str, username: str) -> str | None:
        raise KeyringLocked("nobody unlocked it")

    def set_password(self, service: str, username: str, password: str) -> None:
        raise KeyringLocked("nobody unlocked it")


class Hanging(KeyringBackend):
    """Waits for a person who never comes."""

    priority = 1

    def get_password(self, service: str, username: str) -> str | None:
        time.sleep(3600)
        return None

    def set_password(self, service: str, username: str, password: str) -> None:
        time.sleep(3600)
