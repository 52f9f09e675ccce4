"""What waits together is committed together, and nobody can tell but by the clock."""

import asyncio
import logging
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from mnesis.domain.caller import EVERY_SCOPE, Caller
from mnesis.domain.commands import Batch, BatchOutcome
from mnesis.domain.limits import Limits
from mnesis.domain.memory_types import MemoryType, WriteMode, WriteStatus
from mnesis.domain.refusals import IdempotencyConflict, VersionConflict
from mnesis.observing.metrics import Metrics
from mnesis.storage import lanes, sqlite_engine
from mnesis.storage.database import engine_for, new_id, open_database
from mnesis.storage.lanes import QueueBounds
from mnesis.storage.transaction import Transactions
from mnesis.usecases.memories import Memories
from mnesis.usecases.ports import MemoryQuery, Overloaded, PageRequest, StoreFault
from mnesis.usecases.requests import CreateMemories, DeleteMemory
from tests.storage.workbench import (
    ANN,
    STRANGER,
    Bench,
    changed,
    context,
    fact,
    is_sqlite,
    made,
    opened,
    raw,
    rows,
    session,
    until,
    update,
    write_locked,
)

pytestmark = pytest.mark.anyio


async def plugged(bench: Bench, url: str) -> tuple[ExitStack, "asyncio.Task[Any]"]:
    """A lane that has begun a transaction and waits for another process: what comes now gathers.

    Closing the stack lets it go on.
    """
    for _ in range(2):  # After its first transaction a lane tidies up, which must be over.
        await made(bench.memories, fact("the tenant is known"))
    stack = ExitStack()
    stack.enter_context(write_locked(url))
    before = bench.watched.begun()
    plug = asyncio.create_task(made(bench.memories, fact("plug")))
    await until(lambda: bench.watched.begun() > before)
    return stack, plug


async def queued(*requests: Any) -> list["asyncio.Task[BatchOutcome]"]:
    """The requests, sent in this order."""
    tasks: list[asyncio.Task[BatchOutcome]] = []
    for request in requests:
        tasks.append(asyncio.create_task(request))
        await asyncio.sleep(0)
    return tasks


@contextmanager
def refused_by_the_database(url: str, memory_id: str) -> Iterator[None]:
    """Writing a memory with this id fails in the database."""
    with raw(url) as connection:
        if is_sqlite(url):
            connection.execute(
                f"CREATE TRIGGER guilty BEFORE INSERT ON memory WHEN NEW.id = '{memory_id}' "
                "BEGIN SELECT RAISE(ABORT, 'guilty'); END"
            )
        else:
            connection.execute(
                "CREATE FUNCTION guilty() RETURNS trigger LANGUAGE plpgsql AS "
                f"$$ BEGIN IF NEW.id = '{memory_id}' THEN RAISE 'guilty'; END IF; RETURN NEW; END $$"
            )
            connection.execute("CREATE TRIGGER guilty BEFORE INSERT ON memory FOR EACH ROW EXECUTE FUNCTION guilty()")
    yield


async def test_waiting_batches_are_committed_together_and_each_sees_the_ones_before(database_url: str) -> None:
    async with opened(database_url) as bench:
        [memory] = await made(bench.memories, session("s", summary="0"))
        stack, plug = await plugged(bench, database_url)
        commits = len(bench.watched.transactions())
        tasks = await queued(*(update(bench.memories, changed(memory, summary=str(number))) for number in range(1, 21)))
        stack.close()
        outcomes = await asyncio.gather(*tasks)
        await plug
        assert [outcome.outcomes[0].version for outcome in outcomes] == list(range(2, 22))
        assert len(bench.watched.transactions()) - commits == 2  # The plug's and that of all others.
        records = (await bench.memories.histories(ANN, ["s"], PageRequest(size=50)))["s"].rows
        assert [record.changes[0].after for record in records[:-1]] == [str(n) for n in range(20, 0, -1)]


class _Broken(Metrics):
    """Keeps no promise."""

    def wrote(self, *given: Any, **named: Any) -> None:
        raise RuntimeError("The meter is broken.")


