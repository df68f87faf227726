"""Certificates for servers of tests, made when they are needed and valid for an hour."""

from __future__ import annotations

import ssl
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any

HOUR = timedelta(hours=1)


class Authority:
    """Who signs certificates for the servers of a test. `pem`: its own certificate's file."""

    def __init__(self, folder: Path, name: str) -> None:
        from cryptography.hazmat.primitives.asymmetric import ec

        self._folder = folder / name
        self._folder.mkdir()
        self._name = name
        self._key = ec.generate_private_key(ec.SECP256R1())
        self.pem = self._folder / "authority.pem"
        self.pem.write_bytes(self._certificate(name, self._key, authority=True))

    def server(self, host: str = "127.0.0.1", *, ended: bool = False, own: bool = False) -> ssl.SSLContext:
        """A server's side with a certificate for the host.

        ended: it was valid until an hour ago. own: signed by itself.
        """
        from cryptography.hazmat.primitives import serialization
        from cryptography.hazmat.primitives.asymmetric import ec

        key = ec.generate_private_key(ec.SECP256R1())
        pem = self._folder / "server.pem"
        certificate = self._certificate(host, key, until=-HOUR if ended else HOUR, own=own)
        pem.write_bytes(
            certificate
            + key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        )
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(pem)
        return context

    def hashed(self, folder: Path) -> Path:
        """A folder in which OpenSSL finds the authority by the hash of its name."""
        import subprocess

        folder.mkdir()
        command = ["openssl", "x509", "-noout", "-subject_hash", "-in", str(self.pem)]
        name = subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
        (folder / f"{name}.0").write_bytes(self.pem.read_bytes())
        return folder

    def _certificate(
        self, host: str, key: Any, *, authority: bool = False, until: timedelta = HOUR, own: bool = False
    ) -> bytes:
        from cryptography import x509
        from cryptography.hazmat.primitives import hashes, serialization

        now = datetime.now(UTC)
        issuer = host if own else self._name
        builder = (
            x509.CertificateBuilder()
            .subject_name(_named(host))
            .issuer_name(_named(issuer))
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - 3 * HOUR)
            .not_valid_after(now + until)
            .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
        )
        if authority:
            usage = x509.KeyUsage(False, False, False, False, False, True, True, False, False)
            builder = builder.add_extension(usage, critical=True)
        else:
            builder = builder.add_extension(x509.SubjectAlternativeName([_alternative(host)]), critical=False)
        identifier = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
        signer = key if own else self._key
        by = x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key())
        builder = builder.add_extension(identifier, critical=False).add_extension(by, critical=False)
        return builder.sign(signer, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


def _named(name: str) -> Any:
    from cryptography import x509

    return x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])


def _alternative(host: str) -> Any:
    from cryptography import x509

    try:
        return x509.IPAddress(ip_address(host))
    except ValueError:
        return x509.DNSName(host)
