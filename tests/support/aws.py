"""Stores on AWS in this process: opened as the program opens them, with what they tell kept for the test."""

from __future__ import annotations

from typing import Any

from vault_exec import registry, settings
from vault_exec.store import Context, Store
from vault_exec_backends.aws.choice import ChosenCarrier
from vault_exec_backends.aws.client import Client


class Told:
    """What a store told its user: `notes` (stderr) and `traces` (--verbose)."""

    def __init__(self) -> None:
        self.notes: list[str] = []
        self.traces: list[str] = []


def context(backend: str, environ: dict[str, str], told: Told | None = None, **options: Any) -> Context:
    """What the program would hand to the backend's factory. options: settings, `_` for `-`."""
    flags = {name.replace("_", "-"): value for name, value in options.items()}
    told = told or Told()
    environ = {"XDG_CONFIG_HOME": "/nonexistent", **environ}
    return Context(
        settings.load({"backend": backend, **flags}, environ),
        environ,
        notify=told.notes.append,
        trace=told.traces.append,
    )


def open_store(backend: str, environ: dict[str, str], told: Told | None = None, **options: Any) -> Store:
    """The store, checked as the program's stores are.

    botocore reads its own variables from this process's environment: see the fixture `aws`.
    """
    return registry.open_store(context(backend, environ, told, **options))


class Carriers:
    """Carriers that many stores of one test run share: making one takes longer than most tests."""

    def __init__(self) -> None:
        self._carriers: dict[tuple[str, str, bool], ChosenCarrier] = {}

    def connect(self, service: str, context: Context) -> Client:
        """A client as `vault_exec_backends.aws.client.connect` makes it, on a shared carrier."""
        environ = context.environ
        place = (service, environ["AWS_ENDPOINT_URL"], "AWS_DEFAULTS_MODE" in environ)
        if place not in self._carriers:
            self._carriers[place] = ChosenCarrier(service, context)
        return Client(service, context, self._carriers[place])
