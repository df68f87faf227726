"""Fixtures of the local store's tests."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.local import Place


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """Where a store may be; there is none yet, and no keyring."""
    return Place(tmp_path)
