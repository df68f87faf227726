"""The contract on S3 with KMS keys, as moto's server imitates it."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import pytest

from tests.support.s3 import ALIAS, BUCKET, S3
from vault_exec.store import Store
from vault_exec.testing import StoreContract
from vault_exec_backends.s3_kms import S3KmsStore

INDEX = "__kms_alias_parameter_store_key__latest.json"


class TestS3Kms(StoreContract):
    features = S3KmsStore.features
    history_depth = 101

    @pytest.fixture
    def reopen(self, s3: S3) -> Callable[[], Store]:
        return lambda: s3.open("s3-kms")

    @pytest.fixture
    def environ(self, s3: S3, aws: dict[str, str]) -> Mapping[str, str]:
        return {**aws, "VAULT_EXEC_BACKEND": "s3-kms", "CHAMBER_S3_BUCKET": BUCKET}

    @pytest.fixture(params=['{"latest":{"key":{"vers', "{}", '{"latest":{"key":"value"}}'])
    def damage(self, request: pytest.FixtureRequest, s3: S3) -> Callable[[str, str], None]:
        return lambda service, key: s3.put(f"{service}/{INDEX}", request.param, ALIAS)
