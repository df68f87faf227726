"""The two places where the program keeps keys itself, the OS keyring and key files, and files it is given.

A key is 32 bytes, kept and given as one line of base64. A new one is read back before anything is sealed with
it: a keyring may accept and forget (keyring's null backend does).
"""

from __future__ import annotations

import os
from binascii import Error as Base64Error
from binascii import a2b_base64, b2a_base64
from stat import S_ISREG

from vault_exec.errors import AccessDeniedError, ConfigError, WrongKeyError
from vault_exec_backends.local.sealing import KEY_BYTES

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import TypeVar

    T = TypeVar("T")

#: The name of our entries in a keyring; the user name of an entry is the key's name.
KEYRING_SERVICE = "vault-exec"

#: How long a call to the keyring may take, in seconds. A locked Secret Service waits for a person, for ever.
KEYRING_SECONDS = 5.0

#: The longest key or passphrase that is read from a file, in bytes.
LONGEST = 64 * 1024


def decode_key(content: bytes, origin: str) -> bytes:
    """The key that a line of base64 is. Raises WrongKeyError; origin: what it came from, for that."""
    try:
        key = a2b_base64(content.strip(), strict_mode=True)
    except Base64Error:
        key = b""
    if len(key) != KEY_BYTES:
        raise WrongKeyError(f"{origin} is not a key: {KEY_BYTES} bytes as base64")
    return key


# -- the keyring ----------------------------------------------------------------------------------------


class KeyringFailed(Exception):  # noqa: N818 - an outcome that others tell on
    """The keyring cannot be used. `str` says why."""


def keyring_get(name: str) -> bytes | None:
    """The key of that name, or None. Raises KeyringFailed, and WrongKeyError for what is no key."""

    def get() -> str | None:
        import keyring

        return keyring.get_password(KEYRING_SERVICE, name)

    text = _in_time(get)
    return None if text is None else decode_key(text.encode(), f"the keyring's {KEYRING_SERVICE} {name}")


def keyring_put(name: str, key: bytes) -> None:
    """Keep the key under that name. Raises KeyringFailed."""
    text = b2a_base64(key, newline=False).decode()

    def put() -> str | None:
        import keyring

        keyring.set_password(KEYRING_SERVICE, name, text)
        return keyring.get_password(KEYRING_SERVICE, name)

    if _in_time(put) != text:
        raise KeyringFailed("it does not keep what it is given")


def keyring_remove(name: str) -> None:
    """Remove the key of that name. Raises KeyringFailed, also where it is not there."""

    def remove() -> None:
        import keyring

        keyring.delete_password(KEYRING_SERVICE, name)

    _in_time(remove)


def _in_time(call: Callable[[], T]) -> T:
    """What the call returns. In a thread, with everything of the keyring: finding one may hang as well."""
    from threading import Thread

    results: list[T] = []
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
        raise KeyringFailed(failures[0])
    raise KeyringFailed(f"it is locked, or does not answer within {KEYRING_SECONDS:g} s")


def _explained(error: Exception) -> str:
    try:
        from keyring import errors
    except Exception:  # keyring loads the backend that the user configured
        return f"it does not load ({type(error).__name__})"
    if isinstance(error, errors.KeyringLocked):
        return "it is locked"
    if isinstance(error, errors.NoKeyringError):
        return "there is none on this machine"
    return f"it failed ({type(error).__name__})"


# -- key files ------------------------------------------------------------------------------------------


def key_path(environ: Mapping[str, str], name: str) -> str:
    """The file of the key of that name: `$XDG_CONFIG_HOME/vault-exec/keys/<name>`, else under `~/.config`."""
    base = environ.get("XDG_CONFIG_HOME", "")
    if not base.startswith("/"):  # the XDG specification: a relative path is to be ignored
        home = environ.get("HOME", "")
        if not home:
            raise ConfigError(
                "there is no folder for the key file: neither XDG_CONFIG_HOME nor HOME is set",
                hint="set HOME, or give a key with VAULT_EXEC_KEY_FILE",
            )
        base = home + "/.config"
    return f"{base}/vault-exec/keys/{name}"


