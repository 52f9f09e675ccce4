"""Every statement, built from the tables and compiled once for the engine's dialect."""

from functools import cache, lru_cache, partial
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Select,
    Table,
    bindparam,
    func,
    literal_column,
    or_,
    select,
    text,
    tuple_,
    union_all,
)
from sqlalchemy.dialects.postgresql import insert  # Both dialects spell the one upsert that uses it alike.
from sqlmodel import SQLModel

from mnesis.storage.engines import Engine
from mnesis.storage.filtering import SHAPES_KEPT, Shape, condition, during
from mnesis.storage.tables import ContainerRow, HistoryRow, IdempotencyRow, MemoryRow, TenantRow
from mnesis.storage.visibility import VisibleStatement, compile_of_tenant, compile_visible, of_tenant, visible


def table_of(row: type[SQLModel]) -> Table:
    table: Table = row.__table__  # type: ignore[attr-defined]  # SQLModel does not declare it.
    return table


TENANT = table_of(TenantRow)
CONTAINER = table_of(ContainerRow)
MEMORY = table_of(MemoryRow)
HISTORY = table_of(HistoryRow)
IDEMPOTENCY = table_of(IdempotencyRow)

# Spelt as the partial indexes spell it, so that both databases see that they may use them.
_LIVE = text("NOT memory.deleted")
_LIVE_CONTAINER = text("NOT container.deleted")


class WriteStatements:
    """What a writer lane runs; see `Transaction`."""

    def __init__(self, engine: Engine) -> None:
        self.take_changes = _take_changes(engine)
        self.new_container = engine.write_statement(CONTAINER, over=False)
        self.put_memories = engine.write_statement(MEMORY, over=True)
        # By the columns, see `revised_columns`. SQLite writes every index anew that a named one is part of.
        self.revise = lru_cache(SHAPES_KEPT)(partial(engine.revise_statement, MEMORY))
        self.put_records = engine.write_statement(HISTORY, over=False)
        self.put_answers = engine.write_statement(IDEMPOTENCY, over=True)
        self.by_ids = compile_of_tenant(
            of_tenant(select(*MEMORY.columns).where(engine.among(MEMORY.c.id, "ids"))), engine.dialect
        )
        self.by_entry_keys = compile_of_tenant(_by_entry_keys(engine), engine.dialect)
        self.of_sessions = compile_of_tenant(_of_sessions(engine), engine.dialect)
        container = select(*(CONTAINER.c[name] for name in ("id", "deleted", "guarded", "owner", "roles")))
        self.containers = compile_of_tenant(
            of_tenant(container.where(engine.among(CONTAINER.c.id, "ids"))), engine.dialect
        )
        self.history_from = compile_of_tenant(
            of_tenant(
                select(*HISTORY.columns).where(
                    engine.among(HISTORY.c.memory_id, "ids"), HISTORY.c.version >= bindparam("least", type_=BigInteger)
                )
            ),
            engine.dialect,
        )
        self.answers = compile_visible(_answers(engine), engine.dialect)
        self.forget_answers = str(
            IDEMPOTENCY.delete().where(IDEMPOTENCY.c.created_at < bindparam("oldest")).compile(dialect=engine.dialect)
        )


