"""Commands that are to answer differently from chamber, whatever the store."""

from __future__ import annotations

from collections.abc import Mapping

from tests.support.recorded import Difference

USAGE = "2 usage, or the backend cannot"
NOT_FOUND = "3 not found"
NOT_STARTED = "125 anything that failed before it started, usage included"
OWN_GRAMMAR = "`\\uXXXX`, escaped blanks; the target's own grammar, checked by its own parser"

#: Each of them, with the line of the design that says so.
COMMON: Mapping[tuple[str, ...], Difference] = {
    ("write", "app", "endnl", "-"): Difference(
        "a value that ends in one newline is written as it is, with a note on stderr that `-s` drops it",
        err="chamber: note: the value ends in a newline, which is part of it; -s (--singleline) drops it\n",
    ),
    ("write", "app", "single2", "-", "-s"): Difference(
        "`write -s -` fails when the last line has no newline: reads it", code=0, err=""
    ),
    ("write", "app", "bad key", "x"): Difference(USAGE, code=2, err="'bad key'"),
    ("write", "bad service", "k", "x"): Difference(USAGE, code=2, err="'bad service'"),
    ("write", "a//b", "k", "x"): Difference(USAGE, code=2, err="'a//b'"),
    ("write", "app"): Difference(USAGE, code=2, err="KEY"),
    ("read", "app", "upper", "--nosuchflag"): Difference(USAGE, code=2, err="--nosuchflag"),
    ("nosuchcommand",): Difference(USAGE, code=2, err="nosuchcommand"),
    ("export", "app", "-f", "toml"): Difference(USAGE, code=2, err="toml"),
    ("import", "imp6", "/nosuch/file"): Difference(USAGE, code=2, err="/nosuch/file"),
    ("read", "app", "upper", "-v", "9"): Difference(NOT_FOUND, code=3, err="app/upper"),
    ("read", "app", "nosuch"): Difference(NOT_FOUND, code=3, err="app/nosuch"),
    ("history", "app", "nosuch"): Difference(NOT_FOUND, code=3, err="app/nosuch"),
    ("export", "nosuch", "-f", "json"): Difference(
        "A service with no secrets: exec, env, export and diff fail (not found)", code=3, out="", err="nosuch"
    ),
    ("list", "nosuch"): Difference(
        "`list` prints its header and a note on stderr, exit 0, as chamber does",
        err="chamber: note: service nosuch holds no secret\n",
    ),
    ("exec", "nosuch", "--", "sh", "-c", "echo ran"): Difference(
        "fails closed, exit 125, says which service and how to allow it (`--allow-missing`)",
        code=125,
        out="",
        err="--allow-missing",
    ),
    ("exec", "prod/web", "--", "/nosuch/command"): Difference(
        "127, not executable 126, our own failure 125", code=127, err="/nosuch/command"
    ),
    ("exec", "prod/web", "true"): Difference("no `--` is exit 125", code=125, err="--"),
    ("exec", "prod/web", "--"): Difference(NOT_STARTED, code=125),
    ("exec", "svc:label", "--", "true"): Difference(
        "`svc:label` is meant to read a label but its regex never matches in chamber. Ours works.",
        code=125,
        err="svc",
    ),
    ("exec", "prod/web", "--strict", "--", "true"): Difference(
        "never a value in any message (strict errors print values)", code=125, err="URL"
    ),
    ("export", "app", "-f", "yaml"): Difference(
        "YAML export writes raw control characters; every format that can be read back round-trips exactly",
        out="checked by test_our_yaml_holds_what_the_json_holds",
    ),
    ("export", "app", "-f", "java-properties"): Difference(
        "java-properties writes `?` for what Latin-1 lacks and drops leading blanks: " + OWN_GRAMMAR,
        lines=["ctrl", "emoji", "lead"],
    ),
    ("export", "app", "-f", "dotenv"): Difference(
        "`dotenv` targets python-dotenv and node's dotenv; where the two cannot agree on a value, "
        "python-dotenv wins and stderr names the key",
        lines=["BACK", "DOLLAR", "DQUOTE", "EMPTY_QUOTES", "HTML", "JSON"],
        err="chamber: note: dotenv: 'dollar' is right for python-dotenv; node's dotenv reads another value\n",
    ),
    ("export", "app", "-f", "tfvars"): Difference(
        "tfvars and dotenv escape wrongly: " + OWN_GRAMMAR, lines=["ctrl", "dollar", "tab", "u2028"]
    ),
    ("export", "imp"): Difference(
        "YAML import turns `0777` into 511, `1.10` into 1.1: scalars keep their text",
        out={"DB_USER": "root", "b": "true", "f": "1.10", "n": "1", "o": "0777", "s": "x"},
    ),
}
