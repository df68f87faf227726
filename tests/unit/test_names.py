from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vault_exec import names
from vault_exec.errors import InvalidNameError, InvalidValueError

# Chamber's patterns, in ASCII and over the whole text: what the sets and str methods must agree with.
SERVICE = re.compile(r"[\w\-.]+(/[\w\-.]+)*", re.ASCII)
KEY = re.compile(r"[\w\-.]+", re.ASCII)
TAG_KEY = re.compile(r"[A-Za-z0-9 +\-=._:/@]{1,128}", re.ASCII)
TAG_VALUE = re.compile(r"[A-Za-z0-9 +\-=._:/@]{1,256}", re.ASCII)
LABEL = re.compile(r"(?!aws|ssm|[0-9])[\w\-.]{1,100}", re.ASCII | re.IGNORECASE)
SHELL_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)

# Mostly what is close to a name, so that both answers come up often.
CLOSE = st.text("aZ09_-./ :=@+\n\0äΩСß１\u202e", max_size=12)
TEXTS = CLOSE | st.text(max_size=6) | CLOSE.map(lambda text: text * 30) | st.text("ab/", max_size=9)


def accepts(check: Callable[[str], object], text: str) -> bool:
    try:
        check(text)
    except InvalidNameError:
        return False
    return True


@pytest.mark.parametrize(
    ("check", "pattern"),
    [
        (names.check_service, SERVICE),
        (names.check_key, KEY),
        (names.check_tag_key, TAG_KEY),
        (lambda text: names.check_tags({"tag": text}), TAG_VALUE),
        (names.check_label, LABEL),
    ],
    ids=["service", "key", "tag key", "tag value", "label"],
)
@given(text=TEXTS)
def test_a_name_is_valid_where_chamber_s_pattern_matches(
    check: Callable[[str], object], pattern: re.Pattern[str], text: str
) -> None:
    assert accepts(check, text) == bool(pattern.fullmatch(text))


@given(TEXTS)
def test_a_shell_name_is_what_posix_says(text: str) -> None:
    assert names.is_shell_name(text) == bool(SHELL_NAME.fullmatch(text))


@pytest.mark.parametrize("name", ["key\n", "\nkey", "ключ", "clé", "a b", "", "１", "a\0"])
def test_wide_letters_and_line_ends_are_no_part_of_a_name(name: str) -> None:
    assert not accepts(names.check_key, name)
    assert not accepts(names.check_service, name)


@given(st.text(max_size=20))
def test_folding_changes_ascii_letters_only(text: str) -> None:
    assert names.fold(text) == "".join(c.lower() if c.isascii() else c for c in text)


@given(st.text("aZ09_-.", min_size=1, max_size=12))
def test_a_posix_name_is_upper_case_letters_digits_and_underscores(key: str) -> None:
    name = names.variable_name(key, "posix")
    assert re.fullmatch(r"[A-Z0-9_]+", name)
    assert len(name) == len(key)


@pytest.mark.parametrize(
    ("key", "posix", "chamber"),
    [
        ("db-host", "DB_HOST", "DB_HOST"),
        ("dot.ted", "DOT_TED", "DOT.TED"),
        ("Mixed_1", "MIXED_1", "MIXED_1"),
        ("straße", "STRA_E", "STRAßE"),
    ],
)
def test_the_two_styles(key: str, posix: str, chamber: str) -> None:
    assert names.variable_name(key, "posix") == posix
    assert names.variable_name(key, "chamber") == chamber


def test_collisions_name_the_keys() -> None:
    keys = ["db-host", "db_host", "other", "DB.HOST"]
    assert names.collisions(keys, "posix") == {"DB_HOST": ["DB.HOST", "db-host", "db_host"]}
    assert names.collisions(keys, "chamber") == {"DB_HOST": ["db-host", "db_host"]}


def test_a_label_keeps_its_case_and_the_service_does_not() -> None:
    assert names.split_label("Prod/App:Stable") == ("prod/app", "Stable")
    assert names.split_label("Prod/App") == ("prod/app", None)
    for bad in ("svc:", "svc:a:b", ":label", "svc:1"):
        with pytest.raises(InvalidNameError):
            names.split_label(bad)


@pytest.mark.parametrize("value", ["a\0b", "\udcff"])
def test_a_bad_value_is_refused_without_being_shown(value: str) -> None:
    with pytest.raises(InvalidValueError) as caught:
        names.check_value("svc", "key", value)
    assert "svc/key" in str(caught.value)
    assert repr(value) not in str(caught.value)
    assert caught.value.hint
    assert caught.value.__cause__ is None


@given(st.text(max_size=40) | st.text("\x1b\n\u202e'", max_size=200))
def test_a_name_in_a_message_cannot_act_on_the_terminal(name: str) -> None:
    shown = names.shown(name)
    assert shown.isprintable()
    assert len(shown) <= 120


def test_variables_that_can_run_code() -> None:
    assert all(map(names.is_powerful, ["PATH", "LD_PRELOAD", "DYLD_X", "NODE_OPTIONS", "BASH_ENV"]))
    assert not any(map(names.is_powerful, ["PATHS", "MY_PATH", "path", "LD", "HOME"]))
