"""(b) The floor: bare Starlette routes over mnesis's own use cases and store, without GraphQL.

Everything below the routes is mnesis's: the checks, the lanes that commit together, the statements. What mnesis costs
beyond this is what GraphQL costs.
"""

import base64
import gc
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from benchmarks.contenders.answers import answered, iso, not_found, variables
from benchmarks.contenders.running import run
from benchmarks.contenders.seeding import MNESIS_CALLER
from mnesis.app import GC_THRESHOLDS
from mnesis.databases import open_database_of
from mnesis.domain.commands import Changes
from mnesis.domain.entries import ContextEntry
from mnesis.domain.memory import Memory
from mnesis.domain.memory_types import MemoryType
from mnesis.domain.searching import SearchMode, query_stems
from mnesis.settings import Settings
from mnesis.usecases.memories import Memories
from mnesis.usecases.ports import MemoryQuery, PageRequest, SearchRequest
from mnesis.usecases.requests import MemoryUpdate, UpdateContextMemory, UpdateMemories

SESSIONS = MemoryQuery(
    types=frozenset([MemoryType.SESSION]),
    looked_at=frozenset(["id", "type", "version", "created_at", "updated_at", "namespace", "summary", "metadata"]),
)
EVERYTHING = MemoryQuery()


class Routes:
    """One per work; ``memories`` are there as soon as the server has started."""

    memories: Memories

    async def ready(self, _: Request) -> Response:
        return answered("__typename", "Query")

    async def update(self, request: Request) -> Response:
        given = await variables(request)
        changes = Changes(memory_type=MemoryType.SESSION, given=given["input"]["session"])
        item = MemoryUpdate(memory_type=MemoryType.SESSION, id=given["id"], changes=changes)
        batch = await self.memories.update_memories(MNESIS_CALLER, UpdateMemories(items=(item,)))
        [outcome] = batch.outcomes
        if outcome.memory is None:
            return answered("updateMemory", not_found())
        memory = outcome.memory.written
        shown = {
            "__typename": "SessionMemory",
            "id": memory.id,
            "version": memory.version,
            "updatedAt": _time(memory.updated_at),
            "metadata": memory.metadata,
        }
        payload: dict[str, Any] = {
            "status": outcome.status.value,
            "version": outcome.version,
            "memory": shown,
            "errors": [],
        }
        return answered("updateMemory", payload)

    async def entries(self, request: Request) -> Response:
        given = (await variables(request))["input"]
        entries = tuple(
            ContextEntry(
                id=each["id"],
                given={"content": each["content"], "role": each["role"], "metadata": each["metadata"]},
            )
            for each in given["contents"]
        )
        asked = UpdateContextMemory(session_id=given["sessionId"], entries=entries)
        batch = await self.memories.update_context_memory(MNESIS_CALLER, asked)
        counts = batch.counts
        shown = {name: getattr(counts, name) for name in ("submitted", "created", "updated", "unchanged", "failed")}
        payload: dict[str, Any] = {
            "version": batch.session_version,
            "counts": shown,
            "errors": list(map(str, batch.refusals)),
        }
        return answered("updateContextMemory", payload)

    async def memory(self, request: Request) -> Response:
        asked = (await variables(request))["id"]
        found = (await self.memories.memories(MNESIS_CALLER, [asked])).get(asked)
        if found is None:
            return answered("memory", None)
        memory = found.written
        shown = {
            "__typename": "SessionMemory",
            "id": memory.id,
            "version": memory.version,
            "createdAt": _time(memory.created_at),
            "updatedAt": _time(memory.updated_at),
            "summary": memory.summary,
            "metadata": memory.metadata,
        }
        return answered("memory", shown)

    async def listed(self, request: Request) -> Response:
        size = (await variables(request))["first"]
        page = await self.memories.list_memories(MNESIS_CALLER, SESSIONS, PageRequest(size=size))
        cursor = base64.urlsafe_b64encode(repr(page.cursors[-1]).encode()).decode() if page.cursors else None
        info = {"hasNextPage": page.has_next, "endCursor": cursor}
        return answered("memories", {"nodes": list(map(_listed, page.rows)), "pageInfo": info})

    async def search(self, request: Request) -> Response:
        query = (await variables(request))["query"]
        candidates = self.memories.limits.search_candidates
        asked = SearchRequest(stems=query_stems(query), size=10, candidates=candidates, mode=SearchMode.AUTO)
        page = await self.memories.search_for(MNESIS_CALLER, EVERYTHING, asked, query, firmly=False)
        return answered("searchMemories", {"nodes": [_found(hit.memory) for hit in page.hits]})


def _listed(stored: Memory) -> dict[str, Any]:
    memory = stored.written
    return {
        "id": memory.id,
        "type": memory.type,
        "version": memory.version,
        "createdAt": _time(memory.created_at),
        "updatedAt": _time(memory.updated_at),
        "namespace": memory.namespace,
        "summary": memory.summary,
        "metadata": memory.metadata,
    }


def _found(stored: Memory) -> dict[str, Any]:
    memory = stored.written
    return {
        "__typename": "SessionMemory",
        "id": memory.id,
        "version": memory.version,
        "updatedAt": _time(memory.updated_at),
        "summary": memory.summary,
    }


def _time(written: datetime | str) -> str:
    return written if isinstance(written, str) else iso(written)


def app() -> Starlette:
    """With the database that ``DATABASE_URL`` names, opened as mnesis opens it by default."""
    settings = Settings.load(database_url=os.environ["DATABASE_URL"])
    routes = Routes()

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        database = open_database_of(settings)
        routes.memories = Memories(store=database.store, reader=database.reader, limits=settings.limits())
        # As mnesis does, or the floor would lie higher than need be.
        gc.collect()
        gc.freeze()
        gc.set_threshold(*GC_THRESHOLDS)
        yield
        await database.close()

    posts = {
        "/graphql": routes.ready,
        "/update": routes.update,
        "/entries": routes.entries,
        "/memory": routes.memory,
        "/memories": routes.listed,
        "/search": routes.search,
    }
    return Starlette(
        routes=[Route(path, endpoint, methods=["POST"]) for path, endpoint in posts.items()], lifespan=lifespan
    )


if __name__ == "__main__":
    run(app())
