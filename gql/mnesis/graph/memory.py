"""What all kinds of memory have in common."""

from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import strawberry

from mnesis.domain.memory_types import MemoryType
from mnesis.graph.arguments import given
from mnesis.graph.context import Info
from mnesis.graph.cursors import CursorKind
from mnesis.graph.directives import SEMANTIC_NON_NULL
from mnesis.graph.fields import resolved
from mnesis.graph.node import MemoryContainer, Node
from mnesis.graph.paging import DEFAULT_PAGE, page_request
from mnesis.graph.scalars import JSONObject

if TYPE_CHECKING:
    from mnesis.graph.history import HistoryConnection

HistoryPageSize = Annotated[
    int, strawberry.argument(description="How many records at most, from 0 to the server's limit for a page (100).")
]
HistoryPlace = Annotated[
    str | None, strawberry.argument(description="Only what comes after this cursor, that is, older records.")
]


@strawberry.interface(description="A memory of any kind.")
class Memory(Node):
    memory_id: strawberry.ID = strawberry.field(
        description="The id of the memory as it is now. It differs from `id` only where a memory is shown as it was."
    )
    is_current: bool = strawberry.field(description="Whether this is the memory as it is now.")
    memory_type: MemoryType = strawberry.field(name="type", description="Which kind of memory this is.")
    version: int = strawberry.field(
        description="From 1; rises by one with every change and not at all where nothing changed."
    )
    namespace: JSONObject = strawberry.field(
        description="Whom or what the memory concerns, in the client's own keys. Given at creation; empty by default."
    )
    created_at: datetime = strawberry.field(
        description="When it was created; for an entry, when its writer says that it was said."
    )
    updated_at: datetime = strawberry.field(description="When the version was made; never runs backwards.")
    content_updated_at: datetime = strawberry.field(
        description=(
            "When the content last changed: the summary of a session; messages, content and data of a working memory;"
            " the text of a long-term memory."
        )
    )
    updated_by: str | None = strawberry.field(description="The subject whose credentials made the version.")
    owner: str | None = strawberry.field(
        description="The subject that made it; null where nobody was authenticated. See `MemoryContainer.isShared`."
    )
    container_id: strawberry.Private[str]

    @resolved("The container it lies in.", directives=[SEMANTIC_NON_NULL])
    async def container(self, info: Info) -> MemoryContainer | None:
        found = await info.context.loaders.containers.load(self.container_id)
        return MemoryContainer.of(found) if found is not None else None

    @resolved("Its changes, the newest version first. A history memory has none.", directives=[SEMANTIC_NON_NULL])
    async def history(
        self, info: Info, first: HistoryPageSize = DEFAULT_PAGE, after: HistoryPlace = strawberry.UNSET
    ) -> Annotated["HistoryConnection", strawberry.lazy("mnesis.graph.history")] | None:
        # The two modules need each other.
        from mnesis.graph.history import HistoryConnection, HistoryMemory

        loaders, memory_id = info.context.loaders, str(self.memory_id)
        wanted = page_request(
            CursorKind.HISTORY,
            info.context.memories.limits.page_nodes,
            # The default must not be refused where the limit is set lower.
            first=None if first == DEFAULT_PAGE else first,
            after=given(after),
        )
        page = await loaders.histories.load((wanted, memory_id))
        return HistoryConnection(
            kind=CursorKind.HISTORY,
            page=page,
            present=HistoryMemory.of,
            count=lambda: loaders.history_counts.load(memory_id),
        )


COMMON_FIELDS = (
    ("memory_id", "id"),
    ("memory_type", "type"),
    "version",
    "namespace",
    "created_at",
    "updated_at",
    "content_updated_at",
    "updated_by",
    "owner",
    "container_id",
)
"""What is read later of any stored memory; see `stored`."""
