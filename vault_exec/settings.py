"""The settings in force, and where each came from: flag, then environment, then config file, then default.

That order lets the nearest say win: what somebody typed now, over what this container or shell was given,
over what the person or machine always wants. The config file is `$VAULT_EXEC_CONFIG`, else
`$XDG_CONFIG_HOME/vault-exec/config.toml` (`~/.config` without that variable); its keys are the long names
of the options. One in the working directory is never read: somebody else may control that.
"""

from __future__ import annotations

from vault_exec.errors import ConfigError
from vault_exec.names import STYLES

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any


class Setting:
    """One row of the table below. `default` decides the type; a tuple is a list of texts."""

    __slots__ = ("choices", "default", "name", "variables")

    def __init__(
        self, name: str, default: Any, variables: tuple[str, ...] = (), choices: tuple[str, ...] = ()
    ) -> None:
        self.name = name
        self.default = default
        self.variables = variables
        self.choices = choices


TABLE = (
    Setting("backend", "local", ("VAULT_EXEC_BACKEND", "CHAMBER_SECRET_BACKEND")),
    Setting("backend-s3-bucket", "", ("CHAMBER_S3_BUCKET",)),
    Setting("kms-key-alias", "alias/parameter_store_key", ("CHAMBER_KMS_KEY_ALIAS",)),
    Setting("retries", 10, ("CHAMBER_RETRIES",)),
    Setting("retry-mode", "standard", (), ("standard", "adaptive")),
    Setting("min-throttle-delay", ""),
    Setting("timeout", 60.0, ("VAULT_EXEC_TIMEOUT",)),
    Setting("verbose", False),
    Setting("names", "posix", ("VAULT_EXEC_NAMES",), STYLES),
    Setting("allow-missing", False),
    Setting("allow-unlabelled", False),
    Setting("readable-only", False),
    Setting("optional", ()),
)

#: What the drop-in's name changes (see CLI reference): everything else is the same program.
CHAMBER_DEFAULTS: Mapping[str, Any] = {"backend": "ssm", "names": "chamber"}


class Settings:
    """The settings in force, one attribute each (`-` becomes `_`), as plain data.

    timeout: seconds that one store operation may take. retries: attempts of one call to a store.
    `origin(name)` says in a few words where a value came from.
    """

    __slots__ = ("_origins", *(setting.name.replace("-", "_") for setting in TABLE))

    backend: str
    backend_s3_bucket: str
    kms_key_alias: str
    retries: int
    retry_mode: str
    min_throttle_delay: str
    timeout: float
    verbose: bool
    names: str
    allow_missing: bool
    allow_unlabelled: bool
    readable_only: bool
    optional: tuple[str, ...]

    def __init__(self, values: Mapping[str, Any], origins: Mapping[str, str]) -> None:
        for name, value in values.items():
            setattr(self, name.replace("-", "_"), value)
        self._origins = origins

    def origin(self, name: str) -> str:
        """Where the value of the setting (by its long option name) came from, for help and errors."""
        return self._origins[name]


def load(
    flags: Mapping[str, Any], environ: Mapping[str, str], defaults: Mapping[str, Any] | None = None
) -> Settings:
    """Settings from the flags that were given (by long option name), the environment and the config file.

    defaults: what replaces the table's defaults, such as `CHAMBER_DEFAULTS`.
    Raises ConfigError, naming the setting and its origin, for a value that cannot be.
    """
    path, config = _config(environ)
    values: dict[str, Any] = {}
    origins: dict[str, str] = {}
    for setting in TABLE:
        value, origin = _resolve(setting, flags, environ, config, path, defaults or {})
        values[setting.name] = _checked(setting, value, origin)
        origins[setting.name] = origin
    return Settings(values, origins)


def check_names(names: Iterable[str], where: str = "") -> None:
    """Raise ConfigError for a name that is no setting; `where` ends the message."""
    known = [setting.name for setting in TABLE]
    for name in names:
        if name not in known:
            raise ConfigError(
                f"{name!r} is no setting{where}",
                hint="the settings are the long option names: " + ", ".join(known),
            )


