"""(h) The databases without any server before them: pgbench, and Python's sqlite3."""

import os
import random
import re
import shutil
import sqlite3
import statistics
import subprocess
import time
from pathlib import Path
from typing import Any

from benchmarks.contenders.seeding import SESSIONS, SQLITE
from benchmarks.contenders.sql import changed, text
from benchmarks.databases import PostgresDatabases, SqliteDatabases

CLIENTS = (1, 16, 64)
PER_COMMIT = (1, 64)
# As psql has it: :n and :id are given by \set.
PGBENCH = r"""
\set n random(1, 1000000000)
\set id random(0, 9999)
BEGIN;
SELECT metadata FROM memory WHERE tenant_id = 'bench' AND id = 's' || lpad((:id)::text, 7, '0') FOR UPDATE;
WITH written AS (
    UPDATE memory SET metadata = json_build_object('topic', 'travel', 'n', (:n)::int), version = version + 1,
           updated_at = :n, content_updated_at = :n
    WHERE tenant_id = 'bench' AND id = 's' || lpad((:id)::text, 7, '0') RETURNING id, version
)
INSERT INTO history (tenant_id, memory_id, version, memory_type, container_id, namespace, action, changes, actor,
                     created_at, content_updated_at)
SELECT 'bench', id, version, 'SESSION', 'default', '{}', 'UPDATE',
       json_build_array(json_build_object('field', 'metadata', 'after', json_build_object('n', (:n)::int))),
       'bench', :n, :n FROM written;
COMMIT;
"""


def raw_postgresql(
    databases: PostgresDatabases, folder: Path, *, seconds: int, rounds: int, core: int | None
) -> dict[str, Any]:
    """Updates with their history, a transaction each, by the number of clients."""
    url = databases.copy("raw", of_mnesis=False)
    program = databases.bin_path / "pgbench"
    found = str(program) if program.is_file() else shutil.which("pgbench")
    if found is None:
        return {"left_out": "There is no pgbench: on Debian and Ubuntu `apt install postgresql-contrib`."}
    script = folder / "update.pgbench"
    script.write_text(PGBENCH)
    # Where the servers are otherwise: PostgreSQL keeps its core to itself.
    pinned = ["taskset", "-c", str(core)] if core is not None else []
    measured: dict[int, list[float]] = {clients: [] for clients in CLIENTS}
    for _ in range(rounds):
        for clients, rates in measured.items():
            command = [
                *pinned,
                found,
                "-n",
                "-M",
                "prepared",
                "-c",
                str(clients),
                "-j",
                "1",
                "-T",
                str(seconds),
                "-f",
                str(script),
            ]
            done = subprocess.run([*command, url], capture_output=True, text=True, timeout=seconds + 60)  # noqa: S603  # Ours.
            rate = re.search(r"tps = ([\d.]+)", done.stdout)
            if rate is None:
                return {"left_out": f"pgbench failed: {done.stderr.strip()[-300:]}"}
            rates.append(float(rate[1]))
    return {f"update_{clients}": round(statistics.median(rates), 1) for clients, rates in measured.items()}


def raw_sqlite(databases: SqliteDatabases, *, seconds: int, rounds: int, core: int | None) -> dict[str, Any]:
    """Updates with their history, by the number of updates in a transaction."""
    path = databases.copy("raw", of_mnesis=False).removeprefix(SQLITE)
    before = os.sched_getaffinity(0) if core is not None else None
    if core is not None:
        os.sched_setaffinity(0, {core})
    connection = sqlite3.connect(path, isolation_level=None)
    for pragma in ("journal_mode = WAL", "synchronous = FULL"):
        connection.execute(f"PRAGMA {pragma}")
    measured: dict[int, list[float]] = {size: [] for size in PER_COMMIT}
    for _ in range(rounds):
        for size, rates in measured.items():
            rates.append(_sqlite_rate(connection, size, seconds))
    connection.close()
    if before is not None:
        os.sched_setaffinity(0, before)
    return {f"per_commit_{size}": round(statistics.median(rates), 1) for size, rates in measured.items()}


def _sqlite_rate(connection: sqlite3.Connection, size: int, seconds: int) -> float:
    began, count = time.perf_counter(), 0
    while (took := time.perf_counter() - began) < seconds:
        connection.execute("BEGIN IMMEDIATE")
        for _ in range(size):
            count += 1
            _update(connection, f"s{random.randrange(SESSIONS):07d}", count)  # noqa: S311  # No secret.
        connection.execute("COMMIT")
    return count / took


def _update(connection: sqlite3.Connection, memory_id: str, count: int) -> None:
    before, version = connection.execute(
        "SELECT metadata, version FROM memory WHERE tenant_id = 'bench' AND id = ?", [memory_id]
    ).fetchone()
    after = {"topic": "travel", "n": count}
    moment = time.time_ns() // 1_000
    connection.execute(
        "UPDATE memory SET metadata = ?, version = ?, updated_at = ?, content_updated_at = ?"
        " WHERE tenant_id = 'bench' AND id = ?",
        [text(after), version + 1, moment, moment, memory_id],
    )
    connection.execute(
        "INSERT INTO history (tenant_id, memory_id, version, memory_type, container_id, namespace, action, changes,"
        " actor, created_at, content_updated_at) VALUES ('bench', ?, ?, 'SESSION', 'default', '{}', 'UPDATE', ?,"
        " 'bench', ?, ?)",
        [memory_id, version + 1, text([changed("metadata", before, after)]), moment, moment],
    )
