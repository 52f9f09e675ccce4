"""Memories as their rows hold them: what takes time to read is read when somebody looks at it.

A list is mostly handed on to somebody who has chosen a few fields, and JSON to somebody who does not look inside.
"""

from collections.abc import Callable, Mapping
from functools import lru_cache
from operator import itemgetter
from typing import Any, ClassVar, TypeVar

import orjson
from orjson import Fragment

from mnesis.domain.fields import FieldKind, FieldValue
from mnesis.domain.memory import FIELDS, Memory
from mnesis.domain.memory_types import MemoryType
from mnesis.storage.filtering import SHAPES_KEPT
from mnesis.storage.instants import from_microseconds, stored_instant_text
from mnesis.storage.rows import MEMORY_COLUMNS, Row, field_value, value_reader

_M = TypeVar("_M", bound=Memory)

_PLACES = {name: place for place, name in enumerate(MEMORY_COLUMNS)}
_TYPES = {memory_type.value: memory_type for memory_type in MemoryType}
_TYPE = _PLACES["memory_type"]
_ARRIVAL, _CHANGE, _DELETED = _PLACES["arrival"], _PLACES["change"], _PLACES["deleted"]
_OWNER, _GUARDED = _PLACES["owner"], _PLACES["guarded"]


class StoredMemory(Memory):
    """The memory that a row of `MEMORY_COLUMNS` holds; it equals and prints like any `Memory` with the same values."""

    __slots__ = ("_row",)

    _later: ClassVar[Mapping[str, Callable[[Row], Any]]]
    _written_row: ClassVar[type[tuple[Any, ...]]]
    _row: Row | None

    def __getattr__(self, name: str) -> Any:
        """What was not looked at before, and stays."""
        if name == "_row":
            # One that was made of another, with other values.
            return None
        read, row = self._later.get(name), self._row
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
        return super().written if row is None else self._written_row(row)


def stored_memory_from(row: Row) -> Memory:
    """The memory that a row of `MEMORY_COLUMNS` holds."""
    memory = _new(StoredMemory)
    _set_row(memory, row)
    _set_type(memory, _TYPES[row[_TYPE]])
    return memory


@lru_cache(maxsize=SHAPES_KEPT)
def memory_columns(looked_at: frozenset[str] | None, order: str) -> tuple[str, ...]:
    """The columns of a memory of which these attributes are looked at, in a list in an ``order``; None: all."""
    needed = None if looked_at is None else {*looked_at, *_ALWAYS, order}
    return tuple(name for name in MEMORY_COLUMNS if needed is None or name in needed)


@lru_cache(maxsize=SHAPES_KEPT)
def stored_memory_of(columns: tuple[str, ...]) -> Callable[[Row], Memory]:
    """What makes memories of rows of these columns; they have no other attributes."""
    if columns == MEMORY_COLUMNS:
        return stored_memory_from
    places = {name: place for place, name in enumerate(columns)}
    kind: type[StoredMemory] = type(
        StoredMemory.__name__,
        (StoredMemory,),
        {"__slots__": (), "_later": _later_at(places), "_written_row": _written_row_of(places)},
    )
    type_place = places["memory_type"]

    def read(row: Row) -> Memory:
        memory = _new(kind)
        _set_row(memory, row)
        _set_type(memory, _TYPES[row[type_place]])
        return memory

    return read


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


def _time(place: int) -> Callable[[Row], Any]:
    return lambda row: from_microseconds(row[place])


def _flag(place: int) -> Callable[[Row], bool]:
    return lambda row: bool(row[place])


def _json(place: int) -> Callable[[Row], Any]:
    return lambda row: orjson.loads(row[place])


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
_CONVERTED: dict[str, Callable[[int], Callable[[Row], Any]]] = {
    "namespace": _json,
    "created_at": _time,
    "updated_at": _time,
    "content_updated_at": _time,
    "deleted": _flag,
    "guarded": _flag,
}
_ALWAYS = ("id", "memory_type", "arrival")
"""The columns of which the places in lists are made, and the types that show memories."""
# The class of a memory keeps others from changing it, and its own way to set fields is slow for that.
_SET: dict[str, Callable[[Memory, Any], None]] = {
    name: Memory.__dict__[name].__set__ for name in Memory.__dataclass_fields__
}
_new: Callable[[type[_M]], _M] = object.__new__
_set_row: Callable[[StoredMemory, Row], None] = StoredMemory.__dict__["_row"].__set__
_set_type = _SET["type"]


def _later_at(places: Mapping[str, int]) -> dict[str, Callable[[Row], Any]]:
    """How attributes are read of a row that has columns at these places."""
    return {name: _CONVERTED.get(name, itemgetter)(place) for name, place in places.items() if name in _SET}


def _written_row_of(places: Mapping[str, int]) -> type[tuple[Any, ...]]:
    """The class of such rows as `Memory.written` has them: attributes that are read without a step of Python, where
    that can be."""
    attributes = {name: property(_written_at(name, place)) for name, place in places.items()}
    attributes["type"] = attributes.pop("memory_type")
    return type("WrittenRow", (tuple,), {"__slots__": (), **attributes})


def _written_at(column: str, place: int) -> Callable[[Any], Any]:
    """How a column is handed on."""
    if column == "memory_type":
        return lambda row: _TYPES[row[place]]
    if column in ("created_at", "updated_at", "content_updated_at"):
        return lambda row: stored_instant_text(row[place])
    kind = _KINDS.get(column)
    if kind is FieldKind.OBJECT or column == "namespace":
        return lambda row: Fragment(row[place]) if row[place] is not None else None
    if kind is None or kind in (FieldKind.TEXT, FieldKind.ROLE, FieldKind.BINARY):
        return _CONVERTED.get(column, itemgetter)(place)
    return lambda row: field_value(kind, row[place])


_KINDS = {name: field.kind for fields in FIELDS.values() for name, field in fields.items()}
StoredMemory._later = {**_later_at(_PLACES), "values": _values}
StoredMemory._written_row = _written_row_of(_PLACES)
