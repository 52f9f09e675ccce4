"""Long-term memories."""

import strawberry

from mnesis.domain.memory import Memory as StoredMemory
from mnesis.graph.memory import Memory, common_fields
from mnesis.graph.scalars import JSONObject


@strawberry.type(description="One distilled fact.")
class LongTermMemory(Memory):
    memory: str = strawberry.field(description="The fact, as text.")
    tags: JSONObject | None = strawberry.field(description="Tags for finding it again, such as a topic.")
    strategy: str | None = strawberry.field(description="How the fact was distilled; given at creation.")
    pinned: bool = strawberry.field(description="Whether it is to be kept whatever a retention rule says.")

    @classmethod
    def of(cls, stored: StoredMemory) -> "LongTermMemory":
        """A stored long-term memory as GraphQL shows it."""
        return cls(**common_fields(stored), **stored.values)  # type: ignore[arg-type]  # The fields' kinds say the types.
