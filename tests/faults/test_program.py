"""The program itself where AWS fails: its exit codes, and nothing started, printed or half-written."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product

import pytest

from tests.faults.test_calls import READS, VALUES, WRITES
from tests.support.battery import LONG
from tests.support.commands import Home
from tests.support.proxy import ALWAYS, Fault, Proxy, answers, delayed, denied, web_page
from tests.support.s3 import BUCKET
from vault_exec.checked import CheckedStore

Open = Callable[..., CheckedStore]

BACKENDS = ("ssm", "s3", "s3-kms", "secretsmanager")

CANARY = "canary-a1b2"

#: Faults that do not end, and the exit code of commands other than exec.
FAULTS: dict[str, tuple[Fault, int]] = {
    "hangs": (delayed(3), 6),
    "empty-object": (answers(b"{}"), 6),
    "denied": (denied, 4),
    "web-page": (web_page, 6),
}

#: Each backend with each fault in the battery, else with one.
CASES = list(product(BACKENDS, FAULTS) if LONG else zip(BACKENDS, FAULTS, strict=True))


@pytest.mark.parametrize(("backend", "name"), CASES)
def test_the_program_fails_as_a_whole(
    open_store: Open,
    home: Home,
    proxy: Proxy,
    aws: dict[str, str],
    backend: str,
    name: str,
) -> None:
    fault, code = FAULTS[name]
    store = open_store(backend)
    store.write_many("app", VALUES)
    home.set(**aws, VAULT_EXEC_BACKEND=backend, CHAMBER_S3_BUCKET=BUCKET)
    write = ["write", "app", "key-00", CANARY]
    exec_ = ["exec", "app", "--", "sh", "-c", "echo started"]
    for arguments, wanted in ((exec_, 125), (write, code)):
        calls = READS if arguments is exec_ else WRITES
        operation = [operation for name, operation in calls if name == backend][-1]
        if (operation, code) == ("UpdateSecretVersionStage", 4):
            operation = "PutSecretValue"
        proxy.reset()
        proxy.spoil(operation, fault, times=ALWAYS)
        done = home.run("--retries", "2", "--timeout", "2", *arguments)
        assert done.code == wanted, done
        assert done.out == ""
        assert "vault-exec: error: " in done.err
        assert "app" in done.err
        assert "Traceback" not in done.err
        assert CANARY not in done.err
    proxy.reset()
    assert store.values("app") == VALUES
