"""Working memories, and the pages of them that a session's entries make."""

from typing import TYPE_CHECKING, Annotated

import strawberry

from mnesis.domain.fields import Message as StoredMessage
from mnesis.domain.memory import FIELDS
from mnesis.domain.memory import Memory as StoredMemory
from mnesis.domain.memory_types import MemoryType, PayloadType
from mnesis.execution import settled
from mnesis.graph.connections import Connection
from mnesis.graph.context import Info
from mnesis.graph.fields import resolved
from mnesis.graph.memory import COMMON_FIELDS, Memory
from mnesis.graph.messages import Message
from mnesis.graph.scalars import Base64, JSONObject
from mnesis.graph.stored import read_later, showing

if TYPE_CHECKING:
    from mnesis.graph.session import SessionMemory


@strawberry.type(description="What an agent uses right now, as messages or as data. Inside a session it is an entry.")
class WorkingMemory(Memory):
    entry_id: strawberry.ID | None = strawberry.field(
        description="The entry's key in its session, fixed at creation; null outside a session. Not unique elsewhere."
    )
    role: str | None = strawberry.field(description="Who speaks in an entry, such as `user`; 1 to 64 characters.")
    content: str | None = strawberry.field(description="The text of an entry.")
    payload_type: PayloadType = strawberry.field(description="What it carries, fixed at creation.")
    structured_data: JSONObject | None = strawberry.field(description="Data in the client's own keys.")
    binary_data: Base64 | None = strawberry.field(description="Bytes that the service does not look into.")
    tags: JSONObject | None = strawberry.field(description="Tags for finding it again, such as a topic.")
    metadata: JSONObject | None = strawberry.field(description="Anything else, in the client's own keys.")
    session_id: strawberry.Private[str | None]
    stored_messages: strawberry.Private[tuple[StoredMessage, ...]]

    @resolved("The messages, in order; empty where there are none.", metadata=settled())
    def messages(self) -> list[Message]:
        return list(map(Message.of, self.stored_messages))

    @resolved("The session that it is an entry of; null outside a session.")
    async def session(self, info: Info) -> Annotated["SessionMemory", strawberry.lazy("mnesis.graph.session")] | None:
        # The two modules need each other.
        from mnesis.graph.session import SessionMemory

        if self.session_id is None:
            return None
        found = await info.context.loaders.memories.load(self.session_id)
        return SessionMemory.of(found) if found is not None else None

    @classmethod
    def of(cls, stored: StoredMemory) -> "WorkingMemory":
        """A stored working memory as GraphQL shows it."""
        return showing(cls, stored)


read_later(
    WorkingMemory,
    (
        *COMMON_FIELDS,
        "entry_id",
        "session_id",
        ("stored_messages", "messages"),
        *(name for name in FIELDS[MemoryType.WORKING] if name != "messages"),
    ),
)


@strawberry.type(description="A page of working memories.")
class WorkingMemoryConnection(Connection[WorkingMemory]):
    pass