def file_get(path: str, store_path: str) -> bytes | None:
    """The key in that file, or None where it is not there.

    Raises AccessDeniedError where anybody else can read it, and WrongKeyError for what is no key.
    """
    check_apart(path, store_path)
    try:
        return decode_key(_content(path, forbidden=0o077, remedy="chmod 600 {}"), f"the key file {path}")
    except FileNotFoundError:
        return None
    except OSError as error:
        raise AccessDeniedError(f"the key file {path} cannot be read: {error.strerror}") from None


def file_put(path: str, store_path: str, key: bytes) -> None:
    """Keep the key in a new file, for this user alone, on the disk when this returns."""
    from vault_exec_backends.local.database import make_folder

    check_apart(path, store_path)
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
            hint="name another folder with XDG_CONFIG_HOME, or give a key with VAULT_EXEC_KEY_FILE",
        ) from None
    if file_get(path, store_path) != key:
        raise AccessDeniedError(f"the key file {path} does not hold what was written to it")


def check_apart(path: str, store_path: str) -> None:
    """Raise ConfigError for a key in the store's folder or the one below: a copy of it would hold both."""
    folder = os.path.dirname(os.path.realpath(path))
    if os.path.dirname(os.path.realpath(store_path)) in (folder, os.path.dirname(folder)):
        raise ConfigError(
            f"{path} is in the folder of the store {store_path}, which it opens: who copies one has both",
            hint="keep them apart; VAULT_EXEC_STORE says where the store is, VAULT_EXEC_KEY_FILE the key",
        )


# -- files that the environment names -------------------------------------------------------------------


def read_given(path: str, variable: str, store_path: str) -> bytes:
    """What is in the file that the variable names: a path, or an open file as /dev/stdin or /dev/fd/N.

    Raises ConfigError where it is not there, AccessDeniedError where it cannot be read, or where anybody who
    is neither its owner nor in its group can (Kubernetes mounts secrets for a group).
    """
    try:
        number = _descriptor(path)
        if number is None:
            check_apart(path, store_path)
            return _content(
                path,
                forbidden=0o007,
                remedy="chmod o-rwx {}; of a secret mounted into a container, set its mode, such as 0440",
            )
        # By its number: a process that hides its memory may not open /dev/fd. The program that exec becomes
        # does not get it.
        if number > 2:
            os.set_inheritable(number, False)
        return _read(number)
    except FileNotFoundError:
        from shlex import quote

        raise ConfigError(
            f"there is no file {path}, which {variable} names",
            hint=f"for a new key: umask 077; head -c 32 /dev/urandom | base64 > {quote(path)}"
            if variable.endswith("KEY_FILE")
            else None,
        ) from None
    except (OSError, OverflowError) as error:
        why = getattr(error, "strerror", "there is no such open file")
        raise AccessDeniedError(f"{path}, which {variable} names, cannot be read: {why}") from None


def _descriptor(path: str) -> int | None:
    if path == "/dev/stdin":
        return 0
    folder, _, number = path.rpartition("/")
    return int(number) if folder in ("/dev/fd", "/proc/self/fd") and number.isdecimal() else None


def _content(path: str, forbidden: int, remedy: str) -> bytes:
    file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        status = os.fstat(file)
        if S_ISREG(status.st_mode) and status.st_mode & forbidden:
            from shlex import quote

            raise AccessDeniedError(f"others can read the file {path}", hint=remedy.format(quote(path)))
        return _read(file)
    finally:
        os.close(file)


def _read(file: int) -> bytes:
    """What is in the file; one byte over the longest, where it holds more."""
    content = b""
    while len(content) <= LONGEST and (more := os.read(file, LONGEST + 1 - len(content))):
        content += more
    return content


def _sync(file: int) -> None:
    """To the disk itself: on macOS, fsync alone leaves it in the disk's cache."""
    import fcntl

    full: int | None = getattr(fcntl, "F_FULLFSYNC", None)
    if full is None:
        os.fsync(file)
    else:
        fcntl.fcntl(file, full)
