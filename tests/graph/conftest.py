"""Endpoints over real databases."""

from collections.abc import AsyncIterator

import pytest

from mnesis.domain.limits import Limits
from mnesis.graph.endpoint import GraphQLEndpoint
from mnesis.storage.database import Database, open_database
from mnesis.usecases.memories import Memories
from tests.graph.client import Client


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    opened = open_database(database_url, limits=Limits(), reader_threads=2, writer_lanes=2)
    yield opened
    await opened.close()


@pytest.fixture
def client(database: Database) -> Client:
    """For what is stored and read back: on every database."""
    memories = Memories(store=database.store, reader=database.reader, limits=Limits())
    return Client(GraphQLEndpoint(memories))


@pytest.fixture
async def memories(sqlite_url: str) -> AsyncIterator[Memories]:
    opened = open_database(sqlite_url, limits=Limits(), reader_threads=2, writer_lanes=2)
    yield Memories(store=opened.store, reader=opened.reader, limits=Limits())
    await opened.close()


@pytest.fixture
def speak(memories: Memories) -> Client:
    """For what does not depend on the database: on SQLite."""
    return Client(GraphQLEndpoint(memories))
