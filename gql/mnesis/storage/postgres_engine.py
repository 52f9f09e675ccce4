"""PostgreSQL through psycopg 3, in threads: arrays hand over any number of rows in one statement."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, suppress
from itertools import count
from typing import Any

import orjson
import psycopg
from psycopg import errors, pq
from psycopg.conninfo import conninfo_to_dict
from psycopg.types.string import TextLoader
from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    ColumnElement,
    Integer,
    LargeBinary,
    Select,
    Table,
    Text,
    and_,
    bindparam,
    cast,
    func,
    literal_column,
    or_,
    select,
    update,
)
from sqlalchemy import any_ as sql_any
from sqlalchemy import column as sql_column
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, insert
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg
from sqlalchemy.engine import Dialect
from sqlalchemy.types import TypeEngine

from mnesis.storage.engines import (
    BUSY_TIMEOUT_S,
    STREAMED_ROWS,
    Connection,
    DriverCursor,
    WriteStatement,
    excluded_columns,
    key_columns,
    storable,
)
from mnesis.storage.pipelined import Pipeline, WriterConnection

_TRANSIENT = (
    errors.SerializationFailure,
    errors.DeadlockDetected,
    errors.LockNotAvailable,
    errors.AdminShutdown,
    errors.CrashShutdown,
    errors.CannotConnectNow,
    # "cached plan must not change result type": a migration changed a column that a prepared statement reads.
    errors.FeatureNotSupported,
)
CONNECT_TIMEOUT_S = 5
_CONNECTION = {
    "connect_timeout": CONNECT_TIMEOUT_S,
    "application_name": "mnesis",
    # A server that vanished without a word is noticed in half a minute, not after hours.
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 4,
    "tcp_user_timeout": 30_000,
}
"""For what an address leaves open."""

_streams = count(1)

_SETTINGS = """
    -- A plan made once for all parameters may walk whatever a tenant has, since it was made while that was little
    -- and for a number of ids and rows that nobody had named; it stays until statistics are gathered again.
    SET plan_cache_mode = force_custom_plan;
"""
_WRITER_SETTINGS = f"""
    SET lock_timeout = '{BUSY_TIMEOUT_S:.0f}s';
    -- A writer whose machine vanished must not hold its tenant's lock.
    SET idle_in_transaction_session_timeout = '30s';
    -- What a writer looks up by id was mostly used before and lies in memory. As if it came from a turning disk,
    -- walking all of ten thousand memories seems cheaper than looking up forty.
    SET random_page_cost = 1.1;
"""
_READER_SETTINGS = """
    SET default_transaction_read_only = on;
    -- Every page has an index with its order; sorting all that a tenant has looks cheap only where statistics are old.
    SET enable_sort = off;
    SET enable_incremental_sort = off;
