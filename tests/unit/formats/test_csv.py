"""csv and tsv: chamber's lines, exact both ways, here and by Python's reader; Go's but for CR LF."""

from __future__ import annotations

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.formats import examples, secrets, written
from vault_exec.errors import FormatError
from vault_exec.formats import dump, load

COMMAS = {"csv": ",", "tsv": "\t"}
both = pytest.mark.parametrize("name", COMMAS)


def go_reads(text: str, comma: str) -> list[list[str]]:
    """Records by the rules of Go's encoding/csv (package documentation): CR LF is LF, wherever it stands."""
    text = text.replace("\r\n", "\n")
    records: list[list[str]] = []
    record: list[str] = []
    at = 0
    while at < len(text):
        if text[at] == "\n" and not record:
            at += 1  # an empty line
            continue
        field = ""
        if text[at] == '"':
            at += 1
            while True:
                end = text.index('"', at)
                field += text[at:end]
                if text[end + 1 : end + 2] != '"':
                    at = end + 1
                    break
                field += '"'
                at = end + 2
        else:
            end = min(text.find(mark, at) % (len(text) + 1) for mark in (comma, "\n"))
            field, at = text[at:end], end
            assert '"' not in field
        record.append(field)
        assert text[at] in (comma, "\n")
        if text[at] == "\n":
            records.append(record)
            record = []
        at += 1
    return records


@both
@examples()
@given(secrets=secrets)
def test_what_is_written_reads_back_exactly_here_and_by_python(name: str, secrets: dict[str, str]) -> None:
    text = written(name, secrets)
    assert load(name, text) == secrets
    assert dict(csv.reader(io.StringIO(text, newline=""), delimiter=COMMAS[name])) == secrets


@both
@examples()
@given(secrets=secrets)
def test_go_reads_what_is_written_but_for_cr_lf(name: str, secrets: dict[str, str]) -> None:
    expected = {key: value.replace("\r\n", "\n") for key, value in secrets.items()}
    assert dict(go_reads(written(name, secrets), COMMAS[name])) == expected


@both
@examples()
@given(name_text=st.text('ab",\t\r\n ', max_size=25))
def test_any_text_is_read_as_python_reads_it_or_refused(name: str, name_text: str) -> None:
    try:
        found = load(name, name_text)
    except FormatError:
        return
    rows = [row for row in csv.reader(io.StringIO(name_text, newline=""), delimiter=COMMAS[name]) if row]
    assert [list(pair) for pair in found.items()] == rows


def test_quotes_are_where_go_puts_them() -> None:
    secrets = {
        "a": "",
        "b": "x y",
        "c": " x",
        "d": "a,b",
        "e": 'a"b',
        "f": "\t",
        "g": "\\.",
        "h": "é#'",
        "i": "\xa0",
    }
    assert dump("csv", secrets) == 'a,\nb,x y\nc," x"\nd,"a,b"\ne,"a""b"\nf,"\t"\ng,"\\."\nh,é#\'\ni,"\xa0"\n'
    assert dump("tsv", {"a": "a,b", "b": "a\tb"}) == 'a\ta,b\nb\t"a\tb"\n'


def test_a_value_may_be_longer_than_pythons_limit_for_a_field() -> None:
    value = "x" * (csv.field_size_limit() + 1)
    limit = csv.field_size_limit()
    assert load("csv", dump("csv", {"k": value})) == {"k": value}
    assert csv.field_size_limit() == limit
    with pytest.raises(FormatError):
        load("csv", '"')
    assert csv.field_size_limit() == limit


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a,1\nSECRET\n", "csv: 1 column where a key and a value are expected (line 2)"),
        ("a,1\r\n\r\nk,SECRET,x\r\n", "csv: 3 columns where a key and a value are expected (line 3)"),
        ('k,"SECRET\n\n"\nk,x,y\n', "csv: 3 columns where a key and a value are expected (line 4)"),
        ('a,1\nk,"SECRET\nb,2\n', "not csv: a quote that is not closed, or that has text after it (line 2)"),
        ('a,1\nk,"SECRET"x\n', "not csv: a quote that is not closed, or that has text after it (line 2)"),
        ("k,SECRET\nl,x\nk,SECRET\n", "csv: the key 'k' is there twice (line 3)"),
    ],
)
def test_what_is_malformed_is_refused_with_its_line(text: str, message: str) -> None:
    for name, comma in COMMAS.items():
        with pytest.raises(FormatError) as error:
            load(name, text.replace(",", comma))
        assert str(error.value) == message.replace("csv", name)
        assert "SECRET" not in str(error.value) + (error.value.hint or "")
        assert error.value.__cause__ is None
