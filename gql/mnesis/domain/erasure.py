"""What is left of memories that are erased: an empty tombstone and one record without content."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from mnesis.domain.history import FieldChange, HistoryRecord, entries_change
from mnesis.domain.memory import EMPTY_VALUES, Memory
from mnesis.domain.memory_types import HistoryAction
from mnesis.domain.revise import TICK


def erase(
    memories: Sequence[Memory],
    sessions: Sequence[Memory],
    *,
    change: int,
    now: datetime,
    actor: str,
    reason: str | None,
) -> tuple[list[Memory], list[HistoryRecord]]:
    """The memories after an erasure, and the records of it.

    ``sessions`` are those that stay while entries of theirs are erased: they tell of it as they tell of a deletion.
    An id, an entry's key, the session and the container stay, so that the id goes on at the next version.
    """
    gone = Counter(memory.session_id for memory in memories if not memory.deleted)
    after: list[Memory] = []
    records: list[HistoryRecord] = []

    def add(memory: Memory, action: HistoryAction, changes: tuple[FieldChange, ...]) -> None:
        records.append(
            HistoryRecord(
                memory_id=memory.id,
                version=memory.version,
                memory_type=memory.type,
                container_id=memory.container_id,
                session_id=memory.session_id,
                namespace=memory.namespace,
                change=change,
                position=len(records),
                action=action,
                changes=changes,
                actor=actor,
                reason=reason,
                created_at=memory.updated_at,
                content_updated_at=memory.content_updated_at,
                owner=memory.owner,
                guarded=memory.guarded,
            )
        )
        after.append(memory)

    for memory in memories:
        time = max(now, memory.updated_at + TICK)
        left = replace(
            _next(memory, change, time, actor),
            content_updated_at=time,
            namespace={},
            deleted=True,
            values=EMPTY_VALUES[memory.type],
        )
        add(left, HistoryAction.ERASE, ())
    for session in sessions:
        entries = entries_change(created=0, updated=0, deleted=gone[session.id])
        time = max(now, session.updated_at + TICK)
        add(_next(session, change, time, actor), HistoryAction.UPDATE, (entries,))
    return after, records


def _next(memory: Memory, change: int, time: datetime, actor: str) -> Memory:
    return replace(memory, version=memory.version + 1, change=change, updated_at=time, updated_by=actor)
