"""A keyring of the tests' own that really stores.

It is GNOME's Secret Service on a private D-Bus where both programs are installed
(`apt install dbus gnome-keyring`), else keyrings.alt's file, which really stores.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PASSWORD = b"of the keyring of the tests"


class RealKeyring:
    """A keyring of this test run. `name` says which one it is; `environ` leads another process to it."""

    def __init__(self, folder: Path) -> None:
        self._processes: list[subprocess.Popen[bytes]] = []
        if shutil.which("dbus-daemon") and shutil.which("gnome-keyring-daemon"):
            self.name = "Secret Service on a private D-Bus"
            self.environ = {
                "PYTHON_KEYRING_BACKEND": "keyring.backends.SecretService.Keyring",
                "DBUS_SESSION_BUS_ADDRESS": self._start(folder),
            }
        else:
            self.name = "a file of keyrings.alt: there is no dbus-daemon and gnome-keyring-daemon"
            self.environ = {
                "PYTHON_KEYRING_BACKEND": "keyrings.alt.file.PlaintextKeyring",
                "XDG_DATA_HOME": str(folder),
            }

    def _start(self, folder: Path) -> str:
        """The address of a D-Bus with an unlocked Secret Service."""
        environ = {
            "PATH": os.environ["PATH"],
            "HOME": str(folder),
            "XDG_DATA_HOME": str(folder),
            "XDG_RUNTIME_DIR": str(folder),
        }
        bus = subprocess.Popen(
            ["dbus-daemon", "--session", "--nofork", "--print-address"],
            env=environ,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        self._processes.append(bus)
        assert bus.stdout is not None
        with bus.stdout:
            address = bus.stdout.readline().decode().strip()
        daemon = subprocess.Popen(
            ["gnome-keyring-daemon", "--foreground", "--unlock", "--components=secrets"],
            env={**environ, "DBUS_SESSION_BUS_ADDRESS": address},
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        self._processes.append(daemon)
        assert daemon.stdin is not None
        with daemon.stdin:
            daemon.stdin.write(PASSWORD)
        return address

    @contextmanager
    def in_this_process(self) -> Iterator[RealKeyring]:
        """Make it the keyring of this process, working from the first call on."""
        import keyring

        own = keyring.get_keyring()  # chosen by the environment at the first call, so before it changes
        before = {name: os.environ.get(name) for name in self.environ}
        os.environ.update(self.environ)
        backend = keyring.core.load_keyring(self.environ["PYTHON_KEYRING_BACKEND"])
        keyring.set_keyring(backend)
        try:
            self._wait()
            yield self
        finally:
            keyring.set_keyring(own)
            for name, value in before.items():
                if value is None:
                    del os.environ[name]
                else:
                    os.environ[name] = value

    def _wait(self) -> None:
        """The daemon takes its name on the bus a moment after it was started."""
        import keyring

        ends = time.monotonic() + 10
        while True:
            try:
                keyring.set_password("vault-exec tests", "ready", "yes")
                return
            except Exception:
                if time.monotonic() > ends:
                    raise
                time.sleep(0.05)

    def stop(self) -> None:
        for process in reversed(self._processes):
            process.terminate()
            process.wait()
