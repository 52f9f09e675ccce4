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


_WORKING = MemoryType.WORKING


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
    key = entry.id
    if key is None and isinstance(metadata := entry.given.get("metadata"), dict):
        message_id = metadata.get("messageId")
        if message_id is None or isinstance(message_id, str):
            key = message_id
        else:
            faults = (InvalidInput(path=("metadata", "messageId"), text="A message id is a string."),)
    changes = Changes(memory_type=_WORKING, given=entry.given, object_mode=mode, created_at=entry.created_at)
    return PutEntry(session_id=session_id, entry_id=key, changes=changes, if_version=entry.if_version), faults
