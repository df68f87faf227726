r"""What services, keys, labels, tags and variables may be called, and how a key becomes a variable's name.

The patterns are chamber's (v3, cmd/root.go): service ``^[\w\-.]+(/[\w\-.]+)*$``, key ``^[\w\-.]+$``, in ASCII
and over the whole text. They are checked with sets and str methods: `re` costs exec more than all names.
"""

from __future__ import annotations

from vault_exec.errors import InvalidNameError, InvalidValueError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

LOWER = "abcdefghijklmnopqrstuvwxyz"
UPPER = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
DIGITS = "0123456789"

_WORD = frozenset(LOWER + UPPER + DIGITS + "_")
_NAME = _WORD | frozenset("-.")
_TAG = frozenset(LOWER + UPPER + DIGITS + " +-=._:/@")
_FOLD = str.maketrans(UPPER, LOWER)
_RAISE = str.maketrans(LOWER, UPPER)

#: How a key becomes a variable's name: see `variable_name`.
STYLES = ("posix", "chamber")

#: Variables through which a program can be made to run somebody else's code. A secret of such a name is
#: injected, with a warning.
_POWERFUL = frozenset(
    ["PATH", "BASH_ENV", "ENV", "IFS", "PYTHONPATH", "PYTHONSTARTUP", "NODE_OPTIONS", "PERL5OPT", "RUBYOPT"]
)
_POWERFUL_PREFIXES = ("LD_", "DYLD_")


def fold(name: str) -> str:
    """Lower-case ASCII letters, as chamber does with services and keys; nothing else changes."""
    return name.translate(_FOLD)


def check_service(service: str) -> str:
    """Return the service's name, or raise InvalidNameError."""
    if service and all(part and _NAME.issuperset(part) for part in service.split("/")):
        return service
    raise InvalidNameError(
        f"service name {shown(service)} is not valid",
        hint="letters, digits, '.', '_' and '-' in parts separated by single '/'",
    )


def check_key(key: str) -> str:
    """Return the key, or raise InvalidNameError."""
    if key and _NAME.issuperset(key):
        return key
    raise InvalidNameError(
        f"key name {shown(key)} is not valid", hint="letters, digits, '.', '_' and '-' only"
    )


def check_label(label: str) -> str:
    """Return the label, or raise InvalidNameError. The case of a label counts.

    The rules are Parameter Store's (API reference, LabelParameterVersion): up to 100 of letters, digits,
    '.', '_' and '-', not beginning with a digit, `aws` or `ssm` in any case.
    """
    if (
        label
        and len(label) <= 100
        and _NAME.issuperset(label)
        and label[0] not in DIGITS
        and not fold(label).startswith(("aws", "ssm"))
    ):
        return label
    raise InvalidNameError(
        f"label {shown(label)} is not valid",
        hint="up to 100 letters, digits, '.', '_' and '-', not beginning with a digit, 'aws' or 'ssm'",
    )


def check_tags(tags: dict[str, str]) -> dict[str, str]:
    """Return the tags, or raise InvalidNameError: keys of 1-128, values of 1-256 of `A-Za-z0-9 +-=._:/@`."""
    for key, value in tags.items():
        check_tag_key(key)
        if not (1 <= len(value) <= 256 and _TAG.issuperset(value)):
            raise InvalidNameError(
                f"the value of tag {shown(key)} is not valid",
                hint="1 to 256 of letters, digits, space and + - = . _ : / @",
            )
    return tags


def check_tag_key(key: str) -> str:
    """Return the tag's key, or raise InvalidNameError."""
    if 1 <= len(key) <= 128 and _TAG.issuperset(key):
        return key
    raise InvalidNameError(
        f"tag key {shown(key)} is not valid", hint="1 to 128 of letters, digits, space and + - = . _ : / @"
    )


def check_value(service: str, key: str, value: str) -> str:
    """Return the value, or raise InvalidValueError where no store could hold it or no program receive it."""
    if "\0" in value:
        raise InvalidValueError(
            f"the value of {service}/{key} holds a NUL byte, which no environment variable can",
            hint="encode binary data first, for example with base64",
        )
    try:
        value.encode("utf-8")
    except UnicodeEncodeError:
        raise InvalidValueError(
            f"the value of {service}/{key} is not UTF-8 text",
            hint="encode binary data first, for example with base64",
        ) from None
    return value


def split_label(text: str) -> tuple[str, str | None]:
    """`svc:label` → the service, folded and checked, and the label, checked; None without a colon.

    Raises InvalidNameError.
    """
    service, colon, label = text.partition(":")
    return check_service(fold(service)), check_label(label) if colon else None


def variable_name(key: str, style: str) -> str:
    """The variable that exec makes of a key.

    posix: every character outside `[A-Za-z0-9_]` becomes `_`, then ASCII upper case.
    chamber: ASCII upper case and `-` to `_`; dots stay, as in Segment's chamber.
    """
    if style == "chamber":
        return key.translate(_RAISE).replace("-", "_")
    return "".join([c if c in _WORD else "_" for c in key]).translate(_RAISE)


def is_shell_name(name: str) -> bool:
    """Whether a POSIX shell can use the variable: `[A-Za-z_][A-Za-z0-9_]*`."""
    return bool(name) and name[0] not in DIGITS and _WORD.issuperset(name)


def is_powerful(name: str) -> bool:
    """Whether a variable of this name can make a program run code that is not its own."""
    return name in _POWERFUL or name.startswith(_POWERFUL_PREFIXES)


def collisions(keys: Iterable[str], style: str) -> dict[str, list[str]]:
    """The variable names that more than one of these keys map to, each with its keys, all sorted."""
    by_name: dict[str, list[str]] = {}
    for key in sorted(keys):
        by_name.setdefault(variable_name(key, style), []).append(key)
    return {name: found for name, found in sorted(by_name.items()) if len(found) > 1}


def shown(name: str) -> str:
    """A name as a message may print it: quoted, control characters escaped, cut when very long."""
    text = ascii(name) if not name.isprintable() else repr(name)
    return text if len(text) <= 120 else text[:117] + "…" + text[0]
