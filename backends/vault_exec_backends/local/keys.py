"""Which key wraps a store's data key: found for a store that exists, chosen for a new one or by `rekey`.

The header of a store says what its data key is wrapped with: a key (in the keyring, in a key file, or kept
outside) or a passphrase. A variable of the environment that gives that kind of thing is used before the place
that the header names, files first:

    a key         VAULT_EXEC_KEY_FILE, VAULT_EXEC_KEY                 32 bytes as base64
    a passphrase  VAULT_EXEC_PASSPHRASE_FILE, VAULT_EXEC_PASSPHRASE   without a file's last newline

A store that is made without `init` is wrapped by the first of KEY_FILE, PASSPHRASE_FILE, KEY and PASSPHRASE
that is set; else by a new key in the keyring; else, where no keyring works, by a new key file. No key is ever
made for a store that exists, other than by `rekey`.
"""

from __future__ import annotations

import os

from vault_exec.errors import (
    AccessDeniedError,
    ConfigError,
    NoCredentialsError,
    UnsupportedError,
    UsageError,
    VaultExecError,
    WrongKeyError,
)
from vault_exec_backends.local import places
from vault_exec_backends.local.records import ENVIRONMENT, FILE, KEYRING, PASSPHRASE, Header, damaged
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
    from vault_exec.store import Context

#: What `init --key` and `rekey --key` may name.
CHOICES = {"keyring": KEYRING, "file": FILE, "passphrase": PASSPHRASE}

#: The variables that give a key or a passphrase, the first that is set before the others.
VARIABLES = {
    "VAULT_EXEC_KEY_FILE": ENVIRONMENT,
    "VAULT_EXEC_PASSPHRASE_FILE": PASSPHRASE,
    "VAULT_EXEC_KEY": ENVIRONMENT,
    "VAULT_EXEC_PASSPHRASE": PASSPHRASE,
}

#: What `rekey` takes its new key or passphrase from, where it is kept outside or nobody is there to type it.
NEW_KEY_FILE = "VAULT_EXEC_NEW_KEY_FILE"
NEW_PASSPHRASE_FILE = "VAULT_EXEC_NEW_PASSPHRASE_FILE"  # noqa: S105 - the name of a variable

_WRAP = b"vault-exec wrap"


class Plan:
    """What shall wrap a data key. secret: the key or passphrase; None for a key that is yet to be made.

    fall_back: nobody asked for the keyring, so a key file will do where none works.
    """

    __slots__ = ("fall_back", "secret", "source")

    def __init__(self, source: bytes, secret: bytes | None = None, *, fall_back: bool = False) -> None:
        self.source = source
        self.secret = secret
        self.fall_back = fall_back


