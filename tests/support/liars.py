"""Stores that lie, each in one way, and the contract on each: `pytest tests/support/liars.py` must fail.

`caught_by` names the tests of the contract that must catch the lie; tests/contract/test_lying_stores.py runs
them.
"""

from __future__ import annotations

import time
import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import timedelta, timezone

from tests.support.memory import Entry, Memory, MemoryContract, MemoryStore
from vault_exec.errors import (
    ConflictError,
    InvalidValueError,
    NotFoundError,
    SecretNotFound,
    ServiceNotFound,
    UsageError,
    VaultExecError,
)
from vault_exec.model import Secret, SecretId, Version


class Liar(MemoryStore):
    caught_by: tuple[str, ...] = ()
    refused_values: frozenset[str] = frozenset()


# -- what is returned is not all ---------------------------------------------------------------------------


class DropsAPage(Liar):
    caught_by = ("test_more_keys_than_a_page",)

    def list(self, service: str, *, values: bool = False, label: str | None = None) -> Sequence[Secret]:
        return super().list(service, values=values, label=label)[:50]


class DropsAPageOfNames(Liar):
    caught_by = ("test_more_keys_than_a_page",)

    def list(self, service: str, *, values: bool = False, label: str | None = None) -> Sequence[Secret]:
        return super().list(service, values=values, label=label)[: None if values else 50]


class DropsAPageOfServices(Liar):
    caught_by = ("test_more_services_than_a_page",)

    def services(self, prefix: str = "") -> Sequence[str]:
        return super().services(prefix)[:50]


class DropsAPageOfHistory(Liar):
    caught_by = ("test_history_is_complete_and_oldest_first",)

    def history(self, service: str, key: str | None = None) -> Sequence[Version]:
        return super().history(service, key)[:100]


class LooksUpOnePage(Liar):
    caught_by = ("test_more_keys_than_a_page",)

    def current(self, service: str, keys: Iterable[str]) -> dict[str, str]:
        return super().current(service, list(keys)[:10])


class ReturnsAPartOnError(Liar):
    caught_by = ("test_a_damaged_service_is_an_error_and_never_a_part",)

    def entries(self, service: str) -> dict[str, Entry]:
        try:
            return super().entries(service)
        except ServiceNotFound:
            raise
        except VaultExecError:
            ids = [id for id in sorted(self.memory.entries) if id.service == service]
            return {id.key: self.memory.entries[id] for id in ids if id not in self.memory.broken}


class ForgetsAKeyWhenRowsVanish(Liar):
    caught_by = ("test_a_damaged_service_is_an_error_and_never_a_part",)

    def check(self, service: str, found: Mapping[str, Entry]) -> None:
        self.memory.manifest = {id for id in self.memory.manifest if id in self.memory.entries}
        super().check(service, found)


class SaysNotFoundOnError(Liar):
    caught_by = ("test_a_damaged_service_is_an_error_and_never_a_part",)

    def check(self, service: str, found: Mapping[str, Entry]) -> None:
        try:
            super().check(service, found)
        except VaultExecError:
            raise ServiceNotFound(f"service {service} holds no secret", service=service) from None


# -- values are not what was written -----------------------------------------------------------------------


class Spoils(Liar):
    """Writes something else than it was given."""

    caught_by = ("test_values_are_kept_byte_for_byte",)

    def spoil(self, value: str) -> str:
        raise NotImplementedError

    def write(self, service: str, key: str, value: str, **options: object) -> int:
        return super().write(service, key, self.spoil(value), **options)


class StripsWhiteSpace(Spoils):
    def spoil(self, value: str) -> str:
        return value.strip()


class StripsTheLastNewline(Spoils):
    def spoil(self, value: str) -> str:
        return value.removesuffix("\n")


class TurnsCrlfIntoLf(Spoils):
    def spoil(self, value: str) -> str:
        return value.replace("\r\n", "\n")


class NormalisesCharacters(Spoils):
    def spoil(self, value: str) -> str:
        return unicodedata.normalize("NFC", value)


