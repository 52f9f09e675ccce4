"""The index follows every write in its transaction, and a search asks it for no more than it may."""

from datetime import UTC, datetime
from typing import Any

import pytest

from mnesis.domain.commands import Changes, Create
from mnesis.domain.entries import ContextEntry
from mnesis.domain.memory import Memory
from mnesis.domain.memory_types import MemoryType
from mnesis.domain.searching import query_stems
from mnesis.storage import searcher
from mnesis.storage.search_index import counts_of, search_row, sought_in_counts
from mnesis.usecases.memories import Memories
from mnesis.usecases.ports import MemoryQuery, SearchPage, SearchPlace, SearchRequest
from mnesis.usecases.requests import DeleteMemory, UpdateContextMemory
from tests.storage.archives import add_container
from tests.storage.workbench import (
    ANN,
    STRANGER,
    changed,
    context,
    fact,
    is_sqlite,
    made,
    opened,
    raw,
    rows,
    session,
    update,
)

pytestmark = pytest.mark.anyio


async def page(
    memories: Memories,
    query: str,
    *,
    size: int = 10,
    most: int = 2_000,
    after: SearchPlace | None = None,
    caller: Any = ANN,
    **wanted: Any,
) -> SearchPage:
    request = SearchRequest(stems=query_stems(query), size=size, candidates=most, after=after)
    return await memories.search_memories(caller, MemoryQuery(**wanted), request)


async def found(memories: Memories, query: str, **given: Any) -> list[Any]:
    hits = (await page(memories, query, **given)).hits
    return [hit.memory.values.get("content") or hit.memory.values.get("memory") or hit.memory.id for hit in hits]


def indexed(url: str) -> int:
    """How many memories the full-text index itself holds."""
    if not is_sqlite(url):
        [[count]] = rows(url, "SELECT count(*) FROM search")
        return int(count)
    with raw(url) as connection:
        # It compares what is in the index with its own sums.
        connection.execute("INSERT INTO search_index (search_index) VALUES ('integrity-check')")
        [[count]] = connection.execute("SELECT count(*) FROM search").fetchall()
        [[tokens]] = connection.execute("SELECT sum(length(words) - length(replace(words, ' ', '')) + 1) FROM search")
        connection.execute("CREATE VIRTUAL TABLE temp.v USING fts5vocab(main, search_index, 'row')")
        [[held]] = connection.execute("SELECT sum(doc) FROM v").fetchall()
        assert held == tokens
    return int(count)


async def test_how_often_a_word_occurs_is_known_however_often_that_is(database_url: str) -> None:
    async with opened(database_url) as bench:
        [memory] = await made(bench.memories, fact("tea " * 150 + "milk milk sugar"))
    counts = search_row("acme", memory)[-1]
    sought = sought_in_counts(["tea", "milk", "sugar", "salt"])
    assert counts_of(counts, sought) == {"tea": 150, "milk": 2, "sugar": 1}
    assert counts == search_row("acme", memory)[-1]


async def test_a_memory_is_found_by_what_it_says_now(database_url: str) -> None:
    async with opened(database_url) as bench:
        memories = bench.memories
        [memory] = await made(memories, fact("tea"))
        assert await found(memories, "teas") == ["tea"]
        await update(memories, changed(memory, memory="coffee"))
        assert await found(memories, "tea") == []
        assert await found(memories, "coffee") == ["coffee"]
        await memories.delete_memory(ANN, DeleteMemory(memory_type=MemoryType.LONG_TERM, id=memory.id))
        assert await found(memories, "coffee") == []


async def test_the_index_holds_what_is_live(database_url: str) -> None:
    async with opened(database_url) as bench:
        memories = bench.memories
        [one, _] = await made(memories, fact("tea"), fact("milk"))
        await memories.update_context_memory(ANN, context("s", "a", "b", "c"))
        await memories.update_context_memory(ANN, context("s", "a", "b", text="changed"))
        await update(memories, changed(one, tags={"k": "v"}))
        assert indexed(database_url) == 6
        await memories.delete_memory(ANN, DeleteMemory(memory_type=MemoryType.SESSION, id="s"))
        assert indexed(database_url) == 2
        await memories.update_context_memory(ANN, context("s", "a", "b", text="anew"))
        assert set(await found(memories, "anew")) == {"anew a", "anew b"}
        assert indexed(database_url) == 5


