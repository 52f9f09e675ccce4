"""The change feed on both databases: every committed change, in commit order, once, and to nobody else."""

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import pytest

from mnesis.domain.caller import Caller
from mnesis.domain.ids import RecordId
from mnesis.domain.limits import Limits
from mnesis.domain.memory import Memory
from mnesis.domain.memory_types import HistoryAction, MemoryType
from mnesis.domain.watching import ChangeFilter
from mnesis.storage import feed as feed_module
from mnesis.storage.database import Database, engine_for, open_database
from mnesis.storage.pruning import PruningMark
from mnesis.storage.rows import HISTORY_COLUMNS
from mnesis.storage.subscription import Subscription
from mnesis.usecases.memories import Memories
from mnesis.usecases.ports import (
    Change,
    ChangesLagged,
    ChangeStream,
    Cursor,
    CursorExpired,
    CursorUnknown,
    Overloaded,
    StoreFault,
)
from mnesis.usecases.requests import DeleteMemories, DeleteMemory, EraseMemories
from mnesis.usecases.retention import MemoryRetention
from tests.storage.workbench import (
    ANN,
    STRANGER,
    changed,
    context,
    fact,
    is_sqlite,
    made,
    raw,
    rows,
    session,
    until,
    update,
)

pytestmark = pytest.mark.anyio

ALL = ChangeFilter()


@asynccontextmanager
async def opened(url: str, **limits: Any) -> AsyncIterator[Database]:
    database = open_database(url, limits=Limits(**limits), reader_threads=2, writer_lanes=2)
    try:
        yield database
    finally:
        await database.close()


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    async with opened(database_url) as database:
        yield database


@pytest.fixture
def memories(database: Database) -> Memories:
    return of(database)


