"""Doing a plan at the command line: the question before anything is deleted, progress, and an early end."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vault_exec import transfer
from vault_exec.cli import terminal
from vault_exec.errors import UsageError, VaultExecError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from vault_exec.cli.app import App
    from vault_exec.store import Store


def ask(option: str, what: str) -> None:
    """Ask whether to delete `what`, which `option` would. Raises VaultExecError unless the answer is yes."""
    if not terminal.is_there():
        raise UsageError(
            f"{option} asks before it deletes {what}, and there is no terminal to ask on", hint="add --yes"
        )
    if not terminal.confirm(f"Delete {what}, with all versions?"):
        raise VaultExecError("nothing was written, and nothing was deleted")


def apply(
    app: App,
    store: Store,
    service: str,
    plan: transfer.Plan,
    doing: str,
    *,
    tags: Mapping[str, str] | None = None,
) -> None:
    """`transfer.apply` with progress on a terminal; interrupted, it tells what was done.

    doing: what the progress line calls it, such as "importing". Raises what `transfer.apply` raises.
    """
    done: list[str] = []
    with app.progress(doing, len(plan.writes) + len(plan.deletes)) as progress:

        def step(key: str) -> None:
            done.append(key)
            progress.step()

        try:
            transfer.apply(store, service, plan, tags=tags, progress=step)
        except KeyboardInterrupt:
            app.note(f"interrupted; of service {service} {transfer.summary(plan, done)}")
            raise
