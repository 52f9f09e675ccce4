"""What a tenant may use and uses, in its own row: counted under its lock, in the transaction of each write.

A tenant without quotas is not counted. What it uses is counted from its rows when it gets some.
"""

from datetime import UTC, datetime
from typing import Any

import orjson
from sqlalchemy import (
    JSON,
    ColumnElement,
    LargeBinary,
    Text,
    bindparam,
    cast,
    func,
    literal_column,
    select,
    text,
)

from mnesis.domain.caller import Caller
from mnesis.domain.memory import Memory
from mnesis.domain.quotas import Allowance, Quotas, Usage
from mnesis.storage.engines import DriverCursor, Engine
from mnesis.storage.rows import NAMESPACE, OWN_COLUMNS, OWN_START, memory_row
from mnesis.storage.statements import MEMORY, TENANT, WriteStatements
from mnesis.storage.visibility import TENANT as OF_TENANT
from mnesis.storage.visibility import VisibleStatement, compile_of_tenant, of_tenant

_LIVE = text("NOT memory.deleted")
_KEEP = {
    "sqlite": "UPDATE tenant SET quota = :quota WHERE id = :tenant",
    "postgresql": "UPDATE tenant SET quota = CAST(%(quota)s AS json) WHERE id = %(tenant)s",
}


def allowance_from(stored: str, now: datetime) -> Allowance:
    """What the tenant's row says, as of a time."""
    quotas, usage = quotas_from(stored)
    return Allowance(quotas=quotas, usage=usage.at(month_of(now)), measure=stored_bytes)


def quotas_from(stored: str) -> tuple[Quotas, Usage]:
    """What the tenant's row says."""
    found = orjson.loads(stored)
    return Quotas(**found["quotas"]), Usage(**found["usage"])


def quota_text(quotas: Quotas, usage: Usage) -> str:
    """As `quotas_from` reads it."""
    return orjson.dumps({"quotas": quotas, "usage": usage}).decode()


def month_of(now: datetime) -> str:
    """The month in UTC."""
    return now.astimezone(UTC).strftime("%Y-%m")


def stored_bytes(memory: Memory) -> int:
    """The bytes of the namespace and of the type's own fields: texts in UTF-8, JSON as it is stored, data as it is."""
    row = memory_row("", memory)
    return sum(map(_bytes, (row[NAMESPACE], *row[OWN_START : OWN_START + len(OWN_COLUMNS)])))


class QuotaStatements:
    """``used`` counts the live memories of the tenant and their bytes; ``used_by`` those of some memories;
    ``mine`` is what the tenant's row says."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        measured = [_octets(engine, MEMORY.c[name]) for name in ("namespace", *OWN_COLUMNS) if name != "pinned"]
        total = sum(measured[1:], measured[0])
        counts: list[ColumnElement[Any]] = [func.count(), func.coalesce(func.sum(total), literal_column("0"))]
        counted = select(*counts).select_from(MEMORY)
        self.used = compile_of_tenant(of_tenant(counted.where(_LIVE)), engine.dialect)
        named = engine.among(MEMORY.c.id, "ids")
        self.used_by = compile_of_tenant(of_tenant(counted.where(_LIVE, named)), engine.dialect)
        mine = select(TENANT.c.quota).where(TENANT.c.id == bindparam(OF_TENANT))
        self.mine = compile_of_tenant(mine, engine.dialect)
        self.keep = _KEEP[engine.dialect.name]


class QuotaKeeper:
    """Keeps the quota of a tenant inside transactions that hold its lock."""

    def __init__(self, engine: Engine) -> None:
        self._statements = QuotaStatements(engine)
        self._take_lock = WriteStatements(engine).take_changes

    def keep(self, cursor: DriverCursor, tenant: str, allowance: Allowance) -> None:
        """Writes what is used now."""
        stored = quota_text(allowance.quotas, allowance.usage)
        cursor.execute(self._statements.keep, {OF_TENANT: tenant, "quota": stored})

    def used_by(self, cursor: DriverCursor, tenant: str, ids: Any) -> Usage:
        """What the live ones among some memories use; ``ids`` is a list parameter."""
        return _usage(_row(cursor, self._statements.used_by, {OF_TENANT: tenant, "ids": ids}))

    def recount(self, cursor: DriverCursor, tenant: str, quotas: Quotas, usage: Usage) -> Usage:
        """Counts the tenant's rows and keeps that; the writes of the month stay."""
        counted = _usage(_row(cursor, self._statements.used, {OF_TENANT: tenant}))
        usage = Usage(memories=counted.memories, bytes=counted.bytes, writes=usage.writes, month=usage.month)
        cursor.execute(self._statements.keep, {OF_TENANT: tenant, "quota": quota_text(quotas, usage)})
        return usage

    def set(self, cursor: DriverCursor, caller: Caller, quotas: Quotas, now: datetime, stored: str | None) -> None:
        """Bounds a tenant whose lock is held, or with empty quotas no longer. ``stored`` is what its row says."""
        if quotas.is_empty:
            cursor.execute(self._statements.keep, {OF_TENANT: caller.tenant, "quota": None})
            return
        usage = quotas_from(stored)[1] if stored is not None else Usage()
        self.recount(cursor, caller.tenant, quotas, usage.at(month_of(now)))


def _row(cursor: DriverCursor, statement: VisibleStatement, values: dict[str, Any]) -> Any:
    cursor.execute(statement.text, {**statement.fixed, **values})
    return cursor.fetchone()


def _usage(row: Any) -> Usage:
    return Usage(memories=int(row[0]), bytes=int(row[1]))


def _bytes(value: object) -> int:
    if isinstance(value, str):
        return len(value.encode())
    return len(value) if isinstance(value, bytes) else 0


def _octets(engine: Engine, column: ColumnElement[Any]) -> ColumnElement[int]:
    if engine.dialect.name == "sqlite":
        # octet_length came with SQLite 3.43.
        length = func.length(column if isinstance(column.type, LargeBinary) else cast(column, LargeBinary))
    else:
        length = func.octet_length(cast(column, Text) if isinstance(column.type, JSON) else column)
    return func.coalesce(length, literal_column("0"))
