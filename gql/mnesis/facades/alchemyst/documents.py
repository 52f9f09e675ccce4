"""``add``, ``delete``, ``view`` and ``view/docs``: each document is a long-term memory.

Its source, scope and type, the members of ``metadata`` and what else a document has are the memory's tags; its groups
are in the namespace. A ``fileName`` names a document: adding it again is a conflict until it was deleted.
"""

from collections.abc import AsyncIterator, Mapping
from pathlib import PurePath
from typing import Any

from starlette.responses import Response

from mnesis.domain.commands import Changes, Create, Delete
from mnesis.domain.filters import MemoryFilter, MemoryOrder
from mnesis.domain.json_values import JsonObject
from mnesis.domain.memory import Memory
from mnesis.domain.memory_types import MemoryType
from mnesis.domain.refusals import quoted
from mnesis.domain.times import instant_text
from mnesis.facades.alchemyst.bodies import (
    DEFAULT_GROUPS,
    Asked,
    flag,
    groups,
    mapping,
    objects,
    one_of,
    required_text,
    text,
    without_groups,
)
from mnesis.facades.alchemyst.errors import NotServed, check, invalid
from mnesis.facades.alchemyst.sessions import NO_CONTENT, delete_all, delete_by_id
from mnesis.usecases.memories import Memories
from mnesis.usecases.ports import MemoryQuery, PageRequest
from mnesis.usecases.requests import CreateMemories
from mnesis.web.answers import json_answer

SCOPES = ("internal", "external")
CONTEXT_TYPES = ("resource", "conversation", "instruction")
PAGE = 500
MOST_VIEWED = 10_000
"""How many documents are looked through at most, the newest ones."""

_LONG_TERM = frozenset({MemoryType.LONG_TERM})


async def add(memories: Memories, asked: Asked) -> Response:
    """Adds documents, all or none."""
    creations = creations_of(asked.body)
    await check_file_name(memories, asked)
    request = CreateMemories(items=creations, idempotency_key=asked.idempotency_key)
    outcome = await memories.create_memories(asked.caller, request)
    check(outcome, "documents")
    answer = {"success": True, "context_id": outcome.outcomes[0].id, "processed_documents": len(creations)}
    return json_answer(answer, status=201)


async def check_file_name(memories: Memories, asked: Asked) -> None:
    """Raises `NotServed` where a document of this name is there already, unless this is the same request again."""
    name = text(mapping(asked.body, "metadata"), "fileName", at=("metadata",))
    if not name or asked.idempotency_key is not None:
        return
    query = MemoryQuery(types=_LONG_TERM, tags={"fileName": name})
    if await memories.count_memories(asked.caller, query):
        message = f"There is already a document with the fileName {quoted(name)}; delete it first."
        raise NotServed(409, message, {"code": "ALREADY_EXISTS", "path": ["metadata", "fileName"]})


def creations_of(body: Mapping[str, Any]) -> tuple[Create, ...]:
    """The memories that a body with documents asks for."""
    documents = objects(body, "documents")
    source = required_text(body, "source")
    context_type = required_text(body, "context_type")
    metadata = mapping(body, "metadata")
    shared: JsonObject = {
        **without_groups(metadata),
        "source": source,
        "contextType": one_of(context_type, "context_type", CONTEXT_TYPES, ""),
        "scope": one_of(text(body, "scope"), "scope", SCOPES, "internal"),
    }
    namespace: JsonObject = {"groupName": list(groups(metadata, at="metadata") or DEFAULT_GROUPS)}
    if not documents:
        raise invalid("documents must not be empty", "documents")
    return tuple(_creation(each, index, shared, namespace) for index, each in enumerate(documents))


def _creation(document: Mapping[str, Any], index: int, shared: JsonObject, namespace: JsonObject) -> Create:
    content = required_text(document, "content", at=("documents", str(index)))
    tags = {**{name: value for name, value in document.items() if name != "content"}, **shared}
    return Create(
        changes=Changes(memory_type=MemoryType.LONG_TERM, given={"memory": content, "tags": tags}),
        namespace=namespace,
    )


