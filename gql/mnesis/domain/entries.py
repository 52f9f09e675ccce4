"""How the entries of an ``updateContextMemory`` request become commands.

An entry is matched by its ``id``, else by ``metadata.messageId``, as Alchemyst's clients name them.
"""

from datetime import datetime

from mnesis.domain.commands import Changes, PutEntry, Rejected
from mnesis.domain.fields import Unreadable, Values
from mnesis.domain.limits import Limits
from mnesis.domain.memory_types import MemoryType, ObjectMode
from mnesis.domain.quickly import quickly_made
from mnesis.domain.refusals import InvalidInput, Refusal
from mnesis.domain.validation import command_faults


@quickly_made
class ContextEntry:
    """One entry as a caller gives it; ``given`` holds those of content, role and metadata that were given."""

    id: str | None = None
    given: Values
    created_at: datetime | Unreadable | None = None
    if_version: int | None = None


def entry_commands(
    session_id: str, entries: tuple[ContextEntry, ...], mode: ObjectMode, limits: Limits
) -> tuple[PutEntry | Rejected, ...]:
    """One command per entry, in order; an entry that cannot be accepted stands as `Rejected`."""
    commands: list[PutEntry | Rejected] = []
    seen: set[str] = set()
    for entry in entries:
        command, faults = _command(session_id, entry, mode)
        faults += command_faults(command, limits)
        if command.entry_id is not None:
            if command.entry_id in seen:
                faults += (InvalidInput(path=("id",), text="An earlier entry of this request has the same key."),)
            seen.add(command.entry_id)
        commands.append(Rejected(refusals=faults, entry_id=command.entry_id) if faults else command)
    return tuple(commands)


def _command(session_id: str, entry: ContextEntry, mode: ObjectMode) -> tuple[PutEntry, tuple[Refusal, ...]]:
    faults: tuple[Refusal, ...] = ()
    key: object = entry.id
    metadata = entry.given.get("metadata")
    if key is None and isinstance(metadata, dict):
        key = metadata.get("messageId")
        if key is not None and not isinstance(key, str):
            faults = (InvalidInput(path=("metadata", "messageId"), text="A message id is a string."),)
            key = None
    changes = Changes(memory_type=MemoryType.WORKING, given=entry.given, object_mode=mode, created_at=entry.created_at)
    assert key is None or isinstance(key, str)
    return (
        PutEntry(session_id=session_id, entry_id=key, changes=changes, if_version=entry.if_version),
        faults,
    )
