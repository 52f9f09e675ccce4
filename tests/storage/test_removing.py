"""Removals by filter on real databases: counts, steps with other writers in between, and what an erasure leaves."""

import asyncio
import time
from typing import Any

import pytest

from mnesis.domain.commands import Changes, Create
from mnesis.domain.fields import Message
from mnesis.domain.filters import MemoryFilter, TimeRange
from mnesis.domain.history import HistoryRecord
from mnesis.domain.ids import RecordId
from mnesis.domain.json_values import JsonObject
from mnesis.domain.limits import Limits
from mnesis.domain.memory_types import HistoryAction, MemoryType
from mnesis.storage.lanes import QueueBounds
from mnesis.usecases.memories import Memories
from mnesis.usecases.ports import MemoryQuery, Overloaded, PageRequest, RecordQuery, RemovalCounts, StoreFault
from mnesis.usecases.removing import RemovalReceipt
from mnesis.usecases.requests import CreateMemories, DeleteMemories, DeleteMemory, EraseMemories
from tests.storage.workbench import (
    ANN,
    STRANGER,
    Bench,
    changed,
    context,
    entry,
    fact,
    is_sqlite,
    made,
    opened,
    raw,
    rows,
    session,
    update,
    working,
)

pytestmark = pytest.mark.anyio

MARK = "xyzzy-marker"
MARKED_STEM = "xyzzi"
"""How the search index has the marker."""
ALL = PageRequest(size=5_000)


async def ids(bench: Bench, **query: Any) -> set[str]:
    return {memory.id for memory in (await bench.memories.list_memories(ANN, MemoryQuery(**query), ALL)).rows}


async def records(bench: Bench, memory_id: str) -> list[HistoryRecord]:
    return list((await bench.memories.histories(ANN, [memory_id], ALL))[memory_id].rows)


def counted(receipt: RemovalReceipt) -> tuple[int, int, int, int]:
    assert receipt.refusals == ()
    counts = receipt.counts
    return counts.sessions, counts.working, counts.long_term, counts.records


async def some(bench: Bench) -> None:
    """Two sessions with entries, one of which was deleted, a working memory and two facts, one of them deleted."""
    await made(bench.memories, session("s", summary=MARK, pinned=True), session("t"))
    await bench.memories.update_context_memory(ANN, context("s", "1", "2", "3", text=MARK))
    await bench.memories.update_context_memory(ANN, context("t", "1", "2"))
    [gone, _, _] = (await bench.memories.entries(ANN, ["s"], ALL))["s"].rows
    await bench.memories.delete_memory(ANN, DeleteMemory(memory_type=MemoryType.WORKING, id=gone.id))
    [dropped] = await made(bench.memories, fact(MARK))
    await bench.memories.delete_memory(ANN, DeleteMemory(memory_type=MemoryType.LONG_TERM, id=dropped.id))
    await made(bench.memories, working(content=MARK), fact(f"keep {MARK}", pinned=True))


async def test_a_deletion_takes_what_passes_the_filter_and_the_entries_of_sessions(database_url: str) -> None:
    async with opened(database_url) as bench:
        await some(bench)
        pinned = MemoryFilter(pinned=True)
        dry = await bench.memories.delete_memories(ANN, DeleteMemories(filter=pinned, dry_run=True))
        assert (dry.dry_run, counted(dry)) == (True, (1, 2, 1, 0))
        assert len(await ids(bench)) == 8
        done = await bench.memories.delete_memories(ANN, DeleteMemories(filter=pinned, reason="tidy"))
        assert (done.dry_run, counted(done)) == (False, (1, 2, 1, 0))
        assert await ids(bench) == {"t", *(await ids(bench, session_id="t")), *(await ids(bench, text=MARK))}
        assert len(await ids(bench)) == 4
        last = (await records(bench, "s"))[0]
        assert (last.action, last.actor, last.reason) == (HistoryAction.DELETE, "ann", "tidy")
        again = await bench.memories.delete_memories(ANN, DeleteMemories(filter=pinned))
        assert counted(again) == (0, 0, 0, 0)


