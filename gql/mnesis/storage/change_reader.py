"""Reads the tenant's history in commit order, for those who wait for it."""

from collections.abc import Collection, Mapping
from typing import Any, NamedTuple

from mnesis.domain.access import Access, may_see
from mnesis.domain.caller import Caller
from mnesis.domain.json_values import text_fault
from mnesis.domain.watching import ChangeFilter
from mnesis.storage.container_rows import roles_from
from mnesis.storage.engines import Engine
from mnesis.storage.feed_statements import FeedStatements
from mnesis.storage.reader import CHANGES as CHANGES_READ
from mnesis.storage.reader import Ask, Reader, Rows
from mnesis.storage.rows import HISTORY_COLUMNS
from mnesis.storage.visibility import TENANT
from mnesis.usecases.metering import UNMETERED, Meter

MEMORY_ID, MEMORY_TYPE, CONTAINER_ID, SESSION_ID, NAMESPACE, CHANGE, POSITION, CHANGES, OWNER, GUARDED = map(
    HISTORY_COLUMNS.index,
    (
        "memory_id", "memory_type", "container_id", "session_id", "namespace", "change", "position", "changes", "owner",
        "guarded",
    ),
)  # fmt: skip
CONTAINER_OWNER = len(HISTORY_COLUMNS)
CONTAINER_ROLES = CONTAINER_OWNER + 1
AT_THE_END = 2**31 - 1
"""A position behind all of a change's records."""


class Place(NamedTuple):
    """A place in a tenant's commit order."""

    change: int
    position: int


class Marks(NamedTuple):
    """``newest`` is the tenant's last change, ``pruned`` the last one of which records have aged out; 0 for none."""

    newest: int
    pruned: int

    def cut_off(self, place: Place) -> bool:
        """Whether some of what comes after a place may be gone. Of a change, either all records are behind a place
        or it is not known whether those that follow are still there."""
        at = place.change if place.position == AT_THE_END else place.change - 1
        return self.pruned > max(at, 0)


def weight_bytes(row: Any) -> int:
    """Roughly what the record of a row weighs in memory."""
    return 1_000 + len(row[CHANGES]) + len(row[NAMESPACE])


def is_seen(row: Any, caller: Caller) -> bool:
    """Whether the caller may see the record of a row, as `visible` has it."""
    if not row[GUARDED]:
        return True
    roles = frozenset(roles_from(row[CONTAINER_ROLES]))
    container = Access(owner=row[CONTAINER_OWNER], roles=roles, guarded=row[CONTAINER_OWNER] is not None)
    return may_see(caller, owner=row[OWNER], guarded=True, container=container)


def place_of(row: Any) -> Place:
    """Where a row stands in the commit order."""
    return Place(row[CHANGE], row[POSITION])


class ChangeReader:
    """Asks on connections of its own, so that the feed waits for no search and no search for the feed."""

    def __init__(self, engine: Engine, *, threads: int, meter: Meter = UNMETERED) -> None:
        self._engine = engine
        self._statements = FeedStatements(engine)
        self._reader = Reader(engine, threads=threads, meter=meter)

    async def marks(self, tenant: str) -> Marks:
        """How far a tenant has come. What was committed before this was asked is within ``newest``."""
        return await self._reader.hop(lambda ask: self._marks(ask, tenant), kind=CHANGES_READ)

    async def newest(self, tenants: Collection[str]) -> Mapping[str, int]:
        """The last change of each of these tenants that ever wrote."""
        values = {"tenants": self._engine.texts(tenants)}
        rows = await self._reader.hop(lambda ask: ask(self._statements.newest, values), kind=CHANGES_READ)
        return dict(map(tuple, rows))

    async def changes(self, tenant: str, place: Place, size: int) -> tuple[Marks, Rows, Marks]:
        """How far the tenant had come, the first rows after a place, and the marks after that."""
        return await self.wanted_changes(tenant, place, size, ChangeFilter())

    async def wanted_changes(
        self, tenant: str, place: Place, size: int, wanted: ChangeFilter
    ) -> tuple[Marks, Rows, Marks]:
        """How far the tenant had come, the first rows after a place that may be wanted, and the marks after that."""
        return await self._reader.hop(
            lambda ask: (
                self._marks(ask, tenant),
                self._rows(ask, tenant, place, size, wanted),
                self._marks(ask, tenant),
            ),
            kind=CHANGES_READ,
        )

    def close(self) -> None:
        """Blocks."""
        self._reader.close()

    def _marks(self, ask: Ask, tenant: str) -> Marks:
        rows = ask(self._statements.marks, {TENANT: tenant})
        return Marks(*rows[0]) if rows else Marks(0, 0)

    def _rows(self, ask: Ask, tenant: str, place: Place, size: int, wanted: ChangeFilter) -> Rows:
        values: dict[str, Any] = {}
        if wanted.ids is not None:
            values["ids"] = self._engine.texts(wanted.ids)
        if wanted.container_id is not None:
            values["container"] = _findable(wanted.container_id)
        if wanted.session_id is not None:
            values["session"] = _findable(wanted.session_id)
        statement = self._statements.changes(frozenset(values))
        return ask(statement, {TENANT: tenant, "value": place.change, "tie": place.position, "size": size, **values})


def _findable(text: str) -> str:
    """The text, or the empty one, which is nothing's id, for what a database cannot even be asked for."""
    return text if text_fault(text) is None else ""
