"""The SQLite file: making it, transactions, waiting for other processes, interrupted writes, and its errors.

One connection an operation, and one transaction a connection. A reader opens the file read-only and sees one
state of it. A writer takes the write lock before it looks at anything (`BEGIN IMMEDIATE`: a lock taken later
fails at once instead of waiting), and its commit returns once the data are on the disk (`synchronous=EXTRA`).
A writer killed at any point leaves the state before or the state after its commit; where it left a rollback
journal, the next one to open the file restores the state before.
"""

from __future__ import annotations

import os
import sqlite3
from _thread import allocate_lock
from errno import EACCES, EPERM, EROFS
from time import monotonic, sleep

from vault_exec.errors import (
    AccessDeniedError,
    ConfigError,
    DamagedStoreError,
    UnreachableError,
    VaultExecError,
)
from vault_exec_backends.local.records import Records, damaged

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeVar

    T = TypeVar("T")

#: "vlex", at offset 68 of the file: tells a store from other SQLite files, to us and to file(1).
APPLICATION_ID = 0x766C6578

#: How long to wait for other processes, in seconds, and in slices of what: between two of them Python can act
#: on a signal.
BUSY_SECONDS = 10.0
BUSY_SLICE = 0.2

#: What each writing connection sets, for none of it stays in the file. secure_delete overwrites what is
#: deleted; fullfsync makes macOS really write; without cache_spill nobody has to wait for a writer before it
#: commits, nor it for them.
_WRITER = (
    "PRAGMA journal_mode = DELETE",
    "PRAGMA synchronous = EXTRA",
    "PRAGMA fullfsync = ON",
    "PRAGMA secure_delete = ON",
    "PRAGMA cache_spill = OFF",
)

_SCHEMA = (
    f"PRAGMA application_id = {APPLICATION_ID}",
    """CREATE TABLE header (
        id INTEGER PRIMARY KEY CHECK (id = 1), format INTEGER NOT NULL, store_id BLOB NOT NULL,
        source TEXT NOT NULL, wrap_id BLOB NOT NULL, salt BLOB NOT NULL, memory INTEGER NOT NULL,
        passes INTEGER NOT NULL, lanes INTEGER NOT NULL, wrapped BLOB NOT NULL)""",
    """CREATE TABLE catalogue (
        id INTEGER PRIMARY KEY CHECK (id = 1), services INTEGER NOT NULL, sealed BLOB NOT NULL)""",
    """CREATE TABLE services (
        name TEXT NOT NULL PRIMARY KEY, generation INTEGER NOT NULL, live INTEGER NOT NULL,
        manifest BLOB NOT NULL) WITHOUT ROWID""",
    """CREATE TABLE secrets (
        service TEXT NOT NULL, key TEXT NOT NULL, version INTEGER NOT NULL, deleted INTEGER NOT NULL,
        created INTEGER NOT NULL, created_by TEXT NOT NULL, sealed BLOB NOT NULL,
        past BLOB NOT NULL, tags BLOB NOT NULL, PRIMARY KEY (service, key)) WITHOUT ROWID""",
    """CREATE TABLE history (
        service TEXT NOT NULL, key TEXT NOT NULL, version INTEGER NOT NULL, deleted INTEGER NOT NULL,
        created INTEGER NOT NULL, created_by TEXT NOT NULL, sealed BLOB NOT NULL,
        PRIMARY KEY (service, key, version, deleted)) WITHOUT ROWID""",
)

#: Closing a file drops all locks that this process has on it (POSIX), so no other thread may hold one while
#: the file is made.
_making = allocate_lock()


