"""The messages of a conversation."""

import strawberry

from mnesis.domain.fields import Message as StoredMessage
from mnesis.graph.scalars import JSONObject


@strawberry.type(description="One message of a conversation. Its text and its parts show the same content.")
class Message:
    role: str = strawberry.field(description="Who speaks, such as `user` or `assistant`; 1 to 64 characters.")
    text: str = strawberry.field(
        description='The content as plain text: of parts, the strings under "text", one per line.'
    )
    parts: list[JSONObject] = strawberry.field(
        description='The content as structured parts; a plain text is one part `{"type": "text", "text": ...}`.'
    )

    @classmethod
    def of(cls, message: StoredMessage) -> "Message":
        """The message as GraphQL shows it."""
        if message.parts is None:
            text = message.text or ""
            return cls(role=message.role, text=text, parts=[JSONObject({"type": "text", "text": text})])
        texts = (part.get("text") for part in message.parts)
        return cls(
            role=message.role,
            text="\n".join(text for text in texts if isinstance(text, str)),
            parts=list(map(JSONObject, message.parts)),
        )
