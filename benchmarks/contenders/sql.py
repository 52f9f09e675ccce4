"""The same effects in plain SQL, for both databases: an update with its history, entries, reads and a search."""

import sqlite3
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson
import psycopg

TENANT = "bench"
ACTOR = "bench"
Entry = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """A session after an update."""

    id: str
    version: int
    updated_at: int
    metadata: Any


def changed(field: str, before: Any, after: Any) -> dict[str, Any]:
    """A line of a history row: of an object that stays one, the keys that differ."""
    if isinstance(before, dict) and isinstance(after, dict):
        keys = {key for key in before.keys() | after.keys() if before.get(key) != after.get(key)}
        before = {key: value for key, value in before.items() if key in keys}
        after = {key: value for key, value in after.items() if key in keys}
    line = {"field": field}
    return line | {side: value for side, value in (("before", before), ("after", after)) if value is not None}


def text(value: object) -> str:
    """Compact JSON."""
    return orjson.dumps(value).decode()


def entry_changes(given: Entry, before: tuple[str, str, str] | None) -> str:
    """What an entry's history row says; ``before`` are content, role and metadata."""
    content, role, metadata = before or (None, None, "null")
    fields = (("content", content), ("role", role), ("metadata", orjson.loads(metadata)))
    return text([changed(name, old, given[name]) for name, old in fields if old != given[name]])


def session_changes(created: int, updated: int) -> str:
    """What the history row of a session says whose entries changed."""
    after = {"created": created, "updated": updated, "deleted": 0}
    return text([{"field": "entries", "kind": "ENTRIES", "after": after}])


MEMORY_SQL = "SELECT id, version, created_at, updated_at, summary, metadata FROM memory WHERE tenant_id = 'bench' AND id = {one} AND NOT deleted"  # noqa: E501
LISTED_SQL = """
    SELECT id, memory_type, version, created_at, updated_at, namespace, summary, metadata, arrival FROM memory
    WHERE tenant_id = 'bench' AND memory_type = 'SESSION' AND NOT deleted
    ORDER BY created_at DESC, arrival DESC LIMIT {one}
"""


