"""Everything that can be queried."""

from datetime import datetime
from typing import Annotated

import strawberry

from mnesis.domain.caller import Scope
from mnesis.domain.fields import Unreadable
from mnesis.domain.filters import MemoryOrder
from mnesis.domain.ids import DEFAULT_CONTAINER, parse_past_id, parse_record_id
from mnesis.domain.memory_types import MemoryType
from mnesis.domain.refusals import Forbidden, Refused
from mnesis.domain.searching import SearchMode
from mnesis.domain.time_travel import NotKept
from mnesis.graph.arguments import After, Before, First, Last, TypeOfMemory, given
from mnesis.graph.containers import MemoryContainerConnection, listed_containers, live_container
from mnesis.graph.context import Info, asks_alone
from mnesis.graph.directives import SEMANTIC_NON_NULL
from mnesis.graph.faults import VERSION_NOT_KEPT, refused_argument
from mnesis.graph.fields import resolved
from mnesis.graph.filters import MemoryFilter
from mnesis.graph.history import HistoryMemory
from mnesis.graph.listing import MemoryConnection, listed
from mnesis.graph.looked_at import looked_at
from mnesis.graph.memory import Memory
from mnesis.graph.node import MemoryContainer, Node
from mnesis.graph.present import loaded, shown_as_it_was
from mnesis.graph.quotas import TenantQuotas, shown_quotas
from mnesis.graph.searching import DEFAULT_ANSWERS, MemorySearchConnection, searched

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

    roles: list[str] = strawberry.field(description="Which containers of others are open to the caller; sorted.")

    @resolved("What the tenant may use, and what of it is used; null where nothing is bounded.")
    async def quotas(self, info: Info) -> TenantQuotas | None:
        return shown_quotas(await info.context.memories.quotas(info.context.caller))

    @resolved(
        "How many memories of the tenant a search does not yet find by their meaning as it is now, because they are"
        " new, have changed, or were there before the server had its embedding model. They are found by their words"
        " meanwhile. Null where the server has no embedding model."
    )
    async def awaiting_embedding(self, info: Info) -> int | None:
        return await info.context.memories.count_awaiting_embedding(info.context.caller)


