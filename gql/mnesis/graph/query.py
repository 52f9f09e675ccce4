"""Everything that can be queried."""

from typing import Annotated

import strawberry

from mnesis.domain.caller import Scope
from mnesis.domain.ids import DEFAULT_CONTAINER, parse_record_id
from mnesis.domain.memory_types import MemoryType
from mnesis.domain.refusals import Forbidden, Refused
from mnesis.graph.arguments import After, Before, First, Last, TypeOfMemory, given
from mnesis.graph.context import Info
from mnesis.graph.directives import SEMANTIC_NON_NULL
from mnesis.graph.fields import resolved
from mnesis.graph.history import HistoryMemory
from mnesis.graph.listing import MemoryConnection, MemoryFilter, listed
from mnesis.graph.memory import Memory
from mnesis.graph.node import MemoryContainer, Node
from mnesis.graph.present import loaded

DEFAULT = strawberry.ID(DEFAULT_CONTAINER)


@strawberry.type(description="Who asks.")
class Viewer:
    tenant: str = strawberry.field(description="Whose memories these are.")
    subject: str = strawberry.field(description="Who acts; recorded with every change.")
    scopes: list[str] = strawberry.field(
        description=(
            "What the caller may do: `memory:read`, `memory:write`, `memory:admin`; each includes the ones before."
        )
    )


@strawberry.type(description="Everything that can be queried. Needs the scope `memory:read`.")
class Query:
    @resolved("The memory, history memory or container that has an id; null where nothing has it.")
    async def node(
        self, info: Info, id: Annotated[strawberry.ID, strawberry.argument(description="The id.")]
    ) -> Node | None:
        found = await _record(info, id) if "~" in id else await loaded(info.context.loaders, id)
        if found is not None or "~" in id:
            return found
        container = await info.context.loaders.containers.load(id)
        return MemoryContainer.of(container) if container is not None else None

    @resolved(
        "The memory that has an id; null where there is none, or one of another type. The id of a history memory"
        " is the memory's id, `~` and a version."
    )
    async def memory(
        self,
        info: Info,
        memory_type: TypeOfMemory,
        id: Annotated[strawberry.ID, strawberry.argument(description="The memory's id.")],
    ) -> Memory | None:
        if memory_type is MemoryType.HISTORY:
            return await _record(info, id)
        found = await loaded(info.context.loaders, id)
        return found if found is not None and found.memory_type is memory_type else None

    @resolved(
        "Memories, the newest first by `createdAt`, then by order of arrival; 20 of them by default.",
        directives=[SEMANTIC_NON_NULL],
    )
    async def memories(
        self,
        info: Info,
        filter: Annotated[
            MemoryFilter | None, strawberry.argument(description="Which memories; all of them by default.")
        ] = strawberry.UNSET,
        first: First = strawberry.UNSET,
        after: After = strawberry.UNSET,
        last: Last = strawberry.UNSET,
        before: Before = strawberry.UNSET,
    ) -> MemoryConnection | None:
        return await listed(
            info.context,
            given(filter),
            first=given(first),
            after=given(after),
            last=given(last),
            before=given(before),
        )

    @resolved("A container; null where there is none of this id.")
    async def memory_container(
        self,
        info: Info,
        id: Annotated[strawberry.ID, strawberry.argument(description="The container's id.")] = DEFAULT,
    ) -> MemoryContainer | None:
        found = await info.context.loaders.containers.load(id)
        return MemoryContainer.of(found) if found is not None else None

    @resolved("Who asks, as the credentials say.", directives=[SEMANTIC_NON_NULL])
    def viewer(self, info: Info) -> Viewer | None:
        caller = info.context.caller
        if not caller.may(Scope.READ):
            raise Refused(Forbidden(required_scope=Scope.READ))
        scopes = [scope.value for scope in Scope if caller.may(scope)]
        return Viewer(tenant=caller.tenant, subject=caller.subject, scopes=scopes)


async def _record(info: Info, text: str) -> HistoryMemory | None:
    record_id = parse_record_id(text)
    if record_id is None:
        return None
    record = await info.context.loaders.records.load(record_id)
    return HistoryMemory.of(record) if record is not None else None