async def test_everything_of_one_tenant_can_be_deleted_and_nothing_of_another(database_url: str) -> None:
    async with opened(database_url) as bench:
        await some(bench)
        await made(bench.memories, fact("of another"), caller=STRANGER)
        for dry_run in (True, False):
            receipt = await bench.memories.delete_memories(ANN, DeleteMemories(everything=True, dry_run=dry_run))
            assert counted(receipt) == (2, 5, 1, 0)
        assert await ids(bench) == set()
        assert await bench.memories.count_memories(STRANGER, MemoryQuery()) == 1


async def test_a_large_deletion_lets_other_writers_in_between(database_url: str) -> None:
    async with opened(database_url) as bench:
        for start in range(0, 4_000, 1_000):
            items = tuple(fact(f"fact {number}") for number in range(start, start + 1_000))
            await bench.memories.create_memories(ANN, CreateMemories(items=items))
        [saved] = await made(bench.memories, fact("fact to be saved"))
        bench.watched.sent.clear()
        removal = asyncio.create_task(
            bench.memories.delete_memories(ANN, DeleteMemories(filter=MemoryFilter(text="fact")))
        )
        left: list[int] = []
        renamed = False
        while not removal.done():
            if not renamed and await bench.memories.count_memories(ANN, MemoryQuery()) < 4_001:
                renamed = True
                await update(bench.memories, changed(saved, memory="something else"))
            left.append(await bench.memories.count_memories(ANN, MemoryQuery()))
            await asyncio.sleep(0)
        receipt = await removal
        assert renamed
        assert await ids(bench) == {saved.id}
        assert counted(receipt) == (0, 0, 4_000, 0)
        assert len({count for count in left if 1 < count < 4_001}) >= 2
        # Five pages of a thousand at most, and the update.
        assert bench.watched.begun() <= 6


@pytest.mark.parametrize("erases", [False, True], ids=["deleted", "erased"])
async def test_a_session_too_large_for_one_transaction_goes_in_several(database_url: str, erases: bool) -> None:
    async with opened(database_url) as bench:
        for start in (0, 1_000, 2_000):
            await bench.memories.update_context_memory(ANN, context("large", *map(str, range(start, start + 1_000))))
        for number in range(4):
            await bench.memories.update_context_memory(ANN, context(f"small{number}", *map(str, range(400))))
        wanted = MemoryFilter(types=frozenset({MemoryType.SESSION}))
        if not erases:
            # The removal of the first entries changes the session, which must go all the same.
            [newest] = (await bench.memories.memories(ANN, ["small3"])).values()
            untouched = MemoryFilter(never=MemoryFilter(updated_at=TimeRange(start=newest.updated_at)))
            wanted = MemoryFilter(types=wanted.types, either=(untouched, MemoryFilter(ids=frozenset({"small3"}))))
        bench.watched.sent.clear()
        if erases:
            receipt = await bench.memories.erase_memories(ANN, EraseMemories(filter=wanted))
            assert counted(receipt)[:3] == (5, 4_600, 0)
        else:
            receipt = await bench.memories.delete_memories(ANN, DeleteMemories(filter=wanted))
            assert counted(receipt) == (5, 4_600, 0, 0)
        assert await ids(bench) == set()
        assert 6 <= bench.watched.begun() <= 8
        for statement in bench.watched.sent:
            if isinstance(statement.parameters, list):
                assert len(statement.parameters) <= 1_001


async def test_a_large_session_goes_alone_with_its_entries(sqlite_url: str) -> None:
    async with opened(sqlite_url) as bench:
        await bench.memories.update_context_memory(ANN, context("large", *map(str, range(1_000))))
        receipt = await bench.memories.delete_memories(
            ANN, DeleteMemories(filter=MemoryFilter(ids=frozenset({"large"})))
        )
        assert counted(receipt) == (1, 1_000, 0, 0)
        assert await ids(bench) == set()