class LacksWideCharacters(Spoils):
    def spoil(self, value: str) -> str:
        return "".join(character if character < "\U00010000" else "?" for character in value)


class ReadsNumbers(Spoils):
    def spoil(self, value: str) -> str:
        return str(int(value)) if value.isdecimal() else value


class ExpandsTemplates(Spoils):
    def spoil(self, value: str) -> str:
        return value.replace("{{ name }}", "")


class CutsAt4096(Spoils):
    def spoil(self, value: str) -> str:
        return value.encode()[:4096].decode(errors="ignore")


class CutsTheLongest(Spoils):
    caught_by = ("test_the_longest_value_is_kept_and_one_byte_more_is_refused",)

    def spoil(self, value: str) -> str:
        return value[:9_999]


class TakesEmptyForMissing(Liar):
    caught_by = ("test_an_empty_value_is_kept_or_refused",)

    def current(self, service: str, keys: Iterable[str]) -> dict[str, str]:
        return {key: value for key, value in super().current(service, keys).items() if value}


class AddsItsMetadata(Liar):
    caught_by = ("test_a_write_is_seen_by_whoever_opens_the_store_next",)

    def values(self, service: str, label: str | None = None) -> dict[str, str]:
        return {**super().values(service, label), "_metadata": "{}"}


class HandsOutItsOwnValues(Liar):
    caught_by = ("test_what_a_caller_does_to_the_values_changes_nothing",)

    def values(self, service: str, label: str | None = None) -> dict[str, str]:
        if not hasattr(self, "kept"):
            self.kept = super().values(service, label)
        return self.kept


# -- names -------------------------------------------------------------------------------------------------


class MixesTwoServices(Liar):
    caught_by = ("test_services_are_never_mixed",)

    def list(self, service: str, *, values: bool = False, label: str | None = None) -> Sequence[Secret]:
        names = [name for name in self.services(service) if name != service]
        mixed = [secret for name in names for secret in super(Liar, self).list(name, values=values)]
        own = list(super().list(service, values=values, label=label))
        return sorted([*own, *mixed], key=lambda secret: secret.id.key)


class TakesNestedServicesForKeys(Liar):
    caught_by = ("test_services_are_never_mixed",)

    def values(self, service: str, label: str | None = None) -> dict[str, str]:
        nested = [name for name in self.services(service + "/")]
        found = {}
        for name in nested:
            found.update(super().values(name))
        return {**found, **super().values(service, label)}


class ServesAParentThatIsNotThere(Liar):
    caught_by = ("test_services_are_never_mixed",)

    def services(self, prefix: str = "") -> Sequence[str]:
        names = {id.service for id, entry in self.memory.entries.items() if entry.alive}
        names |= {name.rpartition("/")[0] for name in names if "/" in name}
        return sorted(name for name in names if name.startswith(prefix))


class FoldsCase(Liar):
    caught_by = ("test_keys_are_spelled_exactly",)

    def write(self, service: str, key: str, value: str, **options: object) -> int:
        return super().write(service, key.lower(), value, **options)

    def entry(self, service: str, key: str) -> Entry:
        return super().entry(service, key.lower())


class FindsAnotherCase(Liar):
    caught_by = ("test_keys_are_spelled_exactly",)

    def read(self, service: str, key: str, version: int | str | None = None) -> Secret:
        try:
            return super().read(service, key, version)
        except SecretNotFound:
            return super().read(service, key.lower(), version)


class SortsWithoutCase(Liar):
    caught_by = ("test_keys_are_spelled_exactly",)

    def list(self, service: str, *, values: bool = False, label: str | None = None) -> Sequence[Secret]:
        found = super().list(service, values=values, label=label)
        return sorted(found, key=lambda secret: secret.id.key.lower())


class HoldsAnEmptyService(Liar):
    caught_by = ("test_a_service_without_secrets_is_not_found", "test_a_deleted_secret_is_gone")

    def list(self, service: str, *, values: bool = False, label: str | None = None) -> Sequence[Secret]:
        try:
            return super().list(service, values=values, label=label)
        except ServiceNotFound:
            return []


