"""A new key for a store: everything stays but the keys, and at no point does the store open with neither."""

from __future__ import annotations

import shutil
import signal
import threading
from base64 import b64encode
from pathlib import Path
from typing import Any

import pytest

from tests.support.keyrings import RealKeyring
from tests.support.local import Place
from vault_exec.errors import (
    ConflictError,
    DamagedStoreError,
    NoCredentialsError,
    NotFoundError,
    UsageError,
    WrongKeyError,
)
from vault_exec.store import Store

KEY = b64encode(bytes(range(32))).decode()
OTHER_KEY = b64encode(bytes(range(1, 33))).decode()


def fill(store: Store) -> None:
    store.write("svc", "key", "old")
    store.write("svc", "key", "new\n🔑", tags=None)
    store.write("svc", "tagged", "", tags={"team": "core"})
    store.write("svc", "gone", "value")
    store.delete("svc", "gone")
    store.write("svc", "back", "1")
    store.delete("svc", "back")
    store.write("svc", "back", "2")
    store.write("other", "key", "value")
    store.write("ended", "key", "value")
    store.delete("ended", "key")


def everything(store: Store) -> list[Any]:
    return [
        store.services(),
        store.values("svc"),
        store.list("svc", values=True),
        store.values("other"),
        store.history("svc"),
        store.history("ended"),
        store.read("svc", "key", 1),
        store.tags("svc", "tagged"),
    ]


def sealed(place: Place) -> set[bytes]:
    """Everything in the file that was sealed under the data key."""
    columns = [
        ("secrets", "sealed"),
        ("secrets", "tags"),
        ("history", "sealed"),
        ("services", "manifest"),
        ("catalogue", "sealed"),
    ]
    found = {row[0] for table, column in columns for row in place.sql(f"SELECT {column} FROM {table}")}
    return found - {b""}


def header(place: Place) -> tuple[Any, ...]:
    [row] = place.sql("SELECT source, wrap_id, salt, wrapped FROM header")
    return row


def test_all_is_sealed_anew_and_nothing_else_changes(place: Place) -> None:
    fill(place.open())
    before, old_key = everything(place.open()), place.key_file
    old_sealed, old_header = sealed(place), header(place)
    other = place.open()
    other.values("svc")
    place.open().rekey()
    assert everything(place.open()) == before
    assert everything(other) == before  # opened under the old key
    assert not old_key.exists()
    assert place.key_file.name == f"{old_key.name}-{header(place)[1].hex()}"
    assert header(place)[1:] != old_header[1:]
    new_sealed = sealed(place)
    assert len(new_sealed) == len(old_sealed)
    content = place.path.read_bytes()
    assert not any(one[16:44] in content for one in old_sealed)
    assert "changed the key" in place.notes[-1]
    assert str(place.key_file) in place.notes[-1]
    assert place.open().write("svc", "key", "newest") == 3


def test_wrap_only_changes_only_the_wrapping(place: Place) -> None:
    fill(place.open())
    before, old_key, old_sealed, old_header = (
        everything(place.open()),
        place.key_file,
        sealed(place),
        header(place),
    )
    place.open().rekey(wrap_only=True)
    assert everything(place.open()) == before
    assert sealed(place) == old_sealed
    assert header(place)[3] != old_header[3]
    assert not old_key.exists()
    with pytest.raises(WrongKeyError):
        place.open(VAULT_EXEC_KEY=KEY).values("svc")


@pytest.mark.parametrize("wrap_only", [False, True])
@pytest.mark.parametrize("new", ["keyring", "file", "passphrase"])
@pytest.mark.parametrize("old", ["keyring", "file", "passphrase"])
def test_the_key_moves(place: Place, real_keyring: RealKeyring, old: str, new: str, wrap_only: bool) -> None:
    import keyring

    place.open(["first", "first"]).initialise(old)
    [(store_id,)] = place.sql("SELECT store_id FROM header")
    store = place.open([*(["first"] if old == "passphrase" else []), "second", "second"])
    store.write("svc", "key", "value")
    store.rekey(new, wrap_only=wrap_only)
    assert header(place)[0] == new
    assert store.values("svc") == {"key": "value"}
    assert place.open(["second"]).values("svc") == {"key": "value"}
    files = list(place.key_folder.iterdir()) if place.key_folder.exists() else []
    assert len(files) == (new == "file")
    assert keyring.get_password("vault-exec", store_id.hex()) is None
    now = keyring.get_password("vault-exec", f"{store_id.hex()}-{header(place)[1].hex()}")
    assert (now is not None) == (new == "keyring")


