"""Options as data, and what must be known of a command line before click is loaded.

exec must not pay for click (24 ms), so the options that it shares with the other commands stand here as plain
rows; `parser.options` makes click's options of them.
"""

from __future__ import annotations

from vault_exec.names import STYLES

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from typing import Any


class Option:
    """One option: `--name`, perhaps `-short`, and what it takes.

    takes: what stands for its value in the help ("NAME"), or None for a switch.
    repeat: may be given several times. choices: the values there are.
    """

    __slots__ = ("choices", "help", "name", "repeat", "short", "takes")

    def __init__(
        self,
        name: str,
        help: str,
        *,
        short: str = "",
        takes: str | None = None,
        repeat: bool = False,
        choices: tuple[str, ...] = (),
    ) -> None:
        self.name = name
        self.help = help
        self.short = short
        self.takes = takes
        self.repeat = repeat
        self.choices = choices


#: The options of every command, accepted before it and after it.
GLOBAL = (
    Option("backend", "where the secrets are: local, ssm, null, …", short="b", takes="NAME"),
    Option("backend-s3-bucket", "the bucket of the S3 backends", takes="NAME"),
    Option("kms-key-alias", "the KMS key that new values are sealed with", takes="ALIAS"),
    Option("retries", "attempts of one call to the store", short="r", takes="N"),
    Option("retry-mode", "how to slow down when told to", takes="MODE", choices=("standard", "adaptive")),
    Option("min-throttle-delay", "accepted for chamber's sake; does nothing", takes="TIME"),
    Option("timeout", "how long one operation on the store may take", takes="SECONDS"),
    Option("verbose", "tell of each call made; never a value"),
)

#: Of the commands that read. It is a setting, and so may stand in the config file.
READABLE_ONLY = Option("readable-only", "s3-kms: leave out what is under a denied KMS key")

#: Of the commands that load whole services. All are settings, and so may stand in the config file.
SERVICES = (
    Option("allow-missing", "a service may hold no secret"),
    Option("optional", "this service may hold no secret; repeatable", takes="SERVICE", repeat=True),
    Option("allow-unlabelled", "with SERVICE:LABEL, leave out keys without the label"),
    READABLE_ONLY,
)

#: Of the commands that make variables of keys.
NAMES = Option("names", "how a key becomes a variable's name", takes="STYLE", choices=STYLES)

# Go's strconv.ParseBool, which chamber's switches take.
_TRUE = ("1", "t", "T", "TRUE", "true", "True")
_FALSE = ("0", "f", "F", "FALSE", "false", "False")


def split_at_command(arguments: Sequence[str]) -> tuple[list[str], list[str]]:
    """What stands before the command, and the command with all that follows; nothing where none is called.

    The command is the first word that is neither an option nor the value of one.
    """
    takers = {form for form, option in _by_form(GLOBAL).items() if option.takes}
    words = iter(enumerate(arguments))
    for position, word in words:
        if word in takers:
            next(words, None)
        elif not word.startswith("-") or word == "-":
            return list(arguments[:position]), list(arguments[position:])
    return list(arguments), []


def split_at_dashes(arguments: Sequence[str]) -> tuple[list[str], list[str] | None]:
    """What stands before the first `--`, and what follows it, verbatim; None where there is no `--`."""
    if "--" not in arguments:
        return list(arguments), None
    position = list(arguments).index("--")
    return list(arguments[:position]), list(arguments[position + 1 :])


def plain_switches(
    arguments: Sequence[str], switches: Iterable[str], shorts: Iterable[str]
) -> tuple[list[str], set[str]]:
    """Arguments as click reads them, and the names of the switches that were turned off.

    chamber takes `--strict=true`, `--strict=false` and `-b=ssm`, which click does not. `switches` are the
    long options without a value, `shorts` the letters of those with one. Nothing after a `--` is touched.
    """
    switches, shorts = set(switches), set(shorts)
    before, after = split_at_dashes(arguments)
    kept: list[str] = []
    off: set[str] = set()
    for word in before:
        form, equals, value = word.partition("=")
        name = form[2:] if form.startswith("--") else ""
        if name in switches and value in _FALSE:
            off.add(name)
            continue
        if name in switches and (not equals or value in _TRUE):
            off.discard(name)
            word = form
        elif value and len(form) == 2 and form[0] == "-" and form[1] in shorts:
            word = form + value
        kept.append(word)
    return (kept if after is None else [*kept, "--", *after]), off


def read_plainly(arguments: Iterable[str], rows: Iterable[Option]) -> tuple[dict[str, Any], list[str]] | None:
    """The options given, by name, and the other words; None for what click must look at: help, and mistakes.

    What is read here is read as click reads it after `plain_switches`. rows: the command's own options; those
    of every command are known too, and only they may stand before the command.
    """
    own = _by_form(rows)
    of_every = _by_form(GLOBAL)
    given: dict[str, Any] = {}
    words: list[str] = []
    rest = iter(arguments)
    for word in rest:
        if word == "-" or not word.startswith("-"):
            words.append(word)
            continue
        form, value = _split_option(word)
        row = of_every.get(form) or (own.get(form) if words else None)
        read = _value(row, value, rest) if row else None
        if row is None or read is None:
            return None
        given[row.name] = (*given.get(row.name, ()), read) if row.repeat else read
    return given, words


def _by_form(rows: Iterable[Option]) -> dict[str, Option]:
    forms = {f"-{row.short}": row for row in rows if row.short}
    return forms | {f"--{row.name}": row for row in rows}


def _split_option(word: str) -> tuple[str, str | None]:
    """`--name=value` and `-nvalue` as form and value; None where the value, if any, is the next word.

    `-n=value` is no form that is known: only `plain_switches` makes one of it.
    """
    if word.startswith("--"):
        form, equals, value = word.partition("=")
        return form, value if equals else None
    return (word, None) if word[2:3] == "=" else (word[:2], word[2:] or None)


def _value(row: Option, value: str | None, rest: Iterator[str]) -> str | bool | None:
    """What the option was given; None for what it does not take."""
    if row.takes is None:
        return True if value is None or value in _TRUE else False if value in _FALSE else None
    if value is None:
        value = next(rest, None)
        if value is None or value.startswith("-"):
            return None
    return value if not row.choices or value in row.choices else None
