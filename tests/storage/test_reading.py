"""What a reader finds: the caller's own tenant, and every row once, however much is written meanwhile."""

import asyncio
from datetime import UTC, datetime
from typing import Any

import pytest

from mnesis.domain.filters import MemoryFilter
from mnesis.domain.history import HistoryRecord
from mnesis.domain.ids import RecordId
from mnesis.domain.limits import Limits
from mnesis.domain.memory import Memory
from mnesis.domain.memory_types import MemoryType
from mnesis.storage.database import UnknownDatabase, engine_for, open_database
from mnesis.usecases.ports import (
    Cursor,
    MemoryQuery,
    Page,
    PageRequest,
    RecordQuery,
    Removal,
    SearchRequest,
    StoreFault,
)
from mnesis.usecases.requests import DeleteMemory
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
    session,
    update,
)

pytestmark = pytest.mark.anyio

NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)


_REMOVAL = Removal(erases=True, filter=MemoryFilter(), actor="ann")


async def everything(bench: Bench, caller: Any, ids: list[str]) -> dict[str, Any]:
    """The answer of every method of the reader."""
    reader, page = bench.reader, PageRequest(size=50)
    memory_query = MemoryQuery(ids=frozenset(ids))
    record_query = RecordQuery(memory_ids=frozenset(ids))
    pages: dict[str, Page[Any]] = {
        "list_memories": await reader.list_memories(caller, MemoryQuery(), page),
        "list_memories of ids": await reader.list_memories(caller, memory_query, page),
        "list_containers": await reader.list_containers(caller, page),
        "list_records": await reader.list_records(caller, RecordQuery(), page),
        "list_records of ids": await reader.list_records(caller, record_query, page),
        "list_records of a session": await reader.list_records(caller, RecordQuery(session_id="s"), page),
    }
    pages |= {f"entries of {key}": found for key, found in (await reader.entries(caller, ids, page)).items()}
    pages |= {f"history of {key}": found for key, found in (await reader.histories(caller, ids, page)).items()}
    return {
        "memories": await reader.memories(caller, ids),
        "past_memory": await reader.past_memory(caller, ids[0], version=1),
        "past_memory at a time": await reader.past_memory(caller, ids[0], at=NOON.replace(year=9000)),
        "records": await reader.records(caller, [RecordId(each, 1) for each in ids]),
        "containers": await reader.containers(caller, ["default", "nowhere"]),
        "count_containers": await reader.count_containers(caller),
        "count_memories_of": sum((await reader.count_memories_of(caller, ["default"])).values()),
        "count_awaiting_embedding": await reader.count_awaiting_embedding(caller),
        "quotas": await reader.quotas(caller),
        "count_memories": await reader.count_memories(caller, MemoryQuery()),
        "count_memories of ids": await reader.count_memories(caller, memory_query),
        "search_memories": (
            await reader.search_memories(caller, MemoryQuery(), SearchRequest(stems=("text",), size=5, candidates=10))
        ).hits,
        "removable sessions": await reader.removable(caller, _REMOVAL, sessions=True, after="", size=5),
        "removable_entries": await reader.removable_entries(caller, _REMOVAL, "s", after="", size=5),
        "count_removable": (await reader.count_removable(caller, _REMOVAL)).memories,
        "count_records": await reader.count_records(caller, RecordQuery()),
        "count_records of ids": await reader.count_records(caller, record_query),
        "count_records of a container": await reader.count_records(caller, RecordQuery(container_id="default")),
        "count_entries": sum((await reader.count_entries(caller, ids)).values()),
        "count_histories": sum((await reader.count_histories(caller, ids)).values()),
        **{name: found.rows for name, found in pages.items()},
    }


def test_every_question_of_the_reader_is_asked_below() -> None:
    """A new method must join `everything`."""
    from mnesis.usecases.ports import MemoryReader

    asked = everything.__code__.co_names
    assert [name for name in vars(MemoryReader) if not name.startswith("_") and name not in asked] == []


async def test_another_tenant_finds_nothing(database_url: str) -> None:
    async with opened(database_url, embeds=True) as bench:
        await bench.memories.update_context_memory(ANN, context("s", "1", "2"))
        entries = (await bench.reader.entries(ANN, ["s"], PageRequest(size=5)))["s"].rows
        ids = ["s", *(entry.id for entry in entries)]
        with raw(database_url) as connection:
            quota = '{"quotas": {"memories": 9}, "usage": {}}'
            connection.execute(f"UPDATE tenant SET quota = '{quota}' WHERE id = '{ANN.tenant}'")
        own, other = await everything(bench, ANN, ids), await everything(bench, STRANGER, ids)
        assert [name for name, found in own.items() if not found] == [f"entries of {each.id}" for each in entries]
        assert own["containers"]["default"].created_at is not None
        assert other["containers"].pop("default").created_at is None
        # The default container is there for everyone, also before anything was written.
        assert [each.created_at for each in other.pop("list_containers")] == [None]
        assert other.pop("count_containers") == 1
        assert {name for name, found in other.items() if found} == set()
        outcome = await bench.memories.delete_memory(
            STRANGER, DeleteMemory(memory_type=MemoryType.WORKING, id=entries[0].id)
        )
        assert outcome.outcomes[0].refusals[0].code == "NOT_FOUND"