class ReadStatements:
    """What the reader runs. Statements that depend on what is asked are compiled once for each form of it."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self.memories = self._compiled(select(*MEMORY.columns).where(engine.among(MEMORY.c.id, "ids"), _LIVE))
        self.record = self._compiled(
            select(*HISTORY.columns).where(
                HISTORY.c.memory_id == bindparam("memory"),
                HISTORY.c.version == bindparam("version", type_=BigInteger),
            )
        )
        self.memory = self._compiled(select(*MEMORY.columns).where(MEMORY.c.id == bindparam("memory")))
        self.versions = self._compiled(
            select(*HISTORY.columns).where(
                HISTORY.c.memory_id == bindparam("memory"),
                HISTORY.c.version.between(bindparam("least", type_=BigInteger), bindparam("most", type_=BigInteger)),
            )
        )
        self.version_at = self._compiled(
            select(HISTORY.c.version)
            .where(
                HISTORY.c.memory_id == bindparam("memory"),
                HISTORY.c.created_at <= bindparam("moment", type_=BigInteger),
            )
            .order_by(HISTORY.c.version.desc())
            .limit(1)
        )
        self.oldest_version = self._compiled(
            select(HISTORY.c.version)
            .where(HISTORY.c.memory_id == bindparam("memory"))
            .order_by(HISTORY.c.version)
            .limit(1)
        )
        self.containers = self._compiled(select(*CONTAINER.columns).where(engine.among(CONTAINER.c.id, "ids")))
        self.list_containers = cache(self._list_containers)
        live_containers = select(func.count()).select_from(CONTAINER).where(_LIVE_CONTAINER)
        self.count_containers = self._compiled(live_containers)
        self.count_memories_of = self._compiled(
            select(MEMORY.c.container_id, func.count())
            .where(engine.among(MEMORY.c.container_id, "ids"), _LIVE)
            .group_by(MEMORY.c.container_id)
        )
        self.count_entries = self._compiled(
            select(MEMORY.c.session_id, func.count())
            .where(engine.among(MEMORY.c.session_id, "ids"), _LIVE)
            .group_by(MEMORY.c.session_id)
        )
        self.count_histories = self._compiled(
            select(HISTORY.c.memory_id, func.count())
            .where(engine.among(HISTORY.c.memory_id, "ids"))
            .group_by(HISTORY.c.memory_id)
        )
        # Clients make the shapes, so only the latest are kept.
        self.list_memories = lru_cache(SHAPES_KEPT)(self._list_memories)
        self.count_memories = lru_cache(SHAPES_KEPT)(self._count_memories)
        self.list_records = cache(self._list_records)
        self.count_records = cache(self._count_records)
        self.entries = cache(self._entries)
        self.history = cache(self._history)

    def _list_memories(
        self, shape: Shape, looked_up: bool, column: str, bound: str | None, ascending: bool, columns: tuple[str, ...]
    ) -> VisibleStatement:
        """``looked_up`` are few enough to be sorted; ``column`` is the time that orders them; ``bound`` is None or
        "place"; ``columns`` are those that are wanted."""
        order = _order_of(looked_up, MEMORY.c[column], MEMORY.c.arrival)
        found = select(*(MEMORY.c[name] for name in columns)).where(_LIVE, condition(shape, self._engine, MEMORY))
        return self._compiled(_paged(found, order, bound, ascending))

    def _count_memories(self, shape: Shape) -> VisibleStatement:
        found = select(func.count()).select_from(MEMORY)
        return self._compiled(found.where(_LIVE, condition(shape, self._engine, MEMORY)))

    def _list_records(self, conditions: frozenset[str], bound: str | None, ascending: bool) -> VisibleStatement:
        order = _order_of("ids" in conditions, HISTORY.c.change, HISTORY.c.position)
        if "session" not in conditions:
            found = select(*HISTORY.columns).where(*self._record_conditions(conditions))
            return self._compiled(_paged(found, order, bound, ascending))
        # Two short walks of an index instead of an OR, for which a database would walk the tenant's history. A memory's
        # versions are in the order of its changes, so those of the session itself come out of the primary key.
        others = self._record_conditions(conditions - {"session"})
        entries = select(*HISTORY.columns).where(HISTORY.c.session_id == bindparam("session"), *others)
        itself = select(*HISTORY.columns).where(HISTORY.c.memory_id == bindparam("session"), *others)
        by_version = HISTORY.c.version.asc() if ascending else HISTORY.c.version.desc()
        both = union_all(
            *(
                select(*part.columns)
                for part in (
                    visible(_paged(entries, order, bound, ascending)).subquery("of_entries"),
                    visible(_paged(itself, order, bound, ascending).order_by(None).order_by(by_version)).subquery(
                        "of_itself"
                    ),
                )
            )
        ).subquery("found")
        merged = (part.asc() if ascending else part.desc() for part in (both.c.change, both.c.position))
        return self._compiled(select(*both.columns).order_by(*merged).limit(bindparam("size", type_=BigInteger)))

    def _count_records(self, conditions: frozenset[str]) -> VisibleStatement:
        return self._compiled(select(func.count()).select_from(HISTORY).where(*self._record_conditions(conditions)))

    def _record_conditions(self, given: frozenset[str]) -> list[ColumnElement[bool]]:
        known: dict[str, ColumnElement[bool]] = {
            "ids": self._engine.among(HISTORY.c.memory_id, "ids"),
            "container": HISTORY.c.container_id == bindparam("container"),
            "session": or_(HISTORY.c.session_id == bindparam("session"), HISTORY.c.memory_id == bindparam("session")),
            "since": during(HISTORY.c.created_at, "since", None),
            "until": during(HISTORY.c.created_at, None, "until"),
        }
        return [known[name] for name in sorted(given)]

    def _list_containers(self, bound: str | None, ascending: bool) -> VisibleStatement:
        found = select(*CONTAINER.columns).where(_LIVE_CONTAINER)
        if bound is not None:
            place: ColumnElement[str] = bindparam("place")
            found = found.where(CONTAINER.c.id > place if ascending else CONTAINER.c.id < place)
        by_id = CONTAINER.c.id.asc() if ascending else CONTAINER.c.id.desc()
        return self._compiled(found.order_by(by_id).limit(bindparam("size", type_=BigInteger)))

    def _entries(self, bound: str | None, ascending: bool) -> VisibleStatement:
        found = select(*MEMORY.columns).where(MEMORY.c.session_id == bindparam("session"), _LIVE)
        return self._compiled(_paged(found, (MEMORY.c.created_at, MEMORY.c.arrival), bound, ascending))

    def _history(self, bound: str | None, ascending: bool) -> VisibleStatement:
        found = select(*HISTORY.columns).where(HISTORY.c.memory_id == bindparam("memory"))
        return self._compiled(_paged(found, (HISTORY.c.version,), bound, ascending))

    def _compiled(self, statement: Select[Any]) -> VisibleStatement:
        return compile_visible(visible(statement), self._engine.dialect)


def _order_of(looked_up: bool, *columns: ColumnElement[int]) -> tuple[ColumnElement[int], ...]:
    """The columns; no index has them in this form where few are looked up, or a database would walk all that the tenant
    has in their order instead of looking the few up and sorting them."""
    return tuple(column + literal_column("0") for column in columns) if looked_up else columns


def _paged(
    found: Select[Any], order: tuple[ColumnElement[Any], ...], bound: str | None, ascending: bool
) -> Select[Any]:
    """Keyset paging: rows beyond the place (:value, :tie) in the order's direction, ``:size`` of them."""
    if bound is not None:
        place = [bindparam("value", type_=BigInteger), bindparam("tie", type_=BigInteger)][: len(order)]
        if len(order) == 1:
            here, there = order[0], place[0]
            found = found.where(here > there if ascending else here < there)
        else:
            found = found.where(tuple_(*order) > tuple_(*place) if ascending else tuple_(*order) < tuple_(*place))
    directed = (part.asc() if ascending else part.desc() for part in order)
    return found.order_by(*directed).limit(bindparam("size", type_=BigInteger))


