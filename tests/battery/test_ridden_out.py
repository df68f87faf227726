"""Transient faults are ridden out: many execs at once on a store that allows few calls a second all start."""

from __future__ import annotations

import subprocess
import time
from concurrent.futures import ThreadPoolExecutor

from tests.support.battery import Property, Tally, some
from tests.support.commands import SCRIPTS, Home, aws_variables
from tests.support.quota import QuotaServer

NOT_RIDDEN_OUT = Property("execs on a throttled store that did not start", "execs")

EXECS = some(8, 50)
KEYS = some(30, 100)
CALLS_A_SECOND = some(12, 40)

#: In seconds, from the start of all to the end of the last.
WITHIN = 30


def test_every_exec_starts_on_a_store_that_throttles(home: Home, tally: Tally) -> None:
    tally.property = NOT_RIDDEN_OUT
    values = {f"key-{number:03}": f"value {number} of many" for number in range(KEYS)}
    expected = {f"KEY_{number:03}={values[f'key-{number:03}']}" for number in range(KEYS)}

    with QuotaServer(values, CALLS_A_SECOND) as server:
        home.set(**aws_variables(server.url), VAULT_EXEC_BACKEND="ssm")

        def exec(_: int) -> None:
            command = [SCRIPTS / "vault-exec", "exec", "svc", "--pristine", "--", "/usr/bin/env"]
            done = subprocess.run(command, env=home.environ, cwd=home.path, capture_output=True, text=True)
            took = time.monotonic() - began
            tally.saw("the last started, in seconds, after", took)
            started = done.returncode == 0 and set(done.stdout.splitlines()) == expected
            late = took > WITHIN
            tally.case(
                f"code {done.returncode} after {took:.1f} s: {done.stderr!r}" if late or not started else None
            )

        began = time.monotonic()
        with ThreadPoolExecutor(EXECS) as pool:
            list(pool.map(exec, range(EXECS)))
        tally.note(
            f"{KEYS} keys each, {CALLS_A_SECOND} calls a second allowed: "
            f"{server.served:,} answered, {server.throttled:,} throttled"
        )
        assert server.throttled > 0
