"""Where a server is, and how texts stand in URLs."""

from __future__ import annotations

from vault_exec.names import DIGITS, LOWER, UPPER

_UNRESERVED = frozenset((LOWER + UPPER + DIGITS + "-._~").encode())
_HOST = frozenset(LOWER + UPPER + DIGITS + "-.")
_IPV6 = frozenset(DIGITS + "abcdefABCDEF:.")
_PORTS = {"http": 80, "https": 443}


class Server:
    """Who is called. host: a name or an address, without the brackets of an IPv6 one."""

    __slots__ = ("host", "port", "scheme")

    def __init__(self, scheme: str, host: str, port: int) -> None:
        self.scheme = scheme
        self.host = host
        self.port = port

    @property
    def authority(self) -> str:
        """The value of the header Host: without the port where it goes without saying."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _PORTS[self.scheme] else f"{host}:{self.port}"

    def __str__(self) -> str:
        return f"{self.scheme}://{self.authority}"


def parsed(url: str) -> tuple[Server, str]:
    """`http://host:port/path?query` as its server and the rest from the path on ("" where there is none).

    Raises ValueError for any other form, user names and fragments among them.
    """
    scheme, mark, rest = url.partition("://")
    scheme = scheme.lower()
    end = min((at for sign in "/?#" if (at := rest.find(sign)) >= 0), default=len(rest))
    authority, path = rest[:end], rest[end:]
    if not mark or scheme not in _PORTS or not path.isascii() or not path.isprintable():
        raise ValueError("no URL of a server")
    if path[:1] not in ("", "/") or "#" in path or " " in path:
        raise ValueError("no path of a URL")
    host, port = _split(authority)
    return Server(scheme, host, _PORTS[scheme] if port is None else port), path


def _split(authority: str) -> tuple[str, int | None]:
    if authority.startswith("["):
        host, mark, port = authority[1:].partition("]")
        if not mark or ":" not in host or not _IPV6.issuperset(host) or port[:1] not in ("", ":"):
            raise ValueError("no IPv6 address")
        port = port[1:]
    else:
        host, _, port = authority.partition(":")
        if not host or not _HOST.issuperset(host):
            raise ValueError("no name of a host")
    if not port and authority.endswith(":"):
        raise ValueError("no port")
    if not port:
        return host, None
    if not (port.isascii() and port.isdigit() and len(port) <= 5 and 0 < int(port) < 65536):
        raise ValueError("no port")
    return host, int(port)


def quoted(text: str, *, keep: str = "") -> str:
    """Percent-encoded as SigV4 wants it: all but RFC 3986's unreserved characters, and those to keep."""
    kept = keep.encode()
    return "".join(
        chr(byte) if byte in _UNRESERVED or byte in kept else f"%{byte:02X}" for byte in text.encode()
    )


def query(pairs: list[tuple[str, str]]) -> str:
    """The pairs as a URL's query, sorted as SigV4 wants them."""
    return "&".join(f"{name}={value}" for name, value in sorted((quoted(n), quoted(v)) for n, v in pairs))