class Pausing:
    """A reader that lets the test go on after it has found something, and waits for it. All else is the real one's."""

    def __init__(self, reader: Any) -> None:
        self.reader = reader
        self.found = asyncio.Event()
        self.go_on = asyncio.Event()

    def __getattr__(self, name: str) -> Any:
        return getattr(self.reader, name)

    async def removable(self, *given: Any, **named: Any) -> Any:
        page = await self.reader.removable(*given, **named)
        if page:
            self.found.set()
            await self.go_on.wait()
        return page


async def test_a_request_overtaken_by_one_with_its_key_repeats_that_ones_answer(sqlite_url: str) -> None:
    async with opened(sqlite_url) as bench:
        await made(bench.memories, fact(), fact())
        pausing: Any = Pausing(bench.reader)
        slow = Memories(store=bench.store, reader=pausing, limits=Limits())
        request = DeleteMemories(everything=True, idempotency_key="k")
        overtaken = asyncio.create_task(slow.delete_memories(ANN, request))
        await pausing.found.wait()
        first = await bench.memories.delete_memories(ANN, request)
        await made(bench.memories, fact("later"))
        pausing.go_on.set()
        second = await overtaken
        assert (first.replayed, second.replayed) == (False, True)
        assert counted(first) == counted(second) == (0, 0, 2, 0)
        assert len(await ids(bench)) == 1


async def test_an_erasure_leaves_no_content_anywhere(database_url: str) -> None:
    async with opened(database_url) as bench:
        namespace: JsonObject = {"who": MARK}
        await made(
            bench.memories,
            session("s", namespace=namespace, summary=MARK, metadata={MARK: 1}, agents={"a": MARK}),
            fact(MARK, namespace=namespace, tags={"a": [MARK]}, strategy=MARK),
        )
        words = (Message(role="user", text=MARK), Message(role="user", parts=({"text": MARK},)))
        await made(
            bench.memories,
            entry("s", content=MARK, messages=words, structured_data={"a": MARK}, binary_data=MARK.encode()),
        )
        [stored] = (await bench.memories.memories(ANN, ["s"])).values()
        await update(bench.memories, changed(stored, summary=f"{MARK} again"), key="k1")
        await bench.memories.update_context_memory(ANN, context("s", "1", text=MARK))
        gone = Create(id="gone", changes=Changes(memory_type=MemoryType.SESSION, given={"summary": MARK}))
        await made(bench.memories, gone)
        await bench.memories.delete_memory(ANN, DeleteMemory(memory_type=MemoryType.SESSION, id="gone"))
        everyone = {*(await ids(bench)), "gone"}
        before = {each: (await records(bench, each))[0].version for each in everyone}
        assert marked(database_url)
        for dry_run in (True, False):
            request = EraseMemories(everything=True, dry_run=dry_run, reason="asked to")
            assert counted(await bench.memories.erase_memories(ANN, request)) == (2, 2, 1, 9)
        assert marked(database_url) == []
        assert await ids(bench) == set()
        for each in everyone:
            [record] = await records(bench, each)
            assert (record.action, record.version) == (HistoryAction.ERASE, before[each] + 1)
            assert (record.actor, record.reason, record.changes, record.namespace) == ("ann", "asked to", (), {})
        again = await bench.memories.erase_memories(ANN, EraseMemories(everything=True))
        assert counted(again) == (0, 0, 0, 0)
        assert len(await records(bench, "s")) == 1
        assert rows(database_url, "SELECT count(*) FROM idempotency") == [(0,)]


def marked(url: str) -> list[str]:
    """The columns of all tables in which the marker stands."""
    found = []
    with raw(url) as connection:
        if is_sqlite(url):
            tables = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
        else:
            tables = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'").fetchall()
        # What the virtual table itself holds, which cannot be read whole, stands in the tables behind it.
        for (table,) in [each for each in tables if each != ("search_index",)]:
            cursor = connection.execute(f"SELECT * FROM {table}")
            names = [column[0] for column in cursor.description]
            found += [
                f"{table}.{name}"
                for row in cursor.fetchall()
                for name, value in zip(names, row, strict=True)
                for text in [value.decode(errors="replace") if isinstance(value, bytes) else str(value)]
                if MARK in text or MARKED_STEM in text
            ]
    return found