# -- writing -----------------------------------------------------------------------------------------------


class AcknowledgesAndLoses(Liar):
    """What it wrote, it shows itself, and nobody else ever sees."""

    caught_by = ("test_a_write_is_seen_by_whoever_opens_the_store_next",)

    def __init__(self, memory: Memory) -> None:
        super().__init__(Memory())


class LosesAWriteNowAndThen(Liar):
    caught_by = ("test_more_keys_than_a_page", "test_write_many_writes_all_and_tells_of_each")

    def write(self, service: str, key: str, value: str, **options: object) -> int:
        self.count = getattr(self, "count", 0) + 1
        return 1 if self.count % 4 == 0 else super().write(service, key, value, **options)


class KeepsWhatItReadFirst(Liar):
    caught_by = ("test_a_change_is_seen_by_a_store_that_was_open_before",)

    def values(self, service: str, label: str | None = None) -> dict[str, str]:
        self.cache = getattr(self, "cache", {})
        if service not in self.cache:
            self.cache[service] = super().values(service, label)
        return dict(self.cache[service])


class ReusesAVersion(Liar):
    caught_by = ("test_versions_count_up_for_each_key", "test_history_is_complete_and_oldest_first")

    def write(self, service: str, key: str, value: str, **options: object) -> int:
        entry = self.memory.entries.get(SecretId(service, key))
        if entry is None or entry.latest % 3:
            return super().write(service, key, value, **options)
        entry.values[entry.latest] = value
        return entry.latest


class CountsVersionsOfTheStore(Liar):
    caught_by = ("test_versions_count_up_for_each_key",)

    def write(self, service: str, key: str, value: str, **options: object) -> int:
        super().write(service, key, value, **options)
        return sum(len(entry.events) for entry in self.memory.entries.values())


class CountsFromOneAfterADeletion(Liar):
    caught_by = ("test_a_deleted_secret_can_come_back",)

    def delete(self, service: str, key: str) -> None:
        super().delete(service, key)
        del self.memory.entries[SecretId(service, key)]


class SkipsTheSameValue(Liar):
    caught_by = ("test_the_same_value_again_is_a_new_version",)

    def write(self, service: str, key: str, value: str, **options: object) -> int:
        return super().write(service, key, value, **{**options, "skip_unchanged": True})


class NeverSkips(Liar):
    caught_by = ("test_skip_unchanged_writes_only_what_differs",)

    def write(self, service: str, key: str, value: str, **options: object) -> int:
        return super().write(service, key, value, **{**options, "skip_unchanged": False})


class SkipsWhatItEverHeld(Liar):
    caught_by = ("test_skip_unchanged_writes_only_what_differs",)

    def write(
        self, service: str, key: str, value: str, *, skip_unchanged: bool = False, **options: object
    ) -> int:
        entry = self.memory.entries.get(SecretId(service, key))
        if skip_unchanged and entry and value in entry.values.values():
            return entry.latest
        return super().write(service, key, value, **options)


class IgnoresIfVersion(Liar):
    caught_by = ("test_create_only_does_not_overwrite", "test_compare_and_swap")

    def write(
        self, service: str, key: str, value: str, *, if_version: int | None = None, **options: object
    ) -> int:
        return super().write(service, key, value, **options)


class SaysSuccessOnAFailedIfVersion(Liar):
    caught_by = ("test_create_only_does_not_overwrite", "test_compare_and_swap")

    def write(self, service: str, key: str, value: str, **options: object) -> int:
        try:
            return super().write(service, key, value, **options)
        except ConflictError:
            return self.read(service, key).version


class ComparesThenSwaps(Liar):
    """In two steps, so that somebody else fits between."""

    caught_by = ("test_of_two_that_swap_at_once_one_wins",)

    def write(
        self, service: str, key: str, value: str, *, if_version: int | None = None, **options: object
    ) -> int:
        if if_version is not None:
            if self.read(service, key).version != if_version:
                raise ConflictError(f"{service}/{key} has changed")
            time.sleep(0.1)
        return super().write(service, key, value, **options)


