"""Earlier versions read from and restored in a database: right, and at the cost of their distance."""

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from mnesis.domain.memory import Memory
from mnesis.domain.memory_types import MemoryType
from mnesis.domain.time_travel import NotKept
from mnesis.storage.reader import Ask, Reader, Rows
from mnesis.storage.visibility import VisibleStatement, caller_parameters
from mnesis.usecases.memories import Memories
from mnesis.usecases.ports import PastMemory
from mnesis.usecases.requests import DeleteMemory, RestoreMemory
from tests.storage.workbench import ANN, STRANGER, changed, context, fact, made, opened, raw, session, update

pytestmark = pytest.mark.anyio

START = datetime(2026, 5, 1, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)


class Clock:
    """Goes on by a second with every look."""

    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> datetime:
        self.now += SECOND
        return self.now


async def there(memories: Memories, memory: Memory, **when: object) -> Memory | None:
    past = await memories.past_memory(ANN, memory.id, **when)  # type: ignore[arg-type]  # One of the two keywords.
    return past.memory if past is not None else None


async def delete(memories: Memories, memory: Memory) -> None:
    request = DeleteMemory(memory_type=memory.type, id=memory.id)
    assert (await memories.delete_memory(ANN, request)).counts.deleted == 1


async def restore(memories: Memories, memory: Memory, version: int) -> str:
    request = RestoreMemory(memory_type=memory.type, id=memory.id, version=version)
    return (await memories.restore_memory(ANN, request)).outcomes[0].status.value


async def test_a_memory_is_read_at_each_version_and_at_each_time(database_url: str) -> None:
    async with opened(database_url, clock=Clock()) as bench:
        [first] = await made(bench.memories, fact("One.", tags={"a": 1}))
        states = [first]
        for given in ({"memory": "Two."}, {"tags": {"a": 1, "b": [1.0]}}, {"pinned": True}):
            [outcome] = (await update(bench.memories, changed(first, **given))).outcomes
            assert outcome.memory is not None
            states.append(outcome.memory)
        for state in states:
            assert await there(bench.memories, first, version=state.version) == state
            assert await there(bench.memories, first, at=state.updated_at) == state
            assert await there(bench.memories, first, at=state.updated_at + SECOND / 2) == state
        assert await there(bench.memories, first, at=first.created_at - SECOND / 2) is None
        assert await there(bench.memories, first, at=START.replace(year=9999)) == states[-1]
        for version in (0, -1, 5, 2**31, 2**63):
            assert await there(bench.memories, first, version=version) is None
        current = await bench.memories.past_memory(ANN, first.id, version=4)
        assert current == PastMemory(memory=states[-1], is_current=True)
        earlier = await bench.memories.past_memory(ANN, first.id, version=3)
        assert earlier is not None
        assert not earlier.is_current
        assert await bench.memories.past_memory(STRANGER, first.id, version=1) is None


async def test_a_deleted_memory_can_be_read_as_it_was_and_is_not_there_afterwards(database_url: str) -> None:
    async with opened(database_url, clock=Clock()) as bench:
        [first] = await made(bench.memories, fact("One."))
        await delete(bench.memories, first)
        assert await there(bench.memories, first, version=1) == first
        assert await there(bench.memories, first, version=2) is None
        assert await there(bench.memories, first, at=START.replace(year=9999)) is None


async def test_what_history_no_longer_reaches_is_told(database_url: str) -> None:
    async with opened(database_url, clock=Clock()) as bench:
        [first] = await made(bench.memories, fact("One."))
        [outcome] = (await update(bench.memories, changed(first, memory="Two."))).outcomes
        await update(bench.memories, changed(first, memory="Three."))
        with raw(database_url) as connection:
            connection.execute("DELETE FROM history WHERE version = 1")
        assert await there(bench.memories, first, version=2) == outcome.memory
        with pytest.raises(NotKept):
            await there(bench.memories, first, version=1)
        with pytest.raises(NotKept):
            await there(bench.memories, first, at=first.created_at)
        assert await restore(bench.memories, first, 1) == "FAILED"
        assert await restore(bench.memories, first, 2) == "UPDATED"


