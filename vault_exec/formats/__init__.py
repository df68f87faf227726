"""The formats that secrets are exported in and imported from: one module a format, loaded when it is named.

Each has `dump(values, options) -> str` and, where it can be read back, `load(text, note) -> dict`. Both raise
FormatError before anything is written, or used of what was read; no message holds a value.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from os.path import basename
from typing import Protocol, cast

from vault_exec.errors import UsageError
from vault_exec.formats.common import DEFAULTS, Note, Options, silent
from vault_exec.names import fold, shown

__all__ = ["ALIASES", "FORMATS", "READABLE", "Options", "dump", "find", "for_path", "load"]

#: Every format by name, with the module that knows it.
FORMATS = {
    "json": "vault_exec.formats.json",
    "yaml": "vault_exec.formats.yaml",
    "java-properties": "vault_exec.formats.java_properties",
    "csv": "vault_exec.formats.csv",
    "tsv": "vault_exec.formats.tsv",
    "dotenv": "vault_exec.formats.dotenv",
    "tfvars": "vault_exec.formats.tfvars",
    "shell": "vault_exec.formats.shell",
    "docker": "vault_exec.formats.docker",
    "k8s-secret": "vault_exec.formats.k8s_secret",
    "github-env": "vault_exec.formats.github_env",
    "systemd": "vault_exec.formats.systemd",
}

ALIASES = {"properties": "java-properties"}

#: The formats that can be read back.
READABLE = ("json", "yaml", "java-properties", "csv", "tsv", "dotenv")

_ENDINGS = {
    ".json": "json",
    ".yaml": "yaml",
    ".yml": "yaml",
    ".properties": "java-properties",
    ".csv": "csv",
    ".tsv": "tsv",
    ".env": "dotenv",
}


class _Writer(Protocol):
    def dump(self, values: Mapping[str, str], options: Options) -> str: ...


class _Reader(Protocol):
    def load(self, text: str, note: Note) -> dict[str, str]: ...


def find(name: str) -> str:
    """The format that `name`, in any case, or an alias means; raises UsageError when there is none."""
    folded = fold(name)
    found = ALIASES.get(folded, folded)
    if found not in FORMATS:
        raise UsageError(
            f"there is no format {shown(name)}", hint="the formats are: " + ", ".join([*FORMATS, *ALIASES])
        )
    return found


def dump(name: str, values: Mapping[str, str], options: Options = DEFAULTS) -> str:
    """The values as text in the format, ending in a newline (or empty, where nothing is nothing).

    Raises UsageError for a format that is not there, and FormatError for what the format cannot hold.
    """
    module = cast(_Writer, import_module(FORMATS[find(name)]))
    return module.dump(values, options)


def load(name: str, text: str, note: Note = silent) -> dict[str, str]:
    """The values that a text in the format holds, by key as spelled there. A byte order mark is skipped.

    Names and values are as they were read; whether a store takes them is checked where they are written.
    Raises UsageError for a format that is not there or cannot be read back, and FormatError, with the line
    (and the column where there is one), for a text that is not in the format.
    """
    found = find(name)
    if found not in READABLE:
        raise UsageError(
            f"{found} cannot be read back", hint="the formats that can be: " + ", ".join(READABLE)
        )
    module = cast(_Reader, import_module(FORMATS[found]))
    return module.load(text.removeprefix("\ufeff"), note)


def for_path(path: str) -> str:
    """The format of a file to read, by its ending; for others and `-` it is yaml, which reads JSON too."""
    name = fold(basename(path))
    if name.startswith(".env."):  # .env.local, .env.production
        return "dotenv"
    return next((found for ending, found in _ENDINGS.items() if name.endswith(ending)), "yaml")
