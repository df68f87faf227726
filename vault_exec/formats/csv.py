r"""csv: `key,value` lines without a header, as chamber (Go's encoding/csv) writes them.

A field is quoted where it holds a comma, a quote, CR or LF, or begins with a blank. Line ends inside quotes
stay as they are for this reader and Python's; Go's reads `\r\n` as `\n` there.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping

from vault_exec.errors import FormatError
from vault_exec.formats.common import Note, Options, at, unique


def dump(values: Mapping[str, str], options: Options) -> str:
    return written(values, ",")


def load(text: str, note: Note) -> dict[str, str]:
    return unique("csv", rows("csv", text, ","))


def written(values: Mapping[str, str], comma: str) -> str:
    return "".join([f"{_field(k, comma)}{comma}{_field(v, comma)}\n" for k, v in sorted(values.items())])


def _field(text: str, comma: str) -> str:
    # `\.` alone ends the data for PostgreSQL's COPY, so Go quotes it.
    if text == "\\." or text[:1].isspace() or not {comma, '"', "\r", "\n"}.isdisjoint(text):
        return '"' + text.replace('"', '""') + '"'
    return text


def rows(format_name: str, text: str, comma: str) -> list[tuple[str, str, str]]:
    """(key, value, place) of each row; empty lines count for nothing. Raises FormatError with the line."""
    found = []
    line = 1
    limit = csv.field_size_limit(len(text) + 1)  # a setting of the whole process, too low for long values
    try:
        reader = csv.reader(io.StringIO(text, newline=""), delimiter=comma, strict=True)
        for row in reader:
            if row:
                found.append(_pair(format_name, row, at(line)))
            line = reader.line_num + 1
    except csv.Error:
        raise FormatError(
            f"not {format_name}: a quote that is not closed, or that has text after it{at(line)}",
            hint="inside a quoted field a quote is written twice",
        ) from None
    finally:
        csv.field_size_limit(limit)
    return found


def _pair(format_name: str, row: list[str], place: str) -> tuple[str, str, str]:
    if len(row) != 2:
        columns = "1 column" if len(row) == 1 else f"{len(row)} columns"
        raise FormatError(f"{format_name}: {columns} where a key and a value are expected{place}")
    return row[0], row[1], place
