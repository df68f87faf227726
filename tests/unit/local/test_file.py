"""The file: where it is, who may use it, what a killed writer leaves, and what is no store at all."""

from __future__ import annotations

import os
import signal
import sqlite3
import stat
import threading
from pathlib import Path

import pytest

from tests.support.local import Place
from vault_exec.errors import (
    ConfigError,
    DamagedStoreError,
    SecretNotFound,
    ServiceNotFound,
    UnreachableError,
)
from vault_exec_backends.local.database import Database
from vault_exec_backends.local.records import Records
from vault_exec_backends.local.store import store_path

KEY = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="  # the bytes 0 to 31


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.fixture
def loose_umask() -> object:
    before = os.umask(0)
    yield
    os.umask(before)


# -- where it is ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("environ", "path"),
    [
        ({"VAULT_EXEC_STORE": "/a/b.db", "HOME": "/h", "XDG_DATA_HOME": "/d"}, "/a/b.db"),
        ({"HOME": "/h", "XDG_DATA_HOME": "/d"}, "/d/vault-exec/store.db"),
        ({"HOME": "/h", "XDG_DATA_HOME": "relative"}, "/h/.local/share/vault-exec/store.db"),
        ({"HOME": "/h", "VAULT_EXEC_STORE": ""}, "/h/.local/share/vault-exec/store.db"),
        ({"VAULT_EXEC_STORE": "here.db"}, os.path.abspath("here.db")),
    ],
)
def test_where_the_store_is(environ: dict[str, str], path: str) -> None:
    assert store_path(environ) == path


def test_without_a_home_it_says_what_to_set() -> None:
    with pytest.raises(ConfigError, match="HOME") as caught:
        store_path({})
    assert "VAULT_EXEC_STORE" in str(caught.value.hint)


@pytest.mark.parametrize(
    "name", ["a?b.db", "a#b.db", "a%41.db", "a b;c.db", "ключ.db", "\udcff.db", "a'b.db"]
)
def test_any_name_of_a_file_will_do(tmp_path: Path, name: str) -> None:
    place = Place(tmp_path, VAULT_EXEC_STORE=str(tmp_path / "s" / name))
    place.open().write("svc", "key", "value")
    assert os.listdir(tmp_path / "s") == [name]
    assert place.open().values("svc") == {"key": "value"}


# -- making it ------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("loose_umask")
def test_the_first_write_makes_it_for_this_user_alone(place: Place) -> None:
    place.open().write("svc", "key", "value")
    assert mode(place.path) == 0o600
    assert mode(place.path.parent) == 0o700
    assert mode(place.key_file) == 0o600
    assert mode(place.key_folder) == 0o700
    assert os.listdir(place.path.parent) == [place.path.name]


def test_reading_and_failing_make_nothing(place: Place) -> None:
    store = place.open()
    assert store.services() == []
    assert store.secrets() == []
    assert store.current("svc", ["key"]) == {}
    with pytest.raises(ServiceNotFound) as caught:
        store.values("svc")
    assert "vault-exec write svc KEY" in str(caught.value.hint)
    for call in (
        lambda: store.read("svc", "key"),
        lambda: store.delete("svc", "key"),
        lambda: store.tags("svc", "key"),
        lambda: store.write_tags("svc", "key", {"a": "b"}),
        lambda: store.history("svc", "key"),
    ):
        with pytest.raises(SecretNotFound):
            call()
    store.delete_many("svc", ["key"])
    store.write_many("svc", {})
    assert not place.path.parent.exists()
    assert not place.key_folder.exists()


def test_an_empty_file_is_a_store_that_is_yet_to_be_made(place: Place) -> None:
    place.path.parent.mkdir()
    place.path.touch(0o600)
    assert place.open().services() == []
    place.open().write("svc", "key", "value")
    assert place.open().values("svc") == {"key": "value"}


