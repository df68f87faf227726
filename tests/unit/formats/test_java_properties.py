"""java-properties: ASCII only, exact both ways, here, by javaproperties and by Java's own class."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import javaproperties
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.formats import Reader, examples, secrets, tool, written
from vault_exec.errors import FormatError
from vault_exec.formats import dump, load


@pytest.fixture(scope="module")
def java() -> Iterator[Reader]:
    reader = Reader(
        tool("java"), "-XX:TieredStopAtLevel=1", Path(__file__).with_name("PropertiesReader.java")
    )
    yield reader
    reader.stop()


@examples()
@given(secrets)
def test_what_is_written_is_ascii_and_reads_back_exactly(secrets: dict[str, str]) -> None:
    text = written("java-properties", secrets)
    assert text.isascii()
    assert load("java-properties", text) == secrets
    assert javaproperties.loads(text) == secrets


@examples()
@given(secrets=secrets)
def test_java_reads_what_is_written(java: Reader, secrets: dict[str, str]) -> None:
    assert java.read(written("java-properties", secrets)) == secrets


@examples(400)
@given(text=st.text("ab =:#!\\\\\\un0041fF\t\f\r\n\n", max_size=40))
def test_any_text_is_read_as_java_reads_it_or_refused(java: Reader, text: str) -> None:
    expected = java.read(text)
    try:
        found = load("java-properties", text)
    except FormatError as error:
        refused = str(error)
    else:
        refused = ""
    if refused:
        assert expected is None or "there twice" in refused
        return
    assert expected is not None
    for pairs in (found, expected):
        pairs.pop("", None)  # Java makes an empty key of a lone backslash at the very end; no store has one
    assert found == expected


def test_the_grammar_of_properties() -> None:
    text = (
        "# comment\n ! comment\n\n  a=1\nb : 2\nc 3\nd\ne=\nf\\ g\\=h\\:i = j\n"
        "long = one \\\n   two\\\\\nu=\\u00e9\\ud83d\\ude00"
        "\\z\r\ncr=1\rlf=\\n\\t\nlead=\\  x  \n\\#k=#v\n"
    )
    assert load("java-properties", text) == {
        "a": "1",
        "b": "2",
        "c": "3",
        "d": "",
        "e": "",
        "f g=h:i": "j",
        "long": "one two\\",
        "u": "é😀z",
        "cr": "1",
        "lf": "\n\t",
        "lead": "  x  ",
        "#k": "#v",
    }


def test_keys_are_escaped_too() -> None:
    text = dump("java-properties", {" a=b:#!\\\n": "x", "#": "y"})
    assert text == "\\ a\\=b\\:\\#\\!\\\\\\n = x\n\\# = y\n"
    assert load("java-properties", text) == {" a=b:#!\\\n": "x", "#": "y"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "a=1\nk=SECRET\\u12",
            "java-properties: \\u without four hexadecimal digits in the value of 'k' (line 2)",
        ),
        ("\\u=SECRET", "java-properties: \\u without four hexadecimal digits in a key (line 1)"),
        (
            "k=\\ud83dSECRET",
            "java-properties: half a character (\\ud800 to \\udfff) in the value of 'k' (line 1)",
        ),
        ("a=1\n\nk=SECRET\\\n  x\nk=SECRET", "java-properties: the key 'k' is there twice (line 5)"),
    ],
)
def test_what_is_malformed_is_refused_with_its_line(text: str, message: str) -> None:
    with pytest.raises(FormatError) as error:
        load("java-properties", text)
    assert str(error.value) == message
    assert "SECRET" not in str(error.value) + (error.value.hint or "")
