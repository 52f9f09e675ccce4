"""(b1) Bare Starlette and plain SQL: one transaction per request, in threads, each with a connection of its own.

What a careful programmer writes without mnesis: few statements, prepared by the driver, arrays for many rows. On SQLite
one thread writes, since SQLite has one writer and waiting for its lock costs more than waiting for a thread.
"""

import asyncio
import os
import sqlite3
import threading
import time
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import orjson
import psycopg
from psycopg.types.string import TextLoader
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from benchmarks.contenders.answers import answered, iso_from, not_found, variables
from benchmarks.contenders.running import run
from benchmarks.contenders.sql import PostgreSQL, SQLite, Written

T = TypeVar("T")
THREADS = 16
URL = os.environ.get("DATABASE_URL", "")
ON_SQLITE = URL.startswith("sqlite:///")
local = threading.local()
readers = ThreadPoolExecutor(THREADS)
writers = ThreadPoolExecutor(1) if ON_SQLITE else readers


def store() -> SQLite | PostgreSQL:
    """This thread's, connected when it is first needed."""
    if not hasattr(local, "store"):
        local.store = SQLite(sqlite()) if ON_SQLITE else PostgreSQL(postgresql())
    found: SQLite | PostgreSQL = local.store
    return found


def sqlite() -> sqlite3.Connection:
    """Durable: every commit waits for the disk."""
    connection = sqlite3.connect(URL.removeprefix("sqlite:///"), isolation_level=None, timeout=30)
    for pragma in ("journal_mode = WAL", "synchronous = FULL", "foreign_keys = ON", "cache_size = -16000"):
        connection.execute(f"PRAGMA {pragma}")
    return connection


def postgresql() -> psycopg.Connection[Any]:
    """Statements are prepared by psycopg when they come again."""
    connection = psycopg.connect(URL, autocommit=True)
    connection.adapters.register_loader("json", TextLoader)
    return connection


async def written(work: Callable[[SQLite | PostgreSQL], T]) -> T:
    """The work's result, in a thread that may write."""
    return await asyncio.get_running_loop().run_in_executor(writers, lambda: work(store()))


async def read(work: Callable[[SQLite | PostgreSQL], T]) -> T:
    """The work's result, in a thread that reads."""
    return await asyncio.get_running_loop().run_in_executor(readers, lambda: work(store()))


def now() -> int:
    """Microseconds since 1970."""
    return time.time_ns() // 1_000


async def ready(_: Request) -> Response:
    return answered("__typename", "Query")


async def update(request: Request) -> Response:
    given = await variables(request)
    metadata = given["input"]["session"]["metadata"]
    found = await written(lambda store: store.update(given["id"], metadata, now()))
    return answered("updateMemory", not_found() if found is None else _payload(found))


def _payload(found: Written) -> dict[str, Any]:
    shown = {
        "__typename": "SessionMemory",
        "id": found.id,
        "version": found.version,
        "updatedAt": iso_from(found.updated_at),
        "metadata": found.metadata,
    }
    return {"status": "UPDATED", "version": found.version, "memory": shown, "errors": []}


async def entries(request: Request) -> Response:
    given = (await variables(request))["input"]
    found = await written(lambda store: store.put_entries(given["sessionId"], given["contents"], now()))
    version, created, updated = found
    counts = {"submitted": len(given["contents"]), "created": created, "updated": updated, "unchanged": 0, "failed": 0}
    return answered("updateContextMemory", {"version": version, "counts": counts, "errors": []})


async def memory(request: Request) -> Response:
    asked = (await variables(request))["id"]
    row = await read(lambda store: store.memory(asked))
    if row is None:
        return answered("memory", None)
    memory_id, version, created_at, updated_at, summary, metadata = row
    shown = {
        "__typename": "SessionMemory",
        "id": memory_id,
        "version": version,
        "createdAt": iso_from(created_at),
        "updatedAt": iso_from(updated_at),
        "summary": summary,
        "metadata": orjson.Fragment(metadata),
    }
    return answered("memory", shown)


async def listed(request: Request) -> Response:
    size = (await variables(request))["first"]
    rows = await read(lambda store: store.listed(size + 1))
    nodes = [
        {
            "id": memory_id,
            "type": kind,
            "version": version,
            "createdAt": iso_from(created_at),
            "updatedAt": iso_from(updated_at),
            "namespace": orjson.Fragment(namespace),
            "summary": summary,
            "metadata": orjson.Fragment(metadata),
        }
        for memory_id, kind, version, created_at, updated_at, namespace, summary, metadata, _ in rows[:size]
    ]
    cursor = f"{rows[:size][-1][3]}:{rows[:size][-1][8]}" if rows else None
    return answered("memories", {"nodes": nodes, "pageInfo": {"hasNextPage": len(rows) > size, "endCursor": cursor}})


async def search(request: Request) -> Response:
    query = (await variables(request))["query"]
    rows = await read(lambda store: store.search(query, 10))
    nodes = [
        {
            "__typename": "SessionMemory",
            "id": memory_id,
            "version": version,
            "updatedAt": iso_from(updated_at),
            "summary": summary,
        }
        for memory_id, version, updated_at, summary in rows
    ]
    return answered("searchMemories", {"nodes": nodes})


@asynccontextmanager
async def lifespan(_: Starlette) -> AsyncIterator[None]:
    yield
    readers.shutdown()
    writers.shutdown()


POSTS = {
    "/graphql": ready,
    "/update": update,
    "/entries": entries,
    "/memory": memory,
    "/memories": listed,
    "/search": search,
}
app = Starlette(routes=[Route(path, post, methods=["POST"]) for path, post in POSTS.items()], lifespan=lifespan)

if __name__ == "__main__":
    run(app)
