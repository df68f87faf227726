"""Where a store's key comes from, and where a new one goes."""

from __future__ import annotations

import os
import subprocess
import time
from base64 import b64encode
from pathlib import Path

import pytest

from tests.support.keyrings import RealKeyring
from tests.support.local import Place
from vault_exec.errors import (
    AccessDeniedError,
    ConfigError,
    ConflictError,
    NoCredentialsError,
    ServiceNotFound,
    UsageError,
    VaultExecError,
    WrongKeyError,
)

KEY = b64encode(bytes(range(32))).decode()
OTHER_KEY = b64encode(bytes(range(1, 33))).decode()

ROOT = str(Path(__file__).parents[3])


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """A folder for keys and passphrases, apart from the store's."""
    folder = tmp_path / "given" / "here"
    folder.mkdir(parents=True)
    return folder


def given(path: Path, content: str, mode: int = 0o600) -> str:
    path.write_text(content)
    path.chmod(mode)
    return str(path)


def source(place: Place) -> str:
    [(found,)] = place.sql("SELECT source FROM header")
    return str(found)


# -- a new store ----------------------------------------------------------------------------------------


def test_without_a_keyring_a_new_key_is_in_a_file(place: Place) -> None:
    place.open().write("svc", "key", "value")
    assert source(place) == "file"
    [(store_id,)] = place.sql("SELECT store_id FROM header")
    assert place.key_file == place.key_folder / store_id.hex()
    [note] = place.notes
    assert str(place.path) in note
    assert str(place.key_file) in note
    assert "back up" in note
    assert place.open().values("svc") == {"key": "value"}
    place.open().write("svc", "key", "again")
    assert place.notes == [note]


def test_xdg_config_home_has_the_key_file(place: Place, tmp_path: Path) -> None:
    place.open(XDG_CONFIG_HOME=str(tmp_path / "config")).write("svc", "key", "value")
    assert len(list((tmp_path / "config/vault-exec/keys").iterdir())) == 1
    assert place.open(XDG_CONFIG_HOME=str(tmp_path / "config")).values("svc") == {"key": "value"}
    with pytest.raises(WrongKeyError):
        place.open(XDG_CONFIG_HOME="relative").values("svc")


def test_a_keyring_that_works_has_the_new_key(place: Place, real_keyring: RealKeyring) -> None:
    import keyring

    place.open().write("svc", "key", "value")
    assert source(place) == "keyring"
    assert not place.key_folder.exists()
    [(store_id,)] = place.sql("SELECT store_id FROM header")
    [note] = place.notes
    assert f"vault-exec {store_id.hex()}" in note
    assert len(keyring.get_password("vault-exec", store_id.hex()) or "") == 44
    assert place.open().values("svc") == {"key": "value"}
    assert place.run('print(open_store().values("svc"))', **real_keyring.environ) == "{'key': 'value'}\n"


@pytest.mark.parametrize(
    "backend",
    [
        "keyring.backends.null.Keyring",
        "keyring.backends.fail.Keyring",
        "tests.support.odd_keyrings.Locked",
        "no.Such",
    ],
)
def test_a_keyring_that_does_not_work_is_not_used(place: Place, backend: str) -> None:
    code = 'print(open_store(notify=print).write("svc", "key", "value"))'
    out = place.run(code, PYTHON_KEYRING_BACKEND=backend, PYTHONPATH=ROOT)
    assert out.endswith("\n1\n")
    assert str(place.key_file) in out
    assert source(place) == "file"


GIVEN = {
    "VAULT_EXEC_KEY_FILE": "environment",
    "VAULT_EXEC_PASSPHRASE_FILE": "passphrase",
    "VAULT_EXEC_KEY": "environment",
    "VAULT_EXEC_PASSPHRASE": "passphrase",
}


@pytest.mark.parametrize("first", range(4))
def test_the_environment_gives_the_new_key_files_first(place: Place, files: Path, first: int) -> None:
    variables = {
        "VAULT_EXEC_KEY_FILE": given(files / "key", KEY + "\n"),
        "VAULT_EXEC_PASSPHRASE_FILE": given(files / "passphrase", "from a file\n"),
        "VAULT_EXEC_KEY": OTHER_KEY,
        "VAULT_EXEC_PASSPHRASE": "from a variable",
    }
    there = dict(list(variables.items())[first:])
    place.open(**there).write("svc", "key", "value")
    used = list(GIVEN)[first]
    assert source(place) == GIVEN[used]
    assert not place.key_folder.exists()
    assert place.open(**{used: there[used]}).values("svc") == {"key": "value"}
    others = {name: text for name, text in there.items() if name != used}
    with pytest.raises((WrongKeyError, NoCredentialsError)) as caught:
        place.open(**others).values("svc")
    assert str(place.path) in str(caught.value)


