"""A memory of any type: who it is, which version, and the values of its type's fields."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from operator import attrgetter
from typing import Any

from mnesis.domain.fields import Field, FieldValue, Values
from mnesis.domain.json_values import JsonObject
from mnesis.domain.long_term import LONG_TERM_FIELDS
from mnesis.domain.memory_types import MemoryType
from mnesis.domain.session import SESSION_FIELDS
from mnesis.domain.working import WORKING_FIELDS

FIELDS: dict[MemoryType, dict[str, Field]] = {
    MemoryType.SESSION: {field.name: field for field in SESSION_FIELDS},
    MemoryType.WORKING: {field.name: field for field in WORKING_FIELDS},
    MemoryType.LONG_TERM: {field.name: field for field in LONG_TERM_FIELDS},
}
"""The fields of every type that a caller can write, by name. A new type is one more line."""

EMPTY_VALUES: dict[MemoryType, dict[str, FieldValue]] = {
    memory_type: {name: field.empty for name, field in fields.items()} for memory_type, fields in FIELDS.items()
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """One session, working or long-term memory at one version.

    ``version`` counts from 1. Times are in UTC with microseconds. ``arrival`` orders memories of a tenant by when they
    were created and never repeats; ``change`` is the tenant's change number that made this version. A ``deleted``
    memory is a tombstone: it keeps its values and its version, and goes on at the next one when created again.
    ``values`` holds every field of the type (see `FIELDS`). ``owner`` is the subject that made it, None where nobody
    was authenticated; ``guarded`` says that its container's rules decide who may see it (see `access`).
    """

    id: str
    type: MemoryType
    container_id: str
    namespace: JsonObject = field(default_factory=dict)
    session_id: str | None = None
    entry_id: str | None = None
    version: int
    created_at: datetime
    updated_at: datetime
    content_updated_at: datetime
    updated_by: str | None
    arrival: int = 0
    change: int = 0
    deleted: bool = False
    values: Values
    owner: str | None = None
    guarded: bool = False

    @property
    def written(self) -> Any:
        """What has the attributes of the memory and those of its fields, to be handed on to an answer: times may be
        texts in it already, and JSON may be as it is stored, unread."""
        return Written(self)


class Written:
    """What `Memory.written` is of a memory that is held as values."""

    __slots__ = ("_of",)

    def __init__(self, memory: Memory) -> None:
        self._of = memory


def _value(name: str) -> Callable[[Written], FieldValue]:
    return lambda written: written._of.values[name]


for _name in Memory.__dataclass_fields__:
    setattr(Written, _name, property(attrgetter(f"_of.{_name}")))
for _name in {name for fields in FIELDS.values() for name in fields}:
    setattr(Written, _name, property(_value(_name)))


def next_version(
    stored: Memory,
    *,
    version: int,
    created_at: datetime,
    updated_at: datetime,
    content_updated_at: datetime,
    updated_by: str | None,
    change: int,
    deleted: bool,
    values: Values,
) -> Memory:
    """A memory with what differs between versions; a third of the time that `dataclasses.replace` takes."""
    following = _new(Memory)
    changed = (version, created_at, updated_at, content_updated_at, updated_by, change, deleted, values)
    for put, value in zip(_PUTS, (*_kept(stored), *changed), strict=True):
        put(following, value)
    return following


_CHANGED = ("version", "created_at", "updated_at", "content_updated_at", "updated_by", "change", "deleted", "values")
_KEPT = tuple(name for name in Memory.__dataclass_fields__ if name not in _CHANGED)
_kept = attrgetter(*_KEPT)
# Past the watch of a frozen class, which looks at every field that is set.
_new: Callable[[type[Memory]], Memory] = object.__new__
_PUTS: list[Callable[[Memory, Any], None]] = [Memory.__dict__[name].__set__ for name in (*_KEPT, *_CHANGED)]