def test_what_fails_in_the_first_write_leaves_no_store_and_no_key(place: Place) -> None:
    place.path.parent.mkdir()
    place.path.touch()
    before = place.path.read_bytes()
    # The write lock is taken and the key made before the value turns out to be one that cannot be sealed.
    with pytest.raises(UnicodeEncodeError):
        place.open().inner.write("svc", "key", "\ud800")
    assert place.path.read_bytes() == before
    assert list(place.key_folder.iterdir()) == []


# -- what is no store -----------------------------------------------------------------------------------


def other_database(path: Path) -> None:
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE cookies (name)")
    connection.commit()
    connection.close()


@pytest.mark.parametrize(
    "make",
    [
        lambda path: path.write_text(
            "not a database, and longer than an SQLite file's header is: 100 bytes\n" * 9
        ),
        lambda path: path.write_text("short"),
        lambda path: path.write_bytes(bytes(4096)),
        other_database,
    ],
    ids=["text", "short", "zeros", "another database"],
)
def test_what_is_no_store_is_left_alone(place: Place, make: object) -> None:
    place.path.parent.mkdir()
    make(place.path)  # type: ignore[operator]
    before = place.path.read_bytes()
    for call in (
        lambda store: store.values("svc"),
        lambda store: store.write("svc", "key", "value"),
        lambda store: store.initialise(),
        lambda store: store.rekey(),
        lambda store: store.services(),
    ):
        with pytest.raises(DamagedStoreError) as caught:
            call(place.open())
        assert str(place.path) in str(caught.value)
    assert place.path.read_bytes() == before


def test_a_folder_in_the_place_of_the_file(place: Place) -> None:
    place.path.mkdir(parents=True)
    for call in (lambda store: store.values("svc"), lambda store: store.write("svc", "key", "value")):
        with pytest.raises(ConfigError, match="is a folder") as caught:
            call(place.open())
        assert str(place.path) in str(caught.value)


def test_a_file_in_the_place_of_a_folder(place: Place) -> None:
    place.path.parent.write_text("")
    assert place.open().services() == []
    with pytest.raises(ConfigError, match="not a folder"):
        place.open().write("svc", "key", "value")


def test_what_sqlite_says_of_a_file_need_not_be_text(place: Place) -> None:
    place.open().write("svc", "key", "value")
    connection = sqlite3.connect(place.path)
    connection.execute("PRAGMA writable_schema = ON")
    with connection:
        connection.execute("UPDATE sqlite_master SET sql = CAST(X'ff20ff' AS TEXT) WHERE name = 'secrets'")
    connection.close()
    for call in (lambda store: store.values("svc"), lambda store: store.write("svc", "key", "new")):
        with pytest.raises(DamagedStoreError, match=str(place.path)):
            call(place.open())


# -- permissions ----------------------------------------------------------------------------------------

#: As somebody for whom permissions count, with the key in hand.
AS_OTHER = """
store = open_store()
other_user()
print(tried(lambda: store.values("svc")))
print(tried(lambda: store.write("svc", "new", "value")))
"""


def shared(place: Place, *, folder: int, file: int, journal: int | None = None) -> None:
    """Let others have the file so, and its folder; all folders above can be passed."""
    for above in place.path.parents:
        if above.owner() != "root" or os.geteuid() == 0:
            above.chmod(mode(above) | 0o711)
        if above.name.startswith("pytest-of-"):
            break
    for path in place.path.parent.iterdir():
        path.chmod(journal if journal is not None and path.name.endswith("-journal") else file)
    place.path.parent.chmod(folder)


def test_a_store_that_can_only_be_read_is_read(place: Place) -> None:
    place.open(VAULT_EXEC_KEY=KEY).write("svc", "key", "value")
    shared(place, folder=0o555, file=0o444)
    read, write = place.run(AS_OTHER, VAULT_EXEC_KEY=KEY).splitlines()
    assert read == "{'key': 'value'}"
    assert write.startswith(f"AccessDeniedError 4: the store {place.path} cannot be written")