@pytest.fixture
def no_poll(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody looks around: what is heard has been told."""
    monkeypatch.setattr(feed_module, "POLL_S", 3_600.0)


def of(database: Database) -> Memories:
    return Memories(store=database.store, reader=database.reader, limits=Limits())


async def take(stream: ChangeStream, count: int) -> list[Change]:
    async with asyncio.timeout(20):
        return [await stream.next() for _ in range(count)]


async def hears_nothing(stream: ChangeStream, wait_s: float = 0.15) -> bool:
    try:
        async with asyncio.timeout(wait_s):
            await stream.next()
    except TimeoutError:
        return True
    return False


def order(url: str, tenant: str = ANN.tenant) -> list[tuple[int, int]]:
    """The commit order as it stands in the database."""
    found = rows(url, f"SELECT change, position FROM history WHERE tenant_id = '{tenant}' ORDER BY change, position")
    return [(change, position) for change, position in found]


def places(changes: Sequence[Change]) -> list[tuple[int, int]]:
    return [(change.cursor.value, change.cursor.tie) for change in changes]


async def test_a_subscriber_hears_what_is_committed_from_then_on(database: Database, memories: Memories) -> None:
    await made(memories, fact("before"))
    stream = await database.feed.watch(ANN, ALL, None)
    [memory] = await made(memories, fact("after"))
    await update(memories, changed(memory, memory="later"))
    heard = await take(stream, 2)
    assert [(each.record.memory_id, each.record.version) for each in heard] == [(memory.id, 1), (memory.id, 2)]
    assert [each.record.action for each in heard] == [HistoryAction.CREATE, HistoryAction.UPDATE]
    assert await hears_nothing(stream)
    stream.close()


async def test_a_refused_or_empty_write_is_not_heard(database: Database, memories: Memories) -> None:
    [memory] = await made(memories, fact("text"))
    stream = await database.feed.watch(ANN, ALL, None)
    await update(memories, changed(memory, memory="text"))
    await update(memories, changed(memory, if_version=9, memory="other"))
    assert await hears_nothing(stream)
    await update(memories, changed(memory, memory="other"))
    assert [each.record.version for each in await take(stream, 1)] == [2]
    stream.close()


async def test_many_writers_are_heard_in_commit_order(
    database_url: str, database: Database, memories: Memories
) -> None:
    streams = [await database.feed.watch(ANN, ALL, None) for _ in range(3)]
    await asyncio.gather(
        *(memories.update_context_memory(ANN, context(f"s{n % 7}", f"k{n}", f"l{n}")) for n in range(60))
    )
    expected = order(database_url)
    assert len(expected) > 120
    for stream in streams:
        assert places(await take(stream, len(expected))) == expected
        assert await hears_nothing(stream, 0.05)
        stream.close()


async def test_whoever_comes_back_goes_on_where_it_stopped_while_others_write(
    database_url: str, database: Database, memories: Memories
) -> None:
    first = await database.feed.watch(ANN, ALL, None)
    writers = [
        asyncio.create_task(memories.update_context_memory(ANN, context(f"s{n % 5}", f"k{n}"))) for n in range(150)
    ]
    heard = await take(first, 7)
    first.close()
    while not all(writer.done() for writer in writers) or len(heard) < len(order(database_url)):
        again = await database.feed.watch(ANN, ALL, heard[-1].cursor)
        heard += await take(again, min(11, len(order(database_url)) - len(heard)))
        again.close()
    await asyncio.gather(*writers)
    assert places(heard) == order(database_url)


async def test_one_who_catches_up_misses_nothing_that_is_written_meanwhile(
    database_url: str, database: Database, memories: Memories
) -> None:
    watcher = await database.feed.watch(ANN, ALL, None)  # The tenant's feed runs ahead of whoever catches up.
    await memories.update_context_memory(ANN, context("s", *(f"k{n}" for n in range(350))))
    [start, *_] = await take(watcher, 351)
    late = await database.feed.watch(ANN, ALL, start.cursor)
    writing = asyncio.gather(*(memories.update_context_memory(ANN, context("s", f"m{n}")) for n in range(40)))
    heard = await take(late, 350 + 80)
    await writing
    assert [places([start]), *([place] for place in places(heard))] == [[place] for place in order(database_url)]
    assert await hears_nothing(late)
    late.close()
    watcher.close()


async def test_another_database_object_goes_on_from_a_cursor(database_url: str) -> None:
    async with opened(database_url) as before:
        stream = await before.feed.watch(ANN, ALL, None)
        await made(of(before), fact("1"), fact("2"), fact("3"))
        [one, _] = await take(stream, 2)
        await made(of(before), fact("4"))
    async with opened(database_url) as after:
        stream = await after.feed.watch(ANN, ALL, one.cursor)
        await made(of(after), fact("5"))
        assert places(await take(stream, 4)) == order(database_url)[1:]
        stream.close()


async def test_another_process_is_heard_by_looking(database_url: str, database: Database) -> None:
    async with opened(database_url) as other:
        other._feed._wakeups.close()  # It tells nobody.
        stream = await database.feed.watch(ANN, ALL, None)
        [memory] = await made(of(other), fact())
        assert [each.record.memory_id for each in await take(stream, 1)] == [memory.id]
        stream.close()


async def test_another_process_on_postgresql_tells(postgresql_url: str, no_poll: None) -> None:
    async with opened(postgresql_url) as one, opened(postgresql_url) as other:
        stream = await one.feed.watch(ANN, ALL, None)
        await until(lambda: rows(postgresql_url, "SELECT 1 FROM pg_stat_activity WHERE query LIKE 'LISTEN%'"))
        [memory] = await made(of(other), fact())
        [heard] = await take(stream, 1)
        assert heard.record.memory_id == memory.id
        # Its own commits need no detour.
        [memory] = await made(of(one), fact())
        assert [each.record.memory_id for each in await take(stream, 1)] == [memory.id]
        stream.close()


async def test_a_lost_connection_costs_postgresql_no_change(postgresql_url: str) -> None:
    async with opened(postgresql_url) as one, opened(postgresql_url) as other:
        stream = await one.feed.watch(ANN, ALL, None)
        await made(of(other), fact("before"))
        await take(stream, 1)
        with raw(postgresql_url) as connection:
            connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE pid <> pg_backend_pid() AND datname = current_database()"
            )
        [memory] = await made(of(other), fact("after"))
        assert [each.record.memory_id for each in await take(stream, 1)] == [memory.id]
        stream.close()


async def test_nothing_is_told_past_a_transaction_that_is_still_open(
    database_url: str, database: Database, memories: Memories
) -> None:
    await made(memories, fact("first"))
    stream = await database.feed.watch(ANN, ALL, None)
    with held_open(database_url, "from-outside") as commit:
        writing = asyncio.create_task(made(memories, fact("waits")))
        if not is_sqlite(database_url):  # SQLite has one writer at a time, whoever's it is.
            # Another process, because the lane of this one may be the same for both tenants.
            async with opened(database_url) as other:
                elsewhere = await database.feed.watch(STRANGER, ALL, None)
                await made(of(other), fact("not held up"), caller=STRANGER)
                assert len(await take(elsewhere, 1)) == 1
                elsewhere.close()
        assert await hears_nothing(stream, 0.3)
        assert not writing.done()
        commit()
        [memory] = await writing
    heard = await take(stream, 2)
    assert [each.record.memory_id for each in heard] == ["from-outside", memory.id]
    assert places(heard) == order(database_url)[1:]
    stream.close()


@contextmanager
def held_open(url: str, memory_id: str) -> Any:
    """Another process has taken a number and written its record, and has not committed yet."""
    with raw(url) as connection:
        connection.execute("BEGIN IMMEDIATE" if is_sqlite(url) else "BEGIN")
        connection.execute(f"UPDATE tenant SET change = change + 1 WHERE id = '{ANN.tenant}'")
        told = {"memory_id": f"'{memory_id}'", "change": "change + 1"}
        columns = ", ".join(told.get(name, name) for name in HISTORY_COLUMNS)
        connection.execute(
            f"INSERT INTO history ({', '.join(HISTORY_COLUMNS)}) SELECT {columns} FROM history"
            f" WHERE tenant_id = '{ANN.tenant}'"
        )
        yield lambda: connection.execute("COMMIT")


async def test_another_tenant_hears_nothing(database: Database, memories: Memories) -> None:
    [memory] = await made(memories, fact())
    streams = [
        await database.feed.watch(STRANGER, wanted, after)
        for wanted in (ALL, ChangeFilter(ids=frozenset({memory.id})), ChangeFilter(container_id="default"))
        for after in (None, Cursor(value=0, tie=0))
    ]
    await update(memories, changed(memory, memory="secret"))
    for stream in streams:
        assert await hears_nothing(stream, 0.05)
    [own] = await made(memories, fact(), caller=STRANGER)
    for stream in (streams[0], streams[1]):
        assert [each.record.memory_id for each in await take(stream, 1)] == [own.id]
    for stream in streams:
        stream.close()


async def test_what_is_deleted_and_erased_by_filter_is_heard(database_url: str, database: Database) -> None:
    memories = of(database)
    await memories.update_context_memory(ANN, context("talk", "k1", "k2"))
    stream = await database.feed.watch(ANN, ALL, None)
    session_only = await database.feed.watch(ANN, ChangeFilter(session_id="talk"), None)
    await memories.delete_memories(ANN, DeleteMemories(everything=True))
    deleted = await take(stream, 3)
    assert {each.record.action for each in deleted} == {HistoryAction.DELETE}
    await memories.erase_memories(ANN, EraseMemories(everything=True))
    erased = await take(stream, 3)
    assert {each.record.action for each in erased} == {HistoryAction.ERASE}
    assert places(await take(session_only, 6)) == places([*deleted, *erased])
    # An erasure tells of itself, so that whoever comes back may go on: what was erased is not there to be told.
    again = await database.feed.watch(ANN, ALL, Cursor(value=1, tie=0))
    assert places(await take(again, 3)) == places(erased) == order(database_url)
    for each in (stream, session_only, again):
        each.close()


async def test_a_hook_that_fails_costs_no_write(
    database: Database, memories: Memories, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    stream = await database.feed.watch(ANN, ALL, None)

    def fail(tenant: str) -> None:
        raise RuntimeError("no more threads")

    monkeypatch.setattr(database._feed._wakeups, "tell", fail)
    await made(memories, fact("1"))
    await made(memories, fact("2"))
    assert len(await take(stream, 2)) == 2
    async with asyncio.timeout(5):
        # The lane says so after it has answered.
        while caplog.text.count("A commit could not be told of.") < 2:  # noqa: ASYNC110  # nobody tells of it
            await asyncio.sleep(0.01)
    stream.close()


async def conversation(memories: Memories) -> tuple[Memory, Memory]:
    await memories.update_context_memory(ANN, context("talk", "k1", "k2"))
    await memories.update_context_memory(ANN, context("walk", "k1"))
    [plain] = await made(memories, fact("plain"))
    [other] = await made(memories, fact("spaced"))
    await update(memories, changed(plain, memory="changed"))
    request = DeleteMemory(memory_type=MemoryType.SESSION, id="talk")
    await memories.delete_memory(ANN, request)
    return plain, other


async def test_filters_choose_alike_live_and_from_the_history(database: Database, memories: Memories) -> None:
    await made(memories, session("early"))
    start = Cursor(value=1, tie=0)
    everything = await database.feed.watch(ANN, ALL, None)
    probe = await database.feed.watch(ANN, ChangeFilter(ids=frozenset()), None)
    filters = [
        ChangeFilter(types=frozenset({MemoryType.SESSION})),
        ChangeFilter(session_id="talk"),
        ChangeFilter(session_id="nobody's"),
        ChangeFilter(container_id="default"),
        ChangeFilter(container_id="elsewhere"),
        ChangeFilter(actions=frozenset({HistoryAction.UPDATE, HistoryAction.DELETE})),
        ChangeFilter(session_id="talk", container_id="default", types=frozenset({MemoryType.WORKING})),
        ChangeFilter(namespace={}),
        ChangeFilter(namespace={"user": "nobody"}),
        ChangeFilter(ids=frozenset({"talk", "walk"})),
        ChangeFilter(ids=frozenset({"talk"}), session_id="walk"),
        ChangeFilter(session_id="\ud800"),
        ChangeFilter(ids=frozenset({"\0"})),
    ]
    live = [await database.feed.watch(ANN, wanted, None) for wanted in filters]
    await conversation(memories)
    written = await take(everything, 11)
    for wanted, stream in zip(filters, live, strict=True):
        expected = [each for each in written if wanted.passes(each.record)]
        assert places(await take(stream, len(expected))) == places(expected)
        assert await hears_nothing(stream, 0.02)
        past = await database.feed.watch(ANN, wanted, start)
        assert places(await take(past, len(expected))) == places(expected)
        assert await hears_nothing(past, 0.02)
        past.close()
        stream.close()
    assert await hears_nothing(probe, 0.02)
    probe.close()
    everything.close()


async def test_a_subscriber_is_found_not_looked_for(
    database: Database, memories: Memories, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many watch other things, a change is offered to those who may want it."""
    offered: list[Subscription] = []
    offer = Subscription.offer

    def watched(subscription: Subscription, change: Change, weight: int) -> None:
        offered.append(subscription)
        offer(subscription, change, weight)

    monkeypatch.setattr(Subscription, "offer", watched)
    others = [
        await database.feed.watch(ANN, wanted, None)
        for number in range(30)
        for wanted in (
            ChangeFilter(session_id=f"other-{number}"),
            ChangeFilter(container_id=f"other-{number}"),
            ChangeFilter(ids=frozenset({f"other-{number}", f"more-{number}"})),
        )
    ]
    stream = await database.feed.watch(ANN, ChangeFilter(session_id="talk"), None)
    await memories.update_context_memory(ANN, context("talk", "k1"))
    await take(stream, 2)
    assert offered == [stream, stream]
    for each in (*others, stream):
        each.close()
    assert database._feed._tenants == {}


async def test_a_slow_subscriber_is_told_that_it_lagged_and_goes_on(database_url: str) -> None:
    async with opened(database_url, queued_changes=5) as database:
        slow = await database.feed.watch(ANN, ALL, None)
        quick = await database.feed.watch(ANN, ALL, None)
        await made(of(database), fact("taken"))
        [taken] = await take(slow, 1)
        for number in range(8):
            await made(of(database), fact(f"{number}"))
            await take(quick, 1)
        with pytest.raises(ChangesLagged) as lagged:
            await take(slow, 9)
        assert lagged.value.cursor == taken.cursor
        slow.close()
        again = await database.feed.watch(ANN, ALL, lagged.value.cursor)
        assert places(await take(again, 8)) == order(database_url)[1:]
        again.close()
        quick.close()


async def test_large_changes_count_for_what_they_weigh(sqlite_url: str) -> None:
    async with opened(sqlite_url) as database:
        slow = await database.feed.watch(ANN, ALL, None)
        for number in range(12):
            await made(of(database), fact(f"{number:x}" * 1_000_000))
        await asyncio.sleep(0.1)
        with pytest.raises(ChangesLagged):
            await take(slow, 12)
        assert len(slow._queue) == 0  # type: ignore[attr-defined]  # It weighs nothing any more.
        slow.close()


async def test_a_batch_larger_than_the_queue_is_no_lag_for_one_who_takes_it(sqlite_url: str) -> None:
    async with opened(sqlite_url, queued_changes=600) as database:
        stream = await database.feed.watch(ANN, ALL, None)
        taking = asyncio.create_task(take(stream, 901))
        await of(database).update_context_memory(ANN, context("s", *(f"k{n}" for n in range(900))))
        assert places(await taking) == order(sqlite_url)
        stream.close()


async def test_a_place_before_what_has_aged_out_is_expired(database_url: str, database: Database) -> None:
    memories = of(database)
    for number in range(5):
        await made(memories, fact(str(number)))
    live = await database.feed.watch(ANN, ALL, None)
    prune(database_url, 3)
    for change in (1, 2, 3):
        with pytest.raises(CursorExpired):
            await database.feed.watch(ANN, ALL, Cursor(value=change, tie=0))
    kept = await database.feed.watch(ANN, ALL, Cursor(value=4, tie=0))
    assert places(await take(kept, 1)) == [(5, 0)]
    # Whoever has heard of everything misses nothing.
    await made(memories, fact("new"))
    assert places(await take(live, 1)) == places(await take(kept, 1)) == [(6, 0)]
    kept.close()
    live.close()


async def test_what_ages_out_while_one_catches_up_expires_it(database_url: str, database: Database) -> None:
    memories = of(database)
    for number in range(3):
        await memories.update_context_memory(ANN, context("s", *(f"{number}-{n}" for n in range(100))))
    late = await database.feed.watch(ANN, ALL, Cursor(value=1, tie=0))
    await take(late, 50)
    prune(database_url, 2)
    with pytest.raises(CursorExpired):
        await take(late, 250)
    late.close()


def prune(url: str, last: int) -> None:
    """Lets the history up to a change age out, as whoever does so has to."""
    with raw(url) as connection:
        connection.execute(f"DELETE FROM history WHERE tenant_id = '{ANN.tenant}' AND change <= {last}")
        PruningMark(engine_for(url, writer_lanes=1)).set(connection.cursor(), ANN.tenant, last)


async def test_what_retention_deletes_is_heard_like_any_deletion(
    database_url: str, database: Database, memories: Memories
) -> None:
    await memories.update_context_memory(ANN, context("talk", "k1", "k2"))
    await made(memories, session("newer"))
    stream = await database.feed.watch(ANN, ChangeFilter(session_id="talk"), None)
    await retained(database_url, database, SESSION={"count": 1})
    heard = await take(stream, 3)
    assert {(each.record.action, each.record.actor) for each in heard} == {(HistoryAction.DELETE, "retention")}
    assert heard[-1].record.memory_id == "talk"
    stream.close()


async def test_a_cursor_from_before_the_records_that_retention_cut_is_expired(
    database_url: str, database: Database, memories: Memories
) -> None:
    [memory, other] = await made(memories, fact("1"), fact("other"))
    for text in ("2", "3"):
        await update(memories, changed(memory, memory=text))
    await retained(database_url, database, HISTORY={"count": 2})
    with pytest.raises(CursorExpired):
        await database.feed.watch(ANN, ALL, Cursor(value=1, tie=0))
    stream = await database.feed.watch(ANN, ALL, Cursor(value=2, tie=0))
    assert [each.record.version for each in await take(stream, 1)] == [3]
    assert await memories.records(ANN, [RecordId(other.id, 1)]) != {}
    stream.close()


async def test_whoever_waits_misses_no_record_unawares_that_is_cut_before_it_was_read(
    database_url: str, database: Database, memories: Memories, no_poll: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    stream = await database.feed.watch(ANN, ALL, None)
    # The feed's first look might still see what is written now.
    first_look = database._feed._tenants[ANN.tenant]._reading
    assert first_look is not None
    await first_look
    with monkeypatch.context() as patch:
        patch.setattr(database._feed, "_heard", lambda tenant: None)
        [memory] = await made(memories, fact("1"))
        for text in ("2", "3"):
            await update(memories, changed(memory, memory=text))
        await retained(database_url, database, HISTORY={"count": 1})
    await made(memories, fact("next"))
    with pytest.raises(CursorExpired):
        await take(stream, 1)
    stream.close()


async def retained(url: str, database: Database, **rules: dict[str, int]) -> None:
    """Lets age out what these rules of the default container say."""
    with raw(url) as connection:
        connection.execute(f"UPDATE container SET retention = '{json.dumps(rules)}' WHERE id = 'default'")
    retention = MemoryRetention(database.aging, database.store, database.reader)
    assert [each.container_id async for each in retention.run(dry_run=False)] == ["default"]


async def test_the_mark_of_what_has_aged_out_never_goes_back(database_url: str, database: Database) -> None:
    await made(of(database), fact())
    for last in (7, 3):
        prune(database_url, last)
    assert rows(database_url, "SELECT pruned_change FROM tenant") == [(7,)]


@pytest.mark.parametrize("after", [Cursor(value=2, tie=0), Cursor(value=2**62, tie=5)])
async def test_a_place_that_was_never_reached_is_unknown(database: Database, memories: Memories, after: Cursor) -> None:
    await made(memories, fact())
    with pytest.raises(CursorUnknown):
        await database.feed.watch(ANN, ALL, after)


async def test_a_tenant_that_never_wrote_can_be_watched(database: Database, memories: Memories) -> None:
    newcomer = Caller(tenant="newcomer", subject="ann", scopes=ANN.scopes)
    stream = await database.feed.watch(newcomer, ALL, None)
    [memory] = await made(memories, fact(), caller=newcomer)
    assert [each.record.memory_id for each in await take(stream, 1)] == [memory.id]
    stream.close()


async def test_closing_twice_and_after_the_end_does_no_harm(database: Database, memories: Memories) -> None:
    one = await database.feed.watch(ANN, ALL, None)
    two = await database.feed.watch(ANN, ALL, None)
    one.close()
    one.close()
    await made(memories, fact())
    assert len(await take(two, 1)) == 1
    two.close()


async def test_a_database_that_is_closed_ends_its_subscriptions(sqlite_url: str) -> None:
    async with opened(sqlite_url) as database:
        stream = await database.feed.watch(ANN, ALL, None)
        waiting = asyncio.create_task(stream.next())
        await asyncio.sleep(0.01)
    with pytest.raises(StoreFault):
        await waiting
    with pytest.raises(StoreFault):
        await database.feed.watch(ANN, ALL, None)


async def test_subscriptions_are_bounded(sqlite_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feed_module, "MOST_SUBSCRIPTIONS", 3)
    async with opened(sqlite_url) as database:
        streams = [await database.feed.watch(ANN, ALL, None) for _ in range(3)]
        with pytest.raises(Overloaded):
            await database.feed.watch(ANN, ALL, None)
        streams[0].close()
        streams.append(await database.feed.watch(ANN, ALL, None))
        for stream in streams:
            stream.close()
