"""The contract through a proxy that spoils every fifth call of each operation: a retry must hide all of it.

The faults take turns; in the battery each of them also runs alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from tests.contract import test_s3, test_s3_kms, test_secretsmanager, test_ssm
from tests.support.battery import LONG
from tests.support.faults import Turns, faults_of
from tests.support.proxy import Proxy
from vault_exec.testing import StoreContract

#: Tests with so many calls, or with processes of their own, that only the battery runs them.
HEAVY = (
    "test_a_damaged_service_is_an_error_and_never_a_part",
    "test_history_is_complete_and_oldest_first",
    "test_keys_are_spelled_exactly",
    "test_more_services_than_a_page",
    "test_two_processes_at_once_lose_no_key",
    "test_values_are_kept_byte_for_byte",
)


def spoiled(
    operation: str, *, without: tuple[str, ...] = ()
) -> Callable[[type[StoreContract]], type[StoreContract]]:
    """Make a contract class run through faults, in the battery also through each of this operation alone."""
    names = [None, *(faults_of(operation) if LONG else ())]

    @pytest.fixture(autouse=True, params=names, ids=lambda name: name or "in-turns")
    def turns(self: StoreContract, request: pytest.FixtureRequest, proxy: Proxy) -> Iterator[None]:
        turns = Turns(request.node.originalname, request.param)
        proxy.spoil_by(turns)
        yield
        proxy.reset()
        if request.param is None:
            assert {operation for operation, _ in turns.injected} == set(turns.seen)

    @pytest.fixture
    def variant(self: StoreContract) -> str:
        return "through faults"

    def changed(contract: type[StoreContract]) -> type[StoreContract]:
        contract.turns = turns  # type: ignore[attr-defined]
        contract.variant = variant  # type: ignore[method-assign]
        for name in (*without, *(() if LONG else HEAVY)):
            setattr(contract, name, None)
        return contract

    return changed


# Where DeleteParameter fails without a clear answer and the key is not there afterwards, nobody can know
# whether it was there before: that counts as deleted.
@spoiled("PutParameter", without=("test_a_secret_that_is_not_there_cannot_be_deleted",))
class TestSsm(test_ssm.TestSsm):
    pass


@spoiled("PutObject")
class TestS3(test_s3.TestS3):
    pass


@spoiled("PutObject")
class TestS3Kms(test_s3_kms.TestS3Kms):
    pass


@spoiled("PutSecretValue")
class TestSecretsManager(test_secretsmanager.TestSecretsManager):
    pass
