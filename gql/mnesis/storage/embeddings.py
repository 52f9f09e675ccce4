"""Keeps embeddings, and knows which memories await one."""

import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from mnesis.domain.caller import EVERY_SCOPE, Caller
from mnesis.domain.searching import text_mark, text_to_embed
from mnesis.storage.embedding_statements import EmbeddingReadStatements, EmbeddingWriteStatements
from mnesis.storage.engines import DriverCursor, Engine
from mnesis.storage.lanes import NO_TENANT, Lane
from mnesis.storage.reader import EMBEDDING, Ask, Reader
from mnesis.storage.rows import memory_from
from mnesis.storage.statements import ReadStatements
from mnesis.storage.visibility import caller_parameters
from mnesis.usecases.embedding import Due, Embedded, Text

LEASE_S = 300.0
"""How long what was taken is nobody else's turn; longer than a batch takes."""
LOOKED_AT = 1_000
"""How many memories are looked at in one transaction when those without an embedding are sought."""


class Embeddings:
    """The `EmbeddingStore`. It writes through a lane, so that on SQLite no writer has to wait for the file's lock."""

    def __init__(self, engine: Engine, lane: Lane, reader: Reader) -> None:
        self._engine = engine
        self._on_sqlite = engine.dialect.name == "sqlite"
        self._lane = lane
        self._reader = reader
        self._writes = EmbeddingWriteStatements(engine)
        self._reads = EmbeddingReadStatements(engine)
        self._memories = ReadStatements(engine).memories

    async def take(self, size: int) -> Sequence[Due]:
        def taken(cursor: DriverCursor) -> list[Due]:
            cursor.execute(self._writes.anything, {"now": _now()})
            if not cursor.fetchall():
                return []
            cursor.execute(self._writes.take, {"now": _now(), "until": _now(LEASE_S), "size": size})
            return [_due(row) for row in cursor.fetchall()]

        return await self._lane.run(NO_TENANT, taken)

    async def texts(self, taken: Sequence[Due], model: str) -> Sequence[Text]:
        by_tenant: dict[str, dict[str, Due]] = {}
        for due in taken:
            by_tenant.setdefault(due.tenant, {})[due.memory_id] = due
        return await self._reader.hop(
            lambda ask: [
                text for tenant, dues in by_tenant.items() for text in self._texts_of(ask, tenant, dues, model)
            ],
            kind=EMBEDDING,
        )

    def _texts_of(self, ask: Ask, tenant: str, dues: Mapping[str, Due], model: str) -> Iterable[Text]:
        # On nobody's behalf: whose memories these are makes no difference to what they mean.
        everything = caller_parameters(Caller(tenant=tenant, subject="", scopes=EVERY_SCOPE))
        values = {**everything, "ids": self._engine.texts(dues)}
        known = {(row[0], row[1], bytes(row[2])) for row in ask(self._reads.marks, values)}
        for memory in map(memory_from, ask(self._memories, values)):
            text = text_to_embed(memory)
            yield Text(due=dues[memory.id], text=text, known=(memory.id, model, text_mark(text)) in known)

    async def keep(self, model: str, embedded: Sequence[Embedded]) -> None:
        def kept(cursor: DriverCursor) -> None:
            there = self._taken_off(cursor, [each.due for each in embedded])
            self._run(cursor, self._writes.touch, [each.due for each in embedded if each.known and each.due in there])
            rows = [
                [
                    each.due.tenant, each.due.memory_id, model, len(each.vector or b"") // 4, each.due.version,
                    each.mark, self._stored(each.vector),
                ]
                for each in embedded
                if not each.known and each.due in there
            ]  # fmt: skip
            if rows:
                self._engine.write(cursor, self._writes.put, rows)

        await self._lane.run(NO_TENANT, kept)

    def _taken_off(self, cursor: DriverCursor, dues: Sequence[Due]) -> set[Due]:
        """Those that were not marked again, without their marks now."""
        if self._on_sqlite:
            there: set[Due] = set()
            for due in dues:
                cursor.execute(self._writes.take_off, _values(due))
                there.update(map(_due, cursor.fetchall()))
            return there
        assert self._writes.hold is not None
        cursor.execute(self._writes.hold, _arrays(dues))
        cursor.execute(self._writes.take_off, _arrays([_due(row) for row in cursor.fetchall()]))
        return set(map(_due, cursor.fetchall()))

    def _stored(self, vector: bytes | None) -> bytes | str | None:
        if vector is None or self._on_sqlite:
            return vector
        # Nine digits give every float32 back as it was.
        return "{" + ",".join([f"{number:.9g}" for number in np.frombuffer(vector, "<f4").tolist()]) + "}"

    async def release(self, taken: Sequence[Due], after_s: float = 0.0) -> None:
        until = {"until": _now(after_s) if after_s else 0}
        await self._lane.run(NO_TENANT, lambda cursor: self._run(cursor, self._writes.put_off, taken, until))

    async def release_all(self) -> None:
        statement = self._writes.release_all
        if statement is not None:
            await self._lane.run(NO_TENANT, lambda cursor: cursor.execute(statement))

    async def mark_missing(self, model: str) -> int:
        marked = 0
        place: tuple[str, str] | None = ("", "")
        while place is not None:
            values = {"model": model, "tenant": place[0], "memory": place[1], "size": LOOKED_AT}
            count, place = await self._lane.run(
                NO_TENANT,
                lambda cursor, values=values: self._marked(cursor, values),  # type: ignore[misc]  # mypy does not infer a default's type.
            )
            marked += count
        return marked

    def _marked(self, cursor: DriverCursor, values: Mapping[str, Any]) -> tuple[int, tuple[str, str] | None]:
        """Marks what is missing after a place; how many, and the next place."""
        cursor.execute(self._writes.look_around, values)
        rows = cursor.fetchall()
        missing = [_due(row) for row in rows if row[3]]
        # In the order of the ids, after those that were written since, which have none.
        self._run(cursor, self._writes.mark, missing, {"now": _now()})
        return len(missing), (rows[-1][0], rows[-1][1]) if len(rows) == values["size"] else None

    def _run(
        self, cursor: DriverCursor, statement: str, dues: Sequence[Due], more: Mapping[str, Any] | None = None
    ) -> None:
        if not dues:
            return
        if self._on_sqlite:
            cursor.executemany(statement, [{**_values(due), **(more or {})} for due in dues])
        else:
            cursor.execute(statement, {**_arrays(dues), **(more or {})})


def _due(row: Sequence[Any]) -> Due:
    return Due(tenant=row[0], memory_id=row[1], version=row[2])


def _values(due: Due) -> dict[str, Any]:
    return {"tenant": due.tenant, "memory": due.memory_id, "version": due.version}


def _arrays(dues: Sequence[Due]) -> dict[str, Any]:
    return {
        "tenants": [due.tenant for due in dues],
        "ids": [due.memory_id for due in dues],
        "versions": [due.version for due in dues],
    }


def _now(after_s: float = 0.0) -> int:
    """Microseconds; the databases' own clocks are not asked."""
    return int((time.time() + after_s) * 1_000_000)
