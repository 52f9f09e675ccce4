"""``memory/add``, ``memory/update`` and ``memory/delete``: a memory is a session, its contents are the entries.

Not documented, and so read from what Alchemyst's own plugins do: an entry is matched by its ``id``, else by
``metadata.messageId``; a match is changed in the fields that are given, anything else is added.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from starlette.responses import Response

from mnesis.domain.commands import Delete
from mnesis.domain.entries import ContextEntry
from mnesis.domain.fields import FieldValue, Unreadable
from mnesis.domain.memory_types import MemoryType, WriteMode
from mnesis.domain.times import instant
from mnesis.facades.alchemyst.bodies import (
    DEFAULT_GROUPS,
    Asked,
    flag,
    groups,
    mapping,
    objects,
    required_text,
    text,
    without_groups,
)
from mnesis.facades.alchemyst.errors import check, invalid, refused
from mnesis.usecases.memories import Memories
from mnesis.usecases.requests import DeleteMemory, DeleteSeveral, UpdateContextMemory
from mnesis.web.answers import json_answer

NO_CONTENT = 204
_ENTRY_MEMBERS = ("id", "content", "role", "createdAt", "metadata")


async def add(memories: Memories, asked: Asked) -> Response:
    """Adds entries to a session, which is made where there is none.

    The groups and further metadata are those of a session that is made. Members of an entry that have no meaning here
    are kept in its metadata.
    """
    session_id = _session_id(asked.body)
    metadata = mapping(asked.body, "metadata")
    request = UpdateContextMemory(
        session_id=session_id,
        entries=tuple(
            _entry(each, index, keeps_more=True) for index, each in enumerate(objects(asked.body, "contents"))
        ),
        create_session=True,
        namespace={"groupName": list(groups(metadata, at="metadata") or DEFAULT_GROUPS)},
        session_metadata=without_groups(metadata) or None,
        idempotency_key=asked.idempotency_key,
    )
    outcome = await memories.update_context_memory(asked.caller, request)
    check(outcome, "contents")
    answer = {"success": True, "context_id": session_id, "processed_documents": len(request.entries)}
    return json_answer(answer, status=201)


async def update(memories: Memories, asked: Asked) -> Response:
    """Changes entries of a session, or adds them; all or none."""
    session_id = _session_id(asked.body)
    contents = objects(asked.body, "contents")
    request = UpdateContextMemory(
        session_id=session_id,
        entries=tuple([_entry(each, index) for index, each in enumerate(contents)]),
        idempotency_key=asked.idempotency_key,
    )
    outcome = await memories.update_context_memory(asked.caller, request)
    check(outcome, "contents")
    counts = outcome.counts
    return json_answer({"success": True, "memory_id": session_id, "updated_entries": counts.created + counts.updated})


async def delete(memories: Memories, asked: Asked) -> Response:
    """Deletes a session with its entries or, ``by_id``, the one memory of that id. What is not there is no fault."""
    body = asked.body
    memory_id = required_text(body, "memoryId") if body.get("sessionId") is None else _session_id(body)
    for name in ("organization_id", "user_id"):
        text(body, name)
    flag(body, "by_doc", default=True)
    if flag(body, "by_id", default=False):
        await delete_by_id(memories, asked, memory_id)
        return Response(status_code=NO_CONTENT)
    request = DeleteMemory(memory_type=MemoryType.SESSION, id=memory_id, idempotency_key=asked.idempotency_key)
    outcome = await memories.delete_memory(asked.caller, request)
    refusals = [*outcome.refusals, *(refusal for each in outcome.outcomes for refusal in each.refusals)]
    if refusals and refusals[0].code != "NOT_FOUND":
        raise refused(refusals)
    return Response(status_code=NO_CONTENT)


async def delete_by_id(memories: Memories, asked: Asked, memory_id: str) -> None:
    """Deletes the memory that has the id, whatever its type."""
    found = await memories.memories(asked.caller, [memory_id])
    items = tuple(Delete(memory_type=memory.type, id=memory.id) for memory in found.values())
    await delete_all(memories, asked, items)


async def delete_all(memories: Memories, asked: Asked, items: tuple[Delete, ...]) -> None:
    """Deletes memories; those that are gone by now are no fault."""
    outcome = await memories.delete_several(asked.caller, DeleteSeveral(items=items, mode=WriteMode.PER_ENTRY))
    refusals = [*outcome.refusals, *(refusal for each in outcome.outcomes for refusal in each.refusals)]
    left = [refusal for refusal in refusals if refusal.code != "NOT_FOUND"]
    if left:
        raise refused(left)


def _session_id(body: Mapping[str, Any]) -> str:
    """The session's id, which older clients call ``memoryId``."""
    session_id, memory_id = text(body, "sessionId"), text(body, "memoryId")
    if session_id and memory_id and session_id != memory_id:
        raise invalid("memoryId and sessionId do not match", "memoryId")
    return session_id or memory_id or required_text(body, "sessionId")


def _entry(given: Mapping[str, Any], index: int, *, keeps_more: bool = False) -> ContextEntry:
    at = ("contents", str(index))
    values: dict[str, FieldValue] = {}
    if (content := text(given, "content", at=at)) is not None:
        values["content"] = content
    role = text(given, "role", at=at)
    if given.get("metadata") is not None:
        metadata = mapping(given, "metadata", at=at)
        values["metadata"] = metadata
        # Where Alchemyst's middleware for the AI SDK puts it.
        if role is None and isinstance(metadata.get("role"), str):
            role = metadata["role"]
    if role is not None:
        values["role"] = role
    if keeps_more and (more := {name: value for name, value in given.items() if name not in _ENTRY_MEMBERS}):
        values["metadata"] = {**more, **mapping(given, "metadata", at=at)}
    created_at: datetime | Unreadable | None = None
    if (time := text(given, "createdAt", at=at)) is not None:
        created_at = instant(time)
    return ContextEntry(id=text(given, "id", at=at), given=values, created_at=created_at)