@pytest.mark.parametrize("choice", [None, "file", "keyring", "passphrase"])
def test_init_makes_an_empty_store(place: Place, choice: str | None, real_keyring: RealKeyring) -> None:
    answers = ["typed", "typed"] if choice == "passphrase" else []
    place.open(answers).initialise(choice)
    assert source(place) == (choice or "keyring")
    assert len(place.notes) == 1
    assert place.open().services() == []
    with pytest.raises(ConflictError, match=str(place.path)):
        place.open().initialise(choice)
    store = place.open(["typed"])
    with pytest.raises(ServiceNotFound):
        store.values("svc")
    assert store.write("svc", "key", "value") == 1


def test_init_refuses_a_choice_that_would_not_count(place: Place) -> None:
    for choice in ("keyring", "file"):
        with pytest.raises(UsageError, match="VAULT_EXEC_KEY is set"):
            place.open(VAULT_EXEC_KEY=KEY).initialise(choice)
    with pytest.raises(UsageError, match="no place for a key"):
        place.open().initialise("cloud")
    assert not place.path.exists()
    place.open(VAULT_EXEC_KEY=KEY).initialise()
    assert source(place) == "environment"


def test_init_takes_a_passphrase_from_the_environment(place: Place) -> None:
    place.open(VAULT_EXEC_PASSPHRASE="from a variable").initialise("passphrase")
    assert place.asked == []
    place.open(["from a variable"]).write("svc", "key", "value")
    assert len(place.asked) == 1


@pytest.mark.parametrize("answers", [["one", "other"], [""], ["one"], []])
def test_a_passphrase_that_was_not_typed_twice_makes_nothing(place: Place, answers: list[str]) -> None:
    with pytest.raises(VaultExecError):
        place.open(answers).initialise("passphrase")
    assert not place.path.exists()


def test_init_says_why_a_chosen_keyring_cannot_be_used(place: Place) -> None:
    with pytest.raises(AccessDeniedError, match="there is none on this machine") as caught:
        place.open().initialise("keyring")
    assert "--key file" in str(caught.value.hint)
    assert place.open().services() == []
    place.open().initialise("file")


# -- a store that exists --------------------------------------------------------------------------------


def test_the_environment_is_used_before_the_headers_place(place: Place, files: Path) -> None:
    place.open().write("svc", "key", "value")
    key = place.key_file.read_text()
    with pytest.raises(WrongKeyError, match="VAULT_EXEC_KEY"):
        place.open(VAULT_EXEC_KEY=OTHER_KEY).values("svc")
    with pytest.raises(WrongKeyError, match="VAULT_EXEC_KEY_FILE"):
        place.open(VAULT_EXEC_KEY_FILE=given(files / "other", OTHER_KEY), VAULT_EXEC_KEY=key).values("svc")
    place.key_file.unlink()
    assert place.open(VAULT_EXEC_KEY=key).values("svc") == {"key": "value"}
    moved = given(files / "key", key)
    assert place.open(VAULT_EXEC_KEY_FILE=moved, VAULT_EXEC_KEY=OTHER_KEY).values("svc") == {"key": "value"}


def test_a_passphrase_is_no_matter_to_a_store_with_a_key_nor_the_reverse(place: Place) -> None:
    place.open().write("svc", "key", "value")
    assert place.open(VAULT_EXEC_PASSPHRASE="any").values("svc") == {"key": "value"}
    place.path.unlink()
    place.open(VAULT_EXEC_PASSPHRASE="right").write("svc", "key", "value")
    assert place.open(VAULT_EXEC_KEY=KEY, VAULT_EXEC_PASSPHRASE="right").values("svc") == {"key": "value"}
    with pytest.raises(NoCredentialsError):
        place.open(VAULT_EXEC_KEY=KEY).values("svc")


def check_wrong_key(place: Place, **variables: str) -> None:
    """No call gives anything, and none changes anything."""
    before = place.path.read_bytes()
    for call in (
        lambda store: store.values("svc"),
        lambda store: store.list("svc"),
        lambda store: store.services(),
        lambda store: store.history("svc"),
        lambda store: store.write("svc", "key", "new"),
        lambda store: store.delete("svc", "key"),
        lambda store: store.rekey(),
    ):
        with pytest.raises(WrongKeyError) as caught:
            call(place.open(**variables))
        assert caught.value.exit_code == 7
        assert str(place.path) in str(caught.value)
    assert place.path.read_bytes() == before


