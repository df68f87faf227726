"""exec as a user meets it: the environment the program gets, the options, the exit codes, what is said."""

from __future__ import annotations

import os
import sqlite3
import subprocess
from pathlib import Path

import pytest

from tests.support.commands import SCRIPTS, Home, Result
from tests.support.filling import Services, fill, recorded_values
from tests.support.processes import VAULT_EXEC, raw_exec

CANARY = "canary-value"


@pytest.fixture
def filled(home: Home) -> Home:
    return fill(
        home,
        {
            "svc": {"db-host": "h", "url": "u", "dot.ted": "d"},
            "other": {"url": "u2", "key": "k"},
            "prod/web": {"url": "w"},
        },
    )


def environment(result: Result) -> dict[bytes, bytes]:
    """What `cat /proc/self/environ` or `env -0` printed."""
    assert result.code == 0, result
    return dict(entry.split(b"=", 1) for entry in result.out_bytes.split(b"\0") if entry)


def refused(result: Result, code: int = 125) -> str:
    """What was said when the program was not started."""
    assert result.code == code, result
    assert result.out == ""
    assert result.err.startswith(("vault-exec: error: ", "chamber: error: ")), result.err
    assert "Traceback" not in result.err
    assert CANARY not in result.err
    return result.err


# -- values ------------------------------------------------------------------------------------------------


def test_the_program_gets_every_recorded_value_byte_for_byte(home: Home) -> None:
    values = recorded_values()
    fill(home, values)
    for service in ("app", "prod/web", "imp2"):
        got = environment(home.run("exec", service, "--names", "chamber", "--", "env", "-0"))
        expected = {
            key.upper().replace("-", "_").encode(): value.encode() for key, value in values[service].items()
        }
        assert {name: got[name] for name in expected} == expected


def test_the_program_gets_nothing_but_what_was_inherited_and_the_secrets(filled: Home) -> None:
    got = environment(filled.run("exec", "svc", "--", "env", "-0"))
    plain = {name.encode(): value.encode() for name, value in filled.environ.items()}
    assert got == {**plain, b"DB_HOST": b"h", b"URL": b"u", b"DOT_TED": b"d"}


def test_hard_values_reach_the_program(home: Home) -> None:
    values = {
        "newlines": "\na\r\nb\n\n",
        "tabs": "\t \t",
        "quotes": "'\"`$(id)\\",
        "emoji": "🔑é\u2028",
        "controls": "".join(map(chr, range(1, 32))),
        "equals": "=a=b=",
        "long": "x" * 60_000,
        "empty": "",
    }
    fill(home, {"svc": values})
    got = environment(home.run("exec", "svc", "--", "env", "-0"))
    assert {name: got[name.upper().encode()].decode() for name in values} == values


def test_duplicates_bytes_and_malformed_entries(filled: Home) -> None:
    mine = [f"{name}={value}".encode() for name, value in filled.environ.items()]
    odd = [
        b"DUP=1",
        b"URL=old",
        b"DUP=2",
        b"URL=older",
        b"BYTES=\xff\xfe",
        b"=C:=x",
        b"malformed",
        b"",
        b"=x",
    ]
    words = ("exec", "other", "--", "cat", "/proc/self/environ")
    done = raw_exec(VAULT_EXEC, *words, entries=[*mine, *odd], cwd=filled.path)
    assert done.returncode == 0, done.stderr
    got = done.stdout.removesuffix(b"\0").split(b"\0")
    assert got == [*mine, b"DUP=1", b"DUP=2", b"BYTES=\xff\xfe", b"=C:=x", b"KEY=k", b"URL=u2"]
    assert b"vault-exec: note: 3 entries of the environment" in done.stderr
    assert b"malformed" not in done.stderr


def test_an_empty_environment_stays_empty(home: Home) -> None:
    words = ("--backend", "null", "exec", "svc", "--", "/bin/cat", "/proc/self/environ")
    done = raw_exec(VAULT_EXEC, *words, entries=[], cwd=home.path)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


WITHOUT_PROC = ["unshare", "--mount", *([] if os.geteuid() == 0 else ["--user", "--map-root-user"])]
WITHOUT_PROC += ["sh", "-c", 'mount -t tmpfs none /proc && exec "$@"', "sh"]


def proc_can_be_hidden() -> bool:
    try:
        return subprocess.run([*WITHOUT_PROC, "true"], capture_output=True).returncode == 0
    except OSError:
        return False


