"""Between domain values and the columns that hold them, in the order of the tables' columns."""

from base64 import b64decode, b64encode
from collections.abc import Callable, Collection, Sequence
from datetime import datetime
from typing import Any

import orjson

from mnesis.domain.fields import FieldKind, FieldValue, Message
from mnesis.domain.history import FieldChange, HistoryRecord
from mnesis.domain.memory import FIELDS, Memory
from mnesis.domain.memory_types import ChangeKind, HistoryAction, MemoryType, PayloadType
from mnesis.storage.instants import from_microseconds, to_microseconds
from mnesis.storage.tables import HistoryRow, IdempotencyRow, MemoryRow

Row = Sequence[Any]  # As a driver hands it over.

MEMORY_COLUMNS = tuple(column.name for column in MemoryRow.__table__.columns)  # type: ignore[attr-defined]  # SQLModel does not declare it
HISTORY_COLUMNS = tuple(column.name for column in HistoryRow.__table__.columns)  # type: ignore[attr-defined]  # as above
IDEMPOTENCY_COLUMNS = tuple(column.name for column in IdempotencyRow.__table__.columns)  # type: ignore[attr-defined]  # as above

OWN_START = MEMORY_COLUMNS.index("deleted") + 1
OWN_COLUMNS = MEMORY_COLUMNS[OWN_START : MEMORY_COLUMNS.index("owner")]
NAMESPACE = MEMORY_COLUMNS.index("namespace")
_NO_VALUES = (None,) * len(OWN_COLUMNS)
_TYPES = {memory_type.value: memory_type for memory_type in MemoryType}
# To ask a member for its value takes as long as a call.
_TYPE_WORDS = {memory_type: word for word, memory_type in _TYPES.items()}
_ACTION_WORDS = {action: action.value for action in HistoryAction}


def memory_row(tenant: str, memory: Memory) -> list[Any]:
    """The columns of a memory; null where a column is no field of its type."""
    type_word, fields = _FIELD_PLACES[memory.type]
    row: list[Any] = [
        tenant,
        memory.id,
        type_word,
        memory.container_id,
        json_text(memory.namespace),
        memory.session_id,
        memory.entry_id,
        memory.version,
        to_microseconds(memory.created_at),
        to_microseconds(memory.updated_at),
        to_microseconds(memory.content_updated_at),
        memory.updated_by,
        memory.arrival,
        memory.change,
        memory.deleted,
        *_NO_VALUES,
        memory.owner,
        memory.guarded,
    ]
    values = memory.values
    for name, place, write in fields:
        value = values[name]
        if value is not None:
            row[place] = value if write is None else write(value)
    return row


REVISED_COLUMNS = ("version", "updated_at", "content_updated_at", "updated_by", "change")
"""What the next version of a memory changes beside its fields."""


def revised_columns(fields: Collection[str]) -> tuple[str, ...]:
    """The columns of `revised_row`; ``fields`` are names of fields, of whatever types."""
    return REVISED_COLUMNS + tuple(name for name in OWN_COLUMNS if name in fields)


def revised_row(tenant: str, memory: Memory, columns: Sequence[str]) -> list[Any]:
    """The `revised_columns` of a memory, and its primary key; null where a column is no field of its type."""
    row: list[Any] = [
        memory.version,
        to_microseconds(memory.updated_at),
        to_microseconds(memory.content_updated_at),
        memory.updated_by,
        memory.change,
    ]
    value_of = memory.values.get
    for name in columns[len(REVISED_COLUMNS) :]:
        value = value_of(name)
        write = _COLUMN_WRITERS[name]
        row.append(value if value is None or write is None else write(value))
    row += (tenant, memory.id)
    return row


def field_value(kind: FieldKind, stored: Any) -> FieldValue:
    """The value of a field of this kind that a column holds."""
    if stored is None:
        return _EMPTY.get(kind)
    read = value_reader(kind)
    value: FieldValue = stored if read is None else read(stored)
    return value


def value_reader(kind: FieldKind) -> Callable[[Any], FieldValue] | None:
    """What reads the value of a field of this kind from a column that is not null; None where it is the value."""
    return _READERS.get(kind)


def _messages_from(stored: str) -> tuple[Message, ...]:
    # Most working memories have none.
    return tuple(map(message_from, orjson.loads(stored))) if stored != _NO_MESSAGES else ()


_NO_MESSAGES = "[]"
_EMPTY: dict[FieldKind, FieldValue] = {FieldKind.MESSAGES: (), FieldKind.FLAG: False}
_READERS: dict[FieldKind, Callable[[Any], FieldValue]] = {
    FieldKind.MESSAGES: _messages_from,
    FieldKind.FLAG: bool,
    FieldKind.OBJECT: orjson.loads,
    FieldKind.PAYLOAD: {payload.value: payload for payload in PayloadType}.__getitem__,
}


