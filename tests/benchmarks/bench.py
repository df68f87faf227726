"""What a start under exec costs, beside a plain boto3 script that does the same: `make bench`.

The installed command, started in a clean environment, the cases taking turns so that a slow second hurts all
of them alike. Prints the ratios of the medians first, since they travel between machines, then milliseconds.

    bench.py [RUNS]    how often each case runs (21; at least 15)
"""

from __future__ import annotations

import os
import platform
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median, quantiles

sys.path[0] = str(Path(__file__).parents[2])  # started as a file, and uses what the tests use

from tests.support.commands import SCRIPTS, Home, aws_variables  # noqa: E402
from tests.support.filling import fill, fill_ssm  # noqa: E402

LEAST_RUNS = 15
WARM_UP = 2
SECRETS = {"svc": {f"secret-{number}": f"value {number} " * 4 for number in range(8)}}

BOTO3_SCRIPT = """
import os, boto3

client = boto3.client("ssm", region_name="us-east-1")
environ = dict(os.environ)
for page in client.get_paginator("get_parameters_by_path").paginate(Path="/svc/", WithDecryption=True):
    for parameter in page["Parameters"]:
        name = parameter["Name"].rpartition("/")[2].upper().replace("-", "_")
        environ[name] = parameter["Value"]
os.execve("/bin/true", ["true"], environ)
"""

PASS = "python -c pass"
LOCAL = "exec, local store (key file)"
SSM = "exec, Parameter Store (moto)"
BOTO3 = "plain boto3 script, the same (moto)"

#: What is divided by what.
RATIOS = ((LOCAL, PASS), (SSM, PASS), (BOTO3, PASS), (SSM, BOTO3))


class Case:
    """A command that is timed, and what it took so far, in milliseconds."""

    def __init__(self, command: list[str], environ: dict[str, str]) -> None:
        self.command = command
        self.environ = environ
        self.took: list[float] = []

    def run(self) -> float:
        began = time.perf_counter()
        pid = os.posix_spawn(self.command[0], self.command, self.environ)
        _, status = os.waitpid(pid, 0)
        took = (time.perf_counter() - began) * 1000
        if status:
            sys.exit(f"{' '.join(self.command)} failed with status {status}")
        return took


def main() -> None:
    runs = max(LEAST_RUNS, int(sys.argv[1])) if len(sys.argv) > 1 else 21
    with tempfile.TemporaryDirectory() as folder, moto_server() as url:
        cases = prepared(Path(folder), url)
        for case in cases.values():
            for _ in range(WARM_UP):
                case.run()
        for _ in range(runs):
            for case in cases.values():
                case.took.append(case.run())
    report(cases, runs)


def prepared(folder: Path, url: str) -> dict[str, Case]:
    home = fill(Home(folder), SECRETS)
    fill_ssm(url, SECRETS)
    local = {"PATH": "/usr/bin:/bin", "HOME": str(folder)}
    aws = {**local, **aws_variables(url)}
    script = home.path / "script.py"
    script.write_text(BOTO3_SCRIPT)
    command = [str(SCRIPTS / "vault-exec"), "exec", "svc", "--", "true"]
    return {
        PASS: Case([sys.executable, "-c", "pass"], local),
        LOCAL: Case([command[0], "--backend", "local", *command[1:]], local),
        SSM: Case([command[0], "--backend", "ssm", *command[1:]], aws),
        BOTO3: Case([sys.executable, str(script)], aws),
    }


def report(cases: dict[str, Case], runs: int) -> None:
    medians = {name: median(case.took) for name, case in cases.items()}
    print(
        f"8 secrets, {runs} runs taking turns, medians. "
        f"{platform.python_implementation()} {platform.python_version()}, {platform.system()} "
        f"{platform.machine()}, {os.cpu_count()} processors.\n"
    )
    width = max(len(f"{above} / {below}") for above, below in RATIOS)
    for above, below in RATIOS:
        print(f"{f'{above} / {below}':{width}}  {medians[above] / medians[below]:5.2f}")
    print()
    for name, case in cases.items():
        low, *_, high = quantiles(case.took, n=10)
        print(f"{name:{width}}  {medians[name]:5.1f} ms  (8 of 10: {low:.1f} to {high:.1f})")


@contextmanager
def moto_server() -> Iterator[str]:
    """moto in a process of its own, so that it shares no interpreter with what measures."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_for(url)
        yield url
    finally:
        server.terminate()
        server.wait()


def wait_for(url: str) -> None:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    for _ in range(200):
        try:
            opener.open(f"{url}/moto-api/data.json", timeout=5).close()
        except OSError:
            time.sleep(0.1)
        else:
            return
    sys.exit("moto's server did not start")


if __name__ == "__main__":
    main()
