"""What the measurement of growth relies on: a database filled past the server is as the server would have made it."""

import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from benchmarks import growth_loading
from benchmarks.growth_charts import draw
from benchmarks.growth_loading import LOADER, load, reference, session_id
from mnesis.domain.ids import RecordId
from mnesis.domain.searching import query_stems
from mnesis.usecases.ports import MemoryQuery, PageRequest, SearchRequest
from mnesis.usecases.requests import UpdateMemories
from tests.storage.workbench import changed, opened

RESULTS = Path(growth_loading.__file__).parent / "results" / "growth.json"


@pytest.fixture
def loaded_url(empty_database_url: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """Three copies of a pattern of 100."""
    monkeypatch.setattr(growth_loading, "PATTERN", 100)
    load(empty_database_url, 300, lambda _: None)
    return empty_database_url


@pytest.mark.anyio
async def test_what_is_loaded_can_be_listed_searched_and_changed(loaded_url: str) -> None:
    async with opened(loaded_url) as bench:
        memories = bench.memories
        assert await memories.count_memories(LOADER, MemoryQuery()) == 300
        newest = await memories.list_memories(LOADER, MemoryQuery(), PageRequest(size=100))
        assert newest.has_next
        times = [memory.created_at for memory in newest.rows]
        assert times == sorted(times, reverse=True)
        assert len(set(times)) == 100

        async def found(query: str, **wanted: Any) -> list[Any]:
            request = SearchRequest(stems=query_stems(query), size=100, candidates=100)
            page = await memories.search_memories(LOADER, MemoryQuery(**wanted), request)
            return [hit.memory for hit in page.hits]

        # A group's word finds the group, and the mark of a session its entries.
        assert len(await found(reference(250))) == 10
        entries = await found(reference(250), session_id=session_id(250))
        assert [memory.session_id for memory in entries] == ["s0000250"] * 5
        assert all(reference(250) in memory.values["content"] for memory in entries)

        [first] = (await memories.memories(LOADER, [session_id(256)])).values()
        items = (changed(first, summary="Something new."),)
        outcome = await memories.update_memories(LOADER, UpdateMemories(items=items))
        [one] = outcome.outcomes
        assert one.memory is not None
        # The tenant goes on where the copies end: 300 memories were 30 changes.
        assert (one.memory.version, one.memory.change) == (2, 31)
        records = await memories.records(LOADER, [RecordId(first.id, 1), RecordId(first.id, 2)])
        assert [records[each].action.value for each in sorted(records)] == ["CREATE", "UPDATE"]
        assert [memory.id for memory in await found("Something new")] == [first.id]


def test_charts_show_every_size_of_both_databases(tmp_path: Path) -> None:
    results = json.loads(RESULTS.read_text())
    draw(results, tmp_path)
    drawn = sorted(tmp_path.iterdir())
    assert [path.name for path in drawn] == [f"growth-{name}.svg" for name in ("latency", "memory", "reads", "update")]
    for path in drawn:
        words = [element.text for element in ElementTree.parse(path).iter() if element.tag.endswith("text")]
        for found in results["databases"].values():
            assert {f"{int(size):,}" for size in found["sizes"]} <= set(words)
