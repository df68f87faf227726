"""`delete`: a secret with all its versions, or a whole service."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from vault_exec.cli import arguments, terminal
from vault_exec.cli.app import App
from vault_exec.cli.parser import Command
from vault_exec.errors import PartialWriteError, UsageError, VaultExecError

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
    if not yes and not _is_wanted(f"Delete {what}, with all versions?"):
        raise VaultExecError("nothing was deleted")
    gone: list[str] = []
    with app.progress("deleting", len(keys)) as progress:

        def deleted(key: str) -> None:
            gone.append(key)
            progress.step()

        try:
            store.delete_many(service, keys, deleted=deleted)
        except VaultExecError as error:
            if not gone:
                raise
            raise PartialWriteError(
                f"{len(gone)} of {what} are deleted, the others are still there: {error}",
                hint=error.hint,
                exit_code=error.exit_code,
            ) from error
    app.note(f"deleted {what}")


def _is_wanted(question: str) -> bool:
    if sys.stdin is None or not sys.stdin.isatty():
        raise UsageError("--all asks before it deletes, and there is nobody to ask", hint="add --yes")
    return terminal.confirm(question)
