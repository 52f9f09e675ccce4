"""Lists of memories of any kind: what can be asked for, and how it is found."""

import strawberry

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
        ids = frozenset(map(str, wanted.ids)) if wanted.ids is not None else None
        record_query = RecordQuery(memory_ids=ids, container_id=wanted.container_id, session_id=wanted.session_id)
        return MemoryConnection(
            kind=kind,
            page=await memories.list_records(caller, record_query, page),
            present=HistoryMemory.of,
            count=lambda: memories.count_records(caller, record_query),
        )
    query = memory_query(wanted)
    return MemoryConnection(
        kind=kind,
        page=await memories.list_memories(caller, query, page),
        present=shown,
        count=lambda: memories.count_memories(caller, query),
    )


def memory_query(wanted: MemoryFilter) -> MemoryQuery:
    """What a filter of memories that are no history means."""
    return MemoryQuery(
        types=frozenset(wanted.types) if wanted.types is not None else None,
        ids=frozenset(map(str, wanted.ids)) if wanted.ids is not None else None,
        container_id=wanted.container_id,
        session_id=wanted.session_id,
    )
