"""What differs between the databases: how to connect, begin and hand over many values at once.

An `Engine` speaks to its driver, not to a pool: every lane and every reading thread owns one connection.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

from sqlalchemy import ColumnElement, Select, Table
from sqlalchemy.engine import Dialect

from mnesis.domain.json_values import text_fault

Connection: TypeAlias = Any  # A DB-API connection of sqlite3 or psycopg.
DriverCursor: TypeAlias = Any  # Its cursor.

BUSY_TIMEOUT_S = 10.0
"""How long a statement waits for another process's lock before the transaction is tried again."""
STREAMED_ROWS = 64
"""How many rows are fetched at once where a whole table is read: with their bytes at the limit that is what is held."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WriteStatement:
    """A compiled statement that takes rows, and the names of its parameters in the order of their columns."""

    text: str
    parameters: tuple[str, ...]


class Engine(Protocol):
    """One database, as its driver wants to be spoken to."""

    dialect: Dialect
    """Compiles statements with named parameters."""
    most_writer_lanes: int
    """How many transactions the database can have writing at once."""

    def connect(self, *, read_only: bool) -> Connection:
        """A new connection in autocommit mode, set up for our statements."""
        ...

    def sent_together(self, connection: Connection) -> AbstractContextManager[Connection]:
        """Gives what to send through inside the block, where statements need not wait for those before them. What one
        raises may be raised by a later one, at the latest by the end of the block."""
        ...

    def begin(self, cursor: DriverCursor) -> None:
        """Begins a transaction that will write."""
        ...

    def begin_snapshot(self, cursor: DriverCursor) -> None:
        """Begins a transaction that reads, and to which what others commit meanwhile does not show."""
        ...

    def stream(self, connection: Connection, text: str, parameters: Mapping[str, Any]) -> Iterator[Sequence[Any]]:
        """The rows of a statement, a few at a time, inside a transaction."""
        ...

    def is_transient(self, fault: BaseException) -> bool:
        """Whether the same transaction may succeed when it is tried again."""
        ...

    def is_lost(self, connection: Connection) -> bool:
        """Whether the connection is of no further use."""
        ...

    def interrupt(self, connection: Connection) -> None:
        """Has a statement that another thread runs on the connection fail, if there is one."""
        ...

    def among(self, column: ColumnElement[Any], name: str) -> ColumnElement[bool]:
        """``column`` is one of the texts in the list parameter ``name``."""
        ...

    def json_contains(self, column: ColumnElement[Any], name: str) -> ColumnElement[bool]:
        """The JSON in ``column`` contains the JSON text in the parameter ``name``, as `json_values.contains` has it;
        may be null where the column is."""
        ...

    def text_contains(self, column: ColumnElement[Any], name: str) -> ColumnElement[bool]:
        """The text in the parameter ``name`` occurs in ``column``, whatever the case of its letters; may be null where
        the column is."""
        ...

    def messages_contain(self, column: ColumnElement[Any], name: str) -> ColumnElement[bool]:
        """The text in the parameter ``name`` occurs in the text of one of the messages in ``column``; may be null
        where the column is."""
        ...

    def listed(self, name: str) -> Select[Any]:
        """The texts in the list parameter ``name``, as rows."""
        ...

    def pairs(self) -> Select[Any]:
        """The pairs of texts handed over with `pair_values`, as rows of two columns."""
        ...

    def pair_values(self, pairs: Collection[tuple[str, str]]) -> dict[str, Any]:
        """The parameters that `pairs` needs."""
        ...

    def texts(self, values: Collection[str]) -> Any:
        """The value of a list parameter of texts, without those that cannot be stored and so are nowhere found."""
        ...

    def write_statement(self, table: Table, *, over: bool) -> WriteStatement:
        """Compiles what writes many whole rows; ``over`` rows with the same primary key, where there are."""
        ...

    def revise_statement(self, table: Table, columns: Sequence[str]) -> WriteStatement:
        """Compiles what changes these columns, in the order of the table, of many rows that are there. It takes rows of
        them and then of the primary key; no other column is touched, nor its indexes."""
        ...

    def write(self, cursor: DriverCursor, statement: WriteStatement, rows: Sequence[Sequence[Any]]) -> None:
        """Runs it, once for all rows."""
        ...

    def mark_column(self) -> ColumnElement[Any]:
        """What `was_committed` knows a transaction by; null where none is in doubt, or nothing was written."""
        ...

    def was_committed(self, connection: Connection, mark: str) -> bool | None:
        """Whether a transaction whose connection broke during COMMIT took effect; None while it has not ended."""
        ...


def storable(values: Collection[str]) -> list[str]:
    """Those of the texts that a database could hold."""
    return [value for value in values if text_fault(value) is None]


def excluded_columns(table: Table) -> list[str]:
    """The names of the columns that an upsert overwrites: all but the primary key's."""
    return [column.name for column in table.columns if not column.primary_key]


def key_columns(table: Table) -> list[str]:
    """The names of the primary key's columns."""
    return [column.name for column in table.primary_key.columns]