async def test_equal_ids_of_two_tenants_live_side_by_side(database_url: str) -> None:
    async with opened(database_url) as bench:
        for caller in (ANN, STRANGER):
            await made(bench.memories, session("s", summary=caller.tenant), caller=caller)
            await bench.memories.update_context_memory(caller, context("s", "1", text=caller.tenant))
        await bench.memories.delete_memory(STRANGER, DeleteMemory(memory_type=MemoryType.SESSION, id="s"))
        assert (await bench.memories.memories(ANN, ["s"]))["s"].values["summary"] == "acme"
        [entry] = (await bench.memories.entries(ANN, ["s"], PageRequest(size=5)))["s"].rows
        assert entry.values["content"] == "acme 1"
        assert await bench.memories.memories(STRANGER, ["s"]) == {}


async def test_a_query_finds_what_has_all_that_it_names(database_url: str) -> None:
    async with opened(database_url) as bench:
        memories = bench.memories
        await memories.update_context_memory(ANN, context("s", "1", "2"))
        [long_term] = await made(memories, fact())
        [entry, _] = (await memories.entries(ANN, ["s"], PageRequest(size=5)))["s"].rows
        both = frozenset({MemoryType.SESSION, MemoryType.LONG_TERM})
        for query, expected in [
            (MemoryQuery(), 4),
            (MemoryQuery(types=frozenset()), 0),
            (MemoryQuery(types=both), 2),
            (MemoryQuery(types=frozenset({MemoryType.WORKING})), 2),
            (MemoryQuery(session_id="s", types=frozenset({MemoryType.LONG_TERM})), 0),
            (MemoryQuery(ids=frozenset({entry.id, long_term.id, "s", "nothing"})), 3),
            (MemoryQuery(ids=frozenset({entry.id, long_term.id}), types=both, container_id="default"), 1),
            (MemoryQuery(container_id="elsewhere"), 0),
        ]:
            page = await memories.list_memories(ANN, query, PageRequest(size=9))
            assert (len(page.rows), await memories.count_memories(ANN, query)) == (expected, expected), query
        await memories.delete_memory(ANN, DeleteMemory(memory_type=MemoryType.WORKING, id=entry.id))
        for records, expected in [
            (RecordQuery(), 6),
            (RecordQuery(session_id="s"), 5),
            (RecordQuery(session_id="s", memory_ids=frozenset({entry.id})), 2),
            (RecordQuery(container_id="default"), 6),
            (RecordQuery(container_id="elsewhere"), 0),
        ]:
            found = await memories.list_records(ANN, records, PageRequest(size=9))
            assert (len(found.rows), await memories.count_records(ANN, records)) == (expected, expected), records
        assert await memories.records(ANN, []) == {}
        beyond = [RecordId("s", 2**40), RecordId(entry.id, 2), RecordId(entry.id, 1)]
        assert list(await memories.records(ANN, beyond)) != []
        assert set(await memories.records(ANN, beyond)) == set(beyond[1:])


async def walk(ask: Any, *, backward: bool, between: Any = None) -> list[Any]:
    """All pages in the order of the connection. Checks what they say of their neighbours."""
    pages: list[Page[Any]] = []
    while True:
        place = pages[-1].cursors[0 if backward else -1] if pages else None
        sides: dict[str, Any] = {"before": place, "backward": True} if backward else {"after": place}
        pages.append(await ask(PageRequest(size=7, **sides)))
        more = pages[-1].has_previous if backward else pages[-1].has_next
        assert (pages[-1].has_next if backward else pages[-1].has_previous) == (place is not None)
        if not more:
            break
        assert len(pages[-1].rows) == 7
        if between is not None:
            await between()
    if backward:
        pages.reverse()
    return [row for page in pages for row in page.rows]


@pytest.mark.parametrize("backward", [False, True], ids=["forwards", "backwards"])
@pytest.mark.parametrize("connection", ["memories", "entries"])
async def test_paging_neither_skips_nor_repeats_while_others_come_and_go(
    database_url: str, connection: str, backward: bool
) -> None:
    async with opened(database_url) as bench:
        memories = bench.memories
        kept = [f"kept-{number}" for number in range(125)]
        doomed = [f"doomed-{number}" for number in range(125)]
        mixed = [key for pair in zip(kept, doomed, strict=True) for key in pair]
        await memories.update_context_memory(ANN, context("s", *mixed, created_at=NOON))
        found = [entry async for entry in all_entries(memories)]
        ids = {entry.entry_id: entry.id for entry in found}
        numbers = iter(range(1_000))

        async def between() -> None:
            number = next(numbers)
            await memories.update_context_memory(ANN, context("s", f"new-{number}", created_at=NOON))
            for key in doomed[number * 3 : number * 3 + 3] + doomed[-number - 1 :][:1]:
                await memories.delete_memory(ANN, DeleteMemory(memory_type=MemoryType.WORKING, id=ids[key]))

        async def ask(page: PageRequest) -> Page[Memory]:
            if connection == "entries":
                return (await memories.entries(ANN, ["s"], page))["s"]
            return await memories.list_memories(ANN, MemoryQuery(types=frozenset({MemoryType.WORKING})), page)

        rows = await walk(ask, backward=backward, between=between)
        order = kept if connection == "entries" else kept[::-1]
        assert [row.entry_id for row in rows if row.entry_id in set(kept)] == order
        assert len({row.id for row in rows}) == len(rows)


