"""tsv: csv with a tab where csv has a comma, quotes included, as chamber writes it."""

from __future__ import annotations

from collections.abc import Mapping

from vault_exec.formats.common import Note, Options, unique
from vault_exec.formats.csv import rows, written


def dump(values: Mapping[str, str], options: Options) -> str:
    return written(values, "\t")


def load(text: str, note: Note) -> dict[str, str]:
    return unique("tsv", rows("tsv", text, "\t"))
