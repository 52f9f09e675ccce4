"""What clients send of a memory: patches of stored ones and the fields of new ones.

Left out and null differ: ``Maybe`` keeps them apart. Nothing is judged here, so that the domain can name everything
that is wrong at once.
"""

import strawberry
from strawberry import Maybe

from mnesis.domain.memory_types import PayloadType
from mnesis.graph.scalars import Base64, JSONObject


@strawberry.input(description="One message of a conversation. Exactly one of `text` and `parts` is given.")
class MessageInput:
    role: str = strawberry.field(description="Who speaks, such as `user` or `assistant`; 1 to 64 characters.")
    text: str | None = strawberry.field(description="The content as plain text, at most 1 MiB.")
    parts: list[JSONObject] | None = strawberry.field(
        description='The content as structured parts, such as `{"type": "text", "text": ...}`; each at most 256 KiB.'
    )


@strawberry.input(description="Changes of a session. A field left out is kept; null clears.")
class SessionMemoryPatch:
    summary: Maybe[str | None] = strawberry.field(description="What the conversation is about; at most 1 MiB.")
    metadata: Maybe[JSONObject | None] = strawberry.field(description="Anything about the session.")
    agents: Maybe[JSONObject | None] = strawberry.field(description="What is to be known of the agents.")
    additional_info: Maybe[JSONObject | None] = strawberry.field(description="Further metadata.")
    pinned: Maybe[bool | None] = strawberry.field(
        description="Whether it is to be kept whatever a retention rule says. Cannot be null."
    )


@strawberry.input(description="Changes of a working memory. A field left out is kept; null clears.")
class WorkingMemoryPatch:
    content: Maybe[str | None] = strawberry.field(
        description="The text of an entry, at most 1 MiB. Cannot be null or empty."
    )
    role: Maybe[str | None] = strawberry.field(description="Who speaks; 1 to 64 characters. Cannot be null.")
    messages: Maybe[list[MessageInput] | None] = strawberry.field(
        description="All messages, in place of the stored ones; at most 1,000. Cannot be null; an empty list clears."
    )
    append_messages: Maybe[list[MessageInput] | None] = strawberry.field(
        description="Messages to add at the end. Cannot stand beside `messages`; null adds none."
    )
    structured_data: Maybe[JSONObject | None] = strawberry.field(description="Data in the client's own keys.")
    binary_data: Maybe[Base64 | None] = strawberry.field(description="Bytes, at most 1 MiB.")
    tags: Maybe[JSONObject | None] = strawberry.field(description="Tags for finding it again.")
    metadata: Maybe[JSONObject | None] = strawberry.field(description="Anything else.")


@strawberry.input(description="Changes of a long-term memory. A field left out is kept; null clears.")
class LongTermMemoryPatch:
    memory: Maybe[str | None] = strawberry.field(description="The fact, at most 1 MiB. Cannot be null or empty.")
    tags: Maybe[JSONObject | None] = strawberry.field(description="Tags for finding it again.")
    pinned: Maybe[bool | None] = strawberry.field(
        description="Whether it is to be kept whatever a retention rule says. Cannot be null."
    )


@strawberry.input(one_of=True, description="The changes, under the kind of memory that they are for.")
class UpdateMemoryInput:
    session: Maybe[SessionMemoryPatch] = strawberry.field(description="Changes of a session.")
    working: Maybe[WorkingMemoryPatch] = strawberry.field(description="Changes of a working memory.")
    long_term: Maybe[LongTermMemoryPatch] = strawberry.field(description="Changes of a long-term memory.")


_NAMESPACE = "Whom or what the memory concerns, in the client's own keys. Stays as it is."


@strawberry.input(description="A new session. Every field may be left out.")
class NewSessionMemory(SessionMemoryPatch):
    id: strawberry.ID | None = strawberry.field(
        description=(
            "The session's id: 1 to 512 characters of A-Z a-z 0-9 _ . : - that begin with a letter or a digit. Left"
            " out, the server makes a UUID."
        )
    )
    namespace: JSONObject | None = strawberry.field(description=_NAMESPACE)


@strawberry.input(description="A new working memory. With a `sessionId` it is an entry of that session.")
class NewWorkingMemory(WorkingMemoryPatch):
    payload_type: Maybe[PayloadType | None] = strawberry.field(
        description="What it carries. Left out, DATA where only data is given, else CONVERSATIONAL. Stays as it is."
    )
    session_id: strawberry.ID | None = strawberry.field(
        description="The session to make it an entry of; it then lies in the session's container."
    )
    entry_id: strawberry.ID | None = strawberry.field(
        description="The entry's key in its session, 1 to 512 characters; needs a `sessionId`. Left out, its id."
    )
    namespace: JSONObject | None = strawberry.field(
        description=f"{_NAMESPACE} An entry takes its session's by default."
    )


@strawberry.input(description="A new long-term memory.")
class NewLongTermMemory:
    memory: str = strawberry.field(description="The fact, at most 1 MiB. Cannot be empty.")
    tags: Maybe[JSONObject | None] = strawberry.field(description="Tags for finding it again.")
    pinned: Maybe[bool | None] = strawberry.field(
        description="Whether it is to be kept whatever a retention rule says; false by default. Cannot be null."
    )
    strategy: Maybe[str | None] = strawberry.field(description="How the fact was distilled. Stays as it is.")
    namespace: JSONObject | None = strawberry.field(description=_NAMESPACE)


@strawberry.input(one_of=True, description="A new memory, under its kind.")
class CreateMemoryInput:
    session: Maybe[NewSessionMemory] = strawberry.field(description="A new session.")
    working: Maybe[NewWorkingMemory] = strawberry.field(description="A new working memory.")
    long_term: Maybe[NewLongTermMemory] = strawberry.field(description="A new long-term memory.")