def test_a_wrong_key_in_the_key_file(place: Place) -> None:
    place.open().write("svc", "key", "value")
    place.key_file.write_text(OTHER_KEY)
    check_wrong_key(place)


def test_a_wrong_key_in_the_keyring(place: Place, real_keyring: RealKeyring) -> None:
    import keyring

    place.open().write("svc", "key", "value")
    [(store_id,)] = place.sql("SELECT store_id FROM header")
    keyring.set_password("vault-exec", store_id.hex(), OTHER_KEY)
    check_wrong_key(place)
    keyring.delete_password("vault-exec", store_id.hex())
    check_wrong_key(place)


def test_a_wrong_passphrase_or_key_from_the_environment(place: Place) -> None:
    place.open(VAULT_EXEC_PASSPHRASE="right").write("svc", "key", "value")
    check_wrong_key(place, VAULT_EXEC_PASSPHRASE="Right")
    place.path.unlink()
    place.open(VAULT_EXEC_KEY=KEY).write("svc", "key", "value")
    check_wrong_key(place, VAULT_EXEC_KEY=OTHER_KEY)


def test_a_key_file_that_is_gone_is_not_made_anew(place: Place) -> None:
    place.open().write("svc", "key", "value")
    path = place.key_file
    key = path.read_bytes()
    path.unlink()
    with pytest.raises(WrongKeyError, match="not there") as caught:
        place.open().write("svc", "key", "again")
    assert str(path) in str(caught.value)
    assert not path.exists()
    path.write_bytes(key)
    path.chmod(0o600)
    assert place.open().values("svc") == {"key": "value"}


def test_a_key_that_is_kept_outside_must_be_given(place: Place) -> None:
    place.open(VAULT_EXEC_KEY=KEY).write("svc", "key", "value")
    with pytest.raises(NoCredentialsError) as caught:
        place.open().values("svc")
    assert "VAULT_EXEC_KEY_FILE" in str(caught.value.hint)


@pytest.mark.parametrize("backend", ["tests.support.odd_keyrings.Locked", "keyring.backends.fail.Keyring"])
def test_a_locked_keyring_never_leads_to_a_new_key(
    place: Place, real_keyring: RealKeyring, backend: str
) -> None:
    place.open().write("svc", "key", "value")
    before = place.path.read_bytes()
    code = 'print(tried(lambda: open_store().write("svc", "key", "again")))'
    out = place.run(code, PYTHON_KEYRING_BACKEND=backend, PYTHONPATH=ROOT)
    assert out.startswith(f"AccessDeniedError 4: the store {place.path}")
    assert place.path.read_bytes() == before
    assert not place.key_folder.exists()
    assert place.open().values("svc") == {"key": "value"}


def test_a_keyring_that_waits_for_ever_is_given_five_seconds(place: Place, real_keyring: RealKeyring) -> None:
    place.open().write("svc", "key", "value")
    begun = time.monotonic()
    code = 'print(tried(lambda: open_store().values("svc")))'
    backend = "tests.support.odd_keyrings.Hanging"
    out = place.run(code, PYTHON_KEYRING_BACKEND=backend, PYTHONPATH=ROOT)
    assert "it is locked, or does not answer within 5 s" in out
    assert 4.9 < time.monotonic() - begun < 15


# -- key files ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604, 0o660, 0o620])
def test_a_key_file_for_others_is_refused(place: Place, mode: int) -> None:
    place.open().write("svc", "key", "value")
    place.key_file.chmod(mode)
    with pytest.raises(AccessDeniedError, match="others can read") as caught:
        place.open().values("svc")
    assert caught.value.hint == f"chmod 600 {place.key_file}"
    place.key_file.chmod(0o400)
    assert place.open().values("svc") == {"key": "value"}


@pytest.mark.parametrize("variable", ["VAULT_EXEC_KEY_FILE", "VAULT_EXEC_PASSPHRASE_FILE"])
def test_a_file_that_is_given_may_be_a_groups_but_not_everybodys(
    place: Place, files: Path, variable: str
) -> None:
    path = given(files / "file", KEY, 0o440)
    place.open(**{variable: path}).write("svc", "key", "value")
    for mode in (0o444, 0o644, 0o604):
        os.chmod(path, mode)
        with pytest.raises(AccessDeniedError, match="others can read") as caught:
            place.open(**{variable: path}).values("svc")
        assert f"chmod o-rwx {path}" in str(caught.value.hint)


