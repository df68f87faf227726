"""`import` by real processes, on the local store."""

from __future__ import annotations

import json
import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests.support.commands import SCRIPTS, Home, aws_variables
from tests.support.proxy import ALWAYS, Proxy, delayed, throttled
from tests.support.terminal import Terminal
from vault_exec_backends.local.store import MAX_VALUE_BYTES

CANARY = "canary-value"

DONE = "Successfully imported {} secrets\n"


@pytest.fixture
def filled(home: Home) -> Home:
    """A service svc that holds db_host, same and old."""
    put(home, "first.json", {"db_host": "1", "same": "1", "old": "1"})
    assert home.run("import", "svc", "first.json").code == 0
    return home


def put(home: Home, name: str, content: object) -> Path:
    """A file in the user's folder: bytes and text as they are, all else as JSON."""
    data = content if isinstance(content, (str, bytes)) else json.dumps(content)
    path = home.path / name
    path.write_bytes(data if isinstance(data, bytes) else data.encode())
    return path


def stored(home: Home, service: str = "svc") -> dict[str, str]:
    """Key → value of the service, as `export` gives them."""
    done = home.run("export", service)
    assert done.code == 0, done.err
    return json.loads(done.out)


def versions(home: Home, service: str = "svc") -> dict[str, int]:
    done = home.run("list", service)
    return {row.split()[0]: int(row.split()[1]) for row in done.out.splitlines()[1:]}


def table(text: str) -> list[tuple[str, str]]:
    """The rows of a plan, below its header."""
    header, *rows = [tuple(cell.strip() for cell in line.split("\t") if cell) for line in text.splitlines()]
    assert header == ("Change", "Key")
    return rows


# -- what is imported --------------------------------------------------------------------------------------

VALUES = {"a": "1", "b.c": " x ", "D": "0777"}

FILES = {
    "x.json": '{"a": "1", "b.c": " x ", "D": "0777"}',
    "x.yaml": "a: 1\nb.c: ' x '\nD: 0777\n",
    "x.YML": "a: 1\nb.c: ' x '\nD: 0777\n",
    "x.properties": "a=1\nb.c=\\ x \nD=0777\n",
    "x.csv": 'a,1\nb.c," x "\nD,0777\n',
    "x.tsv": "a\t1\nb.c\t x \nD\t0777\n",
    "x.env": "a=1\nb.c=' x '\nD=0777\n",
    "without-ending": "a: 1\nb.c: ' x '\nD: 0777\n",
    "x.unknown": '{"a": "1", "b.c": " x ", "D": "0777"}',
    "-": '{"a": 1, "b.c": " x ", "D": 0777}',
}


@pytest.mark.parametrize("name", FILES)
def test_the_ending_tells_the_format(home: Home, name: str) -> None:
    if name != "-":
        put(home, name, FILES[name])
    done = home.run("import", "Svc", name, stdin=FILES[name])
    assert (done.code, done.out) == (0, DONE.format(3)), done.err
    assert stored(home) == VALUES


def test_format_wins_over_the_ending(home: Home) -> None:
    put(home, "settings.json", "a=1\n")
    done = home.run("import", "svc", "settings.json", "--format", "dotenv")
    assert (done.code, done.out) == (0, DONE.format(1))
    assert stored(home) == {"a": "1"}


def test_values_keep_every_byte(home: Home) -> None:
    values = {"crlf": "\r\na\r\n", "tab": "\ta ", "emoji": "🔑", "long": "x" * 5000, "one": "\n"}
    put(home, "x.json", values)
    assert home.run("import", "svc", "x.json").code == 0
    assert stored(home) == values


def test_an_export_imports_as_it_was(filled: Home) -> None:
    for name in ("yaml", "java-properties", "csv", "tsv"):
        assert filled.run("export", "svc", "-f", name, "-o", "copy").code == 0
        done = filled.run("import", f"copy-{name}", "copy", "--format", name)
        assert done.out == DONE.format(3), done.err
        assert stored(filled, f"copy-{name}") == stored(filled)


def test_a_dotenv_export_finds_its_keys_again(filled: Home) -> None:
    assert filled.run("export", "svc", "-f", "dotenv", "-o", "copy.env").code == 0
    done = filled.run("import", "svc", "copy.env", "--prune")
    assert (done.code, done.err) == (0, "")
    assert done.out == "Successfully imported 3 secrets (3 of them unchanged, not rewritten)\n"


