"""The contract on the local store, for each place where its key can be kept."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from tests.support.commands import Home
from tests.support.keyrings import RealKeyring
from vault_exec import settings
from vault_exec.store import Context, Store
from vault_exec.testing import StoreContract
from vault_exec_backends.local.store import LocalStore

PASSPHRASE = "a passphrase of the tests"


def context(environ: Mapping[str, str]) -> Context:
    return Context(settings.load({}, environ), environ, ask_secret=lambda prompt: PASSPHRASE)


class LocalContract(StoreContract):
    """What does not differ: the store's file, and how a row can vanish from it."""

    features = LocalStore.features

    @pytest.fixture
    def path(self, home: Home) -> Path:
        return home.path / "store" / "store.db"

    @pytest.fixture
    def reopen(self, environ: Mapping[str, str]) -> Callable[[], Store]:
        return lambda: LocalStore(context(environ))

    @pytest.fixture(params=["its row", "all rows", "the whole service"])
    def damage(self, path: Path, request: pytest.FixtureRequest) -> Callable[[str, str], None]:
        def damage(service: str, key: str) -> None:
            connection = sqlite3.connect(path)
            with connection:
                only = " AND key = ?" if request.param == "its row" else ""
                names = (service, key) if only else (service,)
                connection.execute(f"DELETE FROM secrets WHERE service = ?{only}", names)
                if request.param == "the whole service":
                    connection.execute("DELETE FROM services WHERE name = ?", (service,))
            connection.close()

        return damage


class TestKeyFile(LocalContract):
    @pytest.fixture
    def variant(self) -> str:
        return "key file"

    @pytest.fixture
    def environ(self, home: Home, path: Path) -> Mapping[str, str]:
        return {**home.environ, "VAULT_EXEC_STORE": str(path)}


class TestKeyring(LocalContract):
    @pytest.fixture
    def variant(self, real_keyring: RealKeyring) -> str:
        return f"keyring: {real_keyring.name}"

    @pytest.fixture
    def environ(self, home: Home, path: Path, real_keyring: RealKeyring) -> Mapping[str, str]:
        return {**home.environ, "VAULT_EXEC_STORE": str(path), **real_keyring.environ}


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> LocalStore:
    """An empty store that was opened. Argon2 takes 0.1 s, so the tests open copies of it."""
    path = tmp_path_factory.mktemp("passphrase") / "store.db"
    store = LocalStore(context({"VAULT_EXEC_STORE": str(path)}))
    store.initialise("passphrase")
    return store


class TestPassphrase(LocalContract):
    @pytest.fixture
    def variant(self) -> str:
        return "passphrase"

    @pytest.fixture
    def environ(self, home: Home, path: Path, opened: LocalStore) -> Mapping[str, str]:
        path.parent.mkdir(0o700)
        shutil.copy(opened._database.path, path)
        return {**home.environ, "VAULT_EXEC_STORE": str(path), "VAULT_EXEC_PASSPHRASE": PASSPHRASE}

    @pytest.fixture
    def reopen(self, environ: Mapping[str, str], opened: LocalStore) -> Callable[[], Store]:
        def reopen() -> Store:
            store = LocalStore(context(environ))
            store._identity, store._sealer = opened._identity, opened._sealer
            return store

        return reopen