def test_a_key_beside_the_store_is_refused(place: Place, tmp_path: Path) -> None:
    folder = place.path.parent
    (folder / "keys").mkdir(parents=True)
    (tmp_path / "link").symlink_to(folder)
    for path in (folder / "key", folder / "keys" / "key", tmp_path / "link" / "key"):
        for variable in ("VAULT_EXEC_KEY_FILE", "VAULT_EXEC_PASSPHRASE_FILE"):
            with pytest.raises(ConfigError, match="in the folder of the store"):
                place.open(**{variable: given(path, KEY)}).write("svc", "key", "value")
    one_place = {"VAULT_EXEC_STORE": "", "XDG_DATA_HOME": str(tmp_path), "XDG_CONFIG_HOME": str(tmp_path)}
    with pytest.raises(ConfigError, match="in the folder of the store"):
        place.open(**one_place).write("svc", "key", "value")
    assert place.open(**one_place).services() == []


def test_without_a_home_there_is_no_place_for_a_key_file(place: Place) -> None:
    with pytest.raises(ConfigError, match="HOME") as caught:
        place.open(HOME="").write("svc", "key", "value")
    assert "VAULT_EXEC_KEY_FILE" in str(caught.value.hint)
    assert place.open(HOME="").services() == []


def test_a_folder_for_keys_that_cannot_be_made(place: Place) -> None:
    (place.home / ".config").write_text("a file")
    with pytest.raises(AccessDeniedError, match="cannot be made"):
        place.open().write("svc", "key", "value")
    assert place.open().services() == []


@pytest.mark.parametrize(
    "text",
    ["", "short", KEY[:-4], KEY[:-1], KEY + "AAAA", KEY.replace("A", "*"), "A" * 100_000, "ключ", KEY + KEY],
)
def test_what_is_no_key_is_told(place: Place, files: Path, text: str) -> None:
    path = given(files / "key", text)
    for variables in (
        {"VAULT_EXEC_KEY_FILE": path},
        {"VAULT_EXEC_KEY": text} if text else {"VAULT_EXEC_KEY": " "},
    ):
        with pytest.raises(WrongKeyError, match="is not a key: 32 bytes as base64") as caught:
            place.open(**variables).write("svc", "key", "value")
        assert next(iter(variables)) in str(caught.value)
        assert text[:4] not in str(caught.value) or len(text) < 4


@pytest.mark.parametrize("end", ["\n", "\r\n", " \n", ""])
def test_white_space_around_a_key_is_no_part_of_it(place: Place, files: Path, end: str) -> None:
    place.open(VAULT_EXEC_KEY_FILE=given(files / "key", KEY + end)).write("svc", "key", "value")
    assert place.open(VAULT_EXEC_KEY=KEY).values("svc") == {"key": "value"}


# -- passphrases ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "passphrase"),
    [("p", "p"), ("p\n", "p"), ("p\r\n", "p"), ("p\n\n", "p\n"), (" p ", " p "), ("пароль\n", "пароль")],
)
def test_one_line_end_is_no_part_of_a_passphrase_in_a_file(
    place: Place, files: Path, content: str, passphrase: str
) -> None:
    place.open(VAULT_EXEC_PASSPHRASE_FILE=given(files / "file", content)).write("svc", "key", "value")
    assert place.open(VAULT_EXEC_PASSPHRASE=passphrase).values("svc") == {"key": "value"}


def test_an_empty_passphrase_is_refused(place: Place, files: Path) -> None:
    with pytest.raises(ConfigError, match="empty"):
        place.open(VAULT_EXEC_PASSPHRASE_FILE=given(files / "file", "\n")).write("svc", "key", "value")
    place.open(VAULT_EXEC_PASSPHRASE="right").write("svc", "key", "value")
    with pytest.raises(UsageError, match="empty"):
        place.open([""]).values("svc")


def test_a_passphrase_file_that_is_too_long_is_refused_not_cut(place: Place, files: Path) -> None:
    path = files / "long"
    path.touch(0o600)
    path.write_bytes(b"x" * 65_537)
    with pytest.raises(ConfigError, match="longer than 65,536 bytes"):
        place.open(VAULT_EXEC_PASSPHRASE_FILE=str(path)).write("svc", "key", "value")
    path.write_bytes(b"x" * 65_536)
    place.open(VAULT_EXEC_PASSPHRASE_FILE=str(path)).write("svc", "key", "value")


