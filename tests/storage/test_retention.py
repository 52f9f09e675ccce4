"""Retention on real databases: what goes and what stays, a dry run that tells the truth, and history that is cut."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from mnesis.domain.caller import Caller
from mnesis.domain.commands import Changes, Create
from mnesis.domain.containers import ContainerDeletion
from mnesis.domain.ids import RecordId
from mnesis.domain.memory import Memory
from mnesis.domain.memory_types import HistoryAction, MemoryType
from mnesis.domain.time_travel import NotKept
from mnesis.storage.aging import _Held
from mnesis.storage.database import engine_for
from mnesis.storage.visibility import VisibleStatement
from mnesis.usecases import removing as removing_module
from mnesis.usecases import retention as retention_module
from mnesis.usecases.ports import MemoryQuery, PageRequest, RecordQuery, RemovalCounts, StoreFault
from mnesis.usecases.requests import DeleteContainer, DeleteMemory, RestoreMemory
from mnesis.usecases.retention import ContainerReceipt, MemoryRetention, NoSuchContainer, NoSuchTenant
from mnesis.usecases.retention_ports import RecordCut
from tests.storage.test_statements import check_plan
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
    working,
)

pytestmark = pytest.mark.anyio

ALL = PageRequest(size=5_000)
DAY = timedelta(days=1)
MONTH = {"days": 30}


class Clock:
    """Each look is a microsecond later; days pass when the test says so."""

    def __init__(self) -> None:
        self.now = datetime(2026, 1, 1, tzinfo=UTC)

    def __call__(self) -> datetime:
        self.now += timedelta(microseconds=1)
        return self.now

    def pass_days(self, days: float) -> None:
        self.now += days * DAY


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def bench(database_url: str, clock: Clock) -> AsyncIterator[Bench]:
    async with opened(database_url, clock=clock) as bench:
        yield bench


def ruled(url: str, container_id: str = "default", tenant: str = ANN.tenant, **rules: dict[str, int]) -> None:
    """Gives a container rules; without any, it keeps all."""
    stored = f"'{json.dumps({kind.upper(): rule for kind, rule in rules.items()})}'" if rules else "NULL"
    with raw(url) as connection:
        found = connection.execute(
            f"UPDATE container SET retention = {stored} WHERE tenant_id = '{tenant}' AND id = '{container_id}'"
        )
        assert found.rowcount == 1


def contained(url: str, container_id: str, tenant: str = ANN.tenant) -> None:
    """Makes a container."""
    with raw(url) as connection:
        connection.execute(
            "INSERT INTO container (tenant_id, id, name, created_at, version, updated_at, deleted)"
            f" VALUES ('{tenant}', '{container_id}', 'x', 1, 1, 1, false)"
        )


async def run(bench: Bench, clock: Clock, *, dry_run: bool = False, **given: Any) -> dict[str, RemovalCounts]:
    """What went, by container, of one tenant."""
    retention = MemoryRetention(bench.aging, bench.store, bench.reader, clock)
    receipts = [each async for each in retention.run(dry_run=dry_run, **{"tenant": ANN.tenant, **given})]
    return {receipt.container_id: receipt.counts for receipt in receipts}


async def ran(bench: Bench, clock: Clock, **given: Any) -> dict[str, RemovalCounts]:
    """What a run took, after a dry run that must have told the same and done nothing."""
    before = await everything(bench)
    foretold = await run(bench, clock, dry_run=True, **given)
    assert await everything(bench) == before
    done = await run(bench, clock, **given)
    assert done == foretold
    return done


async def everything(bench: Bench) -> tuple[Any, ...]:
    memories = await bench.memories.list_memories(ANN, MemoryQuery(), ALL)
    records = await bench.memories.list_records(ANN, RecordQuery(), ALL)
    return memories.rows, records.rows


async def ids(bench: Bench, **query: Any) -> set[str]:
    return {memory.id for memory in (await bench.memories.list_memories(ANN, MemoryQuery(**query), ALL)).rows}


async def entry_keys(bench: Bench, session_id: str) -> list[str | None]:
    page = (await bench.memories.entries(ANN, [session_id], ALL))[session_id]
    return [memory.entry_id for memory in page.rows]


async def delete(bench: Bench, memory: Memory) -> None:
    outcome = await bench.memories.delete_memory(ANN, DeleteMemory(memory_type=memory.type, id=memory.id))
    assert outcome.counts.deleted == 1


async def test_what_has_not_changed_for_so_many_days_goes(database_url: str, bench: Bench, clock: Clock) -> None:
    [old, used, pinned] = await made(bench.memories, fact("old"), fact("used"), fact("pinned", pinned=True))
    [note] = await made(bench.memories, working(content="another type"))
    clock.pass_days(20)
    await update(bench.memories, changed(used, tags={"a": 1}))
    clock.pass_days(11)
    [new] = await made(bench.memories, fact("new"))
    assert await ran(bench, clock) == {}
    ruled(database_url, long_term=MONTH)
    assert await ran(bench, clock) == {"default": RemovalCounts(long_term=1)}
    assert await ids(bench) == {used.id, pinned.id, new.id, note.id}
    [record, _] = (await bench.memories.histories(ANN, [old.id], ALL))[old.id].rows
    assert (record.action, record.actor) == (HistoryAction.DELETE, "retention")
    assert record.reason == (
        "Retention: long-term memories of this container are kept for 30 days after their last change."
    )
    assert await ran(bench, clock) == {"default": RemovalCounts()}


async def test_the_newest_are_kept_and_pinned_ones_beside_them(database_url: str, bench: Bench, clock: Clock) -> None:
    facts = await made(bench.memories, *(fact(str(n)) for n in range(6)), fact("pinned", pinned=True))
    # Made in one transaction, they changed at the same time; the first now changed last.
    await update(bench.memories, changed(facts[0], tags={"a": 1}))
    ruled(database_url, long_term={"count": 3})
    assert await ran(bench, clock) == {"default": RemovalCounts(long_term=3)}
    assert await ids(bench) == {facts[0].id, facts[4].id, facts[5].id, facts[6].id}
    ruled(database_url, long_term={"count": 3, "days": 5})
    clock.pass_days(6)
    [new] = await made(bench.memories, fact("new"))
    assert await ran(bench, clock) == {"default": RemovalCounts(long_term=3)}
    assert await ids(bench) == {facts[6].id, new.id}


async def test_a_session_takes_its_entries_and_a_pinned_one_keeps_them(
    database_url: str, bench: Bench, clock: Clock
) -> None:
    await made(bench.memories, session("pinned", pinned=True))
    for name in ("pinned", "old", "older"):
        await bench.memories.update_context_memory(ANN, context(name, "1", "2"))
    [note] = await made(bench.memories, working(content="of no session"))
    clock.pass_days(31)
    await bench.memories.update_context_memory(ANN, context("new", "1"))
    await bench.memories.update_context_memory(ANN, context("older", "3"))
    ruled(database_url, session=MONTH)
    assert await ran(bench, clock) == {"default": RemovalCounts(sessions=1, working=2)}
    assert await ids(bench, types=frozenset({MemoryType.SESSION})) == {"pinned", "older", "new"}
    # Now the working memories too. Of the entries that a deleted session took along none is counted again.
    ruled(database_url, session={"count": 1}, working=MONTH)
    assert await ran(bench, clock) == {"default": RemovalCounts(sessions=1, working=4)}
    assert await ids(bench, types=frozenset({MemoryType.SESSION})) == {"pinned", "older"}
    assert await entry_keys(bench, "pinned") == ["1", "2"]
    assert await entry_keys(bench, "older") == ["3"]
    assert note.id not in await ids(bench)
    [told, *_] = (await bench.memories.histories(ANN, ["older"], ALL))["older"].rows
    assert (told.actor, told.changes[0].after) == ("retention", {"created": 0, "updated": 0, "deleted": 2})


async def test_a_count_of_working_memories_counts_those_that_no_session_takes_along(
    database_url: str, bench: Bench, clock: Clock
) -> None:
    await made(bench.memories, session("pinned", pinned=True))
    for name in ("s", "t", "pinned"):
        await bench.memories.update_context_memory(ANN, context(name, "1", "2", "3"))
    await made(bench.memories, working(content="newest"))
    ruled(database_url, session={"count": 1}, working={"count": 3})
    assert await ran(bench, clock) == {"default": RemovalCounts(sessions=1, working=3 + 1)}
    assert await entry_keys(bench, "t") == ["2", "3"]
    assert await entry_keys(bench, "pinned") == ["1", "2", "3"]


async def test_rules_are_the_containers_own(database_url: str, bench: Bench, clock: Clock) -> None:
    await made(bench.memories, fact("kept"))
    await made(bench.memories, fact("a stranger's"), caller=STRANGER)
    for name in ("notes", "mail"):
        contained(database_url, name)
        changes = Changes(memory_type=MemoryType.LONG_TERM, given={"memory": name})
        await made(bench.memories, *(Create(container_id=name, changes=changes) for _ in range(3)))
    ruled(database_url, "notes", long_term={"count": 1})
    ruled(database_url, "mail", long_term={"count": 2})
    ruled(database_url, tenant=STRANGER.tenant, long_term={"count": 1})
    assert await ran(bench, clock, container_id="default") == {}
    assert await ran(bench, clock, container_id="mail") == {"mail": RemovalCounts(long_term=1)}
    assert await ran(bench, clock) == {"mail": RemovalCounts(), "notes": RemovalCounts(long_term=2)}
    assert len(await ids(bench)) == 4
    assert await bench.memories.count_memories(STRANGER, MemoryQuery()) == 1
    with pytest.raises(NoSuchContainer):
        await run(bench, clock, container_id="none")
    with pytest.raises(NoSuchTenant):
        await run(bench, clock, tenant="nobody")


async def test_a_run_without_a_tenant_goes_through_all(
    database_url: str, bench: Bench, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention_module, "NAMES_READ", 2)
    expected = []
    for number in range(5):
        caller = Caller(tenant=f"t{number}", subject="ann", scopes=ANN.scopes)
        await made(bench.memories, fact(), fact(), caller=caller)
        ruled(database_url, tenant=caller.tenant, long_term={"count": 1})
        expected.append(ContainerReceipt(tenant=caller.tenant, container_id="default", counts=ONE_FACT))
    for name in ("a", "b", "c"):
        contained(database_url, name, "t3")
        ruled(database_url, name, "t3", session=MONTH)
    retention = MemoryRetention(bench.aging, bench.store, bench.reader, clock)
    receipts = [each async for each in retention.run(dry_run=False)]
    assert [each for each in receipts if each.counts == ONE_FACT] == expected
    assert [each.container_id for each in receipts if each.tenant == "t3"] == ["a", "b", "c", "default"]


ONE_FACT = RemovalCounts(long_term=1)


async def test_the_oldest_records_of_each_memory_are_cut(database_url: str, bench: Bench, clock: Clock) -> None:
    [memory, other] = await made(bench.memories, fact("1"), fact("untouched"))
    for number in range(2, 7):
        clock.pass_days(10)
        await update(bench.memories, changed(memory, memory=str(number)))
    ruled(database_url, history={"count": 4})
    assert await ran(bench, clock) == {"default": RemovalCounts(records=2)}
    assert rows(database_url, "SELECT pruned_change FROM tenant") == [(2,)]
    with pytest.raises(NotKept):
        await bench.memories.past_memory(ANN, memory.id, version=2)
    past = await bench.memories.past_memory(ANN, memory.id, version=3)
    assert past is not None
    assert past.memory.values["memory"] == "3"
    with pytest.raises(NotKept):
        await bench.memories.past_memory(ANN, memory.id, at=memory.created_at)
    ruled(database_url, history={"days": 15})
    clock.pass_days(1)
    assert await ran(bench, clock) == {"default": RemovalCounts(records=2)}
    # A memory that lives keeps the record of its current version, however old.
    clock.pass_days(500)
    assert await ran(bench, clock) == {"default": RemovalCounts(records=1)}
    for each, version in ((memory, 6), (other, 1)):
        current = await bench.memories.past_memory(ANN, each.id, version=version)
        assert current is not None
        assert current.is_current
    # Nothing but what was looked at by itself: the next change has one to step back to.
    await update(bench.memories, changed(memory, memory="7"))
    earlier = await bench.memories.past_memory(ANN, memory.id, version=6)
    assert earlier is not None
    assert earlier.memory.values["memory"] == "6"


async def test_young_history_is_not_read_for_the_sake_of_old(
    database_url: str, bench: Bench, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention_module, "RECORDS_READ", 2)
    [memory] = await made(bench.memories, fact("0"))
    await update(bench.memories, changed(memory, memory="1"))
    clock.pass_days(31)
    for number in range(2, 9):
        await update(bench.memories, changed(memory, memory=str(number)))
    ruled(database_url, history=MONTH)
    bench.watched.sent.clear()
    assert await run(bench, clock) == {"default": RemovalCounts(records=2)}
    looks = [each for each in bench.watched.sent if "JOIN memory" in each.text]
    assert len(looks) == 2


async def test_what_was_deleted_long_ago_goes_for_good(database_url: str, bench: Bench, clock: Clock) -> None:
    await bench.memories.update_context_memory(ANN, context("s", "1", "2"))
    [kept, dropped] = await made(bench.memories, fact("secret kept"), fact("secret dropped"))
    [talk] = (await bench.memories.memories(ANN, ["s"])).values()
    await delete(bench, dropped)
    await delete(bench, talk)
    ruled(database_url, history={"days": 30})
    clock.pass_days(29)
    assert await ran(bench, clock) == {"default": RemovalCounts()}
    clock.pass_days(2)
    # Each of the four was created and deleted.
    assert await ran(bench, clock) == {"default": RemovalCounts(records=8)}
    assert rows(database_url, "SELECT id FROM memory") == [(kept.id,)]
    assert await bench.memories.records(ANN, [RecordId("s", 1), RecordId(dropped.id, 2)]) == {}
    restored = await bench.memories.restore_memory(
        ANN, RestoreMemory(memory_type=MemoryType.LONG_TERM, id=dropped.id, version=1)
    )
    assert [refusal.code for refusal in restored.refusals or restored.outcomes[0].refusals] == ["NOT_FOUND"]
    # As if it had never been.
    await bench.memories.update_context_memory(ANN, context("s", "1"))
    [again] = (await bench.memories.memories(ANN, ["s"])).values()
    assert again.version == 1


async def test_what_went_with_its_container_goes_for_good_too(database_url: str, bench: Bench, clock: Clock) -> None:
    [kept] = await made(bench.memories, fact("elsewhere"))
    contained(database_url, "c")
    ruled(database_url, "c", history=MONTH, long_term={"days": 1})
    await made(bench.memories, replace(fact("here"), container_id="c"))
    deletion = DeleteContainer(container=ContainerDeletion(id="c", delete_memories=True))
    assert (await bench.memories.delete_container(ANN, deletion)).refusals == ()
    clock.pass_days(31)
    assert await ran(bench, clock) == {"c": RemovalCounts(records=2)}
    assert rows(database_url, "SELECT id FROM memory") == [(kept.id,)]


async def test_a_cut_that_comes_late_takes_nothing_of_what_has_the_id_since(
    database_url: str, bench: Bench, clock: Clock
) -> None:
    await bench.memories.update_context_memory(ANN, context("s"))
    [talk] = (await bench.memories.memories(ANN, ["s"])).values()
    await delete(bench, talk)
    ruled(database_url, history=MONTH)
    clock.pass_days(31)
    found = (await bench.aging.records(ANN, "default", after=None, size=10))[-1]
    cut = RecordCut(memory_id="s", version=found.version, change=found.change, with_memory=True)
    # Beside a server on SQLite the command may run: both have looked, and somebody wrote in between.
    assert await bench.aging.cut(ANN, [cut], deleted_before=clock() - 30 * DAY) == 2
    await bench.memories.update_context_memory(ANN, context("s"))
    assert await bench.aging.cut(ANN, [cut], deleted_before=clock() - 30 * DAY) == 0
    assert rows(database_url, "SELECT memory_id, version FROM history") == [("s", 1)]


async def test_a_deleted_session_stays_for_as_long_as_an_entry_of_it(
    database_url: str, bench: Bench, clock: Clock
) -> None:
    await bench.memories.update_context_memory(ANN, context("s", "1", "2"))
    [first, _] = (await bench.memories.entries(ANN, ["s"], ALL))["s"].rows
    await delete(bench, *(await bench.memories.memories(ANN, ["s"])).values())
    ruled(database_url, history=MONTH)
    # As if by a clock that was ahead.
    later = 5 * 86_400 * 1_000_000
    with raw(database_url) as connection:
        connection.execute(f"UPDATE memory SET updated_at = updated_at + {later} WHERE id = '{first.id}'")
        connection.execute(
            f"UPDATE history SET created_at = created_at + {later} WHERE memory_id = '{first.id}' AND version = 2"
        )
    clock.pass_days(31)
    await run(bench, clock)
    assert set(rows(database_url, "SELECT id FROM memory")) == {("s",), (first.id,)}
    assert set(rows(database_url, "SELECT memory_id FROM history")) == {("s",), (first.id,)}
    clock.pass_days(5)
    assert await ran(bench, clock) == {"default": RemovalCounts(records=2)}
    assert rows(database_url, "SELECT id FROM memory") == []


async def test_retention_lets_go_in_two_goes_what_it_deletes_itself(
    database_url: str, bench: Bench, clock: Clock
) -> None:
    [old] = await made(bench.memories, fact("old"))
    ruled(database_url, long_term={"days": 10}, history={"days": 20})
    clock.pass_days(11)
    assert await ran(bench, clock) == {"default": RemovalCounts(long_term=1)}
    restored = RestoreMemory(memory_type=MemoryType.LONG_TERM, id=old.id, version=1)
    assert (await bench.memories.restore_memory(ANN, restored)).counts.failed == 0
    await delete(bench, old)
    clock.pass_days(21)
    assert await ran(bench, clock) == {"default": RemovalCounts(records=4)}
    assert rows(database_url, "SELECT * FROM memory") == []


async def test_a_memory_restored_while_its_rest_is_cut_stays(bench: Bench, clock: Clock, database_url: str) -> None:
    [memory] = await made(bench.memories, fact("back"))
    await delete(bench, memory)
    ruled(database_url, history=MONTH)
    clock.pass_days(31)

    class Restoring:
        """The real one, but somebody restores the memory right before a cut."""

        def __getattr__(self, name: str) -> Any:
            return getattr(bench.aging, name)

        async def cut(self, *given: Any, **named: Any) -> int:
            request = RestoreMemory(memory_type=MemoryType.LONG_TERM, id=memory.id, version=1)
            assert (await bench.memories.restore_memory(ANN, request)).counts.failed == 0
            return await bench.aging.cut(*given, **named)

    between: Any = Restoring()
    retention = MemoryRetention(between, bench.store, bench.reader, clock)
    [receipt] = [each async for each in retention.run(dry_run=False, tenant=ANN.tenant)]
    assert receipt.counts == RemovalCounts(records=2)
    [restored] = (await bench.memories.memories(ANN, [memory.id])).values()
    assert (restored.version, restored.values["memory"]) == (3, "back")


async def test_what_changes_or_is_pinned_before_its_turn_stays(bench: Bench, clock: Clock, database_url: str) -> None:
    [used, pinned, gone] = await made(bench.memories, fact("used"), fact("pinned"), fact("gone"))
    ruled(database_url, long_term=MONTH)
    clock.pass_days(31)

    class Late:
        """The real one, but others write right before it removes."""

        async def remove(self, *given: Any, **named: Any) -> Any:
            await update(bench.memories, changed(used, tags={"a": 1}), changed(pinned, pinned=True))
            return await bench.store.remove(*given, **named)

    retention = MemoryRetention(bench.aging, Late(), bench.reader, clock)
    [receipt] = [each async for each in retention.run(dry_run=False, tenant=ANN.tenant)]
    assert receipt.counts == ONE_FACT
    assert await ids(bench) == {used.id, pinned.id}
    assert gone.id not in await ids(bench)


async def test_a_large_session_that_is_used_before_its_turn_stays_with_all_its_entries(
    bench: Bench, clock: Clock, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(removing_module, "STEP", 2)
    for session_id in ("first", "used", "pinned", "removed", "last"):
        await bench.memories.update_context_memory(ANN, context(session_id, "1", "2", "3"))
    found = await bench.memories.memories(ANN, ["pinned", "removed"])
    ruled(database_url, session=MONTH)
    clock.pass_days(31)

    class Late:
        """The real one, but others write right before the first entries go."""

        late = False

        async def remove(self, *given: Any, **named: Any) -> Any:
            if not self.late:
                self.late = True
                await bench.memories.update_context_memory(ANN, context("used", "4"))
                await update(bench.memories, changed(found["pinned"], pinned=True))
                await delete(bench, found["removed"])
            return await bench.store.remove(*given, **named)

    retention = MemoryRetention(bench.aging, Late(), bench.reader, clock)
    [receipt] = [each async for each in retention.run(dry_run=False, tenant=ANN.tenant)]
    assert receipt.counts == RemovalCounts(sessions=2, working=6)
    assert await entry_keys(bench, "used") == ["1", "2", "3", "4"]
    assert await entry_keys(bench, "pinned") == ["1", "2", "3"]
    assert set(await bench.memories.memories(ANN, ["first", "used", "pinned", "last"])) == {"used", "pinned"}


async def test_a_large_run_goes_in_steps(
    database_url: str, bench: Bench, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention_module, "RECORDS_READ", 700)
    for start in (0, 1_000, 2_000):
        keys = map(str, range(start, start + 1_000))
        await bench.memories.update_context_memory(ANN, context("large", *keys))
    for name in ("one", "two", "three"):
        await bench.memories.update_context_memory(ANN, context(name, *map(str, range(400))))
    await made(bench.memories, session("pinned", pinned=True))
    for start in (0, 1_000):
        await made(bench.memories, *(fact(str(number)) for number in range(start, start + 1_000)))
    for _ in range(2):
        page = await bench.memories.list_memories(ANN, MemoryQuery(types=frozenset({MemoryType.LONG_TERM})), ALL)
        for start in (0, 1_000):
            updates = (changed(each, tags={"v": each.version}) for each in page.rows[start : start + 1_000])
            await update(bench.memories, *updates)
    clock.pass_days(31)
    ruled(database_url, session=MONTH, long_term={"count": 500}, history={"count": 2})
    bench.watched.sent.clear()
    expected = RemovalCounts(sessions=4, working=4_200, long_term=1_500, records=2_000 + 1)
    assert await run(bench, clock, dry_run=True) == {"default": expected}
    assert bench.watched.begun() == 0
    writing = asyncio.create_task(made_meanwhile(bench))
    assert await run(bench, clock) == {"default": expected}
    assert await writing > 3
    assert len(await ids(bench, types=frozenset({MemoryType.LONG_TERM}))) == 500
    sizes = [len(each.parameters) for each in bench.watched.sent if isinstance(each.parameters, list)]
    assert max(sizes) <= 1_001


async def made_meanwhile(bench: Bench) -> int:
    """How many writes of another came through while 3,000 memories and more went."""
    done = 0
    contents = ANN, context("meanwhile", "1")
    while await bench.memories.count_memories(ANN, MemoryQuery(types=frozenset({MemoryType.LONG_TERM}))) > 500:
        await bench.memories.update_context_memory(*contents)
        done += 1
    return done


async def test_only_one_process_runs_at_a_time_on_postgresql(database_url: str, clock: Clock) -> None:
    async with opened(database_url, clock=clock) as one, opened(database_url, clock=clock) as other:
        async with one.aging.alone() as first, other.aging.alone() as second:
            assert first
            assert second is is_sqlite(database_url)
        async with other.aging.alone() as again:
            assert again


async def test_a_lock_whose_connection_is_lost_ends_with_it(
    postgresql_url: str, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    async with opened(postgresql_url, clock=clock) as bench:
        async with bench.aging.alone() as alone:
            assert alone
            with raw(postgresql_url) as other:
                holder = "SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND granted"
                assert other.execute(f"SELECT pg_terminate_backend(({holder}))").fetchall() == [(True,)]
            await until(lambda: not rows(postgresql_url, holder))
        assert "The lock of retention ends with its connection" in caplog.text
        async with bench.aging.alone() as again:
            assert again


def test_a_lock_that_nobody_waits_for_any_more_is_not_taken(postgresql_url: str) -> None:
    held = _Held(engine_for(postgresql_url, writer_lanes=1))
    held.leave()
    assert not held.take()
    assert rows(postgresql_url, "SELECT pid FROM pg_locks WHERE locktype = 'advisory'") == []


async def test_a_lock_that_cannot_be_asked_for_is_a_fault_of_the_store() -> None:
    async with opened("postgresql://127.0.0.1:1/none?connect_timeout=2") as bench:
        with pytest.raises(StoreFault):
            async with bench.aging.alone():
                pass


async def test_a_writer_that_looks_now_and_then_gets_in_between_all_transactions(
    database_url: str, bench: Bench, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As one in another process does, where the database is SQLite."""
    monkeypatch.setattr(retention_module, "STEP", 2)
    memories = await made(bench.memories, *(fact(str(number)) for number in range(6)))
    for memory in memories:
        await delete(bench, memory)
    await made(bench.memories, *(fact(str(number)) for number in range(4)))
    ruled(database_url, history=MONTH, long_term=MONTH)
    clock.pass_days(31)
    bench.watched.sent.clear()
    seen: list[int] = []

    async def look() -> None:
        while True:
            seen.append(len(bench.watched.transactions()))
            await asyncio.sleep(0.1)

    looking = asyncio.create_task(look())
    retention = MemoryRetention(bench.aging, bench.store, bench.reader, clock, pause_s=0.25)
    [receipt] = [each async for each in retention.run(dry_run=False, tenant=ANN.tenant)]
    looking.cancel()
    assert receipt.counts == RemovalCounts(long_term=4, records=12)
    # Two deletions, and the cuts of twelve records.
    assert set(seen) == set(range(len(bench.watched.transactions()) + 1)) == set(range(9))