@pytest.mark.skipif(
    not proc_can_be_hidden(), reason="this machine does not let tests hide /proc (unshare --mount)"
)
def test_without_proc_the_environment_is_what_python_says(filled: Home) -> None:
    words = [
        str(SCRIPTS / "vault-exec"),
        "exec",
        "svc",
        "--pristine",
        "--no-clobber",
        "--",
        "/usr/bin/env",
        "-0",
    ]
    for more in (words, [word for word in words if word != "--pristine"]):
        done = subprocess.run([*WITHOUT_PROC, *more], env=filled.environ, capture_output=True, timeout=30)
        got = environment(Result(done.returncode, done.stdout, done.stderr))
        assert got[b"URL"] == b"u"
        assert (b"HOME" in got) == ("--pristine" not in more)


def test_the_c_locale_adds_nothing(home: Home) -> None:
    home.environ = {"HOME": str(home.path), "PATH": "/bin:/usr/bin", "LC_ALL": "C"}
    got = environment(home.run("-b", "null", "exec", "svc", "--", "env", "-0"))
    assert got == {name.encode(): value.encode() for name, value in home.environ.items()}


def test_what_opens_the_store_is_not_handed_on(filled: Home) -> None:
    names = (
        "VAULT_EXEC_PASSPHRASE",
        "VAULT_EXEC_PASSPHRASE_FILE",
        "VAULT_EXEC_KEY",
        "VAULT_EXEC_KEY_FILE",
        "VAULT_EXEC_NEW_KEY_FILE",
        "VAULT_EXEC_NEW_PASSPHRASE_FILE",
    )
    got = environment(
        filled.run("-b", "null", "exec", "x", "--", "env", "-0", env=dict.fromkeys(names, CANARY))
    )
    assert not {name.encode() for name in names} & got.keys()


def test_arguments_reach_the_program_verbatim(filled: Home) -> None:
    words = ["", "--", "-x", "--backend=no", "a b", "'\"\\", "ä\n", "--help", "\udcff\udcfe"]
    done = filled.run("exec", "svc", "--", "printf", "%s\\0", *words)
    assert done.out.split("\0")[:-1] == words


# -- options -----------------------------------------------------------------------------------------------


def test_services_are_merged_and_chambers_warning_is_chambers(filled: Home) -> None:
    done = filled.run("exec", "svc", "other", "--", "sh", "-c", "echo $URL $KEY $DB_HOST", env={"KEY": "old"})
    assert done.out == "u2 k h\n"
    assert done.err.splitlines() == [
        "warning: service other overwriting environment variable KEY",
        "warning: service other overwriting environment variable URL",
    ]


def test_quiet_says_nothing(filled: Home) -> None:
    done = filled.run("exec", "--quiet", "svc", "other", "--", "true", env={"KEY": "old"})
    assert (done.code, done.err) == (0, "")


def test_the_style_of_names_follows_the_program_and_the_option(filled: Home) -> None:
    run = filled.set(CHAMBER_SECRET_BACKEND="local").run
    show = ("--pristine", "--", "/usr/bin/env")
    assert "DOT_TED=d" in run("exec", "svc", *show).out
    assert "DOT.TED=d" in run("exec", "svc", *show, program="chamber").out
    assert "DOT.TED=d" in run("exec", "svc", "--names=chamber", *show).out
    assert "DOT_TED=d" in run("exec", "svc", "--names", "posix", *show, program="chamber").out
    assert "snake" in refused(run("exec", "svc", "--names", "snake", *show))


def test_filters_prefix_and_requirements(filled: Home) -> None:
    run = filled.run
    assert run(
        "exec", "svc", "--pristine", "--only", "D*", "--except", "dot*", "--prefix", "P_", "--require",
        "P_DB_HOST", "--", "/usr/bin/env",
    ).out == "P_DB_HOST=h\n"  # fmt: skip
    said = refused(
        run("exec", "svc", "--require", "URL", "--require", "NOPE", "--require", "NO2", "--", "true")
    )
    assert "NO2, NOPE" in said
    assert "--allow-missing" in refused(run("exec", "svc", "--only", "typo", "--", "true"))
    assert "BAD=" in refused(run("exec", "svc", "--prefix", "BAD=", "--", "true"))


def test_no_clobber(filled: Home) -> None:
    done = filled.run(
        "exec", "svc", "--no-clobber", "--", "sh", "-c", "echo $URL $DB_HOST", env={"URL": "mine"}
    )
    assert (done.out, done.err) == ("mine h\n", "")
    assert "--no-clobber" in refused(filled.run("exec", "svc", "--no-clobber", "--strict", "--", "true"))


def test_a_dry_run_tells_names_and_services_and_starts_nothing(filled: Home) -> None:
    done = filled.run("exec", "--dry-run", "svc", "other", "--", "touch", "started")
    assert [line.split() for line in done.out.splitlines()] == [
        ["Variable", "Service"],
        ["DB_HOST", "svc"],
        ["DOT_TED", "svc"],
        ["KEY", "other"],
        ["URL", "other"],
    ]
    assert done.code == 0
    assert not (filled.path / "started").exists()
    assert filled.run("exec", "--dry-run", "svc", "--", "/no/such").code == 127


