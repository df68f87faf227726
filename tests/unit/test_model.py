from __future__ import annotations

import copy
import pickle

import pytest

from vault_exec.model import Secret, SecretId, Version

ID = SecretId("svc", "key")


def test_a_value_never_shows_in_a_repr() -> None:
    assert "canary" not in repr(Secret(ID, "canary", 1))


def test_records_are_immutable_and_compare_by_content() -> None:
    with pytest.raises(AttributeError):
        ID.key = "other"
    with pytest.raises(AttributeError):
        del ID.key
    assert SecretId("svc", "key") == ID
    assert SecretId("svc", "key2") != ID
    assert len({ID, SecretId("svc", "key")}) == 1
    assert Version(ID, 1) != Secret(ID, None, 1)


def test_ids_sort_by_service_then_key() -> None:
    ids = [SecretId("b", "a"), SecretId("a", "z"), SecretId("a", "b")]
    assert [str(id) for id in sorted(ids)] == ["a/b", "a/z", "b/a"]


def test_a_secret_is_not_pickled() -> None:
    with pytest.raises(TypeError):
        pickle.dumps(Secret(ID, "canary", 1))
    with pytest.raises(TypeError):
        copy.deepcopy(Secret(ID, "canary", 1))
