"""Retention by the clock of a server: it comes again, also after a failure, alone, and holds nothing up."""

import asyncio
import json
import logging
import time
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from mnesis import schedule
from mnesis.domain.limits import Limits
from mnesis.schedule import retained
from mnesis.storage.database import Database, open_database
from mnesis.usecases.memories import Memories
from mnesis.usecases.ports import MemoryQuery, StoreFault
from mnesis.usecases.retention import MemoryRetention
from tests.server.running import running_server
from tests.storage.workbench import ANN, fact, is_sqlite, made, raw, rows

EVERY_S = 0.05


@pytest.fixture
async def database(database_url: str, anyio_backend: str) -> AsyncIterator[Database]:
    database = open_database(database_url, limits=Limits(), reader_threads=1, writer_lanes=1)
    memories = Memories(store=database.store, reader=database.reader, limits=Limits())
    await made(memories, fact(), fact())
    keep_one(database_url)
    yield database
    await database.close()


def keep_one(url: str) -> None:
    with raw(url) as connection:
        connection.execute(f"UPDATE container SET retention = '{json.dumps({'LONG_TERM': {'count': 1}})}'")


def live(url: str) -> int:
    [(count,)] = rows(url, "SELECT count(*) FROM memory WHERE NOT deleted")
    return int(count)


async def until_one_is_left(url: str) -> None:
    deadline = time.monotonic() + 20
    while live(url) > 1:
        assert time.monotonic() < deadline
        await asyncio.sleep(0.02)


def of(database: Database) -> MemoryRetention:
    return MemoryRetention(database.aging, database.store, database.reader)


@pytest.mark.anyio
async def test_it_comes_again_and_again(database: Database, database_url: str) -> None:
    memories = Memories(store=database.store, reader=database.reader, limits=Limits())
    async with retained(of(database), database.aging, every_s=EVERY_S):
        await until_one_is_left(database_url)
        await made(memories, fact(), fact())
        await until_one_is_left(database_url)
    assert await memories.count_memories(ANN, MemoryQuery()) == 1


@pytest.mark.anyio
async def test_it_can_be_switched_off(database: Database, database_url: str) -> None:
    async with retained(of(database), database.aging, every_s=0):
        await asyncio.sleep(4 * EVERY_S)
    assert live(database_url) == 2


@pytest.mark.anyio
async def test_a_failure_is_logged_and_the_next_run_still_comes(
    database: Database, database_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    class Failing:
        """The real one, but it cannot be reached at first."""

        tries = 0

        def __getattr__(self, name: str) -> Any:
            return getattr(database.aging, name)

        async def tenants(self, *given: Any) -> Any:
            self.tries += 1
            if self.tries < 3:
                raise StoreFault("It does not answer.")
            return await database.aging.tenants(*given)

    failing: Any = Failing()
    caplog.set_level(logging.INFO)
    retention = MemoryRetention(failing, database.store, database.reader)
    async with retained(retention, failing, every_s=EVERY_S):
        await until_one_is_left(database_url)
        await asyncio.sleep(EVERY_S)
    assert caplog.text.count("A retention run failed; the next one goes on with the rest.") == 2
    assert "Retention deleted 1 memories" in caplog.text


@pytest.mark.anyio
async def test_another_process_that_runs_it_is_left_alone(
    database: Database, database_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    async with database.aging.alone(), retained(of(database), database.aging, every_s=EVERY_S):
        await asyncio.sleep(8 * EVERY_S)
        assert live(database_url) == (1 if is_sqlite(database_url) else 2)
    assert ("Another process runs retention" in caplog.text) is not is_sqlite(database_url)


@pytest.mark.anyio
async def test_stopping_interrupts_a_run(database: Database) -> None:
    begun = asyncio.Event()

    class Endless:
        def __getattr__(self, name: str) -> Any:
            return getattr(database.aging, name)

        async def tenants(self, *given: Any) -> Any:
            begun.set()
            await asyncio.Event().wait()

    endless: Any = Endless()
    retention = MemoryRetention(endless, database.store, database.reader)
    async with asyncio.timeout(10):
        async with retained(retention, endless, every_s=EVERY_S):
            await begun.wait()
        # What it held is free again.
        async with database.aging.alone() as alone:
            assert alone


@pytest.mark.anyio
async def test_the_first_run_does_not_wait_for_as_long_as_the_others(
    database: Database, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(schedule, "FIRST_AFTER_S", EVERY_S)
    async with retained(of(database), database.aging, every_s=86_400):
        await until_one_is_left(database_url)


def test_a_server_lets_age_out_by_itself(database_url: str) -> None:
    with running_server(database_url, retention_every="1s") as server:
        for _ in range(2):
            query = 'mutation { createMemory(input: { longTerm: { memory: "x" } }) { status } }'
            answer = httpx.post(server.graphql, json={"query": query}, timeout=30).json()
            assert answer == {"data": {"createMemory": {"status": "CREATED"}}}
        keep_one(database_url)
        asyncio.run(until_one_is_left(database_url))
        started = time.monotonic()
        assert server.stop() == 0
        assert time.monotonic() - started < 10