def test_labels_where_the_store_has_none(filled: Home) -> None:
    assert "cannot label" in refused(filled.run("exec", "svc:blue", "--", "true"))


# -- strict: what chamber does, and what CHAMBER's users asked it to do ------------------------------------


@pytest.mark.parametrize(
    ("options", "inherited", "expected"),
    [
        ((), {"URL": "chamberme"}, {"URL": "w"}),
        (("--pristine",), {"URL": "chamberme"}, {"URL": "w"}),
        (("--strict-value", "fill", "--pristine"), {"URL": "fill"}, {"URL": "w"}),
        (("--strict-value", "fill"), {"URL": "fill", "NOPE": "chamberme"}, {"URL": "w", "NOPE": "chamberme"}),
        ((), {}, {}),
    ],
)
def test_strict_fills(
    filled: Home, options: tuple[str, ...], inherited: dict[str, str], expected: dict[str, str]
) -> None:
    done = filled.run("exec", "prod/web", "--strict", *options, "--", "/usr/bin/env", "-0", env=inherited)
    got = {name.decode(): value.decode() for name, value in environment(done).items()}
    base = {} if "--pristine" in options else filled.environ
    assert got == {**base, **expected}
    assert done.err == ""


@pytest.mark.parametrize(
    ("inherited", "named"),
    [
        ({"URL": CANARY, "NOPE": "chamberme"}, "URL"),
        ({"URL": "chamberme", "NOPE": "chamberme", "NOPE2": "chamberme"}, "NOPE, NOPE2"),
        ({"url": "chamberme"}, "url"),
    ],
)
def test_strict_refuses_and_never_shows_a_value(filled: Home, inherited: dict[str, str], named: str) -> None:
    said = refused(filled.run("exec", "prod/web", "--strict", "--", "true", env=inherited))
    assert named in said
    assert "chamberme`" not in said


def test_switches_take_goes_booleans(filled: Home) -> None:
    env = {"NOPE": "chamberme"}
    assert filled.run("exec", "svc", "--strict=false", "--", "true", env=env).code == 0
    assert "NOPE" in refused(filled.run("exec", "svc", "--strict=true", "--", "true", env=env))


# -- nothing is started ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("exec",), "no --"),
        (("exec", "svc", "true"), "no --"),
        (("exec", "svc", "--"), "no command"),
        (("exec", "--", "true"), "no service"),
        (("exec", "--bogus", "svc", "--", "true"), "--bogus"),
        (("exec", "svc", "--prefix", "--", "true"), "--prefix"),
        (("exec", "a//b", "--", "true"), "'a//b'"),
        (("exec", "bad service", "--", "true"), "'bad service'"),
        (("exec", "svc:", "--", "true"), "label"),
        (("--backend", "nosuch", "exec", "svc", "--", "true"), "nosuch"),
        (("exec", "svc", "--retries", "many", "--", "true"), "retries"),
    ],
)
def test_a_wrong_call_ends_with_125(filled: Home, words: tuple[str, ...], expected: str) -> None:
    assert expected in refused(filled.run(*words))


def test_the_hint_shows_the_form(filled: Home) -> None:
    assert "chamber exec SERVICE … -- COMMAND" in refused(
        filled.run("exec", "svc", "true", program="chamber")
    )


@pytest.mark.parametrize("services", [("gone",), ("svc", "gone"), ("gone", "svc")])
def test_a_service_without_secrets_starts_nothing(filled: Home, services: tuple[str, ...]) -> None:
    said = refused(filled.run("exec", *services, "--", "touch", "started"))
    assert "gone" in said
    assert "--allow-missing" in said
    assert not (filled.path / "started").exists()


def test_a_service_may_be_allowed_to_be_empty(filled: Home) -> None:
    run = filled.run
    assert run("exec", "gone", "svc", "--allow-missing", "--", "sh", "-c", "echo $URL").out == "u\n"
    assert run("exec", "gone", "--optional", "gone", "svc", "--", "sh", "-c", "echo $URL").out == "u\n"
    assert "other-gone" in refused(run("exec", "other-gone", "--optional", "gone", "svc", "--", "true"))
    config = filled.path / "config.toml"
    config.write_text('optional = ["gone"]\n')
    assert run("exec", "gone", "svc", "--", "true", env={"VAULT_EXEC_CONFIG": str(config)}).code == 0


def test_a_damaged_second_service_starts_nothing(filled: Home) -> None:
    [store] = filled.path.rglob("store.db")
    with sqlite3.connect(store) as database:
        database.execute("DELETE FROM secrets WHERE service = 'other' AND key = 'url'")
    database.close()
    refused(filled.run("exec", "svc", "other", "--", "touch", "started"))
    assert not (filled.path / "started").exists()