async def test_a_session_with_its_entries_comes_back_and_goes_on(database_url: str) -> None:
    async with opened(database_url) as bench:
        await bench.memories.update_context_memory(ANN, context("s1", "m1", "m2"))
        [stored] = (await bench.memories.memories(ANN, ["s1"])).values()
        await delete(bench.memories, stored)
        assert await bench.memories.memories(ANN, ["s1"]) == {}
        assert await restore(bench.memories, stored, 1) == "UPDATED"
        assert (await bench.memories.memories(ANN, ["s1"]))["s1"].version == 3
        assert await bench.memories.count_entries(ANN, ["s1"]) == {"s1": 2}
        outcome = await bench.memories.update_context_memory(ANN, context("s1", "m1", text="anew"))
        assert (outcome.counts.updated, outcome.session_version) == (1, 4)


async def test_a_merged_restoration_sees_the_batch_before_it(database_url: str) -> None:
    async with opened(database_url) as bench:
        [first, other] = await made(bench.memories, fact("One."), fact("Other."))
        # Handed over together, they are applied in this order, merged or not.
        results = await asyncio.gather(
            update(bench.memories, changed(first, memory="Two.")),
            restore(bench.memories, first, 1),
            update(bench.memories, changed(first, memory="Three.")),
            restore(bench.memories, first, 2),
            restore(bench.memories, other, 1),
        )
        assert [result for result in results if isinstance(result, str)] == ["UPDATED", "UPDATED", "UNCHANGED"]
        found = (await bench.memories.memories(ANN, [first.id]))[first.id]
        assert (found.version, found.values["memory"]) == (5, "Two.")


async def test_a_near_version_of_a_memory_with_ten_thousand_changes_costs_its_distance(database_url: str) -> None:
    changes = 10_000
    async with opened(database_url) as bench:
        [first] = await made(bench.memories, session("s1", summary="0"))
        for start in range(0, changes, 1_000):
            items = [changed(first, summary=str(number + 1)) for number in range(start, start + 1_000)]
            assert (await update(bench.memories, *items)).counts.updated == 1_000
        bench.watched.sent.clear()
        asked_near = await _rows_read(bench.reader, first, changes - 10)
        asked_far = await _rows_read(bench.reader, first, 1)
        # Statements are the same few; what differs is how many records they bring.
        assert (asked_near, asked_far) == (12, changes + 1)
        far = await there(bench.memories, first, version=1)
        assert far is not None
        assert replace(far, change=first.change) == first
        near = await there(bench.memories, first, version=changes - 10)
        assert near is not None
        assert near.values["summary"] == str(changes - 11)


async def _rows_read(reader: Reader, memory: Memory, version: int) -> int:
    """How many records one look at a version reads."""
    counted = 0

    def counting(ask: Ask) -> Ask:
        def ask_and_count(statement: VisibleStatement, parameters: Mapping[str, Any]) -> Rows:
            nonlocal counted
            rows = ask(statement, parameters)
            counted += len(rows) if statement is reader._statements.versions else 0
            return rows

        return ask_and_count

    common = {**caller_parameters(ANN), "memory": memory.id}
    past = await reader._hop(lambda ask: reader._past_memory(counting(ask), common, version, None))
    assert past is not None
    assert past.memory.version == version
    return counted


async def test_history_cannot_be_restored(database_url: str) -> None:
    async with opened(database_url) as bench:
        request = RestoreMemory(memory_type=MemoryType.HISTORY, id="x~1", version=1)
        [outcome] = (await bench.memories.restore_memory(ANN, request)).outcomes
        assert [refusal.code for refusal in outcome.refusals] == ["IMMUTABLE_MEMORY"]
