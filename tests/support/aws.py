"""Stores on AWS in this process: opened as the program opens them, with what they tell kept for the test."""

from __future__ import annotations

from typing import Any

from vault_exec import registry, settings
from vault_exec.store import Context, Store


class Told:
    """What a store told its user: `notes` (stderr) and `traces` (--verbose)."""

    def __init__(self) -> None:
        self.notes: list[str] = []
        self.traces: list[str] = []


def open_store(backend: str, environ: dict[str, str], told: Told | None = None, **options: Any) -> Store:
    """The store, checked as the program's stores are. options: settings, `_` for `-`.

    botocore reads its own variables from this process's environment: see the fixture `aws`.
    """
    flags = {name.replace("_", "-"): value for name, value in options.items()}
    told = told or Told()
    environ = {"VAULT_EXEC_CONFIG": "", "XDG_CONFIG_HOME": "/nonexistent", **environ}
    context = Context(
        settings.load({"backend": backend, **flags}, environ),
        environ,
        notify=told.notes.append,
        trace=told.traces.append,
    )
    return registry.open_store(context)