def _resolve(
    setting: Setting,
    flags: Mapping[str, Any],
    environ: Mapping[str, str],
    config: Mapping[str, Any],
    path: str,
    defaults: Mapping[str, Any],
) -> tuple[Any, str]:
    if flags.get(setting.name) not in (None, ()):
        return flags[setting.name], f"--{setting.name}"
    for variable in setting.variables:
        if environ.get(variable):
            return environ[variable], variable
    if setting.name in config:
        return config[setting.name], path
    return defaults.get(setting.name, setting.default), "the default"


def _checked(setting: Setting, value: Any, origin: str) -> Any:
    checked = _typed(setting.default, value)
    problem = None
    if checked is None:
        problem = f"not {_expected(setting.default)}"
    elif setting.choices and checked not in setting.choices:
        problem = f"not one of {', '.join(setting.choices)}"
    elif type(setting.default) in (int, float) and not 0 < checked < 1e9:
        problem = "not more than zero and less than a billion"
    if problem:
        raise ConfigError(f"{setting.name} is {value!r}, which is {problem} (from {origin})")
    return checked


def _typed(default: Any, value: Any) -> Any:
    """The value as the type of the default, or None."""
    if isinstance(default, bool):
        return value if isinstance(value, bool) else None
    if isinstance(default, tuple):
        is_list = isinstance(value, (list, tuple)) and all(isinstance(item, str) for item in value)
        return tuple(value) if is_list else None
    if isinstance(default, str):
        return value if isinstance(value, str) else None
    if isinstance(value, bool) or (isinstance(value, float) and not isinstance(default, float)):
        return None
    try:
        return type(default)(value)
    except (TypeError, ValueError):
        return None


def _expected(default: Any) -> str:
    kinds = {bool: "true or false", tuple: "a list of texts", str: "a text", int: "a whole number"}
    return kinds.get(type(default), "a number of seconds")


def _config(environ: Mapping[str, str]) -> tuple[str, Mapping[str, Any]]:
    """The config file's path and content; empty where there is none and none was named."""
    named = environ.get("VAULT_EXEC_CONFIG", "")
    path = named or config_folder(environ) + "/config.toml"
    try:
        with open(path, "rb") as file:
            text = file.read()
    except FileNotFoundError:
        if named:
            raise ConfigError(f"there is no config file {path}, which VAULT_EXEC_CONFIG names") from None
        return path, {}
    except NotADirectoryError:
        return path, {}
    except OSError as error:
        raise ConfigError(
            f"the config file {path} cannot be read: {error.strerror}",
            hint="name another with VAULT_EXEC_CONFIG; /dev/null is an empty one",
        ) from None
    return path, _parsed(path, text)


def config_folder(environ: Mapping[str, str]) -> str:
    """The folder of the config file and of key files: `$XDG_CONFIG_HOME/vault-exec`, or under `~/.config`."""
    base = environ.get("XDG_CONFIG_HOME", "")
    if not base.startswith("/"):  # the XDG specification: a relative path is to be ignored
        home = environ.get("HOME", "")
        base = (home if home.startswith("/") else "") + "/.config"
    return base + "/vault-exec"


def _parsed(path: str, text: bytes) -> Mapping[str, Any]:
    import tomllib  # 12 ms, paid only by those who have the file

    try:
        decoded = text.decode("utf-8")
        config = tomllib.loads(decoded)
    except UnicodeDecodeError:
        raise ConfigError(f"the config file {path} is not UTF-8 text") from None
    except tomllib.TOMLDecodeError as error:
        end = f"line {decoded.count(chr(10)) + 1}, column {len(decoded) - decoded.rfind(chr(10))}"
        problem = str(error).replace("(at end of document)", f"(at {end}, the end)")
        raise ConfigError(f"the config file {path} is not TOML: {problem}") from None
    check_names(config, where=f" in the config file {path}")
    return config
