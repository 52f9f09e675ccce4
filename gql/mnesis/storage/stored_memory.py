"""Memories as their rows hold them: what takes time to read is read when somebody looks at it.

A list is mostly handed on to somebody who has chosen a few fields, and JSON to somebody who does not look inside.
"""

from collections.abc import Callable
from functools import lru_cache
from operator import itemgetter
from typing import Any, TypeVar

import orjson
from orjson import Fragment

from mnesis.domain.fields import FieldKind, FieldValue
from mnesis.domain.memory import FIELDS, Memory
from mnesis.domain.memory_types import MemoryType
from mnesis.storage.instants import from_microseconds, stored_instant_text
from mnesis.storage.rows import MEMORY_COLUMNS, Row, field_value, value_reader

_M = TypeVar("_M", bound=Memory)

_PLACES = {name: place for place, name in enumerate(MEMORY_COLUMNS)}
_TYPES = {memory_type.value: memory_type for memory_type in MemoryType}
_TYPE = _PLACES["memory_type"]
_NAMESPACE = _PLACES["namespace"]
_ARRIVAL, _CHANGE, _DELETED = _PLACES["arrival"], _PLACES["change"], _PLACES["deleted"]
_OWNER, _GUARDED = _PLACES["owner"], _PLACES["guarded"]


class StoredMemory(Memory):
    """The memory that a row of `MEMORY_COLUMNS` holds; it equals and prints like any `Memory` with the same values."""

    __slots__ = ("_row",)

    _row: Row | None

    def __getattr__(self, name: str) -> Any:
        """What was not looked at before, and stays."""
        if name == "_row":
            # One that was made of another, with other values.
            return None
        read, row = _LATER.get(name), self._row
        if read is None or row is None:
            raise AttributeError(name, name=name, obj=self)
        value = read(row)
        _SET[name](self, value)
        return value

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Memory):
            return NotImplemented
        return all(getattr(self, name) == getattr(other, name) for name in _SET)

    __hash__ = Memory.__hash__

    def __repr__(self) -> str:
        return Memory.__repr__(self).replace(type(self).__qualname__, Memory.__qualname__, 1)

    @property
    def written(self) -> Any:
        row = self._row
        return super().written if row is None else _WrittenRow(row)


def stored_memory_from(row: Row) -> Memory:
    """The memory that a row of `MEMORY_COLUMNS` holds."""
    memory = _new(StoredMemory)
    _set_row(memory, row)
    _set_type(memory, _TYPES[row[_TYPE]])
    return memory


def whole_memory_from(row: Row) -> Memory:
    """The same for a writer, who looks at everything."""
    _, memory_id, type_word, container_id, namespace, session_id, entry_id, version, *times, updated_by = row[:12]
    created_at, updated_at, content_updated_at = map(_shared_time, times)
    return Memory(
        id=memory_id,
        type=_TYPES[type_word],
        container_id=container_id,
        namespace=orjson.loads(namespace),
        session_id=session_id,
        entry_id=entry_id,
        version=version,
        created_at=created_at,
        updated_at=updated_at,
        content_updated_at=content_updated_at,
        updated_by=updated_by,
        arrival=row[_ARRIVAL],
        change=row[_CHANGE],
        deleted=bool(row[_DELETED]),
        values=_values(row),
        owner=row[_OWNER],
        guarded=bool(row[_GUARDED]),
    )


# What was written together has the same times.
_shared_time = lru_cache(maxsize=1_024)(from_microseconds)


def _time(column: str) -> Callable[[Row], Any]:
    place = _PLACES[column]
    return lambda row: from_microseconds(row[place])


def _flag(column: str) -> Callable[[Row], bool]:
    place = _PLACES[column]
    return lambda row: bool(row[place])


def _values(row: Row) -> dict[str, FieldValue]:
    empty, fields = _FIELDS[row[_TYPE]]
    values = empty.copy()
    for name, place, read in fields:
        if (stored := row[place]) is not None:
            values[name] = stored if read is None else read(stored)
    return values


_FIELDS = {
    memory_type.value: (
        {name: field_value(field.kind, None) for name, field in fields.items()},
        [(name, _PLACES[name], value_reader(field.kind)) for name, field in fields.items()],
    )
    for memory_type, fields in FIELDS.items()
}
_CONVERTED: dict[str, Callable[[Row], Any]] = {
    "namespace": lambda row: orjson.loads(row[_NAMESPACE]),
    "created_at": _time("created_at"),
    "updated_at": _time("updated_at"),
    "content_updated_at": _time("content_updated_at"),
    "deleted": _flag("deleted"),
    "guarded": _flag("guarded"),
    "values": _values,
}
# By the descriptors, since the type checker lets nobody set a field of a memory.
_SET: dict[str, Callable[[Memory, Any], None]] = {
    name: Memory.__dict__[name].__set__ for name in Memory.__dataclass_fields__
}
_new: Callable[[type[_M]], _M] = object.__new__
_set_row: Callable[[StoredMemory, Row], None] = StoredMemory.__dict__["_row"].__set__
_set_type = _SET["type"]
_LATER = {name: itemgetter(place) for name, place in _PLACES.items() if name in _SET} | _CONVERTED


def _written(column: str, kind: FieldKind) -> Callable[[Row], Any]:
    """How a field is handed on."""
    place = _PLACES[column]
    if kind is FieldKind.OBJECT:
        return lambda row: Fragment(row[place]) if row[place] is not None else None
    if kind in (FieldKind.TEXT, FieldKind.ROLE, FieldKind.BINARY):
        return itemgetter(place)
    return lambda row: field_value(kind, row[place])


def _written_time(column: str) -> Callable[[Row], str]:
    place = _PLACES[column]
    return lambda row: stored_instant_text(row[place])


class _WrittenRow(tuple[Any, ...]):
    """A row as `Memory.written` has it: attributes that are read without a step of Python, where that can be."""

    __slots__ = ()


_WRITTEN: dict[str, Callable[[Any], Any]] = {
    **_LATER,
    **{name: _written(name, field.kind) for fields in FIELDS.values() for name, field in fields.items()},
    **{name: _written_time(name) for name in ("created_at", "updated_at", "content_updated_at")},
    "type": lambda row: _TYPES[row[_TYPE]],
    "namespace": _written("namespace", FieldKind.OBJECT),
}
for _name, _read in _WRITTEN.items():
    setattr(_WrittenRow, _name, property(_read))
