"""CPython's inner halves of some public modules, which start faster; the public one where there is none.

Milliseconds saved of a start: socket 5, hashlib 2, json 6, datetime 1. TLS is not among them: it has `ssl`.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

try:
    import _socket as socket
except ImportError:
    import socket  # type: ignore[no-redef]

try:
    from _sha2 import sha256  # type: ignore[import-not-found, unused-ignore]  # since 3.12
except ImportError:
    try:
        from _sha256 import sha256  # type: ignore[import-not-found, unused-ignore]
    except ImportError:
        from hashlib import sha256

try:
    from _datetime import datetime, timezone  # type: ignore[import-not-found, unused-ignore]
except ImportError:
    from datetime import datetime, timezone


def _no_constant(name: str) -> None:
    """NaN and Infinity are not JSON."""
    raise ValueError(name)


try:
    from _json import encode_basestring_ascii as quoted
    from _json import make_scanner

    class _Rules:
        strict = True
        object_hook = object_pairs_hook = None
        parse_float = float
        parse_int = int
        parse_constant = _no_constant

    _scan = make_scanner(_Rules)  # type: ignore[arg-type, call-arg, unused-ignore]

    def loads(text: str) -> Any:
        """The value that the JSON text stands for. Raises ValueError and RecursionError."""
        try:
            value, end = _scan(text, len(text) - len(text.lstrip(" \t\r\n")))
        except StopIteration:
            raise ValueError("not JSON") from None
        if text[end:].strip(" \t\r\n"):
            raise ValueError("more than JSON")
        return value

except ImportError:
    import json
    from json.encoder import encode_basestring_ascii as quoted  # type: ignore[attr-defined, unused-ignore]

    def loads(text: str) -> Any:
        return json.loads(text, parse_constant=_no_constant)


__all__ = ["datetime", "loads", "quoted", "sha256", "socket", "timezone"]
