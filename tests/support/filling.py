"""Filling stores for tests of other things than writing: in this process, which is quick."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from tests.support.commands import Home
from vault_exec import registry, settings
from vault_exec.errors import ConflictError
from vault_exec.store import Context, Store

Services = Mapping[str, Mapping[str, str]]

_RECORDED = Path(__file__).parent.parent / "cli" / "data" / "recorded_values.json"


def recorded_values() -> dict[str, dict[str, str]]:
    """Service → key → value, as chamber left them in Parameter Store in a recorded run."""
    found: dict[str, dict[str, str]] = json.loads(_RECORDED.read_text())
    return found


def local_store(home: Home) -> Store:
    """The home's local store, made with its key in a file if it is not there yet."""
    context = Context(settings.load({"backend": "local"}, home.environ), home.environ)
    store = registry.open_store(context)
    try:
        store.initialise("file")
    except ConflictError:
        pass  # there already
    return store


def fill(home: Home, services: Services) -> Home:
    """Put these secrets into the home's local store, whose key is a file."""
    with local_store(home) as store:
        for service, values in services.items():
            store.write_many(service, values)
    return home


def fill_ssm(url: str, services: Services, verify: str | None = None) -> None:
    """Put these secrets into Parameter Store as chamber does. verify: the file of its authority, for TLS."""
    import boto3

    client = boto3.client(
        "ssm",
        endpoint_url=url,
        region_name="us-east-1",
        aws_access_key_id="testing",
        aws_secret_access_key="testing",
        verify=verify,
    )
    for service, values in services.items():
        for key, value in values.items():
            client.put_parameter(
                Name=f"/{service}/{key}",
                Value=value,
                Type="SecureString",
                KeyId="alias/parameter_store_key",
                Description="1",
                Overwrite=True,
            )
    client.close()
