"""The times in chamber's documents: RFC 3339 in UTC with up to nine digits of a second, as Go writes them."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from datetime import datetime


def now_text() -> str:
    """This moment, such as `2026-01-02T15:04:05.123456789Z`. Zeros at the end of the second are left off."""
    from time import gmtime, strftime, time_ns

    seconds, nanoseconds = divmod(time_ns(), 1_000_000_000)
    fraction = f".{nanoseconds:09}".rstrip("0").rstrip(".")
    return strftime("%Y-%m-%dT%H:%M:%S", gmtime(seconds)) + fraction + "Z"


def parsed(text: str) -> datetime | None:
    """The time in UTC, cut to microseconds; None for a text that is no time, and for Go's zero time."""
    from datetime import UTC, datetime

    try:
        # Since 3.11 this reads any number of digits, and cuts them.
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    if moment.tzinfo is None or moment.year == 1:
        return None
    return moment.astimezone(UTC)
