"""Where the key that wraps a store's data key comes from, and where a new one goes.

For a store that exists, its header says what wraps the data key: a key (in the OS keyring, in a key file, or
given through the environment) or a passphrase. A variable of the environment that gives that kind of thing is
used before the place that the header names, files first:

    a key         VAULT_EXEC_KEY_FILE, VAULT_EXEC_KEY                 32 bytes as base64
    a passphrase  VAULT_EXEC_PASSPHRASE_FILE, VAULT_EXEC_PASSPHRASE   without a file's last newline

A store that is made by its first write is wrapped by the first of those four that is set, in the order
KEY_FILE, PASSPHRASE_FILE, KEY, PASSPHRASE; else by a new key in the keyring; else, where no keyring works, by
a new key file. No key is ever made for a store that exists, other than by `rekey`.
"""

from __future__ import annotations

import os
from binascii import Error as Base64Error
from binascii import a2b_base64, b2a_base64
from stat import S_ISREG

from vault_exec.errors import (
    AccessDeniedError,
    ConfigError,
    NoCredentialsError,
    UnsupportedError,
    UsageError,
    WrongKeyError,
)
from vault_exec_backends.local.records import Header
from vault_exec_backends.local.sealing import (
    ARGON2_LANES,
    ARGON2_MEMORY,
    ARGON2_PASSES,
    KEY_BYTES,
    SALT_BYTES,
    Sealer,
    stretch,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from vault_exec.store import Context

KEYRING = "keyring"
FILE = "file"
PASSPHRASE = "passphrase"  # noqa: S105 - the name of a source
ENVIRONMENT = "environment"

#: What `init --key` and `rekey --key` may name.
CHOICES = (KEYRING, FILE, PASSPHRASE)

KEY_VARIABLES = ("VAULT_EXEC_KEY_FILE", "VAULT_EXEC_KEY")
PASSPHRASE_VARIABLES = ("VAULT_EXEC_PASSPHRASE_FILE", "VAULT_EXEC_PASSPHRASE")
VARIABLES = (
    ("VAULT_EXEC_KEY_FILE", ENVIRONMENT),
    ("VAULT_EXEC_PASSPHRASE_FILE", PASSPHRASE),
    ("VAULT_EXEC_KEY", ENVIRONMENT),
    ("VAULT_EXEC_PASSPHRASE", PASSPHRASE),
)

#: What `rekey` takes its new secret from where nobody is there to type it, or the key is kept outside.
NEW_KEY_FILE = "VAULT_EXEC_NEW_KEY_FILE"
NEW_PASSPHRASE_FILE = "VAULT_EXEC_NEW_PASSPHRASE_FILE"  # noqa: S105 - the name of a variable

#: The longest key or passphrase that is read, in bytes.
_LONGEST = 64 * 1024

_WRAP = b"vault-exec wrap"


class Plan:
    """What shall wrap a data key. secret: the key or passphrase, None where one is to be made.

    fall_back: nobody asked for the keyring, so a key file will do where none works.
    """

    __slots__ = ("fall_back", "secret", "source")

    def __init__(self, source: str, secret: bytes | None = None, *, fall_back: bool = False) -> None:
        self.source = source
        self.secret = secret
        self.fall_back = fall_back


class Keys:
    """Finds, makes and removes the wrapping keys of the store at `store_path`."""

    __slots__ = ("_context", "_passphrase", "_read", "_store_path")

    def __init__(self, context: Context, store_path: str) -> None:
        self._context = context
        self._store_path = store_path
        self._read: dict[str, bytes] = {}  # a pipe can be read only once
        self._passphrase: bytes | None = None  # that opened the store: typed once

    # -- a store that exists ----------------------------------------------------------------------------

    def must_ask(self, header: Header) -> bool:
        """Whether somebody must type a passphrase before the store opens."""
        return (
            header.source_name() == PASSPHRASE
            and self._passphrase is None
            and not self._set(PASSPHRASE_VARIABLES)
        )

    def unlock(self, header: Header) -> bytes:
        """The data key. Raises WrongKeyError, and NoCredentialsError where there is no key."""
        if header.source_name() == PASSPHRASE:
            passphrase, origin = self._known_passphrase()
            wrapping = stretch(passphrase, header.salt, header.memory, header.passes, header.lanes)
        else:
            wrapping, origin = self._known_key(header)
        data = Sealer(wrapping, header.store_id, _WRAP).open(header.wrapped, header.about())
        if data is None or len(data) != KEY_BYTES:
            raise WrongKeyError(
                f"the store {self._store_path} does not open with the {origin}",
                hint="give the one that the store was made with; if it is, the store's header was changed",
            )
        if header.source_name() == PASSPHRASE:
            self._passphrase = passphrase
        return data

    def _known_passphrase(self) -> tuple[bytes, str]:
        if self._passphrase is not None:
            return self._passphrase, "passphrase"
        variable = self._set(PASSPHRASE_VARIABLES)
        if variable:
            return self._given(variable), f"passphrase from {variable}"
        return self._asked(f"passphrase of {self._store_path}: "), "passphrase"

    def _known_key(self, header: Header) -> tuple[bytes, str]:
        source = header.source_name()
        variable = self._set(KEY_VARIABLES)
        if variable:
            return self._given(variable), f"key from {variable}"
        if source == KEYRING:
            return self._keyring_key(header), f"key in the keyring, {SERVICE} {header.key_name()}"
        if source == FILE:
            path = self._key_path(header.key_name())
            return self._file_key(path), f"key in {path}"
        raise NoCredentialsError(
            f"the key of the store {self._store_path} is kept outside, and was not given",
            hint="set VAULT_EXEC_KEY_FILE or VAULT_EXEC_KEY",
        )

    # -- a new wrapping ---------------------------------------------------------------------------------

    def plan(self, choice: str | None) -> Plan:
        """What shall wrap a new store's key, for the choice of `init` or None. Asks what has to be asked."""
        if choice is None:
            for name, source in VARIABLES:
                if self._context.environ.get(name):
                    return Plan(source, self._given(name))
            return Plan(KEYRING, fall_back=True)
        self._check_choice(choice)
        if choice != PASSPHRASE:
            return Plan(choice)
        variable = self._set(PASSPHRASE_VARIABLES)
        return Plan(PASSPHRASE, self._given(variable) if variable else self._new_passphrase())

    def plan_change(self, header: Header, choice: str | None, *, wrap_only: bool) -> Plan:
        """What shall wrap the data key from now on, for the choice of `rekey` or None: as it is now."""
        self._check_choice(choice)
        now = header.source_name()
        if now != PASSPHRASE and self._set(KEY_VARIABLES):
            now = ENVIRONMENT  # it would be used instead of a new key at the old place
        if choice in (None, PASSPHRASE) and self._set((NEW_PASSPHRASE_FILE,)):
            return Plan(PASSPHRASE, self._given(NEW_PASSPHRASE_FILE))
        if choice is None and self._set((NEW_KEY_FILE,)):
            return Plan(ENVIRONMENT, self._given(NEW_KEY_FILE))
        if choice == PASSPHRASE or (choice is None and now == PASSPHRASE and wrap_only):
            return Plan(PASSPHRASE, self._new_passphrase())
        if choice is None and now == PASSPHRASE:
            return Plan(PASSPHRASE, self._known_passphrase()[0])
        if choice is None and now == ENVIRONMENT:
            if wrap_only:
                raise UsageError(
                    f"the key of the store {self._store_path} is kept outside: there is none to wrap it with",
                    hint=f"name the new one with {NEW_KEY_FILE}, or choose --key keyring, file or passphrase",
                )
            return Plan(ENVIRONMENT, self._known_key(header)[0])
        return Plan(choice or now)

    def wrap(self, plan: Plan, data: bytes, store_id: bytes, wrap_id: bytes = b"") -> Header:
        """Put the data key into a header, after its wrapping key is safely where the plan says.

        wrap_id: tells this wrapping's key from those of earlier ones; empty for the first.
        """
        header = Header(store_id, plan.source.encode(), wrap_id, b"", 0, 0, 0, b"")
        if plan.source == PASSPHRASE and plan.secret is not None:
            header.salt = os.urandom(SALT_BYTES)
            header.memory, header.passes, header.lanes = ARGON2_MEMORY, ARGON2_PASSES, ARGON2_LANES
            wrapping = stretch(plan.secret, header.salt, header.memory, header.passes, header.lanes)
        elif plan.secret is not None:
            wrapping = plan.secret
        else:
            wrapping = os.urandom(KEY_BYTES)
            header.source = self._keep(plan, header.key_name(), wrapping).encode()
        header.wrapped = Sealer(wrapping, store_id, _WRAP).seal(data, header.about())
        return header

    def use(self, plan: Plan) -> None:
        """From now on the store is wrapped as the plan says."""
        self._passphrase = plan.secret if plan.source == PASSPHRASE else None

    def forget(self, header: Header) -> None:
        """Remove a wrapping key that nothing needs any more, if it was one of ours. Never fails."""
        try:
            if header.source_name() == KEYRING:
                _within_deadline(lambda: _keyring().delete_password(SERVICE, header.key_name()))
            elif header.source_name() == FILE:
                os.unlink(self._key_path(header.key_name()))
        except (_KeyringFailed, OSError, ConfigError):
            self._context.notify(f"the old key could not be removed: {self.place(header)}")

    def place(self, header: Header) -> str:
        """Where the wrapping key is, in words, for notes."""
        source = header.source_name()
        if source == KEYRING:
            return f"the keyring, {SERVICE} {header.key_name()}"
        if source == FILE:
            return f"the file {self._key_path(header.key_name())}"
        return "your passphrase" if source == PASSPHRASE else "the key that you keep"

    def _check_choice(self, choice: str | None) -> None:
        if choice is None:
            return
        if choice not in CHOICES:
            raise UsageError(f"{choice!r} is no place for a key", hint="one of: " + ", ".join(CHOICES))
        variable = self._set(KEY_VARIABLES)
        if choice != PASSPHRASE and variable:
            raise UsageError(
                f"{variable} is set, and would be used instead of a key in the {choice}",
                hint=f"unset {variable}, or leave out --key",
            )

    def _keep(self, plan: Plan, name: str, key: bytes) -> str:
        """Keep a new key, and return the source where it is now."""
        if plan.source == KEYRING:
            try:
                self._keep_in_keyring(name, key)
                return KEYRING
            except _KeyringFailed as error:
                if not plan.fall_back:
                    raise AccessDeniedError(
                        f"the key cannot be kept in the keyring: {error}",
                        hint="unlock or set up a keyring, or choose --key file or --key passphrase",
                    ) from None
        self._keep_in_file(name, key)
        return FILE

    # -- the environment and the terminal ---------------------------------------------------------------

    def _set(self, variables: tuple[str, ...]) -> str | None:
        return next((name for name in variables if self._context.environ.get(name)), None)

    def _given(self, variable: str) -> bytes:
        """The key (32 bytes) or passphrase that the variable holds or names the file of."""
        text = self._context.environ[variable]
        if variable.endswith("_FILE"):
            if text not in self._read:
                self._read[text] = self._content(text, variable)
            content = self._read[text]
        else:
            content = os.fsencode(text)
        if "PASSPHRASE" not in variable:
            return _decoded(content, f"the key from {variable}")
        passphrase = (
            content.removesuffix(b"\n").removesuffix(b"\r") if variable.endswith("_FILE") else content
        )
        if not passphrase:
            raise ConfigError(f"the passphrase from {variable} is empty")
        return passphrase

    def _content(self, path: str, variable: str) -> bytes:
        number = _descriptor(path)
        if number is None:
            self._check_place(path)
        try:
            if number is not None:
                # By its number: a process that hides its memory may not open /dev/fd. And for us alone.
                content = _read_all(number)
                if number > 2:
                    os.set_inheritable(number, False)
                return content
            file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
            try:
                _check_mode(file, path, 0o007, "o-rwx")
                return _read_all(file)
            finally:
                os.close(file)
        except FileNotFoundError:
            raise ConfigError(
                f"there is no file {path}, which {variable} names",
                hint=f"umask 077; head -c 32 /dev/urandom | base64 > {path}"
                if variable == "VAULT_EXEC_KEY_FILE"
                else None,
            ) from None
        except OSError as error:
            raise AccessDeniedError(
                f"the file {path}, which {variable} names, cannot be read: {error.strerror}"
            ) from None

    def _asked(self, prompt: str) -> bytes:
        try:
            passphrase = self._context.ask_secret(prompt)
        except UnsupportedError:
            raise NoCredentialsError(
                f"the store {self._store_path} needs its passphrase, and there is no terminal to ask on",
                hint="set VAULT_EXEC_PASSPHRASE_FILE (a path or /dev/fd/N) or VAULT_EXEC_PASSPHRASE",
            ) from None
        self._context.restart_deadline()  # a person may take as long as it takes
        if not passphrase:
            raise UsageError("the passphrase is empty")
        return os.fsencode(passphrase)

    def _new_passphrase(self) -> bytes:
        try:
            first = self._asked(f"new passphrase for {self._store_path}: ")
        except NoCredentialsError as error:
            raise NoCredentialsError(
                "a new passphrase is needed, and there is no terminal to ask on",
                hint=f"set {NEW_PASSPHRASE_FILE} for rekey, VAULT_EXEC_PASSPHRASE_FILE for init",
            ) from error
        if first != self._asked("the same again: "):
            raise UsageError("the two passphrases are not the same", hint="try again; nothing was changed")
        return first

    # -- the key file -----------------------------------------------------------------------------------

    def _key_path(self, name: str) -> str:
        base = self._context.environ.get("XDG_CONFIG_HOME", "")
        if not base.startswith("/"):
            home = self._context.environ.get("HOME", "")
            if not home:
                raise ConfigError(
                    "there is no folder for the key file: neither XDG_CONFIG_HOME nor HOME is set",
                    hint="set HOME, or give the key with VAULT_EXEC_KEY_FILE",
                )
            base = home + "/.config"
        return f"{base}/vault-exec/keys/{name}"

    def _check_place(self, path: str) -> None:
        """A copy of the store's folder must not hold the key too."""
        store_folder = os.path.dirname(os.path.realpath(self._store_path))
        key_folder = os.path.dirname(os.path.realpath(path))
        if store_folder in (key_folder, os.path.dirname(key_folder)):
            raise ConfigError(
                f"the key file {path} is in the folder of the store {self._store_path}: "
                "whoever copies the one has the other",
                hint="keep them apart: VAULT_EXEC_STORE and VAULT_EXEC_KEY_FILE say where they are",
            )

    def _file_key(self, path: str) -> bytes:
        self._check_place(path)
        try:
            file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
            try:
                _check_mode(file, path, 0o077, "600")
                content = _read_all(file)
            finally:
                os.close(file)
        except FileNotFoundError:
            raise NoCredentialsError(
                f"the key file {path} of the store {self._store_path} is not there",
                hint="restore it from its backup; the store does not open without it",
            ) from None
        except OSError as error:
            raise AccessDeniedError(f"the key file {path} cannot be read: {error.strerror}") from None
        return _decoded(content, f"the key file {path}")

    def _keep_in_file(self, name: str, key: bytes) -> None:
        from vault_exec_backends.local.database import make_folder

        path = self._key_path(name)
        self._check_place(path)
        try:
            make_folder(os.path.dirname(path))
            file = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600)
            try:
                os.write(file, b2a_base64(key))
                _sync(file)
            finally:
                os.close(file)
            folder = os.open(os.path.dirname(path), os.O_RDONLY | os.O_CLOEXEC)
            try:
                _sync(folder)
            finally:
                os.close(folder)
        except OSError as error:
            raise AccessDeniedError(
                f"the key file {path} cannot be made: {error.strerror}",
                hint="name another folder with XDG_CONFIG_HOME, or give the key with VAULT_EXEC_KEY_FILE",
            ) from None
        if self._file_key(path) != key:
            raise AccessDeniedError(f"the key file {path} does not hold what was written to it")

    # -- the keyring ------------------------------------------------------------------------------------

    def _keyring_key(self, header: Header) -> bytes:
        name = header.key_name()
        try:
            text = _within_deadline(lambda: _keyring().get_password(SERVICE, name))
        except _KeyringFailed as error:
            raise AccessDeniedError(
                f"the key of the store {self._store_path} is in the keyring, which cannot be read: {error}",
                hint="unlock the keyring, or give the key with VAULT_EXEC_KEY_FILE or VAULT_EXEC_KEY",
            ) from None
        if text is None:
            raise NoCredentialsError(
                f"the keyring has no key of the store {self._store_path} ({SERVICE} {name})",
                hint="use the keyring it was made with, or give the key with VAULT_EXEC_KEY_FILE",
            )
        return _decoded(text.encode(), f"the keyring's {SERVICE} {name}")

    def _keep_in_keyring(self, name: str, key: bytes) -> None:
        text = b2a_base64(key, newline=False).decode()
        _within_deadline(lambda: _keyring().set_password(SERVICE, name, text))
        if _within_deadline(lambda: _keyring().get_password(SERVICE, name)) != text:
            raise _KeyringFailed("it does not keep what it is given")


