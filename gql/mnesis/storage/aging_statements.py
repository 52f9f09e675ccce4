"""The statements of retention: walks in the order of the last changes, and of the history."""

from functools import cache
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Integer,
    Select,
    TextClause,
    and_,
    bindparam,
    exists,
    false,
    func,
    not_,
    or_,
    select,
    text,
    tuple_,
)

from mnesis.storage.engines import Engine
from mnesis.storage.statements import CONTAINER, HISTORY, MEMORY, TENANT
from mnesis.storage.visibility import TENANT as OF_TENANT
from mnesis.storage.visibility import VisibleStatement, compile_of_tenant, compile_visible, of_tenant, visible

# Spelt as the partial indexes spell it, so that both databases see that they may use them.
_LIVE = text("NOT memory.deleted")
_LAST_CHANGE = (MEMORY.c.updated_at, MEMORY.c.arrival)


class AgingStatements:
    """Compiled once for the engine's dialect."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        size: ColumnElement[int] = bindparam("size", type_=BigInteger)
        self.tenants = self._compiled(
            select(TENANT.c.id).where(TENANT.c.id > bindparam("after")).order_by(TENANT.c.id).limit(size)
        )
        self.tenant = self._compiled(select(TENANT.c.id).where(TENANT.c.id == bindparam("id")))
        rules = select(CONTAINER.c.id, CONTAINER.c.retention)
        self.policies = self._compiled(
            rules.where(CONTAINER.c.retention.is_not(None), CONTAINER.c.id > bindparam("after"))
            .order_by(CONTAINER.c.id)
            .limit(size)
        )
        self.policy = self._compiled(rules.where(CONTAINER.c.id == bindparam("id")))
        self.last_of_count = cache(self._last_of_count)
        self.aged = cache(self._aged)
        self.records = cache(self._records)
        tenant: ColumnElement[str] = bindparam(OF_TENANT)
        self.cut_records = str(
            HISTORY.delete()
            .where(
                HISTORY.c.tenant_id == tenant,
                HISTORY.c.memory_id == bindparam("memory"),
                HISTORY.c.version <= bindparam("upto", type_=Integer),
                HISTORY.c.change <= bindparam("last", type_=BigInteger),
            )
            .compile(dialect=engine.dialect)
        )
        """Those after ``:last`` are of a memory that has got the id since another run removed this one whole."""
        entry = MEMORY.alias("entry")
        held = select(entry.c.id).where(entry.c.tenant_id == tenant, entry.c.session_id == MEMORY.c.id)
        self.cut_memories = str(
            MEMORY.delete()
            .where(
                MEMORY.c.tenant_id == tenant,
                engine.among(MEMORY.c.id, "ids"),
                MEMORY.c.deleted,
                MEMORY.c.updated_at < bindparam("deleted_before", type_=BigInteger),
                not_(exists(held.correlate(MEMORY))),
            )
            .compile(dialect=engine.dialect)
        )
        """None that is the session of what is stored still."""
        self.tombstones = compile_of_tenant(
            of_tenant(select(MEMORY.c.id).where(engine.among(MEMORY.c.id, "ids"), MEMORY.c.deleted)), engine.dialect
        )

    def _last_of_count(self, working: bool) -> VisibleStatement:
        """The memory that ``:skipped`` others of its type have changed after."""
        newest_first = (column.desc() for column in _LAST_CHANGE)
        found = select(*_LAST_CHANGE).where(*_may_go(working)).order_by(*newest_first)
        return self._compiled(found.limit(1).offset(bindparam("skipped", type_=BigInteger)))

    def _aged(self, working: bool, onwards: bool) -> VisibleStatement:
        found = select(MEMORY.c.id, *_LAST_CHANGE).where(*_may_go(working), tuple_(*_LAST_CHANGE) < _place("kept"))
        if onwards:
            found = found.where(tuple_(*_LAST_CHANGE) > _place("after"))
        return self._compiled(found.order_by(*_LAST_CHANGE).limit(bindparam("size", type_=BigInteger)))

    def _records(self, onwards: bool) -> VisibleStatement:
        """Records and how their memories are now."""
        of = HISTORY.c
        found = (
            select(of.memory_id, of.version, of.change, of.position, of.created_at, MEMORY.c.version, MEMORY.c.deleted)
            .join_from(HISTORY, MEMORY, and_(MEMORY.c.tenant_id == of.tenant_id, MEMORY.c.id == of.memory_id))
            .where(of.container_id == bindparam("container"))
        )
        if onwards:
            found = found.where(tuple_(of.change, of.position) > _place("after"))
        return self._compiled(found.order_by(of.change, of.position).limit(bindparam("size", type_=BigInteger)))

    def _compiled(self, statement: Select[Any]) -> VisibleStatement:
        return compile_visible(visible(statement), self._engine.dialect)


def _may_go(working: bool) -> list[ColumnElement[bool] | TextClause]:
    conditions: list[ColumnElement[bool] | TextClause] = [
        _LIVE,
        MEMORY.c.container_id == bindparam("container"),
        # No index has the type in this form: a container's memories are walked in the order of their last changes.
        MEMORY.c.memory_type.concat("") == bindparam("memory_type"),
    ]
    if not working:
        return [*conditions, not_(func.coalesce(MEMORY.c.pinned, false()))]
    session = MEMORY.alias("session")
    goes_by_itself = tuple_(session.c.updated_at, session.c.arrival) < _place("sessions")
    keeps_out = visible(
        select(session.c.id)
        .where(session.c.id == MEMORY.c.session_id, or_(func.coalesce(session.c.pinned, false()), goes_by_itself))
        .correlate(MEMORY)
    )
    return [*conditions, not_(exists(keeps_out))]


def _place(name: str) -> ColumnElement[Any]:
    return tuple_(bindparam(f"{name}_value", type_=BigInteger), bindparam(f"{name}_tie", type_=BigInteger))
