"""Pages: an empty one is not the end, one that comes back is an error, and so is one that is refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from tests.support.proxy import ALWAYS, Exchange, Proxy, answers, failed, refused, throttled
from vault_exec.checked import CheckedStore
from vault_exec.errors import UnreachableError

Open = Callable[..., CheckedStore]
Read = Callable[[CheckedStore], Any]

#: Every operation that comes in pages, on a store with one service `app` and one key `key` of two versions,
#: with what reads it.
PAGED: list[tuple[str, str, Read]] = [
    ("ssm", "GetParametersByPath", lambda store: store.values("app")),
    ("ssm", "DescribeParameters", lambda store: store.services()),
    ("ssm", "GetParameterHistory", lambda store: store.history("app", "key")),
    ("s3", "ListObjectsV2", lambda store: store.services()),
    ("s3-kms", "ListObjectsV2", lambda store: store.values("app")),
    ("secretsmanager", "ListSecrets", lambda store: store.services()),
    ("secretsmanager", "ListSecretVersionIds", lambda store: store.history("app", "key")),
]

_MEMBERS = {
    "GetParametersByPath": "Parameters",
    "DescribeParameters": "Parameters",
    "GetParameterHistory": "Parameters",
    "ListSecrets": "SecretList",
    "ListSecretVersionIds": "Versions",
}


def empty_page(operation: str) -> bytes:
    """A page without anything that says that another one follows."""
    if operation == "ListObjectsV2":
        return (
            b"<ListBucketResult><KeyCount>0</KeyCount><IsTruncated>true</IsTruncated>"
            b"<NextContinuationToken>0</NextContinuationToken></ListBucketResult>"
        )
    return json.dumps({_MEMBERS[operation]: [], "NextToken": "0"}).encode()


def without_token(exchange: Exchange) -> None:
    """moto's S3 does not know the token that we made up. Its other services count, from 0 on."""
    exchange._handler.path = exchange._handler.path.replace("continuation-token=0&", "")
    exchange.pass_on()


@pytest.fixture(params=PAGED, ids=lambda case: f"{case[0]}-{case[1]}")
def paged(request: pytest.FixtureRequest, open_store: Open, proxy: Proxy) -> tuple[CheckedStore, str, Read]:
    backend, operation, read = request.param
    store = open_store(backend)
    store.write("app", "key", "value 1")
    store.write("app", "key", "value 2")
    proxy.reset()
    return store, operation, read


Paged = tuple[CheckedStore, str, Read]


def test_an_empty_page_is_not_the_end(proxy: Proxy, paged: Paged) -> None:
    store, operation, read = paged
    whole = read(store)
    assert whole
    proxy.reset()
    proxy.spoil(operation, answers(empty_page(operation)))
    proxy.spoil(operation, without_token, nth=2)
    assert read(store) == whole
    assert proxy.counts[operation] == 2


def test_a_page_that_comes_back_is_an_error(proxy: Proxy, paged: Paged) -> None:
    store, operation, read = paged
    proxy.spoil(operation, answers(empty_page(operation)), times=ALWAYS)
    with pytest.raises(UnreachableError, match="does not go on") as caught:
        read(store)
    assert caught.value.exit_code == 6
    assert proxy.counts[operation] == 2


def test_a_page_that_is_refused_is_an_error(proxy: Proxy, paged: Paged) -> None:
    store, operation, read = paged
    code = "InvalidNextTokenException" if store.name == "secretsmanager" else "InvalidNextToken"
    proxy.spoil(operation, answers(empty_page(operation)))
    proxy.spoil(operation, refused(400, code), nth=2, times=ALWAYS)
    with pytest.raises(UnreachableError, match="lost track") as caught:
        read(store)
    assert caught.value.exit_code == 6
    assert proxy.counts[operation] == 2


def test_pages_that_end_in_a_fault_are_no_part_of_an_answer(
    proxy: Proxy, open_store: Open, paged: Paged
) -> None:
    first, operation, read = paged
    store = open_store(first.name, retries=1)
    for fault in (answers(b"{}"), throttled, failed):
        proxy.reset()
        proxy.spoil(operation, answers(empty_page(operation)))
        proxy.spoil(operation, fault, nth=2, times=ALWAYS)
        with pytest.raises(UnreachableError) as caught:
            read(store)
        assert caught.value.exit_code == 6
        assert proxy.counts[operation] == 2
