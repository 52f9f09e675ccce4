"""Lists of memories of any kind: what can be asked for, and how it is found."""

from collections.abc import Iterable

import strawberry

from mnesis.domain.ids import is_id
from mnesis.domain.memory_types import MemoryType
from mnesis.graph.connections import Connection
from mnesis.graph.context import Context
from mnesis.graph.cursors import CursorKind
from mnesis.graph.faults import refused_argument
from mnesis.graph.history import HistoryMemory
from mnesis.graph.memory import Memory
from mnesis.graph.paging import page_request
from mnesis.graph.present import shown
from mnesis.usecases.ports import MemoryQuery, RecordQuery


@strawberry.type(description="A page of memories of any kind.")
class MemoryConnection(Connection[Memory]):
    pass


@strawberry.input(description="Which memories are listed. What is left out or null lets all of them pass.")
class MemoryFilter:
    types: list[MemoryType] | None = strawberry.field(
        description="Only these kinds. HISTORY lists history memories and stands alone."
    )
    ids: list[strawberry.ID] | None = strawberry.field(
        description="Only these memories; for HISTORY, only the records of these memories."
    )
    container_id: strawberry.ID | None = strawberry.field(description="Only what lies in this container.")
    session_id: strawberry.ID | None = strawberry.field(
        description="Only the entries of this session; for HISTORY, the records of the session and of its entries."
    )


async def listed(
    context: Context,
    wanted: MemoryFilter | None,
    *,
    first: int | None,
    after: str | None,
    last: int | None,
    before: str | None,
) -> MemoryConnection:
    """A page of the memories that pass a filter. Raises GraphQLError for arguments that cannot be meant."""
    wanted = wanted or MemoryFilter(types=None, ids=None, container_id=None, session_id=None)
    types = frozenset(wanted.types) if wanted.types is not None else None
    history = types is not None and MemoryType.HISTORY in types
    if history and types != frozenset({MemoryType.HISTORY}):
        raise refused_argument("filter", "HISTORY cannot be listed together with other types.")
    kind = CursorKind.RECORDS if history else CursorKind.MEMORIES
    page = page_request(kind, context.memories.limits.page_nodes, first=first, after=after, last=last, before=before)
    memories, caller = context.memories, context.caller
    if history:
        record_query = _record_query(wanted)
        return MemoryConnection(
            kind=kind,
            page=await memories.list_records(caller, record_query, page),
            present=HistoryMemory.of,
            count=lambda: memories.count_records(caller, record_query),
        )
    query = _memory_query(wanted, types)
    return MemoryConnection(
        kind=kind,
        page=await memories.list_memories(caller, query, page),
        present=shown,
        count=lambda: memories.count_memories(caller, query),
    )


def _memory_query(wanted: MemoryFilter, types: frozenset[MemoryType] | None) -> MemoryQuery:
    if _names_nothing(wanted):
        return MemoryQuery(ids=frozenset())
    return MemoryQuery(
        types=types, ids=_ids(wanted.ids), container_id=wanted.container_id, session_id=wanted.session_id
    )


def _record_query(wanted: MemoryFilter) -> RecordQuery:
    if _names_nothing(wanted):
        return RecordQuery(memory_ids=frozenset())
    return RecordQuery(memory_ids=_ids(wanted.ids), container_id=wanted.container_id, session_id=wanted.session_id)


def _ids(ids: Iterable[str] | None) -> frozenset[str] | None:
    return frozenset(filter(is_id, ids)) if ids is not None else None


def _names_nothing(wanted: MemoryFilter) -> bool:
    """Whether an id is asked for that nothing can have. No database is asked: some cannot even read such a text."""
    return any(each is not None and not is_id(each) for each in (wanted.container_id, wanted.session_id))
