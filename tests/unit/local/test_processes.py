"""Many processes at once: one store, one key, and nothing lost."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.keyrings import RealKeyring
from tests.support.local import Place

KEY = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="  # the bytes 0 to 31


def finish(processes: list[subprocess.Popen[str]]) -> list[str]:
    printed = []
    for process in processes:
        out, err = process.communicate(timeout=120)
        assert process.returncode == 0, err
        printed.append(out)
    return printed


@pytest.mark.parametrize("source", ["keyring", "file", "passphrase", "environment"])
def test_twenty_first_writes_make_one_store_and_one_key(
    place: Place, tmp_path: Path, source: str, real_keyring: RealKeyring
) -> None:
    passphrase = tmp_path / "passphrase"
    passphrase.write_text("of twenty\n")
    passphrase.chmod(0o600)
    variables = {
        "keyring": real_keyring.environ,
        "file": {},
        "passphrase": {"VAULT_EXEC_PASSPHRASE_FILE": str(passphrase)},
        "environment": {"VAULT_EXEC_KEY": KEY},
    }[source]
    code = """
sys.stdin.readline()
store = open_store(notify=lambda note: print("note"))
assert store.write("svc", f"key-{sys.argv[1]}", f"value {sys.argv[1]}") == 1
print(tried(lambda: store.values("svc")[f"key-{sys.argv[1]}"]))
"""
    processes = [place.start(code, str(number), **variables) for number in range(20)]
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    printed = finish(processes)
    assert [out.splitlines()[-1] for out in printed] == [f"value {number}" for number in range(20)]
    assert sum(out.count("note") for out in printed) == 1
    wanted = {f"key-{number}": f"value {number}" for number in range(20)}
    assert place.open(**variables).values("svc") == wanted
    assert place.sql("SELECT source FROM header") == [(source,)]
    keys = list(place.key_folder.iterdir()) if place.key_folder.exists() else []
    assert len(keys) == (source == "file")


def test_writers_lose_nothing_of_each_other_while_the_key_changes(place: Place) -> None:
    place.open().write("svc", "both", "0")
    writer = """
with open_store() as store:
    for turn in range(40):
        store.write("svc", f"key-{sys.argv[1]}-{turn}", f"{turn}")
        print(store.write("svc", "both", f"{sys.argv[1]} {turn}"))
"""
    reader = """
for turn in range(100):
    with open_store() as store:
        values = store.values("svc")
        assert len(store.list("svc")) >= len(values)
print("read")
"""
    changer = """
with open_store() as store:
    for turn in range(20):
        store.rekey(wrap_only=turn % 2 == 0)
    print("changed")
"""
    processes = [
        place.start(writer, "0"),
        place.start(writer, "1"),
        place.start(reader),
        place.start(changer),
    ]
    first, second, read, changed = finish(processes)
    assert (read, changed) == ("read\n", "changed\n")
    versions = [[int(line) for line in out.split()] for out in (first, second)]
    assert all(own == sorted(own) for own in versions)
    assert sorted(versions[0] + versions[1]) == list(range(2, 82))
    values = place.open().values("svc")
    assert values.pop("both") in ("0 39", "1 39")
    assert values == {f"key-{number}-{turn}": f"{turn}" for number in range(2) for turn in range(40)}
    assert [version.version for version in place.open().history("svc", "both")] == list(range(1, 82))
    assert len(list(place.key_folder.iterdir())) == 1


def test_reading_imports_only_what_it_needs(place: Place) -> None:
    """Each of these costs exec milliseconds."""
    place.open().write("svc", "key", "value")
    dear = [
        "keyring",
        "threading",
        "json",
        "pathlib",
        "logging",
        "base64",
        "pwd",
        "socket",
        "shlex",
        "dataclasses",
    ]
    code = f"""
import sys
assert not set(sys.modules) & set({dear}), "the interpreter's own"
from vault_exec import settings
from vault_exec.store import Context
from vault_exec_backends import local
import os
environ = dict(os.environ)
print(local.open(Context(settings.load({{}}, environ), environ)).values("svc"))
print(sorted(set(sys.modules) & set({dear})))
"""
    done = subprocess.run(
        [sys.executable, "-I", "-c", code], env=place.environ, capture_output=True, text=True, check=True
    )
    assert done.stdout == "{'key': 'value'}\n[]\n"


def test_verbose_tells_of_each_step_and_no_value(place: Place) -> None:
    code = """
from vault_exec import settings
from vault_exec.store import Context
from vault_exec_backends import local
environ = dict(os.environ)
store = local.open(Context(settings.load({}, environ), environ, trace=print))
store.write("svc", "key", "of-no-concern")
store.values("svc")
"""
    steps = [" ".join(line.split()[:-2]) for line in place.run(code, VAULT_EXEC_KEY=KEY).splitlines()]
    assert steps == ["local:write", "local:read"]
    out = place.run(code, VAULT_EXEC_KEY=KEY)
    steps = [" ".join(line.split()[:-2]) for line in out.splitlines()]
    assert steps == ["local:read", "local:unlock environment", "local:write", "local:read"]
    assert "of-no-concern" not in out
