"""A local store of a test's own: opened in this process or in others, and changed behind its back."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from vault_exec import settings
from vault_exec.checked import CheckedStore
from vault_exec.errors import UnsupportedError
from vault_exec.store import Context
from vault_exec_backends.local.store import LocalStore

#: What every process of a test begins with. `other_user` gives up root, for whom permissions do not count;
#: what root alone could still import is imported before.
PREAMBLE = """
import os, sys
import datetime, pwd, threading
from vault_exec import open_store
from vault_exec.errors import VaultExecError
from vault_exec_backends.local.sealing import Sealer
Sealer(bytes(32), bytes(16)).seal(b"", b"")

def other_user():
    if os.geteuid() == 0:
        os.setgid(65534)
        os.setuid(65534)

def tried(call):
    try:
        return call()
    except VaultExecError as error:
        return f"{type(error).__name__} {error.exit_code}: {error}"
"""


class Place:
    """Where one store is, and whoever uses it.

    notes: what was said to them. asked: what they were asked.
    """

    def __init__(self, folder: Path, **variables: str) -> None:
        self.home = folder / "home"
        self.home.mkdir()
        self.path = folder / "store" / "store.db"
        self.environ = {
            "HOME": str(self.home),
            "PATH": os.environ["PATH"],
            "VAULT_EXEC_STORE": str(self.path),
            "PYTHON_KEYRING_BACKEND": "keyring.backends.fail.Keyring",
            **variables,
        }
        self.notes: list[str] = []
        self.asked: list[str] = []

    def open(self, answers: Iterable[str] = (), **variables: str) -> CheckedStore:
        """The store as a new process would see it. answers: what is typed, in this order."""
        answers = iter(answers)

        def ask(prompt: str) -> str:
            self.asked.append(prompt)
            for answer in answers:
                return answer
            raise UnsupportedError(f"{prompt}: there is no terminal to ask on")

        environ = {**self.environ, **variables}
        context = Context(settings.load({}, environ), environ, notify=self.notes.append, ask_secret=ask)
        return CheckedStore(LocalStore(context), context)

    @property
    def key_folder(self) -> Path:
        return self.home / ".config/vault-exec/keys"

    @property
    def key_file(self) -> Path:
        """The one key file that there is."""
        [path] = self.key_folder.iterdir()
        return path

    def sql(self, statement: str, *parameters: object) -> list[tuple[Any, ...]]:
        """Do something to the file as anybody could who has it, and return the rows."""
        connection = sqlite3.connect(self.path)
        try:
            with connection:
                return connection.execute(statement, parameters).fetchall()
        finally:
            connection.close()

    def start(self, code: str, *arguments: str, **variables: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-c", PREAMBLE + code, *arguments],
            env={**self.environ, **variables},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, code: str, *arguments: str, stdin: str = "", **variables: str) -> str:
        """What another process prints, which must end well."""
        process = self.start(code, *arguments, **variables)
        out, err = process.communicate(stdin, timeout=60)
        assert process.returncode == 0, err
        return out
