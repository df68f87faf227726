"""Fixtures that every folder of tests uses."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.commands import CARRIER, Home, aws_variables, no_proxy

pytest.register_assert_rewrite("vault_exec.testing")
pytest_plugins = ["tests.support.report", "tests.support.battery"]


@pytest.fixture(scope="session", autouse=True)
def _no_proxy() -> None:
    no_proxy()


@pytest.fixture(scope="session", autouse=True)
def _no_keyring() -> None:
    """Not the keyring of whoever runs the tests: keyring reads this when it is first imported."""
    os.environ["PYTHON_KEYRING_BACKEND"] = "keyring.backends.fail.Keyring"


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """A user with an empty home, whose backend is the local store."""
    folder = tmp_path / "home"
    folder.mkdir()
    return Home(folder)


@pytest.fixture(scope="session")
def _moto_server() -> Iterator[object]:
    from tests.support.moto import Moto

    server = Moto()
    yield server
    server.stop()


@pytest.fixture
def moto(_moto_server: object) -> object:
    """An empty AWS: moto's server on loopback, emptied before each test that uses it."""
    _moto_server.reset()  # type: ignore[attr-defined]
    return _moto_server


@pytest.fixture
def carrier() -> str:
    """What carries calls to AWS, "light" or "botocore": a test class for one of them says so in its place."""
    return CARRIER


@pytest.fixture
def aws_home(home: Home, moto: object, carrier: str) -> Home:
    """A user with credentials for the moto server."""
    return home.set(**aws_variables(moto.url, carrier))  # type: ignore[attr-defined]


@pytest.fixture
def aws(moto: object, carrier: str, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """The same for this process: the variables, which botocore reads from the environment itself."""
    variables = {
        **aws_variables(moto.url, carrier),  # type: ignore[attr-defined]
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    }
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    return variables


@pytest.fixture(scope="session")
def _proxy_server(_moto_server: object) -> Iterator[object]:
    from tests.support.proxy import Proxy

    server = Proxy(_moto_server.url)  # type: ignore[attr-defined]
    yield server
    server.stop()


@pytest.fixture
def proxy(_proxy_server: object, aws: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> object:
    """The same AWS through a proxy that counts and spoils calls; `aws` leads through it then."""
    _proxy_server.reset()  # type: ignore[attr-defined]
    aws["AWS_ENDPOINT_URL"] = _proxy_server.url  # type: ignore[attr-defined]
    monkeypatch.setenv("AWS_ENDPOINT_URL", aws["AWS_ENDPOINT_URL"])
    return _proxy_server


@pytest.fixture
def s3(moto: object, aws: dict[str, str]) -> object:
    """An empty bucket on the moto server, and stores on it."""
    from tests.support.s3 import S3

    return S3(moto.url, aws)  # type: ignore[attr-defined]


@pytest.fixture(scope="session")
def _real_keyring(tmp_path_factory: pytest.TempPathFactory) -> Iterator[object]:
    from tests.support.keyrings import RealKeyring

    real = RealKeyring(tmp_path_factory.mktemp("keyring"))
    yield real
    real.stop()


@pytest.fixture
def real_keyring(_real_keyring: object) -> Iterator[object]:
    """A keyring that works: this process's own, and for others through its `environ`."""
    with _real_keyring.in_this_process():  # type: ignore[attr-defined]
        yield _real_keyring
