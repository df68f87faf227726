"""The contract on a store that is honest: what fails here is wrong in the contract."""

from __future__ import annotations

from tests.support.memory import MemoryContract


class TestMemory(MemoryContract):
    """All of it: a `MemoryStore` declares every feature but being remote and being empty on purpose."""
