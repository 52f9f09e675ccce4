"""The values of an archive's memories and of the changes in its records, as the domain and the tables have them."""

from typing import Any

from mnesis.domain.fields import FieldKind, Message
from mnesis.domain.history import FIXED
from mnesis.domain.limits import Limits
from mnesis.domain.memory import FIELDS
from mnesis.domain.memory_types import ChangeKind, MemoryType, PayloadType
from mnesis.storage.archive_lines import BadLine
from mnesis.storage.archive_members import Members, checked_object, decoded_bytes, microseconds, word
from mnesis.storage.rows import message_from

# What was allowed when it was written stays readable: limits are for what is to be stored from now on.
HISTORY_LIMITS = Limits(json_bytes=2**40, json_levels=500)


def field_value(kind: FieldKind, name: str, given: Any) -> Any:
    """A value of a field as the domain knows it."""
    if kind is FieldKind.OBJECT and isinstance(given, dict):
        return given
    if kind is FieldKind.MESSAGES and isinstance(given, list):
        return tuple(_message(message, name) for message in given)
    if kind is FieldKind.FLAG and isinstance(given, bool):
        return given
    if isinstance(given, str):
        if kind is FieldKind.BINARY:
            return decoded_bytes(given, name)
        if kind is FieldKind.PAYLOAD:
            return word(PayloadType, given, name)
        if kind in (FieldKind.TEXT, FieldKind.ROLE):
            return given
    raise BadLine(f"has a value of the wrong type as {name}")


def _message(given: Any, name: str) -> Message:
    match given:
        case {"role": str(), "text": str(), **rest} | {"role": str(), "parts": [*_], **rest} if not rest:
            if all(isinstance(part, dict) for part in given.get("parts", ())):
                return message_from(given)
    raise BadLine(f"has in {name} what is not a message")


def stored_change(memory_type: MemoryType, given: Any) -> dict[str, Any]:
    """A change of a field as it is stored."""
    if not isinstance(given, dict):
        raise BadLine("has in changes what is not an object")
    members = Members(given)
    stored: dict[str, Any] = {"field": members.text("field")}
    if (kind_word := members.text_or_none("kind")) is not None:
        stored["kind"] = word(ChangeKind, kind_word, "kind").value
    kind = ChangeKind(stored.get("kind", "SET"))
    for side in ("before", "after"):
        value = members.given(side)
        if value is not None:
            stored[side] = _stored_side(memory_type, stored["field"], kind, side, value)
    members.end()
    if kind is ChangeKind.APPEND and not ("before" in stored and "after" in stored):
        raise BadLine("has appended messages without their number before or without themselves")
    return stored


def _stored_side(memory_type: MemoryType, name: str, kind: ChangeKind, side: str, value: Any) -> Any:
    field = FIELDS[memory_type].get(name)
    if kind is ChangeKind.APPEND and side == "before":
        if field is None or type(value) is not int or value < 0:
            raise BadLine(f"has no number of messages before those appended to {name}")
        return value
    if kind is ChangeKind.ENTRIES or field is None:
        return _stored_beside(name, value)
    checked = field_value(field.kind, name, value)
    if kind is ChangeKind.APPEND and not isinstance(checked, tuple):
        raise BadLine(f"appends to {name}, which is no list of messages")
    checked_object({name: value}, name, HISTORY_LIMITS)
    return value


def _stored_beside(name: str, value: Any) -> Any:
    """One side of a change of what is no field of the type: counts of entries, or what is fixed at creation."""
    if name == "created_at":
        return microseconds(value, name)
    if isinstance(value, list) or (name in FIXED and isinstance(value, str) is not (name == "container_id")):
        raise BadLine(f"has a value of the wrong type as {name}")
    checked_object({name: value}, name, HISTORY_LIMITS)
    return value
