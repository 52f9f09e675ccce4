"""What a tenant may use, counted exactly: by every write, every removal and everybody who writes at once."""

import asyncio
import random
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import pytest

from mnesis.domain.caller import EVERY_SCOPE, Caller
from mnesis.domain.filters import MemoryFilter
from mnesis.domain.limits import Limits
from mnesis.domain.memory_types import MemoryType, WriteMode, WriteStatus
from mnesis.domain.quotas import Quotas, Usage
from mnesis.domain.refusals import QuotaExceeded
from mnesis.storage.database import Database, engine_for, open_database
from mnesis.storage.quotas import QuotaStatements, stored_bytes
from mnesis.storage.visibility import TENANT
from mnesis.usecases.memories import Memories
from mnesis.usecases.requests import (
    CreateMemories,
    DeleteMemories,
    DeleteMemory,
    EraseMemories,
    RestoreMemory,
    UpdateMemories,
)
from tests.storage.archives import exported, imported
from tests.storage.workbench import ANN, changed, context, fact, made, session, working

pytestmark = pytest.mark.anyio


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    database = open_database(database_url, limits=Limits(), reader_threads=2, writer_lanes=2)
    yield database
    await database.close()


@pytest.fixture
def memories(database: Database) -> Memories:
    return Memories(store=database.store, reader=database.reader, limits=Limits())


async def used(database: Database, caller: Caller = ANN) -> Usage:
    found = await database.reader.quotas(caller)
    assert found is not None
    return found[1]


def counted(url: str, tenant: str = ANN.tenant) -> tuple[int, int]:
    """Memories and bytes, as SQL finds them."""
    engine = engine_for(url, writer_lanes=1)
    connection = engine.connect(read_only=True)
    try:
        statement = QuotaStatements(engine).used
        [(memories, size)] = connection.execute(statement.text, {**statement.fixed, TENANT: tenant}).fetchall()
        return int(memories), int(size)
    finally:
        connection.close()


async def test_what_is_counted_with_each_write_is_what_is_there(
    database: Database, memories: Memories, database_url: str
) -> None:
    await made(memories, fact("before there was a quota, with an \U0001f9e0", tags={"a": [1.5, None]}))
    assert await database.reader.quotas(ANN) is None
    await database.set_quotas(ANN, Quotas(memories=10_000, bytes=10_000_000, writes_per_month=10_000))
    dice = random.Random(4)
    ids: list[Any] = []
    for number in range(60):
        match dice.randrange(6):
            case 0 | 1:
                ids += await made(
                    memories,
                    fact("x" * dice.randint(0, 99) + "é", tags={"n": number}),
                    working(content="c", binary_data=b"\x00" * dice.randint(0, 9), structured_data={"é": 1e16}),
                )
            case 2:
                await memories.update_context_memory(ANN, context(f"s{number % 5}", *"abc"[: dice.randint(1, 3)]))
            case 3 if ids:
                one = dice.choice(ids)
                await memories.update_memories(ANN, UpdateMemories(items=(changed(one, tags={"k": "v" * number}),)))
            case 4 if ids:
                one = ids.pop()
                await memories.delete_memory(ANN, DeleteMemory(memory_type=one.type, id=one.id))
                if dice.random() < 0.5:
                    await memories.restore_memory(ANN, RestoreMemory(memory_type=one.type, id=one.id, version=1))
            case _:
                await memories.delete_memory(ANN, DeleteMemory(memory_type=MemoryType.SESSION, id=f"s{number % 5}"))
        usage = await used(database)
        assert (usage.memories, usage.bytes) == counted(database_url)
    everything = MemoryFilter(types=frozenset({MemoryType.LONG_TERM}))
    await memories.delete_memories(ANN, DeleteMemories(filter=everything))
    assert ((await used(database)).memories, (await used(database)).bytes) == counted(database_url)
    await memories.erase_memories(ANN, EraseMemories(everything=True))
    usage = await used(database)
    assert (usage.memories, usage.bytes) == counted(database_url) == (0, 0)
    assert usage.month == datetime.now(UTC).strftime("%Y-%m")