#: The name under which the keyring has our keys; the user name is the key's.
SERVICE = "vault-exec"

KEYRING_SECONDS = 5.0


class _KeyringFailed(Exception):  # noqa: N818 - an outcome, told on by others
    """The keyring cannot be used. `str` says why."""


class _Keyring:
    """What we use of the keyring package."""

    get_password: Callable[[str, str], str | None]
    set_password: Callable[[str, str, str], None]
    delete_password: Callable[[str, str], None]


def _keyring() -> _Keyring:
    import keyring

    return keyring  # type: ignore[return-value]


def _within_deadline(call: Callable[[], str | None]) -> str | None:
    """What the call to the keyring returns. Raises _KeyringFailed.

    In a thread, for a locked Secret Service asks a person who may not be there, for ever. Finding the keyring
    is part of the call: that too may talk to it.
    """
    from threading import Thread

    results: list[str | None] = []
    failures: list[str] = []

    def work() -> None:
        try:
            results.append(call())
        except Exception as error:  # a keyring of any package raises anything
            failures.append(_explained(error))

    thread = Thread(target=work, daemon=True)
    thread.start()
    thread.join(KEYRING_SECONDS)
    if results:
        return results[0]
    if failures:
        raise _KeyringFailed(failures[0])
    raise _KeyringFailed(f"it is locked, or does not answer within {KEYRING_SECONDS:g} s")