async def test_what_erases_a_row_erases_its_words(database_url: str) -> None:
    async with opened(database_url) as bench:
        await made(bench.memories, fact("tea"), fact("milk"))
        with raw(database_url) as connection:
            if is_sqlite(database_url):
                connection.execute("PRAGMA foreign_keys = ON")
            connection.execute("DELETE FROM memory WHERE memory = 'tea'")
        assert indexed(database_url) == 1


async def test_a_change_beside_the_words_leaves_the_index_alone(database_url: str) -> None:
    async with opened(database_url) as bench:
        [memory] = await made(bench.memories, fact("tea"))
        bench.watched.sent.clear()
        await update(bench.memories, changed(memory, pinned=True))
        assert [sent for sent in bench.watched.sent if "search" in sent.text] == []


async def test_a_failed_batch_leaves_the_index_as_it_was(database_url: str) -> None:
    async with opened(database_url) as bench:
        [memory] = await made(bench.memories, fact("tea"))
        await update(bench.memories, changed(memory, memory="milk"), changed(memory, if_version=9, memory="x"))
        assert await found(bench.memories, "tea") == ["tea"]


async def test_every_filter_applies(database_url: str) -> None:
    async with opened(database_url) as bench:
        memories = bench.memories
        [one, two] = await made(memories, fact("tea one"), fact("tea two"))
        await memories.update_context_memory(ANN, context("s", "a", "b", text="tea"))
        await memories.update_context_memory(ANN, context("t", "a", text="tea"))
        assert len(await found(memories, "tea")) == 5
        assert set(await found(memories, "tea", session_id="s")) == {"tea a", "tea b"}
        assert await found(memories, "tea", ids=frozenset({two.id})) == ["tea two"]
        assert set(await found(memories, "tea", types=frozenset({MemoryType.LONG_TERM}))) == {"tea one", "tea two"}
        assert len(await found(memories, "tea", container_id="default")) == 5
        assert await found(memories, "tea", container_id="elsewhere") == []
        assert await found(memories, "tea", ids=frozenset({one.id}), session_id="s") == []


async def test_a_tenant_neither_finds_nor_feels_another(database_url: str) -> None:
    async with opened(database_url) as bench:
        memories = bench.memories
        await made(memories, fact("green tea"), fact("black tea"), fact("green apple"))
        before = [(hit.memory.id, hit.score) for hit in (await page(memories, "green tea")).hits]
        await made(memories, *[fact(f"green number {n}") for n in range(50)], caller=STRANGER)
        assert [(hit.memory.id, hit.score) for hit in (await page(memories, "green tea")).hits] == before
        assert await found(memories, "tea", caller=STRANGER) == []


async def test_pages_follow_each_other_without_gap_or_repeat(database_url: str) -> None:
    async with opened(database_url) as bench:
        await made(bench.memories, *[fact(f"tea {'leaf ' * (number % 5)}{number}") for number in range(25)])
        whole = (await page(bench.memories, "tea leaves", size=100)).hits
        assert len(whole) == 25
        paged: list[Memory] = []
        after, more = None, True
        while more:
            part = await page(bench.memories, "tea leaves", size=7, after=after)
            paged += [hit.memory for hit in part.hits]
            after, more = part.hits[-1].place, part.has_next
        assert [each.id for each in paged] == [hit.memory.id for hit in whole]
        assert await page(bench.memories, "tea", size=0) == SearchPage(hits=(), has_next=True)


async def test_rare_words_are_looked_for_first_when_there_are_too_many(database_url: str) -> None:
    async with opened(database_url) as bench:
        memories = bench.memories
        await made(memories, fact("common rare"))
        await made(memories, *[fact(f"common word {number}") for number in range(100)])
        assert await found(memories, "common rare", most=5, size=1) == ["common rare"]
        only = await found(memories, "common", most=5, size=100)
        assert len(only) == 5
        assert "common word 99" in only
        assert len(await found(memories, "common words", most=5, size=100)) == 5