@strawberry.type(description="Everything that can be queried. Needs the scope `memory:read`.")
class Query:
    @resolved("The memory, history memory or container that has an id; null where nothing has it.")
    async def node(
        self, info: Info, id: Annotated[strawberry.ID, strawberry.argument(description="The id.")]
    ) -> Node | None:
        if "~" in id:
            return await _record(info, id)
        if (past := parse_past_id(id)) is not None:
            return await _as_it_was(info, past.memory_id, "id", version=past.version)
        found = await loaded(info.context.loaders, id, alone=asks_alone(info))
        if found is not None:
            return found
        return await live_container(info.context, id)

    @resolved(
        "The memory that has an id, as it is or, with `version` or `at`, as it was; null where there is or was none, or"
        " one of another type. The id of a history memory is the memory's id, `~` and a version; that of a memory as it"
        " was is the memory's id, `@` and the version."
    )
    async def memory(
        self,
        info: Info,
        memory_type: TypeOfMemory,
        id: Annotated[strawberry.ID, strawberry.argument(description="The memory's id.")],
        version: Annotated[
            int | None,
            strawberry.argument(
                description=(
                    "The version to show, from 1. One that was, but is not kept, is refused with VERSION_NOT_KEPT."
                )
            ),
        ] = strawberry.UNSET,
        at: Annotated[
            datetime | None,
            strawberry.argument(description="The time at which to show it; not together with `version`."),
        ] = strawberry.UNSET,
    ) -> Memory | None:
        wanted, moment = given(version), given(at)
        if wanted is not None or moment is not None:
            found = await _past(info, memory_type, id, wanted, moment)
        elif memory_type is MemoryType.HISTORY:
            return await _record(info, id)
        else:
            found = await loaded(info.context.loaders, id, alone=asks_alone(info))
        return found if found is not None and found.memory_type is memory_type else None

    @resolved(
        "Memories, by default the newest first by `createdAt`, then by order of arrival; 20 of them by default.",
        directives=[SEMANTIC_NON_NULL],
    )
    async def memories(
        self,
        info: Info,
        filter: Annotated[
            MemoryFilter | None, strawberry.argument(description="Which memories; all of them by default.")
        ] = strawberry.UNSET,
        order_by: Annotated[
            MemoryOrder | None,
            strawberry.argument(
                description="The order, CREATED_AT_DESC by default; a cursor is good for the order it came from."
            ),
        ] = strawberry.UNSET,
        first: First = strawberry.UNSET,
        after: After = strawberry.UNSET,
        last: Last = strawberry.UNSET,
        before: Before = strawberry.UNSET,
    ) -> MemoryConnection | None:
        return await listed(
            info.context,
            given(filter),
            given(order_by),
            first=given(first),
            after=given(after),
            last=given(last),
            before=given(before),
            looked_at=looked_at(info),
        )

    @resolved(
        "The memories that answer a question or have words of it, the best first, then the newest; where the server has"
        " an embedding model, also those that mean something like it (see `SearchMode`). Words are compared"
        " by their stems, without accents and without those that tell nothing; any of them will do, rare ones weigh"
        " more. An entry of a session is also found, less strongly, by what was said just before it, by its role, by"
        " the month and year of its `createdAt` and by its session's summary. 32 KiB of text of each memory are"
        " searched. What is written is found by its words at once, and by its meaning once it is embedded (see"
        " `Viewer.awaitingEmbedding`); pages read while memories change may overlap.",
        directives=[SEMANTIC_NON_NULL],
    )
    async def search_memories(
        self,
        info: Info,
        query: Annotated[
            str,
            strawberry.argument(
                description="Words or a question, at most 1,000 characters; there is no query syntax. One without any"
                " word that tells something finds nothing by words."
            ),
        ],
        filter: Annotated[
            MemoryFilter | None,
            strawberry.argument(description="Among which memories; all but HISTORY by default."),
        ] = strawberry.UNSET,
        mode: Annotated[SearchMode, strawberry.argument(description="By what they are found.")] = SearchMode.AUTO,
        first: Annotated[
            int,
            strawberry.argument(description="How many answers at most, from 0 to the server's limit for a page (100)."),
        ] = DEFAULT_ANSWERS,
        after: Annotated[
            str | None,
            strawberry.argument(description="Only what comes after this cursor, which must be of the same query."),
        ] = strawberry.UNSET,
    ) -> MemorySearchConnection | None:
        return await searched(info.context, query, given(filter), mode, first=first, after=given(after))

    @resolved("A container; null where there is none of this id.")
    async def memory_container(
        self,
        info: Info,
        id: Annotated[strawberry.ID, strawberry.argument(description="The container's id.")] = DEFAULT,
    ) -> MemoryContainer | None:
        return await live_container(info.context, id)

    @resolved("All containers by id, `default` among them; 20 of them by default.", directives=[SEMANTIC_NON_NULL])
    async def memory_containers(
        self,
        info: Info,
        first: First = strawberry.UNSET,
        after: After = strawberry.UNSET,
        last: Last = strawberry.UNSET,
        before: Before = strawberry.UNSET,
    ) -> MemoryContainerConnection | None:
        return await listed_containers(
            info.context, first=given(first), after=given(after), last=given(last), before=given(before)
        )

    @resolved("Who asks, as the credentials say.", directives=[SEMANTIC_NON_NULL])
    def viewer(self, info: Info) -> Viewer | None:
        caller = info.context.caller
        if not caller.may(Scope.READ):
            raise Refused(Forbidden(required_scope=Scope.READ))
        scopes = [scope.value for scope in Scope if caller.may(scope)]
        return Viewer(tenant=caller.tenant, subject=caller.subject, scopes=scopes, roles=sorted(caller.roles))


async def _past(
    info: Info, memory_type: MemoryType, memory_id: str, version: int | None, at: datetime | Unreadable | None
) -> Memory | None:
    if memory_type is MemoryType.HISTORY:
        raise refused_argument("type", "A history memory never changes, so it has no earlier versions.")
    if version is not None and at is not None:
        raise refused_argument("at", "Give either version or at, not both.")
    if version is not None and version < 1:
        raise refused_argument("version", "Versions count from 1.")
    if isinstance(at, Unreadable):
        raise refused_argument("at", f"The time {at.fact}.")
    return await _as_it_was(info, memory_id, "version" if at is None else "at", version=version, at=at)


async def _as_it_was(
    info: Info, memory_id: str, argument: str, *, version: int | None = None, at: datetime | None = None
) -> Memory | None:
    context = info.context
    try:
        past = await context.memories.past_memory(context.caller, memory_id, version=version, at=at)
    except NotKept as not_kept:
        raise refused_argument(argument, str(not_kept), VERSION_NOT_KEPT) from None
    return shown_as_it_was(past) if past is not None else None


async def _record(info: Info, text: str) -> HistoryMemory | None:
    record_id = parse_record_id(text)
    if record_id is None:
        return None
    record = await info.context.loaders.records.load(record_id)
    return HistoryMemory.of(record) if record is not None else None
