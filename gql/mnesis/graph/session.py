"""Session memories, with the entries of their conversations."""

import strawberry

from mnesis.domain.memory import FIELDS
from mnesis.domain.memory import Memory as StoredMemory
from mnesis.domain.memory_types import MemoryType
from mnesis.graph.arguments import After, Before, First, Last, given
from mnesis.graph.context import Info
from mnesis.graph.cursors import CursorKind
from mnesis.graph.directives import SEMANTIC_NON_NULL
from mnesis.graph.fields import resolved
from mnesis.graph.memory import COMMON_FIELDS, Memory
from mnesis.graph.paging import page_request
from mnesis.graph.scalars import JSONObject
from mnesis.graph.stored import read_later, showing
from mnesis.graph.working import WorkingMemory, WorkingMemoryConnection


@strawberry.type(description="One conversation and its metadata.")
class SessionMemory(Memory):
    summary: str | None = strawberry.field(description="What the conversation is about, in short.")
    metadata: JSONObject | None = strawberry.field(description="Anything about the session, in the client's own keys.")
    agents: JSONObject | None = strawberry.field(description="What is to be known of the agents that take part.")
    additional_info: JSONObject | None = strawberry.field(description="Further metadata, in the client's own keys.")
    pinned: bool = strawberry.field(description="Whether it is to be kept whatever a retention rule says.")

    @resolved(
        "The entries of the conversation by `createdAt`, then by order of arrival, oldest first.",
        directives=[SEMANTIC_NON_NULL],
    )
    async def entries(
        self,
        info: Info,
        first: First = strawberry.UNSET,
        after: After = strawberry.UNSET,
        last: Last = strawberry.UNSET,
        before: Before = strawberry.UNSET,
    ) -> WorkingMemoryConnection | None:
        loaders, session_id = info.context.loaders, str(self.memory_id)
        wanted = page_request(
            CursorKind.ENTRIES,
            info.context.memories.limits.page_nodes,
            first=given(first),
            after=given(after),
            last=given(last),
            before=given(before),
        )
        page = await loaders.entries.load((wanted, session_id))
        return WorkingMemoryConnection(
            kind=CursorKind.ENTRIES,
            page=page,
            present=WorkingMemory.of,
            count=lambda: loaders.entry_counts.load(session_id),
        )

    @classmethod
    def of(cls, stored: StoredMemory) -> "SessionMemory":
        """A stored session as GraphQL shows it."""
        return showing(cls, stored)


read_later(SessionMemory, (*COMMON_FIELDS, *FIELDS[MemoryType.SESSION]))
