"""Six writers at once, with and without `if_version`, while answers get lost and writers die: every write
that is acknowledged is there, once, at a version of its own, and no key of another writer is gone."""

from __future__ import annotations

import json
import random
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from tests.support.battery import Tally, some
from tests.support.commands import Home
from tests.support.filling import local_store
from tests.support.histories import SERVICE, WRITERS, Note, attempts, check, lottery, write
from tests.support.moto import Moto
from tests.support.proxy import Proxy
from vault_exec.checked import CheckedStore
from vault_exec.model import Version
from vault_exec.store import Store
from vault_exec.testing import at_once
from vault_exec_backends.aws.times import parsed

Open = Callable[..., CheckedStore]

ROOT = Path(__file__).parents[2]

SEEDS = [f"seed {number}" for number in range(some(1, 5))]


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("backend", ["ssm", "s3", "s3-kms"])
def test_on_aws(open_store: Open, proxy: Proxy, tally: Tally, backend: str, seed: str) -> None:
    check(*history(open_store, proxy, backend, seed, some(8, 30)), tally)


@pytest.mark.parametrize("seed", SEEDS)
def test_on_secrets_manager(open_store: Open, proxy: Proxy, moto: Moto, tally: Tally, seed: str) -> None:
    store, done = history(open_store, proxy, "secretsmanager", seed, some(4, 30))
    check(store, done, tally, contents(moto))
    for attempt in random.Random(seed).sample([it for it in done if it.version], 5):
        assert store.read(SERVICE, attempt.key, attempt.version).value == attempt.value


def history(open_store: Open, proxy: Proxy, backend: str, seed: str, count: int) -> tuple[Any, ...]:
    """Let the writers write, each through a store of its own; the store as it is then, and what they did."""
    notes: list[list[Note]] = [[] for _ in range(WRITERS)]
    stores = [open_store(backend) for _ in notes]
    proxy.spoil_by(lottery(seed))
    at_once(lambda number, store: write(store, f"w{number}", count, seed, notes[number].append), stores)
    proxy.reset()
    return open_store(backend), [attempt for own in notes for attempt in attempts(own)]


def contents(moto: Moto) -> Callable[[Store, Sequence[Version]], Mapping[int, str]]:
    """The values of a key's versions, from all that the secret ever held, read once, by the times of the
    versions: `read` would look through all of it for each of them."""
    import boto3

    client = boto3.client("secretsmanager", region_name="us-east-1", endpoint_url=moto.url)
    found: dict[tuple[str, int, datetime | None], str] = {}
    for entry in client.list_secret_version_ids(SecretId=SERVICE, IncludeDeprecated=True)["Versions"]:
        answer = client.get_secret_value(SecretId=SERVICE, VersionId=entry["VersionId"])
        document = json.loads(answer["SecretString"])
        for key, known in json.loads(document["_chamber_metadata"]).items():
            found[key, known["version"], parsed(known["created"])] = document[key]
    return lambda _, versions: {it.version: found[it.id.key, it.version, it.created] for it in versions}


@pytest.mark.parametrize("seed", SEEDS)
def test_on_the_local_store(home: Home, tally: Tally, seed: str) -> None:
    """The writers are processes, and one after another is killed."""
    local_store(home).close()
    chance = random.Random(seed)

    def start(name: str, count: int) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "tests.support.histories", name, str(count), seed]
        environ = {**home.environ, "VAULT_EXEC_BACKEND": "local", "PYTHONPATH": str(ROOT)}
        return subprocess.Popen(command, cwd=ROOT, env=environ, stdout=subprocess.PIPE, text=True)

    steady = [start(f"w{number}", 30) for number in range(WRITERS)]
    killed = []
    for number in range(some(1, 4)):
        killed.append(start(f"k{number}", 10_000))
        time.sleep(0.5 + chance.random() * 0.5)
        killed[-1].kill()
    done = []
    for process in [*steady, *killed]:
        lines = process.communicate(timeout=100)[0].splitlines()
        done += attempts(json.loads(line) for line in lines if line.endswith("]"))
    assert [process.returncode for process in steady] == [0] * WRITERS
    assert [process.returncode for process in killed] == [-9] * len(killed)
    with local_store(home) as store:
        check(store, done, tally)