def _explained(error: Exception) -> str:
    from keyring import errors

    if isinstance(error, errors.KeyringLocked):
        return "it is locked"
    if isinstance(error, errors.NoKeyringError):
        return "there is none on this machine"
    return f"it failed ({type(error).__name__})"


# -- files ----------------------------------------------------------------------------------------------


def _descriptor(path: str) -> int | None:
    """The number of the open file that a path such as /dev/fd/3 means."""
    if path == "/dev/stdin":
        return 0
    folder, _, number = path.rpartition("/")
    return int(number) if folder in ("/dev/fd", "/proc/self/fd") and number.isdecimal() else None


def _read_all(file: int) -> bytes:
    content = b""
    while len(content) <= _LONGEST:
        more = os.read(file, _LONGEST)
        if not more:
            break
        content += more
    return content[:_LONGEST]


def _check_mode(file: int, path: str, forbidden: int, mode: str) -> None:
    status = os.fstat(file)
    if S_ISREG(status.st_mode) and status.st_mode & forbidden:
        raise AccessDeniedError(f"others can read the file {path}", hint=f"chmod {mode} {path}")


def _decoded(content: bytes, what: str) -> bytes:
    try:
        key = a2b_base64(content.strip(), strict_mode=True)
    except Base64Error:
        key = b""
    if len(key) != KEY_BYTES:
        raise WrongKeyError(f"{what} is not a key: 32 bytes as base64")
    return key


def _sync(file: int) -> None:
    """To the disk itself; on macOS fsync alone leaves it in the disk's cache."""
    import fcntl

    full: int | None = getattr(fcntl, "F_FULLFSYNC", None)
    if full is None:
        os.fsync(file)
    else:
        fcntl.fcntl(file, full)