def test_keys_stay_as_they_are_spelled_unless_they_are_normalised(home: Home) -> None:
    put(home, "x.json", {"DB_USER": "root", "Api-Key": "x"})
    assert home.run("import", "exact", "x.json").code == 0
    assert home.run("import", "folded", "x.json", "--normalize-keys").code == 0
    assert set(stored(home, "exact")) == {"DB_USER", "Api-Key"}
    assert set(stored(home, "folded")) == {"db_user", "api-key"}


def test_an_empty_mapping_imports_nothing(home: Home) -> None:
    done = home.run("import", "svc", "-", stdin="{}")
    assert (done.code, done.out) == (0, DONE.format(0))


def test_chamber_says_and_does_the_same(home: Home) -> None:
    done = home.run("import", "svc", "-", "--backend", "local", stdin="n: 1\nDB_USER: x", program="chamber")
    assert (done.code, done.out) == (0, DONE.format(2)), done.err
    assert stored(home) == {"n": "1", "DB_USER": "x"}


# -- what is there already ---------------------------------------------------------------------------------


def test_unchanged_values_are_not_written_again(filled: Home) -> None:
    put(filled, "x.json", {"same": "1", "db_host": "2", "new": "1"})
    done = filled.run("import", "svc", "x.json")
    assert (done.code, done.err) == (0, "")
    assert done.out == "Successfully imported 3 secrets (1 of them unchanged, not rewritten)\n"
    assert versions(filled) == {"same": 1, "db_host": 2, "new": 1, "old": 1}


def test_force_writes_them_again(filled: Home) -> None:
    put(filled, "x.json", {"same": "1"})
    done = filled.run("import", "svc", "x.json", "--force")
    assert (done.code, done.out) == (0, DONE.format(1))
    assert versions(filled)["same"] == 2


def test_a_key_that_is_the_same_variable_updates_the_one_that_is_there(filled: Home) -> None:
    put(filled, "x.json", {"DB_HOST": "2"})
    done = filled.run("import", "svc", "x.json")
    assert done.code == 0
    assert "DB_HOST → db_host" in done.err
    assert stored(filled) == {"db_host": "2", "same": "1", "old": "1"}


def test_exact_key_keeps_both(filled: Home) -> None:
    put(filled, "x.json", {"DB_HOST": "2"})
    done = filled.run("import", "svc", "x.json", "--exact-key")
    assert (done.code, done.err) == (0, "")
    assert stored(filled) == {"db_host": "1", "DB_HOST": "2", "same": "1", "old": "1"}


def test_what_is_one_variable_depends_on_names(home: Home) -> None:
    assert home.run("import", "svc", "-", stdin="db.host: 1").code == 0
    assert home.run("import", "svc", "-", "--names", "chamber", stdin="DB_HOST: 2").code == 0
    assert stored(home) == {"db.host": "1", "DB_HOST": "2"}


def test_a_dry_run_shows_the_plan_without_values_and_writes_nothing(filled: Home) -> None:
    put(filled, "x.json", {"new": CANARY, "DB_HOST": CANARY, "same": "1"})
    done = filled.run("import", "svc", "x.json", "--dry-run", "--prune")
    assert (done.code, done.err) == (0, "")
    assert table(done.out) == [
        ("added", "new"),
        ("changed", "DB_HOST → db_host"),
        ("same", "same"),
        ("removed", "old"),
    ]
    assert CANARY not in done.out
    assert stored(filled) == {"db_host": "1", "same": "1", "old": "1"}


def test_a_dry_run_tells_what_force_does(filled: Home) -> None:
    done = filled.run("import", "svc", "-", "--dry-run", "--force", stdin="same: 1")
    assert table(done.out) == [("rewritten", "same")]


def test_a_dry_run_makes_no_store(home: Home) -> None:
    done = home.run("import", "svc", "-", "--dry-run", stdin="a: 1")
    assert (done.code, table(done.out)) == (0, [("added", "a")])
    nothing_was_written(home)


def test_tags_are_for_new_secrets(filled: Home) -> None:
    done = filled.run("import", "svc", "-", "--tags", "team=a,env=prod", "-t", "x=y", stdin="same: 2\nnew: 1")
    assert done.code == 0, done.err
    assert filled.run("tag", "read", "svc", "same").out.splitlines()[1:] == []
    rows = [row.split() for row in filled.run("tag", "read", "svc", "new").out.splitlines()[1:]]
    assert sorted(rows) == [["env", "prod"], ["team", "a"], ["x", "y"]]


