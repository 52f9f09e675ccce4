"""The contenders' tables for SQLModel, and what the textbook does with them: a session per request.

Used by the contenders with Strawberry and by that with Ariadne (SQLModel's classes are SQLAlchemy's). They know nothing
of mnesis.
"""

import os
import sqlite3
import time
import uuid
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import JSON, BigInteger, Column, Engine, FetchedValue, Text, event, func, text
from sqlalchemy.dialects.postgresql import TSVECTOR
from sqlmodel import Field, Session, SQLModel, create_engine, select

TENANT = "bench"
URL = os.environ.get("DATABASE_URL", "sqlite://").replace("postgresql://", "postgresql+psycopg://")
ON_SQLITE = URL.startswith("sqlite")


class MemoryRow(SQLModel, table=True):
    """A session or an entry."""

    __tablename__ = "memory"
    __mapper_args__ = {"eager_defaults": False}

    tenant_id: str = Field(default=TENANT, primary_key=True)
    id: str = Field(primary_key=True)
    memory_type: str
    container_id: str = "default"
    namespace: dict[str, Any] = Field(default_factory=dict, sa_column=Column(JSON))
    session_id: str | None = None
    entry_id: str | None = None
    version: int = 1
    created_at: int = Field(sa_column=Column(BigInteger))
    updated_at: int = Field(sa_column=Column(BigInteger))
    content_updated_at: int = Field(sa_column=Column(BigInteger))
    updated_by: str | None = None
    arrival: int = Field(sa_column=Column(BigInteger))
    deleted: bool = False
    summary: str | None = None
    metadata_: dict[str, Any] | None = Field(default=None, sa_column=Column("metadata", JSON))
    content: str | None = None
    role: str | None = None
    payload_type: str | None = None


class HistoryRow(SQLModel, table=True):
    """A change of one of them."""

    __tablename__ = "history"
    __mapper_args__ = {"eager_defaults": False}

    tenant_id: str = Field(default=TENANT, primary_key=True)
    memory_id: str = Field(primary_key=True)
    version: int = Field(primary_key=True)
    memory_type: str
    container_id: str = "default"
    session_id: str | None = None
    namespace: dict[str, Any] = Field(default_factory=dict, sa_column=Column(JSON))
    change: int | None = Field(default=None, sa_column=Column(BigInteger, FetchedValue()))
    action: str
    changes: list[dict[str, Any]] = Field(sa_column=Column(JSON))
    actor: str | None = "bench"
    created_at: int = Field(sa_column=Column(BigInteger))
    content_updated_at: int = Field(sa_column=Column(BigInteger))


class SearchRow(SQLModel, table=True):
    """What one of them is found by."""

    __tablename__ = "search"
    __mapper_args__ = {"eager_defaults": False}

    tenant_id: str = Field(default=TENANT, primary_key=True)
    memory_id: str = Field(primary_key=True)
    number: int | None = Field(default=None, sa_column=Column(BigInteger, FetchedValue()))
    length: int
    words: Any = Field(sa_column=Column(Text().with_variant(TSVECTOR(), "postgresql")))
    counts: str = ""


def durable(connection: sqlite3.Connection, _: object) -> None:
    """SQLAlchemy's recipe for SQLite: the driver does not begin transactions, `immediately` does."""
    connection.isolation_level = None
    for pragma in ("journal_mode = WAL", "synchronous = FULL", "foreign_keys = ON"):
        connection.execute(f"PRAGMA {pragma}")


def immediately(connection: Any) -> None:
    """Before anything is read, or two writers could read the same version."""
    connection.exec_driver_sql("BEGIN IMMEDIATE")


def engines() -> tuple[Engine, Engine]:
    """For writing and for reading."""
    if not ON_SQLITE:
        engine = create_engine(URL, pool_size=20, max_overflow=20)
        return engine, engine
    # SQLite has one writer: waiting for the only connection costs less than waiting for its lock.
    writing = create_engine(URL, pool_size=1, max_overflow=0)
    reading = create_engine(URL, pool_size=20, max_overflow=20)
    for engine in (writing, reading):
        event.listen(engine, "connect", durable)
    event.listen(writing, "begin", immediately)
    return writing, reading


WRITING, READING = engines()


def now() -> int:
    """Microseconds since 1970."""
    return time.time_ns() // 1_000


def changed(field: str, before: Any, after: Any) -> dict[str, Any]:
    """A line of a history row: of an object that stays one, the keys that differ."""
    if isinstance(before, dict) and isinstance(after, dict):
        keys = {key for key in before.keys() | after.keys() if before.get(key) != after.get(key)}
        before = {key: value for key, value in before.items() if key in keys}
        after = {key: value for key, value in after.items() if key in keys}
    line = {"field": field}
    return line | {side: value for side, value in (("before", before), ("after", after)) if value is not None}


def update(memory_id: str, metadata: dict[str, Any]) -> MemoryRow | None:
    """The session with other metadata; None where there is none."""
    # Without this every column would be read again after the commit.
    with Session(WRITING, expire_on_commit=False) as session:
        query = select(MemoryRow).where(MemoryRow.tenant_id == TENANT, MemoryRow.id == memory_id).with_for_update()
        memory = session.exec(query).one_or_none()
        if memory is None:
            return None
        moment = now()
        changes = [changed("metadata", memory.metadata_, metadata)]
        memory.metadata_ = metadata
        touch(session, memory, changes, moment)
        session.commit()
        return memory