def test_null_is_empty_on_purpose(home: Home) -> None:
    done = home.run("-b", "null", "exec", "svc", "--", "sh", "-c", "echo ran")
    assert (done.code, done.out, done.err) == (0, "ran\n", "")


# -- exit codes and the command ----------------------------------------------------------------------------


@pytest.mark.parametrize("code", [0, 1, 7, 124, 255])
def test_the_programs_exit_code_is_ours(filled: Home, code: int) -> None:
    assert filled.run("exec", "svc", "--", "sh", "-c", f"exit {code}").code == code


def test_a_signal_that_ends_the_program_ends_us(filled: Home) -> None:
    assert filled.run("exec", "svc", "--", "sh", "-c", "kill -TERM $$").code == -15


def write(path: Path, text: str, mode: int = 0o755) -> str:
    path.write_text(text)
    path.chmod(mode)
    return str(path)


def test_commands_that_cannot_be_started(filled: Home) -> None:
    folder = filled.path
    plain = write(folder / "plain", "text\n", 0o644)
    script = write(folder / "script", "echo no first line\n")
    orphan = write(folder / "orphan", "#!/no/such/interpreter\n")
    windows = write(folder / "windows", "#!/bin/sh\r\necho\r\n")
    said = {
        name: refused(filled.run("exec", "svc", "--", *words), code)
        for name, words, code in [
            ("missing", ["no-such-command"], 127),
            ("missing file", ["/no/such/command"], 127),
            ("plain", [plain], 126),
            ("folder", [str(folder)], 126),
            ("script", [script], 126),
            ("orphan", [orphan], 127),
            ("windows", [windows], 127),
        ]
    }
    assert "no-such-command" in said["missing"]
    assert "chmod +x" in said["plain"]
    assert "directory" in said["folder"]
    assert "#!" in said["script"]
    assert "/no/such/interpreter" in said["orphan"]
    assert r"'/bin/sh\r'" in said["windows"]


def test_the_command_is_found_before_the_store_is_asked(home: Home) -> None:
    refused(home.run("-b", "ssm", "exec", "svc", "--", "no-such-command"), 127)


def test_a_secret_named_path_does_not_choose_the_command(home: Home) -> None:
    evil = home.path / "evil"
    evil.mkdir()
    write(evil / "date", "#!/bin/sh\necho evil\n")
    fill(home, {"svc": {"path": f"{evil}"}})
    done = home.run("exec", "svc", "--", "date", "+good")
    assert (done.code, done.out) == (0, "good\n")
    assert "warning: service svc sets PATH" in done.err
    assert home.run("exec", "svc", "--", "/bin/sh", "-c", "date").out == "evil\n"


def test_without_a_path_the_systems_own_is_searched(filled: Home) -> None:
    del filled.environ["PATH"]
    assert filled.run("exec", "svc", "--", "sh", "-c", "echo $URL").out == "u\n"


def test_a_secret_over_the_kernels_limit_is_named(home: Home) -> None:
    size = 32 * os.sysconf("SC_PAGESIZE")
    fill(home, {"svc": {"big": "v" * (size - 4), "fits": "v" * (size - 6)}})
    said = refused(home.run("exec", "svc", "--", "true"))
    assert "BIG (svc/big)" in said
    assert f"{size - 1:,}" in said
    done = home.run("exec", "svc", "--except", "big", "--", "env", "-0")
    assert len(environment(done)[b"FITS"]) == size - 6


# -- next to others ----------------------------------------------------------------------------------------


def test_many_at_once_get_the_same(filled: Home) -> None:
    words = [SCRIPTS / "vault-exec", "exec", "svc", "other", "--", "sh", "-c", "echo $DB_HOST $URL"]
    running = [
        subprocess.Popen(words, env=filled.environ, cwd=filled.path, stdout=subprocess.PIPE) for _ in range(6)
    ]
    assert {process.communicate(timeout=60)[0] for process in running} == {b"h u2\n"}


SERVICES: Services = {"one": {"a": "1", "b": "2"}, "two": {"b": "3"}}


def test_the_drop_in_on_parameter_store(aws_home: Home, moto: object) -> None:
    from tests.support.filling import fill_ssm

    fill_ssm(moto.url, SERVICES)  # type: ignore[attr-defined]
    done = aws_home.run("exec", "one", "TWO", "--", "sh", "-c", "echo $A $B", program="chamber")
    assert (done.code, done.out) == (0, "1 3\n")
    assert done.err == "warning: service TWO overwriting environment variable B\n"
    said = refused(aws_home.run("exec", "one", "gone", "--", "touch", "started", program="chamber"))
    assert "gone" in said
    assert not (aws_home.path / "started").exists()
