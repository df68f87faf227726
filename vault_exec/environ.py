"""Namespaces → the child's environment: fetch, filter, map names, prefix, merge, check.

The order is that of the command line's reference: filter, map names, prefix, collisions, require. The child
gets what this process inherited, then the secrets, all as bytes: nothing is decoded, sorted or made unique.

`warn` and `note` are called with one line for the user; a value is never in it.
"""

from __future__ import annotations

import os

from vault_exec import names
from vault_exec.errors import InvalidNameError, LaunchError, ServiceNotFound, UsageError
from vault_exec.parallel import each

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from vault_exec.store import Store

#: What opens the local store is not handed on to the program that gets the secrets.
NOT_INHERITED = frozenset(
    [
        b"VAULT_EXEC_KEY",
        b"VAULT_EXEC_KEY_FILE",
        b"VAULT_EXEC_NEW_KEY_FILE",
        b"VAULT_EXEC_NEW_PASSPHRASE_FILE",
        b"VAULT_EXEC_PASSPHRASE",
        b"VAULT_EXEC_PASSPHRASE_FILE",
    ]
)

#: How many services of a remote store are asked for at once.
AT_ONCE = 16


class Rules:
    """How secrets become variables. Each is the option of exec of that name.

    only, exclude (`--except`): globs over the store's keys; ASCII case does not count, as in all that chamber
        does with keys. A key is taken when it matches one of `only` (if there are any) and none of `exclude`.
    style (`--names`): how a key becomes a name, see `names.variable_name`. prefix: put before every name.
    require: names, as the program sees them, that the services must give.
    no_clobber: the inherited variable wins over the secret.
    strict: fill only the inherited variables that hold this value, and all of them; None: not strict.
    pristine: inherit nothing.
    allow_missing, optional: all services, or these, may hold no secret.
    """

    __slots__ = (
        "allow_missing",
        "exclude",
        "no_clobber",
        "only",
        "optional",
        "prefix",
        "pristine",
        "require",
        "strict",
        "style",
    )

    def __init__(
        self,
        *,
        only: Sequence[str] = (),
        exclude: Sequence[str] = (),
        style: str = "posix",
        prefix: str = "",
        require: Sequence[str] = (),
        no_clobber: bool = False,
        strict: bytes | None = None,
        pristine: bool = False,
        allow_missing: bool = False,
        optional: Sequence[str] = (),
    ) -> None:
        if no_clobber and strict is not None:
            raise UsageError(
                "--no-clobber and --strict exclude each other: --strict fills inherited variables"
            )
        if prefix and not names.is_shell_name(prefix):
            raise InvalidNameError(
                f"prefix {names.shown(prefix)} is not valid",
                hint="letters, digits and '_', not beginning with a digit",
            )
        self.only = only
        self.exclude = exclude
        self.style = style
        self.prefix = prefix
        self.require = require
        self.no_clobber = no_clobber
        self.strict = strict
        self.pristine = pristine
        self.allow_missing = allow_missing
        self.optional = optional


class Variable:
    """One secret on its way into the environment; `service` is spelled as it was asked for."""

    __slots__ = ("key", "name", "service", "value")

    def __init__(self, name: str, service: str, key: str, value: str) -> None:
        self.name = name
        self.service = service
        self.key = key
        self.value = value


class Environment:
    """The child's environment: `inherited` (name, value) pairs, then `secrets`, which replace nothing here.

    It is what os.execve wants of a mapping and no more, because a dict could not hold a name twice.
    """

    __slots__ = ("_entries", "secrets")

    def __init__(self, inherited: Iterable[tuple[bytes, bytes]], secrets: Sequence[Variable]) -> None:
        self.secrets = secrets
        self._entries = [*inherited, *((v.name.encode("ascii"), v.value.encode("utf-8")) for v in secrets)]

    def __len__(self) -> int:
        return len(self._entries)

    def __getitem__(self, name: bytes) -> bytes:
        """The first of this name, as getenv answers."""
        for found, value in self._entries:
            if found == name:
                return value
        raise KeyError(name)

    def keys(self) -> list[bytes]:
        return [name for name, _ in self._entries]

    def values(self) -> list[bytes]:
        return [value for _, value in self._entries]


