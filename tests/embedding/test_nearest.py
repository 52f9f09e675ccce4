"""How the nearest are found: the same by pgvector, by numpy on SQLite, and by numpy beside a PostgreSQL without it."""

import math
import random

import numpy as np
import pytest

from mnesis.domain.filters import MemoryFilter
from mnesis.domain.memory_types import MemoryType
from mnesis.domain.searching import SearchMode, query_stems
from mnesis.storage import nearest
from mnesis.usecases.embedding import Embedded
from mnesis.usecases.ports import Meaning, MemoryQuery, SearchRequest
from tests.embedding.speaking import EmbeddingServer
from tests.embedding.workbench import Mind, minded
from tests.storage.workbench import ANN, context, fact, made, raw, session

pytestmark = pytest.mark.anyio

DIMENSIONS = 5
MODEL = "words"


def vector(*numbers: float) -> bytes:
    found = np.array(numbers, "<f4")
    return bytes((found / np.linalg.norm(found)).astype("<f4"))


def angle(degrees: float) -> bytes:
    """In the plane of the first two dimensions."""
    return vector(math.cos(math.radians(degrees)), math.sin(math.radians(degrees)))


async def embedded(mind: Mind, *vectors: bytes | None) -> list[str]:
    """Facts with these embeddings; their ids."""
    memories = await made(mind.memories, *(fact(f"fact {number}") for number in range(len(vectors))))
    by_id = {memory.id: each for memory, each in zip(memories, vectors, strict=True)}
    store = mind.database.embeddings
    dues = await store.take(len(vectors))
    await store.keep(MODEL, [Embedded(due=due, mark=b"m", vector=by_id[due.memory_id]) for due in dues])
    return [memory.id for memory in memories]


def request(meant: bytes, *, vectors: int = 10_000, candidates: int = 2_000, size: int = 50) -> SearchRequest:
    return SearchRequest(
        stems=(),
        size=size,
        candidates=candidates,
        mode=SearchMode.SEMANTIC,
        meant=Meaning(model=MODEL, vector=meant),
        vectors=vectors,
    )


async def scores(mind: Mind, asked: SearchRequest, query: MemoryQuery | None = None) -> dict[str, float]:
    page = await mind.database.reader.search_memories(ANN, query or MemoryQuery(), asked)
    return {hit.memory.id: hit.score for hit in page.hits}


