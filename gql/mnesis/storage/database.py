"""A database as a whole: its lanes, its reader, and which engine a URL names."""

import asyncio
from collections.abc import Callable, Collection
from pathlib import Path
from typing import TypeVar
from zlib import crc32

import uuid_utils

from mnesis.domain.caller import Caller
from mnesis.domain.commands import Batch, BatchOutcome
from mnesis.domain.limits import Limits
from mnesis.domain.quotas import Quotas
from mnesis.storage.aging import AgingHistory
from mnesis.storage.containers import Containers
from mnesis.storage.embeddings import Embeddings
from mnesis.storage.engines import DriverCursor, Engine
from mnesis.storage.feed import Feed
from mnesis.storage.jobs import JobRows
from mnesis.storage.lanes import Lane, QueueBounds
from mnesis.storage.postgres_engine import PostgresEngine
from mnesis.storage.quotas import QuotaKeeper
from mnesis.storage.reader import Reader
from mnesis.storage.removing import Removing
from mnesis.storage.sqlite_engine import SqliteEngine
from mnesis.storage.traces import TraceRows
from mnesis.storage.transaction import Transactions
from mnesis.storage.wakeups import NoWakeups, PostgresWakeups
from mnesis.usecases import ports
from mnesis.usecases.embedding import EmbeddingStore
from mnesis.usecases.jobs import JobStore
from mnesis.usecases.metering import UNMETERED, Meter
from mnesis.usecases.ports import ChangeFeed, ContainerOutcome, ContainerWrite, MemoryReader, Removal, RemovalStep
from mnesis.usecases.retention_ports import AgingStore
from mnesis.usecases.traces import TraceStore

_T = TypeVar("_T")

SQLITE_PREFIX = "sqlite:///"
POSTGRESQL_PREFIXES = ("postgresql://", "postgres://")


class UnknownDatabase(ValueError):
    """The URL names no database that this service can use."""


class Store:
    """Writes through the lanes, what belongs to one tenant always through the same one."""

    def __init__(self, lanes: list[Lane], removing: Removing, containers: Containers) -> None:
        self._lanes = lanes
        self._removing = removing
        self._containers = containers

    async def apply(self, caller: Caller, batch: Batch) -> BatchOutcome:
        return await self._lane(caller).apply(caller.tenant, batch)

    async def remove(
        self,
        caller: Caller,
        removal: Removal,
        ids: Collection[str],
        *,
        found: str | None = None,
        last: bool = False,
    ) -> RemovalStep:
        return await self._lane(caller).run(
            caller.tenant, lambda cursor: self._removing.step(cursor, caller, removal, ids, found=found, last=last)
        )

    async def write_container(self, caller: Caller, write: ContainerWrite) -> ContainerOutcome:
        return await self._lane(caller).run(caller.tenant, lambda cursor: self._containers.write(cursor, caller, write))

    async def run(self, caller: Caller, job: Callable[[DriverCursor], _T]) -> _T:
        """See `Lane.run`."""
        return await self._lane(caller).run(caller.tenant, job)

    def _lane(self, caller: Caller) -> Lane:
        return self._lanes[crc32(caller.tenant.encode()) % len(self._lanes)]

    def close(self) -> None:
        """Finishes what was accepted. Blocks."""
        for lane in self._lanes:
            lane.close()


class Database:
    """An open database. The schema must be there already (see `migrations`)."""

    def __init__(
        self, engine: Engine, *, limits: Limits, reader_threads: int, embeds: bool = False, meter: Meter = UNMETERED
    ) -> None:
        transactions = Transactions(engine, limits, new_id, embeds=embeds)
        self._transactions = transactions
        self._quotas = QuotaKeeper(engine)
        bounds = QueueBounds()
        wakeups = PostgresWakeups(engine) if isinstance(engine, PostgresEngine) else NoWakeups()
        self._feed = Feed(engine, wakeups, most_queued=limits.queued_changes, meter=meter)
        self.written: Callable[[], None] | None = None
        """Called after every commit, in the lane's thread; returns at once."""
        lanes = [
            Lane(engine, transactions, bounds, f"mnesis-writer-{number}", self._committed, meter)
            for number in range(engine.most_writer_lanes)
        ]
        meter.lanes(lambda: {lane.name: lane.depth for lane in lanes})
        meter.subscribers(lambda: self._feed.subscribers)
        removing = Removing(engine, transactions)
        self._store = Store(lanes, removing, Containers(engine, transactions, removing))
        self._reader = Reader(engine, threads=reader_threads, meter=meter)
        self._aging = AgingHistory(engine, transactions, self._store.run, meter)
        self.embeddings: EmbeddingStore = Embeddings(engine, lanes[-1], self._reader)
        self.traces: TraceStore = TraceRows(engine, self._store.run, self._reader, new_id)
        self.jobs: JobStore = JobRows(engine, self._store.run, lanes[-1], self._reader, new_id)
        self.store: ports.Store = self._store
        self.reader: MemoryReader = self._reader
        self.feed: ChangeFeed = self._feed
        self.aging: AgingStore = self._aging

    def _committed(self, tenant: str) -> None:
        self._feed.committed(tenant)
        if self.written is not None:
            self.written()

    async def set_quotas(self, caller: Caller, quotas: Quotas) -> None:
        """Bounds what the caller's tenant may use from now on; empty quotas bound nothing."""

        def job(cursor: DriverCursor) -> int:
            now = self._transactions.now()
            _, _, stored = self._transactions.take_changes(cursor, caller.tenant, 0, now)
            self._quotas.set(cursor, caller, quotas, now, stored)
            return 0

        await self._store.run(caller, job)

    async def check(self) -> None:
        """A cheap round trip; raises `StoreFault` when the database does not answer."""
        await self._reader.check()

    async def close(self) -> None:
        """Finishes accepted writes and closes the connections."""
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(None, self._store.close)
        await self._feed.close()
        await loop.run_in_executor(None, self._aging.close)
        await loop.run_in_executor(None, self._reader.close)


def new_id() -> str:
    """A fresh UUIDv7."""
    return str(uuid_utils.uuid7())


def engine_for(url: str, *, writer_lanes: int) -> Engine:
    """The engine that a URL names. Raises `UnknownDatabase`, whose message shows no password."""
    if url.startswith(SQLITE_PREFIX) and len(url) > len(SQLITE_PREFIX):
        return SqliteEngine(Path(url.removeprefix(SQLITE_PREFIX)))
    if url.startswith(POSTGRESQL_PREFIXES):
        return PostgresEngine(url, writer_lanes=writer_lanes)
    raise UnknownDatabase("A database URL begins with sqlite:/// or postgresql://.")


def open_database(
    url: str,
    *,
    limits: Limits,
    reader_threads: int,
    writer_lanes: int,
    embeds: bool = False,
    meter: Meter = UNMETERED,
) -> Database:
    """Opens a database by its URL; connections are made when they are first needed.

    ``embeds`` has what is written marked for embedding.
    """
    engine = engine_for(url, writer_lanes=writer_lanes)
    return Database(engine, limits=limits, reader_threads=reader_threads, embeds=embeds, meter=meter)
