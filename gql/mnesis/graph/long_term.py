"""Long-term memories."""

import strawberry

from mnesis.domain.memory import FIELDS
from mnesis.domain.memory import Memory as StoredMemory
from mnesis.domain.memory_types import MemoryType
from mnesis.graph.memory import COMMON_FIELDS, Memory
from mnesis.graph.scalars import JSONObject
from mnesis.graph.stored import read_later, showing


@strawberry.type(description="One distilled fact.")
class LongTermMemory(Memory):
    memory: str = strawberry.field(description="The fact, as text.")
    tags: JSONObject | None = strawberry.field(description="Tags for finding it again, such as a topic.")
    strategy: str | None = strawberry.field(description="How the fact was distilled; given at creation.")
    pinned: bool = strawberry.field(description="Whether it is to be kept whatever a retention rule says.")

    @classmethod
    def of(cls, stored: StoredMemory) -> "LongTermMemory":
        """A stored long-term memory as GraphQL shows it."""
        return showing(cls, stored)


read_later(LongTermMemory, (*COMMON_FIELDS, *FIELDS[MemoryType.LONG_TERM]))
