from __future__ import annotations

from collections.abc import Callable

import pytest

from vault_exec.store import Store
from vault_exec.testing import StoreContract
from vault_exec_backends.null import NullStore


class TestNull(StoreContract):
    features = NullStore.features

    @pytest.fixture
    def reopen(self) -> Callable[[], Store]:
        return NullStore
