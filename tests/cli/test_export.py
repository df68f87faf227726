"""export: every format of every store's values, and files that nobody else can read."""

from __future__ import annotations

import json
import os
import re
import stat
import subprocess
import threading
from pathlib import Path

import pytest

from tests.support.commands import SCRIPTS, Home
from tests.support.filling import fill
from vault_exec import formats

CANARY = "canary-value"


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """A user with secrets, for tests that do not change the store."""
    return fill(
        Home(tmp_path_factory.mktemp("home")),
        {
            "svc": {"db-host": "h", "dot.ted": "d"},
            "other": {"db-host": "h2", "key": "k"},
            "lines": {"text": f"{CANARY}\n{CANARY}"},
            "empty": {},
        },
    )


@pytest.fixture
def file(filled: Home, tmp_path: Path) -> Path:
    return tmp_path / "out"


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


# -- formats -----------------------------------------------------------------------------------------------


def settled(text: str) -> str:
    """Without what is made anew each time: the delimiters of github-env."""
    return re.sub("end_[0-9a-f]{32}", "end", text)


@pytest.mark.parametrize("name", [*formats.FORMATS, *formats.ALIASES, "YAML"])
def test_every_format_is_printed_as_the_format_has_it(filled: Home, name: str) -> None:
    done = filled.run("export", "svc", "-f", name)
    options = formats.Options(services=("svc",))
    assert done.code == 0, done
    assert settled(done.out) == settled(formats.dump(name, {"db-host": "h", "dot.ted": "d"}, options))


def test_json_is_what_is_printed_unless_something_else_is_asked_for(filled: Home) -> None:
    assert json.loads(filled.run("export", "svc").out) == {"db-host": "h", "dot.ted": "d"}


def test_names_follow_the_style_where_the_format_can_hold_it(filled: Home) -> None:
    run = filled.run
    assert "DOT_TED=d" in run("export", "svc", "--format", "docker").out
    assert "DOT.TED=d" in run("export", "svc", "--format", "docker", "--names", "chamber").out
    assert "DOT.TED=d" in run("-b", "local", "export", "svc", "--format=docker", program="chamber").out


def test_several_services_are_merged_with_chambers_warning(filled: Home) -> None:
    done = filled.run("export", "svc", "OTHER")
    assert json.loads(done.out) == {"db-host": "h2", "dot.ted": "d", "key": "k"}
    assert done.err == "warning: parameter db-host specified more than once (overridden by service OTHER)\n"


def test_an_unknown_format_is_told_before_the_store_is_asked(filled: Home) -> None:
    done = filled.run("-b", "ssm", "export", "svc", "-f", "toml")
    assert (done.code, done.out) == (2, "")
    assert "'toml'" in done.err
    assert "dotenv" in done.err


def test_a_value_that_a_format_cannot_hold_writes_nothing(filled: Home, file: Path) -> None:
    file.write_text("before")
    done = filled.run("export", "lines", "-f", "docker", "-o", str(file))
    assert (done.code, done.out, file.read_text()) == (1, "", "before")
    assert "text" in done.err
    assert CANARY not in done.err
    assert os.listdir(file.parent) == ["out"]


def test_a_service_without_secrets_writes_nothing(filled: Home, file: Path) -> None:
    done = filled.run("export", "svc", "gone", "-o", str(file))
    assert (done.code, done.out) == (3, "")
    assert "--allow-missing" in done.err
    assert not file.exists()
    assert json.loads(filled.run("export", "gone", "--allow-missing").out) == {}
    assert json.loads(filled.run("-b", "null", "export", "gone").out) == {}


# -- files -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o377])
def test_a_new_file_is_for_its_owner_alone(filled: Home, file: Path, umask: int) -> None:
    words = [SCRIPTS / "vault-exec", "export", "svc", "-f", "csv", "--output-file", file]
    subprocess.run(words, env=filled.environ, umask=umask, check=True, timeout=30)
    assert file.read_text() == "db-host,h\ndot.ted,d\n"
    assert mode(file) & 0o077 == 0
    assert os.listdir(file.parent) == ["out"]


