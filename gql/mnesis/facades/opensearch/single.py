"""One memory read, and one memory deleted."""

from typing import Any

from mnesis.domain.caller import Scope
from mnesis.domain.memory_types import MemoryType
from mnesis.facades.opensearch.configuration import index_of
from mnesis.facades.opensearch.documents import record_shown, shown
from mnesis.facades.opensearch.errors import status_error
from mnesis.facades.opensearch.finding import memory_error, need_index, the_container, the_memory, the_record, written
from mnesis.facades.opensearch.http import Asked
from mnesis.facades.opensearch.kinds import kind_of
from mnesis.usecases.requests import DeleteMemory

READING_FORBIDDEN = "User doesn't have permissions to get memories in this container"
DELETION_FORBIDDEN = "User doesn't have permissions to delete memories in this container"


async def get_memory(asked: Asked) -> dict[str, Any]:
    """``GET /memory_containers/{container_id}/memories/{type}/{id}``."""
    kind = kind_of(asked.path["type"])
    container = await the_container(asked, scope=Scope.READ, forbidden=READING_FORBIDDEN)
    need_index(container, kind)
    if kind is MemoryType.HISTORY:
        return record_shown(await the_record(asked, container))
    return shown(await the_memory(asked, container, kind))


async def delete_memory(asked: Asked) -> dict[str, Any]:
    """``DELETE /memory_containers/{container_id}/memories/{type}/{id}``."""
    kind = kind_of(asked.path["type"])
    container = await the_container(asked, scope=Scope.WRITE, forbidden=DELETION_FORBIDDEN)
    need_index(container, kind)
    if kind is MemoryType.HISTORY:
        await the_record(asked, container)
        # What has happened stays told here; see the deviations in the documentation.
        raise status_error(403, "Can't delete memory history")
    request = DeleteMemory(memory_type=kind, id=asked.path["id"], container_id=container.id)
    outcome = await asked.memories.delete_memory(asked.caller, request)
    [only] = outcome.outcomes
    if only.memory is None:
        raise memory_error((*outcome.refusals, *only.refusals), forbidden=DELETION_FORBIDDEN)
    memory = only.memory
    return written(index_of(container, kind), memory.id, memory.version, "deleted", memory.change)
