"""What stands between a thief of the store's file and its values: sealing, and telling what was changed.

Every sealed thing has a key of its own, HKDF-SHA256 (RFC 5869) of the store's data key with a random salt,
and is encrypted with AES-256-GCM under a random nonce. What may be read but not changed (names, versions,
dates, users) is its additional data. docs/local-store.md gives every byte.
"""

from __future__ import annotations

import hmac
from _thread import allocate_lock
from hashlib import sha256
from os import urandom

from vault_exec.errors import ConfigError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    Field = bytes | int

#: The version of the format. A change that an older program would misread must raise it.
FORMAT = 1

KEY_BYTES = 32
SALT_BYTES = 16
NONCE_BYTES = 12
TAG_BYTES = 16
SEALED_BYTES = SALT_BYTES + NONCE_BYTES + TAG_BYTES  # what sealing adds

#: Argon2id (RFC 9106) of a passphrase: 64 MiB, 3 passes, 4 lanes are its second recommended choice.
ARGON2_MEMORY = 64 * 1024  # KiB
ARGON2_PASSES = 3
ARGON2_LANES = 4

#: What a header may ask for, so that a changed one can neither weaken the passphrase nor eat the machine.
ARGON2_BOUNDS = ((64 * 1024, 1024 * 1024), (3, 10), (1, 16))

#: OpenSSL shares a pool of threads among Argon2's lanes: two derivations at once in one process can wait for
#: each other's threads for ever (seen with OpenSSL 4.0.3).
_stretching = allocate_lock()


def encode(*fields: Field) -> bytes:
    """The canonical encoding: no two different lists of fields have the same bytes.

    A text or blob is a netstring of its (UTF-8) bytes, `<decimal length>:<bytes>,`; an integer is
    `<lower-case hexadecimal>;`. Raises TypeError for anything else, such as SQLite's floats and nulls.
    """
    return b"".join(
        [b"%d:%b," % (len(field), field) if isinstance(field, bytes) else b"%x;" % field for field in fields]
    )


def decode(encoded: bytes) -> list[bytes]:
    """The texts or blobs that `encode` encoded. Only for what has been authenticated."""
    fields = []
    while encoded:
        length, _, rest = encoded.partition(b":")
        fields.append(rest[: int(length)])
        encoded = rest[int(length) + 1 :]
    return fields


def digest(rows: Iterable[bytes]) -> bytes:
    """SHA-256 over the canonical encodings of rows, in their order."""
    return sha256(b"".join(rows)).digest()


def hkdf(key: bytes, salt: bytes, info: bytes) -> bytes:
    """HKDF-SHA256 of RFC 5869 for one block of output (32 bytes), which is all that a key needs.

    Ours because importing cryptography's costs more than opening a store; its vectors are in the tests.
    """
    return hmac.digest(hmac.digest(salt, key, "sha256"), info + b"\x01", "sha256")


class Sealer:
    """Seals and opens under one 32-byte key, for one store. `info` separates what keys are used for."""

    __slots__ = ("_aead", "_info", "_invalid", "_prefix", "key")

    def __init__(self, key: bytes, store_id: bytes, info: bytes = b"vault-exec data") -> None:
        from cryptography.exceptions import InvalidTag
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        self.key = key
        self._info = info
        self._aead: Callable[[bytes], AESGCM] = AESGCM
        self._invalid = InvalidTag
        self._prefix = encode(FORMAT, store_id)

    def seal(self, plain: bytes, about: bytes) -> bytes:
        """salt, nonce and ciphertext with its tag; salt and nonce are fresh. about: the additional data."""
        salt = urandom(SALT_BYTES)
        nonce = urandom(NONCE_BYTES)
        aead = self._aead(hkdf(self.key, salt, self._info))
        return salt + nonce + aead.encrypt(nonce, plain, self._prefix + about)

    def open(self, sealed: object, about: bytes) -> bytes | None:
        """What was sealed, or None where key, content or additional data are not those it was sealed with."""
        if not isinstance(sealed, bytes) or len(sealed) < SEALED_BYTES:
            return None
        key = hkdf(self.key, sealed[:SALT_BYTES], self._info)
        nonce = sealed[SALT_BYTES : SALT_BYTES + NONCE_BYTES]
        try:
            return self._aead(key).decrypt(nonce, sealed[SALT_BYTES + NONCE_BYTES :], self._prefix + about)
        except self._invalid:
            return None


def stretch(passphrase: bytes, salt: bytes, memory: int, passes: int, lanes: int) -> bytes:
    """The wrapping key that Argon2id makes of a passphrase. memory in KiB.

    Raises ValueError for parameters out of bounds, before they cost anything, and ConfigError where the
    installed cryptography has no Argon2id.
    """
    for given, (least, most) in zip((memory, passes, lanes), ARGON2_BOUNDS, strict=True):
        if not least <= given <= most:
            raise ValueError("its header asks for an Argon2id that no store has")
    from cryptography.exceptions import UnsupportedAlgorithm

    try:
        from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

        kdf = Argon2id(salt=salt, length=KEY_BYTES, iterations=passes, lanes=lanes, memory_cost=memory)
    except (ImportError, UnsupportedAlgorithm):
        raise ConfigError(
            "a passphrase needs Argon2id: cryptography 44 or later, built with OpenSSL 3.2 or later",
            hint="pip install --upgrade cryptography, or keep the key in a file: vault-exec init --key file",
        ) from None
    with _stretching:
        return kdf.derive(passphrase)
