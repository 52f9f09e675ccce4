"""From inputs to what the use cases understand: here the one-of ends, and a sum type begins."""

from collections.abc import Callable
from dataclasses import fields
from functools import cache
from operator import attrgetter
from typing import Any

import strawberry

from mnesis.domain.commands import Changes, Create
from mnesis.domain.entries import ContextEntry
from mnesis.domain.fields import FieldValue, Message, Unreadable
from mnesis.domain.memory import FIELDS
from mnesis.domain.memory_types import MemoryType, ObjectMode
from mnesis.domain.quickly import quickly_made
from mnesis.graph.batch_inputs import ContextEntryInput
from mnesis.graph.inputs import CreateMemoryInput, MessageInput, NewSessionMemory, NewWorkingMemory, UpdateMemoryInput
from mnesis.graph.paths import camel

_TYPES = {
    "session": MemoryType.SESSION,
    "working": MemoryType.WORKING,
    "long_term": MemoryType.LONG_TERM,
}
_MEMBERS = {name: camel(name) for name in _TYPES}
"""The members of a one-of input, as clients spell them."""


@quickly_made
class Update:
    """What to change, and the member of the input that it stood under, as clients spell it."""

    member: str
    changes: Changes


@quickly_made
class Creation:
    """What to create, and the member of the input that it stood under, as clients spell it."""

    member: str
    command: Create


def update_of(given: UpdateMemoryInput, object_mode: ObjectMode) -> Update:
    """The changes that an update asks for."""
    member, patch = _member(given)
    return Update(member=_MEMBERS[member], changes=_changes(_TYPES[member], patch, object_mode))


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
    return Creation(member=_MEMBERS[member], command=command)


def entry_of(given: ContextEntryInput) -> ContextEntry:
    """One entry as the domain has it."""
    sent: dict[str, FieldValue] = {}
    # One by one: there may be a thousand entries.
    if given.content is not None:
        sent["content"] = given.content.value
    if given.role is not None:
        sent["role"] = given.role.value
    if given.metadata is not None:
        sent["metadata"] = given.metadata.value
    created_at = None
    if given.created_at is not None:
        created_at = given.created_at.value or Unreadable(fact="cannot be null")
    return ContextEntry(id=given.id, given=sent, created_at=created_at, if_version=given.if_version)


def _member(given: Any) -> tuple[str, Any]:
    """The one member of a one-of input; GraphQL has seen to it that there is exactly one."""
    for name in _MEMBERS:
        member = getattr(given, name)
        if member is not None:
            return name, member.value
    raise ValueError(type(given).__name__)


def _changes(memory_type: MemoryType, patch: Any, object_mode: ObjectMode = ObjectMode.REPLACE) -> Changes:
    appended = getattr(patch, "append_messages", None)
    return Changes(
        memory_type=memory_type,
        given=_given(patch, memory_type),
        append_messages=_messages(appended.value) if appended is not None else None,
        object_mode=object_mode,
    )


def _given(patch: Any, memory_type: MemoryType) -> dict[str, FieldValue]:
    """The fields that were sent: what was left out is not there, and null is None."""
    kind: type = type(patch)
    names, read = _fields(kind, memory_type)
    given: dict[str, FieldValue] = {}
    for name, sent in zip(names, read(patch), strict=True):
        if sent is not None:
            value = sent.value if type(sent) is strawberry.Some else sent
            given[name] = _messages(value) if name == "messages" else value
    return given


@cache
def _fields(patch: type, memory_type: MemoryType) -> tuple[tuple[str, ...], Callable[[Any], tuple[Any, ...]]]:
    """Those fields of the type that an input has, and how all of them are read."""
    names = tuple(name for name in FIELDS[memory_type] if name in {field.name for field in fields(patch)})
    read: Callable[[Any], Any] = attrgetter(*names)
    return names, read


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
