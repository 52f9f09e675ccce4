"""Keeps the traces of searches, each for `TRACES_KEPT`."""

import json
import time
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any

from sqlalchemy import BigInteger, bindparam, delete, func, select

from mnesis.domain.caller import Caller
from mnesis.domain.json_values import JsonObject
from mnesis.storage.engines import DriverCursor, Engine
from mnesis.storage.instants import from_microseconds
from mnesis.storage.reader import Ask, Reader
from mnesis.storage.statements import table_of
from mnesis.storage.tables import TraceRow
from mnesis.storage.visibility import TENANT, caller_parameters, compile_visible, visible
from mnesis.usecases.traces import Trace

TRACE = table_of(TraceRow)
TRACES_KEPT = timedelta(days=30)

_OWN = TRACE.c.subject == bindparam("subject")


class TraceRows:
    """The `TraceStore`."""

    def __init__(
        self,
        engine: Engine,
        run: Callable[[Caller, Callable[[DriverCursor], Any]], Any],
        reader: Reader,
        new_id: Callable[[], str],
    ) -> None:
        """``run`` has a job done in a transaction that writes."""
        self._engine = engine
        self._run = run
        self._reader = reader
        self._new_id = new_id
        self._put = engine.write_statement(TRACE, over=True)
        tenant = TRACE.c.tenant_id == bindparam(TENANT)
        aged = delete(TRACE).where(tenant, TRACE.c.created_at < bindparam("oldest", type_=BigInteger))
        self._forget = str(aged.compile(dialect=engine.dialect))
        gone = delete(TRACE).where(tenant, _OWN, TRACE.c.id == bindparam("trace")).returning(*TRACE.columns)
        self._delete = str(gone.compile(dialect=engine.dialect))
        own = select(*TRACE.columns).where(_OWN).order_by(TRACE.c.created_at.desc(), TRACE.c.id.desc())
        page = own.limit(bindparam("size", type_=BigInteger)).offset(bindparam("skipped", type_=BigInteger))
        self._list = compile_visible(visible(page), engine.dialect)
        count = select(func.count()).select_from(TRACE).where(_OWN)
        self._count = compile_visible(visible(count), engine.dialect)

    async def log(self, caller: Caller, kind: str, data: JsonObject) -> None:
        now = _now()
        row = [caller.tenant, self._new_id(), caller.subject, kind, json.dumps(data), now]
        oldest = now - int(TRACES_KEPT.total_seconds() * 1_000_000)

        def logged(cursor: DriverCursor) -> None:
            self._engine.write(cursor, self._put, [row])
            cursor.execute(self._forget, {TENANT: caller.tenant, "oldest": oldest})

        await self._run(caller, logged)

    async def listed(self, caller: Caller, *, size: int, skipped: int) -> tuple[Sequence[Trace], int]:
        common = {**caller_parameters(caller), "subject": caller.subject}

        def asked(ask: Ask) -> tuple[Sequence[Trace], int]:
            rows = ask(self._list, {**common, "size": size, "skipped": skipped})
            [[count]] = ask(self._count, common)
            return list(map(_trace, rows)), count

        return await self._reader.hop(asked, kind="traces")

    async def deleted(self, caller: Caller, trace_id: str) -> Trace | None:
        def gone(cursor: DriverCursor) -> list[Any]:
            cursor.execute(self._delete, {TENANT: caller.tenant, "subject": caller.subject, "trace": trace_id})
            rows: list[Any] = cursor.fetchall()
            return rows

        rows = await self._run(caller, gone)
        return _trace(rows[0]) if rows else None


def _trace(row: Sequence[Any]) -> Trace:
    _, trace_id, _, kind, data, created_at = row
    # A driver may have read the JSON already.
    held = json.loads(data) if isinstance(data, str) else data
    return Trace(id=trace_id, type=kind, data=held, created_at=from_microseconds(created_at))


def _now() -> int:
    return int(time.time() * 1_000_000)