def touch(session: Session, memory: MemoryRow, changes: list[dict[str, Any]], moment: int) -> None:
    """The next version, with its history."""
    memory.version += 1
    memory.updated_at = memory.content_updated_at = moment
    memory.updated_by = "bench"
    session.add(memory)
    session.add(record(memory, "UPDATE", changes, moment))


def record(memory: MemoryRow, action: str, changes: list[dict[str, Any]], moment: int) -> HistoryRow:
    """The history row of a change."""
    return HistoryRow(
        memory_id=memory.id,
        version=memory.version,
        memory_type=memory.memory_type,
        session_id=memory.session_id,
        action=action,
        changes=changes,
        created_at=moment,
        content_updated_at=moment,
    )


def put_entries(session_id: str, contents: Sequence[Mapping[str, Any]]) -> tuple[int, int, int]:
    """The session's version, and how many entries were created and updated."""
    with Session(WRITING) as session:
        query = select(MemoryRow).where(MemoryRow.tenant_id == TENANT, MemoryRow.id == session_id).with_for_update()
        owner = session.exec(query).one()
        wanted = [each["id"] for each in contents]
        entries = select(MemoryRow).where(
            MemoryRow.tenant_id == TENANT,
            MemoryRow.session_id == session_id,
            MemoryRow.entry_id.in_(wanted),  # type: ignore[union-attr]  # A column, to SQLAlchemy.
        )
        there = {entry.entry_id: entry for entry in session.exec(entries)}
        found = select(SearchRow).where(
            SearchRow.tenant_id == TENANT,
            SearchRow.memory_id.in_([entry.id for entry in there.values()]),  # type: ignore[attr-defined]  # As above.
        )
        searched = {row.memory_id: row for row in session.exec(found)}
        moment = now()
        for place, each in enumerate(contents):
            words = each["content"].lower() if ON_SQLITE else func.to_tsvector("english", each["content"])
            entry = there.get(each["id"])
            if entry is None:
                entry = created(session_id, each, moment, place)
                session.add(entry)
                lines = [changed(name, None, each[name]) for name in ("content", "role", "metadata")]
                session.add(record(entry, "CREATE", lines, moment))
                session.add(SearchRow(memory_id=entry.id, length=12, words=words))
                continue
            before = {"content": entry.content, "role": entry.role, "metadata": entry.metadata_}
            lines = [changed(name, old, each[name]) for name, old in before.items() if old != each[name]]
            entry.content, entry.role, entry.metadata_ = each["content"], each["role"], each["metadata"]
            touch(session, entry, lines, moment)
            searched[entry.id].words = words
        new = len(contents) - len(there)
        counts = {"created": new, "updated": len(there), "deleted": 0}
        touch(session, owner, [{"field": "entries", "kind": "ENTRIES", "after": counts}], moment)
        version = owner.version
        session.commit()
        return version, new, len(there)


def created(session_id: str, given: Mapping[str, Any], moment: int, place: int) -> MemoryRow:
    """A new entry."""
    return MemoryRow(
        id=uuid.uuid4().hex,
        memory_type="WORKING",
        session_id=session_id,
        entry_id=given["id"],
        created_at=moment,
        updated_at=moment,
        content_updated_at=moment,
        updated_by="bench",
        arrival=moment + place,
        content=given["content"],
        role=given["role"],
        metadata_=given["metadata"],
        payload_type="CONVERSATIONAL",
    )


def by_id(memory_id: str) -> MemoryRow | None:
    """The memory, unless it is deleted."""
    with Session(READING) as session:
        memory = session.get(MemoryRow, (TENANT, memory_id))
        return None if memory is None or memory.deleted else memory


def listed(size: int) -> Sequence[MemoryRow]:
    """The newest sessions."""
    with Session(READING) as session:
        query = (
            select(MemoryRow)
            .where(MemoryRow.tenant_id == TENANT, MemoryRow.memory_type == "SESSION", text("NOT deleted"))
            .order_by(MemoryRow.created_at.desc(), MemoryRow.arrival.desc())  # type: ignore[attr-defined]  # Columns.
            .limit(size)
        )
        return session.exec(query).all()


def found(query: str, size: int) -> Sequence[MemoryRow]:
    """The best answers."""
    with Session(READING) as session:
        memories = select(MemoryRow).join(
            SearchRow,
            (SearchRow.tenant_id == MemoryRow.tenant_id) & (SearchRow.memory_id == MemoryRow.id),  # type: ignore[arg-type]  # A condition.
        )
        memories = memories.where(SearchRow.tenant_id == TENANT, text("NOT deleted"))
        if ON_SQLITE:
            quoted = '"' + query.lower().replace('"', '""') + '"'
            matching = text("search.number IN (SELECT rowid FROM search_index WHERE search_index MATCH :match)")
            memories = memories.where(matching.bindparams(match=quoted))
            order = [SearchRow.number.desc()]  # type: ignore[union-attr]  # A column.
        else:
            asked = func.plainto_tsquery("english", query)
            memories = memories.where(SearchRow.words.op("@@")(asked))
            order = [func.ts_rank(SearchRow.words, asked).desc(), SearchRow.number.desc()]  # type: ignore[union-attr]
        return session.exec(memories.order_by(*order).limit(size)).all()
