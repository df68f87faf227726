"""Finding a command as execvp does, and measuring as the kernel does: both asked, not remembered."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.kernel import LONGEST, ask, split, total_limit
from vault_exec import launch
from vault_exec.environ import Environment, Variable
from vault_exec.errors import CommandNotFoundError, LaunchError, NotExecutableError

# -- finding the command -----------------------------------------------------------------------------------


def program(path: Path, says: str = "") -> Path:
    """A program of its own that prints `says`; a copied shell would be slower."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\necho {says}\n")
    path.chmod(0o755)
    return path


class Ground:
    """A place with folders for PATH."""

    def __init__(self, path: Path) -> None:
        self.path = path
        program(path / "one" / "found", "one")
        program(path / "two" / "found", "two")
        program(path / "two" / "second", "two")
        program(path / "here", "cwd")
        (path / "one" / "second").write_text("#!/bin/sh\necho not executable\n")
        (path / "one" / "plain").write_text("no program\n")
        (path / "one" / "folder").mkdir()
        program(path / "two" / "folder", "two")
        (path / "one" / "onlyfolder").mkdir()
        (path / "one" / "dangling").symlink_to("nowhere")
        (path / "one" / "loop").symlink_to("loop")
        (path / "one" / "linked").symlink_to(path / "two" / "found")
        os.mkfifo(path / "one" / "fifo")
        (path / "file").write_text("a file in PATH\n")
        program(path / "one" / "gone-interpreter", "x").write_text("#!/no/such/interpreter -x\n")

    def resolve(self, command: str, path: str | None) -> int | str:
        """What ours finds, or its exit code."""
        before = os.getcwd()
        os.chdir(self.path)
        try:
            return os.fsdecode(launch.resolve(os.fsencode(command), None if path is None else path.encode()))
        except LaunchError as error:
            return error.exit_code
        finally:
            os.chdir(before)

    def execvp(self, command: str, path: str | None) -> subprocess.CompletedProcess[str]:
        """What the C library's own search starts: env(1) is execvp(3) with an exit code."""
        environ = {} if path is None else {"PATH": path}
        return subprocess.run(
            ["/usr/bin/env", command], env=environ, cwd=self.path, capture_output=True, text=True, timeout=10
        )


@pytest.fixture(scope="module")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Ground:
    return Ground(tmp_path_factory.mktemp("ground"))


PATHS = [
    "{0}/one:{0}/two",
    "{0}/two:{0}/one",
    "{0}/none:{0}/file:{0}/two",
    "one:two",
    ":{0}/one",
    "{0}/one:",
    "",
]
COMMANDS = [
    "found",
    "second",
    "plain",
    "folder",
    "onlyfolder",
    "dangling",
    "linked",
    "here",
    "nowhere",
    "fifo",
    "./here",
    "one/found",
    "one/plain",
    "one/folder",
    "one/dangling",
    "one/fifo",
    "file/found",
    "no/such",
    ".",
    "",
]


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("path", PATHS)
def test_a_command_is_found_as_execvp_finds_it(ground: Ground, command: str, path: str) -> None:
    path = path.format(ground.path)
    ours = ground.resolve(command, path)
    theirs = ground.execvp(command, path)
    if isinstance(ours, int):
        assert theirs.returncode == ours
    else:
        file = ground.path / ours
        started = subprocess.run([file], cwd=ground.path, capture_output=True, text=True, timeout=10)
        assert (started.returncode, started.stdout) == (theirs.returncode, theirs.stdout)


def test_without_a_path_the_systems_own_is_searched(ground: Ground) -> None:
    assert ground.resolve("sh", None) in ("/bin/sh", "/usr/bin/sh")
    assert ground.resolve("found", None) == 127


def test_a_loop_of_links_cannot_be_executed(ground: Ground) -> None:
    with pytest.raises(NotExecutableError, match="loop"):
        launch.resolve(os.fsencode(ground.path / "one" / "loop"), b"")


