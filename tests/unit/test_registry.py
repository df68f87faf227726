from __future__ import annotations

from pathlib import Path

import pytest

from vault_exec import registry, settings
from vault_exec.checked import CheckedStore
from vault_exec.errors import ConfigError
from vault_exec.store import Context

BACKEND = """
from vault_exec.store import Features, Store

class Theirs(Store):
    name = "theirs"
    features = Features()
    values = read = list = services = None

def open(context):
    return Theirs()
"""


def context(backend: str, tmp_path: Path) -> Context:
    return Context(settings.load({"backend": backend}, {"HOME": str(tmp_path)}), {"HOME": str(tmp_path)})


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package of somebody else's with backends, one of which has taken the name of ours."""
    folder = tmp_path / "theirs-1.0.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text("Metadata-Version: 2.1\nName: theirs\nVersion: 1.0\n")
    (folder / "entry_points.txt").write_text(
        "[vault_exec.backends]\n"
        "Theirs = their_backend:open\n"
        "null = their_backend:open\n"
        "gone = no_such_module:open\n"
        "broken = their_broken_backend:open\n"
    )
    (tmp_path / "their_backend.py").write_text(BACKEND)
    (tmp_path / "their_broken_backend.py").write_text("raise RuntimeError('no')")
    monkeypatch.syspath_prepend(tmp_path)
    return tmp_path


@pytest.mark.parametrize("name", ["null", "NULL", "Null"])
def test_a_built_in_backend_in_any_case(tmp_path: Path, name: str) -> None:
    store = registry.open_store(context(name, tmp_path))
    assert isinstance(store, CheckedStore)
    assert store.name == "null"


def test_a_backend_of_another_package(installed: Path) -> None:
    assert registry.open_store(context("theirs", installed)).name == "theirs"
    assert registry.names()[-3:] == ["broken", "gone", "theirs"]


def test_a_package_cannot_take_the_place_of_ours(installed: Path) -> None:
    assert registry.open_store(context("null", installed)).name == "null"
    assert registry.names().count("null") == 1


def test_an_unknown_backend_names_those_there_are_and_where_the_name_came_from(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"no backend 'loacl' \(from --backend\)") as caught:
        registry.open_store(context("loacl", tmp_path))
    assert caught.value.hint is not None
    assert {"local", "null", "ssm"} <= set(caught.value.hint.removeprefix("the backends are: ").split(", "))


@pytest.mark.parametrize("name", ["gone", "broken"])
def test_a_backend_that_does_not_load_is_told(installed: Path, name: str) -> None:
    with pytest.raises(ConfigError, match=f"backend {name} is installed but does not load"):
        registry.open_store(context(name, installed))


def test_every_built_in_backend_loads(tmp_path: Path) -> None:
    for name in registry.BUILT_IN:
        assert callable(registry._factory(context(name, tmp_path)))
