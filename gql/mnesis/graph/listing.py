"""Lists of memories of any kind: what can be asked for, and how it is found."""

from collections.abc import Iterator
from contextlib import contextmanager

import strawberry

from mnesis.domain.filters import MemoryOrder, lists_records
from mnesis.domain.refusals import Forbidden, Refused
from mnesis.graph.connections import Connection
from mnesis.graph.context import Context
from mnesis.graph.cursors import CursorKind
from mnesis.graph.faults import refused_argument
from mnesis.graph.filters import MemoryFilter, filter_fields, filter_path
from mnesis.graph.history import HistoryMemory
from mnesis.graph.memory import Memory
from mnesis.graph.paging import page_request
from mnesis.graph.present import shown
from mnesis.usecases.ports import MemoryQuery

_KINDS = {
    MemoryOrder.CREATED_AT_DESC: CursorKind.MEMORIES,
    MemoryOrder.CREATED_AT_ASC: CursorKind.OLDEST_FIRST,
    MemoryOrder.UPDATED_AT_DESC: CursorKind.UPDATED_LAST,
    MemoryOrder.UPDATED_AT_ASC: CursorKind.UPDATED_FIRST,
}
"""A cursor is a place in one order and leads nowhere in another."""


@strawberry.type(description="A page of memories of any kind.")
class MemoryConnection(Connection[Memory]):
    pass


async def listed(
    context: Context,
    wanted: MemoryFilter | None,
    order: MemoryOrder | None,
    *,
    first: int | None,
    after: str | None,
    last: int | None,
    before: str | None,
    looked_at: frozenset[str] | None = None,
) -> MemoryConnection:
    """A page of the memories that pass a filter, with what is ``looked_at``.

    Raises GraphQLError for arguments that cannot be meant.
    """
    query = MemoryQuery(
        order=order or MemoryOrder.CREATED_AT_DESC,
        looked_at=looked_at,
        **(filter_fields(wanted) if wanted is not None else {}),
    )
    history = lists_records(query)
    kind = CursorKind.RECORDS if history else _KINDS[query.order]
    page = page_request(kind, context.memories.limits.page_nodes, first=first, after=after, last=last, before=before)
    memories, caller = context.memories, context.caller
    with filter_faults_named():
        if not history:
            return MemoryConnection(
                kind=kind,
                page=await memories.list_memories(caller, query, page),
                present=shown,
                count=lambda: memories.count_memories(caller, query),
            )
        record_query = memories.record_query(caller, query)
    if order is not None:
        raise refused_argument("orderBy", "HISTORY is listed in the order of the changes, the last one first.")
    return MemoryConnection(
        kind=kind,
        page=await memories.list_records(caller, record_query, page),
        present=HistoryMemory.of,
        count=lambda: memories.count_records(caller, record_query),
    )


@contextmanager
def filter_faults_named(argument: str = "filter") -> Iterator[None]:
    """Says of a refused filter which argument it is, and where in it the fault lies."""
    try:
        yield
    except Refused as refused:
        fault = refused.refusals[0]
        if isinstance(fault, Forbidden):
            raise
        raise refused_argument(argument, fault.message, path=filter_path(fault.path)) from None
