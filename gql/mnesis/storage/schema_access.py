"""Connections for those who change the schema, or ask which one there is.

PostgreSQL's addresses are read by libpq and not by SQLAlchemy, so that a server and its migrations understand the same
address alike.
"""

import logging
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import psycopg
from psycopg.conninfo import conninfo_to_dict
from sqlalchemy import Connection, NullPool, create_engine

from mnesis.storage.postgres_engine import CONNECT_TIMEOUT_S
from mnesis.storage.sqlite_engine import OLDEST

LOCK = 0x6D6E65736973
"""The key of the advisory lock: "mnesis" in ASCII."""

_POLL_S = 0.1
_SQLITE_WAIT_S = 60.0
_log = logging.getLogger(__name__)

_in_this_process = threading.RLock()
"""Alembic keeps what it works on in global variables, so two threads must not use it at once."""


class CannotMigrate(Exception):
    """The database cannot be brought to a schema; the text is a sentence for the operator, without credentials."""


def reading(url: str) -> AbstractContextManager[Connection]:
    """A connection that takes no lock in the database. A SQLite file that is not there is an empty database.

    Raises `CannotMigrate` where the address or the library is at fault, and SQLAlchemy's OperationalError where
    the database cannot be reached.
    """
    path = _sqlite_path(url)
    return _reading_sqlite(path) if path is not None else _connected("postgresql+psycopg", _postgresql(url))


def changing(url: str) -> AbstractContextManager[Connection]:
    """A connection that no other process has at the same time: the others wait.

    On SQLite it is in a transaction that ends with the block; the file and its folder are made if need be. On
    PostgreSQL it holds a lock of its session, not a transaction, so that a migration may build an index concurrently.
    Raises as `reading` does.
    """
    path = _sqlite_path(url)
    return _changing_sqlite(path) if path is not None else _changing_postgresql(_postgresql(url))


@contextmanager
def _connected(dialect: str, connect: Callable[[], Any]) -> Iterator[Connection]:
    engine = create_engine(f"{dialect}://", creator=connect, poolclass=NullPool)
    with _in_this_process, engine.connect() as connection:
        yield connection


def _reading_sqlite(path: Path) -> AbstractContextManager[Connection]:
    # Not mode=ro: it could not undo what a process that died in a migration left behind.
    file = f"{path.absolute().as_uri()}?mode=rw" if path.exists() else "file::memory:"
    return _connected("sqlite", partial(sqlite3.connect, file, uri=True, timeout=_SQLITE_WAIT_S))


@contextmanager
def _changing_sqlite(path: Path) -> Iterator[Connection]:
    if not path.exists():
        # Private, because the memories are.
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        path.touch(mode=0o600)
    # Python's module begins no transaction by itself with isolation_level=None; by default it begins one too late.
    connect = partial(sqlite3.connect, path, timeout=_SQLITE_WAIT_S, isolation_level=None)
    with _connected("sqlite", connect) as connection:
        # A table is changed by copying it, and dropping the old one must not delete the rows that refer to it.
        connection.exec_driver_sql("PRAGMA foreign_keys = OFF")
        connection.exec_driver_sql("BEGIN IMMEDIATE")
        yield connection
        if connection.exec_driver_sql("PRAGMA foreign_key_check").first() is not None:
            raise CannotMigrate("The migration would leave rows that refer to rows which are not there.")
        connection.commit()


@contextmanager
def _changing_postgresql(connect: Callable[[], Any]) -> Iterator[Connection]:
    with _connected("postgresql+psycopg", connect) as connection:
        waiting = False
        # Asking again and again, since one long question would hold a snapshot that CREATE INDEX CONCURRENTLY awaits.
        while not connection.exec_driver_sql("SELECT pg_try_advisory_lock(%s)", (LOCK,)).scalar_one():
            connection.rollback()
            if not waiting:
                _log.info("Waiting for another process that changes the schema.")
            waiting = True
            time.sleep(_POLL_S)
        connection.commit()
        # The lock ends with the session, which ends with the block.
        yield connection


def _sqlite_path(url: str) -> Path | None:
    if not url.startswith("sqlite:"):
        return None
    name = url.removeprefix("sqlite:///").partition("?")[0]
    if not url.startswith("sqlite:///") or name in ("", ":memory:"):
        raise CannotMigrate("The database's address must name a file: sqlite:/// and its path.")
    if sqlite3.sqlite_version_info < OLDEST:
        needed = ".".join(map(str, OLDEST[:2]))
        raise CannotMigrate(
            f"Python uses SQLite {sqlite3.sqlite_version}, and mnesis needs {needed} or newer: use a Python "
            "that comes with a newer SQLite, or PostgreSQL."
        )
    return Path(name)


def _postgresql(url: str) -> Callable[[], Any]:
    scheme, separator, rest = url.partition("://")
    if not separator or scheme not in ("postgresql", "postgres", "postgresql+psycopg"):
        raise CannotMigrate("The database's address must begin with sqlite:/// or postgresql://.")
    address = f"postgresql://{rest}"
    try:
        parts = conninfo_to_dict(address)
    except psycopg.ProgrammingError:
        understood = False
    else:
        ports = str(parts.get("port") or "").split(",")
        names = f"{parts.get('host', '')}{parts.get('dbname', '')}"
        understood = all(port.isdecimal() or not port for port in ports) and "@" not in names
    if not understood:
        # libpq would repeat the part it stumbles over, which may be of the password.
        raise CannotMigrate(
            "The database's address cannot be understood: characters such as @ : / ? # % in a user's name or "
            "password are written as %40 %3A %2F %3F %23 %25."
        )
    return partial(psycopg.connect, address, connect_timeout=CONNECT_TIMEOUT_S, application_name="mnesis migrate")
