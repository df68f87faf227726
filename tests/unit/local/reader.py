"""A reader of the local store, written from docs/local-store.md; it shares no code with the program."""

from __future__ import annotations

import sqlite3
from hashlib import sha256
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # noqa: TID253
from cryptography.hazmat.primitives.hashes import SHA256  # noqa: TID253
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id  # noqa: TID253
from cryptography.hazmat.primitives.kdf.hkdf import HKDF  # noqa: TID253


def encoded(*fields: str | bytes | int) -> bytes:
    result = b""
    for field in fields:
        if isinstance(field, int):
            result += format(field, "x").encode() + b";"
        else:
            content = field.encode() if isinstance(field, str) else field
            result += str(len(content)).encode() + b":" + content + b","
    return result


def decoded(content: bytes) -> list[str]:
    texts = []
    while content:
        length, content = content.split(b":", 1)
        texts.append(content[: int(length)].decode())
        content = content[int(length) + 1 :]
    return texts


def opened(key: bytes, info: bytes, store_id: bytes, sealed: bytes, *about: str | bytes | int) -> bytes:
    derived = HKDF(SHA256(), 32, sealed[:16], info).derive(key)
    return AESGCM(derived).decrypt(sealed[16:28], sealed[28:], encoded(1, store_id) + encoded(*about))


def read(path: Path, *, key: bytes = b"", passphrase: bytes = b"") -> dict[str, Any]:
    """All that is in the store: service → key → its rows, as plain data. Raises where one is changed."""
    connection = sqlite3.connect(path)
    connection.row_factory = sqlite3.Row
    [(application_id,)] = connection.execute("PRAGMA application_id").fetchall()
    assert application_id == 0x766C6578
    [header] = connection.execute("SELECT * FROM header").fetchall()
    assert header["format"] == 1
    store_id = header["store_id"]
    parameters = {name: header[name] for name in ("salt", "memory", "passes", "lanes")}
    if header["source"] == "passphrase":
        key = Argon2id(
            salt=header["salt"],
            length=32,
            iterations=header["passes"],
            lanes=header["lanes"],
            memory_cost=header["memory"],
        ).derive(passphrase)
    else:
        assert list(parameters.values()) == [b"", 0, 0, 0]
    about = (header["source"], header["wrap_id"], *parameters.values())
    data = opened(key, b"vault-exec wrap", store_id, header["wrapped"], "header", *about)

    def unseal(sealed: bytes, *about: str | bytes | int) -> bytes:
        return opened(data, b"vault-exec data", store_id, sealed, *about)

    services = connection.execute("SELECT * FROM services ORDER BY name").fetchall()
    [catalogue] = connection.execute("SELECT * FROM catalogue").fetchall()
    names = b"".join(encoded(service["name"]) for service in services)
    assert unseal(catalogue["sealed"], "catalogue", catalogue["services"]) == sha256(names).digest()
    assert catalogue["services"] == len(services)

    found: dict[str, Any] = {}
    for service in services:
        name = service["name"]
        rows = connection.execute("SELECT * FROM secrets WHERE service = ? ORDER BY key", (name,)).fetchall()
        all_rows = b"".join(encoded(*tuple(row)[1:]) for row in rows)
        assert service["live"] == sum(not row["deleted"] for row in rows)
        manifest = unseal(service["manifest"], "manifest", name, service["generation"], service["live"])
        assert manifest == sha256(all_rows).digest()
        found[name] = {}
        for row in rows:
            past = connection.execute(
                "SELECT * FROM history WHERE service = ? AND key = ? ORDER BY version, deleted",
                (name, row["key"]),
            ).fetchall()
            running = b""
            for old in past:
                running = sha256(running + encoded(*tuple(old)[1:], "", "")).digest()
            assert running == row["past"]
            texts = decoded(unseal(row["tags"], "tags", name, row["key"])) if row["tags"] else []
            found[name][row["key"]] = {
                "tags": dict(zip(texts[::2], texts[1::2], strict=True)),
                "rows": [
                    {
                        "version": one["version"],
                        "deleted": one["deleted"],
                        "created": one["created"],
                        "created_by": one["created_by"],
                        "value": unseal(
                            one["sealed"],
                            *("value", name, one["key"], one["version"], one["created"], one["created_by"]),
                        ).decode()
                        if one["sealed"]
                        else None,
                    }
                    for one in [*past, row]
                ],
            }
    connection.close()
    return found