async def test_what_fails_after_a_commit_neither_refuses_nor_repeats_it(
    database_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    meter = _Broken(version="1", database="any")
    database = open_database(database_url, limits=Limits(), reader_threads=1, writer_lanes=1, meter=meter)
    try:
        memories = Memories(store=database.store, reader=database.reader, limits=Limits())
        # The second and the third wait for the first, and are merged.
        await asyncio.gather(*(made(memories, fact(str(number))) for number in range(3)))
        assert await database.reader.count_memories(ANN, MemoryQuery()) == 3
    finally:
        await database.close()
    assert "A transaction could not be measured." in caplog.text


async def test_whatever_takes_a_tenants_lock_is_known_by_a_mark(postgresql_url: str) -> None:
    engine = engine_for(postgresql_url, writer_lanes=1)
    transactions = Transactions(engine, Limits(), new_id)
    with closing(engine.connect(read_only=False)) as connection:
        for count in (0, 0, 1):  # The first makes the tenant.
            cursor = connection.cursor()
            engine.begin(cursor)
            _, mark, _ = transactions.take_changes(cursor, "acme", count, transactions.now())
            cursor.execute("COMMIT")
            assert mark is not None
            assert engine.was_committed(connection, mark)


async def test_answers_come_in_the_order_of_arrival(database_url: str) -> None:
    async with opened(database_url) as bench:
        stack, plug = await plugged(bench, database_url)
        answered: list[int] = []

        async def send(number: int) -> None:
            await made(bench.memories, fact(str(number)))
            answered.append(number)

        tasks = await queued(*(send(number) for number in range(30)))
        stack.close()
        await asyncio.gather(plug, *tasks)
        assert answered == list(range(30))
        page = await bench.memories.list_memories(ANN, MemoryQuery(), PageRequest(size=30))
        assert [memory.values["memory"] for memory in page.rows] == [str(number) for number in range(29, -1, -1)]


async def test_a_refused_batch_leaves_no_trace_for_those_behind_it(database_url: str) -> None:
    async with opened(database_url) as bench:
        [memory] = await made(bench.memories, session("s", summary="0"))
        stack, plug = await plugged(bench, database_url)
        tasks = await queued(
            update(bench.memories, changed(memory, summary="1"), changed(memory, if_version=9, summary="2")),
            bench.memories.create_memories(ANN, CreateMemories(items=(session("new"), session("s")))),
            update(bench.memories, changed(memory, if_version=1, pinned=True)),
            bench.memories.create_memories(ANN, CreateMemories(items=(session("new"),))),
        )
        stack.close()
        stale, taken, third, fourth = await asyncio.gather(*tasks)
        await plug
        assert [outcome.status for outcome in stale.outcomes] == [WriteStatus.ROLLED_BACK, WriteStatus.FAILED]
        assert isinstance(stale.outcomes[1].refusals[0], VersionConflict)
        assert taken.counts.failed == 1
        assert third.outcomes[0].version == 2
        assert third.outcomes[0].memory is not None
        assert third.outcomes[0].memory.values["summary"] == "0"
        assert fourth.counts.created == 1
        assert len(rows(database_url, "SELECT 1 FROM history WHERE memory_id IN ('s', 'new')")) == 3


async def test_equal_keys_that_wait_together_write_once(database_url: str) -> None:
    async with opened(database_url) as bench:
        [memory] = await made(bench.memories, session("s"))
        stack, plug = await plugged(bench, database_url)
        tasks = await queued(
            *(update(bench.memories, changed(memory, summary="1"), key="k") for _ in range(50)),
            update(bench.memories, changed(memory, summary="other"), key="k"),
        )
        stack.close()
        *same, other = await asyncio.gather(*tasks)
        await plug
        assert [outcome.replayed for outcome in same] == [False, *[True] * 49]
        assert {(outcome.outcomes[0].status, outcome.outcomes[0].version) for outcome in same} == {
            (WriteStatus.UPDATED, 2)
        }
        assert other.refusals == (IdempotencyConflict(path=("idempotency_key",)),)
        again = await update(bench.memories, changed(memory, summary="1"), key="k")
        assert again.replayed
        assert (await bench.memories.memories(ANN, ["s"]))["s"].version == 2


async def test_a_key_of_one_caller_says_nothing_of_another_s(database_url: str) -> None:
    bob = Caller(tenant=ANN.tenant, subject="bob", scopes=EVERY_SCOPE)
    async with opened(database_url) as bench:
        request = CreateMemories(items=(fact(),), idempotency_key="k")
        answers = [await bench.memories.create_memories(caller, request) for caller in (ANN, bob, STRANGER, ANN)]
        assert [answer.replayed for answer in answers] == [False, False, False, True]


async def test_answers_are_given_again_for_a_day_and_then_removed(database_url: str) -> None:
    now = [datetime(2026, 5, 1, tzinfo=UTC)]
    request = CreateMemories(items=(fact(),), idempotency_key="k")

    async def replayed() -> bool:
        async with opened(database_url, clock=lambda: now[0]) as bench:
            return (await bench.memories.create_memories(ANN, request)).replayed

    assert not await replayed()
    now[0] += timedelta(hours=24)
    assert await replayed()
    now[0] += timedelta(microseconds=1)
    assert not await replayed()
    assert await replayed()
    now[0] += timedelta(hours=25)
    async with opened(database_url, clock=lambda: now[0]) as bench:
        await made(bench.memories, fact())
        await until(lambda: not rows(database_url, "SELECT 1 FROM idempotency"))


async def test_only_the_batch_that_the_database_refuses_fails(
    database_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    with refused_by_the_database(database_url, "guilty"):
        async with opened(database_url) as bench:
            stack, plug = await plugged(bench, database_url)
            ids = ["a", "b", "guilty", "c"]
            tasks = await queued(*(made(bench.memories, session(name), fact(name)) for name in ids))
            stack.close()
            with caplog.at_level(logging.WARNING, "mnesis.storage"):
                outcomes = await asyncio.gather(plug, *tasks, return_exceptions=True)
            assert [isinstance(outcome, StoreFault) for outcome in outcomes] == [False, False, False, True, False]
            assert "guilty" in str(outcomes[3])
            assert sorted(await bench.memories.memories(ANN, ids)) == ["a", "b", "c"]
            assert not rows(database_url, "SELECT 1 FROM history WHERE memory_id = 'guilty'")
            page = await bench.memories.list_memories(ANN, MemoryQuery(), PageRequest(size=9))
            assert "guilty" not in [memory.values.get("memory") for memory in page.rows]
            assert "tried alone" in caplog.text


async def test_two_writers_of_different_fields_lose_nothing(database_url: str) -> None:
    async with opened(database_url) as bench, opened(database_url) as other:
        [memory] = await made(bench.memories, session("s"))

        async def write(memories: Memories, field: str) -> None:
            for number in range(200):
                outcome = await update(memories, changed(memory, None, **{field: {"n": number}}))
                assert outcome.counts.updated == 1
                assert outcome.outcomes[0].memory is not None
                assert outcome.outcomes[0].memory.values[field] == {"n": number}

        await asyncio.gather(write(bench.memories, "agents"), write(other.memories, "metadata"))
        found = (await bench.memories.memories(ANN, ["s"]))["s"]
        assert (found.version, found.values["agents"], found.values["metadata"]) == (401, {"n": 199}, {"n": 199})
        changes = rows(database_url, "SELECT change, position FROM history ORDER BY change")
        assert len(set(changes)) == 401


async def test_of_writers_that_insist_on_a_version_one_wins_each_round(database_url: str) -> None:
    async with opened(database_url) as bench, opened(database_url) as other:
        [memory] = await made(bench.memories, session("s", metadata={"n": 0}))

        async def increment(memories: Memories, times: int) -> None:
            known = memory
            while times:
                number = known.values["metadata"]["n"] + 1  # type: ignore[index, operator, call-overload]  # it is there
                outcome = await update(memories, changed(known, if_version=known.version, metadata={"n": number}))
                [only] = outcome.outcomes
                if only.status is WriteStatus.UPDATED:
                    assert only.memory is not None
                    known, times = only.memory, times - 1
                else:
                    [refusal] = only.refusals
                    assert isinstance(refusal, VersionConflict)
                    assert refusal.current is not None
                    known = refusal.current

        await asyncio.gather(*(increment((bench, other)[n % 2].memories, 5) for n in range(32)))
        found = (await bench.memories.memories(ANN, ["s"]))["s"]
        assert (found.version, found.values["metadata"]) == (161, {"n": 160})


async def test_two_databases_on_one_store_serve_many_tenants_at_once(database_url: str) -> None:
    databases = [open_database(database_url, limits=Limits(), reader_threads=1, writer_lanes=3) for _ in range(2)]
    callers = [Caller(tenant=f"tenant-{n}", subject="ann", scopes=EVERY_SCOPE) for n in range(10)]
    benches = [Memories(store=each.store, reader=each.reader, limits=Limits()) for each in databases]

    async def write(caller: Caller, memories: Memories) -> None:
        for number in range(10):
            request = context("s", *(f"{number}-{n}" for n in range(5)))
            assert (await memories.update_context_memory(caller, request)).refusals == ()

    await asyncio.gather(*(write(caller, memories) for caller in callers for memories in benches))
    await databases[0].check()
    for caller in callers:
        assert await benches[0].count_entries(caller, ["s"]) == {"s": 50}
        assert (await benches[1].memories(caller, ["s"]))["s"].version == 10  # The others found all as it was.
    for database in databases:
        await database.close()


async def test_a_batch_whose_caller_left_is_dropped_unless_it_was_begun(database_url: str) -> None:
    async with opened(database_url) as bench:
        stack, plug = await plugged(bench, database_url)
        left, stayed = await queued(made(bench.memories, session("left")), made(bench.memories, session("stayed")))
        left.cancel()
        plug.cancel()
        await asyncio.sleep(0.05)
        stack.close()
        await stayed
        page = await bench.memories.list_memories(ANN, MemoryQuery(), PageRequest(size=9))
        known = [memory.values.get("memory") or memory.id for memory in page.rows]
        assert known == ["stayed", "plug", *["the tenant is known"] * 2]
        assert left.cancelled()
        assert plug.cancelled()


async def test_a_lane_whose_callers_all_left_begins_nothing(database_url: str) -> None:
    async with opened(database_url) as bench:
        stack, plug = await plugged(bench, database_url)
        tasks = await queued(*(made(bench.memories, fact("left")) for _ in range(3)))
        begun = bench.watched.begun()
        for task in tasks:
            task.cancel()
        await asyncio.sleep(0.05)
        stack.close()
        await plug
        await made(bench.memories, fact("after"))
        assert bench.watched.begun() == begun + 1


@pytest.mark.parametrize("bounds", [QueueBounds(commands=10), QueueBounds(weight_bytes=6_000)])
async def test_a_full_queue_refuses_more_and_takes_it_again_when_it_is_empty(
    database_url: str, bounds: QueueBounds
) -> None:
    async with opened(database_url, bounds=bounds) as bench:
        stack, plug = await plugged(bench, database_url)
        request = context("s", *"12345")
        tasks = await queued(*(bench.memories.update_context_memory(ANN, request) for _ in range(6)))
        stack.close()
        outcomes = await asyncio.gather(*tasks, return_exceptions=True)
        await plug
        assert [isinstance(outcome, Overloaded) for outcome in outcomes] == [False, False, True, True, True, True]
        assert (await bench.memories.update_context_memory(ANN, request)).counts.unchanged == 5


async def test_a_batch_that_is_larger_than_the_queue_is_taken_alone(database_url: str) -> None:
    async with opened(database_url, bounds=QueueBounds(commands=3)) as bench:
        request = context("s", *"12345")
        assert (await bench.memories.update_context_memory(ANN, request)).counts.created == 5


async def test_more_than_one_transaction_should_hold_is_committed_in_several(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lanes, "MERGED_COMMANDS", 10)
    async with opened(database_url) as bench:
        stack, plug = await plugged(bench, database_url)
        commits = len(bench.watched.transactions())
        tasks = await queued(
            *(bench.memories.update_context_memory(ANN, context("s", *"1234", text=str(n))) for n in range(6))
        )
        stack.close()
        outcomes = await asyncio.gather(*tasks)
        await plug
        assert [outcome.session_version for outcome in outcomes] == [1, 2, 3, 4, 5, 6]
        assert len(bench.watched.transactions()) - commits == 1 + 3


async def test_a_busy_tenant_does_not_keep_another_waiting(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lanes, "MERGED_COMMANDS", 1)
    async with opened(database_url) as bench:
        stack, plug = await plugged(bench, database_url)
        answered: list[str] = []

        async def send(caller: Caller) -> None:
            await made(bench.memories, fact(), caller=caller)
            answered.append(caller.tenant)

        tasks = await queued(*(send(ANN) for _ in range(5)), send(STRANGER))
        stack.close()
        await asyncio.gather(plug, *tasks)
        assert answered == ["acme", "globex", *["acme"] * 4]


async def test_closing_finishes_what_was_accepted_and_refuses_more(database_url: str) -> None:
    async with opened(database_url) as bench:
        stack, plug = await plugged(bench, database_url)
        tasks = await queued(*(made(bench.memories, session(str(n))) for n in range(5)))
        closing = asyncio.create_task(asyncio.to_thread(bench.store.close))
        await asyncio.sleep(0.05)
        with pytest.raises(StoreFault, match="closing"):
            await made(bench.memories, fact())
        stack.close()
        await asyncio.gather(plug, *tasks, closing)
        assert len(await bench.memories.memories(ANN, list("01234"))) == 5
        with pytest.raises(StoreFault, match="closing"):
            await made(bench.memories, fact())


async def test_a_closed_database_answers_no_question(database_url: str) -> None:
    database = open_database(database_url, limits=Limits(), reader_threads=1, writer_lanes=1)
    answers = [asyncio.create_task(database.reader.memories(ANN, [str(n)])) for n in range(20)]
    await asyncio.sleep(0)
    await database.close()
    assert await asyncio.gather(*answers) == [{}] * 20
    with pytest.raises(StoreFault, match="closed"):
        await database.reader.memories(ANN, ["s"])


def test_a_caller_whose_loop_is_closed_disturbs_nobody(database_url: str) -> None:
    async def leave(bench: Bench) -> ExitStack:
        stack, plug = await plugged(bench, database_url)
        await queued(made(bench.memories, session("orphan")))
        plug.cancel()
        return stack

    async def main() -> None:
        async with opened(database_url) as bench:
            stack = await asyncio.to_thread(asyncio.run, leave(bench))
            stack.close()
            await made(bench.memories, session("s"))
            assert list(await bench.memories.memories(ANN, ["s", "orphan"])) == ["s"]

    asyncio.run(main())


async def test_a_write_waits_for_another_process_and_tries_again(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    shorten_waiting(monkeypatch, 0.2)
    async with opened(database_url) as bench:
        stack, plug = await plugged(bench, database_url)
        begun = bench.watched.begun()
        await until(lambda: bench.watched.begun() > begun + 1)
        stack.close()
        await plug


async def test_a_database_that_stays_busy_is_not_asked_once_for_every_batch(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    shorten_waiting(monkeypatch, 0.05)
    async with opened(database_url) as bench:
        stack, plug = await plugged(bench, database_url)
        tasks = await queued(*(made(bench.memories, fact()) for _ in range(20)))
        begun = bench.watched.begun()
        outcomes = await asyncio.gather(plug, *tasks, return_exceptions=True)
        assert all(isinstance(outcome, StoreFault) for outcome in outcomes)
        assert bench.watched.begun() - begun < 2 * lanes.ATTEMPTS
        stack.close()
        await made(bench.memories, fact())


def shorten_waiting(monkeypatch: pytest.MonkeyPatch, seconds: float) -> None:
    monkeypatch.setattr(sqlite_engine, "BUSY_TIMEOUT_S", seconds)
    settings = f"SET lock_timeout = '{seconds * 1000:.0f}ms'"
    monkeypatch.setattr("mnesis.storage.postgres_engine._WRITER_SETTINGS", settings)


async def test_an_empty_batch_changes_nothing(database_url: str) -> None:
    async with opened(database_url) as bench:
        outcome = await bench.store.apply(ANN, Batch(commands=(), mode=WriteMode.PER_ENTRY, actor="ann"))
        assert outcome == BatchOutcome(outcomes=())


async def test_a_session_takes_its_entries_along(database_url: str) -> None:
    async with opened(database_url) as bench:
        await bench.memories.update_context_memory(ANN, context("s", *"123"))
        await bench.memories.update_context_memory(ANN, context("t", *"1"))
        outcome = await bench.memories.delete_memory(ANN, DeleteMemory(memory_type=MemoryType.SESSION, id="s"))
        assert outcome.cascaded == {0: 3}
        assert await bench.memories.count_entries(ANN, ["s", "t"]) == {"s": 0, "t": 1}
        # The keys go on at the versions they had.
        again = await bench.memories.update_context_memory(ANN, context("s", *"12"))
        assert [each.version for each in again.outcomes] == [3, 3]


async def test_what_is_deleted_and_created_again_at_once_is_stored_as_created(database_url: str) -> None:
    async with opened(database_url) as bench:
        await made(bench.memories, session("s", summary="old"), session("t", summary="old"))
        stack, plug = await plugged(bench, database_url)
        tasks = await queued(
            bench.memories.delete_memory(ANN, DeleteMemory(memory_type=MemoryType.SESSION, id="s")),
            bench.memories.create_memories(ANN, CreateMemories(items=(session("s", summary="new"),))),
            bench.memories.update_context_memory(ANN, context("t", "1", "2")),
        )
        commits = len(bench.watched.transactions())
        stack.close()
        _, again, said = await asyncio.gather(*tasks)
        await plug
        assert len(bench.watched.transactions()) - commits == 2  # The plug's and that of all others.
        written = [*(each.memory for each in (*again.outcomes, *said.outcomes)), said.session]
        stored = {each.id: each for each in written if each is not None}
        assert [each.version for each in stored.values()] == [3, 1, 1, 2]
        assert await bench.memories.memories(ANN, list(stored)) == stored


async def test_an_id_that_no_database_could_store_is_an_id_that_is_not_there(database_url: str) -> None:
    unheard_of = ["a\0b", "\ud800", ""]
    async with opened(database_url) as bench:
        memories = bench.memories
        for name in unheard_of:
            outcome = await update(memories, changed((await made(memories, fact()))[0], memory="x"))
            assert outcome.counts.updated == 1
            deletion = await memories.delete_memory(ANN, DeleteMemory(memory_type=MemoryType.WORKING, id=name))
            assert deletion.outcomes[0].refusals[0].code == "NOT_FOUND"
            query = MemoryQuery(session_id=name, container_id=name, ids=frozenset({name}))
            assert await memories.count_memories(ANN, query) == 0
        assert await memories.memories(ANN, unheard_of) == {}
        assert await memories.count_entries(ANN, unheard_of) == dict.fromkeys(unheard_of, 0)
        pages = await memories.histories(ANN, unheard_of, PageRequest(size=1))
        assert {name: page.rows for name, page in pages.items()} == dict.fromkeys(unheard_of, ())


async def test_the_heaviest_values_are_weighed(database_url: str) -> None:
    bounds = QueueBounds(weight_bytes=1_000_000)
    async with opened(database_url, bounds=bounds) as bench:
        stack, plug = await plugged(bench, database_url)
        heavy = fact("x" * 600_000)
        first, second = await queued(
            bench.memories.create_memories(ANN, CreateMemories(items=(heavy,))),
            bench.memories.create_memories(ANN, CreateMemories(items=(heavy,))),
        )
        stack.close()
        outcomes = await asyncio.gather(first, second, return_exceptions=True)
        await plug
        assert isinstance(outcomes[1], Overloaded)
