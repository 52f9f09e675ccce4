"""What stands in the bodies of requests, made into values of ours.

Where a value does not fit its field, OpenSearch's mapping refuses the document: so does this, in the same words.
"""

from base64 import b64decode
from binascii import Error
from typing import Any

from mnesis.domain.fields import FieldValue, Message
from mnesis.domain.json_values import JsonObject
from mnesis.domain.working import DEFAULT_ROLE
from mnesis.facades.opensearch.errors import unparsed


def text(field: str, id: str, value: Any) -> str | None:
    """A text; a number or a boolean counts as one, as in OpenSearch."""
    match value:
        case None | str():
            return value
        case bool():
            return str(value).lower()
        case int() | float():
            return str(value)
        case _:
            raise unparsed(field, "text", id, value)


def flat_object(field: str, id: str, value: Any) -> JsonObject | None:
    """An object, or null."""
    if value is None or isinstance(value, dict):
        return value
    raise unparsed(field, "flat_object", id, value)


def flag(field: str, id: str, value: Any) -> bool:
    """A boolean; OpenSearch takes the words for it too, and the empty text for false. Null is none."""
    if isinstance(value, bool):
        return value
    if value in ("true", "false", "", None):
        return bool(value == "true")
    raise unparsed(field, "boolean", id, value)


def binary(field: str, id: str, value: Any) -> bytes | None:
    """Bytes in Base64, or null."""
    if value is None:
        return None
    try:
        return b64decode(value, validate=True)
    except (Error, TypeError, ValueError):
        raise unparsed(field, "binary", id, value) from None


def messages(field: str, id: str, value: Any) -> tuple[Message, ...]:
    """Messages; null is none of them, and a message without a role is the user's."""
    if value is None:
        return ()
    listed = value if isinstance(value, list) else [value]
    return tuple(_message(field, id, each) for each in listed)


def content_of(messages: tuple[Message, ...]) -> dict[str, FieldValue] | None:
    """What an entry that holds just this says, and who; None where that takes more than a text."""
    if len(messages) != 1 or messages[0].text is None or not messages[0].text:
        return None
    return {"content": messages[0].text, "role": messages[0].role}


def _message(field: str, id: str, value: Any) -> Message:
    if not isinstance(value, dict):
        raise unparsed(field, "nested", id, value)
    role = text(f"{field}.role", id, value.get("role"))
    return Message(role=role if role is not None else DEFAULT_ROLE, **_content(field, id, value.get("content")))


def _content(field: str, id: str, value: Any) -> dict[str, Any]:
    """The content of a message: what is nothing but text is kept as text, and shown again as it came."""
    if isinstance(value, str):
        return {"text": value}
    parts = [] if value is None else value if isinstance(value, list) else [value]
    if not all(isinstance(part, dict) for part in parts):
        raise unparsed(f"{field}.content", "flat_object", id, value)
    match parts:
        case [{"type": "text", "text": str() as only, **others}] if not others:
            return {"text": only}
        case _:
            return {"parts": tuple(parts)}
