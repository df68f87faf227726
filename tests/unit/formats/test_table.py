"""The table of formats: names, aliases, endings, and what is said of others."""

from __future__ import annotations

import subprocess
import sys
from importlib import import_module

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.formats import examples, values
from vault_exec import formats
from vault_exec.errors import FormatError, UsageError


def test_every_format_has_a_module_that_writes_and_the_readable_ones_one_that_reads() -> None:
    for name, path in formats.FORMATS.items():
        module = import_module(path)
        assert callable(module.dump), name
        assert hasattr(module, "load") == (name in formats.READABLE), name
        assert module.__doc__.startswith(f"{name}: "), name


def test_a_format_is_found_in_any_case_and_by_its_alias() -> None:
    assert formats.find("JSON") == "json"
    assert formats.find("Properties") == "java-properties"
    assert formats.find("java-properties") == "java-properties"


@pytest.mark.parametrize("name", ["toml", "", "vault_exec", "json ", "jſon"])
def test_an_unknown_format_is_refused_with_the_list_of_those_that_are_known(name: str) -> None:
    with pytest.raises(UsageError) as error:
        formats.dump(name, {})
    assert error.value.hint
    for known in (*formats.FORMATS, "properties"):
        assert known in error.value.hint


@pytest.mark.parametrize("name", [name for name in formats.FORMATS if name not in formats.READABLE])
def test_a_format_that_cannot_be_read_back_says_which_can(name: str) -> None:
    with pytest.raises(UsageError, match=f"{name} cannot be read back") as error:
        formats.load(name, "A=b\n")
    assert error.value.hint == "the formats that can be: json, yaml, java-properties, csv, tsv, dotenv"


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("secrets.json", "json"),
        ("/a.csv/Secrets.JSON", "json"),
        ("a.yaml", "yaml"),
        ("a.yml", "yaml"),
        ("a.properties", "java-properties"),
        ("a.csv", "csv"),
        ("a.tsv", "tsv"),
        (".env", "dotenv"),
        ("/srv/prod.env", "dotenv"),
        (".env.production", "dotenv"),
        ("-", "yaml"),
        ("/dev/stdin", "yaml"),
        ("/srv/.env/secrets", "yaml"),
        ("secrets.txt", "yaml"),
        ("json", "yaml"),
    ],
)
def test_a_file_is_read_by_its_ending(path: str, name: str) -> None:
    assert formats.for_path(path) == name


@pytest.mark.parametrize("name", formats.READABLE)
def test_a_byte_order_mark_is_not_part_of_the_first_key(name: str) -> None:
    text = formats.dump(name, {"A": "1", "B": "\ufeff"})
    assert formats.load(name, "\ufeff" + text) == {"A": "1", "B": "\ufeff"}


@pytest.mark.parametrize("name", formats.READABLE)
def test_nothing_is_a_text_that_reads_as_nothing(name: str) -> None:
    assert formats.load(name, formats.dump(name, {})) == {}


@pytest.mark.parametrize("name", ["dotenv", "tfvars", "shell", "systemd"])
def test_a_name_that_begins_with_a_digit_is_refused(name: str) -> None:
    with pytest.raises(FormatError, match="'2fa'"):
        formats.dump(name, {"2fa": "x"})


@pytest.mark.parametrize("style", ["posix", "chamber"])
@pytest.mark.parametrize(
    "name", ["dotenv", "tfvars", "shell", "docker", "k8s-secret", "github-env", "systemd"]
)
def test_two_keys_that_are_one_variable_are_refused_by_name(name: str, style: str) -> None:
    with pytest.raises(FormatError, match=r"'db-host' and 'db_host' would both be (?i:db_host)"):
        formats.dump(name, {"db_host": "1", "db-host": "2"}, formats.Options(("svc",), style))


@pytest.mark.parametrize("name", ["docker", "k8s-secret", "github-env"])
def test_what_can_hold_the_names_of_exec_holds_them(name: str) -> None:
    values = {"dot.ted-key": "x"}
    assert "DOT_TED_KEY" in formats.dump(name, values, formats.Options(("svc",), "posix"))
    assert "DOT.TED_KEY" in formats.dump(name, values, formats.Options(("svc",), "chamber"))


@pytest.mark.parametrize("name", ["dotenv", "shell", "systemd"])
def test_what_holds_only_a_shells_names_has_them_in_both_styles(name: str) -> None:
    values = {"dot.ted-key": "x"}
    for style in ("posix", "chamber"):
        assert "DOT_TED_KEY" in formats.dump(name, values, formats.Options(style=style))


@pytest.mark.parametrize("key", ["a b", "a=b", "a\nB=evil", "a<<x", "\u00e9", "", "a\0"])
@pytest.mark.parametrize("name", ["docker", "k8s-secret", "github-env"])
def test_a_foreign_key_cannot_leave_its_line(name: str, key: str) -> None:
    with pytest.raises(FormatError, match=f"{name} cannot hold"):
        formats.dump(name, {key: "x"}, formats.Options(("svc",), "chamber"))


@pytest.mark.parametrize("name", [name for name in formats.READABLE if name != "dotenv"])
@examples()
@given(secrets=st.dictionaries(values, values, max_size=3))
def test_where_keys_are_kept_any_key_reads_back(name: str, secrets: dict[str, str]) -> None:
    secrets = {
        key.lstrip("\ufeff"): value for key, value in secrets.items()
    }  # at the beginning of a file it is none
    assert formats.load(name, formats.dump(name, secrets)) == secrets


def test_a_format_is_loaded_when_it_is_named_and_yaml_only_by_reading() -> None:
    code = """
import sys
from vault_exec import formats
loaded = [name for name in formats.FORMATS.values() if name in sys.modules]
formats.dump("yaml", {"a": "b"})
print(loaded, "yaml" in sys.modules)
formats.load("yaml", "a: b")
print("yaml" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[] False\nTrue\n"