def test_a_name_that_is_no_text_is_found(tmp_path: Path) -> None:
    name = os.fsencode(tmp_path) + b"/\xff\xfe"
    os.symlink("/bin/true", name)
    assert launch.resolve(b"\xff\xfe", os.fsencode(tmp_path)) == name


@pytest.mark.parametrize(
    ("command", "error", "words"),
    [
        ("plain", NotExecutableError, ["one/plain", "chmod +x"]),
        ("onlyfolder", NotExecutableError, ["one/onlyfolder", "directory"]),
        ("nowhere", CommandNotFoundError, ["nowhere", "in PATH"]),
        ("./nowhere", CommandNotFoundError, ["./nowhere"]),
        ("esc\x1b[2J", CommandNotFoundError, [r"'esc\x1b[2J'"]),
        ("", CommandNotFoundError, ["''"]),
    ],
)
def test_a_refusal_says_which_file_and_why(
    ground: Ground, command: str, error: type[LaunchError], words: list[str]
) -> None:
    with pytest.raises(error) as caught:
        launch.resolve(command.encode(), f"{ground.path}/one".encode())
    said = f"{caught.value} {caught.value.hint or ''}"
    assert all(word in said for word in words), said


# -- the kernel's limits -----------------------------------------------------------------------------------

only_linux = pytest.mark.skipif(sys.platform != "linux", reason="Linux's limits: execve(2)")


@only_linux
@pytest.mark.parametrize("over", [0, 1])
@pytest.mark.parametrize("stack", [256 << 10, 1 << 20, 8 << 20])
def test_the_total_is_measured_as_the_kernel_measures_it(stack: int, over: int) -> None:
    sizes = split(total_limit(stack) + over, 100_000)
    assert ask(stack, sizes) == (("too much",) * 2 if over else ("fits",) * 2)


@only_linux
@pytest.mark.parametrize("over", [0, 1])
def test_one_variable_is_measured_as_the_kernel_measures_it(over: int) -> None:
    assert ask(8 << 20, [LONGEST + over]) == (("too much",) * 2 if over else ("fits",) * 2)


@only_linux
@pytest.mark.parametrize("over", [0, 1])
def test_one_argument_is_measured_as_the_kernel_measures_it(over: int) -> None:
    assert ask(8 << 20, [], [LONGEST + over]) == (("too much",) * 2 if over else ("fits",) * 2)


@pytest.fixture
def check() -> Callable[[Environment], str]:
    def message(child: Environment) -> str:
        with pytest.raises(LaunchError) as caught:
            launch.check_size(b"/bin/true", [b"true"], child)
        assert caught.value.exit_code == 125
        return f"{caught.value} {caught.value.hint}"

    return message


@only_linux
def test_a_secret_that_is_too_long_is_named_with_its_key(check: Callable[[Environment], str]) -> None:
    said = check(Environment([], [Variable("BIG", "svc", "big", "v" * (LONGEST + 1))]))
    assert "BIG (svc/big)" in said
    assert f"{LONGEST + 5:,}" in said
    assert f"{LONGEST:,}" in said
    assert "vvv" not in said


@only_linux
def test_too_much_in_all_names_the_largest(check: Callable[[Environment], str]) -> None:
    secrets = [Variable(f"N{n}", "svc", f"n{n}", "v" * 100_000) for n in range(70)]
    said = check(Environment([(b"MINE", b"v" * 110_000)], secrets))
    assert "MINE (inherited) with 110,005" in said
    assert "vvv" not in said


def test_nothing_at_all_fits() -> None:
    launch.check_size(b"/bin/true", [b"true"], Environment([], []))


def test_the_ground_of_these_tests_is_what_it_should_be(ground: Ground) -> None:
    assert stat.S_ISFIFO((ground.path / "one" / "fifo").stat().st_mode)
    assert ground.execvp("found", f"{ground.path}/one").stdout == "one\n"