async def test_what_is_being_asked_does_not_hold_up_the_end(database_url: str, bench: Bench) -> None:
    endless = "WITH RECURSIVE n (x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT count(*) FROM n"
    statement = VisibleStatement(text=endless if is_sqlite(database_url) else "SELECT pg_sleep(60)")
    asking = asyncio.create_task(bench.aging._reader.hop(lambda ask: ask(statement, {}), kind="x"))
    await until(lambda: any(each.text == statement.text for each in bench.watched.sent))
    await asyncio.sleep(0.1)
    await asyncio.wait_for(asyncio.to_thread(bench.aging.close), 10)
    with pytest.raises(StoreFault):
        await asking


async def test_what_retention_looks_up_is_in_an_index(database_url: str, bench: Bench, clock: Clock) -> None:
    """Few of many: what is walked is the container's oldest, in the order of an index."""
    for number in range(5):
        await bench.memories.update_context_memory(ANN, context(f"s{number}", *map(str, range(1_000))))
        await made(bench.memories, *(fact(str(each)) for each in range(1_000)))
    contained(database_url, "notes")
    changes = {kind: Changes(memory_type=kind, given=given) for kind, given in CONTENT.items()}
    items = [Create(container_id="notes", changes=changes[kind]) for kind in CONTENT for _ in range(20)]
    await made(bench.memories, *items)
    if not is_sqlite(database_url):
        with raw(database_url) as connection:
            connection.execute("VACUUM ANALYZE")
    ruled(database_url, "notes", ANN.tenant, **{kind.value: {"count": 10} for kind in MemoryType})
    bench.watched.sent.clear()
    done = await run(bench, clock, container_id="notes")
    assert done == {"notes": RemovalCounts(sessions=10, working=10, long_term=10)}
    asked = [each for each in bench.watched.sent if each.text.startswith("SELECT") and "ids" not in each.text]
    assert len(asked) >= 7
    # The container's memories of all types, or its 90 records by now; each with a look at another row at most.
    faults = [check_plan(database_url, each, 190, reading=True) for each in asked if "FROM" in each.text]
    assert not any(faults), faults
    cuts = [each for each in bench.watched.sent if each.text.startswith("DELETE FROM history")]
    assert cuts == []


CONTENT = {
    MemoryType.SESSION: {"summary": "text"},
    MemoryType.WORKING: {"content": "text"},
    MemoryType.LONG_TERM: {"memory": "text"},
}
