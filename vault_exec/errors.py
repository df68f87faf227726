"""Every error this program tells a user about, and nothing else.

    VaultExecError                     1    failed
    ├── FormatError                    1    a file cannot be read as, or a value cannot be held by, a format
    ├── PartialWriteError              1    some of many writes were done; says which
    ├── UsageError                     2    the call is wrong
    │   ├── ConfigError                2    a setting is wrong: says which, and where it came from
    │   ├── InvalidNameError           2    a service, key, tag, label or variable name
    │   ├── InvalidValueError          2    a value that this store (or any) cannot hold
    │   └── UnsupportedError           2    this backend cannot do that
    ├── NotFoundError                  3
    │   ├── ServiceNotFound            3    no secret in that service
    │   └── SecretNotFound             3    no such key, version or label
    ├── AccessDeniedError              4    the store refused
    │   └── NoCredentialsError         4    nobody to be
    ├── ConflictError                  5    somebody else wrote in between
    ├── UnreachableError               6    no answer, or none that makes sense
    │   ├── ThrottledError             6    told to slow down until the attempts or the time ran out
    │   ├── StoreTimeoutError          6    the time given (--timeout) is over
    │   └── MalformedAnswerError       6    an answer without what must be in it
    ├── DamagedStoreError              7    the local store was changed by something else than this program
    │   └── WrongKeyError              7    it does not open with this key
    └── LaunchError                  125    exec: the program was not started
        ├── NotExecutableError       126
        └── CommandNotFoundError     127

`exit_code` is what every command but exec ends with; exec ends with 125 whatever kept it from starting the
program, and with 126 and 127 as above. `hint` is the next step to take: a command or a setting, or None.
A message names the service and the key, and never holds a value.
"""

from __future__ import annotations


class VaultExecError(Exception):
    """Base of all errors of this program. `str(error)` is one sentence for a person, without a value."""

    exit_code = 1

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.hint = hint


class FormatError(VaultExecError):
    """A file is not what its format says, or a value cannot be written in a format."""


class PartialWriteError(VaultExecError):
    """Some writes of many were done, then one failed; the message says what is in the store now.

    `exit_code` is that of the error that ended it, which is `__cause__`.
    """

    def __init__(self, message: str, *, hint: str | None = None, exit_code: int = 1) -> None:
        super().__init__(message, hint=hint)
        self.exit_code = exit_code


class UsageError(VaultExecError):
    """The call itself is wrong."""

    exit_code = 2


class ConfigError(UsageError):
    """A setting is wrong. The message says which one and where it came from."""


class InvalidNameError(UsageError):
    """A service, key, tag, label or variable name that may not be."""


class InvalidValueError(UsageError):
    """A value that cannot be stored: NUL, not UTF-8, too long, or empty where the store has no empty."""


class UnsupportedError(UsageError):
    """The backend cannot do this. The message names both."""


class NotFoundError(VaultExecError):
    """What was asked for is not there."""

    exit_code = 3


class ServiceNotFound(NotFoundError):  # noqa: N818 - the name the contract uses
    """The service holds no secret. A store that does not exist yet holds none."""

    def __init__(self, message: str, *, service: str, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.service = service


class SecretNotFound(NotFoundError):  # noqa: N818
    """No such key, or no such version or label of it."""


class AccessDeniedError(VaultExecError):
    """The store refused. The message names the permission that is missing, where it is known."""

    exit_code = 4


class NoCredentialsError(AccessDeniedError):
    """There are no credentials, or they have expired."""


class ConflictError(VaultExecError):
    """The secret is not at the version that the caller expected, or changed while it was written."""

    exit_code = 5


class UnreachableError(VaultExecError):
    """The store could not be asked, or did not answer with sense."""

    exit_code = 6


class ThrottledError(UnreachableError):
    """The store said to slow down until the attempts or the time ran out."""


class StoreTimeoutError(UnreachableError):
    """The time that an operation may take is over."""


class MalformedAnswerError(UnreachableError):
    """The answer lacks what must be in it, so it is no answer."""


class DamagedStoreError(VaultExecError):
    """The local store holds something that this program did not write there, or lacks something it did."""

    exit_code = 7


class WrongKeyError(DamagedStoreError):
    """The local store does not open with the key that was found."""


class LaunchError(VaultExecError):
    """exec could not start the program."""

    exit_code = 125


class NotExecutableError(LaunchError):
    """The program is there but cannot be executed."""

    exit_code = 126


class CommandNotFoundError(LaunchError):
    """There is no such program."""

    exit_code = 127
