"""The update of one memory: the order of the checks, what can be replaced, and that every update counts."""

from collections.abc import Callable
from typing import Any

from mnesis.domain.caller import Scope
from mnesis.domain.commands import Changes
from mnesis.domain.containers import Container
from mnesis.domain.fields import FieldValue
from mnesis.domain.memory import Memory
from mnesis.domain.memory_types import MemoryType
from mnesis.domain.refusals import VersionConflict
from mnesis.facades.opensearch import reading_bodies as read
from mnesis.facades.opensearch.configuration import index_of
from mnesis.facades.opensearch.documents import BLOB
from mnesis.facades.opensearch.errors import OpenSearchError, illegal_argument, status_error
from mnesis.facades.opensearch.finding import body_object, memory_error, need_index, the_container, the_memory, written
from mnesis.facades.opensearch.http import Asked
from mnesis.facades.opensearch.kinds import kind_of
from mnesis.usecases.requests import MemoryUpdate, UpdateMemories

FORBIDDEN = "User doesn't have permissions to update memories in this container"
PINNED_WORKING = (
    "pinned field is not supported for working memory type. To preserve a conversation, pin the session instead."
)
NO_RETENTION = (
    "Cannot set pinned: the memory retention feature is not enabled. To enable it, please update the cluster setting"
    " plugins.ml_commons.memory.retention_enabled"
)
ROUNDS = 10
"""How often an update that depends on what is stored begins anew when others write meanwhile."""

_READERS: dict[MemoryType, dict[str, Callable[[str, str, Any], Any]]] = {
    MemoryType.SESSION: {
        "summary": read.text,
        "metadata": read.flat_object,
        "agents": read.flat_object,
        "additional_info": read.flat_object,
        "pinned": read.flag,
    },
    MemoryType.WORKING: {
        "messages": read.messages,
        "binary_data": read.binary,
        "structured_data": read.flat_object,
        "structured_data_blob": read.flat_object,
        "metadata": read.flat_object,
        "tags": read.flat_object,
    },
    MemoryType.LONG_TERM: {"memory": read.text, "tags": read.flat_object, "pinned": read.flag},
}
"""What can be replaced. Every other key of a body is ignored."""
_IN_PARTS = frozenset({"messages", "structured_data", "structured_data_blob"})
"""What lies in a part of a field of ours, or in one field of ours or another."""


async def update_memory(asked: Asked) -> dict[str, Any]:
    """``PUT /memory_containers/{container_id}/memories/{type}/{id}``."""
    if asked.body is None:
        raise illegal_argument("Update memory request has empty body")
    body = body_object(asked.body)
    if not body:
        raise illegal_argument("Text cannot be null or empty")
    kind = kind_of(asked.path["type"])
    container = await the_container(asked, scope=Scope.WRITE, forbidden=FORBIDDEN)
    need_index(container, kind)
    if kind is MemoryType.HISTORY:
        raise status_error(404, "Can't update memory history")
    try:
        _check_pinned(asked, body, kind)
        given = {
            name: read(name, asked.path["id"], body[name]) for name, read in _READERS[kind].items() if name in body
        }
    except OpenSearchError:
        # What is not there comes before what is wrong with its new values.
        await the_memory(asked, container, kind)
        raise
    if _IN_PARTS.isdisjoint(given):
        return await _updated(asked, container, kind, given)
    return await _updated_in_parts(asked, container, given)


def _check_pinned(asked: Asked, body: dict[str, Any], kind: MemoryType) -> None:
    if "pinned" not in body:
        return
    if not asked.retains:
        raise status_error(403, NO_RETENTION)
    if kind is MemoryType.WORKING:
        raise status_error(400, PINNED_WORKING)


async def _updated_in_parts(asked: Asked, container: Container, given: dict[str, Any]) -> dict[str, Any]:
    """Changes what the stored memory has a say in, and nothing if others have changed it meanwhile."""
    for _ in range(ROUNDS):
        stored = await the_memory(asked, container, MemoryType.WORKING)
        values = _with_parts(stored, dict(given))
        try:
            return await _updated(asked, container, MemoryType.WORKING, values, if_version=stored.version)
        except _Meanwhile as meanwhile:
            last = meanwhile
    raise memory_error([last.refusal], forbidden=FORBIDDEN)


def _with_parts(stored: Memory, given: dict[str, Any]) -> dict[str, FieldValue]:
    if "messages" in given and not stored.values["messages"] and stored.values["content"] is not None:
        # What an entry says is its content, which every edge reads.
        content = read.content_of(given["messages"])
        if content is not None:
            del given["messages"]
            given.update(content)
    if "structured_data" in given or "structured_data_blob" in given:
        found = stored.values["structured_data"]
        data: dict[str, Any] | None = dict(found) if isinstance(found, dict) else None
        blob = (data or {}).pop(BLOB, None)
        if blob is not None and not data:
            data = None
        data = given.get("structured_data", data)
        blob = given.pop("structured_data_blob", blob)
        given["structured_data"] = data if blob is None else {**(data or {}), BLOB: blob}
    return given


async def _updated(
    asked: Asked, container: Container, kind: MemoryType, given: dict[str, FieldValue], if_version: int | None = None
) -> dict[str, Any]:
    item = MemoryUpdate(
        memory_type=kind,
        id=asked.path["id"],
        changes=Changes(memory_type=kind, given=given),
        if_version=if_version,
        container_id=container.id,
        always=True,
    )
    outcome = await asked.memories.update_memories(asked.caller, UpdateMemories(items=(item,)))
    [only] = outcome.outcomes
    refusals = (*outcome.refusals, *only.refusals)
    if if_version is not None and refusals and isinstance(refusals[0], VersionConflict):
        raise _Meanwhile(refusals[0])
    if refusals or only.memory is None:
        raise memory_error(refusals, forbidden=FORBIDDEN)
    memory = only.memory
    return written(index_of(container, kind), memory.id, memory.version, "updated", memory.change)


class _Meanwhile(Exception):
    def __init__(self, refusal: VersionConflict) -> None:
        super().__init__(refusal.message)
        self.refusal = refusal
