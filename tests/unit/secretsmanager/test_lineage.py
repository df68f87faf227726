from __future__ import annotations

from datetime import UTC, datetime, timedelta

from vault_exec_backends.secretsmanager.document import EMPTY, Document
from vault_exec_backends.secretsmanager.lineage import (
    Stored,
    child_of,
    ever_current,
    first,
    is_child,
    was_current,
)

START = datetime(2026, 1, 1, tzinfo=UTC)


def stored(id: str, at: int, *stages: str) -> Stored:
    return Stored(id, START + timedelta(seconds=at), frozenset(stages))


def content(**versions: int) -> Document:
    document = EMPTY
    for key, version in versions.items():
        document = document.with_value(key, f"{key}{version}", version, f"t{version}", "me")
    return document


def test_ids_fit_the_service_and_name_their_parent() -> None:
    parent = first()
    child = child_of(parent)
    assert 32 <= len(parent) <= 64
    assert 32 <= len(child) <= 64
    assert is_child(child, parent)
    assert not is_child(child, first())
    assert not is_child(parent, child)
    assert child_of(parent) != child


def test_a_chain_of_ours_was_current_and_its_orphans_were_not() -> None:
    root = first()
    one = child_of(root)
    two = child_of(one)
    orphan = child_of(one)
    unfinished = child_of(two)
    versions = [
        stored(root, 0),
        stored(one, 1),
        stored(orphan, 2, "CHAMBER2"),
        stored(two, 3, "AWSCURRENT"),
        stored(unfinished, 4, "CHAMBER3"),
    ]
    documents = {
        root: content(a=1),
        one: content(a=2),
        two: content(a=3),
        orphan: content(a=3),
        unfinished: content(a=4),
    }
    assert [version.id for version in ever_current(versions, documents)] == [root, one, two]


def test_of_versions_of_one_moment_those_that_it_was_made_from_do_not_follow_it() -> None:
    root = first()
    one = child_of(root)
    two = child_of(one)
    orphan = child_of(one)
    versions = [stored(root, 0), stored(one, 0), stored(orphan, 0), stored(two, 0, "AWSCURRENT")]
    assert was_current(versions[2], versions) is False
    assert was_current(versions[2], [*versions, stored("f" * 36, 0)]) is None


def test_what_a_rollback_left_behind_was_current() -> None:
    root = first()
    one = child_of(root)
    versions = [stored(root, 0, "AWSCURRENT"), stored(one, 1, "AWSPREVIOUS")]
    assert [version.id for version in ever_current(versions, {root: content(a=1), one: content(a=2)})] == [
        one,
        root,
    ]


def test_before_a_version_of_chambers_the_content_decides() -> None:
    root = first()
    one, lost = child_of(root), child_of(root)
    versions = [stored(root, 0), stored(one, 1), stored(lost, 1), stored("f" * 36, 2, "AWSCURRENT")]
    documents = {root: content(a=1), one: content(a=2), lost: content(a=1, b=1), "f" * 36: content(a=2, c=1)}
    assert was_current(versions[1], versions) is None
    assert [version.id for version in ever_current(versions, documents)] == [root, one, "f" * 36]


def test_a_rotation_that_is_pending_was_not_current() -> None:
    versions = [stored("a" * 36, 0, "AWSCURRENT"), stored("b" * 36, 1, "AWSPENDING")]
    documents = {version.id: content(a=1) for version in versions}
    assert [version.id for version in ever_current(versions, documents)] == ["a" * 36]