def test_a_store_that_cannot_be_read(place: Place) -> None:
    place.open(VAULT_EXEC_KEY=KEY).write("svc", "key", "value")
    shared(place, folder=0o555, file=0o000)
    for line in place.run(AS_OTHER, VAULT_EXEC_KEY=KEY).splitlines():
        assert line.startswith(f"AccessDeniedError 4: the store {place.path} cannot be read")
    shared(place, folder=0o000, file=0o444)
    for line in place.run(AS_OTHER, VAULT_EXEC_KEY=KEY).splitlines():
        assert line.startswith(f"AccessDeniedError 4: the store {place.path} cannot be read")


def test_a_store_that_cannot_be_made(place: Place) -> None:
    place.path.parent.mkdir()
    shared(place, folder=0o555, file=0)
    read, write = place.run(AS_OTHER, VAULT_EXEC_KEY=KEY).splitlines()
    assert read.startswith("ServiceNotFound 3")
    assert write.startswith(f"AccessDeniedError 4: the store {place.path} cannot be made")
    assert list(place.path.parent.iterdir()) == []


# -- interrupted writes ---------------------------------------------------------------------------------

#: In the middle of its commit, when the journal is written and the file half, the file grows over a limit:
#: the kernel kills the process, or where that is ignored, fails the write.
WRITES_TOO_MUCH = """
import resource, signal
store = open_store()
store.values("svc")
signal.signal(signal.SIGXFSZ, signal.SIG_DFL if sys.argv[1] == "die" else signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
size = os.path.getsize(os.environ["VAULT_EXEC_STORE"])
resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))
print(tried(lambda: store.write_many("svc", {"key": "new" * 1000, "other": "x" * 9000})))
"""


@pytest.fixture
def interrupted(place: Place) -> Place:
    """A store whose writer was killed inside its commit."""
    place.open(VAULT_EXEC_KEY=KEY).write("svc", "key", "before")
    whole = place.path.read_bytes()
    process = place.start(WRITES_TOO_MUCH, "die", VAULT_EXEC_KEY=KEY)
    process.communicate(timeout=60)
    assert process.returncode == -signal.SIGXFSZ
    assert place.path.read_bytes() != whole
    assert place.path.with_name("store.db-journal").stat().st_size > 0
    return place


def test_the_next_reader_undoes_an_interrupted_write(interrupted: Place) -> None:
    assert interrupted.open(VAULT_EXEC_KEY=KEY).values("svc") == {"key": "before"}
    assert os.listdir(interrupted.path.parent) == ["store.db"]
    assert [row.version for row in interrupted.open(VAULT_EXEC_KEY=KEY).history("svc")] == [1]


def test_the_next_writer_undoes_an_interrupted_write(interrupted: Place) -> None:
    assert interrupted.open(VAULT_EXEC_KEY=KEY).write("svc", "key", "after") == 2
    assert interrupted.open(VAULT_EXEC_KEY=KEY).values("svc") == {"key": "after"}


def test_two_readers_at_once_undo_an_interrupted_write(interrupted: Place) -> None:
    code = 'print(open_store().values("svc"))'
    processes = [interrupted.start(code, VAULT_EXEC_KEY=KEY) for _ in range(4)]
    assert [process.communicate(timeout=60) for process in processes] == [("{'key': 'before'}\n", "")] * 4


