"""What a command is given: the settings, the store, and the ways to tell something."""

from __future__ import annotations

import os
import sys

from vault_exec.errors import VaultExecError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from vault_exec.settings import Settings
    from vault_exec.store import Store


_WIPE = "\r\x1b[K"


class App:
    """One run of the program.

    program: the name it was called by, `vault-exec` or `chamber`.
    environ: the environment variables, as text.
    defaults: what replaces the defaults of settings under this name.
    flags: the settings that were given as options, by long name.
    after_dashes: of exec, what followed the first `--`, verbatim; None where there was none.
    quiet: tell nothing but errors.
    """

    __slots__ = (
        "_progress_shown",
        "_settings",
        "after_dashes",
        "defaults",
        "environ",
        "flags",
        "program",
        "quiet",
    )

    def __init__(
        self,
        program: str,
        environ: Mapping[str, str],
        defaults: Mapping[str, Any],
        after_dashes: list[str] | None = None,
    ) -> None:
        self.program = program
        self.environ = environ
        self.after_dashes = after_dashes
        self.flags: dict[str, Any] = {}
        self.quiet = False
        self.defaults = defaults
        self._settings: Settings | None = None
        self._progress_shown = False

    @property
    def settings(self) -> Settings:
        """The settings in force. Raises ConfigError."""
        if self._settings is None:
            from vault_exec import settings

            self._settings = settings.load(self.flags, self.environ, self.defaults)
        return self._settings

    def open_store(self) -> Store:
        """The store that the settings name, for a `with` statement. Raises VaultExecError."""
        from vault_exec.registry import open_store
        from vault_exec.store import Context

        settings = self.settings
        if settings.min_throttle_delay:
            self.note("--min-throttle-delay does nothing; --retry-mode decides how to slow down")
        environ = _with_a_known_home(self.environ)
        context = Context(settings, environ, notify=self.note, ask_secret=_ask_secret)
        if settings.verbose:
            context.trace = self._line
        return open_store(context)

    # -- what goes to standard error -----------------------------------------------------------------------

    def note(self, text: str) -> None:
        """One line that the user should know; never a value."""
        if not self.quiet:
            self._line(f"note: {text}")

    def warn_as_chamber(self, text: str) -> None:
        """A warning in chamber's form, without the program's name: people filter their logs by it."""
        if not self.quiet:
            self._raw_line(f"warning: {text}")

    def report(self, error: VaultExecError) -> None:
        """The error, and the next step where there is one."""
        self._line(f"error: {error}")
        if error.hint:
            self._line(f"hint: {error.hint}")

    def _line(self, text: str) -> None:
        self._raw_line(f"{self.program}: {text}")

    def _raw_line(self, text: str) -> None:
        from vault_exec.cli.render import escape

        wipe = _WIPE if self._progress_shown else ""
        self._progress_shown = False
        _tell(f"{wipe}{escape(text)}\n")

    def progress(self, what: str, total: int) -> Progress:
        """`what 3/20` on one line of the terminal that stderr is, for a `with` statement; else nothing."""
        return Progress(self, what, total)

    def show_progress(self, text: str) -> None:
        """Put this in the place of the progress line; nothing wipes it."""
        if sys.stderr is None or not sys.stderr.isatty() or not (text or self._progress_shown):
            return
        self._progress_shown = bool(text)
        _tell(_WIPE + text)

    # -- what goes to standard output ----------------------------------------------------------------------

    def write(self, text: str) -> None:
        """Write results, in UTF-8 whatever the locale, and be sure that they are written.

        Raises ReaderGone when nobody reads any more, and VaultExecError where they cannot be written.
        """
        if sys.stdout is None:
            raise VaultExecError("standard output is closed, so the result cannot be written")
        try:
            sys.stdout.buffer.write(text.encode("utf-8"))
            sys.stdout.buffer.flush()
        except BrokenPipeError:
            raise ReaderGone from None
        except OSError as error:
            raise VaultExecError(
                f"the result cannot be written to standard output: {error.strerror}"
            ) from None


class Progress:
    """How much of long work is done."""

    def __init__(self, app: App, what: str, total: int) -> None:
        self._app = app
        self._what = what
        self._total = total
        self._done = 0

    def __enter__(self) -> Progress:
        self._show()
        return self

    def __exit__(self, *_: object) -> None:
        self._app.show_progress("")

    def step(self) -> None:
        """One more is done."""
        self._done += 1
        self._show()

    def _show(self) -> None:
        self._app.show_progress(f"{self._what} {self._done}/{self._total}")


class ReaderGone(Exception):  # noqa: N818 - nothing went wrong: the reader of a pipe has had enough
    """Whoever read our standard output has closed it, as `head` does."""


def unexpected(error: Exception) -> VaultExecError:
    """Tell of our own mistake: its class and place, never its text, which may hold a value."""
    frame = error.__traceback__
    while frame and frame.tb_next:
        frame = frame.tb_next
    place = f"{frame.tb_frame.f_code.co_filename}:{frame.tb_lineno}" if frame else "an unknown place"
    return VaultExecError(
        f"unexpected {type(error).__name__}: this is a mistake in the program itself",
        hint=f"please report it with the command you typed (without values) and this place: {place}",
    )


def _with_a_known_home(environ: Mapping[str, str]) -> Mapping[str, str]:
    """The environment, without a HOME that is none.

    Of a home that is not set, of a user whom nobody knows, botocore makes the folder `~` of the working
    directory, which somebody else may control: a file there could name programs to run. Not done before what
    exec hands on was read.
    """
    if os.path.expanduser("~").startswith("/"):
        return environ
    os.environ["HOME"] = "/nonexistent"
    return {name: value for name, value in environ.items() if name != "HOME"}


def _tell(text: str) -> None:
    if sys.stderr is None:
        return
    try:
        sys.stderr.write(text)
        sys.stderr.flush()
    except OSError:
        pass  # nobody can be told; the exit code still says it


def _ask_secret(prompt: str) -> str:
    from vault_exec.cli.terminal import ask_secret

    return ask_secret(prompt)
