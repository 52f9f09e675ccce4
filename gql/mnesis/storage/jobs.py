"""Keeps jobs: unfinished ones until they end, finished ones for `JOBS_KEPT`."""

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, fields
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    ColumnElement,
    Integer,
    Text,
    bindparam,
    delete,
    func,
    literal_column,
    null,
    or_,
    select,
    update,
)
from sqlalchemy.sql.dml import Delete, ReturningUpdate, Update

from mnesis.domain.caller import Caller, Scope
from mnesis.domain.json_values import JsonObject
from mnesis.storage.engines import DriverCursor, Engine
from mnesis.storage.instants import from_microseconds
from mnesis.storage.lanes import NO_TENANT, Lane
from mnesis.storage.reader import Reader
from mnesis.storage.statements import table_of
from mnesis.storage.tables import JobRow
from mnesis.storage.visibility import TENANT, caller_parameters, compile_visible, visible
from mnesis.usecases.jobs import UNFINISHED, Job, JobStatus, NewFact, TakenJob

JOB = table_of(JobRow)
JOBS_KEPT = timedelta(days=30)
LEASE_S = 120.0
"""How long a job that was taken is nobody else's turn; longer than a step takes."""

_OWN = JOB.c.subject == bindparam("subject")
_ONE = JOB.c.id == bindparam("job")
_TENANT = JOB.c.tenant_id == bindparam(TENANT)
_SHOWN = ("id", "status", "data", "total", "done", "attempts", "failure", "created_at", "started_at", "finished_at")


def _big(name: str) -> ColumnElement[int]:
    return bindparam(name, type_=BigInteger)


def _text(name: str) -> ColumnElement[str]:
    return bindparam(name, type_=Text)


class JobRows:
    """The `JobStore`."""

    def __init__(
        self,
        engine: Engine,
        run: Callable[[Caller, Callable[[DriverCursor], Any]], Any],
        lane: Lane,
        reader: Reader,
        new_id: Callable[[], str],
    ) -> None:
        """``run`` has something done in a transaction of a caller, the ``lane`` what is done for nobody."""
        self._engine = engine
        self._run = run
        self._lane = lane
        self._reader = reader
        self._new_id = new_id
        self._on_sqlite = engine.dialect.name == "sqlite"
        self._put = engine.write_statement(JOB, over=True)
        self._prepare_reads()
        self._prepare_writes()

    def _prepare_reads(self) -> None:
        shown = [JOB.c[name] for name in _SHOWN]
        self._one = compile_visible(visible(select(*shown).where(_OWN, _ONE)), self._engine.dialect)
        own = select(*shown).where(_OWN, self._engine.among(JOB.c.status, "statuses"))
        page = own.order_by(JOB.c.created_at.desc(), JOB.c.id.desc()).limit(_big("size")).offset(_big("skipped"))
        self._list = compile_visible(visible(page), self._engine.dialect)

    def _prepare_writes(self) -> None:
        ended = {"due_at": null(), "finished_at": _big("now"), "items": bindparam("nothing", type_=JSON)}
        unfinished = or_(JOB.c.status == _text("waiting"), JOB.c.status == _text("active"))
        left = JOB.c.total - JOB.c.done > _big("last")
        self._forget = self._compiled(delete(JOB).where(_TENANT, JOB.c.finished_at < _big("oldest")))
        self._cancel = self._compiled(
            update(JOB)
            .where(
                _TENANT,
                _OWN,
                _ONE,
                or_(JOB.c.status == _text("waiting"), (JOB.c.status == _text("active")) & left),
            )
            .values(status=_text("cancelled"), **ended)
            .returning(JOB.c.id)
        )
        due = select(JOB.c.tenant_id, JOB.c.id).where(JOB.c.due_at <= _big("now")).order_by(JOB.c.due_at)
        # Words, since a statement of this kind brings no parameters of its own.
        due = due.limit(literal_column("1")).offset(literal_column("0"))
        # Other processes look for jobs too; SQLite, which one process serves, knows no such locks.
        free = (due if self._on_sqlite else due.with_for_update(skip_locked=True)).cte("free")
        self._take = self._compiled(
            update(JOB)
            .where(JOB.c.tenant_id == free.c.tenant_id, JOB.c.id == free.c.id)
            .values(
                status=_text("active"),
                due_at=_big("until"),
                attempts=JOB.c.attempts + literal_column("1"),
                started_at=func.coalesce(JOB.c.started_at, _big("now")),
            )
            .returning(JOB.c.id, JOB.c["items"], JOB.c.done, JOB.c.attempts)
        )
        self._progress = self._compiled(
            update(JOB)
            .where(_TENANT, _ONE, JOB.c.done <= bindparam("done", type_=Integer))
            .values(done=bindparam("done", type_=Integer))
        )
        self._renew = self._compiled(
            update(JOB)
            .where(_TENANT, _ONE, JOB.c.status == _text("active"))
            .values(due_at=_big("until"))
            .returning(JOB.c.id)
        )
        self._finish = self._compiled(
            update(JOB)
            .where(_TENANT, _ONE, unfinished)
            .values(status=_text("status"), failure=_text("failure"), **ended)
        )
        self._release = self._compiled(
            update(JOB).where(_TENANT, _ONE, JOB.c.due_at.is_not(None)).values(due_at=_big("until"))
        )
        self._release_all = self._compiled(update(JOB).where(JOB.c.due_at.is_not(None)).values(due_at=_big("now")))

    def _compiled(self, statement: Update | Delete | ReturningUpdate[Any]) -> str:
        return str(statement.compile(dialect=self._engine.dialect))

    async def add(self, caller: Caller, data: JsonObject, facts: Sequence[NewFact]) -> str:
        job_id, now = self._new_id(), _now()
        items = json.dumps({"caller": _caller_json(caller), "facts": [asdict(fact) for fact in facts]})
        row = [
            caller.tenant, job_id, caller.subject, JobStatus.WAITING.value, json.dumps(data), items, len(facts), 0, 0,
            None, now, now, None, None,
        ]  # fmt: skip
        oldest = now - int(JOBS_KEPT.total_seconds() * 1_000_000)

        def added(cursor: DriverCursor) -> None:
            self._engine.write(cursor, self._put, [row])
            cursor.execute(self._forget, {TENANT: caller.tenant, "oldest": oldest})

        await self._run(caller, added)
        return job_id

    async def job(self, caller: Caller, job_id: str) -> Job | None:
        values = {**caller_parameters(caller), "subject": caller.subject, "job": job_id}
        rows = await self._reader.hop(lambda ask: ask(self._one, values), kind="jobs")
        return _job(rows[0]) if rows else None

    async def listed(self, caller: Caller, statuses: Sequence[JobStatus], *, size: int, skipped: int) -> Sequence[Job]:
        values = {
            **caller_parameters(caller),
            "subject": caller.subject,
            "statuses": self._engine.texts([status.value for status in statuses]),
            "size": size,
            "skipped": skipped,
        }
        rows = await self._reader.hop(lambda ask: ask(self._list, values), kind="jobs")
        return list(map(_job, rows))

    async def cancel(self, caller: Caller, job_id: str, *, last: int) -> bool:
        values = {TENANT: caller.tenant, "subject": caller.subject, "job": job_id, "last": last, **_WORDS, **_ended()}
        cancelled: bool = await self._run(caller, lambda cursor: bool(_returned(cursor, self._cancel, values)))
        return cancelled

    async def take(self) -> TakenJob | None:
        values = {"now": _now(), "until": _now(LEASE_S), **_WORDS}
        rows = await self._lane.run(NO_TENANT, lambda cursor: _returned(cursor, self._take, values))
        if not rows:
            return None
        job_id, items, done, attempts = rows[0]
        kept = _read(items)
        facts = tuple(NewFact(**each) for each in kept["facts"])
        return TakenJob(caller=_caller(kept["caller"]), id=job_id, facts=facts, done=done, attempts=attempts)

    async def progress(self, taken: TakenJob, done: int) -> bool:
        values = {**_whose(taken), **_WORDS, "done": done, "until": _now(LEASE_S)}

        def noted(cursor: DriverCursor) -> bool:
            cursor.execute(self._progress, values)
            return bool(_returned(cursor, self._renew, values))

        return await self._lane.run(NO_TENANT, noted)

    async def finish(self, taken: TakenJob, failure: str | None = None) -> None:
        status = JobStatus.COMPLETED if failure is None else JobStatus.FAILED
        values = {**_whose(taken), **_WORDS, **_ended(), "status": status.value, "failure": failure}
        await self._lane.run(NO_TENANT, lambda cursor: cursor.execute(self._finish, values))

    async def release(self, taken: TakenJob, after_s: float = 0.0) -> None:
        values = {**_whose(taken), "until": _now(after_s)}
        await self._lane.run(NO_TENANT, lambda cursor: cursor.execute(self._release, values))

    async def release_all(self) -> None:
        if self._on_sqlite:
            await self._lane.run(NO_TENANT, lambda cursor: cursor.execute(self._release_all, {"now": _now()}))


