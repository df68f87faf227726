"""The locked requirements: each exact and hashed, tied to no index, and in step with pyproject.toml."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
GROUPS = PROJECT["dependency-groups"]
RUNTIME = PROJECT["project"]["dependencies"]
LOCKS = {
    "runtime": RUNTIME,
    "build": GROUPS["build"] + PROJECT["build-system"]["requires"],
    "dev": RUNTIME + GROUPS["build"] + [entry for entry in GROUPS["dev"] if isinstance(entry, str)],
    "lock": GROUPS["lock"],
}


def locked(name: str) -> dict[str, tuple[Requirement, list[str]]]:
    """The locked requirements of one file, by name, each with its hashes."""
    text = (ROOT / "requirements" / f"{name}.txt").read_text()
    found = {}
    for entry in text.replace("\\\n", " ").splitlines():
        if entry.strip() and not entry.lstrip().startswith("#"):
            stated, *hashes = entry.split("--hash=")
            requirement = Requirement(stated)
            assert canonicalize_name(requirement.name) not in found, f"{requirement.name} is locked twice"
            found[canonicalize_name(requirement.name)] = (requirement, [hash.strip() for hash in hashes])
    return found


def version(requirement: Requirement) -> str:
    (specifier,) = requirement.specifier
    return specifier.version


def test_these_are_all_the_locks() -> None:
    assert {path.stem for path in (ROOT / "requirements").iterdir()} == set(LOCKS)


@pytest.mark.parametrize("name", LOCKS)
def test_every_requirement_is_exact_and_hashed(name: str) -> None:
    for requirement, hashes in locked(name).values():
        assert [specifier.operator for specifier in requirement.specifier] == ["=="], requirement
        assert hashes, requirement
        assert all(len(hash.removeprefix("sha256:")) == 64 for hash in hashes), requirement


@pytest.mark.parametrize("name", LOCKS)
def test_no_index_is_named(name: str) -> None:
    """A lock must serve whoever fetches packages from another index than its author."""
    text = (ROOT / "requirements" / f"{name}.txt").read_text()
    assert "://" not in text
    assert {line.split("=")[0].strip() for line in text.splitlines() if line.lstrip().startswith("-")} == {
        "--hash"
    }


@pytest.mark.parametrize("name", LOCKS)
def test_what_the_project_asks_for_is_locked_within_its_bounds(name: str) -> None:
    found = locked(name)
    for stated in map(Requirement, LOCKS[name]):
        requirement, _ = found[canonicalize_name(stated.name)]
        assert stated.specifier.contains(version(requirement)), f"{stated} is stale: run make lock"


@pytest.mark.parametrize("name", ["runtime", "build"])
def test_the_tests_run_on_the_versions_that_ship(name: str) -> None:
    dev = locked("dev")
    for package, (requirement, _) in locked(name).items():
        assert version(dev[package][0]) == version(requirement)
