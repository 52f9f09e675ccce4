"""What every contender starts with: the same sessions, in mnesis's own database and in that of the contenders.

``python -m benchmarks.contenders.seeding postgresql://...`` makes the contenders' tables in an empty database and
fills them; so does ``sqlite:////path``.
"""

import asyncio
import json
import sqlite3
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import psycopg

from mnesis.domain.caller import EVERY_SCOPE, Caller
from mnesis.domain.commands import Batch, Changes, Create
from mnesis.domain.fields import FieldValue
from mnesis.domain.limits import Limits
from mnesis.domain.memory_types import MemoryType
from mnesis.storage.database import open_database
from mnesis.storage.migrations import upgrade

HERE = Path(__file__).parent
SESSIONS = 10_000
SQLITE = "sqlite:///"
PLACES = [
    first + second
    for first in ("lis", "ber", "kyo", "qui", "osl", "nai", "cus", "hel", "tun", "adel")
    for second in ("bona", "linor", "toma", "tovar", "odena", "robiel", "colan", "sinkar", "gesta", "aide")
]
"""A hundred names, each of which stands in a hundred sessions."""
MNESIS_CALLER = Caller(tenant="default", subject="local", scopes=EVERY_SCOPE)
"""Whom a server without authentication takes everybody for."""
MADE_AT_US = 1_760_000_000_000_000
AT_ONCE = 1_000
MEMORIES = """
    INSERT INTO memory (tenant_id, id, memory_type, container_id, namespace, version, created_at, updated_at,
                        content_updated_at, updated_by, arrival, summary, metadata, pinned)
    VALUES ('bench', ?, 'SESSION', 'default', '{}', 1, ?, ?, ?, 'bench', ?, ?, ?, FALSE)
"""
HISTORY = """
    INSERT INTO history (tenant_id, memory_id, version, memory_type, container_id, namespace, action, changes, actor,
                         created_at, content_updated_at)
    VALUES ('bench', ?, 1, 'SESSION', 'default', '{}', 'CREATE', ?, 'bench', ?, ?)
"""
SEARCH = "INSERT INTO search (tenant_id, memory_id, length, words, counts) VALUES ('bench', ?, ?, WORDS, '')"


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """One of the seeded ones."""

    number: int

    @property
    def id(self) -> str:
        return f"s{self.number:07d}"

    @property
    def summary(self) -> str:
        place = PLACES[self.number % len(PLACES)]
        return f"Talk {self.number} with the assistant about a journey to {place} in spring and what to pack for it."

    @property
    def metadata(self) -> dict[str, Any]:
        return {"topic": "travel", "n": self.number, "tags": ["journey", "spring"], "open": True}


def sessions() -> Iterator[Session]:
    """All of them."""
    return (Session(number=number) for number in range(SESSIONS))


def seed_mnesis(url: str) -> None:
    """Makes mnesis's tables and fills them as its own writers do."""
    upgrade(url)
    asyncio.run(_seed_mnesis(url))


async def _seed_mnesis(url: str) -> None:
    database = open_database(url, limits=Limits(), reader_threads=1, writer_lanes=1)
    every = sessions()
    while commands := tuple(map(_create, islice(every, AT_ONCE))):
        outcome = await database.store.apply(MNESIS_CALLER, Batch(commands=commands, actor="bench"))
        assert not outcome.refusals, outcome.refusals
    await database.close()


def _create(session: Session) -> Create:
    given: dict[str, FieldValue] = {"summary": session.summary, "metadata": session.metadata}
    return Create(changes=Changes(memory_type=MemoryType.SESSION, given=given), id=session.id)


def seed_contenders(url: str) -> None:
    """Makes the contenders' tables and fills them."""
    if url.startswith(SQLITE):
        with sqlite3.connect(url.removeprefix(SQLITE)) as connection:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.executescript((HERE / "schema.sqlite.sql").read_text())
            _fill(connection, "?", "?")
        connection.close()
        return
    with psycopg.connect(url) as postgresql:
        postgresql.execute((HERE / "schema.postgresql.sql").read_text())
        _fill(postgresql.cursor(), "%s", "to_tsvector('english', ?)")


def _fill(cursor: Any, one: str, words: str) -> None:
    """``one`` is a parameter, ``words`` what makes of one what a memory is found by."""
    every = list(sessions())
    cursor.executemany(
        MEMORIES.replace("?", one),
        [(each.id, *[MADE_AT_US + each.number] * 3, each.number, each.summary, _json(each.metadata)) for each in every],
    )
    cursor.executemany(
        HISTORY.replace("?", one),
        [(each.id, _json(_changes(each)), *[MADE_AT_US + each.number] * 2) for each in every],
    )
    cursor.executemany(
        SEARCH.replace("WORDS", words).replace("?", one),
        [(each.id, len(each.summary.split()), each.summary.lower()) for each in every],
    )
    if one != "?":
        cursor.execute(f"SELECT setval('memory_arrival', {2 * SESSIONS}), setval('history_change', {2 * SESSIONS})")


def _changes(session: Session) -> list[dict[str, Any]]:
    return [{"field": "summary", "after": session.summary}, {"field": "metadata", "after": session.metadata}]


def _json(value: object) -> str:
    return json.dumps(value, separators=(",", ":"))


if __name__ == "__main__":
    seed_contenders(sys.argv[1])