class PostgreSQL:
    """Over one connection, in autocommit: one statement is one transaction, several are one by BEGIN and COMMIT."""

    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        self._connection = connection

    def update(self, memory_id: str, metadata: Any, moment: int) -> Written | None:
        with self._connection.transaction():
            row = self._connection.execute(
                "SELECT metadata FROM memory WHERE tenant_id = 'bench' AND id = %s AND NOT deleted FOR UPDATE",
                [memory_id],
            ).fetchone()
            if row is None:
                return None
            changes = text([changed("metadata", orjson.loads(row[0] or "null"), metadata)])
            [version] = self._connection.execute(
                """
                WITH written AS (
                    UPDATE memory SET metadata = %(metadata)s, version = version + 1, updated_at = %(moment)s,
                           content_updated_at = %(moment)s, updated_by = 'bench'
                    WHERE tenant_id = 'bench' AND id = %(id)s RETURNING version, container_id, namespace
                )
                INSERT INTO history (tenant_id, memory_id, version, memory_type, container_id, namespace, action,
                                     changes, actor, created_at, content_updated_at)
                SELECT 'bench', %(id)s, version, 'SESSION', container_id, namespace, 'UPDATE', %(changes)s, 'bench',
                       %(moment)s, %(moment)s FROM written
                RETURNING version
                """,
                {"metadata": text(metadata), "moment": moment, "id": memory_id, "changes": changes},
            ).fetchone()  # type: ignore[misc]  # The row is locked, so it is there.
        return Written(id=memory_id, version=version, updated_at=moment, metadata=metadata)

    def put_entries(self, session_id: str, contents: Sequence[Entry], moment: int) -> tuple[int, int, int]:
        with self._connection.transaction():
            self._connection.execute(
                "SELECT 1 FROM memory WHERE tenant_id = 'bench' AND id = %s FOR UPDATE", [session_id]
            )
            rows = self._connection.execute(
                "SELECT entry_id, id, version, content, role, metadata FROM memory"
                " WHERE tenant_id = 'bench' AND session_id = %s AND entry_id = ANY(%s)",
                [session_id, [each["id"] for each in contents]],
            ).fetchall()
            there = {row[0]: row[1:] for row in rows}
            ids = [there[each["id"]][0] if each["id"] in there else uuid.uuid4().hex for each in contents]
            versions = [there[each["id"]][1] + 1 if each["id"] in there else 1 for each in contents]
            changes = [entry_changes(each, there[each["id"]][2:] if each["id"] in there else None) for each in contents]
            created = len(contents) - len(there)
            self._connection.execute(
                """
                INSERT INTO memory (tenant_id, id, memory_type, container_id, namespace, session_id, entry_id, version,
                                    created_at, updated_at, content_updated_at, updated_by, content, role,
                                    metadata, payload_type)
                SELECT 'bench', given.id, 'WORKING', 'default', '{}', %(session)s, given.entry, given.version,
                       %(moment)s, %(moment)s, %(moment)s, 'bench', given.content, given.role, given.metadata::json,
                       'CONVERSATIONAL'
                FROM unnest(%(ids)s::text[], %(entries)s::text[], %(versions)s::int[], %(contents)s::text[],
                            %(roles)s::text[], %(metadatas)s::text[])
                     AS given(id, entry, version, content, role, metadata)
                ON CONFLICT (tenant_id, id) DO UPDATE
                SET version = excluded.version, updated_at = excluded.updated_at, updated_by = excluded.updated_by,
                    content_updated_at = excluded.content_updated_at, content = excluded.content,
                    role = excluded.role, metadata = excluded.metadata
                """,
                {
                    "session": session_id,
                    "moment": moment,
                    "ids": ids,
                    "entries": [each["id"] for each in contents],
                    "versions": versions,
                    "contents": [each["content"] for each in contents],
                    "roles": [each["role"] for each in contents],
                    "metadatas": [text(each["metadata"]) for each in contents],
                },
            )
            self._connection.execute(
                """
                INSERT INTO history (tenant_id, memory_id, version, memory_type, container_id, session_id, namespace,
                                     action, changes, actor, created_at, content_updated_at)
                SELECT 'bench', given.id, given.version, 'WORKING', 'default', %(session)s, '{}',
                       CASE given.version WHEN 1 THEN 'CREATE' ELSE 'UPDATE' END, given.changes::json, 'bench',
                       %(moment)s, %(moment)s
                FROM unnest(%(ids)s::text[], %(versions)s::int[], %(changes)s::text[]) AS given(id, version, changes)
                """,
                {"session": session_id, "moment": moment, "ids": ids, "versions": versions, "changes": changes},
            )
            self._connection.execute(
                """
                INSERT INTO search (tenant_id, memory_id, length, words, counts)
                SELECT 'bench', given.id, 12, to_tsvector('english', given.content), ''
                FROM unnest(%(ids)s::text[], %(contents)s::text[]) AS given(id, content)
                ON CONFLICT (tenant_id, memory_id) DO UPDATE SET words = excluded.words, length = excluded.length
                """,
                {"ids": ids, "contents": [each["content"] for each in contents]},
            )
            [version] = self._connection.execute(
                """
                WITH written AS (
                    UPDATE memory SET version = version + 1, updated_at = %(moment)s
                    WHERE tenant_id = 'bench' AND id = %(session)s RETURNING version
                )
                INSERT INTO history (tenant_id, memory_id, version, memory_type, container_id, namespace, action,
                                     changes, actor, created_at, content_updated_at)
                SELECT 'bench', %(session)s, version, 'SESSION', 'default', '{}', 'UPDATE', %(changes)s, 'bench',
                       %(moment)s, %(moment)s FROM written
                RETURNING version
                """,
                {"moment": moment, "session": session_id, "changes": session_changes(created, len(there))},
            ).fetchone()  # type: ignore[misc]  # The row is locked, so it is there.
        return version, created, len(there)

    def memory(self, memory_id: str) -> Sequence[Any] | None:
        return self._connection.execute(MEMORY_SQL.format(one="%s"), [memory_id]).fetchone()

    def listed(self, size: int) -> Sequence[Sequence[Any]]:
        return self._connection.execute(LISTED_SQL.format(one="%s"), [size]).fetchall()

    def search(self, query: str, size: int) -> Sequence[Sequence[Any]]:
        return self._connection.execute(
            """
            SELECT memory.id, version, updated_at, summary
            FROM search JOIN memory ON memory.tenant_id = search.tenant_id AND memory.id = search.memory_id,
                 plainto_tsquery('english', %s) AS asked
            WHERE search.tenant_id = 'bench' AND words @@ asked AND NOT deleted
            ORDER BY ts_rank(words, asked) DESC, number DESC LIMIT %s
            """,
            [query, size],
        ).fetchall()


