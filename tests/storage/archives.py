"""Fills databases with whatever memories can be and go through, and takes archives of them."""

import hashlib
import io
import random
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import orjson

from mnesis.domain.caller import Caller
from mnesis.domain.commands import Changes, Create
from mnesis.domain.entries import ContextEntry
from mnesis.domain.fields import Message
from mnesis.domain.history import HistoryRecord
from mnesis.domain.limits import Limits
from mnesis.domain.memory import FIELDS, Memory
from mnesis.domain.memory_types import MemoryType
from mnesis.storage.archive_checks import Archive
from mnesis.storage.database import engine_for
from mnesis.storage.exporting import exporting
from mnesis.storage.importing import Import
from mnesis.usecases.memories import Memories
from mnesis.usecases.ports import MemoryQuery, PageRequest, RecordQuery
from mnesis.usecases.requests import DeleteMemory, MemoryUpdate, UpdateContextMemory, UpdateMemories
from tests.storage.test_round_trips import JSON, values_of
from tests.storage.workbench import ANN, context, is_sqlite, made, opened, raw, session

EVERYTHING = PageRequest(size=100_000)


def add_container(url: str, container_id: str, tenant: str = ANN.tenant) -> None:
    """Makes a container; the tenant must be there."""
    mark = "?" if is_sqlite(url) else "%s"
    statement = (
        "INSERT INTO container (tenant_id, id, name, created_at, version, updated_at, deleted)"
        f" VALUES ({mark}, {mark}, {mark}, 7, 1, 7, false)"
    )
    with raw(url) as connection:
        connection.execute(statement, [tenant, container_id, f"{container_id} of \U0001f9e0"])


async def fill(url: str, *, entries: int = 1_000, container_id: str = "default", caller: Caller = ANN) -> None:
    """All kinds of fields, a long session, deleted ones, ids made again, and many small changes."""
    chance = random.Random(7)
    async with opened(url) as bench:
        memories = bench.memories
        await made(memories, session(f"{container_id}-first"), caller=caller)
        if container_id != "default":
            add_container(url, container_id, caller.tenant)
        everything = [
            Create(
                changes=Changes(memory_type=memory_type, given=values_of(memory_type, number, fixed=True)),
                namespace=JSON if number else None,
                container_id=container_id,
            )
            for memory_type in FIELDS
            for number in range(3)
        ]
        things = await made(memories, *everything, caller=caller)
        long = f"{container_id}-long"
        await made(memories, replace(session(long, summary="long"), container_id=container_id), caller=caller)
        keys = [f"e{number}" for number in range(entries)]
        for start in range(0, entries, 400):
            answer = await memories.update_context_memory(caller, context(long, *keys[start : start + 400]))
            assert answer.counts.created == len(keys[start : start + 400])
        for _ in range(30):
            thing = chance.choice(things)
            number = chance.randrange(3)
            item = MemoryUpdate(
                memory_type=thing.type,
                id=thing.id,
                changes=Changes(memory_type=thing.type, given=values_of(thing.type, number, fixed=False)),
            )
            await memories.update_memories(caller, _updates(item, reason=f"Because \U0001f914 {number}."))
            moved = datetime(1969, 1, 1, tzinfo=UTC) + timedelta(days=number, microseconds=1)
            entry = ContextEntry(id=chance.choice(keys), given={"content": f"now {number}"}, created_at=moved)
            await memories.update_context_memory(caller, UpdateContextMemory(session_id=long, entries=(entry,)))
        talking = next(thing for thing in things if thing.type is MemoryType.WORKING)
        for text in "ab":
            appended = Changes(
                memory_type=MemoryType.WORKING, given={}, append_messages=(Message(role="user", text=text),)
            )
            item = MemoryUpdate(memory_type=MemoryType.WORKING, id=talking.id, changes=appended)
            await memories.update_memories(caller, _updates(item))
        for again in (True, False):
            gone = f"{container_id}-gone-{again}"
            await made(memories, replace(session(gone, summary="one"), container_id=container_id), caller=caller)
            await memories.update_context_memory(caller, context(gone, "a", "b"))
            await memories.delete_memory(caller, DeleteMemory(memory_type=MemoryType.SESSION, id=gone, reason="gone"))
            if again:
                anew = replace(session(gone, summary="two"), container_id=container_id, namespace=JSON)
                await made(memories, anew, caller=caller)
                await memories.update_context_memory(caller, context(gone, "b", "c"))
        await memories.delete_memory(caller, DeleteMemory(memory_type=things[-1].type, id=things[-1].id))


def _updates(item: MemoryUpdate, reason: str | None = None) -> UpdateMemories:
    return UpdateMemories(items=(item,), reason=reason)


def exported(url: str, container_id: str | None = None, caller: Caller = ANN) -> bytes:
    """The archive of a container, or of the whole tenant."""
    with exporting(engine_for(url, writer_lanes=1), caller, container_id) as export:
        return b"".join(export.lines())


def imported(
    url: str,
    archive: bytes,
    container_id: str | None = None,
    *,
    caller: Caller = ANN,
    limits: Limits | None = None,
    advance: Callable[[int], None] = lambda read_bytes: None,
) -> Archive:
    """What the command does, without a file."""
    incoming = Import(engine_for(url, writer_lanes=1), limits or Limits(), caller, container_id)
    source = io.BytesIO(archive)
    incoming.prepare(source)
    found = incoming.check(source)
    incoming.write(source, advance=advance)
    return found


def sealed(lines: list[bytes]) -> bytes:
    """An archive with these lines before its end, and an end that fits them."""
    body = b"".join(lines)
    end = {
        "kind": "end",
        "containers": body.count(b'{"kind":"container"'),
        "records": body.count(b'{"kind":"record"'),
        "memories": body.count(b'{"kind":"memory"'),
        "sha256": hashlib.sha256(body).hexdigest(),
    }
    return body + orjson.dumps(end) + b"\n"


async def state(
    memories: Memories, caller: Caller = ANN, container_id: str | None = None
) -> tuple[list[Memory], list[HistoryRecord]]:
    """What a caller sees: live memories and all records, oldest first."""
    page = await memories.list_memories(caller, MemoryQuery(container_id=container_id), EVERYTHING)
    records = await memories.list_records(caller, RecordQuery(container_id=container_id), EVERYTHING)
    return list(page.rows[::-1]), list(records.rows[::-1])