class RewritesTheWholeServiceUnconditionally(Liar):
    """As a JSON object that holds all keys is, by a writer that does not look whether it has changed."""

    caught_by = ("test_two_writers_at_once_lose_no_key",)

    def write(self, service: str, key: str, value: str, **options: object) -> int:
        with self.memory.lock:
            before = dict(self.memory.entries)
        time.sleep(0.002)
        with self.memory.lock:
            version = super().write(service, key, value, **options)
            written = SecretId(service, key)
            self.memory.entries = {**before, written: self.memory.entries[written]}
            self.memory.manifest = set(self.memory.entries)
            return version


class WritesUntilAValueIsRefused(Liar):
    """Looks at its own limits one value at a time, when others are in the store already."""

    caught_by = ("test_write_many_checks_all_before_it_writes_any",)
    refused_values = frozenset(["template"])

    def write(self, service: str, key: str, value: str, **options: object) -> int:
        if "{{" in value:
            raise InvalidValueError(f"the value of {service}/{key} holds {{{{")
        return super().write(service, key, value, **options)


class RefusesAfterTheWrite(Liar):
    caught_by = ("test_values_are_kept_byte_for_byte",)
    refused_values = frozenset(["template"])

    def write(self, service: str, key: str, value: str, **options: object) -> int:
        version = super().write(service, key, value, **options)
        if "{{" in value:
            raise InvalidValueError(f"the value of {service}/{key} holds {{{{")
        return version


class WritesOneBatchOfMany(Liar):
    caught_by = ("test_more_keys_than_a_page",)

    def write_many(self, service: str, values: Mapping[str, str], **options: object) -> None:
        super().write_many(service, dict(list(values.items())[:10]), **options)


class WritesManyAndTellsNothing(Liar):
    caught_by = ("test_write_many_writes_all_and_tells_of_each",)

    def write_many(
        self, service: str, values: Mapping[str, str], *, tags: Mapping[str, str] | None = None, **_: object
    ) -> None:
        super().write_many(service, values, tags=tags)


class ReplacesTheServiceByMany(Liar):
    caught_by = ("test_write_many_writes_all_and_tells_of_each",)

    def write_many(self, service: str, values: Mapping[str, str], **options: object) -> None:
        others = [id.key for id in self.memory.manifest if id.service == service and id.key not in values]
        super().write_many(service, values, **options)
        self.delete_many(service, others)


# -- deleting ----------------------------------------------------------------------------------------------


class DeletesOnlyTheLatestVersion(Liar):
    caught_by = ("test_a_deleted_secret_is_gone",)

    def delete(self, service: str, key: str) -> None:
        entry = self.entry(service, key)
        if len(entry.values) == 1:
            super().delete(service, key)
        else:
            del entry.values[entry.latest]


class KeepsOldVersionsOfTheDeleted(Liar):
    caught_by = ("test_history_tells_of_deletions",)

    def read(self, service: str, key: str, version: int | str | None = None) -> Secret:
        self.old = getattr(self, "old", {})
        if isinstance(version, int):
            return Secret(SecretId(service, key), "old", version)
        return super().read(service, key, version)


class DeletesWhatIsNotThere(Liar):
    caught_by = ("test_a_secret_that_is_not_there_cannot_be_deleted",)

    def delete(self, service: str, key: str) -> None:
        try:
            super().delete(service, key)
        except SecretNotFound:
            return


class DeletesThePrefix(Liar):
    caught_by = ("test_services_are_never_mixed",)

    def delete(self, service: str, key: str) -> None:
        super().delete(service, key)
        for id in list(self.memory.manifest):
            if str(id).startswith(f"{service}/{key}/"):
                super().delete(id.service, id.key)


class ListsServicesOfTheDeleted(Liar):
    caught_by = ("test_a_deleted_secret_is_gone",)

    def services(self, prefix: str = "") -> Sequence[str]:
        return sorted({id.service for id in self.memory.entries if id.service.startswith(prefix)})


