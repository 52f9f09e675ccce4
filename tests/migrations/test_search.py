"""A database from before there was search can be searched once it is brought up to date."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import text

from mnesis.domain.memory_types import MemoryType
from mnesis.domain.searching import query_stems
from mnesis.storage.instants import to_microseconds
from mnesis.storage.migrations import downgrade, upgrade
from mnesis.storage.schema_access import changing, reading
from mnesis.usecases.ports import MemoryQuery, SearchRequest
from tests.storage.workbench import ANN, changed, opened, update

BEFORE = "0002"
AT = to_microseconds(datetime(2025, 3, 4, tzinfo=UTC))
MESSAGES = [{"role": "critic", "text": "Buttermilk."}, {"role": "user", "parts": [{"text": "Pancakes."}]}]
ROWS: list[dict[str, Any]] = [
    {"id": "s", "memory_type": "SESSION", "summary": "Breakfast plans."},
    {"id": "e", "memory_type": "WORKING", "session_id": "s", "content": "Toast.", "role": "cook", "tags": {"a": "jam"}},
    {"id": "w", "memory_type": "WORKING", "messages": MESSAGES},
    {"id": "l", "memory_type": "LONG_TERM", "memory": "Likes waffles."},
    {"id": "gone", "memory_type": "LONG_TERM", "memory": "Likes croissants.", "deleted": True},
    *({"id": f"many-{number}", "memory_type": "LONG_TERM", "memory": "Crumbs."} for number in range(1_500)),
]
QUESTIONS = {
    "breakfast": "s",
    "toasted": "e",
    "jam": "e",
    "cook": "e",
    "march": "e",
    "buttermilk": "w",
    "pancake": "w",
    "critic": "w",
    "waffle": "l",
    "croissant": None,
}


def fill(url: str) -> None:
    names = ["id", "memory_type", "session_id", "summary", "content", "role", "messages", "tags", "memory", "deleted"]
    with changing(url) as connection:
        for tenant in ("acme", "other"):
            connection.execute(text("INSERT INTO tenant (id, change, created_at) VALUES (:t, 9, 1)"), {"t": tenant})
            connection.execute(
                text("INSERT INTO container (tenant_id, id, name, created_at) VALUES (:t, 'default', 'default', 1)"),
                {"t": tenant},
            )
        connection.execute(
            text(
                "INSERT INTO memory (tenant_id, container_id, namespace, version, created_at, updated_at,"
                " content_updated_at, arrival, change, payload_type, pinned,"
                f" {', '.join(names)}) VALUES ('acme', 'default', '{{}}', 1, {AT}, {AT}, {AT}, :arrival, 1,"
                f" 'CONVERSATIONAL', false, {', '.join(f':{name}' for name in names)})"
            ),
            [
                {"arrival": number, "deleted": False}
                | dict.fromkeys([name for name in names if name not in row and name != "deleted"])
                | {name: json.dumps(value) if isinstance(value, list | dict) else value for name, value in row.items()}
                for number, row in enumerate(ROWS)
            ],
        )
        connection.commit()


@pytest.mark.anyio
async def test_what_was_there_before_is_found(empty_database_url: str) -> None:
    upgrade(empty_database_url)
    downgrade(empty_database_url, BEFORE)
    fill(empty_database_url)

    upgrade(empty_database_url)

    with reading(empty_database_url) as connection:
        assert connection.execute(text("SELECT count(*) FROM search")).scalar_one() == len(ROWS) - 1
    async with opened(empty_database_url) as bench:
        for question, answer in QUESTIONS.items():
            request = SearchRequest(stems=query_stems(question), size=1, candidates=2_000)
            page = await bench.memories.search_memories(ANN, MemoryQuery(), request)
            assert [hit.memory.id for hit in page.hits] == ([answer] if answer else []), question
        # What is written afterwards takes the place of what the migration wrote.
        found = await bench.memories.memories(ANN, ["l"])
        assert found["l"].type is MemoryType.LONG_TERM
        await update(bench.memories, changed(found["l"], memory="Likes muffins."))
        request = SearchRequest(stems=query_stems("waffles"), size=1, candidates=2_000)
        assert (await bench.memories.search_memories(ANN, MemoryQuery(), request)).hits == ()