# -- --prune -----------------------------------------------------------------------------------------------


def test_prune_with_yes_deletes_what_the_file_does_not_have(filled: Home) -> None:
    done = filled.run("import", "svc", "-", "--prune", "--yes", stdin="DB_HOST: 2\nnew: 1")
    assert done.code == 0
    assert done.out == "Successfully imported 2 secrets (2 others deleted)\n"
    assert stored(filled) == {"db_host": "2", "new": "1"}


def test_prune_where_nobody_can_be_asked_does_nothing(filled: Home) -> None:
    done = filled.run("import", "svc", "-", "--prune", stdin="db_host: 2")
    assert (done.code, done.out) == (2, "")
    assert "--yes" in done.err
    assert "old, same" in done.err
    assert stored(filled) == {"db_host": "1", "same": "1", "old": "1"}


def test_prune_with_nothing_to_delete_does_not_ask(filled: Home) -> None:
    done = filled.run("import", "svc", "first.json", "--prune")
    assert (done.code, done.err) == (0, "")


@pytest.mark.parametrize(("answer", "code"), [("y\n", 0), ("n\n", 1), ("\n", 1)])
def test_prune_asks_at_a_terminal(filled: Home, answer: str, code: int) -> None:
    put(filled, "x.json", {"db_host": CANARY})
    with Terminal(filled, "import", "svc", "x.json", "--prune") as terminal:
        terminal.expect("(old, same)")
        terminal.type(answer)
        assert terminal.wait() == code
        shown = terminal.screen
    assert CANARY not in shown
    if code:
        assert "nothing was written" in shown
        assert stored(filled) == {"db_host": "1", "same": "1", "old": "1"}
    else:
        assert stored(filled) == {"db_host": CANARY}


def test_progress_is_for_terminals(home: Home) -> None:
    put(home, "x.json", {"a": "1", "b": "2"})
    with Terminal(home, "import", "svc", "x.json") as terminal:
        assert terminal.wait() == 0
        shown = terminal.screen
    assert "importing 0/2" in shown
    assert "importing 2/2" in shown
    assert shown.endswith(DONE.format(2).replace("\n", "\r\n"))
    assert "importing" not in home.run("import", "svc", "x.json", "--force").err


# -- what is refused: nothing is written, no value is shown, and it is said what to do -----------------------


def nothing_was_written(home: Home) -> None:
    assert not (home.path / ".local").exists()
    assert not (home.path / ".config").exists()


