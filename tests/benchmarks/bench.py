"""What a start under exec costs, beside a plain boto3 script that does the same: `make bench`.

The installed command, started in a clean environment, the cases taking turns so that a slow second hurts all
of them alike. Prints the ratios of the medians first, since they travel between machines, then milliseconds.

    bench.py [RUNS]    how often each case runs (21; at least 15)
"""

from __future__ import annotations

import os
import platform
import socket
import ssl
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import median, quantiles

sys.path[0] = str(Path(__file__).parents[2])  # started as a file, and uses what the tests use

from tests.support.aws import open_store  # noqa: E402
from tests.support.certificates import Authority  # noqa: E402
from tests.support.commands import SCRIPTS, Home, aws_variables  # noqa: E402
from tests.support.filling import fill, fill_ssm  # noqa: E402
from tests.support.server import Server, answer  # noqa: E402

LEAST_RUNS = 15
WARM_UP = 2
BUCKET = "bench-"  # and the store: an object is either S3's or S3-KMS's
SECRETS = {"svc": {f"secret-{number}": f"value {number} " * 4 for number in range(8)}}

#: Plain boto3 scripts that do what exec does, each from its own middle.
_BEGINNING = """
import json, os, boto3

found = {}
"""
_END = """
environ = dict(os.environ)
for key, value in found.items():
    environ[key.upper().replace("-", "_")] = value
os.execve("/bin/true", ["true"], environ)
"""
_BOTO3 = {
    "ssm": """
client = boto3.client("ssm", region_name="us-east-1")
for page in client.get_paginator("get_parameters_by_path").paginate(Path="/svc/", WithDecryption=True):
    found.update((it["Name"].rpartition("/")[2], it["Value"]) for it in page["Parameters"])
""",
    "s3": """
client = boto3.client("s3", region_name="us-east-1")
body = client.get_object(Bucket="bench-s3", Key="svc/__latest.json")["Body"].read()
found.update(json.loads(body)["latest"])
""",
    "s3-kms": """
client = boto3.client("s3", region_name="us-east-1")
prefix = "svc/__kms_"
for page in client.get_paginator("list_objects_v2").paginate(Bucket="bench-s3-kms", Prefix=prefix):
    for entry in page["Contents"]:
        body = client.get_object(Bucket="bench-s3-kms", Key=entry["Key"])["Body"].read()
        found.update((key, it["value"]) for key, it in json.loads(body)["latest"].items())
""",
    "secretsmanager": """
client = boto3.client("secretsmanager", region_name="us-east-1")
found.update(json.loads(client.get_secret_value(SecretId="svc")["SecretString"]))
""",
}

PASS = "python -c pass"
LOCAL = "exec, local store (key file)"
SSM = "exec, ssm"
BOTO3 = "boto3 script, ssm"
OTHERS = ("s3", "s3-kms", "secretsmanager")
TLS = {
    "AWS_CA_BUNDLE": "exec, ssm, TLS, own authority",
    "SSL_CERT_DIR": "exec, ssm, TLS, hashed folder",
    "SSL_CERT_FILE": "exec, ssm, TLS, bundle of all authorities",
}
CONTAINER = "exec, ssm, container's credentials"
WEB = "exec, ssm, web identity"
PROFILE = "exec, ssm, profile"

#: What is divided by what.
RATIOS = (
    (LOCAL, PASS),
    (SSM, PASS),
    (BOTO3, PASS),
    *((case, BOTO3) for case in (SSM, *TLS.values(), CONTAINER, WEB, PROFILE)),
    *((f"exec, {store}", f"boto3 script, {store}") for store in OTHERS),
)


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
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        cases = prepared(folder, stack)
        for case in cases.values():
            for _ in range(WARM_UP):
                case.run()
        for _ in range(runs):
            for case in cases.values():
                case.took.append(case.run())
    report(cases, runs)


