"""The subscription: which changes are asked for, and how each is shown."""

from collections.abc import AsyncGenerator
from typing import Annotated

import strawberry
from graphql import GraphQLError

from mnesis.domain.ids import is_id
from mnesis.domain.json_values import JsonFault, check_object
from mnesis.domain.memory_types import HistoryAction, MemoryType
from mnesis.domain.watching import ChangeFilter
from mnesis.graph import enums as _enums  # noqa: F401  # It makes the domain's enums known before they are used.
from mnesis.graph.arguments import given
from mnesis.graph.context import Context, Info
from mnesis.graph.cursors import CursorKind, cursor_text, read_cursor
from mnesis.graph.faults import (
    CURSOR_EXPIRED,
    CURSOR_INVALID,
    SUBSCRIPTION_LAGGED,
    UNAUTHENTICATED,
    refused_argument,
)
from mnesis.graph.fields import resolved, watched
from mnesis.graph.history import HistoryMemory
from mnesis.graph.memory import Memory
from mnesis.graph.present import loaded
from mnesis.graph.scalars import JSONObject
from mnesis.usecases.ports import Change, ChangesLagged, Cursor, CursorExpired, CursorUnknown
from mnesis.usecases.watching import CredentialsExpired, WatchedChanges


@strawberry.type(description="A committed change of a memory.")
class MemoryChange:
    change: strawberry.Private[Change]

    @resolved("The place of the change in the tenant's order, for `after`. Opaque.")
    def cursor(self) -> str:
        return cursor_text(CursorKind.CHANGES, self.change.cursor)

    @resolved("What kind of change this was.")
    def action(self) -> HistoryAction:
        return self.change.record.action

    @resolved("The record of the change: the fields that changed, who did it and why.")
    def record(self) -> HistoryMemory:
        return HistoryMemory.of(self.change.record)

    @resolved("The memory as it is now, which may be later than the change; null when it is gone.")
    async def memory(self, info: Info) -> Memory | None:
        return await loaded(info.context.loaders, self.change.record.memory_id)


@strawberry.input(
    description=(
        "Which changes are told: those that meet every condition. What is left out or null lets all of them pass. Only"
        " what never changes in a memory can be asked for, so that no memory leaves a filter unseen."
    )
)
class MemoryChangeFilter:
    types: list[MemoryType] | None = strawberry.field(
        description="Only changes of memories of these kinds. HISTORY is refused: history memories never change."
    )
    ids: list[strawberry.ID] | None = strawberry.field(description="Only changes of these memories, at most 1,000.")
    container_id: strawberry.ID | None = strawberry.field(description="Only changes of what lies in this container.")
    session_id: strawberry.ID | None = strawberry.field(description="Only changes of this session and of its entries.")
    actions: list[HistoryAction] | None = strawberry.field(description="Only changes of these kinds.")
    namespace: JSONObject | None = strawberry.field(
        description=(
            "Only changes of what has in its `namespace` at least these keys with these values, nested ones too; of an"
            " array, at least these members."
        )
    )


Filter = Annotated[
    MemoryChangeFilter | None, strawberry.argument(description="Which changes; all of the tenant's by default.")
]
AfterChange = Annotated[
    str | None,
    strawberry.argument(
        description=(
            "Only changes after this cursor of a MemoryChange, also ones that were committed meanwhile; by default only"
            " those to come. CURSOR_EXPIRED when changes after it are no longer kept."
        )
    ),
]


@strawberry.type(
    description=(
        "Everything that can be watched, over a WebSocket (`graphql-transport-ws`) or as Server-Sent Events. Needs the"
        " scope `memory:read`."
    )
)
class Subscription:
    @watched(
        "Every committed change that passes a filter, in the order of the commits, each exactly once. Ends with the"
        " error SUBSCRIPTION_LAGGED, whose `extensions.cursor` is the last cursor told, when the client takes changes"
        " too slowly, and with UNAUTHENTICATED when the credentials end; `after` goes on from there."
    )
    async def memory_changed(
        self, info: Info, filter: Filter = strawberry.UNSET, after: AfterChange = strawberry.UNSET
    ) -> AsyncGenerator[MemoryChange, None]:
        wanted = _wanted(info.context, given(filter))
        try:
            changes = await info.context.watching.watch(info.context.caller, wanted, _place(given(after)))
        except Exception as fault:
            raise _told(fault) from fault
        return Events(changes)  # type: ignore[return-value]  # It is iterated and closed like one; see there.


class Events:
    """The changes as GraphQL shows them.

    No generator function: one that was never begun would not know that it is closed, and the subscription would stay.
    """

    def __init__(self, changes: WatchedChanges) -> None:
        self._changes = changes

    def __aiter__(self) -> "Events":
        return self

    async def __anext__(self) -> MemoryChange:
        """Raises GraphQLError for every end that a client should hear of."""
        try:
            return MemoryChange(change=await self._changes.next())
        except Exception as fault:
            raise _told(fault) from fault

    async def aclose(self) -> None:
        self._changes.close()


def _wanted(context: Context, filter: MemoryChangeFilter | None) -> ChangeFilter:
    if filter is None:
        return ChangeFilter()
    limits = context.memories.limits
    if filter.types is not None and MemoryType.HISTORY in filter.types:
        raise refused_argument("filter", "History memories never change; leave HISTORY out of types.")
    if filter.ids is not None and len(filter.ids) > limits.commands:
        raise refused_argument("filter", f"ids may name at most {limits.commands} memories.")
    if filter.namespace is not None:
        try:
            check_object(filter.namespace, limits)
        except JsonFault as fault:
            raise refused_argument(
                "filter", f"namespace{''.join(f'.{key}' for key in fault.path)} {fault.fact}."
            ) from None
    return ChangeFilter(
        types=frozenset(filter.types) if filter.types is not None else None,
        # What can be no id is nothing's: no database is asked for it, and it finds nothing.
        ids=frozenset(_findable(each) for each in filter.ids) if filter.ids is not None else None,
        container_id=_findable(filter.container_id) if filter.container_id is not None else None,
        session_id=_findable(filter.session_id) if filter.session_id is not None else None,
        actions=frozenset(filter.actions) if filter.actions is not None else None,
        namespace=filter.namespace,
    )


def _findable(text: str) -> str:
    return text if is_id(text) else ""


def _place(after: str | None) -> Cursor | None:
    if after is None:
        return None
    cursor = read_cursor(CursorKind.CHANGES, after)
    if cursor is None or cursor.value < 0:
        raise _invalid()
    return cursor


def _invalid() -> GraphQLError:
    return refused_argument("after", "This is not a cursor of a change.", CURSOR_INVALID)


def _told(fault: Exception) -> Exception:
    """The error that a client should read of an end; a fault stays what it is and is masked later."""
    match fault:
        case CursorUnknown():
            return _invalid()
        case CursorExpired():
            message = "Changes after this cursor are no longer kept; read the memories again and watch from now on."
            return refused_argument("after", message, CURSOR_EXPIRED)
        case ChangesLagged():
            cursor = cursor_text(CursorKind.CHANGES, fault.cursor)
            return GraphQLError(
                "The changes came faster than they were taken; go on with after.",
                extensions={"code": SUBSCRIPTION_LAGGED, "cursor": cursor},
            )
        case CredentialsExpired():
            return GraphQLError("The token has expired.", extensions={"code": UNAUTHENTICATED})
        case _:
            return fault
