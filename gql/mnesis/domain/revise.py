"""How one memory becomes its next version: merge semantics, no-op detection, version checks and field rules.

Everything here is pure: the same stored memory, command and moment always give the same answer.
"""

from collections.abc import Callable, Collection, Sized
from datetime import datetime, timedelta
from typing import TypeAlias

from mnesis.domain.commands import Changes, Create, Delete, PutEntry, Restore, SessionClaim, Update
from mnesis.domain.fields import FieldValue, Values
from mnesis.domain.history import FieldChange, creation_changes, field_change, field_changes
from mnesis.domain.json_values import json_bytes, merge_patch
from mnesis.domain.limits import Limits
from mnesis.domain.memory import CONTENT, EMPTY_VALUES, FIELDS, Memory
from mnesis.domain.memory_types import NOUNS, HistoryAction, MemoryType, ObjectMode, PayloadType
from mnesis.domain.quickly import quickly_made
from mnesis.domain.refusals import (
    AlreadyExists,
    InvalidInput,
    LimitExceeded,
    MemoryTypeMismatch,
    NotFound,
    Refusal,
    VersionConflict,
    quoted,
)
from mnesis.domain.validation import too_many_messages
from mnesis.domain.working import DEFAULT_ROLE

TICK = timedelta(microseconds=1)
ARRIVALS_PER_CHANGE = 2**20
"""How many memories one change may create: a memory's arrival is its change times this, plus its position."""
# To look a member up in its class takes as long as a call, on Python 3.11.
_MERGE, _UPDATE = ObjectMode.MERGE, HistoryAction.UPDATE


@quickly_made
class Moment:
    """What a revision needs besides memory and command: the clock, the tenant's change number, the actor, the limits
    and fresh ids."""

    now: datetime
    change: int
    actor: str
    limits: Limits
    new_id: Callable[[], str]
    owner: str | None = None
    """Who owns what is made."""
    guards: Collection[str] = ()
    """The containers whose rules decide who may see what is made in them."""
    before: Sized = ()
    """What the same change did before."""


@quickly_made
class Revision:
    """A memory's next version and what its history record tells. ``changes`` is empty for a deletion."""

    memory: Memory
    action: HistoryAction
    changes: tuple[FieldChange, ...]


@quickly_made
class Unchanged:
    """The command asked for what is so already."""

    memory: Memory


Verdict: TypeAlias = Revision | Unchanged | tuple[Refusal, ...]


def create(stored: Memory | None, session: Memory | None, command: Create, moment: Moment) -> Verdict:
    """Makes a memory, or the next version of a deleted one. ``session`` is that of an entry."""
    memory_type = command.changes.memory_type
    if stored is not None and not stored.deleted:
        if session is not None:
            return (AlreadyExists(path=("entry_id",), kind=NOUNS[stored.type], id=command.entry_id or stored.id),)
        return (AlreadyExists(path=("id",), kind=NOUNS[stored.type], id=stored.id),)
    if stored is not None and stored.type is not memory_type:
        return (AlreadyExists(path=("id",), kind=f"deleted {NOUNS[stored.type]}", id=stored.id),)
    values, faults = _applied(EMPTY_VALUES[memory_type], command.changes, moment.limits)
    if faults:
        return faults
    if memory_type is MemoryType.WORKING and "payload_type" not in command.changes.given:
        values["payload_type"] = _payload_type(values)
    return _created(stored, session, command, values, moment)


def update(stored: Memory | None, command: Update, moment: Moment) -> Verdict:
    """Changes a stored memory; fields that were not given keep their values."""
    wanted = command.changes.memory_type
    refusals = _found(stored, wanted, command)
    if refusals or stored is None:
        return refusals
    return _revised(stored, command.changes, moment, always=command.always)


def put_entry(stored: Memory | None, session: Memory, command: PutEntry, moment: Moment) -> Verdict:
    """Changes the entry that has the command's key, or creates it; a key alone changes nothing."""
    if stored is None or stored.deleted:
        if command.if_version:
            return (VersionConflict(path=("if_version",), expected=command.if_version, actual=0, current=None),)
        return _put_new(stored, session, command, moment)
    if command.if_version is not None and command.if_version != stored.version:
        return (_conflict(stored, command.if_version),)
    return _revised(stored, command.changes, moment)


def delete(stored: Memory | None, command: Delete, moment: Moment) -> Verdict:
    """Leaves a tombstone, which keeps the values and the version."""
    refusals = _found(stored, command.memory_type, command)
    if refusals or stored is None:
        return refusals
    return tombstone(stored, moment)


def tombstone(stored: Memory, moment: Moment) -> Revision:
    """The deleted next version of a live memory."""
    return Revision(memory=_next(stored, moment, deleted=True), action=HistoryAction.DELETE, changes=())