class Keys:
    """Finds, makes and removes the wrapping keys of the store at `store_path`."""

    __slots__ = ("_context", "_files", "_passphrase", "_store_path")

    def __init__(self, context: Context, store_path: str) -> None:
        self._context = context
        self._store_path = store_path
        self._files: dict[str, bytes] = {}  # what was read from files: a pipe can be read once
        self._passphrase: bytes | None = None  # that opened the store: typed once

    # -- a store that exists ----------------------------------------------------------------------------

    def must_ask(self, header: Header) -> bool:
        """Whether somebody must type a passphrase before the store opens."""
        return header.source == PASSPHRASE and self._passphrase is None and not self._set(PASSPHRASE)

    def unlock(self, header: Header) -> bytes:
        """The data key.

        Raises WrongKeyError where the key does not open it or is not where it should be, NoCredentialsError
        where it is kept outside and was not given, AccessDeniedError where its place cannot be read.
        """
        if header.source == PASSPHRASE:
            passphrase, origin = self._known_passphrase()
            try:
                wrapping = stretch(passphrase, header.salt, header.memory, header.passes, header.lanes)
            except ValueError as error:
                raise damaged(self._store_path, str(error)) from None
        else:
            wrapping, origin = self._known_key(header)
        data = Sealer(wrapping, header.store_id, _WRAP).open(header.wrapped, header.about())
        if data is None:
            raise WrongKeyError(
                f"the store {self._store_path} does not open with {origin}",
                hint="give the one it was made with; if this is that one, the store's header was changed",
            )
        if header.source == PASSPHRASE:
            self._passphrase = passphrase
        return data

    def _known_passphrase(self) -> tuple[bytes, str]:
        if self._passphrase is not None:
            return self._passphrase, "the passphrase"
        variable = self._set(PASSPHRASE)
        if variable:
            return self._given(variable), f"the passphrase from {variable}"
        return self._asked(f"passphrase of {self._store_path} (not shown)"), "the passphrase"

    def _known_key(self, header: Header) -> tuple[bytes, str]:
        variable = self._set(ENVIRONMENT)
        if variable:
            return self._given(variable), f"the key from {variable}"
        if header.source == ENVIRONMENT:
            raise NoCredentialsError(
                f"the key of the store {self._store_path} is kept outside, and was not given",
                hint="set VAULT_EXEC_KEY_FILE or VAULT_EXEC_KEY",
            )
        place = self.place(header)
        try:
            key = self._kept(header)
        except places.KeyringFailed as error:
            raise AccessDeniedError(
                f"the store {self._store_path} opens with {place}, which cannot be read: {error}",
                hint="unlock the keyring, or give the key with VAULT_EXEC_KEY_FILE or VAULT_EXEC_KEY",
            ) from None
        if key is None:
            raise WrongKeyError(
                f"the store {self._store_path} opens only with {place}, which is not there",
                hint="restore the key from its backup, or give it with VAULT_EXEC_KEY_FILE",
            )
        return key, place

    def _kept(self, header: Header) -> bytes | None:
        if header.source == KEYRING:
            return places.keyring_get(header.key_name())
        return places.file_get(self._path(header), self._store_path)

    # -- a new wrapping ---------------------------------------------------------------------------------

    def plan(self, choice: str | None) -> Plan:
        """What shall wrap a new store's data key, for the choice of `init`, or None for the first write.

        Asks for a passphrase where one was chosen and the environment gives none.
        """
        if choice is None:
            variable = self._set(ENVIRONMENT, PASSPHRASE)
            if variable is None:
                return Plan(KEYRING, fall_back=True)
            return Plan(VARIABLES[variable], self._given(variable))
        source = _source(choice)
        if source == PASSPHRASE:
            variable = self._set(PASSPHRASE)
            return Plan(source, self._given(variable) if variable else self._new_passphrase())
        variable = self._set(ENVIRONMENT)
        if variable:
            raise UsageError(
                f"{variable} is set, and would be used instead of a key in the {choice}",
                hint=f"unset {variable}, or leave out --key",
            )
        return Plan(source)

    def plan_change(self, header: Header, choice: str | None, *, wrap_only: bool) -> Plan:
        """What shall wrap the data key from now on, for the choice of `rekey`; None: the same as now.

        A new key is made where we keep it. A passphrase changes when it was chosen, when nothing else shall
        change (`wrap_only`), or when `VAULT_EXEC_NEW_PASSPHRASE_FILE` gives a new one.
        """
        environ = self._context.environ
        source = header.source if choice is None else _source(choice)
        if choice is None and environ.get(NEW_KEY_FILE):
            return Plan(ENVIRONMENT, self._given(NEW_KEY_FILE))
        if environ.get(NEW_PASSPHRASE_FILE) and (choice is None or source == PASSPHRASE):
            return Plan(PASSPHRASE, self._given(NEW_PASSPHRASE_FILE))
        if source == PASSPHRASE:
            same = choice is None and not wrap_only
            return Plan(PASSPHRASE, self._known_passphrase()[0] if same else self._new_passphrase())
        if choice is not None or not self._set(ENVIRONMENT):
            return Plan(source)
        # The key that was given would be used instead of a new one at the place that the header names.
        if wrap_only:
            raise UsageError(
                f"the key of the store {self._store_path} is kept outside, and no new one was given",
                hint=f"name the new one with {NEW_KEY_FILE}, or choose --key keyring, file or passphrase",
            )
        return Plan(ENVIRONMENT, self._known_key(header)[0])

    def wrap(self, plan: Plan, data: bytes, store_id: bytes, wrap_id: bytes = b"") -> Header:
        """A header that holds the data key, whose wrapping key is safely where the plan says already.

        wrap_id: tells this wrapping's key from those of earlier ones; empty for the first.
        """
        header = Header(store_id, plan.source, wrap_id, b"", 0, 0, 0, b"")
        if plan.secret is None:
            wrapping = os.urandom(KEY_BYTES)
            header.source = self._keep(plan, header.key_name(), wrapping)
        elif plan.source == PASSPHRASE:
            header.salt = os.urandom(SALT_BYTES)
            header.memory, header.passes, header.lanes = ARGON2_MEMORY, ARGON2_PASSES, ARGON2_LANES
            wrapping = stretch(plan.secret, header.salt, header.memory, header.passes, header.lanes)
        else:
            wrapping = plan.secret
        header.wrapped = Sealer(wrapping, store_id, _WRAP).seal(data, header.about())
        return header

    def _keep(self, plan: Plan, name: str, key: bytes) -> bytes:
        """Keep a new key, and return the source that it has become."""
        if plan.source == KEYRING:
            try:
                places.keyring_put(name, key)
                return KEYRING
            except places.KeyringFailed as error:
                if not plan.fall_back:
                    raise AccessDeniedError(
                        f"the key cannot be kept in the keyring: {error}",
                        hint="unlock or set up a keyring, or choose --key file or --key passphrase",
                    ) from None
        places.file_put(places.key_path(self._context.environ, name), self._store_path, key)
        return FILE

    def use(self, plan: Plan) -> None:
        """From now on the store is wrapped as the plan says."""
        self._passphrase = plan.secret if plan.source == PASSPHRASE else None

    def retire(self, before: Header, plan: Plan) -> None:
        """Remove the wrapping key of before, unless the store goes on with it: the variable that gave it may
        name that very file, and then it is the only copy."""
        try:
            same = plan.source == ENVIRONMENT and before.source in (KEYRING, FILE)
            same = same and self._kept(before) == plan.secret
        except (places.KeyringFailed, VaultExecError):
            same = True  # for all we know
        if not same:
            self.forget(before)

    def forget(self, header: Header) -> None:
        """Remove a wrapping key that nothing needs any more, if it was ours to keep. Tells of a failure."""
        try:
            if header.source == KEYRING:
                places.keyring_remove(header.key_name())
            elif header.source == FILE:
                os.unlink(self._path(header))
        except (FileNotFoundError, ConfigError):
            pass  # it was never here
        except (places.KeyringFailed, OSError):
            self._context.notify(f"{self.place(header)} is not needed any more, and could not be removed")

    # -- words ------------------------------------------------------------------------------------------

    def place(self, header: Header) -> str:
        """Where the wrapping key is, for notes and errors."""
        if header.source == KEYRING:
            entry = f"{places.KEYRING_SERVICE} {header.key_name()}"
            return f"the key in the keyring (which `keyring get {entry}` prints)"
        if header.source == FILE:
            return f"the key in {self._path(header)}"
        return "its passphrase" if header.source == PASSPHRASE else "the key that you keep"

    def _path(self, header: Header) -> str:
        return places.key_path(self._context.environ, header.key_name())

    # -- the environment and the terminal ---------------------------------------------------------------

    def _set(self, *sources: bytes) -> str | None:
        """The variable to use of those that give a key (ENVIRONMENT) or a passphrase (PASSPHRASE)."""
        for variable, source in VARIABLES.items():
            if source in sources and self._context.environ.get(variable):
                return variable
        return None

    def _given(self, variable: str) -> bytes:
        """The key (32 bytes) or passphrase that the variable holds or names the file of."""
        content = os.fsencode(self._context.environ[variable])
        if variable.endswith("_FILE"):
            path = os.fsdecode(content)
            if path not in self._files:
                self._files[path] = places.read_given(path, variable, self._store_path)
            content = self._files[path]
            if len(content) > places.LONGEST and not variable.endswith("KEY_FILE"):
                raise ConfigError(f"the passphrase from {variable} is longer than {places.LONGEST:,} bytes")
            content = content.removesuffix(b"\n").removesuffix(b"\r")
        if variable == NEW_KEY_FILE or VARIABLES.get(variable) == ENVIRONMENT:
            return places.decode_key(content, f"the key from {variable}")
        if not content:
            raise ConfigError(f"the passphrase from {variable} is empty")
        return content

    def _asked(self, prompt: str) -> bytes:
        try:
            passphrase = self._context.ask_secret(prompt)
        except UnsupportedError:
            raise NoCredentialsError(
                f"the store {self._store_path} needs a passphrase, and there is no terminal to ask on",
                hint="set VAULT_EXEC_PASSPHRASE_FILE (a path or /dev/fd/N) or VAULT_EXEC_PASSPHRASE; "
                f"for a new one in rekey, {NEW_PASSPHRASE_FILE}",
            ) from None
        self._context.restart_deadline()  # a person may take as long as it takes
        if not passphrase:
            raise UsageError("the passphrase is empty", hint="nothing was changed; try again")
        return passphrase.encode("utf-8", "surrogateescape")

    def _new_passphrase(self) -> bytes:
        first = self._asked(f"new passphrase of {self._store_path} (not shown)")
        if first != self._asked("the same again (not shown)"):
            raise UsageError("the two passphrases are not the same", hint="nothing was changed; try again")
        return first


def _source(choice: str) -> bytes:
    if choice not in CHOICES:
        raise UsageError(f"{choice!r} is no place for a key", hint="one of: " + ", ".join(CHOICES))
    return CHOICES[choice]
