"""`list`: the secrets of a service, with their values only where asked for."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from vault_exec import names
from vault_exec.cli import arguments, render
from vault_exec.cli.app import App
from vault_exec.cli.options import READABLE_ONLY
from vault_exec.cli.parser import Command, options
from vault_exec.errors import ServiceNotFound

if TYPE_CHECKING:
    from collections.abc import Sequence

    from vault_exec.model import Secret


@click.command("list", cls=Command)
@arguments.labelled_service
@click.option("-e", "--expand", is_flag=True, help="with the values")
@click.option("-t", "--time", "by_time", is_flag=True, help="sort by the time of the last change")
@click.option("-u", "--user", "by_user", is_flag=True, help="sort by who made the last change")
@click.option("-v", "--version", "by_version", is_flag=True, help="sort by version")
@options(READABLE_ONLY)
@arguments.as_json
@click.pass_obj
def command(
    app: App, service: str, expand: bool, by_time: bool, by_user: bool, by_version: bool, as_json: bool
) -> None:
    name, label = names.split_label(service)
    secrets: Sequence[Secret] = []
    with app.open_store() as store:
        try:
            secrets = store.list(name, values=expand, label=label)
        except ServiceNotFound as error:  # not a failure here, as in chamber
            app.note(str(error))
    secrets = sorted(secrets, key=lambda secret: secret.id)
    # As in chamber, the last of these wins; the sorts are stable.
    if by_time:
        secrets.sort(key=lambda secret: secret.created or datetime.min.replace(tzinfo=UTC))
    if by_user:
        secrets.sort(key=lambda secret: secret.created_by or "")
    if by_version:
        secrets.sort(key=lambda secret: secret.version)
    if as_json:
        app.write(render.to_json([render.secret_document(secret) for secret in secrets]))
        return
    header = ("Key", "Version", "LastModified", "User", *(["Value"] if expand else []))
    app.write(render.table(header, [_row(secret) for secret in secrets], terminal=render.is_terminal()))


def _row(secret: Secret) -> list[str]:
    row = [
        secret.id.key,
        str(secret.version),
        render.local_time(secret.created),
        render.user(secret.created_by),
    ]
    return row if secret.value is None else [*row, secret.value]