"""


class PostgresEngine:
    """One PostgreSQL database, by its URL."""

    def __init__(self, url: str, *, writer_lanes: int) -> None:
        self._url = url
        self.most_writer_lanes = writer_lanes
        self.dialect: Dialect = PGDialect_psycopg()  # type: ignore[no-untyped-call]  # SQLAlchemy's dialects are untyped

    def connect(self, *, read_only: bool) -> Connection:
        """Raises psycopg.OperationalError where the server cannot be reached."""
        # Typed as if psycopg's own parameters could be among them.
        parts: dict[str, Any] = {**_CONNECTION, **conninfo_to_dict(self._url)}
        kind = psycopg.Connection if read_only else WriterConnection
        connection = kind.connect(autocommit=True, **parts)
        # JSON is handed on as the text it was written as.
        connection.adapters.register_loader("json", TextLoader)
        connection.execute(_SETTINGS + (_READER_SETTINGS if read_only else _WRITER_SETTINGS))
        return connection

    def sent_together(self, connection: Connection) -> AbstractContextManager[Connection]:
        return Pipeline(connection)

    def begin(self, cursor: DriverCursor) -> None:
        """READ COMMITTED, set in so many words: the tenant's row lock orders the writers, and what is read
        after it must be what the one before has committed."""
        cursor.execute("BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE")

    def begin_snapshot(self, cursor: DriverCursor) -> None:
        cursor.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")

    def stream(self, connection: Connection, text: str, parameters: Mapping[str, Any]) -> Iterator[Sequence[Any]]:
        """Through a cursor of the server, which otherwise would send all rows at once."""
        with connection.cursor(name=f"stream_{next(_streams)}") as cursor:
            cursor.itersize = STREAMED_ROWS
            cursor.execute(text, parameters)
            yield from cursor

    def is_transient(self, fault: BaseException) -> bool:
        """Conflicts with other transactions, and a server that went away."""
        if isinstance(fault, _TRANSIENT):
            return True
        return isinstance(fault, psycopg.OperationalError) and fault.sqlstate is None

    def is_lost(self, connection: Connection) -> bool:
        return bool(connection.closed or connection.pgconn.status != pq.ConnStatus.OK)

    def interrupt(self, connection: Connection) -> None:
        """Through a connection of its own; where the server does not answer, nothing can be said to it."""
        with suppress(psycopg.Error):
            connection.cancel_safe(timeout=CONNECT_TIMEOUT_S)

    def among(self, column: ColumnElement[Any], name: str) -> ColumnElement[bool]:
        return column == sql_any(cast(bindparam(name), ARRAY(Text)))

    def json_contains(self, column: ColumnElement[Any], name: str) -> ColumnElement[bool]:
        return cast(column, JSONB).contains(cast(bindparam(name, type_=Text), JSONB))

    def text_contains(self, column: ColumnElement[Any], name: str) -> ColumnElement[bool]:
        """Not LIKE, in which some characters have a meaning of their own."""
        return func.strpos(func.lower(column), func.lower(cast(bindparam(name), Text))) > 0

    def messages_contain(self, column: ColumnElement[Any], name: str) -> ColumnElement[bool]:
        """Of structured parts, what they hold under "text"."""
        messages = cast(column, JSONB)
        message = func.jsonb_array_elements(messages).column_valued("message")
        part = func.jsonb_path_query(messages, literal_column("'$[*].parts[*]'")).column_valued("part")
        key: ColumnElement[str] = literal_column("'text'")
        said = self.text_contains(message.op("->>")(key), name)
        said_in_part = and_(
            func.jsonb_typeof(part.op("->")(key)) == literal_column("'string'"),
            self.text_contains(part.op("->>")(key), name),
        )
        return or_(
            select(literal_column("1")).where(said).exists(), select(literal_column("1")).where(said_in_part).exists()
        )

    def listed(self, name: str) -> Select[Any]:
        return select(func.unnest(cast(bindparam(name), ARRAY(Text))))

    def pairs(self) -> Select[Any]:
        """Two arrays, side by side."""
        given = (
            func.unnest(cast(bindparam("firsts"), ARRAY(Text)), cast(bindparam("seconds"), ARRAY(Text)))
            .table_valued(sql_column("first", Text), sql_column("second", Text))
            .render_derived(name="given")
        )
        return select(given.c.first, given.c.second)

    def pair_values(self, pairs: Collection[tuple[str, str]]) -> dict[str, Any]:
        return {"firsts": _array([pair[0] for pair in pairs]), "seconds": _array([pair[1] for pair in pairs])}

    def texts(self, values: Collection[str]) -> Any:
        return _array(storable(values))

    def write_statement(self, table: Table, *, over: bool) -> WriteStatement:
        parameters, given = _given(table, [column.name for column in table.columns])
        rows = select(*given.values())
        statement = insert(table).from_select(list(given), rows)
        if over:
            statement = statement.on_conflict_do_update(
                index_elements=list(table.primary_key.columns),
                set_={name: statement.excluded[name] for name in excluded_columns(table)},
            )
        return WriteStatement(text=str(statement.compile(dialect=self.dialect)), parameters=parameters)

    def revise_statement(self, table: Table, columns: Sequence[str]) -> WriteStatement:
        parameters, given = _given(table, [*columns, *key_columns(table)])
        statement = update(table).values({name: given[name] for name in columns})
        statement = statement.where(*(table.c[name] == given[name] for name in key_columns(table)))
        return WriteStatement(text=str(statement.compile(dialect=self.dialect)), parameters=parameters)

    def write(self, cursor: DriverCursor, statement: WriteStatement, rows: Sequence[Sequence[Any]]) -> None:
        arrays = map(_array, zip(*rows, strict=True))
        cursor.execute(statement.text, dict(zip(statement.parameters, arrays, strict=True)))

    def mark_column(self) -> ColumnElement[Any]:
        # What wrote nothing has none and needs none: giving it one would write to the log of the server.
        return literal_column("pg_current_xact_id_if_assigned()::text")

    def was_committed(self, connection: Connection, mark: str) -> bool | None:
        """Asks the server, which remembers."""
        (status,) = connection.execute("SELECT pg_xact_status(%s::xid8)", [mark]).fetchone()
        return None if status == "in progress" else bool(status == "committed")


def _given(table: Table, names: Sequence[str]) -> tuple[tuple[str, ...], dict[str, ColumnElement[Any]]]:
    """Arrays side by side as rows of these columns: the names of their parameters, and each column as it is stored."""
    columns = [table.c[name] for name in names]
    parameters = tuple(f"new_{name}" for name in names)
    arrays = (
        cast(bindparam(new), ARRAY(_array_type(column.type))) for new, column in zip(parameters, columns, strict=True)
    )
    given = (
        func.unnest(*arrays)
        .table_valued(*(sql_column(column.name, _array_type(column.type)) for column in columns))
        .render_derived(name="given")
    )
    return parameters, {
        column.name: cast(given.c[column.name], JSON) if isinstance(column.type, JSON) else given.c[column.name]
        for column in columns
    }


def _array(values: Collection[Any]) -> str:
    """An array as PostgreSQL reads it; psycopg's own way asks each member for its type, which takes five times as
    long for a thousand rows."""
    kinds = set(map(type, values)) if len(values) > 1 else ()
    if len(kinds) == 1:
        return _alike(values, *kinds)
    return "{" + ",".join([(_MEMBERS.get(type(value)) or _MEMBERS[str])(value) for value in values]) + "}"


def _alike(values: Collection[Any], kind: type) -> str:
    """The same for values of one kind, as most columns hold them, with fewer calls for each, or none."""
    if kind is type(None):
        return "{" + ",".join(["NULL"] * len(values)) + "}"
    if kind is int:
        return f"{{{orjson.dumps(values)[1:-1].decode()}}}"
    if kind is str:
        whole = "".join(values)
        escaped = map(_escaped, values) if '"' in whole or "\\" in whole else values
        return '{"' + '","'.join(escaped) + '"}'
    return "{" + ",".join(map(_MEMBERS.get(kind, _MEMBERS[str]), values)) + "}"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')


_MEMBERS: dict[type, Callable[[Any], str]] = {
    type(None): lambda _: "NULL",
    bool: str,
    int: str,
    str: lambda value: f'"{_escaped(value)}"',
    bytes: lambda value: f'"\\\\x{value.hex()}"',
}


def _array_type(kind: TypeEngine[Any]) -> TypeEngine[Any]:
    for plain in (BigInteger, Integer, Boolean, LargeBinary):
        if isinstance(kind, plain):
            return plain()
    return Text()
