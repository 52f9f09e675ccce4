"""What the change feed asks of the database."""

from functools import cache
from typing import Any

from sqlalchemy import BigInteger, ColumnElement, bindparam, or_, select, tuple_

from mnesis.storage.engines import Engine
from mnesis.storage.statements import CONTAINER, HISTORY, TENANT
from mnesis.storage.visibility import VisibleStatement, compile_of_tenant, compile_visible, of_tenant


class FeedStatements:
    """Compiled once for the engine's dialect."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        marks = select(TENANT.c.change, TENANT.c.pruned_change).where(TENANT.c.id == bindparam("tenant"))
        self.marks = compile_visible(marks, engine.dialect)
        """The tenant's last change, and the last one of which records have aged out."""
        newest = select(TENANT.c.id, TENANT.c.change).where(engine.among(TENANT.c.id, "tenants"))
        self.newest = compile_visible(newest, engine.dialect)
        """The last change of each of several tenants, for the feed itself; it tells nothing else of them."""
        self.changes = cache(self._changes)

    def _changes(self, conditions: frozenset[str]) -> VisibleStatement:
        """Records after a place (:value, :tie) in commit order, ``:size`` of them; ``conditions`` narrow them down.

        Read for all subscribers of the tenant; behind each record stands who gets into its container, if guarded.
        """
        known = {
            "ids": self._engine.among(HISTORY.c.memory_id, "ids"),
            "container": HISTORY.c.container_id == bindparam("container"),
            "session": or_(HISTORY.c.session_id == bindparam("session"), HISTORY.c.memory_id == bindparam("session")),
        }
        place = tuple_(bindparam("value", type_=BigInteger), bindparam("tie", type_=BigInteger))
        found = (
            select(*HISTORY.columns, self._guard("owner"), self._guard("roles"))
            .where(
                tuple_(HISTORY.c.change, HISTORY.c.position) > place,
                *(known[name] for name in sorted(conditions)),
            )
            .order_by(HISTORY.c.change, HISTORY.c.position)
            .limit(bindparam("size", type_=BigInteger))
        )
        return compile_of_tenant(of_tenant(found), self._engine.dialect)

    def _guard(self, name: str) -> ColumnElement[Any]:
        same = (CONTAINER.c.id == HISTORY.c.container_id, HISTORY.c.guarded)
        found = of_tenant(select(CONTAINER.c[name]).where(*same)).correlate(HISTORY)
        return found.scalar_subquery().label(f"container_{name}")
