"""What a history record holds: enough to step one version back, and to show a person what changed.

A record grows with the change it tells of, not with the memory: of an object that stays an object only the keys that
differ, of appended messages only those. Fields beside a type's own (`FIXED`) differ only where a deleted memory
was created again.
"""

from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import datetime
from typing import Any, TypeAlias

from mnesis.domain.fields import Message, Values
from mnesis.domain.ids import RecordId
from mnesis.domain.json_values import JsonObject, difference, same, undo_difference
from mnesis.domain.memory import EMPTY_VALUES, Memory
from mnesis.domain.memory_types import ChangeKind, HistoryAction, MemoryType
from mnesis.domain.quickly import quickly_made

HistoryValue: TypeAlias = Any
"""A `FieldValue`, a time, a number of messages or counts of entries: which one follows from field and kind."""

FIXED: dict[str, Callable[[Memory], HistoryValue]] = {
    "container_id": lambda memory: memory.container_id,
    "namespace": lambda memory: memory.namespace,
    "created_at": lambda memory: memory.created_at,
}


@quickly_made
class FieldChange:
    """One field before and after.

    SET: both values whole, unless both are objects; then only the keys that differ, and a key that one side
    lacks is absent there. APPEND: ``before`` is the number of messages there were, ``after`` the appended ones.
    ENTRIES: ``after`` counts the entries of the session that were created, updated and deleted.
    """

    field: str
    kind: ChangeKind
    before: HistoryValue
    after: HistoryValue


@quickly_made
class HistoryRecord:
    """The immutable record of one change: how ``version`` came to be from the one before.

    (``change``, ``position``) is the order in which the tenant's changes were committed. ``owner`` and ``guarded`` are
    the memory's at this version.
    """

    memory_id: str
    version: int
    memory_type: MemoryType
    container_id: str
    session_id: str | None
    namespace: JsonObject
    change: int
    position: int
    action: HistoryAction
    changes: tuple[FieldChange, ...]
    actor: str | None
    reason: str | None
    created_at: datetime
    content_updated_at: datetime
    owner: str | None = None
    guarded: bool = False

    @property
    def id(self) -> str:
        """``<memory id>~<version>``."""
        return str(RecordId(self.memory_id, self.version))


_SET = ChangeKind.SET


def field_changes(before: Values, after: Values) -> list[FieldChange]:
    """The fields that differ between two versions' values, in the order of ``after``."""
    changes = []
    for name, now in after.items():
        was = before[name]
        if was is not now and (change := field_change(name, was, now)) is not None:
            changes.append(change)
    return changes


def field_change(name: str, was: HistoryValue, now: HistoryValue) -> FieldChange | None:
    """How one field differs, or None when it does not."""
    if isinstance(was, dict) and isinstance(now, dict):
        was, now = difference(was, now)
        if not was and not now:
            return None
    elif isinstance(was, tuple) and isinstance(now, tuple):
        if all(map(_same_message, was, now)):
            if len(was) == len(now):
                return None
            if 0 < len(was) < len(now):
                return FieldChange(field=name, kind=ChangeKind.APPEND, before=len(was), after=now[len(was) :])
    elif was == now and type(was) is type(now):
        return None
    return FieldChange(field=name, kind=_SET, before=was, after=now)


def creation_changes(memory: Memory, tombstone: Memory | None) -> list[FieldChange]:
    """What a CREATE record holds: every field that is not empty, or all that differs from the tombstone."""
    if tombstone is None:
        return field_changes(EMPTY_VALUES[memory.type], memory.values)
    changes = field_changes(tombstone.values, memory.values)
    for name, read in FIXED.items():
        change = field_change(name, read(tombstone), read(memory))
        if change is not None:
            changes.append(change)
    return changes


def entries_change(*, created: int, updated: int, deleted: int) -> FieldChange:
    """How the entries of a session changed in one batch."""
    return FieldChange(
        field="entries",
        kind=ChangeKind.ENTRIES,
        before=None,
        after={"created": created, "updated": updated, "deleted": deleted},
    )


def step_back(memory: Memory, record: HistoryRecord, earlier: HistoryRecord) -> Memory:
    """The memory at ``earlier``, the record just before ``record``, which made the given version.

    Raises ValueError when the record is not the one of the memory's version.
    """
    if record.memory_id != memory.id or record.version != memory.version:
        raise ValueError(f"{record.id} did not make version {memory.version} of {memory.id}")
    values: dict[str, Any] = dict(memory.values)
    fixed: dict[str, Any] = {}  # The keywords of `replace` differ in type.
    for change in record.changes:
        if change.field in FIXED:
            fixed[change.field] = _undone(FIXED[change.field](memory), change)
        elif change.kind is not ChangeKind.ENTRIES:
            values[change.field] = _undone(values[change.field], change)
    return replace(
        memory,
        version=earlier.version,
        change=earlier.change,
        updated_at=earlier.created_at,
        content_updated_at=earlier.content_updated_at,
        updated_by=earlier.actor,
        deleted=earlier.action in (HistoryAction.DELETE, HistoryAction.ERASE),
        values=values,
        **fixed,
    )


def replay(records: Iterable[HistoryRecord]) -> Values:
    """The values that a memory's whole history, from its first version on, adds up to."""
    values: dict[str, Any] = {}
    for record in records:
        values = values or dict(EMPTY_VALUES[record.memory_type])
        for change in record.changes:
            if change.field in values:
                values[change.field] = _redone(values[change.field], change)
    return values


def _undone(now: Any, change: FieldChange) -> Any:
    if change.kind is ChangeKind.APPEND:
        return now[: change.before]
    if isinstance(change.before, dict) and isinstance(change.after, dict):
        return undo_difference(now, was=change.before, now=change.after)
    return change.before


def _redone(was: Any, change: FieldChange) -> Any:
    if change.kind is ChangeKind.APPEND:
        return (*was, *change.after)
    if isinstance(change.before, dict) and isinstance(change.after, dict):
        return undo_difference(was, was=change.after, now=change.before)
    return change.after


def _same_message(was: Message, now: Message) -> bool:
    return was.role == now.role and was.text == now.text and same(list(was.parts or ()), list(now.parts or ()))
