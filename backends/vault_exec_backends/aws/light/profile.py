"""The profile in ~/.aws/config and ~/.aws/credentials, where it says nothing but plain things.

A reader for the plain part of the INI files that configparser reads: whatever else is in the profile is
`Unusual`, and so is a file that configparser might read in another way.
"""

from __future__ import annotations

from vault_exec_backends.aws.light import Unusual

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

#: Keys that mean nothing to the calls: how the aws command shows things, and attempts, which are ours.
_IDLE = ("cli_", "max_attempts", "output", "retry_mode")
_KNOWN = ("aws_access_key_id", "aws_secret_access_key", "aws_session_token", "region")
_ODD = ""  # the key under which a section keeps that it is not plain


class Profile:
    """The sections of one profile. config: of ~/.aws/config. credentials: of ~/.aws/credentials."""

    __slots__ = ("config", "credentials")

    def __init__(self, config: Mapping[str, str], credentials: Mapping[str, str]) -> None:
        self.config = config
        self.credentials = credentials

    @property
    def region(self) -> str:
        return self.credentials.get("region") or self.config.get("region") or ""


def read(environ: Mapping[str, str]) -> Profile:
    """The profile that the environment names, else `default`, which may not be there. Raises Unusual."""
    names = {environ[name] for name in ("AWS_PROFILE", "AWS_DEFAULT_PROFILE") if name in environ}
    if len(names) > 1:
        raise Unusual("AWS_PROFILE and AWS_DEFAULT_PROFILE differ")
    name = next(iter(names), "default")
    config = _file(environ, "AWS_CONFIG_FILE", "config")
    credentials = _file(environ, "AWS_SHARED_CREDENTIALS_FILE", "credentials")
    of_config = [section for section in (f"profile {name}", name) if section in config]
    if name != "default":
        of_config = [section for section in of_config if section != name]
    if len(of_config) > 1:
        raise Unusual("two sections for the default profile")
    if names and not of_config and name not in credentials:
        raise Unusual(f"there is no profile {name}")
    return Profile(
        _plain(name, config[of_config[0]] if of_config else {}), _plain(name, credentials.get(name, {}))
    )


def _plain(name: str, section: Mapping[str, str]) -> Mapping[str, str]:
    for key in section:
        if key not in _KNOWN and not key.startswith(_IDLE):
            raise Unusual(f"the profile {name} has {key or 'more than plain lines'}")
    return section


def _file(environ: Mapping[str, str], variable: str, default: str) -> dict[str, dict[str, str]]:
    path = environ.get(variable)
    if path is None:
        home = environ.get("HOME")
        if home is None:
            from os.path import expanduser

            home = expanduser("~")
        path = f"{home}/.aws/{default}"
    elif "~" in path or "$" in path:
        raise Unusual(f"{variable} must be expanded")
    try:
        with open(path, "rb") as file:
            return parsed(file.read().decode())
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except (OSError, ValueError):
        raise Unusual(f"{path} is not as plain as it should be") from None


def parsed(text: str) -> dict[str, dict[str, str]]:
    """The sections, by their names with one blank between the words; keys in lower case.

    Raises ValueError where it is not sure that configparser reads the same. A section with something that is
    no plain `key = value` has the key "".
    """
    sections: dict[str, dict[str, str]] = {}
    section: dict[str, str] | None = None
    for line in text.split("\n"):
        line = line.removesuffix("\r")
        if "\r" in line:  # to Python's text files an end of a line
            raise ValueError("not plain text")
        bare = line.strip(" \t")
        if not bare or bare.startswith(("#", ";")):
            continue
        if bare.startswith("["):
            section = _begun(line, sections)
        elif section is None:
            raise ValueError("no section")
        else:
            _take(line, section)
    return sections


def _begun(line: str, sections: dict[str, dict[str, str]]) -> dict[str, str]:
    bare = line.rstrip(" \t")
    name = " ".join(bare[1:-1].split())
    if not (bare.startswith("[") and bare.endswith("]") and _is_plain(bare)):
        raise ValueError("no plain section")
    if not name or any(sign in name for sign in "[]\"'\\#;") or name in sections:
        raise ValueError("no plain name of a section, or one for two")
    return sections.setdefault(name, {})


def _take(line: str, section: dict[str, str]) -> None:
    key, mark, value = line.partition("=")
    key = key.rstrip(" \t").lower()
    if not _is_plain(key):
        raise ValueError("no plain line")
    if line[0] in " \t":
        section[_ODD] = ""
        return
    if not mark or not key or ":" in key or " " in key or key in section:
        raise ValueError("no plain line")
    section[key] = value.strip(" \t")
    if not _is_plain(value):
        section[_ODD] = ""


def _is_plain(text: str) -> bool:
    return text.isascii() and text.replace("\t", " ").isprintable()