def test_a_file_that_others_could_read_is_replaced_by_one_that_they_cannot(filled: Home, file: Path) -> None:
    file.write_text("before")
    file.chmod(0o644)
    with file.open() as reader:  # who had it open keeps what was in it
        assert filled.run("export", "svc", "-f", "csv", "-o", str(file)).code == 0
        assert reader.read() == "before"
    assert file.read_text() == "db-host,h\ndot.ted,d\n"
    assert mode(file) == 0o600


def test_a_link_stays_a_link_and_its_target_is_written(filled: Home, file: Path) -> None:
    (file.parent / "folder").mkdir()
    file.symlink_to("folder/target")
    for _ in range(2):  # dangling, then to a file
        assert filled.run("export", "svc", "-f", "csv", "-o", str(file)).code == 0
        assert file.is_symlink()
        target = file.parent / "folder" / "target"
        assert target.read_text() == "db-host,h\ndot.ted,d\n"
        assert mode(target) == 0o600


def test_a_fifo_is_written_in_place(filled: Home, file: Path) -> None:
    os.mkfifo(file)
    got: list[str] = []
    reader = threading.Thread(target=lambda: got.append(file.read_text()))
    reader.start()
    assert filled.run("export", "svc", "-f", "csv", "-o", str(file)).code == 0
    reader.join(timeout=10)
    assert got == ["db-host,h\ndot.ted,d\n"]
    assert stat.S_ISFIFO(file.stat().st_mode)


@pytest.mark.parametrize("name", ["/dev/stdout", "/dev/fd/1", "link"])
def test_standard_output_by_name_is_standard_output(filled: Home, file: Path, name: str) -> None:
    if name == "link":
        link = file.parent / "link"
        link.symlink_to("/dev/stdout")
        name = str(link)
    script = 'echo before; vault-exec export svc -f csv -o "$0"; echo after'
    with file.open("wb") as out:
        subprocess.run(["sh", "-c", script, name], env=filled.environ, stdout=out, check=True, timeout=30)
    assert file.read_text() == "before\ndb-host,h\ndot.ted,d\nafter\n"
    piped = subprocess.run(
        ["sh", "-c", script, name], env=filled.environ, capture_output=True, text=True, timeout=30
    )
    assert piped.stdout == "before\ndb-host,h\ndot.ted,d\nafter\n"


def test_github_env_is_appended_to(filled: Home, file: Path) -> None:
    file.write_text("FIRST=1\n")
    file.chmod(0o640)
    assert filled.run("export", "svc", "-f", "github-env", "-o", str(file)).code == 0
    assert file.read_text().startswith("FIRST=1\n")
    assert "DB_HOST" in file.read_text()
    assert mode(file) == 0o640
    fresh = file.with_name("fresh")
    assert filled.run("export", "svc", "-f", "github-env", "-o", str(fresh)).code == 0
    assert mode(fresh) == 0o600


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("/no/such/folder/out", "No such file"),
        ("/", "Is a directory"),
        ("/dev/full", "No space left"),
        ("/dev/fd/99", "Bad file descriptor"),
        ("loop", "symbolic links"),
    ],
)
def test_what_cannot_be_written_is_told(filled: Home, file: Path, path: str, said: str) -> None:
    if path == "loop":
        loop = file.parent / "loop"
        loop.symlink_to("loop")
        path = str(loop)
    done = filled.run("export", "svc", "-o", path)
    assert (done.code, done.out) == (1, "")
    assert path in done.err
    assert said in done.err
    assert "Traceback" not in done.err


def test_a_full_disk_leaves_the_old_file(filled: Home, file: Path) -> None:
    file.write_text("before")
    script = 'ulimit -f 0; exec vault-exec export svc -o "$0"'
    done = subprocess.run(
        ["sh", "-c", script, str(file)], env=filled.environ, capture_output=True, text=True, timeout=30
    )
    assert done.returncode == 1
    assert "File too large" in done.stderr
    assert file.read_text() == "before"
    assert os.listdir(file.parent) == ["out"]