@pytest.mark.parametrize(
    ("folder", "file", "journal"),
    [(0o555, 0o444, 0o444), (0o555, 0o666, 0o666), (0o555, 0o444, 0o000), (0o777, 0o444, 0o444)],
    ids=["read-only", "read-only folder", "unreadable journal", "read-only file"],
)
def test_an_interrupted_write_that_cannot_be_undone_is_told(
    interrupted: Place, folder: int, file: int, journal: int
) -> None:
    shared(interrupted, folder=folder, file=file, journal=journal)
    for line in interrupted.run(AS_OTHER, VAULT_EXEC_KEY=KEY).splitlines():
        assert line.startswith(f"DamagedStoreError 7: the store {interrupted.path}")
        assert "interrupted write" in line
    shared(interrupted, folder=0o755, file=0o644)
    assert interrupted.open(VAULT_EXEC_KEY=KEY).values("svc") == {"key": "before"}


# -- others at the same time ----------------------------------------------------------------------------


def test_a_reader_sees_one_state_of_the_file(place: Place) -> None:
    place.open().write("svc", "key", "value")
    writer = Database(str(place.path), timeout=0.1)
    reader = Database(str(place.path), timeout=10)

    def read(records: Records) -> list[int]:
        first = records.service("svc").generation
        with pytest.raises(UnreachableError):  # the writer must wait for this reader
            writer.write(lambda others, new: others._connection.execute("UPDATE services SET generation = 9"))
        return [first, records.service("svc").generation]

    assert reader.read(read) == [1, 1]


def test_a_writer_waits_for_another_one(place: Place) -> None:
    place.open().write("svc", "key", "value")
    other = sqlite3.connect(place.path, isolation_level=None, check_same_thread=False)
    other.execute("BEGIN EXCLUSIVE")
    timer = threading.Timer(0.5, lambda: other.execute("ROLLBACK"))
    timer.start()
    assert place.open().write("svc", "key", "again") == 2
    timer.join()
    other.close()


def test_who_never_ends_is_told_of(place: Place) -> None:
    place.open().write("svc", "key", "value")
    other = sqlite3.connect(place.path, isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    impatient = Database(str(place.path), timeout=0.3)
    for call in (
        lambda: impatient.read(lambda records: records.service("svc")),
        lambda: impatient.write(lambda records, new: None),
    ):
        with pytest.raises(UnreachableError, match="another process") as caught:
            call()
        assert caught.value.exit_code == 6
        assert str(place.path) in str(caught.value)
    other.close()


def test_a_disk_that_takes_no_more(place: Place) -> None:
    """Without a full disk: a limit on the size of files, with SIGXFSZ ignored, as Python ignores it."""
    place.open(VAULT_EXEC_KEY=KEY).write("svc", "key", "before")
    out = place.run(WRITES_TOO_MUCH, "live", VAULT_EXEC_KEY=KEY)
    assert out.startswith(f"UnreachableError 6: the store {place.path} cannot be written")
    assert place.open(VAULT_EXEC_KEY=KEY).values("svc") == {"key": "before"}


def test_a_writer_writes_for_good(place: Place) -> None:
    def pragmas(records: Records, new: bool) -> list[object]:
        names = ("journal_mode", "synchronous", "secure_delete", "cache_spill")
        return [records._connection.execute(f"PRAGMA {name}").fetchone()[0] for name in names]

    extra = 3
    assert Database(str(place.path), timeout=1).write(pragmas) == [b"delete", extra, 1, 0]


# -- what is gone is gone -------------------------------------------------------------------------------


def test_what_was_deleted_is_not_in_the_file_any_more(place: Place) -> None:
    place.open().write("svc", "stays", "value")
    place.open().write("svc", "key", "old value")
    place.open().write("svc", "key", "x" * 20_000, tags=None)
    sealed = [
        row[0]
        for table in ("secrets", "history")
        for row in place.sql(f"SELECT sealed FROM {table} WHERE key = 'key'")
    ]
    assert len(sealed) == 2
    assert all(one[:200] in place.path.read_bytes() for one in sealed)
    place.open().delete("svc", "key")
    left = place.path.read_bytes()
    for one in sealed:
        for start in range(0, len(one) - 28, 28):
            assert one[start : start + 28] not in left
    assert place.open().values("svc") == {"stays": "value"}
