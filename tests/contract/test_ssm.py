"""The contract on Parameter Store, as moto's server imitates it."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import pytest

from tests.support.aws import Carriers, context
from tests.support.proxy import ALWAYS, Proxy, denied
from vault_exec.checked import CheckedStore
from vault_exec.store import Store
from vault_exec.testing import StoreContract
from vault_exec_backends.ssm import SsmStore

CARRIERS = Carriers()


class TestSsm(StoreContract):
    features = SsmStore.features
    history_depth = 100
    refused_values = frozenset(["template"])

    @pytest.fixture
    def reopen(self, aws: dict[str, str]) -> Callable[[], Store]:
        def reopen() -> Store:
            around = context("ssm", aws)
            return CheckedStore(SsmStore(around, CARRIERS.connect("ssm", around)), around)

        return reopen

    @pytest.fixture
    def environ(self, aws: dict[str, str]) -> Mapping[str, str]:
        return {**aws, "VAULT_EXEC_BACKEND": "ssm"}

    @pytest.fixture
    def damage(self, proxy: Proxy) -> Callable[[str, str], None]:
        """Every page after the first is refused."""

        def damage(service: str, key: str) -> None:
            for operation in ("GetParametersByPath", "DescribeParameters"):
                proxy.spoil(operation, denied, nth=2, times=ALWAYS)

        return damage


class TestSsmByBotocore(TestSsm):
    @pytest.fixture
    def carrier(self) -> str:
        return "botocore"