def test_a_passphrase_stays_unless_only_it_shall_change(place: Place, tmp_path: Path) -> None:
    place.open(VAULT_EXEC_PASSPHRASE="first").write("svc", "key", "value")
    salt = header(place)[2]
    place.open(["first"]).rekey()
    assert len(place.asked) == 1
    assert header(place)[2] != salt
    place.open(["first", "second", "second"]).rekey(wrap_only=True)
    assert len(place.asked) == 4
    with pytest.raises(WrongKeyError):
        place.open(["first"]).values("svc")
    assert place.open(["second"]).values("svc") == {"key": "value"}
    (tmp_path / "new").write_text("third\n")
    (tmp_path / "new").chmod(0o600)
    asked = len(place.asked)
    place.open(VAULT_EXEC_PASSPHRASE="second", VAULT_EXEC_NEW_PASSPHRASE_FILE=str(tmp_path / "new")).rekey()
    assert len(place.asked) == asked
    assert place.open(VAULT_EXEC_PASSPHRASE="third").values("svc") == {"key": "value"}


@pytest.mark.parametrize("answers", [["first", "one", "other"], ["first", ""], ["first"]])
def test_a_new_passphrase_that_was_not_typed_twice_changes_nothing(place: Place, answers: list[str]) -> None:
    place.open(VAULT_EXEC_PASSPHRASE="first").write("svc", "key", "value")
    before = place.path.read_bytes()
    with pytest.raises((UsageError, NoCredentialsError)):
        place.open(answers).rekey("passphrase")
    assert place.path.read_bytes() == before


def test_a_key_that_is_kept_outside(place: Place, tmp_path: Path) -> None:
    place.open(VAULT_EXEC_KEY=KEY).write("svc", "key", "value")
    old_sealed = sealed(place)
    place.open(VAULT_EXEC_KEY=KEY).rekey()
    assert sealed(place).isdisjoint(old_sealed)
    assert place.open(VAULT_EXEC_KEY=KEY).values("svc") == {"key": "value"}
    with pytest.raises(UsageError) as caught:
        place.open(VAULT_EXEC_KEY=KEY).rekey(wrap_only=True)
    assert "VAULT_EXEC_NEW_KEY_FILE" in str(caught.value.hint)
    (tmp_path / "new").write_text(OTHER_KEY)
    (tmp_path / "new").chmod(0o600)
    place.open(VAULT_EXEC_KEY=KEY, VAULT_EXEC_NEW_KEY_FILE=str(tmp_path / "new")).rekey(wrap_only=True)
    assert place.open(VAULT_EXEC_KEY=OTHER_KEY).values("svc") == {"key": "value"}
    place.open(VAULT_EXEC_KEY=OTHER_KEY).rekey("file")
    assert place.open().values("svc") == {"key": "value"}
    assert not (tmp_path / "keys").exists()


def test_a_key_file_that_the_environment_replaces_stays_replaced(place: Place) -> None:
    """A new key file would not be used while the variable is set."""
    place.open().write("svc", "key", "value")
    key = place.key_file.read_text()
    place.open(VAULT_EXEC_KEY=key).rekey()
    assert header(place)[0] == "environment"
    assert place.open(VAULT_EXEC_KEY=key).values("svc") == {"key": "value"}


@pytest.mark.parametrize("mode", [0o600, 0o640])
@pytest.mark.parametrize("variable", ["VAULT_EXEC_KEY_FILE", "VAULT_EXEC_NEW_KEY_FILE"])
def test_a_key_file_that_the_environment_names_is_not_removed(place: Place, variable: str, mode: int) -> None:
    """The variable may name the very file where the program kept the key, and that is the only copy."""
    place.open().write("svc", "key", "value")
    key = place.key_file
    if variable == "VAULT_EXEC_KEY_FILE":
        key.chmod(mode)
    place.open(**{variable: str(key)}).rekey()
    assert place.open(VAULT_EXEC_KEY_FILE=str(key)).values("svc") == {"key": "value"}


def test_a_key_in_the_keyring_that_is_given_too_is_not_removed(
    place: Place, real_keyring: RealKeyring
) -> None:
    """The variable may have been set to what `keyring get` prints, for this one call."""
    import keyring

    place.open().initialise("keyring")
    [(store_id,)] = place.sql("SELECT store_id FROM header")
    key = keyring.get_password("vault-exec", store_id.hex())
    assert key is not None
    place.open(VAULT_EXEC_KEY=key).rekey()
    assert keyring.get_password("vault-exec", store_id.hex()) == key