def restore(stored: Memory, session: Memory | None, past: Memory, moment: Moment) -> Verdict:
    """Makes the values of a past version current again. ``session`` is that of an entry.

    Container, namespace and keys stay as they are now. See `restorable` for what comes first.
    """
    if session is not None and session.deleted:
        text = f"The session {quoted(session.id)} is deleted; restore it first."
        return (InvalidInput(path=("id",), text=text),)
    if past.deleted:
        text = f"Version {past.version} is a deletion; restore the version before it."
        return (InvalidInput(path=("version",), text=text),)
    differences = field_changes(stored.values, past.values)
    content = not CONTENT[stored.type].isdisjoint([change.field for change in differences])
    if (moved := field_change("created_at", stored.created_at, past.created_at)) is not None:
        differences.append(moved)
    if not differences and not stored.deleted:
        return Unchanged(memory=stored)
    memory = _next(stored, moment, values=past.values, content=content, created_at=past.created_at, deleted=False)
    return Revision(memory=memory, action=HistoryAction.RESTORE, changes=tuple(differences))


def restorable(stored: Memory | None, command: Restore) -> tuple[Refusal, ...]:
    """Why a memory cannot be restored to a version, whatever that version was."""
    if stored is None:
        return (NotFound(path=("id",), kind=NOUNS[command.memory_type], id=command.id),)
    if stored.type is not command.memory_type:
        return (MemoryTypeMismatch(path=("type",), requested=command.memory_type, actual=stored.type),)
    if command.if_version is not None and command.if_version != stored.version:
        return (_conflict(stored, command.if_version),)
    if command.version > stored.version:
        text = f"There is no version {command.version}; the newest is {stored.version}."
        return (InvalidInput(path=("version",), text=text),)
    return ()


def undeleted(entry: Memory, moment: Moment) -> Revision:
    """An entry that comes back with its session."""
    return Revision(memory=_next(entry, moment, deleted=False), action=HistoryAction.RESTORE, changes=())


def touched(session: Memory, moment: Moment) -> Memory:
    """The next version of a session whose entries changed."""
    return _next(session, moment)


def new_session(stored: Memory | None, claim: SessionClaim, moment: Moment) -> Verdict:
    """A session for entries to come, with nothing but what the claim gives it."""
    given = {"metadata": claim.metadata} if claim.metadata is not None else {}
    command = Create(
        id=claim.session_id,
        container_id=claim.container_id,
        namespace=claim.namespace,
        changes=Changes(memory_type=MemoryType.SESSION, given=given),
    )
    return create(stored, None, command, moment)


def _put_new(stored: Memory | None, session: Memory, command: PutEntry, moment: Moment) -> Verdict:
    if "content" not in command.changes.given:
        text = "Nothing in this session has this key, and a new entry needs content."
        if command.entry_id is None:
            text = "A new entry needs content."
        return (InvalidInput(path=("content",), text=text),)
    values, faults = _applied(EMPTY_VALUES[MemoryType.WORKING], command.changes, moment.limits)
    if faults:
        return faults
    if values["role"] is None:
        values["role"] = DEFAULT_ROLE
    entry = Create(changes=command.changes, session_id=session.id, entry_id=command.entry_id)
    return _created(stored, session, entry, values, moment)


def _created(
    stored: Memory | None, session: Memory | None, command: Create, values: Values, moment: Moment
) -> Revision:
    now = moment.now if stored is None else max(moment.now, stored.updated_at + TICK)
    memory_id = stored.id if stored is not None else command.id or moment.new_id()
    created_at = command.changes.created_at
    inherited = session.namespace if session is not None else {}
    memory = Memory(
        id=memory_id,
        type=command.changes.memory_type,
        container_id=session.container_id if session is not None else command.container_id,
        namespace=command.namespace if command.namespace is not None else inherited,
        session_id=command.session_id,
        entry_id=(command.entry_id or memory_id) if command.session_id is not None else None,
        version=1 if stored is None else stored.version + 1,
        created_at=created_at if isinstance(created_at, datetime) else now,
        updated_at=now,
        content_updated_at=now,
        updated_by=moment.actor,
        arrival=moment.change * ARRIVALS_PER_CHANGE + len(moment.before),
        change=moment.change,
        values=values,
        owner=moment.owner,
        # An entry has it from its session.
        guarded=session.guarded if session is not None else command.container_id in moment.guards,
    )
    changes = tuple(creation_changes(memory, stored))
    return Revision(memory=memory, action=HistoryAction.CREATE, changes=changes)


def _revised(stored: Memory, changes: Changes, moment: Moment, *, always: bool = False) -> Verdict:
    values, faults = _applied(stored.values, changes, moment.limits)
    if faults:
        return faults
    differences = field_changes(stored.values, values)
    touched_fields = changes.given if always else [change.field for change in differences]
    content = not CONTENT[stored.type].isdisjoint(touched_fields)
    created_at = stored.created_at
    if isinstance(changes.created_at, datetime):
        created_at = changes.created_at
        if (moved := field_change("created_at", stored.created_at, created_at)) is not None:
            differences.append(moved)
    if not differences and not always:
        return Unchanged(memory=stored)
    memory = _next(stored, moment, values=values, content=content, created_at=created_at)
    return Revision(memory=memory, action=_UPDATE, changes=tuple(differences))


