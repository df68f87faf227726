from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.support.aws import Carriers, Told, context
from tests.support.proxy import Proxy
from vault_exec.checked import CheckedStore
from vault_exec_backends.ssm import SsmStore

CARRIERS = Carriers()


@pytest.fixture
def told() -> Told:
    """What the stores of a test told their user."""
    return Told()


@pytest.fixture
def open_ssm(proxy: Proxy, aws: dict[str, str], told: Told) -> Callable[..., CheckedStore]:
    """Opens the store on moto through the proxy; keywords are settings."""

    def open(**options: Any) -> CheckedStore:
        around = context("ssm", aws, told, **options)
        return CheckedStore(SsmStore(around, CARRIERS.connect("ssm", around)), around)

    return open


@pytest.fixture
def store(open_ssm: Callable[..., CheckedStore]) -> CheckedStore:
    return open_ssm()
