"""An open database whose memories are embedded by a server of the tests."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from mnesis.domain.caller import Caller
from mnesis.domain.limits import Limits
from mnesis.domain.searching import SearchMode, query_stems
from mnesis.storage.database import Database, open_database
from mnesis.usecases.embedding import Embedding, Questions
from mnesis.usecases.memories import Memories
from mnesis.usecases.metering import UNMETERED, Meter
from mnesis.usecases.ports import MemoryQuery, SearchRequest
from tests.embedding.speaking import EmbeddingServer
from tests.storage.workbench import ANN, raw


class Mind:
    """A database, its use cases, and the task that embeds."""

    def __init__(self, database: Database, server: EmbeddingServer, *, model: str, timeout_s: float) -> None:
        self.database = database
        self.embedder = server.embedder(model=model, timeout_s=timeout_s)
        limits = Limits()
        self.questions = Questions(self.embedder, timeout_s=1.0)
        self.memories = Memories(store=database.store, reader=database.reader, limits=limits, questions=self.questions)
        self.worker = Embedding(self.embedder, database.embeddings, poll_s=0.05, back_off_s=(0.02, 0.1))
        database.written = self.worker.wake

    async def awaiting(self, caller: Caller = ANN) -> int:
        """How many memories await embedding."""
        count = await self.memories.count_awaiting_embedding(caller)
        assert count is not None
        return count

    async def settled(self, caller: Caller = ANN) -> None:
        """Waits until nothing awaits embedding."""
        for _ in range(1_000):
            if not await self.awaiting(caller):
                return
            await asyncio.sleep(0.01)
        raise AssertionError("Something still awaits embedding.")

    async def hurried(self, url: str) -> None:
        """The same, without waiting until it is the turn again of what was set aside."""
        for _ in range(200):
            with raw(url) as connection:
                connection.execute("UPDATE embedding_due SET due_at = 0 WHERE due_at > 0")
            if not await self.awaiting():
                return
            await asyncio.sleep(0.05)
        raise AssertionError("Something still awaits embedding.")

    async def found(
        self, question: str, mode: SearchMode = SearchMode.SEMANTIC, caller: Caller = ANN, **wanted: Any
    ) -> list[str]:
        """What is found, as text, the best first."""
        request = SearchRequest(stems=query_stems(question), size=50, candidates=2_000, mode=mode)
        page = await self.memories.search_for(caller, MemoryQuery(**wanted), request, question, firmly=True)
        return [str(hit.memory.values.get("memory") or hit.memory.values.get("content")) for hit in page.hits]


@asynccontextmanager
async def minded(
    url: str,
    server: EmbeddingServer,
    *,
    model: str = "words",
    timeout_s: float = 5.0,
    begins: bool = True,
    meter: Meter = UNMETERED,
) -> AsyncIterator[Mind]:
    """The task runs from the beginning where it ``begins``."""
    database = open_database(url, limits=Limits(), reader_threads=2, writer_lanes=2, embeds=True, meter=meter)
    mind = Mind(database, server, model=model, timeout_s=timeout_s)
    if begins:
        mind.worker.start()
    try:
        yield mind
    finally:
        await mind.worker.stop()
        await mind.embedder.close()
        await database.close()
