"""From inputs to what the use cases understand: here the one-of ends, and a sum type begins."""

from dataclasses import dataclass, fields
from functools import cache
from typing import Any

import strawberry

from mnesis.domain.commands import Changes, Create
from mnesis.domain.entries import ContextEntry
from mnesis.domain.fields import FieldValue, Message, Unreadable
from mnesis.domain.memory import FIELDS
from mnesis.domain.memory_types import MemoryType, ObjectMode
from mnesis.graph.batch_inputs import ContextEntryInput
from mnesis.graph.inputs import CreateMemoryInput, MessageInput, NewSessionMemory, NewWorkingMemory, UpdateMemoryInput
from mnesis.graph.paths import camel

_TYPES = {
    "session": MemoryType.SESSION,
    "working": MemoryType.WORKING,
    "long_term": MemoryType.LONG_TERM,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Update:
    """What to change, and the member of the input that it stood under, as clients spell it."""

    member: str
    changes: Changes


@dataclass(frozen=True, slots=True, kw_only=True)
class Creation:
    """What to create, and the member of the input that it stood under, as clients spell it."""

    member: str
    command: Create


def update_of(given: UpdateMemoryInput, object_mode: ObjectMode) -> Update:
    """The changes that an update asks for."""
    member, patch = _member(given)
    return Update(member=camel(member), changes=_changes(_TYPES[member], patch, object_mode))


def creation_of(given: CreateMemoryInput, container_id: str) -> Creation:
    """The memory that a creation asks for."""
    member, new = _member(given)
    command = Create(
        changes=_changes(_TYPES[member], new),
        id=new.id if isinstance(new, NewSessionMemory) else None,
        container_id=container_id,
        namespace=new.namespace,
        session_id=new.session_id if isinstance(new, NewWorkingMemory) else None,
        entry_id=new.entry_id if isinstance(new, NewWorkingMemory) else None,
    )
    return Creation(member=camel(member), command=command)


def entry_of(given: ContextEntryInput) -> ContextEntry:
    """One entry as the domain has it."""
    created_at = None
    if given.created_at is not None:
        created_at = given.created_at.value or Unreadable(fact="cannot be null")
    return ContextEntry(
        id=given.id,
        given=_given(given, ("content", "role", "metadata")),
        created_at=created_at,
        if_version=given.if_version,
    )


def _member(given: Any) -> tuple[str, Any]:
    """The one member of a one-of input; GraphQL has seen to it that there is exactly one."""
    kind: type = type(given)
    for name in _names(kind):
        member = getattr(given, name)
        if member is not None:
            return name, member.value
    raise ValueError(type(given).__name__)


@cache
def _names(of: type) -> tuple[str, ...]:
    return tuple(field.name for field in fields(of))


def _changes(memory_type: MemoryType, patch: Any, object_mode: ObjectMode = ObjectMode.REPLACE) -> Changes:
    appended = getattr(patch, "append_messages", None)
    return Changes(
        memory_type=memory_type,
        given=_given(patch, tuple(FIELDS[memory_type])),
        append_messages=_messages(appended.value) if appended is not None else None,
        object_mode=object_mode,
    )


def _given(patch: Any, names: tuple[str, ...]) -> dict[str, FieldValue]:
    """The fields that were sent: what was left out is not there, and null is None."""
    given: dict[str, FieldValue] = {}
    for name in names:
        sent = getattr(patch, name, None)
        if isinstance(sent, strawberry.Some):
            given[name] = _messages(sent.value) if name == "messages" else sent.value
        elif sent is not None:
            given[name] = sent
    return given


def _messages(messages: list[MessageInput] | None) -> tuple[Message, ...] | None:
    if messages is None:
        return None
    return tuple(
        Message(
            role=message.role,
            text=message.text,
            parts=tuple(message.parts) if message.parts is not None else None,
        )
        for message in messages
    )
