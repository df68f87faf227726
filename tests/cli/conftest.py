"""Fixtures of the command line's tests."""

from __future__ import annotations

import pytest

from tests.support.commands import Home
from tests.support.filling import local_store


@pytest.fixture(scope="module")
def stocked(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """A user with a few secrets, for tests that only look."""
    home = Home(tmp_path_factory.mktemp("home"))
    with local_store(home) as store:
        store.write("app", "db-password", "first")
        store.write("app", "db-password", "second")
        store.write("app", "Mixed.Case", "exact")
        store.write("app", "gone", "x")
        store.delete("app", "gone")
        store.write("app/web", "port", "8080", tags={"team": "web"})
        store.write("other", "db-password", "8080")
        store.write("hostile", "tricks", HOSTILE)
        store.write("hostile", "lines", "one\ttab\ntwo")
    return home


HOSTILE = "a\x1b[2J\x7f\x9b\u202eb"
