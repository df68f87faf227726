"""Which versions of a secret were ever current.

A write puts a new version beside the current one and then moves AWSCURRENT to it. One that loses the race, or
is killed in between, leaves a version that never was in force; history must not tell of it. So the id of each
version that we make (Secrets Manager takes the put's ClientRequestToken for it) names the version that its
writer saw as current: a version that another one names has been current.
"""

from __future__ import annotations

from hashlib import sha256

from vault_exec.errors import FormatError
from vault_exec_backends.secretsmanager.document import EMPTY, keeps

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from datetime import datetime

    from vault_exec_backends.secretsmanager.document import Document

CURRENT = "AWSCURRENT"
PREVIOUS = "AWSPREVIOUS"
PENDING = "AWSPENDING"

_OURS = "vault-exec-"
_MARK = 16  # hex digits of a hash; an id has 32 to 64 characters (API reference, PutSecretValue)


class Stored:
    """One version as ListSecretVersionIds tells it. created: UTC. stages: its staging labels."""

    __slots__ = ("created", "id", "stages")

    def __init__(self, id: str, created: datetime, stages: frozenset[str]) -> None:
        self.id = id
        self.created = created
        self.stages = stages


def first() -> str:
    """A new version id, for a version that is current from the moment it is put."""
    from os import urandom

    return urandom(16).hex()


def child_of(parent: str) -> str:
    """A new version id, for a version made from the one with this id ("": from none)."""
    from os import urandom

    return f"{_OURS}{_mark(parent)}-{urandom(16).hex()}"


def is_child(id: str, parent: str) -> bool:
    """Whether the version was made, by this program, from that one."""
    return id.startswith(f"{_OURS}{_mark(parent)}-")


def was_current(version: Stored, versions: Sequence[Stored]) -> bool | None:
    """Whether the version ever was current; None where only its content and a later one's can tell."""
    if CURRENT in version.stages or PREVIOUS in version.stages:
        return True
    if not version.id.startswith(_OURS):
        # Others put with AWSCURRENT at once; only a rotation puts AWSPENDING first.
        return PENDING not in version.stages
    if any(is_child(other.id, version.id) for other in versions):
        return True
    # Several may be made in one moment, so the dates alone do not tell which came first.
    before = {version.id, *_ancestors(version.id, versions)}
    followers = [other for other in versions if other.created >= version.created and other.id not in before]
    return None if any(not other.id.startswith(_OURS) for other in followers) else False


def ever_current(versions: Sequence[Stored], documents: Mapping[str, Document]) -> Sequence[Stored]:
    """Those that were, oldest first, the current one last. documents: the content of each version, by id."""
    ordered = sorted(versions, key=lambda version: (CURRENT in version.stages, version.created))
    genuine: list[Stored] = []
    follower: Stored | None = None
    for version in reversed(ordered):
        verdict = was_current(version, versions)
        if verdict is None:
            verdict = follower is not None and _follows(documents[follower.id], documents[version.id])
        if verdict:
            genuine.append(version)
            follower = version
    return genuine[::-1]


def _ancestors(id: str, versions: Sequence[Stored]) -> Iterator[str]:
    """The version that this one was made from, the one that was made from, and so on, as far as known."""
    marks = {_mark(other.id): other.id for other in versions}
    while id.startswith(_OURS):
        parent = marks.get(id[len(_OURS) :].partition("-")[0])
        if parent is None:
            return
        yield parent
        id = parent


def _follows(later: Document, earlier: Document) -> bool:
    """Whether the later content holds every key of the earlier one at the same version or a newer one."""
    try:
        return keeps(later, EMPTY, earlier)
    except FormatError:
        return False


def _mark(id: str) -> str:
    return sha256(id.encode()).hexdigest()[:_MARK]
