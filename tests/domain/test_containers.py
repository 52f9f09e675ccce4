"""Containers: which settings are refused, and what is kept, cleared and counted as a change."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from mnesis.domain.containers import (
    MOST_DAYS,
    MOST_KEPT,
    Container,
    ContainerDeletion,
    ContainerSettings,
    ContainerUpdate,
    NewContainer,
    RetentionRule,
    container_faults,
    create,
    delete,
    update,
)
from mnesis.domain.limits import Limits
from mnesis.domain.memory_types import MemoryType
from mnesis.domain.refusals import AlreadyExists, ContainerNotEmpty, NotFound, VersionConflict
from tests.domain.workbench import codes

NOW = datetime(2026, 1, 2, tzinfo=UTC)
LATER = NOW + timedelta(hours=1)
SMALL = Limits(json_bytes=20, json_levels=2)
INVALID = "INVALID_INPUT"
MONTH = RetentionRule(days=30)


def new(container_id: str | None = None, **given: Any) -> NewContainer:
    return NewContainer(id=container_id, settings=ContainerSettings(given=given))


def change(if_version: int | None = None, **given: Any) -> ContainerUpdate:
    return ContainerUpdate(id="c", settings=ContainerSettings(given=given), if_version=if_version)


def stored(**given: Any) -> Container:
    made = create(new("c", **given), taken_by=None, fresh_id="unused", now=NOW)
    assert isinstance(made, Container)
    return made


def changed(container: Container, command: ContainerUpdate, now: datetime = LATER) -> Container:
    found = update(container, command, now=now)
    assert isinstance(found, Container)
    return found


def test_a_new_container_is_called_by_its_id_unless_it_is_named() -> None:
    assert stored() == Container(id="c", name="c", version=1, created_at=NOW, updated_at=NOW)
    assert stored(name="Work").name == "Work"


def test_a_container_without_a_chosen_id_gets_the_fresh_one() -> None:
    made = create(new(), taken_by=None, fresh_id="fresh", now=NOW)
    assert isinstance(made, Container)
    assert (made.id, made.name) == ("fresh", "fresh")


@pytest.mark.parametrize("kind", ["container", "session"])
def test_a_chosen_id_that_is_taken_is_refused_by_the_name_of_what_has_it(kind: str) -> None:
    refused = create(new("c"), taken_by=kind, fresh_id="fresh", now=NOW)
    assert refused == AlreadyExists(path=("id",), kind=kind, id="c")


def test_what_is_left_out_is_kept_and_null_clears() -> None:
    before = stored(name="Work", description="d", metadata={"a": 1}, retention={MemoryType.SESSION: MONTH})
    renamed = changed(before, change(name="Play"))
    assert (renamed.name, renamed.description, renamed.metadata) == ("Play", "d", {"a": 1})
    assert renamed.retention == before.retention
    cleared = changed(before, change(description=None, metadata=None, retention=None))
    assert (cleared.name, cleared.description, cleared.metadata, cleared.retention) == ("Work", None, None, {})


def test_a_retention_rule_is_kept_replaced_whole_or_removed_type_by_type() -> None:
    both = RetentionRule(days=1, count=2)
    before = stored(retention={MemoryType.SESSION: both, MemoryType.LONG_TERM: both, MemoryType.HISTORY: both})
    after = changed(before, change(retention={MemoryType.SESSION: MONTH, MemoryType.LONG_TERM: None}))
    assert after.retention == {MemoryType.SESSION: MONTH, MemoryType.HISTORY: both}


def test_the_version_rises_with_a_change_and_time_never_goes_back() -> None:
    before = stored()
    assert changed(before, change(name="a")).version == 2
    assert changed(before, change(name="a")).updated_at == LATER
    assert changed(before, change(name="a"), NOW - timedelta(days=1)).updated_at == NOW + timedelta(microseconds=1)
    assert changed(before, change(name="a")).created_at == NOW


@pytest.mark.parametrize(
    "given", [{"name": "c"}, {"description": None}, {"metadata": {"a": 1}}, {"retention": {MemoryType.SESSION: MONTH}}]
)
def test_what_is_so_already_changes_nothing(given: dict[str, Any]) -> None:
    before = stored(metadata={"a": 1}, retention={MemoryType.SESSION: MONTH})
    assert changed(before, change(**given)) is before


def test_metadata_is_compared_with_its_types() -> None:
    assert changed(stored(metadata={"a": 1}), change(metadata={"a": True})).version == 2


def test_a_stale_version_and_a_container_that_is_not_there_are_refused() -> None:
    assert changed(stored(), change(1, name="a")).version == 2
    refused = update(stored(), change(2, name="a"), now=LATER)
    assert refused == VersionConflict(path=("if_version",), expected=2, actual=1, current=None)
    assert update(None, change(name="a"), now=LATER) == NotFound(path=("id",), kind="container", id="c")


@pytest.mark.parametrize(
    ("given", "path"),
    [
        ({"name": None}, ("name",)),
        ({"name": ""}, ("name",)),
        ({"name": "n" * 256}, ("name",)),
        ({"name": "a\0"}, ("name",)),
        ({"description": "d" * 1001}, ("description",)),
        ({"description": "\ud83d"}, ("description",)),
        ({"metadata": {"a": float("nan")}}, ("metadata", "a")),
        ({"metadata": {"a": "b" * 20}}, ("metadata",)),
        ({"retention": {MemoryType.SESSION: RetentionRule()}}, ("retention", "session")),
        ({"retention": {MemoryType.LONG_TERM: RetentionRule(days=0)}}, ("retention", "long_term", "days")),
        ({"retention": {MemoryType.HISTORY: RetentionRule(days=MOST_DAYS + 1)}}, ("retention", "history", "days")),
        ({"retention": {MemoryType.HISTORY: RetentionRule(count=0)}}, ("retention", "history", "count")),
        ({"retention": {MemoryType.HISTORY: RetentionRule(count=MOST_KEPT + 1)}}, ("retention", "history", "count")),
    ],
)
def test_a_setting_that_cannot_be_is_refused_with_its_path(given: dict[str, Any], path: tuple[str, ...]) -> None:
    assert codes(container_faults(change(**given), SMALL)) == [(INVALID, path)]
    assert codes(container_faults(new("c", **given), SMALL)) == [(INVALID, path)]


def test_settings_at_their_bounds_are_accepted() -> None:
    rule = RetentionRule(days=MOST_DAYS, count=MOST_KEPT)
    retention = {MemoryType.SESSION: rule, MemoryType.WORKING: None, MemoryType.HISTORY: RetentionRule(days=1)}
    most = new("c", name="n" * 255, description="d" * 1000, metadata={"a": {}}, retention=retention)
    assert container_faults(most, SMALL) == ()
    assert container_faults(change(description="", metadata=None, retention=None), SMALL) == ()


def test_everything_wrong_is_told_at_once() -> None:
    command = ContainerUpdate(id="\0", settings=ContainerSettings(given={}), if_version=0)
    assert codes(container_faults(command, SMALL)) == [
        ("NOT_FOUND", ("id",)),
        (INVALID, ("if_version",)),
        (INVALID, ()),
    ]
    assert codes(container_faults(new("a b"), SMALL)) == [(INVALID, ("id",))]
    assert container_faults(new(), SMALL) == ()


def test_a_rule_without_days_lets_nothing_grow_too_old_and_no_span_leaves_the_calendar() -> None:
    assert RetentionRule(count=1).expires_before(NOW) is None
    assert RetentionRule(days=1).expires_before(NOW) == NOW - timedelta(days=1)
    long_ago = datetime(50, 1, 1, tzinfo=UTC)
    assert RetentionRule(days=MOST_DAYS).expires_before(long_ago) == datetime(1, 1, 1, tzinfo=UTC)


def test_a_deletion_leaves_the_id_the_name_and_the_rule_by_which_history_ages() -> None:
    rules = {MemoryType.SESSION: MONTH, MemoryType.HISTORY: MONTH}
    full = stored(name="Work", description="d", metadata={"a": 1}, retention=rules)
    assert delete(full, ContainerDeletion(id="c", if_version=1), memories=0, now=NOW) == Container(
        id="c",
        name="Work",
        retention={MemoryType.HISTORY: MONTH},
        version=2,
        created_at=NOW,
        updated_at=NOW + timedelta(microseconds=1),
        deleted=True,
    )


def test_a_container_with_memories_goes_only_with_them() -> None:
    refused = delete(stored(), ContainerDeletion(id="c"), memories=2, now=LATER)
    assert refused == ContainerNotEmpty(path=("delete_memories",), id="c", memories=2)
    assert refused.message == 'The container "c" holds 2 memories, which have to be deleted with it or before it.'
    assert ContainerNotEmpty(id="c", memories=1).message.startswith('The container "c" holds a memory,')
    gone = delete(stored(), ContainerDeletion(id="c", delete_memories=True), memories=2, now=LATER)
    assert isinstance(gone, Container)
    assert gone.deleted


def test_what_is_deleted_is_not_there_until_it_is_created_again() -> None:
    gone = delete(stored(name="Work"), ContainerDeletion(id="c"), memories=0, now=LATER)
    assert isinstance(gone, Container)
    missing = NotFound(path=("id",), kind="container", id="c")
    assert delete(gone, ContainerDeletion(id="c"), memories=0, now=LATER) == missing
    assert delete(None, ContainerDeletion(id="c"), memories=0, now=LATER) == missing
    assert update(gone, change(name="a"), now=LATER) == missing
    conflict = VersionConflict(path=("if_version",), expected=3, actual=1, current=None)
    assert delete(stored(), ContainerDeletion(id="c", if_version=3), memories=1, now=LATER) == conflict
    again = create(new("c"), taken_by=None, fresh_id="unused", now=NOW, gone=gone)
    later = LATER + timedelta(microseconds=1)
    assert again == Container(id="c", name="c", version=3, created_at=later, updated_at=later)


def test_deletions_that_cannot_be_meant_are_refused_at_once() -> None:
    assert codes(container_faults(ContainerDeletion(id="default"), SMALL)) == [(INVALID, ("id",))]
    assert codes(container_faults(ContainerDeletion(id="a b", if_version=0), SMALL)) == [
        ("NOT_FOUND", ("id",)),
        (INVALID, ("if_version",)),
    ]
    assert container_faults(ContainerDeletion(id="c", if_version=1), SMALL) == ()


def test_a_default_container_that_was_never_stored_changes_now() -> None:
    unwritten = Container(id="default", name="default", version=1, created_at=None, updated_at=None)
    assert changed(unwritten, ContainerUpdate(id="default", settings=change(name="a").settings)).updated_at == LATER