_WORDS = {status.value: status.value for status in (*UNFINISHED, JobStatus.CANCELLED)}


def _returned(cursor: DriverCursor, statement: str, values: dict[str, Any]) -> list[Any]:
    cursor.execute(statement, values)
    rows: list[Any] = cursor.fetchall()
    return rows


def _whose(taken: TakenJob) -> dict[str, Any]:
    return {TENANT: taken.caller.tenant, "job": taken.id}


def _caller_json(caller: Caller) -> dict[str, Any]:
    """Who a caller is; when the credentials end is another matter."""
    known = {field.name: getattr(caller, field.name) for field in fields(caller) if field.compare}
    return {name: sorted(value) if isinstance(value, frozenset) else value for name, value in known.items()}


def _caller(stored: dict[str, Any]) -> Caller:
    known: dict[str, Any] = {
        name: frozenset(value) if isinstance(value, list) else value for name, value in stored.items()
    }
    known["scopes"] = frozenset(map(Scope, known["scopes"]))
    return Caller(**known)


def _ended() -> dict[str, Any]:
    return {"now": _now(), "nothing": "[]"}


def _job(row: Sequence[Any]) -> Job:
    told = dict(zip(_SHOWN, row, strict=True))
    told["status"] = JobStatus(told["status"])
    told["data"] = _read(told["data"])
    for name in ("created_at", "started_at", "finished_at"):
        told[name] = _time(told[name])
    return Job(**told)


def _time(stored: int | None) -> datetime | None:
    return None if stored is None else from_microseconds(stored)


def _read(stored: Any) -> Any:
    """JSON, which a driver may have read already."""
    return json.loads(stored) if isinstance(stored, str) else stored


def _now(after_s: float = 0.0) -> int:
    return int((time.time() + after_s) * 1_000_000)
