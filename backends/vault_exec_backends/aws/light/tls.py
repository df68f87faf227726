"""TLS by the public module `ssl`: certificates and host names are checked, 1.2 is the least.

Whom to trust: AWS_CA_BUNDLE alone (REQUESTS_CA_BUNDLE, as botocore), else SSL_CERT_FILE and SSL_CERT_DIR,
else the system's folder of authorities, which costs nothing to name where parsing its bundle costs 18 ms;
the bundle is read only for an authority that the folder does not have.
"""

from __future__ import annotations

from _thread import allocate_lock

from vault_exec.errors import ConfigError
from vault_exec.names import DIGITS
from vault_exec_backends.aws.errors import NotSent
from vault_exec_backends.aws.light import Unusual

TYPE_CHECKING = False
if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Mapping
    from typing import Any

    from vault_exec_backends.aws.light.url import Server

_HEX = frozenset(DIGITS + "abcdef")


class Trust:
    """The authorities that the environment names, for all connections; nothing is read before the first."""

    __slots__ = ("_bundle", "_context", "_environ", "_lock", "_system", "_whole")

    def __init__(self, environ: Mapping[str, str], system: tuple[str, str] | None = None) -> None:
        """system: the system's bundle and folder of authorities; None: where OpenSSL has them."""
        self._environ = environ
        self._system = system
        self._lock = allocate_lock()
        self._context: ssl.SSLContext | None = None
        self._bundle: str | None = None
        self._whole = False

    def connected(self, server: Server, connect: Callable[[], Any]) -> ssl.SSLSocket:
        """TLS over a connection that `connect` makes, its timeout bounding the handshake.

        Raises what `connect` raises, NotSent, and ConfigError for a certificate that cannot be trusted.
        """
        import ssl

        try:
            context = self._made(server)
            try:
                return _shaken(context, server, connect())
            except ssl.SSLCertVerificationError:
                if not self._with_bundle(context):
                    raise
            return _shaken(context, server, connect())
        except ssl.SSLCertVerificationError as error:
            raise _untrusted(server, error.verify_message) from None
        except OSError as error:  # ssl's errors are among them
            reason = getattr(error, "reason", None) or error.strerror or type(error).__name__
            raise NotSent(f"cannot connect to {server} by TLS: {reason}") from None

    def _made(self, server: Server) -> ssl.SSLContext:
        with self._lock:
            if self._context is None:
                self._context = self._new(server)
            return self._context

    def _new(self, server: Server) -> ssl.SSLContext:
        import ssl

        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # checks certificates and host names
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        named = self._environ.get("AWS_CA_BUNDLE") or self._environ.get("REQUESTS_CA_BUNDLE")
        try:
            if named:
                _load(context, named)
            elif self._environ.get("SSL_CERT_FILE") or self._environ.get("SSL_CERT_DIR"):
                self._load_named(context)
            else:
                self._load_system(context)
        except (ssl.SSLError, OSError) as error:
            why = getattr(error, "reason", None) or error.strerror or type(error).__name__
            raise _untrusted(server, why) from None
        return context

    def _load_named(self, context: ssl.SSLContext) -> None:
        file, folder = self._environ.get("SSL_CERT_FILE"), self._environ.get("SSL_CERT_DIR")
        if file:
            context.load_verify_locations(cafile=file)
        if folder:
            context.load_verify_locations(capath=folder)

    def _load_system(self, context: ssl.SSLContext) -> None:
        bundle, folder = self._system or _system()
        if _is_hashed(folder):
            context.load_verify_locations(capath=folder)
            self._bundle = bundle
        else:
            try:
                context.load_verify_locations(cafile=bundle)
            except FileNotFoundError:
                raise Unusual(
                    "this system has no certificates of authorities; botocore brings some"
                ) from None

    def _with_bundle(self, context: ssl.SSLContext) -> bool:
        """Trust the system's bundle too, as OpenSSL would; whether there is one."""
        with self._lock:
            if self._bundle and not self._whole:
                try:
                    context.load_verify_locations(cafile=self._bundle)
                except OSError:
                    self._bundle = None
                self._whole = True
            return bool(self._bundle)


def _system() -> tuple[str, str]:
    from ssl import get_default_verify_paths

    paths = get_default_verify_paths()
    return paths.openssl_cafile, paths.openssl_capath


def _shaken(context: ssl.SSLContext, server: Server, connected: Any) -> ssl.SSLSocket:
    try:
        # A host as bytes: as str it would be encoded by encodings.idna, which imports re.
        return context.wrap_socket(
            connected, server_hostname=server.host.encode(), suppress_ragged_eofs=False
        )
    except BaseException:
        connected.close()
        raise


def _load(context: ssl.SSLContext, path: str) -> None:
    from os.path import isdir

    if isdir(path):
        context.load_verify_locations(capath=path)
    else:
        context.load_verify_locations(cafile=path)


def _is_hashed(folder: str) -> bool:
    """Whether certificates lie here by the hash of their subject, as OpenSSL looks for them: `1a2b3c4d.0`."""
    from os import listdir

    try:
        names = listdir(folder)
    except OSError:
        return False
    return any(len(name) == 10 and name.endswith(".0") and _HEX.issuperset(name[:8]) for name in names)


def _untrusted(server: Server, why: str) -> ConfigError:
    return ConfigError(
        f"cannot connect to {server}: its certificate cannot be trusted: {why}",
        hint="name the file with your authorities' certificates in AWS_CA_BUNDLE",
    )
