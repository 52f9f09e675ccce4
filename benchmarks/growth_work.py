"""What is asked of the server while a database grows, and the bare database's own way to do the same update."""

import json
import random
import sqlite3
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psycopg

from benchmarks.growth_loading import (
    APART_US,
    GROUP,
    PEOPLE,
    PLACES,
    SESSIONS,
    TENANT,
    THINGS,
    created_us,
    reference,
    session_id,
)
from mnesis.graph.cursors import CursorKind, cursor_text
from mnesis.usecases.ports import Cursor

SERVER_CORE, LOAD_CORE = 0, 1
"""PostgreSQL runs beside the load, and the bare database's client in the server's place."""
BODIES = 20_000
RESERVED = 10_000_000
"""Change numbers that pgbench takes from a sequence of its own; none of them is given twice."""
_SCRIPT = Path(__file__).with_name("growth_wrk.lua")

_UPDATE = """
mutation UpdateMemory($id: ID!, $input: UpdateMemoryInput!) {
  updateMemory(type: SESSION, id: $id, input: $input) {
    status version
    memory { __typename id version updatedAt ... on SessionMemory { metadata } }
    errors { __typename code message path }
  }
}
"""
_LIST = """
query Memories($after: String) {
  memories(first: 100, after: $after) {
    nodes {
      id type version createdAt updatedAt namespace
      ... on SessionMemory { summary metadata }
      ... on WorkingMemory { content metadata }
      ... on LongTermMemory { memory tags }
    }
    pageInfo { hasNextPage endCursor }
  }
}
"""
_SEARCH = """
query Search($query: String!) {
  searchMemories(query: $query, mode: FULL_TEXT) { edges { score node { id type version createdAt } } }
}
"""
_HISTORY = """
query History($id: ID!) {
  memory(type: SESSION, id: $id) {
    id version
    history { nodes { id version action updatedAt updatedBy changes { field before after } } }
  }
}
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """Requests of one kind over a database with so many memories; every call gives other ones."""

    name: str
    connections: int
    document: str
    variables: Callable[[random.Random, int], dict[str, Any]]
    writes: bool = False

    def bodies(self, chance: random.Random, memories: int) -> Iterator[str]:
        """Bodies of requests, endlessly."""
        while True:
            yield json.dumps({"query": self.document, "variables": self.variables(chance, memories)})


def random_session(chance: random.Random, memories: int) -> str:
    """The id of one of all sessions."""
    return session_id(chance.randrange(memories // GROUP) * GROUP + chance.choice(SESSIONS))


def _update(chance: random.Random, memories: int) -> dict[str, Any]:
    metadata = {"topic": chance.choice(THINGS), "n": chance.randrange(1_000_000_000)}
    return {"id": random_session(chance, memories), "input": {"session": {"metadata": metadata}}}


def _deep(chance: random.Random, memories: int) -> dict[str, Any]:
    """Anywhere but in the newest tenth; the number of arrival decides nothing there."""
    value = created_us(chance.randrange(100, memories * 9 // 10)) + APART_US // 2
    return {"after": cursor_text(CursorKind.MEMORIES, Cursor(value=value, tie=0))}


def _rare(chance: random.Random, memories: int) -> dict[str, Any]:
    """Ten memories have the one word, and of all memories one in 2,500 the other."""
    return {"query": f"{reference(chance.randrange(memories))} {chance.randint(1, 2_000)}"}


def _common(chance: random.Random, memories: int) -> dict[str, Any]:
    return {"query": f"What did {chance.choice(PEOPLE)} say of the {chance.choice(THINGS)} in {chance.choice(PLACES)}?"}


WORK = (
    Work(name="update_1", connections=1, document=_UPDATE, variables=_update, writes=True),
    Work(
        name="update_16",
        connections=16,
        document=_UPDATE,
        variables=_update,
        writes=True,
    ),
    Work(name="first_page", connections=1, document=_LIST, variables=lambda *_: {}),
    Work(name="deep_page", connections=1, document=_LIST, variables=_deep),
    Work(name="search_rare", connections=1, document=_SEARCH, variables=_rare),
    Work(name="search_common", connections=1, document=_SEARCH, variables=_common),
    Work(
        name="history",
        connections=1,
        document=_HISTORY,
        variables=lambda chance, memories: {"id": random_session(chance, memories)},
    ),
)


def asked(url: str, work: Work, memories: int, chance: random.Random, seconds: int) -> dict[str, float]:
    """What wrk finds, having looked at one answer and warmed up for a second."""
    bodies = work.bodies(chance, memories)
    _answered(url, work, next(bodies))
    with tempfile.NamedTemporaryFile("w", prefix="mnesis-growth-", suffix=".jsonl") as file:
        for _ in range(BODIES):
            file.write(next(bodies) + "\n")
        file.flush()
        for duration in (1, seconds):
            found = _wrk(url, work.connections, file.name, duration)
    if found["failed"]:
        raise RuntimeError(f"{found['failed']} requests of {work.name} failed.")
    return {
        "per_s": round(found["requests"] / found["seconds"], 1),
        "p50_ms": round(found["p50_ms"], 3),
        "p99_ms": round(found["p99_ms"], 3),
    }


def _wrk(url: str, connections: int, bodies: str, seconds: int) -> dict[str, float]:
    command = [
        "taskset", "-c", str(LOAD_CORE), "wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "10s",
        "-s", str(_SCRIPT), url,
    ]  # fmt: skip
    done = subprocess.run(  # noqa: S603  # Ours.
        command, env={"GROWTH_BODIES": bodies, "PATH": "/usr/bin:/bin"}, check=True, capture_output=True, text=True
    )
    found: dict[str, float] = json.loads(done.stdout.rstrip().splitlines()[-1])
    return found


def _answered(url: str, work: Work, body: str) -> None:
    """An error, or nothing where something is, would be answered quickly and tell nothing."""
    headers = {"Content-Type": "application/json"}
    answer = httpx.post(f"{url}/graphql", content=body, headers=headers, timeout=60).json()
    [field] = (answer.get("data") or {"nothing": None}).values()
    if work.writes:
        good = field is not None and field["status"] == "UPDATED"
    else:
        good = field is not None and any(field.get(name) for name in ("nodes", "edges", "history"))
    if not good:
        raise RuntimeError(f"{work.name}: {json.dumps(answer)[:1_000]}")


def settled(database: str) -> None:
    """Has the database write what waits, so that every stretch of updates begins alike."""
    if database.startswith("sqlite:"):
        with closing(sqlite3.connect(database.removeprefix("sqlite:///"), timeout=60)) as connection:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    else:
        with psycopg.connect(database, autocommit=True) as connection:
            connection.execute("CHECKPOINT")


def updated_bare(
    database: str, connections: int, memories: int, chance: random.Random, seconds: int
) -> dict[str, float]:
    """The same update with its history by the database alone, after a second that does not count.

    SQLite has one writer, so that of 16 connections it is 16 updates in each commit.
    """
    if database.startswith("sqlite:"):
        return {"per_s": round(_sqlite_updates(database, connections, memories, chance, seconds), 1)}
    with _change_numbers(database):
        for duration in (1, seconds):
            found = _pgbench(database, connections, memories, duration)
    return {"per_s": round(found, 1)}


def _sqlite_updates(database: str, per_commit: int, memories: int, chance: random.Random, seconds: int) -> float:
    done = 0
    with closing(sqlite3.connect(database.removeprefix("sqlite:///"), isolation_level=None)) as connection:
        # As `SqliteEngine` has them.
        for setting in ("journal_mode = WAL", "synchronous = FULL", "foreign_keys = ON", "cache_size = -16000"):
            connection.execute(f"PRAGMA {setting}")
        cursor = connection.cursor()
        warm, began = False, time.perf_counter()
        while (now := time.perf_counter()) < began + seconds:
            if not warm and now > began + 1:
                warm, began, done = True, now, 0
            cursor.execute("BEGIN IMMEDIATE")
            for _ in range(per_commit):
                _sqlite_update(cursor, random_session(chance, memories), chance.randrange(1_000_000_000))
            cursor.execute("COMMIT")
            done += per_commit
        return done / (time.perf_counter() - began)


def _sqlite_update(cursor: sqlite3.Cursor, memory_id: str, number: int) -> None:
    now = time.time_ns() // 1_000
    cursor.execute("UPDATE tenant SET change = change + 1 WHERE id = ? RETURNING change", (TENANT,))
    [change] = cursor.fetchone()
    cursor.execute(
        "SELECT metadata, version, content_updated_at FROM memory WHERE tenant_id = ? AND id = ?", (TENANT, memory_id)
    )
    before, version, content_updated_at = cursor.fetchone()
    after = json.dumps({"topic": "travel", "n": number})
    changes = f'[{{"field":"metadata","before":{before},"after":{after}}}]'
    cursor.execute(
        "UPDATE memory SET metadata = ?, version = ?, updated_at = ?, updated_by = 'bare', change = ?"
        " WHERE tenant_id = ? AND id = ?",
        (after, version + 1, now, change, TENANT, memory_id),
    )
    cursor.execute(
        "INSERT INTO history (tenant_id, memory_id, version, memory_type, container_id, session_id, namespace, change,"
        " position, action, changes, actor, reason, created_at, content_updated_at)"
        " VALUES (?, ?, ?, 'SESSION', 'default', NULL, '{}', ?, 0, 'UPDATE', ?, 'bare', NULL, ?, ?)",
        (TENANT, memory_id, version + 1, change, changes, now, content_updated_at),
    )


_PGBENCH = f"""
\\set group random(0, :groups - 1)
\\set place random(1, {len(SESSIONS)})
\\set number random(0, 999999999)
WITH changed AS (
    UPDATE memory
    SET metadata = CAST(CAST('{{"topic":"travel","n":' AS text) || CAST(:number AS bigint) || '}}' AS json),
        version = version + 1, updated_at = CAST(extract(epoch FROM clock_timestamp()) * 1000000 AS bigint),
        updated_by = 'bare', change = nextval('growth_change')
    WHERE tenant_id = '{TENANT}'
        AND id = 's' || lpad(CAST(CAST(:group AS bigint) * {GROUP}
            + (ARRAY[{", ".join(map(str, SESSIONS))}])[CAST(:place AS int)] AS text), 7, '0')
    RETURNING id, new.version, new.change, old.metadata AS before, new.metadata AS after, new.updated_at,
        content_updated_at
)
INSERT INTO history (tenant_id, memory_id, version, memory_type, container_id, namespace, change, position, action,
    changes, actor, created_at, content_updated_at)
