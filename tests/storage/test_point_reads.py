"""Look-ups by id are gathered while the readers are busy, and are answered as if each had been asked by itself."""

import asyncio
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from mnesis.storage import point_reads
from mnesis.storage.database import engine_for
from mnesis.storage.reader import Reader
from mnesis.usecases.metering import UNMETERED
from mnesis.usecases.ports import StoreFault
from tests.storage.workbench import (
    ANN,
    STRANGER,
    Bench,
    Statement,
    changed,
    fact,
    made,
    opened,
    raw,
    session,
    until,
    update,
)

pytestmark = pytest.mark.anyio


@asynccontextmanager
async def busy(reader: Reader, threads: int = 2) -> AsyncIterator[None]:
    """All reading threads have something else to do until the block ends."""
    begun, ended = threading.Semaphore(0), threading.Event()

    def wait(_: Any) -> None:
        begun.release()
        ended.wait()

    waits = [asyncio.create_task(reader.hop(wait, kind="other")) for _ in range(threads)]
    for _ in waits:
        await asyncio.to_thread(begun.acquire)
    try:
        yield
    finally:
        ended.set()
        await asyncio.gather(*waits)


async def gathered(bench: Bench, *asked: tuple[Any, list[str]]) -> list[asyncio.Task[Any]]:
    """Look-ups that all wait; to be called while the readers are busy."""
    tasks = [asyncio.create_task(bench.memories.memories(caller, ids)) for caller, ids in asked]
    await asyncio.sleep(0)
    return tasks


def look_ups(bench: Bench) -> list[Statement]:
    """The statements that looked memories up by id, for readers."""
    return [
        each for each in bench.watched.sent if "NOT memory.deleted" in each.text and "ids" in (each.parameters or ())
    ]


async def test_what_waits_together_is_one_statement_for_each_tenant(database_url: str) -> None:
    async with opened(database_url) as bench:
        mine = [memory.id for memory in await made(bench.memories, *(fact(str(n)) for n in range(20)))]
        await made(bench.memories, session("s", summary="Ann's"))
        await made(bench.memories, session("s", summary="Eve's"), caller=STRANGER)
        before = len(look_ups(bench))
        async with busy(bench.reader):
            tasks = await gathered(
                bench,
                *((ANN, [each]) for each in mine),
                *((caller, ["s"]) for caller in (ANN, STRANGER) * 5),
                *((STRANGER, [each]) for each in mine),
                (ANN, [*mine, "nowhere"]),
                (ANN, []),
            )
        found = await asyncio.gather(*tasks)
        assert len(look_ups(bench)) - before == 2
        assert [list(each) for each in found[:20]] == [[each] for each in mine]
        assert [each["s"].values["summary"] for each in found[20:30]] == ["Ann's", "Eve's"] * 5
        assert found[30:50] == [{}] * 20
        assert found[50].keys() == set(mine)
        assert found[51] == {}


async def test_a_lone_question_is_asked_at_once(database_url: str) -> None:
    async with opened(database_url) as bench:
        await made(bench.memories, session("s"))
        for _ in range(3):
            before = len(look_ups(bench))
            assert list(await bench.memories.memories(ANN, ["s"])) == ["s"]
            assert len(look_ups(bench)) - before == 1


