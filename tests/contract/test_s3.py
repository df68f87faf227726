"""The contract on S3, as moto's server imitates it."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import pytest

from tests.support.s3 import BUCKET, S3
from vault_exec.store import Store
from vault_exec.testing import StoreContract
from vault_exec_backends.s3.store import S3Store


class TestS3(StoreContract):
    features = S3Store.features
    history_depth = 101

    @pytest.fixture
    def reopen(self, s3: S3) -> Callable[[], Store]:
        return lambda: s3.open("s3")

    @pytest.fixture
    def environ(self, s3: S3, aws: dict[str, str]) -> Mapping[str, str]:
        return {**aws, "VAULT_EXEC_BACKEND": "s3", "CHAMBER_S3_BUCKET": BUCKET}

    @pytest.fixture(params=['{"latest":{"key":"cut o', "{}", '{"latest":{"key":1}}'])
    def damage(self, request: pytest.FixtureRequest, s3: S3) -> Callable[[str, str], None]:
        return lambda service, key: s3.put(f"{service}/__latest.json", request.param)