async def delete(memories: Memories, asked: Asked) -> Response:
    """Deletes the documents of a source or, ``by_id``, the one memory of that id. What is not there is no fault."""
    source = required_text(asked.body, "source")
    for name in ("organization_id", "user_id"):
        text(asked.body, name)
    flag(asked.body, "by_doc", default=True)
    if flag(asked.body, "by_id", default=False):
        await delete_by_id(memories, asked, source)
        return Response(status_code=NO_CONTENT)
    either = (MemoryFilter(tags={"source": source}), MemoryFilter(tags={"fileName": source}))
    query = MemoryQuery(types=_LONG_TERM, either=either)
    size = min(PAGE, memories.limits.commands)
    while True:
        page = await memories.list_memories(asked.caller, query, PageRequest(size=size))
        # Asked for even where there is nothing, so that it is refused to whoever may not delete.
        items = tuple(Delete(memory_type=memory.type, id=memory.id) for memory in page.rows)
        await delete_all(memories, asked, items)
        if not page.has_next:
            return Response(status_code=NO_CONTENT)


async def view(memories: Memories, asked: Asked) -> Response:
    """The documents, or the parts of the one that ``file_name`` names, the oldest first."""
    _refuse_magic_keys(asked)
    name = asked.query.get("file_name")
    wanted: JsonObject | None = {"fileName": name} if name else None
    query = MemoryQuery(types=_LONG_TERM, tags=wanted, order=MemoryOrder.CREATED_AT_DESC)
    contexts = [
        {"content": memory.values["memory"], "metadata": file_metadata(memory)}
        async for memory in _all(memories, asked, query)
    ]
    return json_answer({"success": True, "contexts": contexts[::-1]})


async def view_docs(memories: Memories, asked: Asked) -> Response:
    """What files there are, the newest first. Documents without a ``fileName`` stand under their source."""
    _refuse_magic_keys(asked)
    files: dict[str, dict[str, Any]] = {}
    async for memory in _all(memories, asked, MemoryQuery(types=_LONG_TERM)):
        known = file_metadata(memory)
        tags = memory.values["tags"]
        source = tags.get("source") if isinstance(tags, dict) else None
        name = known.get("fileName") or source
        if not isinstance(name, str):
            continue
        size = len(str(memory.values["memory"]).encode())
        file = files.setdefault(
            name,
            {
                "fileName": name,
                "fileType": known.get("fileType") or PurePath(name).suffix.removeprefix(".") or "txt",
                "groupName": known["groupName"],
                "lastModified": known.get("lastModified") or instant_text(memory.content_updated_at),
                "fileSize": known.get("fileSize", 0),
            },
        )
        if "fileSize" not in known:
            file["fileSize"] += size
    return json_answer({"documents": list(files.values())})


def file_metadata(memory: Memory) -> dict[str, Any]:
    """What a document's tags tell of its file, as far as it has the documented types."""
    tags = memory.values["tags"]
    tags = tags if isinstance(tags, dict) else {}
    told: dict[str, Any] = {
        name: tags[name] for name in ("fileName", "fileType", "lastModified") if isinstance(tags.get(name), str)
    }
    size = tags.get("fileSize")
    if isinstance(size, int | float) and not isinstance(size, bool):
        told["fileSize"] = size
    named = memory.namespace.get("groupName")
    told["groupName"] = [each for each in named if isinstance(each, str)] if isinstance(named, list) else []
    return told


async def _all(memories: Memories, asked: Asked, query: MemoryQuery) -> AsyncIterator[Memory]:
    """What a query finds, `MOST_VIEWED` at most."""
    after = None
    for _ in range(0, MOST_VIEWED, PAGE):
        page = await memories.list_memories(asked.caller, query, PageRequest(size=PAGE, after=after))
        for memory in page.rows:
            yield memory
        if not page.has_next:
            return
        after = page.cursors[-1]


def _refuse_magic_keys(asked: Asked) -> None:
    if asked.query.get("magic_key"):
        raise NotServed(403, "Magic keys are not served; send the credentials of the memories' own tenant.")
