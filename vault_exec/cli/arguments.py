"""Arguments and options that several commands share: services, keys, `--json`, `--exact-key`, `--tags`."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

import click

from vault_exec import names
from vault_exec.errors import SecretNotFound, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from vault_exec.store import Store

F = TypeVar("F", bound=Callable[..., object])
T = TypeVar("T")


def _folded(ctx: click.Context, param: click.Parameter, value: str) -> str:
    return names.fold(value)


def complete_service(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    """The services of the local store that begin so; for the `shell_complete` of an argument."""
    from vault_exec.cli.completion import services

    return services(ctx.obj, names.fold(incomplete))


def _complete_key(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    from vault_exec.cli.completion import keys

    return keys(ctx.obj, names.fold(ctx.params.get("service") or ""), incomplete)


#: A service, lower-cased as chamber does.
service = click.argument("service", callback=_folded, shell_complete=complete_service)
#: A service, perhaps with a label, whose case counts: for `names.split_label`.
labelled_service = click.argument("service", metavar="SERVICE[:LABEL]", shell_complete=complete_service)
#: A key as it was typed: how it is folded depends on the command.
key = click.argument("key", shell_complete=_complete_key)
optional_key = click.argument("key", required=False, shell_complete=_complete_key)

as_json = click.option("--json", "as_json", is_flag=True, help="print JSON: exact, times in UTC")
exact_key = click.option("--exact-key", is_flag=True, help="the key as it is typed, not lower-cased")
key_source = click.option(
    "--key",
    type=click.Choice(["keyring", "file", "passphrase"]),
    metavar="WHERE",
    help="where the store's key lives: keyring, file or passphrase",
)


def new_tags(help: str) -> Callable[[F], F]:
    """The option --tags, as in chamber: names and values, separated by commas, repeatable."""

    def split(ctx: click.Context, param: click.Parameter, value: tuple[str, ...]) -> dict[str, str]:
        return split_tags(tag for several in value for tag in several.split(","))

    return click.option("-t", "--tags", multiple=True, metavar="NAME=VALUE,…", callback=split, help=help)


def split_tags(tags: Iterable[str]) -> dict[str, str]:
    """`name=value` texts as a mapping. Raises UsageError."""
    found: dict[str, str] = {}
    for tag in tags:
        name, equals, value = tag.partition("=")
        if not equals:
            raise UsageError(f"the tag {names.shown(tag)} is not of the form name=value")
        found[name] = value
    return found


def key_to_change(store: Store, service: str, key: str, *, exact: bool) -> str:
    """The key that a command which changes something means: lower-cased as in chamber, unless `exact`.

    Raises UsageError where that would miss a key which is spelled exactly as it was typed.
    """
    folded = names.fold(key)
    if exact or key == folded:
        return key
    found = store.current(service, [key, folded])
    if key in found and folded not in found:
        raise UsageError(
            f"{service} holds {key}, but not {folded}, which {key} stands for here",
            hint=f"add --exact-key to mean {key} as it is spelled",
        )
    return folded


def exact_key_first(look_up: Callable[[str], T], key: str) -> T:
    """What a command which only reads finds under the key as it was typed, else under it lower-cased."""
    folded = names.fold(key)
    if key != folded:
        try:
            return look_up(key)
        except SecretNotFound:
            pass
    return look_up(folded)
