"""The contract on a store that is honest: what fails here is wrong in the contract."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.support.memory import Memory, MemoryStore
from vault_exec.model import SecretId
from vault_exec.store import Store
from vault_exec.testing import StoreContract


class TestMemory(StoreContract):
    features = MemoryStore.features

    @pytest.fixture
    def memory(self) -> Memory:
        return Memory()

    @pytest.fixture
    def reopen(self, memory: Memory) -> Callable[[], Store]:
        return lambda: MemoryStore(memory)

    @pytest.fixture
    def damage(self, memory: Memory) -> Callable[[str, str], None]:
        return lambda service, key: memory.broken.add(SecretId(service, key))
