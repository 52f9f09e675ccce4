"""SQLite, embedded: one file, one writer at a time, readers beside it (WAL), every commit on the disk."""

import sqlite3
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import orjson
from sqlalchemy import ColumnElement, Function, Select, Table, bindparam, func, literal_column, select, update
from sqlalchemy.dialects import sqlite
from sqlalchemy.dialects.sqlite import insert
from sqlalchemy.engine import Dialect

from mnesis.storage.comparing import json_contains, messages_contain, text_contains
from mnesis.storage.engines import (
    BUSY_TIMEOUT_S,
    Connection,
    DriverCursor,
    WriteStatement,
    excluded_columns,
    key_columns,
    storable,
)

OLDEST = (3, 38, 0)
"""The first version with JSON functions built in and the ``->>`` operator."""

_PRAGMAS = (
    "PRAGMA synchronous = FULL",
    # Pages of 4 KB in the log before they go to where they belong. A page that was written again meanwhile goes once,
    # so of four times SQLite's own number fewer go, which is a tenth of the time of updates.
    "PRAGMA wal_autocheckpoint = 4000",
    "PRAGMA foreign_keys = ON",
    "PRAGMA cache_size = -16000",
)
_TRANSIENT = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)


class SqliteEngine:
    """One SQLite file. The folder must exist; `migrations.upgrade` makes it and the tables."""

    most_writer_lanes = 1

    def __init__(self, path: Path) -> None:
        self._path = path
        self.dialect: Dialect = sqlite.dialect(paramstyle="named")
        self._positional = sqlite.dialect(paramstyle="qmark")

    def connect(self, *, read_only: bool) -> Connection:
        """Raises sqlite3.Error where the file cannot be opened."""
        mode = "ro" if read_only else "rw"
        connection = sqlite3.connect(
            f"{self._path.absolute().as_uri()}?mode={mode}",
            uri=True,
            timeout=BUSY_TIMEOUT_S,
            isolation_level=None,
            check_same_thread=False,
            cached_statements=256,
        )
        if not read_only:
            connection.execute("PRAGMA journal_mode = WAL")
        for pragma in _PRAGMAS:
            connection.execute(pragma)
        for function in (json_contains, messages_contain, text_contains):
            connection.create_function(function.__name__, 2, function, deterministic=True)
        return connection

    def sent_together(self, connection: Connection) -> AbstractContextManager[Connection]:
        """There is nothing between a file and the statement."""
        return nullcontext(connection)

    def begin(self, cursor: DriverCursor) -> None:
        """Takes the one write lock at once, so that nothing read before it decides anything."""
        cursor.execute("BEGIN IMMEDIATE")

    def begin_snapshot(self, cursor: DriverCursor) -> None:
        """In WAL mode a reader goes on seeing what it saw first, and holds up no writer."""
        cursor.execute("BEGIN DEFERRED")

    def stream(self, connection: Connection, text: str, parameters: Mapping[str, Any]) -> Iterator[Sequence[Any]]:
        """SQLite finds a row when it is asked for it."""
        rows: Iterator[Sequence[Any]] = connection.execute(text, parameters)
        return rows

    def is_transient(self, fault: BaseException) -> bool:
        """Another process held the file for longer than the busy timeout."""
        code = getattr(fault, "sqlite_errorcode", None)
        return isinstance(fault, sqlite3.OperationalError) and code is not None and code & 0xFF in _TRANSIENT

    def is_lost(self, connection: Connection) -> bool:
        """A file does not hang up."""
        return False

    def interrupt(self, connection: Connection) -> None:
        connection.interrupt()

    def among(self, column: ColumnElement[Any], name: str) -> ColumnElement[bool]:
        return column.in_(self.listed(name))

    def json_contains(self, column: ColumnElement[Any], name: str) -> ColumnElement[bool]:
        return _asked(func.json_contains(column, bindparam(name)))

    def text_contains(self, column: ColumnElement[Any], name: str) -> ColumnElement[bool]:
        return _asked(func.text_contains(column, bindparam(name)))

    def messages_contain(self, column: ColumnElement[Any], name: str) -> ColumnElement[bool]:
        return _asked(func.messages_contain(column, bindparam(name)))

    def listed(self, name: str) -> Select[Any]:
        """A JSON array stands for the list."""
        values = func.json_each(bindparam(name)).table_valued("value", name=f"{name}_list")
        return select(values.c.value)

    def pairs(self) -> Select[Any]:
        """A JSON array of arrays stands for the pairs."""
        values = func.json_each(bindparam("pairs")).table_valued("value", name="pairs_list")
        return select(values.c.value.op("->>")(literal_column("0")), values.c.value.op("->>")(literal_column("1")))

    def pair_values(self, pairs: Collection[tuple[str, str]]) -> dict[str, Any]:
        return {"pairs": orjson.dumps(list(pairs)).decode()}

    def texts(self, values: Collection[str]) -> Any:
        return orjson.dumps(storable(values)).decode()

    def write_statement(self, table: Table, *, over: bool) -> WriteStatement:
        parameters = {c.name: f"new_{c.name}" for c in table.columns}
        statement = insert(table).values({name: bindparam(new) for name, new in parameters.items()})
        if over:
            statement = statement.on_conflict_do_update(
                index_elements=list(table.primary_key.columns),
                set_={name: statement.excluded[name] for name in excluded_columns(table)},
            )
        text = str(statement.compile(dialect=self._positional))
        return WriteStatement(text=text, parameters=tuple(parameters.values()))

    def revise_statement(self, table: Table, columns: Sequence[str]) -> WriteStatement:
        parameters = {name: f"new_{name}" for name in (*columns, *key_columns(table))}
        given = {name: bindparam(new, type_=table.c[name].type) for name, new in parameters.items()}
        statement = update(table).values({name: given[name] for name in columns})
        statement = statement.where(*(table.c[name] == given[name] for name in key_columns(table)))
        text = str(statement.compile(dialect=self._positional))
        return WriteStatement(text=text, parameters=tuple(parameters.values()))

    def write(self, cursor: DriverCursor, statement: WriteStatement, rows: Sequence[Sequence[Any]]) -> None:
        cursor.executemany(statement.text, rows)

    def mark_column(self) -> ColumnElement[Any]:
        return literal_column("NULL")

    def was_committed(self, connection: Connection, mark: str) -> bool | None:
        """Never asked: a file does not hang up."""
        return False


def _asked(call: Function[Any]) -> ColumnElement[bool]:
    """One of our own functions (see `comparing`), whose answer is a condition."""
    return call.op("<>", is_comparison=True)(literal_column("0"))
