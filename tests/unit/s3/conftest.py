from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.support.aws import Told
from tests.support.commands import aws_variables
from tests.support.moto import Moto
from tests.support.proxy import Proxy
from tests.support.s3 import S3
from vault_exec.checked import CheckedStore


@pytest.fixture(params=["s3", "s3-kms"])
def backend(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def told() -> Told:
    """What the stores of a test told their user."""
    return Told()


@pytest.fixture
def open_store(s3: S3, backend: str, proxy: Proxy, told: Told) -> Callable[..., CheckedStore]:
    """Opens the store on moto through the proxy; keywords are settings."""

    def open(**options: Any) -> CheckedStore:
        store = s3.open(backend, told, **options)
        proxy.reset()
        return store

    return open


@pytest.fixture
def store(open_store: Callable[..., CheckedStore]) -> CheckedStore:
    return open_store()


@pytest.fixture
def other(moto: Moto, s3: S3, backend: str) -> CheckedStore:
    """The same store as another process would open it, past the proxy."""
    return S3(moto.url, aws_variables(moto.url)).open(backend)