SELECT '{TENANT}', id, version, 'SESSION', 'default', '{{}}', change, 0, 'UPDATE',
    CAST('[{{"field":"metadata","before":' || before || ',"after":' || after || '}}]' AS json), 'bare', updated_at,
    content_updated_at
FROM changed;
"""  # noqa: S608  # Ours.


@contextmanager
def _change_numbers(database: str) -> Iterator[None]:
    """Numbers for the history from a sequence, as the bare database would have them, and none that mnesis gives."""
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("DROP SEQUENCE IF EXISTS growth_change")
        taken = connection.execute("UPDATE tenant SET change = change + %s RETURNING change", (RESERVED,)).fetchone()
        assert taken is not None
        connection.execute(f"CREATE SEQUENCE growth_change START {taken[0] - RESERVED + 1}".encode())
        yield
        connection.execute("DROP SEQUENCE growth_change")


def _pgbench(database: str, connections: int, memories: int, seconds: int) -> float:
    with tempfile.NamedTemporaryFile("w", prefix="mnesis-growth-", suffix=".sql") as file:
        # One statement, which pgbench sends as it stands.
        file.write(_PGBENCH)
        file.flush()
        command = [
            "taskset", "-c", str(SERVER_CORE), "pgbench", "-n", "-M", "prepared", "-f", file.name,
            "-D", f"groups={memories // GROUP}", "-c", str(connections), "-j", "1", "-T", str(seconds), database,
        ]  # fmt: skip
        done = subprocess.run(command, check=True, capture_output=True, text=True)  # noqa: S603  # Ours.
    [line] = [line for line in done.stdout.splitlines() if line.startswith("tps = ")]
    return float(line.split()[2])
