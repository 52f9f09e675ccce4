"""How many statements a change takes, how many rows they touch, and that none forgets whose rows they are."""

import json
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import closing
from typing import Any, TypeAlias

import pytest
from sqlalchemy import bindparam, not_, or_, select, true, union

from mnesis.domain.filters import MemoryFilter, MemoryOrder
from mnesis.domain.ids import RecordId
from mnesis.domain.memory_types import MemoryType
from mnesis.storage.database import engine_for
from mnesis.storage.statements import CONTAINER, HISTORY, MEMORY
from mnesis.storage.visibility import TENANT, UnscopedStatement, compile_of_tenant, compile_visible, of_tenant, visible
from mnesis.usecases.ports import Cursor, MemoryQuery, PageRequest, RecordQuery, SearchRequest
from mnesis.usecases.requests import CreateMemories, DeleteMemory
from tests.storage.workbench import (
    ANN,
    STRANGER,
    Bench,
    Statement,
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

Ask: TypeAlias = Callable[[Bench], Awaitable[Any]]
FIRST = PageRequest(size=20)
NEXT = PageRequest(size=20, after=Cursor(value=2**50, tie=1))
LAST = PageRequest(size=20, backward=True)
PREVIOUS = PageRequest(size=20, backward=True, before=Cursor(value=5, tie=1))


async def statements_of(bench: Bench, request: Awaitable[Any]) -> int:
    """How many statements lay between the only BEGIN and its COMMIT."""
    before = len(bench.watched.transactions())
    await request
    [inside] = bench.watched.transactions()[before:]
    return len(inside)


async def test_an_update_takes_at_most_five_statements(database_url: str) -> None:
    async with opened(database_url) as bench:
        [memory] = await made(bench.memories, fact())
        assert await statements_of(bench, update(bench.memories, changed(memory, tags={"a": 1}))) <= 5
        # What is searched changes too.
        assert await statements_of(bench, update(bench.memories, changed(memory, memory="new"))) <= 5


async def test_a_thousand_entries_take_as_many_statements_as_one(database_url: str) -> None:
    many = [f"e{number}" for number in range(1_000)]
    async with opened(database_url) as bench:
        await made(bench.memories, session("s"))

        async def put(*keys: str, text: str = "text") -> int:
            request = bench.memories.update_context_memory(ANN, context("s", *keys, text=text))
            return await statements_of(bench, request)

        one = await put("one")
        assert one <= 8
        assert [await put("one", text="new"), await put(*many), await put(*many, text="new")] == [one] * 3
        assert await bench.memories.count_entries(ANN, ["s"]) == {"s": 1_001}


@pytest.fixture
async def crowded(database_url: str) -> AsyncIterator[tuple[Bench, str]]:
    """10,000 entries of one session beside as many of other sessions and of another tenant."""
    async with opened(database_url) as bench:
        for start in range(0, 10_000, 1_000):
            keys = [f"e{number}" for number in range(start, start + 1_000)]
            await bench.memories.update_context_memory(ANN, context("s", *keys))
        for number in range(10):
            keys = [f"e{number}" for number in range(1_000)]
            await bench.memories.update_context_memory(ANN, context(f"other-{number}", *keys))
            await bench.memories.update_context_memory(STRANGER, context(f"other-{number}", *keys))
        ids = iter([session(f"x{number}") for number in range(1_000)])
        await bench.memories.create_memories(ANN, CreateMemories(items=tuple(ids)))
        await made(bench.memories, fact(), fact())
        with raw(database_url) as connection:
            if not is_sqlite(database_url):
                connection.execute("VACUUM ANALYZE")
        bench.watched.sent.clear()
        yield bench, database_url


def listed(page: PageRequest, **query: Any) -> Ask:
    return lambda bench: bench.memories.list_memories(ANN, MemoryQuery(**query), page)


def records_listed(page: PageRequest, **query: Any) -> Ask:
    return lambda bench: bench.memories.list_records(ANN, RecordQuery(**query), page)


SOME_IDS = frozenset(f"x{number}" for number in range(100))
LISTS: dict[str, dict[str, Any]] = {
    "all": {},
    "of a type": {"types": frozenset({MemoryType.SESSION})},
    "of two types": {"types": frozenset({MemoryType.SESSION, MemoryType.WORKING})},
    "of a container": {"container_id": "default"},
    "of a session": {"session_id": "other-1"},
    "by the last change": {"order": MemoryOrder.UPDATED_AT_DESC},
    "by the first change": {"order": MemoryOrder.UPDATED_AT_ASC},
    "oldest first of a type": {"order": MemoryOrder.CREATED_AT_ASC, "types": frozenset({MemoryType.SESSION})},
    "by the last change in a container": {"order": MemoryOrder.UPDATED_AT_DESC, "container_id": "default"},
    "filtered": {"namespace": {}, "never": MemoryFilter(pinned=True), "every": (MemoryFilter(),)},
}
HOT_READS: dict[str, tuple[int, Ask]] = {
    "one memory": (1, lambda bench: bench.memories.memories(ANN, ["s"])),
    "100 memories": (100, lambda bench: bench.memories.memories(ANN, SOME_IDS)),
    "containers": (2, lambda bench: bench.memories.containers(ANN, ["default"])),
    "page of containers": (21, lambda bench: bench.memories.list_containers(ANN, FIRST)),
    "records": (1, lambda bench: bench.memories.records(ANN, [RecordId("s", 7), RecordId("x1", 1)])),
    "entries": (21, lambda bench: bench.memories.entries(ANN, ["s", "other-1"], FIRST)),
    "next entries": (21, lambda bench: bench.memories.entries(ANN, ["s"], PageRequest(size=20, after=PREVIOUS.before))),
    "last entries": (21, lambda bench: bench.memories.entries(ANN, ["s"], LAST)),
    "previous entries": (
        21,
        lambda bench: bench.memories.entries(ANN, ["s"], PageRequest(size=20, before=NEXT.after, backward=True)),
    ),
    "history": (21, lambda bench: bench.memories.histories(ANN, ["s", "x1"], FIRST)),
    "earlier history": (21, lambda bench: bench.memories.histories(ANN, ["s"], NEXT)),
    "count of a history": (10, lambda bench: bench.memories.count_histories(ANN, ["s"])),
    "all records": (21, lambda bench: bench.memories.list_records(ANN, RecordQuery(), FIRST)),
    "records of memories": (
        110,
        lambda bench: bench.memories.list_records(ANN, RecordQuery(memory_ids=SOME_IDS | {"s"}), NEXT),
    ),
    **{
        f"{name}, {where}": (23, listed(page, **query))  # Two are of a third type.
        for where, page in {"first": FIRST, "next": NEXT, "last": LAST, "previous": PREVIOUS}.items()
        for name, query in LISTS.items()
    },
    **{
        f"records of a {name}, {where}": (most, records_listed(page, **query))
        for where, page in {"first": FIRST, "last": LAST}.items()
        for name, most, query in (
            ("container", 21, {"container_id": "default"}),
            ("session", 42, {"session_id": "other-1"}),
            ("session in a container", 42, {"session_id": "other-1", "container_id": "default"}),
        )
    },
    "of a session by the last change": (1_000, listed(FIRST, session_id="other-1", order=MemoryOrder.UPDATED_AT_DESC)),
    "of ids": (100, listed(FIRST, ids=SOME_IDS)),
    "next of ids": (100, listed(NEXT, ids=SOME_IDS)),
}


async def test_what_is_read_often_touches_few_rows(crowded: tuple[Bench, str]) -> None:
    """One database for all, since filling it takes longer than asking."""
    bench, url = crowded
    for name, (most, ask) in HOT_READS.items():
        bench.watched.sent.clear()
        await ask(bench)
        found = [check_plan(url, statement, most, reading=True) for statement in bench.watched.sent]
        assert found, name
        assert not any(found), f"{name}: {found}"


async def test_what_a_write_looks_up_touches_few_rows(crowded: tuple[Bench, str]) -> None:
    bench, url = crowded
    keys = [f"e{number}" for number in range(3_000, 4_000)]
    [memory] = await made(bench.memories, session("y"))
    requests: list[tuple[int, Awaitable[Any]]] = [
        (2, update(bench.memories, changed(memory, summary="1"), key="k")),
        (2, update(bench.memories, changed(memory, summary="1"), key="k")),
        (2, bench.memories.update_context_memory(ANN, context("s", "e5", text="one"))),
        (1_000, bench.memories.update_context_memory(ANN, context("s", *keys, text="many"))),
        (1_000, bench.memories.delete_memory(ANN, DeleteMemory(memory_type=MemoryType.SESSION, id="other-3"))),
    ]
    for most, request in requests:
        bench.watched.sent.clear()
        await request
        looked_up = [statement for statement in bench.watched.sent if statement.text.startswith("SELECT")]
        found = [check_plan(url, statement, most, reading=False) for statement in looked_up]
        assert found
        assert not any(found), found


def check_plan(url: str, statement: Statement, most: int, *, reading: bool) -> str:
    """What is wrong with how a statement is executed, if anything."""
    # A connection as the service makes it, since its settings decide too.
    with closing(engine_for(url, writer_lanes=1).connect(read_only=reading)) as connection:
        if is_sqlite(url):
            plan = connection.execute(f"EXPLAIN QUERY PLAN {statement.text}", statement.parameters).fetchall()
            return sqlite_faults([row[3] for row in plan], statement)
        [[plan]] = connection.execute(
            f"EXPLAIN (ANALYZE, FORMAT JSON) {statement.text}", statement.parameters
        ).fetchall()
        touched = rows_touched(json.loads(plan)[0]["Plan"])
        return "" if touched <= most else f"{touched} rows instead of {most}: {statement.text}"


def sqlite_faults(steps: list[str], statement: Statement) -> str:
    """An index must be entered with more than the tenant, unless it is walked in its order."""
    ordered = "ORDER BY" in statement.text
    for step in steps:
        walk = re.fullmatch(r"SEARCH \w+ USING (COVERING )?INDEX \w+ \(tenant_id=\?( AND \w+>\?)?\)", step)
        # A full-text index is entered with what is matched; its subquery's rows are as many as it is told.
        named = r"of_\w+|found|looked_at"
        entered = rf"SCAN (\w+_list VIRTUAL TABLE|search_index VIRTUAL TABLE INDEX \d+:M1|\(?(sub|anon).*|{named})"
        scan = step.startswith("SCAN") and not re.match(entered, step)
        # What is looked up first is little: ids, one session's entries, and two short walks that are merged.
        little = any(word in statement.text for word in ("ids_list", "+ 0", "UNION ALL", "MATCH"))
        sort = "ORDER BY" in step and not little
        if scan or sort or (walk and not ordered):
            return f"{step}: {statement.text}"
    return ""


def rows_touched(node: dict[str, Any]) -> int:
    """The rows of tables that a plan looked at, those it threw away included."""
    below = sum(map(rows_touched, node.get("Plans", ())))
    if "Relation Name" not in node:
        return below
    seen: float = node["Actual Rows"] + node.get("Rows Removed by Filter", 0)
    return below + round(seen * float(node["Actual Loops"]))


async def test_a_search_touches_few_rows(crowded: tuple[Bench, str]) -> None:
    bench, url = crowded
    for query, most in ((MemoryQuery(), 600), (MemoryQuery(session_id="other-1"), 600)):
        # In one entry of each of eleven sessions.
        request = SearchRequest(stems=("e77",), size=10, candidates=100)
        assert (await bench.memories.search_memories(ANN, query, request)).hits
        bench.watched.sent.clear()
        await bench.memories.search_memories(ANN, query, request)
        asked = [statement for statement in bench.watched.sent if not statement.text.startswith("EXPLAIN")]
        found = [check_plan(url, statement, most, reading=True) for statement in asked]
        assert not any(found), found


async def test_a_page_of_a_tenant_whose_statistics_are_missing_is_not_sorted(postgresql_url: str) -> None:
    async with opened(postgresql_url) as bench:
        with raw(postgresql_url) as connection:
            connection.execute("ALTER TABLE memory SET (autovacuum_enabled = off)")
        keys = [f"e{number}" for number in range(1_000)]
        for number in range(20):
            await bench.memories.update_context_memory(ANN, context(f"s{number}", *keys))
        bench.watched.sent.clear()
        await bench.memories.list_memories(ANN, MemoryQuery(), FIRST)
        [statement] = bench.watched.sent
        assert not check_plan(postgresql_url, statement, 21, reading=True)


@pytest.fixture(params=["sqlite:///x", "postgresql://x"])
def dialect(request: pytest.FixtureRequest) -> Any:
    return engine_for(request.param, writer_lanes=1).dialect


ENTRY = MEMORY.alias("entry")
ASKS = MEMORY.c.tenant_id == bindparam(TENANT)
ENTRY_ASKS = ENTRY.c.tenant_id == bindparam(TENANT)
UNSCOPED = {
    "table": select(MEMORY.c.id),
    "another table": select(CONTAINER.c.id),
    "alias": select(ENTRY.c.id),
    "only one of two": select(MEMORY.c.id, HISTORY.c.version).where(ASKS),
    "join": select(MEMORY.c.id).join(HISTORY, HISTORY.c.memory_id == MEMORY.c.id).where(ASKS),
    "outer join of an alias": select(MEMORY.c.id).outerjoin(ENTRY, ENTRY.c.session_id == MEMORY.c.id).where(ASKS),
    "nested in a condition": visible(select(MEMORY.c.id).where(MEMORY.c.id.in_(select(ENTRY.c.id)))),
    "nested asks, the outer one does not": select(MEMORY.c.id).where(
        MEMORY.c.id.in_(select(MEMORY.c.id).where(ASKS).correlate(None))
    ),
    "nested in a union": visible(
        select(MEMORY.c.id).where(MEMORY.c.id.in_(union(visible(select(ENTRY.c.id)), select(HISTORY.c.memory_id))))
    ),
    "nested in the columns": visible(select(MEMORY.c.id, select(HISTORY.c.version).limit(1).scalar_subquery())),
    "nested in the source": select(select(MEMORY.c.id).subquery().c.id),
    "common table expression": select(select(MEMORY.c.id).cte("x").c.id),
    "exists": visible(select(MEMORY.c.id).where(select(ENTRY.c.id).exists())),
    "either": select(MEMORY.c.id).where(or_(ASKS, true())),
    "not": select(MEMORY.c.id).where(not_(ASKS)),
    "another column": select(MEMORY.c.id).where(MEMORY.c.id == bindparam(TENANT)),
    "another parameter": select(MEMORY.c.id).where(MEMORY.c.tenant_id == bindparam("other")),
    "all of the tenant's": of_tenant(select(MEMORY.c.id)),
    "all of the tenant's containers": of_tenant(select(CONTAINER.c.id)),
    "nested, all of the tenant's": visible(
        select(MEMORY.c.id).where(MEMORY.c.id.in_(of_tenant(select(HISTORY.c.memory_id))))
    ),
    "guarded by another condition": of_tenant(select(MEMORY.c.id)).where(
        or_(MEMORY.c.guarded.is_(False), MEMORY.c.owner.is_(None))
    ),
}


@pytest.mark.parametrize("name", UNSCOPED)
def test_a_statement_that_does_not_ask_whose_rows_they_are_is_refused(name: str, dialect: Any) -> None:
    with pytest.raises(UnscopedStatement):
        compile_visible(UNSCOPED[name], dialect)


def test_what_nobody_asks_names_the_tenant_too(dialect: Any) -> None:
    compile_of_tenant(of_tenant(select(MEMORY.c.id)), dialect)
    with pytest.raises(UnscopedStatement):
        compile_of_tenant(select(MEMORY.c.id), dialect)


SCOPED = {
    "table": visible(select(MEMORY.c.id)),
    "join": visible(select(MEMORY.c.id).join(HISTORY, HISTORY.c.memory_id == MEMORY.c.id)),
    "nested": visible(select(MEMORY.c.id).where(MEMORY.c.id.in_(visible(select(ENTRY.c.id))))),
    "no rows of tenants": select(bindparam("x")),
}


@pytest.mark.parametrize("name", SCOPED)
def test_a_statement_that_asks_for_the_tenant_of_every_source_is_compiled(name: str, dialect: Any) -> None:
    assert compile_visible(SCOPED[name], dialect).text.startswith("SELECT")