class Database:
    """The file at `path`, which need not be there yet.

    timeout: the longest wait for others, in seconds. trace: told of each transaction.
    """

    __slots__ = ("_patience", "_trace", "path")

    def __init__(self, path: str, timeout: float, trace: Callable[[str], None] = lambda text: None) -> None:
        self.path = path
        self._patience = min(BUSY_SECONDS, timeout)
        self._trace = trace

    def read(self, work: Callable[[Records], T]) -> T | None:
        """What `work` reads, in one transaction; None where there is no store yet."""
        if not self._exists():
            return None
        begun = monotonic()
        try:
            try:
                return self._read(work)
            except sqlite3.Error as error:
                if _code(error) != sqlite3.SQLITE_READONLY_ROLLBACK:
                    raise
            self._roll_back()
            return self._read(work)
        except (sqlite3.Error, UnicodeDecodeError) as error:
            raise self._translated(error, "read") from None
        finally:
            self._trace(f"local:read {(monotonic() - begun) * 1000:.1f} ms")

    def write(self, work: Callable[[Records, bool], T]) -> T:
        """Do `work` in one transaction, and return what it returns once all of it is on the disk.

        The file is made where it is missing, and the tables where it is empty; `work` is told whether they
        are new. When it raises, nothing is changed.
        """
        self._make()
        begun = monotonic()
        try:
            connection = self._connect("rw")
            try:
                for pragma in _WRITER:
                    self._execute(connection, pragma)
                self._execute(connection, "BEGIN IMMEDIATE")
                new = not self._has_tables(connection)
                for statement in _SCHEMA if new else ():
                    connection.execute(statement)
                done = work(Records(connection, self.path), new)
                self._execute(connection, "COMMIT")
                return done
            finally:
                connection.close()  # which rolls back what is not committed
        except (sqlite3.Error, UnicodeDecodeError) as error:
            raise self._translated(error, "written") from None
        finally:
            self._trace(f"local:write {(monotonic() - begun) * 1000:.1f} ms")

    # -- transactions -----------------------------------------------------------------------------------

    def _read(self, work: Callable[[Records], T]) -> T | None:
        connection = self._connect("ro")
        try:
            connection.execute("BEGIN")
            return work(Records(connection, self.path)) if self._has_tables(connection) else None
        finally:
            connection.close()

    def _roll_back(self) -> None:
        """Let SQLite undo what a killed writer left half-done; it needs to write file and folder for that."""
        try:
            connection = self._connect("rw")
            try:
                self._execute(connection, "PRAGMA application_id")
            finally:
                connection.close()
        except sqlite3.Error as error:
            if _code(error) & 0xFF not in (*_NOT_ALLOWED, sqlite3.SQLITE_IOERR):
                raise
            raise DamagedStoreError(
                f"the store {self.path} was left by an interrupted write, which cannot be undone from here",
                hint="run any command, such as vault-exec list-services, where the store can be written",
            ) from None

    def _connect(self, mode: str) -> sqlite3.Connection:
        path = self.path.replace("%", "%25").replace("?", "%3f").replace("#", "%23")
        connection = sqlite3.connect(
            f"file://{path}?mode={mode}", uri=True, timeout=BUSY_SLICE, isolation_level=None
        )
        # Text as the bytes that are in the file: they are checked before they are decoded.
        connection.text_factory = bytes
        return connection

    def _execute(self, connection: sqlite3.Connection, statement: str) -> sqlite3.Cursor:
        """Execute a statement that may find the file locked, waiting for the others."""
        ends = monotonic() + self._patience
        while True:
            try:
                return connection.execute(statement)
            except sqlite3.OperationalError as error:
                if _code(error) & 0xFF != sqlite3.SQLITE_BUSY or monotonic() > ends:
                    raise
            sleep(0.005)  # SQLite does not wait where it suspects a deadlock

    def _has_tables(self, connection: sqlite3.Connection) -> bool:
        """Whether the file holds a store, rather than nothing yet. Takes the read lock."""
        (application,) = self._execute(connection, "PRAGMA application_id").fetchone()
        if application == APPLICATION_ID:
            return True
        if connection.execute("SELECT 1 FROM sqlite_master").fetchone() or application:
            raise DamagedStoreError(
                f"{self.path} is an SQLite file, but not a vault-exec store",
                hint="name the store's file with VAULT_EXEC_STORE",
            )
        return False

    # -- the file ---------------------------------------------------------------------------------------

    def _exists(self) -> bool:
        try:
            os.stat(self.path)
        except (FileNotFoundError, NotADirectoryError):
            return False
        except OSError as error:
            raise self._refused("read", error) from None
        return True

    def _make(self) -> None:
        """Make the empty file, for this user alone, where there is none."""
        with _making:
            try:
                if not self._exists():
                    make_folder(os.path.dirname(self.path))
                    os.close(os.open(self.path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
            except FileExistsError:
                pass  # made by somebody else at this moment
            except OSError as error:
                raise self._refused("made", error) from None

    # -- errors -----------------------------------------------------------------------------------------

    def _refused(self, what: str, error: OSError) -> VaultExecError:
        if isinstance(error, NotADirectoryError):
            return ConfigError(
                f"the store {self.path} cannot be {what}: a part of its path is a file, not a folder",
                hint="name another place with VAULT_EXEC_STORE",
            )
        kind = AccessDeniedError if error.errno in (EACCES, EPERM, EROFS) else UnreachableError
        return kind(
            f"the store {self.path} cannot be {what}: {error.strerror}",
            hint="check who may use the file and its folder, or name another place with VAULT_EXEC_STORE",
        )

    def _translated(self, error: Exception, what: str) -> VaultExecError:
        code = _code(error) & 0xFF
        if os.path.isdir(self.path):
            return ConfigError(
                f"the store {self.path} is a folder", hint="name the store's file with VAULT_EXEC_STORE"
            )
        if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
            return UnreachableError(
                f"the store {self.path} was in use by another process for {self._patience:g} s",
                hint="try again when that process has ended",
            )
        if code in _NOT_ALLOWED:
            return AccessDeniedError(
                f"the store {self.path} cannot be {what}: the file or its folder does not allow it",
                hint="check who may use the file; to write, its folder must be writable too, for the journal",
            )
        if code == sqlite3.SQLITE_FULL:
            return UnreachableError(
                f"the store {self.path} cannot be written: the disk is full", hint="nothing was changed"
            )
        if code == sqlite3.SQLITE_IOERR:
            return UnreachableError(f"the store {self.path} cannot be {what}: the disk reports an error")
        return damaged(self.path, "it is not the SQLite file that vault-exec made")


_NOT_ALLOWED = (sqlite3.SQLITE_PERM, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_AUTH)


def _code(error: Exception) -> int:
    """SQLite's extended result code; 0 where Python refused what the file holds, or could not even say how
    SQLite put it (a message that quotes a name that is no text)."""
    code: int = getattr(error, "sqlite_errorcode", 0)
    return code


def make_folder(path: str) -> None:
    """Make the folder and those above it that are missing, each for this user alone. Raises OSError."""
    if os.path.isdir(path):
        return
    make_folder(os.path.dirname(path))
    try:
        os.mkdir(path, 0o700)
    except FileExistsError:
        if not os.path.isdir(path):
            raise NotADirectoryError(20, "Not a directory", path) from None
