"""`history`: who changed a secret, or anything of a service, and when. Never a value."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING

import click

from vault_exec import names
from vault_exec.cli import arguments, render
from vault_exec.cli.app import App
from vault_exec.cli.options import READABLE_ONLY
from vault_exec.cli.parser import Command, options
from vault_exec.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from vault_exec.model import SecretId, Version

_UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_LONG_AGO = datetime.min.replace(tzinfo=UTC)

HELP = """
Who changed a secret, and when: the versions of a key, oldest first; without a key, all changes in the
service, newest first. Deletions are told where the store keeps them, values never.

A WHEN is a date (2026-01-31), a time (2026-01-31T12:00, local; or with its offset, …Z, …+02:00) or an age
(30m, 24h, 7d, 2w). `--until` a date includes that day.
"""


@click.command("history", cls=Command, help=HELP)
@arguments.service
@arguments.optional_key
@click.option("--since", metavar="WHEN", help="only what was changed then or later")
@click.option("--until", metavar="WHEN", help="only what was changed then or earlier")
@click.option("--user", metavar="TEXT", help="only changes by users whose name contains the text")
@options(READABLE_ONLY)
@arguments.as_json
@click.pass_obj
def command(
    app: App,
    service: str,
    key: str | None,
    since: str | None,
    until: str | None,
    user: str | None,
    as_json: bool,
) -> None:
    earliest = None if since is None else moment("--since", since)
    latest = None if until is None else moment("--until", until, end_of_day=True)
    with app.open_store() as store:
        if key is None:
            versions = store.history(service)
        else:
            versions = arguments.exact_key_first(lambda spelling: store.history(service, spelling), key)
    events = [
        (event, version)
        for event, version in _named(versions)
        if (earliest is None or (version.created is not None and version.created >= earliest))
        and (latest is None or (version.created is not None and version.created <= latest))
        and (user is None or user in (version.created_by or ""))
    ]
    if key is None:
        events.sort(key=lambda pair: pair[1].created or _LONG_AGO)
        events.reverse()
    if as_json:
        app.write(render.to_json([_document(event, version) for event, version in events]))
    else:
        app.write(_table(events, with_key=key is None))


def moment(option: str, text: str, *, end_of_day: bool = False) -> datetime:
    """The time that a WHEN means (see HELP), with its offset. Raises UsageError."""
    number, unit = text[:-1], _UNITS.get(text[-1:])
    try:
        if unit and number.isascii() and number.isdigit():
            return datetime.now(UTC) - timedelta(**{unit: int(number)})
        if len(text) == len("2026-01-31"):
            day = datetime.combine(date.fromisoformat(text), datetime.min.time())
            return (day + timedelta(days=1, microseconds=-1) if end_of_day else day).astimezone()
        return datetime.fromisoformat(text).astimezone()
    except (ValueError, OverflowError):
        raise UsageError(
            f"{option} {names.shown(text)} is not a time",
            hint="a date (2026-01-31), a time (2026-01-31T12:00Z) or an age (30m, 24h, 7d, 2w)",
        ) from None


def _named(versions: Sequence[Version]) -> list[tuple[str, Version]]:
    """Each version with chamber's word for what happened; a key that comes back is created again."""
    gone: set[SecretId] = set()
    events = []
    for version in versions:
        if version.deleted:
            gone.add(version.id)
            events.append(("Deleted", version))
        else:
            events.append(("Created" if version.version == 1 or version.id in gone else "Updated", version))
            gone.discard(version.id)
    return events


def _document(event: str, version: Version) -> dict[str, Any]:
    return {
        "event": event,
        "service": version.id.service,
        "key": version.id.key,
        "version": version.version,
        "time": render.rfc3339(version.created),
        "user": version.created_by,
        "labels": list(version.labels),
    }


def _table(events: Sequence[tuple[str, Version]], *, with_key: bool) -> str:
    with_labels = any(version.labels for _, version in events)
    rows = []
    for event, version in events:
        row = [event, *([version.id.key] if with_key else []), str(version.version)]
        row += [render.local_time(version.created), render.user(version.created_by)]
        rows.append([*row, ",".join(version.labels)] if with_labels else row)
    header = ["Event", *(["Key"] if with_key else []), "Version", "Date", "User"]
    if with_labels:
        header.append("Labels")
    return render.table(header, rows, terminal=render.is_terminal())