def test_a_key_file_that_a_new_key_replaces_is_removed(place: Place, tmp_path: Path) -> None:
    place.open().write("svc", "key", "value")
    (tmp_path / "new").write_text(OTHER_KEY)
    (tmp_path / "new").chmod(0o600)
    place.open(VAULT_EXEC_NEW_KEY_FILE=str(tmp_path / "new")).rekey()
    assert place.open(VAULT_EXEC_KEY=OTHER_KEY).values("svc") == {"key": "value"}
    assert list(place.key_folder.iterdir()) == []


def test_an_older_copy_opens_with_the_older_key(place: Place, tmp_path: Path) -> None:
    place.open().write("svc", "key", "value")
    shutil.copy(place.path, tmp_path / "backup.db")
    key = place.key_file.read_text()
    place.open().rekey()
    shutil.copy(tmp_path / "backup.db", place.path)
    assert place.open(VAULT_EXEC_KEY=key).values("svc") == {"key": "value"}


def test_there_must_be_a_store(place: Place) -> None:
    with pytest.raises(NotFoundError) as caught:
        place.open().rekey()
    assert "vault-exec init" in str(caught.value.hint)
    assert not place.path.exists()


def test_a_damaged_store_keeps_its_key(place: Place) -> None:
    fill(place.open())
    place.sql("DELETE FROM history WHERE key = 'key'")
    before, key = place.path.read_bytes(), place.key_file
    with pytest.raises(DamagedStoreError):
        place.open().rekey()
    assert place.path.read_bytes() == before
    assert place.key_file == key
    assert place.open().values("other") == {"key": "value"}


#: Dies while it writes the journal of its commit, or inside the commit, depending on how much it may write.
DIES = """
import resource, signal
store = open_store()
store.values("svc")
signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[1]),) * 2)
store.rekey()
"""


@pytest.mark.parametrize("share", [0.3, 0.7, 0.99])
def test_killed_at_any_point_it_opens_with_the_old_key(place: Place, share: float) -> None:
    fill(place.open())
    place.open().write_many("svc", {f"key-{number}": "x" * 3000 for number in range(20)})
    before, key = everything(place.open()), place.key_file
    process = place.start(DIES, str(int(place.path.stat().st_size * share)))
    process.communicate(timeout=60)
    assert process.returncode == -signal.SIGXFSZ
    assert key.exists()
    assert len(list(place.key_folder.iterdir())) == 2
    assert everything(place.open()) == before
    place.open().rekey()
    assert everything(place.open()) == before


def test_of_two_at_once_one_is_told(place: Place) -> None:
    place.open(VAULT_EXEC_PASSPHRASE="first").write("svc", "key", "value")
    typing, go_on = threading.Event(), threading.Event()

    def answers() -> Any:
        yield "first"
        typing.set()
        go_on.wait(30)
        yield "second"
        yield "second"

    errors = []

    def slow() -> None:
        try:
            place.open(answers()).rekey("passphrase")
        except ConflictError as error:
            errors.append(error)

    thread = threading.Thread(target=slow)
    thread.start()
    typing.wait(30)
    place.open(["first", "third", "third"]).rekey("passphrase")
    go_on.set()
    thread.join(30)
    assert [error.exit_code for error in errors] == [5]
    assert place.open(["third"]).values("svc") == {"key": "value"}


def test_a_write_that_finds_another_key_looks_again(place: Place) -> None:
    """The wrapping changes between a writer's look for the key and its lock."""
    place.open(VAULT_EXEC_PASSPHRASE="first").write("svc", "key", "value")

    def answers() -> Any:
        place.open(VAULT_EXEC_PASSPHRASE="first").rekey()
        yield "first"

    assert place.open(answers()).write("svc", "key", "again") == 2
    assert place.open(["first"]).values("svc") == {"key": "again"}


def test_a_read_that_finds_another_key_looks_again(place: Place) -> None:
    """The passphrase changes while somebody types the new one."""
    place.open(VAULT_EXEC_PASSPHRASE="first").write("svc", "key", "value")

    def answers() -> Any:
        place.open(["first", "second", "second"]).rekey("passphrase")
        yield "second"
        yield "second"

    assert place.open(answers()).values("svc") == {"key": "value"}