@pytest.fixture(params=["whole", "in chunks"])
def _chunks(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param == "in chunks":
        monkeypatch.setattr(nearest, "CHUNK", 2)


@pytest.mark.usefixtures("_chunks")
async def test_the_score_is_the_cosine(database_url: str, server: EmbeddingServer) -> None:
    async with minded(database_url, server, begins=False) as mind:
        a, b, c, _, _, f = await embedded(mind, angle(60), angle(0), angle(30), angle(90), angle(120), angle(-45))
        found = await scores(mind, request(angle(0)))
        assert list(found) == [b, c, f, a]
        assert list(found.values()) == pytest.approx([1.0, math.sqrt(3) / 2, math.sqrt(0.5), 0.5], abs=2e-6)


@pytest.mark.usefixtures("_chunks")
async def test_a_postgresql_without_the_extension_answers_the_same(
    postgresql_url: str, server: EmbeddingServer
) -> None:
    numbers = random.Random(5)
    async with minded(postgresql_url, server, begins=False) as mind:
        await embedded(mind, *(vector(*(numbers.uniform(-1, 1) for _ in range(DIMENSIONS))) for _ in range(40)), None)
        meant = vector(1, 2, 3, 4, 5)
        with_extension = await scores(mind, request(meant))
    with raw(postgresql_url) as connection:
        connection.execute("DROP EXTENSION vector")
    async with minded(postgresql_url, server, begins=False) as mind:
        without = await scores(mind, request(meant))
        assert list(without) == list(with_extension)
        assert list(without.values()) == pytest.approx(list(with_extension.values()), abs=2e-6)
        assert 5 < len(without) < 40
        # Asked again at once, it is not looked for again; and when it comes, it is used.
        assert await scores(mind, request(meant)) == without


async def test_the_extension_is_used_when_it_comes(
    postgresql_url: str, server: EmbeddingServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    with raw(postgresql_url) as connection:
        connection.execute("DROP EXTENSION vector")
    async with minded(postgresql_url, server, begins=False) as mind:
        await embedded(mind, angle(10), angle(20))
        before = await scores(mind, request(angle(0)))
        with raw(postgresql_url) as connection:
            connection.execute("CREATE EXTENSION vector")
        monkeypatch.setattr(nearest, "ASKED_AGAIN_S", 0.0)
        monkeypatch.setattr(nearest, "CHUNK", 0)
        assert await scores(mind, request(angle(0))) == before


async def test_the_filter_is_part_of_the_match(database_url: str, server: EmbeddingServer) -> None:
    async with minded(database_url, server) as mind:
        await made(mind.memories, session("s", summary="tea"), *(fact(f"tea {number}") for number in range(30)))
        await mind.memories.update_context_memory(ANN, context("s", "1", "2", text="tea"))
        await mind.settled()
        assert sorted(await mind.found("infusion", session_id="s")) == ["tea 1", "tea 2"]
        assert len(await mind.found("infusion", types=frozenset({MemoryType.LONG_TERM}))) == 30
        assert await mind.found("infusion", text="tea 29") == ["tea 29"]
        assert await mind.found("infusion", ids=frozenset({"s", "no"})) == ["None"]
        assert await mind.found("infusion", never=MemoryFilter(text="tea")) == []
        assert await mind.found("infusion", container_id="other") == []
        assert await mind.found("infusion", pinned=True) == []


async def test_what_is_compared_is_bounded(database_url: str, server: EmbeddingServer) -> None:
    async with minded(database_url, server, begins=False) as mind:
        _, b, c, d = await embedded(mind, angle(0), angle(30), angle(20), angle(10))
        # The newest three, and the nearest two of those.
        assert set(await scores(mind, request(angle(0), vectors=3))) == {b, c, d}
        assert list(await scores(mind, request(angle(0), vectors=3, candidates=2))) == [d, c]
        first = await mind.database.reader.search_memories(ANN, MemoryQuery(), request(angle(0), size=1, vectors=3))
        assert (first.has_next, first.mode) == (True, SearchMode.SEMANTIC)


async def test_embeddings_of_other_dimensions_are_not_compared(database_url: str, server: EmbeddingServer) -> None:
    async with minded(database_url, server, begins=False) as mind:
        await embedded(mind, angle(0), vector(1, 0, 0))
        assert len(await scores(mind, request(angle(0)))) == 1
        assert len(await scores(mind, request(vector(1, 0, 0)))) == 1
        assert await scores(mind, request(b"")) == {}


async def test_both_lists_are_fused(database_url: str, server: EmbeddingServer) -> None:
    async with minded(database_url, server) as mind:
        texts = ["The automobile is red.", "A car, a car.", "Rain."]
        await made(mind.memories, *map(fact, texts))
        await mind.settled()
        # By its words only the second is found, by its meaning both are, and that it is in both lists counts.
        assert await mind.found("car", SearchMode.FULL_TEXT) == ["A car, a car."]
        hybrid = await mind.found("car", SearchMode.HYBRID)
        assert hybrid == ["A car, a car.", "The automobile is red."]
        page = await mind.memories.search_for(
            ANN,
            MemoryQuery(),
            SearchRequest(stems=query_stems("car"), size=5, candidates=100, mode=SearchMode.AUTO),
            "car",
            firmly=False,
        )
        assert page.mode is SearchMode.HYBRID
        assert [hit.score for hit in page.hits] == pytest.approx([2 / 61, 1 / 62], abs=1e-6)
