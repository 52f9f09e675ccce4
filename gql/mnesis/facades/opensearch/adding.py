"""New sessions and new working memories."""

from typing import Any
from uuid import uuid4

from mnesis.domain.caller import Scope
from mnesis.domain.commands import BatchOutcome, Changes, Create
from mnesis.domain.containers import Container
from mnesis.domain.fields import FieldValue
from mnesis.domain.ids import CHOSEN_ID_RULE, is_id
from mnesis.domain.json_values import JsonObject
from mnesis.domain.memory_types import MemoryType, PayloadType
from mnesis.domain.refusals import AlreadyExists
from mnesis.facades.opensearch import reading_bodies as read
from mnesis.facades.opensearch.configuration import KEY, configuration_of, has_index
from mnesis.facades.opensearch.documents import BLOB, PARTICULARS, strings
from mnesis.facades.opensearch.errors import illegal_argument, refusal_error, status_error
from mnesis.facades.opensearch.finding import body_object, the_container
from mnesis.facades.opensearch.http import Asked
from mnesis.facades.opensearch.updating import PINNED_WORKING
from mnesis.usecases.requests import CreateMemories

FORBIDDEN = "User doesn't have permissions to add memory to this container"
NO_MODEL = "infer=true requires llm_model_id to be configured in memory storage"
PAYLOADS = tuple(each.value for each in PayloadType)
NEW = "new"
"""Stands in an error for the id that the document does not have yet."""


async def create_session(asked: Asked) -> dict[str, Any]:
    """``POST /memory_containers/{container_id}/memories/sessions``."""
    if asked.body is None:
        raise illegal_argument("Request body is required")
    body = body_object(asked.body)
    container = await the_container(asked, scope=Scope.WRITE, forbidden=FORBIDDEN)
    if not has_index(container, MemoryType.SESSION):
        raise status_error(400, "Session is disabled for this container")
    session_id = read.text("session_id", NEW, body.get("session_id"))
    if session_id is not None:
        _check_id(session_id)
    given: dict[str, FieldValue] = {}
    if body.get("summary") is not None:
        given["summary"] = read.text("summary", NEW, body["summary"])
    for name in ("metadata", "agents", "additional_info"):
        if body.get(name) is not None:
            given[name] = read.flat_object(name, NEW, body[name])
    command = Create(
        changes=Changes(memory_type=MemoryType.SESSION, given=given),
        id=session_id,
        container_id=container.id,
        namespace=read.flat_object("namespace", NEW, body.get("namespace")),
    )
    outcome = await asked.memories.create_memories(asked.caller, CreateMemories(items=(command,)))
    if _is_taken(outcome):
        assert session_id is not None  # Only an id that was chosen can be taken.
        await _check_place(asked, container, session_id)
        return {"session_id": session_id, "status": "exists"}
    _check(outcome)
    return {"session_id": outcome.outcomes[0].id, "status": "created"}


async def add_memory(asked: Asked) -> dict[str, Any]:
    """``POST /memory_containers/{container_id}/memories``."""
    if asked.body is None:
        raise illegal_argument("Add memory request has empty body")
    body = body_object(asked.body)
    payload = _payload(body)
    given = _working(body, payload)
    namespace = read.flat_object("namespace", NEW, body.get("namespace"))
    if namespace is not None:
        namespace = strings({name: value for name, value in namespace.items() if value is not None})
    container = await the_container(asked, scope=Scope.WRITE, forbidden=FORBIDDEN)
    if "pinned" in body:
        raise status_error(400, PINNED_WORKING)
    if read.flag("infer", NEW, body.get("infer")):
        raise status_error(400, NO_MODEL if given.get("messages") else "No messages provided when inferring memory")
    session_id, is_new = await _session(asked, container, namespace, payload)
    if is_new:
        namespace = {**(namespace or {}), "session_id": session_id}
    created = Create(
        changes=Changes(memory_type=MemoryType.WORKING, given=given),
        container_id=container.id,
        namespace=_with_particulars(namespace, body),
        session_id=session_id,
    )
    if session_id is None:
        outcome = await asked.memories.create_memories(asked.caller, CreateMemories(items=(created,)))
    else:
        outcome = await _added_to_session(asked, container, created, session_id)
    _check(outcome)
    answer = {"working_memory_id": outcome.outcomes[-1].id}
    return {"session_id": session_id, **answer} if session_id is not None else answer


