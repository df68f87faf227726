"""Whether a call would go through a proxy: by the rules of urllib.request, which botocore goes by."""

from __future__ import annotations

import sys

from vault_exec_backends.aws.light import Unusual

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from vault_exec_backends.aws.light.url import Server


def check(server: Server, environ: Mapping[str, str]) -> None:
    """Raise Unusual where a proxy is set for the server."""
    proxies = _proxies(environ)
    if proxies.get(server.scheme) and not _bypassed(server, proxies.get("no", "")):
        raise Unusual(f"a proxy is set for {server}")
    if sys.platform == "darwin" and not proxies:
        _check_macos()


def _proxies(environ: Mapping[str, str]) -> dict[str, str]:
    """By scheme, and `no`: any case, the lower-case spelling winning, an empty one taking the proxy away."""
    found: dict[str, str] = {}
    for name, value in environ.items():
        if name[-6:].lower() == "_proxy" and len(name) > 6 and value:
            found[name[:-6].lower()] = value
    if "REQUEST_METHOD" in environ:  # a CGI script's header Proxy would be HTTP_PROXY
        found.pop("http", None)
    for name, value in environ.items():
        if name.endswith("_proxy") and name[:-6].islower():
            if value:
                found[name[:-6]] = value
            else:
                found.pop(name[:-6], None)
    return found


def _bypassed(server: Server, exceptions: str) -> bool:
    if exceptions == "*":
        return True
    host = f"[{server.host}]" if ":" in server.host else server.host.lower()
    for name in exceptions.split(","):
        name = name.strip().lstrip(".").lower()
        if name and (host == name or host.endswith("." + name)):
            return True
    return False


def _check_macos() -> None:
    try:
        from _scproxy import _get_proxies  # type: ignore[import-not-found, unused-ignore]
    except ImportError:
        return
    if _get_proxies():
        raise Unusual("macOS has proxies set")
