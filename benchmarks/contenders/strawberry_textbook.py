"""(c) The textbook: Strawberry as installed, and a SQLModel session per request, as their documentation shows them.

With ``CACHES=1`` in the environment it is (c2): the same with Strawberry's `ParserCache` and `ValidationCache`. What
talks to the database runs in threads, as FastAPI would run it.
"""

import os
from datetime import UTC, datetime, timedelta
from enum import Enum

import strawberry
from starlette.concurrency import run_in_threadpool
from strawberry.asgi import GraphQL
from strawberry.extensions import ParserCache, ValidationCache
from strawberry.scalars import JSON
from strawberry.schema.config import StrawberryConfig

from benchmarks.contenders import models
from benchmarks.contenders.running import run

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@strawberry.enum
class MemoryType(Enum):
    SESSION = "SESSION"
    WORKING = "WORKING"


@strawberry.enum
class WriteStatus(Enum):
    UPDATED = "UPDATED"
    FAILED = "FAILED"


@strawberry.enum
class UserErrorCode(Enum):
    NOT_FOUND = "NOT_FOUND"


@strawberry.interface
class Memory:
    id: strawberry.ID
    type: MemoryType
    version: int
    namespace: JSON
    created_at: datetime
    updated_at: datetime


@strawberry.type
class SessionMemory(Memory):
    summary: str | None
    metadata: JSON | None

    @classmethod
    def of(cls, row: models.MemoryRow) -> "SessionMemory":
        return cls(
            id=strawberry.ID(row.id),
            type=MemoryType(row.memory_type),
            version=row.version,
            namespace=row.namespace,  # type: ignore[arg-type]  # A scalar, to Strawberry.
            created_at=moment(row.created_at),
            updated_at=moment(row.updated_at),
            summary=row.summary,
            metadata=row.metadata_,  # type: ignore[arg-type]  # As above.
        )


@strawberry.interface
class UserError:
    code: UserErrorCode
    message: str
    path: list[str]


@strawberry.type
class NotFoundError(UserError):
    pass


@strawberry.type
class UpdateMemoryPayload:
    status: WriteStatus
    version: int | None
    memory: Memory | None
    errors: list[UserError]


@strawberry.type
class WriteCounts:
    submitted: int
    created: int
    updated: int
    unchanged: int
    failed: int


@strawberry.type
class UpdateContextMemoryPayload:
    version: int | None
    counts: WriteCounts
    errors: list[UserError]


@strawberry.type
class PageInfo:
    has_next_page: bool
    end_cursor: str | None


@strawberry.type
class MemoryConnection:
    nodes: list[Memory]
    page_info: PageInfo


@strawberry.type
class MemorySearchConnection:
    nodes: list[Memory]


@strawberry.input
class SessionMemoryPatch:
    metadata: JSON | None = None


@strawberry.input
class UpdateMemoryInput:
    session: SessionMemoryPatch


@strawberry.input
class ContextEntryInput:
    id: strawberry.ID
    content: str
    role: str
    metadata: JSON


@strawberry.input
class UpdateContextMemoryInput:
    session_id: strawberry.ID
    contents: list[ContextEntryInput]


@strawberry.input
class MemoryFilter:
    types: list[MemoryType] | None = None


def moment(microseconds: int) -> datetime:
    """The time that a stored number stands for."""
    return EPOCH + timedelta(microseconds=microseconds)


@strawberry.type
class Query:
    @strawberry.field
    async def memory(self, type: MemoryType, id: strawberry.ID) -> Memory | None:
        row = await run_in_threadpool(models.by_id, id)
        return SessionMemory.of(row) if row is not None else None

    @strawberry.field
    async def memories(self, first: int, filter: MemoryFilter | None = None) -> MemoryConnection:
        rows = await run_in_threadpool(models.listed, first + 1)
        shown = rows[:first]
        cursor = f"{shown[-1].updated_at}:{shown[-1].arrival}" if shown else None
        return MemoryConnection(
            nodes=[SessionMemory.of(row) for row in shown],
            page_info=PageInfo(has_next_page=len(rows) > first, end_cursor=cursor),
        )

    @strawberry.field
    async def search_memories(self, query: str, first: int = 10) -> MemorySearchConnection:
        rows = await run_in_threadpool(models.found, query, first)
        return MemorySearchConnection(nodes=[SessionMemory.of(row) for row in rows])


@strawberry.type
class Mutation:
    @strawberry.mutation
    async def update_memory(self, type: MemoryType, id: strawberry.ID, input: UpdateMemoryInput) -> UpdateMemoryPayload:
        row = await run_in_threadpool(models.update, id, input.session.metadata)  # type: ignore[arg-type]  # As above.
        if row is None:
            error = NotFoundError(code=UserErrorCode.NOT_FOUND, message="There is no such memory.", path=["id"])
            return UpdateMemoryPayload(status=WriteStatus.FAILED, version=None, memory=None, errors=[error])
        return UpdateMemoryPayload(
            status=WriteStatus.UPDATED, version=row.version, memory=SessionMemory.of(row), errors=[]
        )

    @strawberry.mutation
    async def update_context_memory(self, input: UpdateContextMemoryInput) -> UpdateContextMemoryPayload:
        contents = [vars(each) for each in input.contents]
        version, created, updated = await run_in_threadpool(models.put_entries, input.session_id, contents)
        counts = WriteCounts(submitted=len(contents), created=created, updated=updated, unchanged=0, failed=0)
        return UpdateContextMemoryPayload(version=version, counts=counts, errors=[])


schema = strawberry.Schema(
    Query,
    Mutation,
    types=[SessionMemory, NotFoundError],
    # Objects, since a cache for each request would hold nothing.
    extensions=[ParserCache(), ValidationCache()] if os.environ.get("CACHES") else [],  # type: ignore[list-item]  # As documented.
    config=StrawberryConfig(batching_config={"max_operations": 10}),
)

if __name__ == "__main__":
    run(GraphQL(schema, graphql_ide=None))
