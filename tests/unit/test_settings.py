from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from vault_exec import settings
from vault_exec.errors import ConfigError


def environ(tmp_path: Path, config: str | None = None, **variables: str) -> dict[str, str]:
    """The environment of a user whose config file holds this text."""
    folder = tmp_path / "vault-exec"
    folder.mkdir(exist_ok=True)
    if config is not None:
        (folder / "config.toml").write_text(config)
    return {"XDG_CONFIG_HOME": str(tmp_path), **variables}


def test_defaults_work_with_nothing_set_up(tmp_path: Path) -> None:
    found = settings.load({}, environ(tmp_path))
    assert (found.backend, found.names, found.retries, found.timeout) == ("local", "posix", 10, 60.0)
    assert found.origin("backend") == "the default"


def test_chamber_s_name_changes_two_defaults(tmp_path: Path) -> None:
    plain, chamber = (
        settings.load({}, environ(tmp_path), defaults) for defaults in ({}, settings.CHAMBER_DEFAULTS)
    )
    different = {
        setting.name
        for setting in settings.TABLE
        if getattr(plain, setting.name.replace("-", "_")) != getattr(chamber, setting.name.replace("-", "_"))
    }
    assert different == {"backend", "names"}
    assert (chamber.backend, chamber.names) == ("ssm", "chamber")


CONFIG = 'backend = "from-config"'


@pytest.mark.parametrize(
    ("flags", "variables", "config", "value", "origin"),
    [
        ({}, {}, CONFIG, "from-config", "config.toml"),
        ({}, {"CHAMBER_SECRET_BACKEND": "theirs"}, CONFIG, "theirs", "CHAMBER_SECRET_BACKEND"),
        (
            {},
            {"CHAMBER_SECRET_BACKEND": "theirs", "VAULT_EXEC_BACKEND": "ours"},
            CONFIG,
            "ours",
            "VAULT_EXEC_BACKEND",
        ),
        ({"backend": "flag"}, {"VAULT_EXEC_BACKEND": "ours"}, CONFIG, "flag", "--backend"),
        ({"backend": None}, {"VAULT_EXEC_BACKEND": ""}, CONFIG, "from-config", "config.toml"),
    ],
)
def test_the_nearest_say_wins(
    tmp_path: Path,
    flags: Mapping[str, str],
    variables: dict[str, str],
    config: str,
    value: str,
    origin: str,
) -> None:
    found = settings.load(flags, environ(tmp_path, config, **variables))
    assert found.backend == value
    assert found.origin("backend").endswith(origin)


def test_a_switch_that_was_turned_off_beats_the_config_file(tmp_path: Path) -> None:
    variables = environ(tmp_path, "verbose = true\nallow-missing = true")
    found = settings.load({"verbose": False}, variables)
    assert (found.verbose, found.allow_missing) == (False, True)


def test_every_kind_of_setting_can_stand_in_the_config_file(tmp_path: Path) -> None:
    config = 'retries = 3\ntimeout = 1.5\noptional = ["a", "b"]\nnames = "chamber"\nkms-key-alias = "x"'
    found = settings.load({}, environ(tmp_path, config))
    assert (found.retries, found.timeout, found.optional) == (3, 1.5, ("a", "b"))
    assert (found.names, found.kms_key_alias) == ("chamber", "x")


@pytest.mark.parametrize(
    ("config", "problem"),
    [
        ("retries = 3.7", "retries is 3.7, which is not a whole number"),
        ("retries = true", "retries is True, which is not a whole number"),
        ("retries = 0", "not more than zero"),
        ('timeout = "nan"', "not more than zero"),
        ('timeout = "soon"', "not a number of seconds"),
        ('verbose = "yes"', "not true or false"),
        ('names = "loud"', "not one of posix, chamber"),
        ('optional = "svc"', "not a list of texts"),
        ("optional = [1]", "not a list of texts"),
        ("backend = 7", "not a text"),
        ('colour = "no"', "'colour' is no setting"),
        ("backend =\n", "line 1, column 10"),
        ("ok = 1\nbackend = 'x", "line 2, column 13"),
    ],
)
def test_what_cannot_be_names_the_setting_and_the_file(tmp_path: Path, config: str, problem: str) -> None:
    with pytest.raises(ConfigError) as caught:
        settings.load({}, environ(tmp_path, config))
    assert problem in str(caught.value)
    assert "config.toml" in str(caught.value)


def test_a_bad_variable_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"retries is 'x'.*from CHAMBER_RETRIES"):
        settings.load({}, environ(tmp_path, CHAMBER_RETRIES="x"))


def test_the_config_file_can_be_named_and_must_then_be_there(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text(CONFIG)
    named = {"VAULT_EXEC_CONFIG": str(tmp_path / "mine.toml")}
    assert settings.load({}, named).backend == "from-config"
    with pytest.raises(ConfigError, match="which VAULT_EXEC_CONFIG names"):
        settings.load({}, {"VAULT_EXEC_CONFIG": str(tmp_path / "none.toml")})


def test_a_config_file_that_is_a_folder_or_not_text_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read") as caught:
        settings.load({}, {"VAULT_EXEC_CONFIG": str(tmp_path)})
    assert "VAULT_EXEC_CONFIG" in (caught.value.hint or "")
    (tmp_path / "binary.toml").write_bytes(b"backend = '\xff'")
    with pytest.raises(ConfigError, match="not UTF-8"):
        settings.load({}, {"VAULT_EXEC_CONFIG": str(tmp_path / "binary.toml")})


def test_no_config_file_is_taken_from_the_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "vault-exec").mkdir()
    (tmp_path / "vault-exec" / "config.toml").write_text(CONFIG)
    (tmp_path / "config.toml").write_text(CONFIG)
    monkeypatch.chdir(tmp_path)
    home = tmp_path / "home"
    for base in (".", "", "vault-exec"):
        assert settings.load({}, {"XDG_CONFIG_HOME": base, "HOME": str(home)}).backend == "local"


def test_a_home_that_is_no_folder_holds_no_config_file() -> None:
    assert settings.load({}, {"HOME": "/dev/null"}).backend == "local"
