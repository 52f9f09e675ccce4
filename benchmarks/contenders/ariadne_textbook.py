"""(d) Ariadne as installed, schema first, and a SQLAlchemy session per request."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from ariadne import InterfaceType, MutationType, ObjectType, QueryType, ScalarType, make_executable_schema
from ariadne.asgi import GraphQL
from starlette.concurrency import run_in_threadpool

from benchmarks.contenders import models
from benchmarks.contenders.running import run

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
query, mutation = QueryType(), MutationType()
date_time, json_object = ScalarType("DateTime"), ScalarType("JSONObject")
memory_type, user_error, session_memory = (
    InterfaceType("Memory"),
    InterfaceType("UserError"),
    ObjectType("SessionMemory"),
)


@date_time.serializer
def serialized(microseconds: int) -> str:
    moment = EPOCH + timedelta(microseconds=microseconds)
    return moment.isoformat(timespec="microseconds").replace("+00:00", "Z")


@memory_type.type_resolver
def type_of_memory(*_: object) -> str:
    return "SessionMemory"


@user_error.type_resolver
def type_of_error(*_: object) -> str:
    return "NotFoundError"


session_memory.set_alias("metadata", "metadata_")
session_memory.set_alias("type", "memory_type")


@query.field("memory")
async def memory(_: object, __: object, type: str, id: str) -> Any:
    return await run_in_threadpool(models.by_id, id)


@query.field("memories")
async def memories(_: object, __: object, first: int, filter: object = None) -> Any:
    rows = await run_in_threadpool(models.listed, first + 1)
    shown = rows[:first]
    cursor = f"{shown[-1].updated_at}:{shown[-1].arrival}" if shown else None
    return {"nodes": shown, "page_info": {"has_next_page": len(rows) > first, "end_cursor": cursor}}


@query.field("searchMemories")
async def search_memories(_: object, __: object, query: str, first: int) -> Any:
    return {"nodes": await run_in_threadpool(models.found, query, first)}


@mutation.field("updateMemory")
async def update_memory(_: object, __: object, type: str, id: str, input: Any) -> Any:
    row = await run_in_threadpool(models.update, id, input["session"]["metadata"])
    if row is None:
        error = {"code": "NOT_FOUND", "message": "There is no such memory.", "path": ["id"]}
        return {"status": "FAILED", "version": None, "memory": None, "errors": [error]}
    return {"status": "UPDATED", "version": row.version, "memory": row, "errors": []}


@mutation.field("updateContextMemory")
async def update_context_memory(_: object, __: object, input: Any) -> Any:
    contents = input["contents"]
    version, created, updated = await run_in_threadpool(models.put_entries, input["session_id"], contents)
    counts = {"submitted": len(contents), "created": created, "updated": updated, "unchanged": 0, "failed": 0}
    return {"version": version, "counts": counts, "errors": []}


schema = make_executable_schema(
    (Path(__file__).parent / "schema.graphql").read_text(),
    query,
    mutation,
    date_time,
    json_object,
    memory_type,
    user_error,
    session_memory,
    convert_names_case=True,
)

if __name__ == "__main__":
    run(GraphQL(schema))