def _take_changes(engine: Engine) -> str:
    """Takes the tenant's next :count change numbers and with them the tenant's lock; makes a new tenant."""
    statement = insert(TENANT).values(id=bindparam("tenant"), change=bindparam("count"), created_at=bindparam("now"))
    taken = statement.on_conflict_do_update(
        index_elements=[TENANT.c.id], set_={"change": TENANT.c.change + bindparam("count")}
    ).returning(TENANT.c.change, TENANT.c.created_at, engine.mark_column(), TENANT.c.quota)
    return str(taken.compile(dialect=engine.dialect))


def _by_entry_keys(engine: Engine) -> Select[Any]:
    # IN with row values, not a join: SQLite would walk the tenant's memories and look each up among the keys.
    key = tuple_(MEMORY.c.session_id, MEMORY.c.entry_id)
    return of_tenant(select(*MEMORY.columns).where(key.in_(engine.pairs())))


def _of_sessions(engine: Engine) -> Select[Any]:
    """Every entry of these sessions, deleted ones too."""
    return of_tenant(select(*MEMORY.columns).where(engine.among(MEMORY.c.session_id, "ids")))


def _answers(engine: Engine) -> Select[Any]:
    key = tuple_(IDEMPOTENCY.c.subject, IDEMPOTENCY.c.key)
    return visible(
        select(IDEMPOTENCY.c.subject, IDEMPOTENCY.c.key, IDEMPOTENCY.c.fingerprint, IDEMPOTENCY.c.answer).where(
            key.in_(engine.pairs()), IDEMPOTENCY.c.created_at >= bindparam("oldest")
        )
    )