async def test_an_erased_id_goes_on_at_the_next_version_and_its_past_is_gone(database_url: str) -> None:
    async with opened(database_url) as bench:
        await made(bench.memories, session("s", summary=MARK, namespace={"a": 1}))
        await bench.memories.update_context_memory(ANN, context("s", "1", text=MARK))
        await bench.memories.erase_memories(ANN, EraseMemories(filter=MemoryFilter(ids=frozenset({"s"}))))
        [again] = await made(bench.memories, session("s", summary="new"))
        assert again.version == 4
        assert again.namespace == {}
        assert [record.version for record in await records(bench, "s")] == [4, 3]
        assert await bench.memories.records(ANN, [RecordId("s", 1), RecordId("s", 2)]) == {}
        outcome = await bench.memories.update_context_memory(ANN, context("s", "1", text="new"))
        assert outcome.outcomes[0].version == 3
        [new] = (await bench.memories.entries(ANN, ["s"], ALL))["s"].rows
        assert new.values["content"] == "new 1"


async def test_a_session_tells_that_entries_of_it_were_erased(database_url: str) -> None:
    async with opened(database_url) as bench:
        await bench.memories.update_context_memory(ANN, context("s", "1", "2", text=MARK))
        [first, _] = (await bench.memories.entries(ANN, ["s"], ALL))["s"].rows
        [kept] = (await bench.memories.memories(ANN, ["s"])).values()
        await bench.memories.delete_memory(ANN, DeleteMemory(memory_type=MemoryType.WORKING, id=first.id))
        receipt = await bench.memories.erase_memories(ANN, EraseMemories(filter=MemoryFilter(session_id="s")))
        assert counted(receipt) == (0, 2, 0, 3)
        [after] = (await bench.memories.memories(ANN, ["s"])).values()
        assert (after.version, after.values) == (kept.version + 2, kept.values)
        told = (await records(bench, "s"))[0].changes[0]
        assert told.after == {"created": 0, "updated": 0, "deleted": 1}


async def test_only_answers_that_name_what_was_erased_are_forgotten(database_url: str) -> None:
    async with opened(database_url) as bench:
        [erased, kept] = await made(bench.memories, fact(MARK), fact("kept"))
        await update(bench.memories, changed(erased, memory="1"), key="erased")
        await update(bench.memories, changed(kept, memory="1"), key="kept")
        assert (await update(bench.memories, changed(kept, memory="1"), key="kept")).replayed
        await bench.memories.erase_memories(ANN, EraseMemories(filter=MemoryFilter(ids=frozenset({erased.id}))))
        assert rows(database_url, "SELECT key FROM idempotency") == [("kept",)]


@pytest.mark.parametrize("erases", [False, True], ids=["delete", "erase"])
async def test_fifty_requests_with_one_key_remove_once_and_answer_alike(database_url: str, erases: bool) -> None:
    async with opened(database_url) as bench:
        await some(bench)

        def ask(key: str = "k", **given: Any) -> Any:
            wanted: dict[str, Any] = {"filter": MemoryFilter(text="text"), **given}
            if erases:
                return bench.memories.erase_memories(ANN, EraseMemories(idempotency_key=key, **wanted))
            return bench.memories.delete_memories(ANN, DeleteMemories(idempotency_key=key, **wanted))

        receipts = await asyncio.gather(*(ask() for _ in range(50)))
        assert {counted(receipt) for receipt in receipts} == {(0, 2, 0, 2 if erases else 0)}
        await bench.memories.update_context_memory(ANN, context("u", "1"))
        later = await ask()
        assert (later.counts, later.replayed) == (receipts[0].counts, True)
        assert len(await ids(bench, session_id="u")) == 1
        other = await ask(filter=MemoryFilter(text="other"))
        assert [refusal.code for refusal in other.refusals] == ["IDEMPOTENCY_CONFLICT"]
        [memory] = await made(bench.memories, fact())
        outcome = await update(bench.memories, changed(memory, memory="x"), key="k")
        assert [refusal.code for refusal in outcome.refusals] == ["IDEMPOTENCY_CONFLICT"]
        await update(bench.memories, changed(memory, memory="x"), key="of an update")
        other = await ask("of an update")
        assert [refusal.code for refusal in other.refusals] == ["IDEMPOTENCY_CONFLICT"]