def inherited(note: Callable[[str], None]) -> list[tuple[bytes, bytes]]:
    """The variables this process was started with, in their order, less `NOT_INHERITED`.

    From the kernel's copy where there is one: `os.environ` has lost duplicates and gained an LC_CTYPE that
    CPython sets in the C locale. Entries without a name and `=` cannot be passed on by os.execve; a note says
    how many there were.
    """
    entries = _block()
    pairs = []
    for entry in entries:
        cut = entry.find(b"=", 1)  # from 1: `=C:=C:\` is a variable named `=C:`
        if cut > 0:
            pairs.append((entry[:cut], entry[cut + 1 :]))
    dropped = len(entries) - len(pairs)
    if dropped:
        count = "1 entry" if dropped == 1 else f"{dropped} entries"
        note(f"{count} of the environment without a name and '=' cannot be passed on")
    return [pair for pair in pairs if pair[0] not in NOT_INHERITED]


def _block() -> list[bytes]:
    ours = [name + b"=" + value for name, value in os.environb.items()]
    try:
        with open("/proc/self/environ", "rb") as file:
            block = file.read()
    except OSError:
        return ours
    if block:
        return block.removesuffix(b"\0").split(b"\0")
    # Really empty, or a kernel that does not tell.
    return [] if os.environb.keys() <= {b"LC_CTYPE"} else ours


def fetch(store: Store, services: Sequence[str], rules: Rules) -> list[tuple[str, dict[str, str]]]:
    """(service as asked for, its values by key) for each `svc` or `svc:label`, in order.

    A remote store is asked for all at once. Raises what `Store.values` raises: ServiceNotFound, of the first
    service in order, unless it is allowed to hold no secret, which then counts as empty.
    """
    may_be_empty = [names.split_label(service)[0] for service in rules.optional]

    def values(wanted: tuple[str, str | None]) -> dict[str, str]:
        try:
            return store.values(*wanted)
        except ServiceNotFound as error:
            if rules.allow_missing or wanted[0] in may_be_empty:
                return {}
            error.hint = f"if it may be empty: --optional {wanted[0]}, or --allow-missing for all services"
            raise

    at_once = AT_ONCE if store.features.remote else 1
    found = each(values, [names.split_label(service) for service in services], at_once=at_once)
    return list(zip(services, found, strict=True))


def given(found: Sequence[tuple[str, Mapping[str, str]]], rules: Rules) -> list[Variable]:
    """The variables that these services give, service by service: filtered, named, prefixed.

    Raises UsageError where two keys of one service have one name; InvalidNameError and InvalidValueError for
    what no environment can hold; ServiceNotFound where the filters leave nothing at all.
    """
    variables = [
        variable
        for service, values in found
        for variable in _of_service(service, _filtered(values, rules), rules)
    ]
    if not variables and not rules.allow_missing and any(values for _, values in found):
        services = ", ".join(service for service, _ in found)
        raise ServiceNotFound(
            f"--only and --except leave no secret of {services}",
            service=services,
            hint="globs match keys as list shows them; if nothing is meant, say --allow-missing",
        )
    return variables


def merged(
    variables: Iterable[Variable], taken: Iterable[str], warn: Callable[[str], None]
) -> dict[str, Variable]:
    """The variables by name, the later of two winning, with a warning; also for names that are `taken`."""
    result: dict[str, Variable] = {}
    seen = set(taken)
    for variable in variables:
        if variable.name in seen:
            # chamber's words: people filter their logs by them.
            warn(f"service {variable.service} overwriting environment variable {variable.name}")
        seen.add(variable.name)
        result[variable.name] = variable
    return result


