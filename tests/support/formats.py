"""What the tests of the formats share: values worth trying, how many, and programs that read the formats.

`VAULT_EXEC_TEST_EXAMPLES=10000` makes every property try that many examples instead of a few hundred, and a
program that is not installed fail its test instead of skipping it.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from vault_exec.formats import FORMATS, Options, dump, load

BATTERY = int(os.environ.get("VAULT_EXEC_TEST_EXAMPLES", "0"))


def examples(default: int = 200) -> settings:
    """How a property is tried: `default` examples, or the battery's number; machines may be slow."""
    checks = [HealthCheck.too_slow, HealthCheck.function_scoped_fixture, HealthCheck.data_too_large]
    return settings(max_examples=max(default, BATTERY), deadline=None, suppress_health_check=checks)


def few(batch: int, default: int = 6) -> settings:
    """The same where an example is a whole file of `batch` values or more, for readers that start slowly."""
    return settings(examples(default), max_examples=max(default, BATTERY // batch))


#: Pieces that some format or reader treats specially.
_SPECIAL = [
    *"'\"\\$`#=:;,!|&<>*?[]{}()%@~^+-. \t\n\r",
    *"\x01\x0b\x0c\x1b\x7f\x85\xa0\u2028\u2029\u200e\ufeff\ufffe\ufdd0",
    *["\r\n", "  ", "\\\\", "\\n", "\\r", "\\t", "\\u0041", "\\'", '\\"', "''", '""', '"""', "it's"],
    *["$X", "$$", "${", "${X", "${X}", "${:-$}", "${HOME:-x}", "$${", "$(id)", "`id`", "%{if}", "%%{", "%s"],
    *["#{x}", "{{ x }}", " #", "# ", ": ", "- ", "? ", "---", "...", "<<", "!!int", "&a", "*a", "export "],
    *["EOF", "\nEOF\n", "<<EOF", "null", "~", "yes", "0777", "1.10", "1e3", "0x1F", "2026-01-02"],
    *["é", "e\u0301", "ß", "日本語", "😀", "\U0001d173", "\U0010ffff", "C:\\dir\\", "\\\\server\\share"],
    "-----BEGIN KEY-----\nabc+/=\n-----END KEY-----\n",
]

_anything = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12)
_pieces = st.one_of(
    st.sampled_from(_SPECIAL), st.sampled_from(_SPECIAL), st.text("abc XYZ019", max_size=6), _anything
)
_long = st.builds(str.__mul__, st.one_of(st.sampled_from(_SPECIAL), st.just("abc ")), st.integers(200, 2000))

#: Any text a store may hold, with extra weight on what readers trip over.
values = st.one_of(
    st.lists(_pieces, max_size=7).map("".join),
    st.lists(_pieces, max_size=7).map("".join),
    _anything,
    st.sampled_from(["", " ", "\n", "\r", "\t", *_SPECIAL]),
    st.builds(lambda a, b: a + b, _pieces, _long),
)


#: Keys as stores hold them, with those that some reader takes for something else.
keys = st.one_of(
    st.text("abcXYZ019_.-", min_size=1, max_size=12),
    st.sampled_from(
        ["null", "yes", "NO", "true", "007", "1.10", "0x1F", ".inf", "-", "--", "...", "..", "a" * 1100]
    ),
)

#: Names that are the same before and after a key is mapped to a variable.
names = st.from_regex(r"V[A-Z0-9_]{0,6}", fullmatch=True)

secrets = st.dictionaries(keys, values, max_size=4)
variables = st.dictionaries(names, values, max_size=4)


def variables_for(allowed: Callable[[str], bool], count: int = 4) -> st.SearchStrategy[dict[str, str]]:
    return st.dictionaries(names, values.filter(allowed), max_size=count)


def many(allowed: Callable[[str], bool] = bool, least: int = 100) -> st.SearchStrategy[dict[str, str]]:
    """A file's worth of values, `V0` to `Vn`."""
    lists = st.lists(
        values.filter(lambda value: value == "" or allowed(value)), min_size=least, max_size=2 * least
    )
    return lists.map(lambda found: {f"V{number}": value for number, value in enumerate(found)})


def tool(name: str) -> str:
    """The path of a program; without it the test is skipped, and fails in the battery."""
    path = shutil.which(name)
    if path is None:
        missing(f"{name} is not installed")
    return path or ""


def missing(what: str) -> None:
    if BATTERY:
        pytest.fail(f"{what}, and the battery leaves nothing out")
    pytest.skip(what)


class Reader:
    """A program that reads texts, one a line in hexadecimal UTF-16, and answers with their values in JSON."""

    def __init__(self, *command: str | Path) -> None:
        self._process = subprocess.Popen(
            [*map(str, command)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )

    def read(self, text: str) -> Any:
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(text.encode("utf-16-be").hex().encode() + b"\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())

    def stop(self) -> None:
        self._process.communicate(timeout=30)


def written(format_name: str, secrets: Mapping[str, str], **options: Any) -> str:
    """`dump`, with its form checked: nothing lost at the end of a file that is cut by lines."""
    text = dump(format_name, secrets, Options(**options))
    assert format_name in FORMATS
    assert text == "" or text.endswith("\n")
    return text


def round_trip(format_name: str, secrets: Mapping[str, str]) -> dict[str, str]:
    return load(format_name, written(format_name, secrets))
