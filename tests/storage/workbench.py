"""Opens databases as the service does, and reaches behind its back where a test has to."""

import asyncio
import sqlite3
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, cast

import psycopg

from mnesis.domain.caller import EVERY_SCOPE, Caller
from mnesis.domain.commands import BatchOutcome, Changes, Create
from mnesis.domain.entries import ContextEntry
from mnesis.domain.json_values import JsonObject
from mnesis.domain.limits import Limits
from mnesis.domain.memory import Memory
from mnesis.domain.memory_types import MemoryType
from mnesis.storage.aging import AgingHistory
from mnesis.storage.containers import Containers
from mnesis.storage.database import SQLITE_PREFIX, Store, engine_for, new_id
from mnesis.storage.engines import Engine
from mnesis.storage.lanes import Lane, QueueBounds
from mnesis.storage.reader import Reader
from mnesis.storage.removing import Removing
from mnesis.storage.transaction import Transactions
from mnesis.usecases.memories import Memories
from mnesis.usecases.requests import CreateMemories, MemoryUpdate, UpdateContextMemory, UpdateMemories

ANN = Caller(tenant="acme", subject="ann", scopes=EVERY_SCOPE)
STRANGER = Caller(tenant="globex", subject="ann", scopes=EVERY_SCOPE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """The parts of an open database. ``watched`` has seen every statement."""

    memories: Memories
    store: Store
    reader: Reader
    aging: AgingHistory
    watched: "Watched"


@asynccontextmanager
async def opened(
    url: str,
    *,
    clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    bounds: QueueBounds | None = None,
    limits: Limits | None = None,
    lanes: int = 1,
    embeds: bool = False,
) -> AsyncIterator[Bench]:
    """A database with its parts within reach, closed at the end."""
    limits = limits or Limits()
    watched = Watched(engine_for(url, writer_lanes=lanes))
    engine = cast(Engine, watched)
    transactions = Transactions(engine, limits, new_id, clock, embeds=embeds)
    writers = [Lane(engine, transactions, bounds or QueueBounds(), f"lane-{n}") for n in range(lanes)]
    removing = Removing(engine, transactions)
    store = Store(writers, removing, Containers(engine, transactions, removing))
    reader = Reader(engine, threads=2)
    memories = Memories(store=store, reader=reader, limits=limits)
    aging = AgingHistory(engine, transactions, store.run)
    yield Bench(memories=memories, store=store, reader=reader, aging=aging, watched=watched)
    await asyncio.to_thread(store.close)
    await asyncio.to_thread(aging.close)
    await asyncio.to_thread(reader.close)


@dataclass(frozen=True, slots=True)
class Statement:
    """What was sent to the database."""

    text: str
    parameters: Any = None


class Watched:
    """An engine that notes what is sent through its connections."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self.sent: list[Statement] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._engine, name)

    def connect(self, *, read_only: bool) -> "_Noting":
        return _Noting(self._engine.connect(read_only=read_only), self.sent)

    @contextmanager
    def sent_together(self, connection: Any) -> Iterator["_Noting"]:
        with self._engine.sent_together(connection) as sending:
            yield sending if isinstance(sending, _Noting) else _Noting(sending, self.sent)

    def transactions(self) -> list[list[Statement]]:
        """What was sent between each BEGIN and its COMMIT."""
        found: list[list[Statement]] = []
        inside: list[Statement] = []
        for statement in self.sent:
            if statement.text.startswith("BEGIN"):
                inside = []
            elif statement.text == "COMMIT":
                found.append(inside)
            else:
                inside.append(statement)
        return found

    def begun(self) -> int:
        """How often a transaction was begun."""
        return sum(statement.text.startswith("BEGIN") for statement in self.sent)


class _Noting:
    """A connection or a cursor that notes statements."""

    def __init__(self, driver: Any, sent: list[Statement]) -> None:
        self._driver = driver
        self._sent = sent

    def __getattr__(self, name: str) -> Any:
        return getattr(self._driver, name)

    @property
    def connection(self) -> "_Noting":
        return _Noting(self._driver.connection, self._sent)

    def cursor(self) -> "_Noting":
        return _Noting(self._driver.cursor(), self._sent)

    def execute(self, text: str, *parameters: Any) -> Any:
        self._sent.append(Statement(text, *parameters))
        return self._driver.execute(text, *parameters)

    def executemany(self, text: str, rows: Any) -> Any:
        self._sent.append(Statement(text, rows))
        return self._driver.executemany(text, rows)


def is_sqlite(url: str) -> bool:
    return url.startswith(SQLITE_PREFIX)


@contextmanager
def raw(url: str) -> Iterator[Any]:
    """The driver's own connection in autocommit mode."""
    connection: Any
    if is_sqlite(url):
        connection = sqlite3.connect(
            url.removeprefix(SQLITE_PREFIX), isolation_level=None, timeout=30, check_same_thread=False
        )
    else:
        connection = psycopg.connect(url, autocommit=True)
    try:
        yield connection
    finally:
        connection.close()


def rows(url: str, statement: str) -> list[Any]:
    """What a statement of the test finds."""
    with raw(url) as connection:
        found: list[Any] = connection.execute(statement).fetchall()
        return found


@contextmanager
def write_locked(url: str, tenant: str = ANN.tenant) -> Iterator[None]:
    """Another process writes for this tenant, which must exist, until the block ends."""
    with raw(url) as connection:
        if is_sqlite(url):
            connection.execute("BEGIN IMMEDIATE")
        else:
            connection.execute("BEGIN")
            assert connection.execute("SELECT 1 FROM tenant WHERE id = %s FOR UPDATE", [tenant]).fetchall()
        try:
            yield
        finally:
            connection.execute("ROLLBACK")


async def until(happened: Callable[[], object], timeout_s: float = 10.0) -> None:
    """Waits until something holds."""
    deadline = time.monotonic() + timeout_s
    while not happened():
        assert time.monotonic() < deadline, "It did not happen in time."
        await asyncio.sleep(0.005)


def fact(text: str = "a fact", *, namespace: JsonObject | None = None, **given: Any) -> Create:
    """A long-term memory to be made."""
    changes = Changes(memory_type=MemoryType.LONG_TERM, given={"memory": text, **given})
    return Create(namespace=namespace, changes=changes)


def session(session_id: str, *, namespace: JsonObject | None = None, **given: Any) -> Create:
    """A session to be made."""
    return Create(id=session_id, namespace=namespace, changes=Changes(memory_type=MemoryType.SESSION, given=given))


def working(*, namespace: JsonObject | None = None, **given: Any) -> Create:
    """A working memory outside of sessions to be made."""
    return Create(namespace=namespace, changes=Changes(memory_type=MemoryType.WORKING, given=given))


def entry(session_id: str, **given: Any) -> Create:
    """An entry to be made."""
    return Create(session_id=session_id, changes=Changes(memory_type=MemoryType.WORKING, given=given))


async def made(memories: Memories, *items: Create, caller: Caller = ANN) -> list[Memory]:
    """Makes memories and checks that it worked."""
    outcome = await memories.create_memories(caller, CreateMemories(items=items))
    assert outcome.counts.created == len(items), outcome
    return [found.memory for found in outcome.outcomes if found.memory is not None]


def changed(memory: Memory, /, if_version: int | None = None, **given: Any) -> MemoryUpdate:
    """A change of one memory."""
    changes = Changes(memory_type=memory.type, given=given)
    return MemoryUpdate(memory_type=memory.type, id=memory.id, changes=changes, if_version=if_version)


async def update(memories: Memories, *items: MemoryUpdate, key: str | None = None) -> BatchOutcome:
    """Changes memories as Ann."""
    return await memories.update_memories(ANN, UpdateMemories(items=items, idempotency_key=key))


def context(session_id: str, *keys: str, text: str = "text", created_at: datetime | None = None) -> UpdateContextMemory:
    """Entries with these keys, in a session that is made if need be."""
    entries = tuple(
        ContextEntry(id=key, given={"content": f"{text} {key}", "metadata": {"n": 1}}, created_at=created_at)
        for key in keys
    )
    return UpdateContextMemory(session_id=session_id, entries=entries, create_session=True)
