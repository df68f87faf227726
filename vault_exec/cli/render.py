"""How results look: tables, JSON, times, and what a terminal may be shown."""

from __future__ import annotations

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime
    from typing import Any

    from vault_exec.model import Secret

#: What stands for a user or time that the store does not tell, as in chamber.
UNKNOWN = "N/A"

_TAB_STOP = 8
_GAP = 2  # chamber's tables keep at least two columns between cells

# C0, DEL and C1 move the cursor, clear the screen or rename the window; U+2028 and U+2029 break lines; the
# bidirectional controls (Unicode TR 9, TR 36) show a text in another order than it is stored; surrogates are
# what Python makes of bytes that are not UTF-8, in arguments and variables, and cannot be written at all.
_HOSTILE = (
    *range(0x20),
    *range(0x7F, 0xA0),
    *(0x061C, 0x200E, 0x200F, 0x2028, 0x2029),
    *range(0x202A, 0x202F),
    *range(0x2066, 0x206A),
    *range(0xDC80, 0xDD00),
)
_SHORT = {0x09: r"\t", 0x0A: r"\n", 0x0D: r"\r"}
_ESCAPES = {c: _SHORT.get(c) or (f"\\x{c:02x}" if c < 0x100 else f"\\u{c:04x}") for c in _HOSTILE}
_ESCAPES_BUT_LAYOUT = {c: text for c, text in _ESCAPES.items() if c not in (0x09, 0x0A)}
_JSON_ESCAPES = {c: f"\\u{c:04x}" for c in _HOSTILE if c >= 0x20}


def escape(text: str, *, layout: bool = False) -> str:
    """The text with its control characters made visible; `layout` leaves LF and TAB as they are."""
    return text.translate(_ESCAPES_BUT_LAYOUT if layout else _ESCAPES)


def is_terminal() -> bool:
    """Whether results go to a terminal."""
    return sys.stdout is not None and sys.stdout.isatty()


def table(header: Sequence[str], rows: Iterable[Sequence[str]], *, terminal: bool) -> str:
    """Lines of cells, aligned with tabs as chamber's are: `cut -f1` and `awk '{print $1}'` both work.

    terminal: escape control characters in the cells; else they are exact.
    """
    lines = [list(header), *([escape(cell) for cell in row] if terminal else list(row) for row in rows)]
    return aligned(lines)


def aligned(lines: Sequence[Sequence[str]]) -> str:
    """Cells padded with tabs to common stops; the last cell of a line is not padded."""
    widths = [_stop(max(map(len, column)) + _GAP) for column in zip(*lines, strict=True)]
    return "".join(_padded(line, widths) for line in lines)


def _stop(width: int) -> int:
    return -(-width // _TAB_STOP) * _TAB_STOP


def _padded(line: Sequence[str], widths: Sequence[int]) -> str:
    cells = [
        cell + "\t" * -(-(width - len(cell)) // _TAB_STOP)
        for cell, width in zip(line[:-1], widths, strict=False)
    ]
    return "".join([*cells, line[-1], "\n"])


def to_json(document: Any) -> str:
    """JSON, readable by people and exact for programs; times by `rfc3339`.

    What a terminal must not be shown is written as `\\uXXXX`, which is the same JSON.
    """
    import json

    return json.dumps(document, indent=2, ensure_ascii=False).translate(_JSON_ESCAPES) + "\n"


def secret_document(secret: Secret) -> dict[str, Any]:
    """A secret as JSON tells it; its value only where it was read."""
    document = {
        "service": secret.id.service,
        "key": secret.id.key,
        "version": secret.version,
        "created": rfc3339(secret.created),
        "created_by": secret.created_by,
    }
    return document if secret.value is None else {**document, "value": secret.value}


def rfc3339(time: datetime | None) -> str | None:
    """UTC with `Z` and, where there are any, fractions of a second; None stays None."""
    if time is None:
        return None
    from datetime import UTC

    return time.astimezone(UTC).isoformat().replace("+00:00", "Z")


def local_time(time: datetime | None) -> str:
    """The local time, to the second, in the form chamber prints: `2006-01-02 15:04:05`."""
    return UNKNOWN if time is None else time.astimezone().strftime("%Y-%m-%d %H:%M:%S")


def user(name: str | None) -> str:
    """Who, or `N/A`."""
    return name or UNKNOWN