async def test_a_dry_run_does_not_use_the_key_up(database_url: str) -> None:
    async with opened(database_url) as bench:
        await made(bench.memories, fact())
        request: dict[str, Any] = {"everything": True, "idempotency_key": "k"}
        assert counted(await bench.memories.delete_memories(ANN, DeleteMemories(dry_run=True, **request))) == (
            0,
            0,
            1,
            0,
        )
        assert counted(await bench.memories.delete_memories(ANN, DeleteMemories(**request))) == (0, 0, 1, 0)


async def test_an_interrupted_removal_goes_on_with_the_rest_under_its_key(sqlite_url: str) -> None:
    async with opened(sqlite_url) as bench:
        for start in range(0, 3_000, 1_000):
            items = tuple(fact(f"fact {number}") for number in range(start, start + 1_000))
            await bench.memories.create_memories(ANN, CreateMemories(items=items))
        request = DeleteMemories(everything=True, idempotency_key="k")
        running = asyncio.create_task(bench.memories.delete_memories(ANN, request))
        while await bench.memories.count_memories(ANN, MemoryQuery()) == 3_000:
            assert not running.done()
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        receipt = await bench.memories.delete_memories(ANN, request)
        assert counted(receipt) == (0, 0, 3_000, 0)
        assert not receipt.replayed
        assert await ids(bench) == set()


async def test_a_job_runs_alone_and_sees_what_was_queued_before_it(database_url: str) -> None:
    async with opened(database_url) as bench:
        await made(bench.memories, fact())
        lane = bench.store._lanes[0]

        def count(cursor: Any) -> int:
            cursor.execute("SELECT count(*) FROM memory")
            number: int = cursor.fetchone()[0]
            return number

        async def job() -> int:
            return await lane.run(ANN.tenant, count)

        found = await asyncio.gather(
            made(bench.memories, fact()), job(), made(bench.memories, fact()), made(bench.memories, fact()), job()
        )
        assert (found[1], found[4]) == (2, 4)


async def test_a_job_that_fails_leaves_nothing_and_the_lane_goes_on(database_url: str) -> None:
    async with opened(database_url) as bench:
        [memory] = await made(bench.memories, fact())

        def broken(cursor: Any) -> None:
            cursor.execute("UPDATE memory SET deleted = (1 = 1)")
            raise ValueError("broken")

        with pytest.raises(StoreFault, match="broken"):
            await bench.store._lanes[0].run(ANN.tenant, broken)
        assert await ids(bench) == {memory.id}
        await made(bench.memories, fact())


async def test_removals_wait_in_the_bounded_queue_like_everything_else(sqlite_url: str) -> None:
    async with opened(sqlite_url, bounds=QueueBounds(commands=1)) as bench:
        await made(bench.memories, fact())
        lane = bench.store._lanes[0]

        def slow(cursor: Any) -> None:
            time.sleep(0.2)

        waiting = [asyncio.create_task(lane.run(ANN.tenant, slow)) for _ in range(6)]
        done = await asyncio.gather(*waiting, return_exceptions=True)
        assert {type(each) for each in done} == {type(None), Overloaded}


async def test_nothing_is_counted_where_there_is_nothing(database_url: str) -> None:
    async with opened(database_url) as bench:
        for dry_run in (True, False):
            erased = await bench.memories.erase_memories(ANN, EraseMemories(everything=True, dry_run=dry_run))
            assert erased.counts == RemovalCounts()
        page = await bench.memories.list_records(ANN, RecordQuery(), ALL)
        assert page.rows == ()