def _next(
    stored: Memory,
    moment: Moment,
    *,
    values: Values | None = None,
    content: bool = False,
    created_at: datetime | None = None,
    deleted: bool | None = None,
) -> Memory:
    """The next version; ``content`` is whether that of ``values`` is new. What is not given stays."""
    updated_at = max(moment.now, stored.updated_at + TICK)
    # `dataclasses.replace` would take four times as long.
    return Memory(
        id=stored.id,
        type=stored.type,
        container_id=stored.container_id,
        namespace=stored.namespace,
        session_id=stored.session_id,
        entry_id=stored.entry_id,
        version=stored.version + 1,
        created_at=created_at or stored.created_at,
        updated_at=updated_at,
        content_updated_at=updated_at if content else stored.content_updated_at,
        updated_by=moment.actor,
        arrival=stored.arrival,
        change=moment.change,
        deleted=stored.deleted if deleted is None else deleted,
        values=stored.values if values is None else values,
        owner=stored.owner,
        guarded=stored.guarded,
    )


def _applied(stored: Values, changes: Changes, limits: Limits) -> tuple[dict[str, FieldValue], tuple[Refusal, ...]]:
    """The values after the changes, and what forbids them."""
    values = dict(stored)
    fields = FIELDS[changes.memory_type]
    for name, given in changes.given.items():
        was = values[name]
        if given is None:
            values[name] = fields[name].empty
        elif isinstance(given, dict) and changes.object_mode is _MERGE:
            values[name] = merge_patch(was if isinstance(was, dict) else None, given)
        else:
            values[name] = given
    if changes.append_messages:
        before = values["messages"]
        assert isinstance(before, tuple)  # The field's kind is MESSAGES.
        values["messages"] = (*before, *changes.append_messages)
    return values, _size_faults(values, changes, limits)


def _size_faults(values: Values, changes: Changes, limits: Limits) -> tuple[Refusal, ...]:
    messages = values.get("messages")
    if isinstance(messages, tuple) and len(messages) > limits.messages:
        path = ("append_messages",) if changes.append_messages else ("messages",)
        return (too_many_messages(path, len(messages), limits),)
    if changes.object_mode is _MERGE:
        faults = tuple(_merged_faults(values, changes, limits))
        if faults:
            return faults
    # Most memories are so small that this bound settles it without measuring their JSON.
    if _loose_bytes(values, limits) > limits.memory_bytes:
        size = sum(map(_exact_bytes, values.values()))
        if size > limits.memory_bytes:
            return (
                LimitExceeded(
                    unit="bytes in one memory",
                    limit=limits.memory_bytes,
                    actual=size,
                    advice="A longer conversation belongs in the entries of a session.",
                ),
            )
    return ()


def _merged_faults(values: Values, changes: Changes, limits: Limits) -> list[Refusal]:
    faults: list[Refusal] = []
    for name in changes.given:
        value = values[name]
        if isinstance(value, dict) and (size := json_bytes(value)) > limits.json_bytes:
            faults.append(LimitExceeded(path=(name,), unit="bytes of JSON", limit=limits.json_bytes, actual=size))
    return faults


def _loose_bytes(values: Values, limits: Limits) -> int:
    total = 0
    for value in values.values():
        if value is None:
            continue
        if isinstance(value, str):
            total += 4 * len(value)
        elif isinstance(value, dict):
            total += limits.json_bytes
        elif isinstance(value, bytes):
            total += len(value)
        elif isinstance(value, tuple):
            for message in value:
                total += 4 * len(message.text or "") + limits.json_bytes * len(message.parts or ())
    return total


def _exact_bytes(value: FieldValue) -> int:
    if isinstance(value, str):
        return len(value.encode())
    if isinstance(value, dict):
        return json_bytes(value)
    if isinstance(value, bytes):
        return len(value)
    if isinstance(value, tuple):
        return sum(len((message.text or "").encode()) + sum(map(json_bytes, message.parts or ())) for message in value)
    return 0


def _found(stored: Memory | None, wanted: MemoryType, command: Update | Delete) -> tuple[Refusal, ...]:
    if stored is None or stored.deleted or command.container_id not in (None, stored.container_id):
        return (NotFound(path=("id",), kind=NOUNS[wanted], id=command.id),)
    if stored.type is not wanted:
        return (MemoryTypeMismatch(path=("type",), requested=wanted, actual=stored.type),)
    if command.if_version is not None and command.if_version != stored.version:
        return (_conflict(stored, command.if_version),)
    return ()


def _conflict(stored: Memory, expected: int) -> VersionConflict:
    return VersionConflict(path=("if_version",), expected=expected, actual=stored.version, current=stored)


def _payload_type(values: Values) -> PayloadType:
    conversational = values["messages"] or values["content"] is not None
    data = values["structured_data"] is not None or values["binary_data"] is not None
    return PayloadType.DATA if data and not conversational else PayloadType.CONVERSATIONAL