class DeletesAllOfMany(Liar):
    caught_by = ("test_delete_many_deletes_those_and_tells_of_each",)

    def delete_many(self, service: str, keys: Iterable[str], **options: Callable[[str], None]) -> None:
        keys = list(keys)
        super().delete_many(service, keys, **options)
        super().delete_many(service, [id.key for id in set(self.memory.manifest) if id.service == service])


# -- history -----------------------------------------------------------------------------------------------


class ForgetsAVersion(Liar):
    caught_by = ("test_an_old_version_keeps_its_value",)

    def write(self, service: str, key: str, value: str, **options: object) -> int:
        version = super().write(service, key, value, **options)
        self.entry(service, key).values.pop(version - 2, None)
        return version


class ForgetsAnEvent(Liar):
    caught_by = (
        "test_history_is_complete_and_oldest_first",
        "test_the_history_of_a_service_has_every_version_of_every_key",
    )

    def history(self, service: str, key: str | None = None) -> Sequence[Version]:
        events = super().history(service, key)
        return [event for event in events if event.version != 2]


class TellsHistoryNewestFirst(Liar):
    caught_by = ("test_history_is_complete_and_oldest_first",)

    def history(self, service: str, key: str | None = None) -> Sequence[Version]:
        return super().history(service, key)[::-1]


class TellsHistoryKeyByKey(Liar):
    caught_by = ("test_the_history_of_a_service_has_every_version_of_every_key",)

    def history(self, service: str, key: str | None = None) -> Sequence[Version]:
        return sorted(super().history(service, key), key=lambda event: (event.id.key, event.version))


class KnowsNothingWithoutSayingSo(Liar):
    caught_by = ("test_nothing_is_known_of_a_secret_that_never_was",)

    def history(self, service: str, key: str | None = None) -> Sequence[Version]:
        try:
            return super().history(service, key)
        except NotFoundError:
            return []


class GivesTheLatestForAnyVersion(Liar):
    caught_by = ("test_an_old_version_keeps_its_value", "test_history_is_complete_and_oldest_first")

    def read(self, service: str, key: str, version: int | str | None = None) -> Secret:
        return super().read(service, key, None)


class KeepsDeletionsSecret(Liar):
    caught_by = ("test_history_tells_of_deletions",)

    def history(self, service: str, key: str | None = None) -> Sequence[Version]:
        return [event for event in super().history(service, key) if not event.deleted]


class ForgetsWho(Liar):
    caught_by = ("test_history_is_complete_and_oldest_first",)

    def secret(self, service: str, key: str, entry: Entry, version: int | str | None) -> Secret:
        secret = super().secret(service, key, entry, version)
        return Secret(secret.id, secret.value, secret.version, secret.created, None)


class TellsLocalTimes(Liar):
    caught_by = ("test_times_are_in_utc_and_now",)

    def secret(self, service: str, key: str, entry: Entry, version: int | str | None) -> Secret:
        secret = super().secret(service, key, entry, version)
        local = secret.created.astimezone(timezone(timedelta(hours=2)))
        return Secret(secret.id, secret.value, secret.version, local, secret.created_by)


class TellsTheTimeOfTheFirstVersion(Liar):
    caught_by = ("test_history_is_complete_and_oldest_first",)

    def secret(self, service: str, key: str, entry: Entry, version: int | str | None) -> Secret:
        secret = super().secret(service, key, entry, version)
        return Secret(secret.id, secret.value, secret.version, entry.events[0].created, secret.created_by)


# -- tags and labels ---------------------------------------------------------------------------------------


class LosesTagsOnRewrite(Liar):
    caught_by = ("test_tags_stay_when_the_value_changes_and_go_with_the_secret",)

    def write(self, service: str, key: str, value: str, **options: object) -> int:
        version = super().write(service, key, value, **options)
        if version > 1:
            self.entry(service, key).tags = {}
        return version


class KeepsTagsOfTheDeleted(Liar):
    caught_by = ("test_tags_stay_when_the_value_changes_and_go_with_the_secret",)

    def delete(self, service: str, key: str) -> None:
        entry = self.entry(service, key)
        kept = entry.tags
        super().delete(service, key)
        entry.tags = kept


