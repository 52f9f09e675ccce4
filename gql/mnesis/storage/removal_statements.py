"""The statements of removals by filter.

What is removed is walked in the order of the ids, which nothing changes: erasures look for deleted memories too, and
those are in no index but the primary key's and the entries'.
"""

from functools import lru_cache
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    ColumnElement,
    FromClause,
    Select,
    and_,
    bindparam,
    exists,
    func,
    literal_column,
    not_,
    or_,
    select,
)

from mnesis.domain.memory_types import HistoryAction, MemoryType
from mnesis.storage.engines import Engine
from mnesis.storage.filtering import SHAPES_KEPT, Shape, condition
from mnesis.storage.statements import HISTORY, MEMORY
from mnesis.storage.visibility import TENANT, VisibleStatement, compile_visible, visible

FIXED_COLUMNS = (
    "id", "memory_type", "container_id", "session_id", "entry_id", "version", "created_at", "updated_at", "arrival",
    "deleted", "owner", "guarded",
)  # fmt: skip
"""What an erasure needs of a memory; the content is not even read."""

_FORGET_ANSWERS = {
    name: f"""
        DELETE FROM idempotency WHERE tenant_id = {tenant} AND EXISTS (
            SELECT 1 FROM {outcomes} JOIN history
            ON history.tenant_id = idempotency.tenant_id AND history.memory_id = outcome.value ->> 'id'
            WHERE history.action = 'ERASE' AND history.created_at >= idempotency.created_at
        )
    """  # noqa: S608  # Nothing but the words below.
    for name, tenant, outcomes in (
        ("sqlite", ":tenant", "json_each(idempotency.answer, '$.outcomes') AS outcome"),
        ("postgresql", "%(tenant)s", "json_array_elements(idempotency.answer -> 'outcomes') AS outcome (value)"),
    )
}
"""Removes the answers that name a memory which was erased after they were given."""


class RemovalStatements:
    """``erases`` means: deleted memories too, but none that is erased already."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self.removable = lru_cache(SHAPES_KEPT)(self._removable)
        self.counts = lru_cache(SHAPES_KEPT)(self._counts)
        self.record_counts = lru_cache(SHAPES_KEPT)(self._record_counts)
        self.aimed_at = lru_cache(SHAPES_KEPT)(self._aimed_at)
        self.entries = {erases: self._entries(erases) for erases in (False, True)}
        self.entry_counts = {erases: self._entry_counts(erases) for erases in (False, True)}
        self.found = {erases: self._found(erases) for erases in (False, True)}
        self.entries_of = self._compiled(
            _fixed(MEMORY).where(engine.among(MEMORY.c.session_id, "ids"), _stands(MEMORY, True))
        )
        tenant: ColumnElement[str] = bindparam(TENANT)
        self.forget_history = str(
            HISTORY.delete()
            .where(HISTORY.c.tenant_id == tenant, engine.among(HISTORY.c.memory_id, "ids"))
            .compile(dialect=engine.dialect)
        )
        self.forget_answers = _FORGET_ANSWERS[engine.dialect.name]

    def _removable(self, shape: Shape, erases: bool, sessions: bool) -> VisibleStatement:
        # No index has the type in this form: the walk is by id.
        kind = MEMORY.c.memory_type.concat("")
        session = MemoryType.SESSION.value
        return self._compiled(
            select(MEMORY.c.id)
            .where(
                _stands(MEMORY, erases),
                kind == session if sessions else kind != session,
                condition(shape, self._engine, MEMORY, ordered=False),
                MEMORY.c.id > bindparam("after"),
            )
            .order_by(MEMORY.c.id)
            .limit(bindparam("size", type_=BigInteger))
        )

    def _entries(self, erases: bool) -> VisibleStatement:
        return self._compiled(
            select(MEMORY.c.id)
            .where(
                MEMORY.c.session_id == bindparam("session"),
                _stands(MEMORY, erases),
                MEMORY.c.id.concat("") > bindparam("after"),
            )
            # No index has this: the session's entries are looked up, not the tenant's memories walked.
            .order_by(MEMORY.c.id.concat(""))
            .limit(bindparam("size", type_=BigInteger))
        )

    def _entry_counts(self, erases: bool) -> VisibleStatement:
        return self._compiled(
            select(MEMORY.c.session_id, func.count())
            .where(self._engine.among(MEMORY.c.session_id, "ids"), _stands(MEMORY, erases))
            .group_by(MEMORY.c.session_id)
        )

    def _counts(self, shape: Shape, erases: bool) -> VisibleStatement:
        counted = select(MEMORY.c.memory_type, func.count()).where(self._doomed(shape, erases))
        return self._compiled(counted.group_by(MEMORY.c.memory_type))

    def _record_counts(self, shape: Shape, erases: bool) -> VisibleStatement:
        ids = visible(select(MEMORY.c.id).where(self._doomed(shape, erases)))
        return self._compiled(select(func.count()).select_from(HISTORY).where(HISTORY.c.memory_id.in_(ids)))

    def _doomed(self, shape: Shape, erases: bool) -> ColumnElement[bool]:
        """Everything that a removal is aimed at: what passes the filter, and the entries of such sessions."""
        session = MEMORY.alias("session")
        sessions = visible(
            select(session.c.id).where(
                session.c.memory_type == MemoryType.SESSION.value,
                _stands(session, erases),
                condition(shape, self._engine, session),
            )
        )
        passes = condition(shape, self._engine, MEMORY, total=True)
        return and_(_stands(MEMORY, erases), or_(passes, MEMORY.c.session_id.in_(sessions)))

    def _aimed_at(self, shape: Shape, erases: bool) -> VisibleStatement:
        return self._compiled(
            _fixed(MEMORY).where(
                self._engine.among(MEMORY.c.id, "ids"),
                _stands(MEMORY, erases),
                condition(shape, self._engine, MEMORY, ordered=False),
            )
        )

    def _found(self, erases: bool) -> VisibleStatement:
        """The session that was found, or entries of it."""
        of_session = or_(MEMORY.c.id == bindparam("session"), MEMORY.c.session_id == bindparam("session"))
        return self._compiled(
            _fixed(MEMORY).where(self._engine.among(MEMORY.c.id, "ids"), _stands(MEMORY, erases), of_session)
        )

    def _compiled(self, statement: Select[Any]) -> VisibleStatement:
        return compile_visible(visible(statement), self._engine.dialect)


def _fixed(table: FromClause) -> Select[Any]:
    return select(*(table.c[name] for name in FIXED_COLUMNS))


def _stands(table: FromClause, erases: bool) -> ColumnElement[bool]:
    """Whether there is something to remove."""
    # Spelt as the partial indexes spell it.
    live: ColumnElement[bool] = literal_column(f"NOT {table.name}.deleted", Boolean)  # type: ignore[attr-defined]  # Tables and aliases have one.
    if not erases:
        return live
    erased = visible(
        select(HISTORY.c.version)
        .where(
            HISTORY.c.memory_id == table.c.id,
            HISTORY.c.version == table.c.version,
            HISTORY.c.action == HistoryAction.ERASE.value,
        )
        .correlate(table)
    )
    return or_(live, not_(exists(erased)))
