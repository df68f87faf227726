"""k8s-secret: a Secret for `kubectl apply -f -`, its keys named as variables, so that `envFrom` gives them.

The object is named after the services. The limits are the API server's (apimachinery, util/validation;
core/v1, MaxSecretSize): names are DNS subdomains of RFC 1123, names and keys have 253 characters, all values
1 MiB.
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Mapping, Sequence

from vault_exec.errors import FormatError
from vault_exec.formats.common import Options, exec_variables, is_exec_name
from vault_exec.names import DIGITS, fold, shown

_MAX_NAME = 253
_MAX_BYTES = 1024 * 1024
_NOT_IN_NAMES = re.compile(r"[^a-z0-9.]+")
_DOT = re.compile(r"-*\.[-.]*")


def dump(values: Mapping[str, str], options: Options) -> str:
    object_name = _object_name(options.services)
    named = exec_variables("k8s-secret", values, options.style, _is_name)
    data = [(name, value.encode()) for _, name, value in named]
    size = sum([len(value) for _, value in data])
    if size > _MAX_BYTES:
        raise FormatError(
            f"k8s-secret cannot hold {size:,} bytes of values: a Secret has {_MAX_BYTES:,} at most"
        )
    head = f'apiVersion: v1\nkind: Secret\nmetadata:\n  name: "{object_name}"\ntype: Opaque\n'
    if not data:
        return head + "data: {}\n"
    # In quotes: some readers of YAML take a bare YES or NO for a boolean.
    return (
        head + "data:\n" + "".join([f'  "{name}": "{b64encode(value).decode()}"\n' for name, value in data])
    )


def _object_name(services: Sequence[str]) -> str:
    """`prod/web_app` → `prod-web-app`; several services are joined by `-`."""
    name = _DOT.sub(".", _NOT_IN_NAMES.sub("-", fold("-".join(services)))).strip("-.")
    if not name or len(name) > _MAX_NAME:
        raise FormatError(
            f"k8s-secret cannot name an object after {shown(' '.join(services))}: "
            f"its name has 1 to {_MAX_NAME} letters and digits, with '-' and '.' between them",
            hint="export fewer services at once" if len(services) > 1 else None,
        )
    return name


def _is_name(name: str) -> bool:
    """What both a key (IsConfigMapKey) and a variable of `envFrom` (IsEnvVarName) may be called."""
    return (
        is_exec_name(name)
        and len(name) <= _MAX_NAME
        and name[0] not in DIGITS
        and name != "."
        and not name.startswith("..")
    )
