"""`tag read`, `tag write`, `tag delete`: the tags of a secret, on stores that have them."""

from __future__ import annotations

from collections.abc import Mapping

import click

from vault_exec.cli import arguments, render
from vault_exec.cli.app import App
from vault_exec.cli.parser import Group

command = Group("tag")


@command.command("read", short_help="Print the tags of a secret")
@arguments.service
@arguments.key
@arguments.as_json
@click.pass_obj
def read(app: App, service: str, key: str, as_json: bool) -> None:
    with app.open_store() as store:
        tags = arguments.exact_key_first(lambda spelling: store.tags(service, spelling), key)
    if as_json:
        app.write(render.to_json(tags))
    else:
        _print(app, tags)


@command.command("write", short_help="Add tags to a secret, or change them")
@arguments.service
@arguments.key
@click.argument("tags", nargs=-1, required=True, metavar="NAME=VALUE...")
@click.option("--delete-other-tags", is_flag=True, help="remove the tags that are not given here")
@arguments.exact_key
@click.pass_obj
def write(
    app: App, service: str, key: str, tags: tuple[str, ...], delete_other_tags: bool, exact_key: bool
) -> None:
    given = arguments.split_tags(tags)
    with app.open_store() as store:
        key = arguments.key_to_change(store, service, key, exact=exact_key)
        store.write_tags(service, key, given, delete_others=delete_other_tags)
    _print(app, given)


@command.command("delete", short_help="Remove tags from a secret")
@arguments.service
@arguments.key
@click.argument("tags", nargs=-1, required=True, metavar="NAME...")
@arguments.exact_key
@click.pass_obj
def delete(app: App, service: str, key: str, tags: tuple[str, ...], exact_key: bool) -> None:
    with app.open_store() as store:
        store.delete_tags(service, arguments.key_to_change(store, service, key, exact=exact_key), tags)


def _print(app: App, tags: Mapping[str, str]) -> None:
    app.write(render.table(("Key", "Value"), list(tags.items()), terminal=render.is_terminal()))