def test_a_passphrase_is_asked_for_once_and_not_for_names(place: Place) -> None:
    place.open(VAULT_EXEC_PASSPHRASE="right").write("svc", "key", "value")
    store = place.open(["right"])
    assert store.services() == ["svc"]
    assert [str(secret) for secret in store.secrets()] == ["svc/key"]
    assert place.asked == []
    assert store.values("svc") == {"key": "value"}
    store.write("svc", "key", "again")
    store.rekey()
    assert store.values("svc") == {"key": "again"}
    assert place.asked == [f"passphrase of {place.path} (not shown)"]
    assert place.open(["right"]).values("svc") == {"key": "again"}


def test_without_a_terminal_it_says_how_to_give_the_passphrase(place: Place) -> None:
    place.open(VAULT_EXEC_PASSPHRASE="right").write("svc", "key", "value")
    for call in (lambda store: store.list("svc"), lambda store: store.write("svc", "key", "again")):
        with pytest.raises(NoCredentialsError, match="no terminal") as caught:
            call(place.open())
        assert "VAULT_EXEC_PASSPHRASE_FILE" in str(caught.value.hint)


def test_names_are_checked_as_soon_as_the_passphrase_is_known(place: Place) -> None:
    place.open(VAULT_EXEC_PASSPHRASE="right").write("svc", "key", "value")
    place.open(VAULT_EXEC_PASSPHRASE="right").write("svc", "other", "value")
    place.sql("DELETE FROM secrets WHERE key = 'other'")
    assert [str(secret) for secret in place.open().secrets()] == ["svc/key"]
    with pytest.raises(VaultExecError) as caught:
        place.open(VAULT_EXEC_PASSPHRASE="right").secrets()
    assert caught.value.exit_code == 7


@pytest.mark.parametrize("value", ["X'ff'", "CAST(X'ff' AS TEXT)"])
def test_names_that_cannot_be_are_told_even_unchecked(place: Place, value: str) -> None:
    place.open(VAULT_EXEC_PASSPHRASE="right").write("svc", "key", "value")
    place.sql(f"UPDATE secrets SET key = {value}")
    with pytest.raises(VaultExecError) as caught:
        place.open().secrets()
    assert caught.value.exit_code == 7
    place.sql(f"UPDATE services SET name = {value}")
    with pytest.raises(VaultExecError) as caught:
        place.open().services()
    assert caught.value.exit_code == 7


# -- open files -----------------------------------------------------------------------------------------


def test_a_passphrase_from_an_open_file_is_not_for_the_program(place: Place) -> None:
    code = """
read, write = os.pipe()
os.write(write, b"from a pipe\\n")
os.close(write)
os.set_inheritable(read, True)
os.environ["VAULT_EXEC_PASSPHRASE_FILE"] = f"/dev/fd/{read}"
store = open_store()
store.write("svc", "key", "value")
print(store.values("svc"), os.get_inheritable(read))
"""
    assert place.run(code) == "{'key': 'value'} False\n"
    assert place.open(VAULT_EXEC_PASSPHRASE="from a pipe").values("svc") == {"key": "value"}


def test_a_key_from_standard_input(place: Place) -> None:
    code = 'store = open_store(); store.write("svc", "key", "value"); print(store.values("svc"))'
    for path in ("/dev/stdin", "/dev/fd/0", "/proc/self/fd/0"):
        out = place.run(code, stdin=KEY + "\n", VAULT_EXEC_KEY_FILE=path)
        assert out == "{'key': 'value'}\n"
    assert place.open(VAULT_EXEC_KEY=KEY).read("svc", "key").version == 3


@pytest.mark.parametrize("path", ["/dev/fd/77", "/dev/fd/99999999999999999999"])
def test_an_open_file_that_is_not_there(place: Place, path: str) -> None:
    with pytest.raises(AccessDeniedError, match=f"{path}, which VAULT_EXEC_KEY_FILE names, cannot be read"):
        place.open(VAULT_EXEC_KEY_FILE=path).write("svc", "key", "value")


def test_a_given_file_that_cannot_be_read(place: Place, files: Path) -> None:
    with pytest.raises(ConfigError, match="there is no file") as caught:
        place.open(VAULT_EXEC_KEY_FILE=str(files / "a key")).write("svc", "key", "value")
    assert str(caught.value.hint).endswith(f"| base64 > '{files / 'a key'}'")
    made = str(caught.value.hint).partition(": ")[2]
    subprocess.run(["sh", "-c", made], check=True)
    place.open(VAULT_EXEC_KEY_FILE=str(files / "a key")).initialise()
    place.path.unlink()
    with pytest.raises(AccessDeniedError, match="cannot be read"):
        place.open(VAULT_EXEC_PASSPHRASE_FILE=str(files)).write("svc", "key", "value")
    assert place.open().services() == []
