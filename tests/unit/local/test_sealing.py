"""Encoding, HKDF, sealing and stretching: what the file's format stands on."""

from __future__ import annotations

import os
from threading import Thread

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vault_exec_backends.local.records import Row
from vault_exec_backends.local.sealing import (
    SEALED_BYTES,
    Sealer,
    decode,
    digest,
    encode,
    hkdf,
    stretch,
)

fields = st.lists(st.one_of(st.binary(max_size=20), st.integers()), max_size=6)
counts = st.integers(min_value=0, max_value=2**62)

# RFC 5869, appendix A: hash SHA-256; input key, salt, info, output.
RFC_5869 = [
    (
        "0b" * 22,
        "000102030405060708090a0b0c",
        "f0f1f2f3f4f5f6f7f8f9",
        "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865",
    ),
    (
        bytes(range(0x50)).hex(),
        bytes(range(0x60, 0xB0)).hex(),
        bytes(range(0xB0, 0x100)).hex(),
        "b11e398dc80327a1c8e7f78c596a49344f012eda2d4efad8a050cc4c19afa97c59045a99cac7827271cb41c65e590e09",
    ),
    (
        "0b" * 22,
        "",
        "",
        "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8",
    ),
]


@pytest.mark.parametrize(("key", "salt", "info", "output"), RFC_5869, ids=["A.1", "A.2", "A.3"])
def test_hkdf_gives_the_rfcs_vectors(key: str, salt: str, info: str, output: str) -> None:
    found = hkdf(bytes.fromhex(key), bytes.fromhex(salt), bytes.fromhex(info))
    assert found == bytes.fromhex(output)[:32]


@given(fields, fields)
def test_no_two_lists_of_fields_have_one_encoding(one: list[bytes | int], other: list[bytes | int]) -> None:
    assert (encode(*one) == encode(*other)) == (one == other)


@given(st.lists(st.binary(max_size=300), max_size=8))
def test_texts_are_decoded_as_they_were_encoded(texts: list[bytes]) -> None:
    assert decode(encode(*texts)) == texts


@pytest.mark.parametrize("field", [None, 1.0, "text"])
def test_what_no_column_of_ours_holds_is_not_encoded(field: object) -> None:
    with pytest.raises(TypeError):
        encode(field)  # type: ignore[arg-type]


def test_the_encoding_is_the_documented_one() -> None:
    assert encode(b"value", 10, b"") == b"5:value,a;0:,"


@given(st.binary(), counts, counts, counts, st.binary(), st.binary(max_size=99), st.binary(), st.binary())
def test_a_row_is_encoded_like_any_list_of_its_columns(
    key: bytes, version: int, deleted: int, created: int, user: bytes, sealed: bytes, past: bytes, tags: bytes
) -> None:
    row = Row(key, version, deleted, created, user, sealed, past, tags)
    assert row.encoded() == encode(key, version, deleted, created, user, sealed, past, tags)


@pytest.mark.parametrize("column", Row.__slots__)
@pytest.mark.parametrize("wrong", [None, 1.5])
def test_a_row_that_no_store_has_is_not_encoded(column: str, wrong: object) -> None:
    row = Row(b"key", 1, 0, 1, b"user", b"sealed")
    setattr(row, column, wrong)
    with pytest.raises(TypeError):
        row.encoded()


def test_a_digest_is_of_the_rows_in_their_order() -> None:
    assert digest([b"a", b"b"]) != digest([b"b", b"a"])
    assert digest([]).hex() == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


@given(st.binary(max_size=5000), st.binary(max_size=99))
def test_what_was_sealed_opens_again(plain: bytes, about: bytes) -> None:
    sealer = Sealer(bytes(32), bytes(16))
    sealed = sealer.seal(plain, about)
    assert len(sealed) == len(plain) + SEALED_BYTES
    assert sealer.open(sealed, about) == plain


def test_salt_and_nonce_are_new_every_time() -> None:
    sealer = Sealer(bytes(32), bytes(16))
    sealed = [sealer.seal(b"the same", b"about") for _ in range(500)]
    assert len({one[:16] for one in sealed}) == 500
    assert len({one[16:28] for one in sealed}) == 500


def test_it_opens_only_whole_and_where_it_belongs() -> None:
    sealer = Sealer(bytes(32), bytes(16))
    sealed = sealer.seal(b"plain", b"about")
    for position in range(len(sealed)):
        for bit in range(8):
            changed = bytearray(sealed)
            changed[position] ^= 1 << bit
            assert sealer.open(bytes(changed), b"about") is None
    for length in range(len(sealed)):
        assert sealer.open(sealed[:length], b"about") is None
    assert sealer.open(sealed + b"\0", b"about") is None
    assert sealer.open(sealed, b"about other things") is None
    for other in (
        Sealer(bytes(31) + b"\1", bytes(16)),
        Sealer(bytes(32), bytes(15) + b"\1"),
        Sealer(bytes(32), bytes(16), b"vault-exec wrap"),
    ):
        assert other.open(sealed, b"about") is None
    for no_blob in (None, 0, 1.5):
        assert sealer.open(no_blob, b"about") is None


def test_a_passphrase_is_stretched_by_argon2id() -> None:
    """Against argon2-cffi 25.1, which is the reference implementation:
    `hash_secret_raw(b"passphrase", bytes(range(16)), 3, 65536, 4, 32, Type.ID)`."""
    assert (
        stretch(b"passphrase", bytes(range(16)), 64 * 1024, 3, 4).hex()
        == "a63a15b42af06b59d4c2663f62f7511446bed6402c23be66a7b69d3d39a963b8"
    )


@pytest.mark.parametrize(
    ("memory", "passes", "lanes"),
    [
        (64 * 1024 - 1, 3, 4),
        (1024 * 1024 + 1, 3, 4),
        (2**40, 3, 4),
        (64 * 1024, 2, 4),
        (64 * 1024, 11, 4),
        (64 * 1024, 3, 0),
        (64 * 1024, 3, 17),
        (-1, -1, -1),
    ],
)
def test_parameters_out_of_bounds_are_refused_before_they_cost_anything(
    memory: int, passes: int, lanes: int
) -> None:
    with pytest.raises(ValueError, match="Argon2id"):
        stretch(b"passphrase", bytes(16), memory, passes, lanes)


def test_two_threads_can_stretch_at_once() -> None:
    """OpenSSL's threads could wait for each other for ever."""
    salts = [os.urandom(16) for _ in range(4)]
    found: dict[bytes, bytes] = {}
    threads = [
        Thread(
            target=lambda salt=salt: found.update({salt: stretch(b"p", salt, 64 * 1024, 3, 4)}), daemon=True
        )
        for salt in salts
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert set(found) == set(salts)