def load(
    store: Store,
    services: Sequence[str],
    rules: Rules,
    inherited: Sequence[tuple[bytes, bytes]],
    warn: Callable[[str], None],
) -> Environment:
    """The environment of the child: what the rules make of these services and of what was inherited.

    Raises what `fetch` and `given` raise, and LaunchError where --strict or --require is not met.
    """
    secrets = given(fetch(store, services, rules), rules)
    kept = [] if rules.pristine else inherited
    taken = {os.fsdecode(name) for name, _ in kept}
    if rules.strict is not None:
        secrets = _fill(secrets, inherited, rules.strict)
        taken = set()  # filling is what was asked for
    _check_required(secrets, rules.require, services)
    if rules.no_clobber:
        secrets = [variable for variable in secrets if variable.name not in taken]
    by_name = merged(secrets, taken, warn)
    for variable in by_name.values():
        if names.is_powerful(variable.name):
            warn(f"service {variable.service} sets {variable.name}, which can make programs run other code")
    replaced = {name.encode("ascii") for name in by_name}
    return Environment([pair for pair in kept if pair[0] not in replaced], list(by_name.values()))


def _filtered(values: Mapping[str, str], rules: Rules) -> Mapping[str, str]:
    if not rules.only and not rules.exclude:
        return values
    from fnmatch import fnmatchcase  # 6 ms, for those who filter

    def matches(key: str, globs: Iterable[str]) -> bool:
        return any(fnmatchcase(names.fold(key), names.fold(glob)) for glob in globs)

    return {
        key: value
        for key, value in values.items()
        if (not rules.only or matches(key, rules.only)) and not matches(key, rules.exclude)
    }


def _of_service(service: str, values: Mapping[str, str], rules: Rules) -> list[Variable]:
    for name, keys in names.collisions(values, rules.style).items():
        raise UsageError(
            f"service {service}: the keys {' and '.join(keys)} "
            f"would both be the variable {rules.prefix}{name}",
            hint=f"delete or rename one of them, or leave it out: --except {keys[0]}",
        )
    return [
        Variable(_name(service, key, rules), service, key, names.check_value(service, key, value))
        for key, value in values.items()
    ]


def _name(service: str, key: str, rules: Rules) -> str:
    name = rules.prefix + names.variable_name(key, rules.style)
    if name and name.isascii() and "=" not in name and "\0" not in name:
        return name
    raise InvalidNameError(
        f"service {service}: the key {names.shown(key)} cannot be the name of a variable",
        hint="--names posix replaces what is not a letter, digit or '_'; --except leaves keys out",
    )


def _fill(
    secrets: Sequence[Variable], inherited: Iterable[tuple[bytes, bytes]], strict: bytes
) -> list[Variable]:
    """Those of the secrets that fill an inherited variable. Messages never show a value."""
    held: dict[str, set[bytes]] = {}
    for name, value in inherited:
        held.setdefault(os.fsdecode(name), set()).add(value)
    filling = [variable for variable in secrets if variable.name in held]
    other = sorted({variable.name for variable in filling if held[variable.name] != {strict}})
    if other:
        raise LaunchError(
            f"--strict: {_listed(other)} inherited with another value than the one that secrets replace",
            hint="give them the strict value (chamberme, or what --strict-value says), or unset them",
        )
    names_given = {variable.name for variable in filling}
    unfilled = sorted(name for name, values in held.items() if strict in values and name not in names_given)
    if unfilled:
        raise LaunchError(
            f"--strict: {_listed(unfilled)} to be filled, and no secret of these services has that name",
            hint="write the secrets, name the service that has them, or unset the variables",
        )
    return filling


def _check_required(secrets: Iterable[Variable], required: Iterable[str], services: Iterable[str]) -> None:
    there = {variable.name for variable in secrets}
    missing = sorted(set(required) - there)
    if missing:
        raise LaunchError(
            f"--require: no secret of {', '.join(services)} becomes {', '.join(map(_printable, missing))}",
            hint="write it, or name the service that has it; --require takes names as the program sees them",
        )


def _listed(variables: Sequence[str]) -> str:
    return ", ".join(map(_printable, variables)) + (" is" if len(variables) == 1 else " are")


def _printable(name: str) -> str:
    return name if name.isprintable() else names.shown(name)
