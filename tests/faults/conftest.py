from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.support.aws import Carriers, Told, context
from tests.support.proxy import Proxy
from tests.support.s3 import S3
from vault_exec.checked import CheckedStore
from vault_exec_backends.aws.caller import Caller
from vault_exec_backends.secretsmanager.store import SecretsManagerStore
from vault_exec_backends.ssm import SsmStore

CARRIERS = Carriers()

Open = Callable[..., CheckedStore]


@pytest.fixture
def open_store(s3: S3, proxy: Proxy, aws: dict[str, str]) -> Open:
    """Opens a store on AWS through the proxy, by its backend's name; keywords are settings."""

    def open(backend: str, **options: Any) -> CheckedStore:
        if backend.startswith("s3"):
            return s3.open(backend, **options)
        around = context(backend, aws, Told(), **options)
        client = CARRIERS.connect(backend, around)
        if backend == "ssm":
            return CheckedStore(SsmStore(around, client), around)
        return CheckedStore(SecretsManagerStore(around, client, Caller(around, CARRIERS.connect)), around)

    return open