async def test_a_batch_that_does_not_fit_is_refused_whole_and_makes_room_for_itself(
    database: Database, memories: Memories
) -> None:
    await database.set_quotas(ANN, Quotas(memories=2))
    first, second = await made(memories, fact(), fact())
    for mode in WriteMode:
        outcome = await memories.create_memories(ANN, CreateMemories(items=(fact(), fact()), mode=mode))
        assert outcome.refusals == (QuotaExceeded(unit="memories", limit=2, used=2),)
        assert {each.status for each in outcome.outcomes} == {WriteStatus.ROLLED_BACK}
    # What adds no memory goes on.
    updated = await memories.update_memories(ANN, UpdateMemories(items=(changed(first, pinned=True),)))
    assert updated.refusals == ()
    await memories.delete_memory(ANN, DeleteMemory(memory_type=MemoryType.LONG_TERM, id=second.id))
    restored = RestoreMemory(memory_type=MemoryType.LONG_TERM, id=second.id, version=1)
    assert (await memories.restore_memory(ANN, restored)).refusals == ()
    assert (await used(database)).memories == 2
    # A bound that is set below what there is stops what is new and lets shrink.
    await database.set_quotas(ANN, Quotas(memories=1))
    assert (await memories.create_memories(ANN, CreateMemories(items=(fact(),)))).refusals != ()
    gone = await memories.delete_memory(ANN, DeleteMemory(memory_type=MemoryType.LONG_TERM, id=first.id))
    assert gone.outcomes[0].status is WriteStatus.DELETED
    # Nobody else pays for it, and nobody is bounded any more without quotas.
    other = Caller(tenant="globex", subject="eve", scopes=EVERY_SCOPE)
    await made(memories, fact(), fact(), caller=other)
    await database.set_quotas(ANN, Quotas())
    await made(memories, fact(), fact())
    assert await database.reader.quotas(ANN) is None


async def test_bytes_bound_what_grows_and_nothing_else(database: Database, memories: Memories) -> None:
    [long] = await made(memories, fact("x" * 1_000))
    await database.set_quotas(ANN, Quotas(bytes=stored_bytes(long)))
    longer = await memories.update_memories(ANN, UpdateMemories(items=(changed(long, memory="x" * 1_001),)))
    assert longer.refusals == (QuotaExceeded(unit="bytes", limit=stored_bytes(long), used=stored_bytes(long)),)
    await database.set_quotas(ANN, Quotas(bytes=10))
    shorter = await memories.update_memories(ANN, UpdateMemories(items=(changed(long, memory="x" * 900),)))
    assert shorter.outcomes[0].status is WriteStatus.UPDATED


async def test_writes_are_counted_by_month_and_deletions_are_none(database: Database, memories: Memories) -> None:
    await database.set_quotas(ANN, Quotas(writes_per_month=3))
    one, other = await made(memories, fact(), fact())
    await memories.update_memories(ANN, UpdateMemories(items=(changed(one, pinned=True),)))
    unchanged = await memories.update_memories(ANN, UpdateMemories(items=(changed(one, pinned=True),)))
    assert unchanged.outcomes[0].status is WriteStatus.UNCHANGED
    refused = await memories.update_memories(ANN, UpdateMemories(items=(changed(one, pinned=False),)))
    assert refused.refusals == (QuotaExceeded(unit="writes per month", limit=3, used=3),)
    await memories.delete_memory(ANN, DeleteMemory(memory_type=MemoryType.LONG_TERM, id=other.id))
    # Setting quotas again forgets nothing of the month.
    await database.set_quotas(ANN, Quotas(writes_per_month=4, memories=9))
    usage = await used(database)
    assert (usage.writes, usage.memories) == (3, 1)
    assert usage.at("2999-01") == Usage(memories=1, bytes=usage.bytes, month="2999-01")


async def test_who_writes_at_once_never_gets_more_than_there_is(database: Database, memories: Memories) -> None:
    await database.set_quotas(ANN, Quotas(memories=25))
    outcomes = await asyncio.gather(
        *(memories.create_memories(ANN, CreateMemories(items=(fact(),))) for _ in range(60)),
    )
    assert sum(outcome.counts.created for outcome in outcomes) == 25
    assert (await used(database)).memories == 25


async def test_an_import_counts_and_is_not_stopped(database_url: str, other_url: str) -> None:
    there = open_database(other_url, limits=Limits(), reader_threads=1, writer_lanes=1)
    try:
        memories = Memories(store=there.store, reader=there.reader, limits=Limits())
        await made(memories, fact(), session("s"))
    finally:
        await there.close()
    here = open_database(database_url, limits=Limits(), reader_threads=1, writer_lanes=1)
    try:
        await here.set_quotas(ANN, Quotas(memories=1))
        imported(database_url, exported(other_url))
        usage = await used(here)
        assert (usage.memories, usage.bytes) == counted(database_url)
        assert usage.memories == 2
    finally:
        await here.close()