def prepared(folder: Path, stack: ExitStack) -> dict[str, Case]:
    home = fill(Home(folder), SECRETS)
    url = stack.enter_context(moto_server())
    fill_ssm(url, SECRETS)
    fill_others(url)
    local = {"PATH": "/usr/bin:/bin", "HOME": str(folder)}
    aws = {**local, **aws_variables(url)}

    def by_exec(store: str, environ: dict[str, str]) -> Case:
        return Case([str(SCRIPTS / "vault-exec"), "exec", "--backend", store, "svc", "--", "true"], environ)

    cases = {
        PASS: Case([sys.executable, "-c", "pass"], local),
        LOCAL: by_exec("local", local),
        SSM: by_exec("ssm", aws),
    }
    for name, variables in (*tls(folder, stack), *credentials(folder, url, stack)):
        environ = {key: value for key, value in {**aws, **variables}.items() if value}
        cases[name] = by_exec("ssm", environ)
    for store in OTHERS:
        cases[f"exec, {store}"] = by_exec(store, {**aws, "CHAMBER_S3_BUCKET": BUCKET + store})
    for store, middle in _BOTO3.items():
        script = home.path / f"{store}.py"
        script.write_text(_BEGINNING + middle + _END)
        cases[f"boto3 script, {store}"] = Case([sys.executable, str(script)], aws)
    return cases


def fill_others(url: str) -> None:
    """The same secrets in S3 and Secrets Manager, by the program itself."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    for store in OTHERS:
        bucket = BUCKET + store
        opener.open(urllib.request.Request(f"{url}/{bucket}", method="PUT")).close()
        environ = {**aws_variables(url), "CHAMBER_S3_BUCKET": bucket, "HOME": "/nonexistent"}
        open_store(store, environ).write_many("svc", SECRETS["svc"])


def tls(folder: Path, stack: ExitStack) -> Iterator[tuple[str, dict[str, str]]]:
    """The same over TLS, the server's authority known in three ways."""
    authority = Authority(folder, "authority")
    authority.server()
    url = stack.enter_context(moto_server(str(folder / "authority" / "server.pem")))
    fill_ssm(url, SECRETS, verify=str(authority.pem))
    bundle = folder / "bundle.pem"
    bundle.write_bytes(Path(authorities()).read_bytes() + b"\n" + authority.pem.read_bytes())
    values = (authority.pem, authority.hashed(folder / "hashed"), bundle)
    for (variable, name), value in zip(TLS.items(), values, strict=True):
        yield name, {"AWS_ENDPOINT_URL": url, variable: str(value)}


def authorities() -> str:
    """The file of botocore's own bundle of authorities."""
    import botocore.httpsession

    return str(botocore.httpsession.DEFAULT_CA_BUNDLE)


def credentials(folder: Path, url: str, stack: ExitStack) -> Iterator[tuple[str, dict[str, str]]]:
    """The same with keys that must be found first. Empty variables are taken away."""
    nobody = {"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": ""}
    keys = '{"AccessKeyId":"a","SecretAccessKey":"b","Token":"c","Expiration":"2099-01-01T00:00:00Z"}'
    server = stack.enter_context(Server(answer(keys.encode())))
    (folder / "token").write_text("token")
    yield (
        CONTAINER,
        {
            **nobody,
            "AWS_CONTAINER_CREDENTIALS_FULL_URI": f"{server.url}/",
            "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": str(folder / "token"),
        },
    )
    yield (
        WEB,
        {
            **nobody,
            "AWS_WEB_IDENTITY_TOKEN_FILE": str(folder / "token"),
            "AWS_ROLE_ARN": "arn:aws:iam::123456789012:role/app",
        },
    )
    profile = folder / "config"
    profile.write_text(
        "[profile mine]\nregion = us-east-1\naws_access_key_id = a\naws_secret_access_key = b\n"
    )
    yield PROFILE, {**nobody, "AWS_REGION": "", "AWS_CONFIG_FILE": str(profile), "AWS_PROFILE": "mine"}


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
def moto_server(certificate: str = "") -> Iterator[str]:
    """moto in a process of its own, so that it shares no interpreter with what measures.

    certificate: the file of one and its key, for TLS.
    """
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    url = f"{'https' if certificate else 'http'}://127.0.0.1:{port}"
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    if certificate:
        command += ["-c", certificate, "-k", certificate]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_for(url)
        yield url
    finally:
        server.terminate()
        server.wait()


def wait_for(url: str) -> None:
    unchecked = ssl.create_default_context()
    unchecked.check_hostname = False
    unchecked.verify_mode = ssl.CERT_NONE
    handlers = urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=unchecked)
    opener = urllib.request.build_opener(*handlers)
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