async def _session(
    asked: Asked, container: Container, namespace: JsonObject | None, payload: PayloadType
) -> tuple[str | None, bool]:
    """The session that a memory is added to, and whether it is begun by that, under an id of our own."""
    if not has_index(container, MemoryType.SESSION):
        return None, False
    named = (namespace or {}).get("session_id")
    if isinstance(named, str):
        _check_id(named)
        return named, False
    if payload is PayloadType.CONVERSATIONAL and configuration_of(container).get("llm_id"):
        return str(uuid4()), True
    return None, False


async def _added_to_session(asked: Asked, container: Container, created: Create, session_id: str) -> BatchOutcome:
    """Adds to a session, which is made with the memory, in one transaction, where it is not there."""
    blank = Changes(memory_type=MemoryType.SESSION, given={})
    session = Create(changes=blank, id=session_id, container_id=container.id)
    stored = (await asked.memories.memories(asked.caller, [session_id])).get(session_id)
    if stored is None:
        outcome = await asked.memories.create_memories(asked.caller, CreateMemories(items=(session, created)))
        if not _is_taken(outcome):
            return outcome
    await _check_place(asked, container, session_id)
    return await asked.memories.create_memories(asked.caller, CreateMemories(items=(created,)))


async def _check_place(asked: Asked, container: Container, session_id: str) -> None:
    """Raises `OpenSearchError` unless the id is that of a session in the container."""
    stored = (await asked.memories.memories(asked.caller, [session_id])).get(session_id)
    if stored is None or stored.type is not MemoryType.SESSION or stored.container_id != container.id:
        raise status_error(409, f"session id '{session_id}' is in use outside of this memory container")


def _check_id(session_id: str) -> None:
    if not is_id(session_id):
        raise illegal_argument(f"The session_id {CHOSEN_ID_RULE}")


def _payload(body: dict[str, Any]) -> PayloadType:
    name = body.get("payload_type")
    if name is None:
        return PayloadType.CONVERSATIONAL
    upper = name.upper() if isinstance(name, str) else str(name)
    if upper not in PAYLOADS:
        raise illegal_argument(f"Invalid working memory type: {name}. Must be one of: {', '.join(PAYLOADS)}")
    return PayloadType(upper)


def _working(body: dict[str, Any], payload: PayloadType) -> dict[str, FieldValue]:
    given: dict[str, FieldValue] = {"payload_type": payload}
    for message in listed if isinstance(listed := body.get("messages"), list) else []:
        if not isinstance(message, dict) or message.get("role") is None or message.get("content") is None:
            raise illegal_argument("Message must have role and content")
    given["messages"] = read.messages("messages", NEW, body.get("messages"))
    if body.get("binary_data") is not None:
        given["binary_data"] = read.binary("binary_data", NEW, body["binary_data"])
    structured = read.flat_object("structured_data", NEW, body.get("structured_data"))
    blob = read.flat_object("structured_data_blob", NEW, body.get("structured_data_blob"))
    if blob is not None:
        structured = {**(structured or {}), BLOB: blob}
    if structured is not None:
        given["structured_data"] = structured
    for name in ("metadata", "tags"):
        values = read.flat_object(name, NEW, body.get(name))
        if values is not None:
            given[name] = strings(values)
    return given


def _with_particulars(namespace: JsonObject | None, body: dict[str, Any]) -> JsonObject | None:
    given = {name: body[name] for name in PARTICULARS if body.get(name) is not None and body[name] is not False}
    return {**(namespace or {}), KEY: given} if given else namespace


def _is_taken(outcome: BatchOutcome) -> bool:
    """Whether the session of a batch, its first command, is there already."""
    return any(isinstance(refusal, AlreadyExists) for refusal in outcome.outcomes[0].refusals)


def _check(outcome: BatchOutcome) -> None:
    for refusals in (outcome.refusals, *(each.refusals for each in outcome.outcomes)):
        if refusals:
            raise refusal_error(refusals, forbidden=FORBIDDEN)
