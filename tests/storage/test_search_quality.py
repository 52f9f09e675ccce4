"""Questions as people ask them, and the memories that answer them; the same on both databases."""

from datetime import UTC, datetime
from typing import Any

import pytest

from mnesis.domain.entries import ContextEntry
from mnesis.domain.memory import Memory
from mnesis.domain.searching import query_stems
from mnesis.usecases.memories import Memories
from mnesis.usecases.ports import MemoryQuery, SearchPage, SearchRequest
from mnesis.usecases.requests import UpdateContextMemory
from tests.storage.workbench import ANN, fact, made, opened, session

pytestmark = pytest.mark.anyio

FACTS = (
    "Anna is allergic to peanuts and carries an adrenaline pen.",
    "Anna drinks her coffee black, without sugar.",
    "Anna's daughter Mia started school in Porto.",
    "Ben prefers window seats on long flights.",
    "Ben works as a structural engineer for a bridge builder.",
    "The office Wi-Fi password is changed on the first Monday of a month.",
    "Invoices are sent to accounting@example.com by the 25th.",
    "The production database runs PostgreSQL 16 on db-7.",
    "Deployments are frozen between Christmas and New Year.",
    "Carla speaks Portuguese, German and a little Japanese.",
    "Carla's birthday is on the third of October.",
    "The cat is called Schrödinger and eats only dry food.",
    "Ben's car is a blue Volvo from 2014.",
    "Anna wants answers in short bullet points.",
    "The landlord agreed to repair the heating before winter.",
    "Carla bought two tickets for the opera in Vienna.",
)
TALKS: dict[str, tuple[str, datetime, list[tuple[str, str]]]] = {
    "kitchen": (
        "Renovating the kitchen: cabinets, tiles and the budget.",
        datetime(2025, 3, 4, 9, tzinfo=UTC),
        [
            ("assistant", "Which colour should the kitchen cabinets be painted?"),
            ("user", "Dark green, please."),
            ("assistant", "Noted. And how much may all of it cost?"),
            ("user", "At most twelve thousand euros."),
            ("user", "The tiles arrive next week, my brother will lay them."),
        ],
    ),
    "trip": (
        "A long weekend in Lisbon.",
        datetime(2025, 6, 10, 9, tzinfo=UTC),
        [
            ("user", "We fly to Lisbon on Friday and need a hotel near the river."),
            ("assistant", "Do you want breakfast to be included?"),
            ("user", "No, we like to eat at bakeries."),
            ("assistant", "I booked the Hotel Tejo for three nights."),
            ("user", "Great, also find a place where they play fado."),
        ],
    ),
    "bug": (
        "The export job that fails at night.",
        datetime(2025, 11, 20, 9, tzinfo=UTC),
        [
            ("user", "The nightly export crashed again with a timeout."),
            ("assistant", "The logs show that the connection pool was exhausted."),
            ("user", "We raised the pool to fifty connections and it has been stable since."),
            ("assistant", "Shall I close the ticket?"),
            ("user", "Wait until Thursday."),
        ],
    ),
}
QUESTIONS = {
    "What is Anna allergic to?": "peanuts",
    "How does Anna take her coffee?": "without sugar",
    "Where did Anna's daughter go to school?": "Porto",
    "What does Ben do for work?": "structural engineer",
    "Which seat does Ben like on a flight?": "window seats",
    "When is the Wi-Fi password changing?": "first Monday",
    "Where should I send an invoice?": "accounting@",
    "Which database do we run in production?": "PostgreSQL 16",
    "When are we not allowed to deploy?": "frozen",
    "Which languages can Carla speak?": "Portuguese",
    "When is Carla's birthday?": "third of October",
    "What does the cat eat?": "Schrödinger",
    "who is schrodinger": "Schrödinger",
    "What car does Ben drive?": "Volvo",
    "What did Carla buy for the opera?": "two tickets",
    "What did the landlord agree to?": "heating",
    "What colour did we choose for the cabinets?": "Dark green",
    "How much may the kitchen cost?": "twelve thousand",
    "Who is going to lay the tiles?": "brother",
    "Which hotel was booked in Lisbon?": "Hotel Tejo",
    "Did we want breakfast included?": "bakeries",
    "Why did the nightly export crash?": "exhausted",
    "How was the problem with the connection pools fixed?": "fifty connections",
    "Should the ticket be closed?": "until Thursday",
    "What was said about the export in November 2025?": "timeout",
}


async def fill(memories: Memories) -> None:
    await made(memories, *map(fact, FACTS))
    for session_id, (summary, at, said) in TALKS.items():
        await made(memories, session(session_id, summary=summary))
        entries = tuple(
            ContextEntry(id=f"m{number}", given={"role": role, "content": text}, created_at=at.replace(minute=number))
            for number, (role, text) in enumerate(said)
        )
        await memories.update_context_memory(ANN, UpdateContextMemory(session_id=session_id, entries=entries))


async def asked(memories: Memories, question: str, **wanted: Any) -> SearchPage:
    request = SearchRequest(stems=query_stems(question), size=10, candidates=2_000)
    return await memories.search_memories(ANN, MemoryQuery(**wanted), request)


def text_of(memory: Memory) -> str:
    values = memory.values
    return str(values.get("content") or values.get("memory") or values.get("summary"))


async def test_questions_find_their_answers_among_the_first_three(database_url: str) -> None:
    async with opened(database_url) as bench:
        await fill(bench.memories)
        missed = {}
        for question, answer in QUESTIONS.items():
            best = [text_of(hit.memory) for hit in (await asked(bench.memories, question)).hits[:3]]
            if not any(answer in text for text in best):
                missed[question] = best
        assert missed == {}


async def test_both_databases_rank_alike(sqlite_url: str, postgresql_url: str) -> None:
    found = []
    for url in (sqlite_url, postgresql_url):
        async with opened(url, clock=lambda: datetime(2025, 12, 1, tzinfo=UTC)) as bench:
            await fill(bench.memories)
            pages = [await asked(bench.memories, question) for question in QUESTIONS]
            found.append([[(text_of(hit.memory), hit.score) for hit in page.hits] for page in pages])
    assert found[0] == found[1]
