"""The contract on Secrets Manager, as moto's server imitates it."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import pytest

from tests.support.aws import open_store
from vault_exec.store import Store
from vault_exec.testing import StoreContract
from vault_exec_backends.secretsmanager.store import SecretsManagerStore


class TestSecretsManager(StoreContract):
    features = SecretsManagerStore.features

    @pytest.fixture
    def reopen(self, aws: dict[str, str]) -> Callable[[], Store]:
        return lambda: open_store("secretsmanager", aws)

    @pytest.fixture
    def environ(self, aws: dict[str, str]) -> Mapping[str, str]:
        return {**aws, "VAULT_EXEC_BACKEND": "secretsmanager"}