class ReplacesAllTags(Liar):
    caught_by = ("test_tags_are_added_changed_and_removed",)

    def write_tags(
        self, service: str, key: str, tags: Mapping[str, str], *, delete_others: bool = False
    ) -> None:
        super().write_tags(service, key, tags, delete_others=True)


class DropsTagsOfAnExistingSecret(Liar):
    caught_by = ("test_a_write_with_tags_is_for_new_secrets_only",)

    def write(self, service: str, key: str, value: str, **options: object) -> int:
        try:
            return super().write(service, key, value, **options)
        except UsageError:
            return super().write(service, key, value, **{**options, "tags": None})


class TagsTheWholeService(Liar):
    caught_by = ("test_tags_are_added_changed_and_removed",)

    def write_tags(
        self, service: str, key: str, tags: Mapping[str, str], *, delete_others: bool = False
    ) -> None:
        for name in self.entries(service):
            super().write_tags(service, name, tags, delete_others=delete_others)


class TagsWhatIsNotThere(Liar):
    caught_by = ("test_tags_need_a_secret",)

    def entry(self, service: str, key: str) -> Entry:
        return self.memory.entries.setdefault(SecretId(service, key), Entry())


class MovesLabelsToTheLatest(Liar):
    caught_by = ("test_a_label_selects_a_version",)

    def label(self, service: str, key: str, label: str, version: int | None = None) -> None:
        super().label(service, key, label)


class IgnoresTheCaseOfLabels(Liar):
    caught_by = ("test_a_label_selects_a_version",)

    def read(self, service: str, key: str, version: int | str | None = None) -> Secret:
        return super().read(service, key, version.lower() if isinstance(version, str) else version)


class LeavesOutTheUnlabelled(Liar):
    caught_by = ("test_a_label_that_some_keys_lack_is_an_error_and_never_a_part",)

    def entries(self, service: str) -> dict[str, Entry]:
        found = super().entries(service)
        labelled = {key: entry for key, entry in found.items() if entry.labels}
        return labelled or found


class FallsBackToTheLatest(Liar):
    caught_by = ("test_a_label_that_some_keys_lack_is_an_error_and_never_a_part",)

    def secret(self, service: str, key: str, entry: Entry, version: int | str | None) -> Secret:
        return super().secret(service, key, entry, None if isinstance(version, str) else version)


class HidesLabels(Liar):
    caught_by = ("test_history_shows_labels",)

    def history(self, service: str, key: str | None = None) -> Sequence[Version]:
        events = super().history(service, key)
        return [Version(one.id, one.version, one.created, one.created_by) for one in events]


# -- the store's own key, and what is declared --------------------------------------------------------------


class LosesAKeyInRekey(Liar):
    caught_by = ("test_a_new_key_changes_nothing_else",)

    def rekey(self, key: str | None = None, *, wrap_only: bool = False) -> None:
        self.delete("svc", "other")


class InitialisesTwice(Liar):
    caught_by = ("test_a_store_that_exists_is_not_initialised_again",)

    def initialise(self, key: str | None = None) -> None:
        self.memory.entries = {}


class ClosesOnce(Liar):
    caught_by = ("test_closing_twice_is_fine",)

    def close(self) -> None:
        if hasattr(self, "closed"):
            raise ConflictError("the store is closed already")
        self.closed = True


class DeclaresSomethingElse(Liar):
    caught_by = ("test_it_declares_what_the_class_says",)

    def __init__(self, memory: Memory) -> None:
        super().__init__(memory)
        self.features = type(MemoryStore.features)(writable=True)


def liars(kind: type[Liar] = Liar) -> list[type[Liar]]:
    """All that have something to be caught by."""
    found = [liar for child in kind.__subclasses__() for liar in liars(child)]
    return found or [kind]


for _liar in liars():
    _name = f"Test{_liar.__name__}"
    globals()[_name] = type(
        _name,
        (MemoryContract,),
        {"kind": _liar, "refused_values": _liar.refused_values, "__module__": __name__},
    )
