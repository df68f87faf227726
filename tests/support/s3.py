"""A bucket on the moto server, as its owner sees it, and stores on it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.support.aws import Carriers, Told, context
from vault_exec.checked import CheckedStore
from vault_exec.store import Context
from vault_exec_backends.aws.caller import Caller
from vault_exec_backends.s3.store import S3Store
from vault_exec_backends.s3_kms import S3KmsStore

BUCKET = "secrets-bucket"
ALIAS = "alias/parameter_store_key"

_STORES = {"s3": S3Store, "s3-kms": S3KmsStore}
_CARRIERS = Carriers()
_CLIENTS: dict[str, Any] = {}
_WARM: set[tuple[str, str]] = set()


def index_of(backend: str, service: str, alias: str = ALIAS) -> str:
    """The index that the backend writes to."""
    return (
        f"{service}/__latest.json"
        if backend == "s3"
        else f"{service}/__kms_{alias.replace('/', '_')}__latest.json"
    )


class S3:
    """The bucket `BUCKET` on the server at `url`. Its stores go by `environ`, perhaps through a proxy."""

    def __init__(self, url: str, environ: dict[str, str]) -> None:
        self._environ = environ
        if url not in _CLIENTS:
            import boto3

            _CLIENTS[url] = boto3.client("s3", endpoint_url=url)
        self.client = _CLIENTS[url]
        self.client.create_bucket(Bucket=BUCKET)

    def open(self, backend: str = "s3", told: Told | None = None, **options: Any) -> CheckedStore:
        """A store on the bucket, checked as the program's stores are. options: settings, `_` for `-`."""
        around = context(backend, self._environ, told, **{"backend_s3_bucket": BUCKET, **options})
        for service in ("s3", "sts"):
            self._warm_up(service, around)
        caller = Caller(around, _CARRIERS.connect)
        return CheckedStore(_STORES[backend](around, _CARRIERS.connect("s3", around), caller), around)

    def _warm_up(self, service: str, around: Context) -> None:
        """botocore takes its endpoint from this process's environment when a carrier is first used."""
        url = self._environ["AWS_ENDPOINT_URL"]
        if (service, url) in _WARM:
            return
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("AWS_ENDPOINT_URL", url)
            client = _CARRIERS.connect(service, around)
            if service == "s3":
                client.call("ListObjectsV2", about="", Bucket=BUCKET)
            else:
                client.call("GetCallerIdentity", about="")
        _WARM.add((service, url))

    def names(self, prefix: str = "") -> list[str]:
        pages = self.client.get_paginator("list_objects_v2").paginate(Bucket=BUCKET, Prefix=prefix)
        return [entry["Key"] for page in pages for entry in page.get("Contents", [])]

    def put(
        self, path: str, body: bytes | str | dict[str, Any], alias: str | None = None, **more: Any
    ) -> None:
        """Write an object as chamber does: unconditionally."""
        if isinstance(body, dict):
            body = json.dumps(body)
        sealing = {"ServerSideEncryption": "AES256"}
        if alias is not None:
            sealing = {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": alias}
        self.client.put_object(Bucket=BUCKET, Key=path, Body=body, **sealing, **more)

    def get(self, path: str) -> dict[str, Any]:
        """The object: what S3 says of it, and `Body` as bytes."""
        found = self.client.get_object(Bucket=BUCKET, Key=path)
        return {**found, "Body": found["Body"].read()}

    def body(self, path: str) -> Any:
        """What the object holds, as JSON."""
        return json.loads(self.get(path)["Body"])

    def delete(self, path: str) -> None:
        self.client.delete_object(Bucket=BUCKET, Key=path)

    def tags(self, path: str) -> dict[str, str]:
        pairs = self.client.get_object_tagging(Bucket=BUCKET, Key=path)["TagSet"]
        return {pair["Key"]: pair["Value"] for pair in pairs}