BAD_FILES = {
    "malformed.json": (f'{{"a": "{CANARY}",\n "b" "x"}}', 1, ["malformed.json", "line 2, column 6"]),
    "malformed.yaml": (f"a: {CANARY}\nb: [x\n", 1, ["malformed.yaml", "line 3, column 1"]),
    "colon.yaml": (f"a: {CANARY}\nb: x: y\n", 1, ["line 2, column 5", "hint: "]),
    "cut-off.json": (f'{{"a": "{CANARY}', 1, ["line 1, column"]),
    "twice.json": (f'{{"a": "{CANARY}", "b": "1", "a": "2"}}', 1, ["'a' is there twice"]),
    "twice.yaml": (f"a: {CANARY}\nb: 1\na: 2\n", 1, ["'a' is there twice", "line 3"]),
    "twice.env": (f"a={CANARY}\na=2\n", 1, ["'a' is there twice"]),
    "twice.csv": (f"a,{CANARY}\na,2\n", 1, ["'a' is there twice"]),
    "null.json": (f'{{"b": "{CANARY}", "a": null}}', 1, ["'a' is null", "hint: "]),
    "null.yaml": (f"b: {CANARY}\na:\n", 1, ["'a' is null", "line 2", "hint: "]),
    "nested.json": (f'{{"b": "{CANARY}", "a": {{"c": 1}}}}', 1, ["'a' is nested", "hint: "]),
    "nested.yaml": (f"b: {CANARY}\na: [1]\n", 1, ["'a' is nested", "line 2", "hint: "]),
    "list.json": (f'["{CANARY}"]', 1, ["one object of keys and values"]),
    "list.yaml": (f"- {CANARY}\n", 1, ["one mapping of keys to values"]),
    "scalar.yaml": (f"{CANARY}\n", 1, ["one mapping of keys to values"]),
    "several.yaml": (f"a: {CANARY}\n---\nb: 1\n", 1, ["more than one document"]),
    "deep.json": ('{"a":' * 100_000, 1, ["nested too deeply"]),
    "key.json": (f'{{"a": "{CANARY}", "bad key": "1"}}', 2, ["'bad key'", "hint: "]),
    "slash.yaml": (f"a: {CANARY}\nb/c: 1\n", 2, ["'b/c'", "hint: "]),
    "unicode.json": (f'{{"a": "{CANARY}", "ключ": "1"}}', 2, ["'ключ'", "hint: "]),
    "empty-key.json": (f'{{"a": "{CANARY}", "": "1"}}', 2, ["''", "hint: "]),
    "one-variable.json": (
        f'{{"db-host": "{CANARY}", "DB_HOST": "1"}}',
        2,
        ["DB_HOST and db-host", "--exact-key"],
    ),
    "empty.json": ("", 1, ["empty.json is empty", "hint: "]),
    "blank.yaml": (" \n\n", 1, ["blank.yaml is empty", "hint: "]),
    "bom.json": (b"\xef\xbb\xbf", 1, ["bom.json is empty"]),
    "empty.csv": ("", 1, ["empty.csv is empty"]),
    "nul.json": (f'{{"a": "{CANARY}\\u0000"}}', 2, ["svc/a", "NUL", "hint: "]),
    "nul.yaml": (f"a: {CANARY}\nb: \0\n".encode(), 1, ["line 2"]),
    "nul.env": (f"a={CANARY}\0\n".encode(), 2, ["svc/a", "NUL", "hint: "]),
    "surrogate.json": (f'{{"a": "{CANARY}\\ud800"}}', 2, ["svc/a", "not UTF-8", "hint: "]),
    "latin-1.yaml": (
        f"a: {CANARY}\nb: ".encode() + b"\xe9\n",
        1,
        ["latin-1.yaml is not UTF-8", "line 2", "hint: "],
    ),
    "utf-16.json": (f'{{"a": "{CANARY}"}}'.encode("utf-16"), 1, ["utf-16.json is not UTF-8", "hint: "]),
    "binary.csv": (bytes(range(256)), 1, ["binary.csv is not UTF-8"]),
}


@pytest.mark.parametrize("name", BAD_FILES)
def test_a_bad_file_writes_nothing(home: Home, name: str) -> None:
    content, code, told = BAD_FILES[name]
    put(home, name, content)
    done = home.run("import", "svc", name)
    assert (done.code, done.out) == (code, ""), done.err
    assert done.err.startswith("vault-exec: error: ")
    assert "Traceback" not in done.err
    for text in told:
        assert text in done.err
    assert CANARY not in done.err
    nothing_was_written(home)


BAD_CALLS = {
    "missing file": (["import", "svc", "nowhere.json"], 2, ["nowhere.json", "No such file"]),
    "folder": (["import", "svc", "."], 2, ["Is a directory", "hint: "]),
    "no file": (["import", "svc"], 2, ["FILE", "hint: "]),
    "bad service": (["import", "bad service", "good.json"], 2, ["'bad service'", "hint: "]),
    "service with label": (["import", "svc:label", "good.json"], 2, ["'svc:label'", "hint: "]),
    "unknown format": (["import", "svc", "good.json", "--format", "toml"], 2, ["'toml'", "hint: ", "yaml"]),
    "format that is only written": (
        ["import", "svc", "good.json", "--format", "shell"],
        2,
        ["shell", "hint: "],
    ),
    "bad tag": (["import", "svc", "good.json", "--tags", "team"], 2, ["'team'"]),
    "folded alike": (["import", "svc", "alike.json", "--normalize-keys"], 2, ["Key and KEY"]),
    "file below a file": (["import", "svc", "good.json/x"], 2, ["Not a directory"]),
    "read-only backend": (["import", "svc", "good.json", "-b", "null"], 2, ["null", "cannot write"]),
}


@pytest.mark.parametrize("what", BAD_CALLS)
def test_a_bad_call_writes_nothing(home: Home, what: str) -> None:
    arguments, code, told = BAD_CALLS[what]
    put(home, "good.json", {"key": CANARY})
    put(home, "alike.json", {"Key": CANARY, "KEY": CANARY})
    done = home.run(*arguments)
    assert (done.code, done.out) == (code, ""), done.err
    assert done.err.startswith("vault-exec: error: ")
    assert "Traceback" not in done.err
    for text in told:
        assert text in done.err
    assert CANARY not in done.err
    nothing_was_written(home)