async def test_a_search_looks_at_no_more_than_it_may(database_url: str) -> None:
    async with opened(database_url) as bench:
        memories = bench.memories
        await made(memories, *[fact(f"tea {number}") for number in range(500)])
        with raw(database_url) as connection:
            if not is_sqlite(database_url):
                connection.execute("VACUUM ANALYZE")
        for wanted in ({}, {"container_id": "default"}):
            assert len(await found(memories, "tea", most=20, size=100, **wanted)) == 20
        await page(memories, "tea 4", most=20)
        assert all(
            sent.parameters.get("size", 0) <= 20 and sent.parameters.get("most", 0) <= 200
            for sent in bench.watched.sent
            if isinstance(sent.parameters, dict) and "match" in sent.parameters
        )


async def test_the_matches_of_a_word_that_most_memories_have_are_not_all_fetched(database_url: str) -> None:
    async with opened(database_url) as bench:
        await made(bench.memories, *[fact(f"tea {number}") for number in range(500)])
        with raw(database_url) as connection:
            if not is_sqlite(database_url):
                connection.execute("VACUUM ANALYZE")
        bench.watched.sent.clear()
        assert len(await found(bench.memories, "tea 4", most=20, size=100)) == 20
        asked = [sent for sent in bench.watched.sent if "match" in (sent.parameters or ())]
        if is_sqlite(database_url):
            [looked_at, *_] = [sent for sent in asked if "looked_at" in sent.text]
            with raw(database_url) as connection:
                plan = connection.execute(f"EXPLAIN QUERY PLAN {looked_at.text}", looked_at.parameters).fetchall()
            # Nothing is sorted, and every table is entered from the matches: so it ends with the last one wanted.
            steps = [step for *_, step in plan]
            assert not [step for step in steps if "TEMP B-TREE" in step]
            # What follows them asks whether a memory in a guarded container may be seen.
            assert [step.split()[1] for step in steps if " INDEX " in step][:3] == ["search_index", "search", "memory"]
        else:
            # PostgreSQL expects so many of the one word that it need not count them; of the other it must.
            counted = [sent.parameters["match"] for sent in asked if "count(*)" in sent.text]
            assert not [match for match in counted if "xtea" in match and "&" not in match]
            assert [match for match in counted if match.endswith("x4'")]