def record_row(tenant: str, record: HistoryRecord) -> list[Any]:
    """The columns of a history record."""
    return [
        tenant,
        record.memory_id,
        record.version,
        _TYPE_WORDS[record.memory_type],
        record.container_id,
        record.session_id,
        json_text(record.namespace),
        record.change,
        record.position,
        _ACTION_WORDS[record.action],
        json_text([_change_json(change) for change in record.changes]),
        record.actor,
        record.reason,
        to_microseconds(record.created_at),
        to_microseconds(record.content_updated_at),
        record.owner,
        record.guarded,
    ]


def record_from(row: Row) -> HistoryRecord:
    """The history record that a row of `HISTORY_COLUMNS` holds."""
    memory_type = _TYPES[row[3]]
    return HistoryRecord(
        memory_id=row[1],
        version=row[2],
        memory_type=memory_type,
        container_id=row[4],
        session_id=row[5],
        namespace=orjson.loads(row[6]),
        change=row[7],
        position=row[8],
        action=HistoryAction(row[9]),
        changes=tuple(_change_from(memory_type, change) for change in orjson.loads(row[10])),
        actor=row[11],
        reason=row[12],
        created_at=from_microseconds(row[13]),
        content_updated_at=from_microseconds(row[14]),
        owner=row[15],
        guarded=bool(row[16]),
    )


def message_json(message: Message) -> dict[str, Any]:
    """A message as JSON: ``role`` and either ``text`` or ``parts``."""
    if message.parts is not None:
        return {"role": message.role, "parts": list(message.parts)}
    return {"role": message.role, "text": message.text}


def message_from(stored: dict[str, Any]) -> Message:
    """The message that `message_json` made."""
    parts = stored.get("parts")
    return Message(role=stored["role"], text=stored.get("text"), parts=tuple(parts) if parts is not None else None)


def _messages_text(messages: tuple[Message, ...]) -> str:
    return json_text(list(map(message_json, messages))) if messages else _NO_MESSAGES


def json_text(value: Any) -> str:
    """Compact JSON, as it is stored."""
    return orjson.dumps(value).decode()


_WRITERS: dict[FieldKind, Callable[[Any], Any]] = {
    FieldKind.OBJECT: json_text,
    FieldKind.MESSAGES: _messages_text,
    FieldKind.PAYLOAD: {payload: payload.value for payload in PayloadType}.__getitem__,
}
"""What makes a column of a field that is not null; the others hold the value itself."""
_FIELD_PLACES = {
    memory_type: (
        memory_type.value,
        [(name, OWN_START + OWN_COLUMNS.index(name), _WRITERS.get(field.kind)) for name, field in fields.items()],
    )
    for memory_type, fields in FIELDS.items()
}
_COLUMN_WRITERS = {name: _WRITERS.get(field.kind) for fields in FIELDS.values() for name, field in fields.items()}


_SET = ChangeKind.SET


def _change_json(change: FieldChange) -> dict[str, Any]:
    stored: dict[str, Any] = {"field": change.field}
    if change.kind is not _SET:
        stored["kind"] = change.kind.value
    before, after = change.before, change.after
    if before is not None:
        stored["before"] = _side_json(before) if isinstance(before, _OF_ANOTHER_FORM) else before
    if after is not None:
        stored["after"] = _side_json(after) if isinstance(after, _OF_ANOTHER_FORM) else after
    return stored


_OF_ANOTHER_FORM = (tuple, datetime, bytes)


def _side_json(value: tuple[Message, ...] | datetime | bytes) -> Any:
    if isinstance(value, tuple):
        return [message_json(message) for message in value]
    if isinstance(value, datetime):
        return to_microseconds(value)
    return b64encode(value).decode()


def _change_from(memory_type: MemoryType, stored: dict[str, Any]) -> FieldChange:
    name: str = stored["field"]
    field = FIELDS[memory_type].get(name)
    kind = field.kind if field is not None else None
    return FieldChange(
        field=name,
        kind=ChangeKind(stored.get("kind", "SET")),
        before=_side_from(name, kind, stored.get("before")),
        after=_side_from(name, kind, stored.get("after")),
    )


def _side_from(name: str, kind: FieldKind | None, stored: Any) -> Any:
    if isinstance(stored, list):
        return tuple(map(message_from, stored))
    if stored is not None and kind is FieldKind.BINARY:
        return b64decode(stored)
    if stored is not None and kind is FieldKind.PAYLOAD:
        return PayloadType(stored)
    if stored is not None and name == "created_at":
        return from_microseconds(stored)
    return stored
