"""Running the installed commands as a user would: a real process, a clean environment, a home of its own."""

from __future__ import annotations

import os
import subprocess
import sysconfig
from collections.abc import Mapping
from pathlib import Path

SCRIPTS = Path(sysconfig.get_path("scripts"))


class Result:
    """What a finished process left: `code`, `out` and `err` (bytes and, without the b, text)."""

    def __init__(self, code: int, out: bytes, err: bytes) -> None:
        self.code = code
        self.out_bytes = out
        self.err_bytes = err
        self.out = out.decode("utf-8", "surrogateescape")
        self.err = err.decode("utf-8", "surrogateescape")

    def __repr__(self) -> str:
        return f"Result(code={self.code}, out=<{len(self.out_bytes)} bytes>, err={self.err!r})"


class Home:
    """A user: an empty home, and the environment of a fresh shell in it. `set` adds variables for good."""

    def __init__(self, path: Path, **variables: str) -> None:
        self.path = path
        self.environ = {
            "PATH": f"{SCRIPTS}:/usr/local/bin:/usr/bin:/bin",
            "HOME": str(path),
            "LANG": "C.UTF-8",
            "TZ": "UTC",
            # No keyring of the machine that runs the tests: a store's key is a file unless a test says so.
            "PYTHON_KEYRING_BACKEND": "keyring.backends.fail.Keyring",
            **variables,
        }

    def set(self, **variables: str) -> Home:
        self.environ.update(variables)
        return self

    def run(
        self,
        *arguments: str,
        stdin: str | bytes = b"",
        env: Mapping[str, str] | None = None,
        program: str = "vault-exec",
        timeout: float = 60,
    ) -> Result:
        """Run the program (`vault-exec` or `chamber`) and wait for it."""
        done = subprocess.run(
            [str(SCRIPTS / program), *arguments],
            input=stdin.encode() if isinstance(stdin, str) else stdin,
            capture_output=True,
            env={**self.environ, **(env or {})},
            cwd=self.path,
            timeout=timeout,
            start_new_session=True,  # no terminal of whoever runs the tests: nothing can ask there
        )
        return Result(done.returncode, done.stdout, done.stderr)


#: What carries calls to AWS in tests that do not say: "light", or "botocore" for a long run's second half.
CARRIER = os.environ.get("VAULT_EXEC_TEST_CARRIER", "light")


def aws_variables(endpoint: str, carrier: str = CARRIER) -> dict[str, str]:
    """The environment of somebody whose AWS is the moto server at this URL.

    carrier: what carries the calls then. The light one leaves them to botocore when it finds a variable that
    it does not know; this one tells botocore what it does anyway.
    """
    return {
        **({"AWS_DEFAULTS_MODE": "legacy"} if carrier == "botocore" else {}),
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
        "AWS_REGION": "us-east-1",
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_EC2_METADATA_DISABLED": "true",
    }


def no_proxy() -> None:
    """Keep this process's own HTTP clients away from a proxy of the machine."""
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy", "AWS_PROFILE", "AWS_CA_BUNDLE"):
        os.environ.pop(name, None)
