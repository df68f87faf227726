from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.support.aws import Carriers, Told, context
from tests.support.moto import Moto
from tests.support.proxy import Proxy
from vault_exec.checked import CheckedStore
from vault_exec_backends.aws.caller import Caller
from vault_exec_backends.secretsmanager.store import SecretsManagerStore

CARRIERS = Carriers()


@pytest.fixture
def told() -> Told:
    """What the stores of a test told their user."""
    return Told()


@pytest.fixture
def open_store(proxy: Proxy, aws: dict[str, str], told: Told) -> Callable[..., CheckedStore]:
    """Opens the store on moto through the proxy; keywords are settings."""

    def open(**options: Any) -> CheckedStore:
        around = context("secretsmanager", aws, told, **options)
        client = CARRIERS.connect("secretsmanager", around)
        return CheckedStore(SecretsManagerStore(around, client, Caller(around, CARRIERS.connect)), around)

    return open


@pytest.fixture
def store(open_store: Callable[..., CheckedStore]) -> CheckedStore:
    return open_store()


@pytest.fixture
def service(moto: Moto, aws: dict[str, str]) -> Any:
    """Secrets Manager itself, past the proxy and past our code."""
    import boto3

    return boto3.client("secretsmanager", region_name="us-east-1", endpoint_url=moto.url)
