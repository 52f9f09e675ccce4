"""Reading needs the scope to read, whichever question is asked, and sees one tenant only."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import pytest

from mnesis.domain.caller import Caller, Scope
from mnesis.domain.entries import ContextEntry
from mnesis.domain.filters import MemoryFilter
from mnesis.domain.ids import RecordId
from mnesis.domain.limits import Limits
from mnesis.domain.memory_types import MemoryType
from mnesis.domain.refusals import Forbidden, Refused
from mnesis.storage.database import open_database
from mnesis.usecases.memories import Memories
from mnesis.usecases.ports import MemoryQuery, PageRequest, RecordQuery, SearchRequest
from mnesis.usecases.reading import ReadableMemories
from mnesis.usecases.requests import UpdateContextMemory

pytestmark = pytest.mark.anyio

ANN = Caller(tenant="acme", subject="ann", scopes=frozenset({Scope.READ}))
PAGE = PageRequest(size=10)
SEARCH = SearchRequest(stems=("m1",), size=10, candidates=10)


async def asked_of_records(memories: Memories, caller: Caller) -> RecordQuery:
    return memories.record_query(caller, MemoryFilter(types=frozenset({MemoryType.HISTORY})))


async def counted_as_awaiting(memories: Memories, caller: Caller) -> dict[str, int | None]:
    return {"awaiting": await memories.count_awaiting_embedding(caller)}


async def kept_as_quotas(memories: Memories, caller: Caller) -> Any:
    return {"quotas": await memories.quotas(caller)}


QUESTIONS: dict[str, Callable[[Memories, Caller], Awaitable[Any]]] = {
    "memories": lambda memories, caller: memories.memories(caller, ["s1"]),
    "past_memory": lambda memories, caller: memories.past_memory(caller, "s1", version=1),
    "records": lambda memories, caller: memories.records(caller, [RecordId("s1", 1)]),
    "containers": lambda memories, caller: memories.containers(caller, ["default"]),
    "list_containers": lambda memories, caller: memories.list_containers(caller, PAGE),
    "count_containers": lambda memories, caller: memories.count_containers(caller),
    "count_memories_of": lambda memories, caller: memories.count_memories_of(caller, ["default"]),
    "list_memories": lambda memories, caller: memories.list_memories(caller, MemoryQuery(), PAGE),
    "count_memories": lambda memories, caller: memories.count_memories(caller, MemoryQuery()),
    "search_memories": lambda memories, caller: memories.search_memories(caller, MemoryQuery(), SEARCH),
    "search_for": lambda memories, caller: memories.search_for(caller, MemoryQuery(), SEARCH, "m1", firmly=True),
    "quotas": lambda memories, caller: kept_as_quotas(memories, caller),
    "count_awaiting_embedding": lambda memories, caller: counted_as_awaiting(memories, caller),
    "record_query": lambda memories, caller: asked_of_records(memories, caller),
    "list_records": lambda memories, caller: memories.list_records(caller, RecordQuery(), PAGE),
    "count_records": lambda memories, caller: memories.count_records(caller, RecordQuery()),
    "entries": lambda memories, caller: memories.entries(caller, ["s1"], PAGE),
    "count_entries": lambda memories, caller: memories.count_entries(caller, ["s1"]),
    "histories": lambda memories, caller: memories.histories(caller, ["s1"], PAGE),
    "count_histories": lambda memories, caller: memories.count_histories(caller, ["s1"]),
}


@pytest.fixture(autouse=True)
async def _one_session_with_two_entries(memories: Memories) -> None:
    entries = tuple(ContextEntry(id=key, given={"content": key}) for key in ("m1", "m2"))
    request = UpdateContextMemory(session_id="s1", entries=entries, create_session=True)
    await memories.update_context_memory(replace(ANN, scopes=frozenset({Scope.WRITE})), request)


def test_every_question_is_asked_below() -> None:
    assert QUESTIONS.keys() == {name for name in vars(ReadableMemories) if not name.startswith("_")}


@pytest.mark.parametrize("question", QUESTIONS)
async def test_a_question_without_the_scope_to_read_is_refused(memories: Memories, question: str) -> None:
    with pytest.raises(Refused) as refused:
        await QUESTIONS[question](memories, replace(ANN, scopes=frozenset()))
    assert refused.value.refusals == (Forbidden(required_scope=Scope.READ),)
    assert str(refused.value) == "This needs the scope memory:read."


@pytest.mark.parametrize("scope", list(Scope))
@pytest.mark.parametrize("question", QUESTIONS)
async def test_every_scope_includes_reading(memories: Memories, question: str, scope: Scope) -> None:
    assert await QUESTIONS[question](memories, replace(ANN, scopes=frozenset({scope})))


async def test_each_question_is_answered_from_the_store(memories: Memories) -> None:
    session = (await memories.memories(ANN, ["s1", "nobody"]))["s1"]
    past = await memories.past_memory(ANN, "s1", version=1)
    assert past is not None
    assert (past.memory, past.is_current) == (session, True)
    assert await memories.past_memory(ANN, "\0", version=1) is None
    [record] = (await memories.records(ANN, [RecordId("s1", 1), RecordId("s1", 2)])).values()
    assert (record.id, record.created_at) == ("s1~1", session.updated_at)
    assert (await memories.containers(ANN, ["default"]))["default"].name == "default"
    listed = await memories.list_memories(ANN, MemoryQuery(), PAGE)
    assert {memory.entry_id or memory.id for memory in listed.rows} == {"s1", "m1", "m2"}
    assert await memories.count_memories(ANN, MemoryQuery()) == 3
    found = await memories.search_memories(ANN, MemoryQuery(), SEARCH)
    assert [hit.memory.entry_id for hit in found.hits] == ["m1", "m2"]
    assert len((await memories.list_records(ANN, RecordQuery(), PAGE)).rows) == 3
    assert await memories.count_records(ANN, RecordQuery(memory_ids=frozenset({"s1"}))) == 1
    entries = (await memories.entries(ANN, ["s1"], PageRequest(size=1)))["s1"]
    assert ([memory.entry_id for memory in entries.rows], entries.has_next) == (["m1"], True)
    assert await memories.count_entries(ANN, ["s1"]) == {"s1": 2}
    assert [each.version for each in (await memories.histories(ANN, ["s1"], PAGE))["s1"].rows] == [1]
    assert await memories.count_histories(ANN, ["s1"]) == {"s1": 1}


async def test_another_tenant_sees_none_of_it(memories: Memories) -> None:
    stranger = replace(ANN, tenant="other")
    assert await memories.memories(stranger, ["s1"]) == {}
    assert await memories.records(stranger, [RecordId("s1", 1)]) == {}
    assert (await memories.list_memories(stranger, MemoryQuery(), PAGE)).rows == ()
    assert (await memories.list_records(stranger, RecordQuery(), PAGE)).rows == ()
    assert await memories.count_memories(stranger, MemoryQuery()) == 0
    assert (await memories.search_memories(stranger, MemoryQuery(), SEARCH)).hits == ()


@pytest.mark.parametrize("bad", ["a\0b", "\ud800", ""])
async def test_texts_that_no_database_reads_find_nothing(database_url: str, bad: str) -> None:
    database = open_database(database_url, limits=Limits(), reader_threads=1, writer_lanes=1)
    memories = Memories(store=database.store, reader=database.reader, limits=Limits())
    request = UpdateContextMemory(session_id="s1", entries=(), create_session=True)
    await memories.update_context_memory(replace(ANN, scopes=frozenset({Scope.WRITE})), request)
    assert (await memories.memories(ANN, [bad, "s1"])).keys() == {"s1"}
    assert (await memories.containers(ANN, [bad, "default"])).keys() == {"default"}
    ids = frozenset({bad, "s1"})
    assert await memories.count_memories(ANN, MemoryQuery(ids=ids)) == 1
    assert await memories.count_records(ANN, RecordQuery(memory_ids=ids)) == 1
    for query in (MemoryQuery(container_id=bad), MemoryQuery(session_id=bad)):
        assert (await memories.list_memories(ANN, query, PAGE)).rows == ()
        assert await memories.count_memories(ANN, query) == 0
        assert (await memories.search_memories(ANN, query, SEARCH)).hits == ()
    for records in (RecordQuery(container_id=bad), RecordQuery(session_id=bad)):
        assert (await memories.list_records(ANN, records, PAGE)).rows == ()
        assert await memories.count_records(ANN, records) == 0
    await database.close()