async def test_so_many_are_looked_up_at_once(sqlite_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(point_reads, "MOST_IDS", 4)
    async with opened(sqlite_url) as bench:
        ids = [memory.id for memory in await made(bench.memories, *(fact(str(n)) for n in range(9)))]
        before = len(look_ups(bench))
        async with busy(bench.reader):
            tasks = await gathered(bench, (ANN, ids), *((ANN, [each]) for each in ids))
        assert [set(await task) for task in tasks] == [set(ids), *({each} for each in ids)]
        # Nine ids of one question, then four, four and one.
        assert len(look_ups(bench)) - before == 4


async def test_what_a_write_was_answered_for_is_seen_by_every_later_read(database_url: str) -> None:
    async with opened(database_url) as bench:
        [memory] = await made(bench.memories, session("s", summary="0"))
        done = False

        async def look() -> int:
            looks = 0
            while not done:
                assert "s" in await bench.memories.memories(ANN, ["s"])
                looks += 1
            return looks

        others = [asyncio.create_task(look()) for _ in range(16)]
        before = len(look_ups(bench))
        for number in range(1, 31):
            await update(bench.memories, changed(memory, summary=str(number)))
            seen = await asyncio.gather(*(bench.memories.memories(ANN, ["s"]) for _ in range(4)))
            assert [each["s"].values["summary"] for each in seen] == [str(number)] * 4
        done = True
        looks = sum(await asyncio.gather(*others))
        assert len(look_ups(bench)) - before < (looks + 120) / 2


async def test_a_fault_is_told_to_everybody_who_asked(database_url: str) -> None:
    async with opened(database_url) as bench:
        await made(bench.memories, session("s"))
        with raw(database_url) as connection:
            connection.execute("ALTER TABLE memory RENAME TO hidden")
        async with busy(bench.reader):
            tasks = await gathered(bench, *((ANN, ["s"]) for _ in range(5)))
        faults = await asyncio.gather(*tasks, return_exceptions=True)
        assert [type(fault) for fault in faults] == [StoreFault] * 5
        assert len(set(map(id, faults))) == 5
        with raw(database_url) as connection:
            connection.execute("ALTER TABLE hidden RENAME TO memory")
        assert list(await bench.memories.memories(ANN, ["s"])) == ["s"]


async def test_who_goes_away_leaves_the_others_alone(database_url: str) -> None:
    async with opened(database_url) as bench:
        await made(bench.memories, session("s"), session("t"))
        before = len(look_ups(bench))
        async with busy(bench.reader):
            gone, stays = await gathered(bench, (ANN, ["s"]), (ANN, ["t"]))
            gone.cancel()
            [alone] = await gathered(bench, (STRANGER, ["s"]))
            alone.cancel()
            await asyncio.sleep(0)
        assert list(await stays) == ["t"]
        [sent] = look_ups(bench)[before:]
        assert "s" not in str(sent.parameters["ids"])
        assert list(await bench.memories.memories(STRANGER, ["s"])) == []


async def test_a_look_up_that_is_given_up_while_it_is_read_leaves_the_others_alone(postgresql_url: str) -> None:
    async with opened(postgresql_url) as bench:
        await made(bench.memories, session("s"))
        with raw(postgresql_url) as connection:
            connection.execute("BEGIN")
            connection.execute("LOCK TABLE memory IN ACCESS EXCLUSIVE MODE")
            async with busy(bench.reader):
                gone, stays = await gathered(bench, (ANN, ["s"]), (ANN, ["s"]))
                before = len(look_ups(bench))
            await until(lambda: len(look_ups(bench)) > before)
            gone.cancel()
            connection.execute("ROLLBACK")
        assert list(await stays) == ["s"]
        assert gone.cancelled()


async def test_a_reader_that_closes_answers_what_waits_and_refuses_what_comes(sqlite_url: str) -> None:
    async with opened(sqlite_url) as bench:
        await made(bench.memories, session("s"))
        async with busy(bench.reader):
            tasks = await gathered(bench, (ANN, ["s"]))
            closing = asyncio.create_task(asyncio.to_thread(bench.reader.close))
            await asyncio.sleep(0.05)
            # It joins those that wait already.
            tasks += await gathered(bench, (ANN, ["s"]))
        assert [list(await task) for task in tasks] == [["s"]] * 2
        await closing
        with pytest.raises(StoreFault):
            await bench.memories.memories(ANN, ["s"])


async def test_what_comes_while_a_closing_reader_reads_is_answered(
    postgresql_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(point_reads, "MOST_IDS", 1)
    async with opened(postgresql_url) as bench:
        await made(bench.memories, session("s"), session("t"))
        async with busy(bench.reader):
            tasks = await gathered(bench, (ANN, ["s"]), (ANN, ["t"]), (ANN, ["s"]))
            closing = asyncio.create_task(asyncio.to_thread(bench.reader.close))
            await asyncio.sleep(0.05)
        assert [list(await task) for task in tasks] == [["s"], ["t"], ["s"]]
        await closing


async def test_questions_of_several_event_loops_are_answered_in_theirs(sqlite_url: str) -> None:
    async with opened(sqlite_url) as bench:
        await made(bench.memories, session("s"))

        async def ask() -> list[str]:
            return list(await bench.memories.memories(ANN, ["s"]))

        async with busy(bench.reader):
            here = asyncio.create_task(ask())
            there = asyncio.create_task(asyncio.to_thread(asyncio.run, ask()))
            await asyncio.sleep(0.1)
        assert await here == await there == ["s"]


class Noted(type(UNMETERED)):  # type: ignore[misc]  # A class that nobody needs to name elsewhere.
    """Hears of reads."""

    def __init__(self) -> None:
        self.asked = 0
        self.is_broken = False
        self.reads: list[tuple[str, object, bool]] = []

    def origin(self) -> object:
        self.asked += 1
        return self.asked

    def read(self, kind: str, origin: object, began_s: float, ended_s: float, *, failed: bool) -> None:
        assert not self.is_broken
        assert began_s <= ended_s
        self.reads.append((kind, origin, failed))


async def test_everybody_who_asked_is_measured(sqlite_url: str, caplog: pytest.LogCaptureFixture) -> None:
    meter = Noted()
    async with opened(sqlite_url) as bench:
        await made(bench.memories, session("s"))
        reader = Reader(engine_for(sqlite_url, writer_lanes=1), threads=1, meter=meter)
        async with busy(reader, threads=1):
            tasks = [asyncio.create_task(reader.memories(ANN, ["s"])) for _ in range(3)]
            await asyncio.sleep(0)
        assert [list(await task) for task in tasks] == [["s"]] * 3
        assert [read for read in meter.reads if read[0] == "memories"] == [("memories", n, False) for n in (2, 3, 4)]
        with raw(sqlite_url) as connection:
            connection.execute("ALTER TABLE memory RENAME TO hidden")
        with pytest.raises(StoreFault):
            await reader.memories(ANN, ["s"])
        assert meter.reads[-1] == ("memories", 5, True)
        meter.is_broken = True
        with pytest.raises(StoreFault):
            await reader.memories(ANN, ["s"])
        assert "A reading could not be measured." in caplog.text
        await asyncio.to_thread(reader.close)
