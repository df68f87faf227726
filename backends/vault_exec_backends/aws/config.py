"""Where AWS is, as the environment and the settings say."""

from __future__ import annotations

from vault_exec.names import DIGITS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

_HEX = frozenset(DIGITS + "abcdefABCDEF")
_REGIONS = ("CHAMBER_AWS_REGION", "AWS_REGION", "AWS_DEFAULT_REGION")
_ENDPOINTS = {
    "ssm": ("CHAMBER_AWS_SSM_ENDPOINT",),
    "secretsmanager": ("CHAMBER_AWS_SECRETS_MANAGER_ENDPOINT", "CHAMBER_AWS_SSM_ENDPOINT"),
}


def region(environ: Mapping[str, str]) -> str | None:
    """The region that the environment names; None leaves it to the profile, then to the machine."""
    return _first(environ, _REGIONS)


def endpoint(service: str, environ: Mapping[str, str]) -> str | None:
    """The URL that chamber's variables name for the service; None leaves it to AWS_ENDPOINT_URL* and AWS."""
    return _first(environ, _ENDPOINTS.get(service, ()))


def kms_key(name: str) -> str:
    """The KMS key as the services take it: a name is an alias unless it is an ARN or a key's id.

    Ids are UUIDs, or `mrk-` and 32 hexadecimal digits (KMS developer guide, "Key identifiers").
    """
    if name.startswith(("alias/", "arn:")) or _is_key_id(name):
        return name
    return f"alias/{name}"


def _is_key_id(name: str) -> bool:
    if name.startswith("mrk-"):
        return len(name) == 36 and _HEX.issuperset(name[4:])
    parts = name.split("-")
    return [len(part) for part in parts] == [8, 4, 4, 4, 12] and _HEX.issuperset("".join(parts))


def _first(environ: Mapping[str, str], names: tuple[str, ...]) -> str | None:
    return next((environ[name] for name in names if environ.get(name)), None)