async def all_entries(memories: Any) -> Any:
    for entry in (await memories.entries(ANN, ["s"], PageRequest(size=1_000)))["s"].rows:
        yield entry


@pytest.mark.parametrize("backward", [False, True], ids=["forwards", "backwards"])
async def test_records_are_paged_from_the_last_change_to_the_first(database_url: str, backward: bool) -> None:
    async with opened(database_url) as bench:
        memories = bench.memories
        [memory] = await made(memories, session("s"))
        await memories.update_context_memory(ANN, context("s", *map(str, range(50))))
        for number in range(30):
            await update(memories, changed(memory, summary=str(number)))

        async def ask_records(page: PageRequest) -> Page[HistoryRecord]:
            return await memories.list_records(ANN, RecordQuery(), page)

        async def ask_history(page: PageRequest) -> Page[HistoryRecord]:
            return (await memories.histories(ANN, ["s"], page))["s"]

        records = await walk(ask_records, backward=backward)
        places = [(record.change, record.position) for record in records]
        assert places == sorted(set(places), reverse=True)
        assert len(places) == 82
        history = await walk(ask_history, backward=backward)
        assert [record.version for record in history] == list(range(32, 0, -1))


async def test_an_empty_connection_has_no_neighbours(database_url: str) -> None:
    async with opened(database_url) as bench:
        page = await bench.memories.list_memories(ANN, MemoryQuery(), PageRequest(size=5))
        assert page == Page(rows=(), cursors=(), has_previous=False, has_next=False)


async def test_a_database_that_nobody_has_written_to_answers(database_url: str) -> None:
    database = open_database(database_url, limits=Limits(), reader_threads=3, writer_lanes=2)
    await database.check()
    assert await database.reader.memories(ANN, ["s"]) == {}
    await database.close()


async def test_a_reader_cannot_write(database_url: str) -> None:
    connection = engine_for(database_url, writer_lanes=1).connect(read_only=True)
    with pytest.raises(Exception, match=r"read-?only"):
        connection.execute("DELETE FROM memory")
    connection.close()


async def test_a_question_that_the_database_refuses_is_a_fault_and_the_next_is_answered(database_url: str) -> None:
    async with opened(database_url) as bench:
        beyond = PageRequest(size=1, after=Cursor(value=2**70))
        with pytest.raises(StoreFault):
            await bench.reader.list_memories(ANN, MemoryQuery(), beyond)
        assert await bench.reader.count_memories(ANN, MemoryQuery()) == 0


async def test_a_write_is_seen_by_whoever_asks_after_its_answer(database_url: str) -> None:
    async with opened(database_url) as bench:
        [memory] = await made(bench.memories, session("s"))
        for number in range(50):
            await update(bench.memories, changed(memory, summary=str(number)))
            found = await asyncio.gather(*(bench.memories.memories(ANN, ["s"]) for _ in range(4)))
            assert {each["s"].values["summary"] for each in found} == {str(number)}


async def test_readers_do_not_wait_for_a_writer(database_url: str) -> None:
    async with opened(database_url) as bench:
        await made(bench.memories, session("s"))
        with raw(database_url) as connection:
            connection.execute("BEGIN IMMEDIATE" if is_sqlite(database_url) else "BEGIN")
            connection.execute("DELETE FROM memory")
            async with asyncio.timeout(5):
                assert list(await bench.memories.memories(ANN, ["s"])) == ["s"]
            connection.execute("ROLLBACK")


async def test_a_missing_sqlite_file_is_a_fault(tmp_path: Any) -> None:
    database = open_database(f"sqlite:///{tmp_path}/none.db", limits=Limits(), reader_threads=1, writer_lanes=1)
    with pytest.raises(StoreFault, match="unable to open"):
        await database.check()
    await database.close()


@pytest.mark.parametrize("url", ["", "sqlite:///", "mysql://ann:secret@host/db", "postgresql", "sqlite://x"])
def test_a_url_that_names_no_database_is_refused_without_its_password(url: str) -> None:
    with pytest.raises(UnknownDatabase) as refused:
        engine_for(url, writer_lanes=1)
    assert "secret" not in str(refused.value)
