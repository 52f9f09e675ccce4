"""What every endpoint looks up first, in the order in which OpenSearch does, and its words for what is not there."""

from collections.abc import Iterable
from typing import Any

from mnesis.domain.caller import Scope
from mnesis.domain.containers import Container
from mnesis.domain.history import HistoryRecord
from mnesis.domain.ids import parse_record_id
from mnesis.domain.memory import Memory
from mnesis.domain.memory_types import MemoryType
from mnesis.domain.refusals import MemoryTypeMismatch, NotFound, Refusal, Refused
from mnesis.facades.opensearch.configuration import has_index
from mnesis.facades.opensearch.errors import OpenSearchError, illegal_argument, refusal_error, status_error
from mnesis.facades.opensearch.http import Asked

SHARDS = {"total": 2, "successful": 1, "failed": 0}


async def the_container(asked: Asked, *, scope: Scope, forbidden: str) -> Container:
    """The container of the path. Raises `OpenSearchError` where there is none, or the caller may not do this."""
    container_id = asked.path["container_id"]
    try:
        container = (await asked.memories.containers(asked.caller, [container_id])).get(container_id)
    except Refused as refused:
        raise refusal_error(refused.refusals, forbidden=forbidden) from None
    if container is None or container.deleted:
        raise status_error(404, "Memory container not found")
    if not asked.caller.may(scope):
        raise status_error(403, forbidden)
    return container


def need_index(container: Container, kind: MemoryType) -> None:
    """Raises `OpenSearchError` where OpenSearch would have no index for memories of this type."""
    if not has_index(container, kind):
        raise status_error(404, "Memory index not found")


async def the_memory(asked: Asked, container: Container, kind: MemoryType) -> Memory:
    """The memory of the path, which has to lie in the container. Raises `OpenSearchError`."""
    memory_id = asked.path["id"]
    memory = (await asked.memories.memories(asked.caller, [memory_id])).get(memory_id)
    if memory is None or memory.container_id != container.id or memory.type is not kind:
        raise memory_not_found()
    return memory


async def the_record(asked: Asked, container: Container) -> HistoryRecord:
    """The history record of the path. Raises `OpenSearchError`."""
    record_id = parse_record_id(asked.path["id"])
    found = await asked.memories.records(asked.caller, [record_id]) if record_id is not None else {}
    record = found.get(record_id) if record_id is not None else None
    if record is None or record.container_id != container.id:
        raise memory_not_found()
    return record


def memory_not_found() -> OpenSearchError:
    """Nothing of the type has the id in the container."""
    return status_error(404, "Memory not found")


def memory_error(refusals: Iterable[Refusal], *, forbidden: str) -> OpenSearchError:
    """Why a memory was not written: what lies elsewhere, or is of another type, is not there."""
    first = next(iter(refusals))
    if isinstance(first, MemoryTypeMismatch) or (isinstance(first, NotFound) and first.path[:1] == ("id",)):
        return memory_not_found()
    return refusal_error([first], forbidden=forbidden)


def body_object(body: Any) -> dict[str, Any]:
    """The body, which has to be an object. Raises `OpenSearchError`."""
    if not isinstance(body, dict):
        raise illegal_argument("Request body must be a JSON object")
    return body


def written(index: str, id: str, version: int, result: str, seq_no: int) -> dict[str, Any]:
    """What OpenSearch answers to every write of one document."""
    return {
        "_index": index,
        "_id": id,
        "_version": version,
        "result": result,
        "forced_refresh": True,
        "_shards": dict(SHARDS),
        "_seq_no": seq_no,
        "_primary_term": 1,
    }