class SQLite:
    """Over one connection, in autocommit; writers begin IMMEDIATE, so that nobody else writes in between."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def update(self, memory_id: str, metadata: Any, moment: int) -> Written | None:
        execute = self._connection.execute
        with self._connection:
            execute("BEGIN IMMEDIATE")
            row = execute(
                "SELECT metadata, version, container_id, namespace FROM memory"
                " WHERE tenant_id = 'bench' AND id = ? AND NOT deleted",
                [memory_id],
            ).fetchone()
            if row is None:
                return None
            before, version, container, namespace = row
            changes = text([changed("metadata", orjson.loads(before or "null"), metadata)])
            execute(
                "UPDATE memory SET metadata = ?, version = ?, updated_at = ?, content_updated_at = ?,"
                " updated_by = 'bench' WHERE tenant_id = 'bench' AND id = ?",
                [text(metadata), version + 1, moment, moment, memory_id],
            )
            execute(
                "INSERT INTO history (tenant_id, memory_id, version, memory_type, container_id, namespace, action,"
                " changes, actor, created_at, content_updated_at)"
                " VALUES ('bench', ?, ?, 'SESSION', ?, ?, 'UPDATE', ?, 'bench', ?, ?)",
                [memory_id, version + 1, container, namespace, changes, moment, moment],
            )
        return Written(id=memory_id, version=version + 1, updated_at=moment, metadata=metadata)

    def put_entries(self, session_id: str, contents: Sequence[Entry], moment: int) -> tuple[int, int, int]:
        execute, executemany = self._connection.execute, self._connection.executemany
        with self._connection:
            execute("BEGIN IMMEDIATE")
            rows = execute(
                "SELECT entry_id, id, version, content, role, metadata FROM memory WHERE tenant_id = 'bench'"
                " AND session_id = ? AND entry_id IN (SELECT value FROM json_each(?))",
                [session_id, text([each["id"] for each in contents])],
            ).fetchall()
            there = {row[0]: row[1:] for row in rows}
            ids = [there[each["id"]][0] if each["id"] in there else uuid.uuid4().hex for each in contents]
            versions = [there[each["id"]][1] + 1 if each["id"] in there else 1 for each in contents]
            executemany(
                "INSERT INTO memory (tenant_id, id, memory_type, container_id, namespace, session_id, entry_id,"
                " version, created_at, updated_at, content_updated_at, updated_by, arrival, content, role, metadata,"
                " payload_type) VALUES ('bench', ?, 'WORKING', 'default', '{}', ?, ?, ?, ?, ?, ?, 'bench', ?, ?, ?, ?,"
                " 'CONVERSATIONAL') ON CONFLICT (tenant_id, id) DO UPDATE SET version = excluded.version,"
                " updated_at = excluded.updated_at, content_updated_at = excluded.content_updated_at,"
                " updated_by = excluded.updated_by, content = excluded.content, role = excluded.role,"
                " metadata = excluded.metadata",
                [
                    (
                        each_id,
                        session_id,
                        each["id"],
                        version,
                        moment,
                        moment,
                        moment,
                        moment + place,
                        each["content"],
                        each["role"],
                        text(each["metadata"]),
                    )
                    for place, (each_id, version, each) in enumerate(zip(ids, versions, contents, strict=True))
                ],
            )
            executemany(
                "INSERT INTO history (tenant_id, memory_id, version, memory_type, container_id, session_id, namespace,"
                " action, changes, actor, created_at, content_updated_at)"
                " VALUES ('bench', ?, ?, 'WORKING', 'default', ?, '{}', ?, ?, 'bench', ?, ?)",
                [
                    (
                        each_id,
                        version,
                        session_id,
                        "CREATE" if version == 1 else "UPDATE",
                        entry_changes(each, there[each["id"]][2:] if each["id"] in there else None),
                        moment,
                        moment,
                    )
                    for each_id, version, each in zip(ids, versions, contents, strict=True)
                ],
            )
            executemany(
                "INSERT INTO search (tenant_id, memory_id, length, words, counts) VALUES ('bench', ?, 12, ?, '')"
                " ON CONFLICT (tenant_id, memory_id) DO UPDATE SET words = excluded.words, length = excluded.length",
                [(each_id, each["content"].lower()) for each_id, each in zip(ids, contents, strict=True)],
            )
            created = len(contents) - len(there)
            [version] = execute(
                "UPDATE memory SET version = version + 1, updated_at = ? WHERE tenant_id = 'bench' AND id = ?"
                " RETURNING version",
                [moment, session_id],
            ).fetchone()
            execute(
                "INSERT INTO history (tenant_id, memory_id, version, memory_type, container_id, namespace, action,"
                " changes, actor, created_at, content_updated_at)"
                " VALUES ('bench', ?, ?, 'SESSION', 'default', '{}', 'UPDATE', ?, 'bench', ?, ?)",
                [session_id, version, session_changes(created, len(there)), moment, moment],
            )
        return version, created, len(there)

    def memory(self, memory_id: str) -> Sequence[Any] | None:
        row: Sequence[Any] | None = self._connection.execute(MEMORY_SQL.format(one="?"), [memory_id]).fetchone()
        return row

    def listed(self, size: int) -> Sequence[Sequence[Any]]:
        return self._connection.execute(LISTED_SQL.format(one="?"), [size]).fetchall()

    def search(self, query: str, size: int) -> Sequence[Sequence[Any]]:
        quoted = '"' + query.lower().replace('"', '""') + '"'
        return self._connection.execute(
            "SELECT memory.id, version, updated_at, summary FROM search_index"
            " JOIN search ON search.number = search_index.rowid"
            " JOIN memory ON memory.tenant_id = search.tenant_id AND memory.id = search.memory_id"
            " WHERE search_index MATCH ? AND search.tenant_id = 'bench' AND NOT deleted"
            " ORDER BY search_index.rowid DESC LIMIT ?",
            [quoted, size],
        ).fetchall()