async def test_words_of_which_postgresql_knows_nothing_are_counted(
    postgresql_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # As in a table so large that what it assumes of any word is more than is counted.
    monkeypatch.setattr(searcher, "LOOKED_AT", 1)
    monkeypatch.setattr(searcher, "EXPECTED", 0.01)
    async with opened(postgresql_url) as bench:
        with raw(postgresql_url) as connection:
            connection.execute("ALTER TABLE search SET (autovacuum_enabled = off)")
        await made(bench.memories, *[fact(f"tea {number}") for number in range(300)])
        assert await found(bench.memories, "tea 7", most=20, size=1) == ["tea 7"]
        asked = [sent for sent in bench.watched.sent if "match" in (sent.parameters or ())]
        assert [sent for sent in asked if sent.text.startswith("EXPLAIN")]
        counted = [sent.parameters["match"] for sent in asked if sent.text.startswith("SELECT count(*)")]
        assert [match for match in counted if match.endswith("x7'")]


async def test_a_large_tenant_is_not_counted_every_time(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(searcher, "LARGE", 2)
    monkeypatch.setattr(searcher, "_COUNTS_KEPT", 1)
    async with opened(database_url) as bench:
        for caller in (ANN, STRANGER):
            await made(bench.memories, *[fact(f"tea {number}") for number in range(3)], caller=caller)
        for caller in (ANN, STRANGER, STRANGER):
            assert len(await found(bench.memories, "tea", caller=caller)) == 3
        counts = [sent for sent in bench.watched.sent if "sum(search.length)" in sent.text]
        assert len(counts) == 2


async def test_a_small_tenant_is_counted_when_something_was_written(database_url: str) -> None:
    async with opened(database_url) as bench:
        await made(bench.memories, *[fact(f"tea {number}") for number in range(3)])
        assert await found(bench.memories, "coffee") == []

        def counted() -> int:
            return len([sent for sent in bench.watched.sent if sent.text.startswith("SELECT count(*)")])

        for _ in range(3):
            assert len(await found(bench.memories, "tea")) == 3
        before = counted()
        first = [(hit.score, hit.memory.id) for hit in (await page(bench.memories, "tea")).hits]
        assert counted() == before
        await made(bench.memories, fact("coffee"), fact("more tea"))
        assert await found(bench.memories, "coffee") == ["coffee"]
        assert len(await found(bench.memories, "tea")) == 4
        assert counted() > before
        scores = [hit.score for hit in (await page(bench.memories, "tea")).hits]
        assert scores != [score for score, _ in first]


async def test_common_words_of_a_large_tenant_are_not_counted_every_time(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(searcher, "LARGE", 2)
    monkeypatch.setattr(searcher, "COMMON", 2)
    async with opened(database_url) as bench:
        await made(bench.memories, *[fact(f"tea {number}") for number in range(3)])
        for _ in range(2):
            assert len(await found(bench.memories, "tea")) == 3
            assert len(await found(bench.memories, "1")) == 1
        asked = [sent for sent in bench.watched.sent if sent.text.startswith("SELECT count(*)")]
        matches = [sent.parameters["match"] for sent in asked if "match" in (sent.parameters or ())]
        assert len([match for match in matches if "xtea" in match]) == 1
        assert len([match for match in matches if "x1" in match]) == 2


async def test_the_entries_after_a_question_are_found_with_it(database_url: str) -> None:
    async with opened(database_url) as bench:
        memories = bench.memories
        said = ["Which colour?", "Blue.", "Good.", "Bye."]
        entries = tuple(
            ContextEntry(id=f"m{n}", given={"content": text}, created_at=datetime(2025, 1, 1, 0, n, tzinfo=UTC))
            for n, text in enumerate(said)
        )
        await memories.update_context_memory(
            ANN, UpdateContextMemory(session_id="s", entries=entries, create_session=True)
        )
        assert await found(memories, "colour") == ["Which colour?", "Blue.", "Good."]
        [answer] = [hit.memory for hit in (await page(memories, "blue")).hits[:1]]
        assert await found(memories, "colour", ids=frozenset({answer.id})) == []
        await memories.update_context_memory(
            ANN,
            UpdateContextMemory(session_id="s", entries=(ContextEntry(id="m0", given={"content": "Which size?"}),)),
        )
        assert await found(memories, "colour") == []


async def test_texts_of_any_kind_are_indexed(database_url: str) -> None:
    long = " ".join(f"word{number}" for number in range(5_000))
    texts = [long, "'quoted' \"words\" & | ! : * ( ) \\ <->", "東京都 日本", "ﷺ ﷺ", "x" * 60_000, "a:1 b:2", "{1,2}"]
    async with opened(database_url) as bench:
        await made(bench.memories, *map(fact, texts))
        assert await found(bench.memories, "quoted words") == [texts[1]]
        assert await found(bench.memories, "'\"*)( NOT NEAR AND quoted:* | !") == [texts[1]]
        assert await found(bench.memories, "東京") == [texts[2]]
        assert await found(bench.memories, "word3") == [long]
        assert await found(bench.memories, "word4999") == []


async def test_a_session_is_found_by_its_summary(database_url: str) -> None:
    async with opened(database_url) as bench:
        await made(bench.memories, session("s", summary="Planning the wedding."))
        assert await found(bench.memories, "weddings") == ["s"]


async def test_memories_in_two_containers_are_told_apart(database_url: str) -> None:
    async with opened(database_url) as bench:
        await made(bench.memories, fact("tea"))
        add_container(database_url, "c")
        changes = Changes(memory_type=MemoryType.LONG_TERM, given={"memory": "tea in c"})
        await made(bench.memories, Create(changes=changes, container_id="c"))
        assert await found(bench.memories, "tea", container_id="c") == ["tea in c"]
