"""`delete`: a secret with all its versions, or a whole service."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from vault_exec.cli import arguments, plans
from vault_exec.cli.app import App
from vault_exec.cli.parser import Command
from vault_exec.errors import UsageError
from vault_exec.transfer import Kind, Plan, Step

if TYPE_CHECKING:
    from vault_exec.store import Store


@click.command("delete", cls=Command)
@arguments.service
@arguments.optional_key
@arguments.exact_key
@click.option("--all", "whole_service", is_flag=True, help="every secret of the service")
@click.option("--yes", is_flag=True, help="with --all: do not ask")
@click.pass_obj
def command(app: App, service: str, key: str | None, exact_key: bool, whole_service: bool, yes: bool) -> None:
    if (key is None) != whole_service:
        raise UsageError("delete takes a key, or --all for the whole service")
    with app.open_store() as store:
        if key is None:
            _delete_all(app, store, service, yes=yes)
        else:
            store.delete(service, arguments.key_to_change(store, service, key, exact=exact_key))


def _delete_all(app: App, store: Store, service: str, *, yes: bool) -> None:
    keys = [secret.id.key for secret in store.list(service)]
    what = f"{len(keys)} secret{'s' * (len(keys) > 1)} of {service}"
    if not yes:
        plans.ask("--all", what)
    steps = tuple(Step(Kind.REMOVED, key, key, None) for key in keys)
    plans.apply(app, store, service, Plan(steps), "deleting")
    app.note(f"deleted {what}")