def test_empty_standard_input(home: Home) -> None:
    done = home.run("import", "svc", "-", stdin=b"")
    assert done.code == 1
    assert "standard input is empty" in done.err
    nothing_was_written(home)


def test_a_value_that_the_store_refuses_writes_none(filled: Home) -> None:
    put(filled, "x.json", {"first": "1", "long": "x" * (MAX_VALUE_BYTES + 1), "last": "1"})
    done = filled.run("import", "svc", "x.json")
    assert done.code == 2
    assert "svc/long" in done.err
    assert stored(filled) == {"db_host": "1", "same": "1", "old": "1"}


# -- a store that is far away --------------------------------------------------------------------------------


@pytest.fixture
def far(home: Home, proxy: Proxy) -> Home:
    """A user whose store is Parameter Store, behind the proxy."""
    return home.set(**aws_variables(proxy.url), VAULT_EXEC_BACKEND="ssm")


MANY = {f"key-{number:02}": CANARY for number in range(25)}


def test_an_import_reads_the_service_once_and_writes_what_changed(far: Home, proxy: Proxy) -> None:
    put(far, "x.json", MANY)
    assert far.run("import", "svc", "x.json").out == DONE.format(25)
    proxy.reset()
    put(far, "x.json", {**MANY, "key-07": "2", "key-13": "2", "new": "1"})
    done = far.run("import", "svc", "x.json")
    assert done.out == "Successfully imported 26 secrets (23 of them unchanged, not rewritten)\n", done.err
    assert proxy.counts.pop("PutParameter") == 3
    assert proxy.counts["GetParametersByPath"] == 3
    assert set(proxy.counts) <= {"GetParametersByPath", "GetParameters", "PutParameter"}
    assert stored(far) == {**MANY, "key-07": "2", "key-13": "2", "new": "1"}


def test_an_import_that_is_throttled_out_says_what_is_written_and_can_be_repeated(
    far: Home, proxy: Proxy
) -> None:
    put(far, "x.json", MANY)
    proxy.spoil("PutParameter", throttled, nth=11, times=ALWAYS)
    done = far.run("import", "svc", "x.json", "--retries", "1")
    assert (done.code, done.out) == (6, "")
    assert CANARY not in done.err
    written, not_written = done.err.splitlines()[0].partition("written: ")[2].split("; not written: ")
    assert len(written.split(", ")) == 10
    assert sorted(written.split(", ") + not_written.split(", ")) == list(MANY)
    proxy.reset()
    assert set(stored(far)) == set(written.split(", "))
    done = far.run("import", "svc", "x.json")
    assert done.out == "Successfully imported 25 secrets (10 of them unchanged, not rewritten)\n"
    assert proxy.counts["PutParameter"] == 15
    assert stored(far) == MANY


def test_ctrl_c_says_what_is_written(far: Home, proxy: Proxy) -> None:
    put(far, "x.json", MANY)
    proxy.spoil("PutParameter", delayed(5), nth=11, times=ALWAYS)
    process = subprocess.Popen(
        [SCRIPTS / "vault-exec", "import", "svc", "x.json"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=far.environ,
        cwd=far.path,
    )
    ends = time.monotonic() + 20
    while proxy.counts["PutParameter"] < 18 and time.monotonic() < ends:
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=20)
    assert (process.returncode, out) == (130, "")
    assert "interrupted; of service svc written: key-" in err
    assert "; not written: " in err
    assert "Traceback" not in err


def test_chambers_own_service_can_be_written_with_a_note_and_rules_the_others(far: Home) -> None:
    rules = json.dumps({"version": "1", "requiredTags": ["team"]})
    put(far, "rules.json", {"store-config": rules})
    done = far.run("import", "_chamber", "rules.json")
    assert (done.code, done.out) == (0, DONE.format(1))
    assert "_chamber" in done.err
    put(far, "x.json", {"a": CANARY, "b": CANARY})
    done = far.run("import", "svc", "x.json")
    assert (done.code, done.out) == (2, "")
    assert "--tags team=" in done.err
    assert far.run("export", "svc").code == 3
    done = far.run("import", "svc", "x.json", "--tags", "team=a")
    assert (done.code, done.out) == (0, DONE.format(2)), done.err
