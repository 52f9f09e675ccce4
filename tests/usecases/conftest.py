"""The use cases over a real SQLite store."""

from collections.abc import AsyncIterator

import pytest

from mnesis.domain.limits import Limits
from mnesis.storage.database import open_database
from mnesis.usecases.memories import Memories

LIMITS = Limits(commands=3)


@pytest.fixture
async def memories(sqlite_url: str, anyio_backend: str) -> AsyncIterator[Memories]:
    database = open_database(sqlite_url, limits=LIMITS, reader_threads=1, writer_lanes=1)
    yield Memories(store=database.store, reader=database.reader, limits=LIMITS)
    await database.close()
