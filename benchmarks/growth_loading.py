"""Fills a database of mnesis with millions of memories in minutes, past the server and past its locks.

A pattern of 10,000 memories is made by mnesis itself in a small SQLite file. Its rows are then copied as often as
needed, each copy under ids, times and a word of its own, straight into the tables, whose indexes are made
afterwards. So every row is one that mnesis would have written, and one in ten thousand of them is made anew.
"""

import asyncio
import random
import sqlite3
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg
from psycopg import sql

from mnesis.domain.caller import EVERY_SCOPE, Caller
from mnesis.domain.commands import Changes, Create
from mnesis.domain.limits import Limits
from mnesis.domain.memory_types import MemoryType
from mnesis.storage.database import open_database
from mnesis.storage.migrations import check, upgrade
from mnesis.storage.search_index import session_word
from mnesis.usecases.memories import Memories
from mnesis.usecases.requests import CreateMemories

PATTERN = 10_000
GROUP = 10
"""Memories of one change: a session with five entries, two more sessions, two long-term memories."""
SESSIONS = (0, 6, 7)
"""The places of the sessions in a group."""
TENANT = "default"
BEGAN = datetime(2026, 3, 1, tzinfo=UTC)
APART_US = 400_000
"""Between two memories; 5,000,000 of them take 23 days, and all lie in the month that entries are found by."""
LOADER = Caller(tenant=TENANT, subject="loader", scopes=EVERY_SCOPE)
TABLES = ("memory", "history", "search")
AT_ONCE = 50_000
_REFERENCE = "ref0000000"


def _listed(words: str) -> list[str]:
    return words.split()


PEOPLE = _listed(
    "Anna Bruno Carla Dmitri Elif Farid Grace Hiro Ines Jonas Karim Lena Marta Nadia Omar Paula Quentin Rosa Sven "
    "Tariq Uma Victor Wanda Ximena Yusuf Zoe"
)
PLACES = _listed(
    "Lisbon Oslo Kyoto Lima Nairobi Hanoi Turin Gdansk Porto Bergen Seville Accra Quito Perth Malmo Leeds Tampere "
    "Lagos Cusco Osaka Ghent Bilbao Riga Split"
)
THINGS = _listed(
    "invoice contract passport suitcase laptop calendar garden bicycle kitchen recipe piano mortgage insurance "
    "prescription telescope vaccine warranty subscription server database migration release backup report budget "
    "interview workshop conference concert marathon wedding apartment balcony heating window printer camera router"
)
DOINGS = _listed(
    "booked cancelled postponed confirmed renewed sold repaired ordered returned measured painted compared reviewed "
    "signed translated rehearsed scheduled archived exported upgraded"
)
QUALITIES = _listed(
    "early late cheap expensive quiet crowded vegetarian spicy gentle strict weekly monthly urgent optional remote "
    "local wireless wooden bright waterproof"
)
SENTENCES = (
    "{person} {doing} the {thing} in {place} on day {day}.",
    "The {quality} {thing} costs {amount} euros, and {person} finds that too much.",
    "{person} prefers a {quality} {thing} to a {quality2} one.",
    "Remind {person} about the {thing} before the trip to {place}.",
    "In {place} the {thing} was {doing} twice, the second time by {person}.",
    "{person} asked whether the {quality} {thing} can be {doing} in {place}.",
    "It takes {amount} minutes from {place} to the {quality} {thing}.",
    "{person} and {person2} disagree about the {thing}; a {quality} answer is needed.",
    "The {thing} number {amount} belongs to {person}, who lives near {place}.",
    "Nothing {quality} is known of the {thing} that {person} {doing} last year.",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pattern:
    """Rows of each table in the order of their making, and the rows of the tables that are taken as they are."""

    columns: dict[str, list[str]]
    rows: dict[str, list[list[Any]]]
    places: dict[str, int]
    """Where each memory stands in the pattern, by its id there."""


def load(url: str, memories: int, tell: Callable[[str], None]) -> None:
    """Fills the database, which must be empty, with so many memories, a multiple of 10,000."""
    if memories % PATTERN:
        raise ValueError(f"{memories} is no multiple of {PATTERN}.")
    upgrade(url)
    pattern = _made_pattern()
    tell("The pattern is made.")
    (_load_sqlite if url.startswith("sqlite:") else _load_postgresql)(url, pattern, memories // PATTERN, tell)
    if differences := check(url):
        raise RuntimeError(f"The schema is not what it was: {differences}")


def loaded_sqlite(folder: Path, memories: int, tell: Callable[[str], None]) -> str:
    """The URL of a file with so many memories, which is made unless it is there."""
    path = folder / f"sqlite-{memories}.db"
    if not path.exists():
        making = path.with_suffix(".making")
        making.unlink(missing_ok=True)
        load(f"sqlite:///{making}", memories, tell)
        making.rename(path)
    # One that was kept may be of an older version.
    upgrade(f"sqlite:///{path}")
    return f"sqlite:///{path}"


def loaded_postgresql(server: str, memories: int, tell: Callable[[str], None]) -> str:
    """The URL of a database with so many memories on the server of this URL, which is made unless it is there."""
    name = f"growth_{memories}"
    with psycopg.connect(server, autocommit=True) as connection:
        known = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", (name,)).fetchone()
        if known is None:
            making = sql.Identifier(f"{name}_making")
            connection.execute(sql.SQL("DROP DATABASE IF EXISTS {}").format(making))
            connection.execute(sql.SQL("CREATE DATABASE {}").format(making))
            load(at_database(server, f"{name}_making"), memories, tell)
            connection.execute(sql.SQL("ALTER DATABASE {} RENAME TO {}").format(making, sql.Identifier(name)))
    upgrade(at_database(server, name))
    return at_database(server, name)


def at_database(server: str, name: str) -> str:
    """The URL of another database of the same server."""
    return urlsplit(server)._replace(path=f"/{name}").geturl()


def session_id(number: int) -> str:
    """The id of the session that is the memory of this number, whose last digit is one of `SESSIONS`."""
    return f"s{number:07d}"


def reference(number: int) -> str:
    """A word that only the ten memories of a group have."""
    return f"ref{number // GROUP:07d}"


def created_us(number: int) -> int:
    """When the memory of this number was created, in microseconds."""
    return int(BEGAN.timestamp()) * 1_000_000 + number * APART_US


def text(chance: random.Random, sentences: int) -> str:
    """What somebody may have said."""
    return " ".join(
        chance.choice(SENTENCES).format(
            person=chance.choice(PEOPLE),
            person2=chance.choice(PEOPLE),
            place=chance.choice(PLACES),
            thing=chance.choice(THINGS),
            doing=chance.choice(DOINGS),
            quality=chance.choice(QUALITIES),
            quality2=chance.choice(QUALITIES),
            day=chance.randint(1, 365),
            amount=chance.randint(1, 2_000),
        )
        for _ in range(sentences)
    )


def _made_pattern() -> Pattern:
    with tempfile.TemporaryDirectory(prefix="mnesis-growth-") as folder:
        path = Path(folder) / "pattern.db"
        upgrade(f"sqlite:///{path}")
        asyncio.run(_create(f"sqlite:///{path}"))
        with closing(sqlite3.connect(path)) as connection:
            columns, rows = {}, {}
            orders = {"memory": "arrival", "history": "change, position", "search": "number"}
            for name in (*TABLES, "tenant", "container"):
                found = connection.execute(f"SELECT * FROM {name} ORDER BY {orders.get(name, 1)}")  # noqa: S608  # Ours.
                columns[name] = [column[0] for column in found.description]
                rows[name] = [list(row) for row in found]
    at = columns["memory"].index("id")
    return Pattern(columns=columns, rows=rows, places={row[at]: place for place, row in enumerate(rows["memory"])})


async def _create(url: str) -> None:
    database = open_database(url, limits=Limits(), reader_threads=1, writer_lanes=1)
    memories = Memories(store=database.store, reader=database.reader, limits=Limits())
    chance = random.Random(20)  # noqa: S311  # The same every time.
    for group in range(PATTERN // GROUP):
        await memories.create_memories(LOADER, CreateMemories(items=tuple(_group(chance, group * GROUP))))
    await database.close()


def _group(chance: random.Random, first: int) -> Iterator[Create]:
    def create(memory_type: MemoryType, given: dict[str, Any], **rest: Any) -> Create:
        return Create(changes=Changes(memory_type=memory_type, given=given), **rest)

    def session(number: int) -> Create:
        topic = chance.choice(THINGS)
        given = {
            "summary": f"{_REFERENCE}: {text(chance, 2)}",
            "metadata": {"topic": topic, "n": chance.randint(1, 1_000), "place": chance.choice(PLACES)},
        }
        return create(MemoryType.SESSION, given, id=session_id(number))

    yield session(first)
    for entry in range(5):
        given: dict[str, Any] = {
            "role": "user" if entry % 2 == 0 else "assistant",
            "content": f"{_REFERENCE}: {text(chance, 4)}",
            "metadata": {"tokens": chance.randint(20, 400)},
        }
        changes = Changes(memory_type=MemoryType.WORKING, given=given, created_at=BEGAN)
        yield Create(changes=changes, session_id=session_id(first), entry_id=f"msg-{entry}")
    yield session(first + 6)
    yield session(first + 7)
    for _ in range(2):
        given = {
            "memory": f"{_REFERENCE}: {text(chance, 3)}",
            "tags": {"topic": chance.choice(THINGS), "weight": chance.random()},
        }
        yield create(MemoryType.LONG_TERM, given)


class _Copying:
    """Makes the rows of the copies of a pattern."""

    def __init__(self, pattern: Pattern, *, search_number_is_arrival: bool) -> None:
        self._pattern = pattern
        self._changes = PATTERN // GROUP
        at = {name: {column: place for place, column in enumerate(of)} for name, of in pattern.columns.items()}
        arrivals = [row[at["memory"]["arrival"]] for row in pattern.rows["memory"]]
        # What a change number is worth in the order of arrival.
        worth = arrivals[GROUP] - arrivals[0]
        self._steps = {"change": self._changes, "arrival": self._changes * worth, "number": PATTERN}
        if search_number_is_arrival:
            self._steps["number"] = self._steps["arrival"]
            number, by_place = at["search"]["number"], pattern.places
            for row in pattern.rows["search"]:
                row[number] = arrivals[by_place[row[at["search"]["memory_id"]]]]
        self._at = at

    def rows(self, table: str, copies: int) -> Iterator[list[Any]]:
        """All rows of a table."""
        at = self._at[table]
        stepping = [(at[name], step) for name, step in self._steps.items() if name in at]
        timed = [at[name] for name in ("created_at", "updated_at", "content_updated_at") if name in at]
        of_session = at.get("session_id")
        own = at["id" if table == "memory" else "memory_id"]
        names = ("summary", "content", "memory", "changes", "words", "counts")
        worded = [at[name] for name in names if name in at]
        words_at = at.get("words")
        pattern = [(row, self._pattern.places[row[own]]) for row in self._pattern.rows[table]]
        for copy in range(copies):
            first = copy * PATTERN
            steps = [(where, copy * step) for where, step in stepping]
            for given, place in pattern:
                row = given.copy()
                number = first + place
                row[own] = _id(number)
                for where, step in steps:
                    row[where] += step
                created = created_us(number)
                for where in timed:
                    row[where] = created
                if of_session is not None and row[of_session] is not None:
                    row[of_session] = session_id(number - place % GROUP)
                word = reference(number)
                for where in worded:
                    if row[where] is not None:
                        row[where] = row[where].replace(_REFERENCE, word)
                if words_at is not None and 0 < place % GROUP < 6:
                    before = session_word(TENANT, session_id(place - place % GROUP))
                    after = session_word(TENANT, session_id(number - place % GROUP))
                    row[words_at] = row[words_at].replace(before, after)
                yield row

    def tenant(self, copies: int) -> list[Any]:
        """The tenant's row, which knows the last change."""
        [row] = self._pattern.rows["tenant"]
        return [copies * self._changes if name == "change" else row[at] for name, at in self._at["tenant"].items()]


def _id(number: int) -> str:
    """A session's id, or one as mnesis makes them, in the order of time."""
    if number % GROUP in SESSIONS:
        return session_id(number)
    digits = f"{number:08x}"
    return f"0199{digits[:4]}-{digits[4:]}-7a51-9c3e-2b7d40f1e586"


def _load_sqlite(url: str, pattern: Pattern, copies: int, tell: Callable[[str], None]) -> None:
    copying = _Copying(pattern, search_number_is_arrival=False)
    with closing(sqlite3.connect(url.removeprefix("sqlite:///"), isolation_level=None)) as connection:
        for setting in ("journal_mode = OFF", "synchronous = OFF", "cache_size = -2000000", "temp_store = FILE"):
            connection.execute(f"PRAGMA {setting}")
        with _remade_afterwards(connection):
            connection.execute("BEGIN")
            for name in ("tenant", "container"):
                _insert(connection, name, pattern, [copying.tenant(copies)] if name == "tenant" else pattern.rows[name])
            for name in TABLES:
                _insert(connection, name, pattern, copying.rows(name, copies))
                tell(f"{name} is filled.")
            connection.execute("COMMIT")
            connection.execute("INSERT INTO search_index (rowid, words) SELECT number, words FROM search")
            tell("The words are indexed.")
        tell("Indexes are made.")
        connection.execute("ANALYZE")
        connection.execute("PRAGMA journal_mode = WAL")


def _insert(connection: sqlite3.Connection, name: str, pattern: Pattern, rows: Iterable[list[Any]]) -> None:
    columns = pattern.columns[name]
    marks = ", ".join("?" for _ in columns)
    connection.executemany(f"INSERT INTO {name} ({', '.join(columns)}) VALUES ({marks})", rows)  # noqa: S608  # Ours.


@contextmanager
def _remade_afterwards(connection: sqlite3.Connection) -> Iterator[None]:
    """Without the indexes and triggers that can be made afterwards."""
    found = connection.execute(
        "SELECT type, name, sql FROM sqlite_master WHERE sql IS NOT NULL AND type IN ('index', 'trigger')"
        " AND tbl_name IN ('memory', 'history', 'search')"
    ).fetchall()
    for kind, name, _ in found:
        connection.execute(f"DROP {kind} {name}")
    yield
    for _, _, statement in found:
        connection.execute(statement)


def _load_postgresql(url: str, pattern: Pattern, copies: int, tell: Callable[[str], None]) -> None:
    copying = _Copying(pattern, search_number_is_arrival=True)
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("SET synchronous_commit = off")
        connection.execute("SET maintenance_work_mem = '1GB'")
        remade = _dropped(connection)
        _copy(connection, "tenant", pattern, [copying.tenant(copies)])
        _copy(connection, "container", pattern, _truths(pattern, "container", pattern.rows["container"]))
        for name in TABLES:
            _copy(connection, name, pattern, _truths(pattern, name, copying.rows(name, copies)))
            tell(f"{name} is filled.")
        for statement in remade:
            connection.execute(statement.encode())
        tell("Indexes are made.")
        connection.execute("VACUUM ANALYZE")
        connection.execute("CHECKPOINT")


def _copy(connection: "psycopg.Connection[Any]", name: str, pattern: Pattern, rows: Iterable[list[Any]]) -> None:
    columns = sql.SQL(", ").join(map(sql.Identifier, pattern.columns[name]))
    statement = sql.SQL("COPY {} ({}) FROM STDIN").format(sql.Identifier(name), columns)
    following = iter(rows)
    with connection.cursor() as cursor:
        while some := list(islice(following, AT_ONCE)):
            with cursor.copy(statement) as copy:
                for row in some:
                    copy.write_row(row)


def _truths(pattern: Pattern, name: str, rows: Iterable[list[Any]]) -> Iterator[list[Any]]:
    """What SQLite keeps as a number and PostgreSQL as a truth, and words as PostgreSQL writes a tsvector."""
    columns = pattern.columns[name]
    truths = [columns.index(each) for each in ("deleted", "pinned") if each in columns]
    words = columns.index("words") if "words" in columns else None
    for row in rows:
        for where in truths:
            if row[where] is not None:
                row[where] = bool(row[where])
        if words is not None:
            row[words] = "'" + row[words].replace(" ", "' '") + "'"
        yield row


def _dropped(connection: "psycopg.Connection[Any]") -> list[str]:
    """Drops indexes and constraints of the large tables; the statements that make them again, in order."""
    names = list(TABLES)
    # Those that refer go before what they refer to, and come back after it.
    constraints = connection.execute(
        "SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid) FROM pg_constraint"
        " WHERE contype IN ('p', 'u', 'f')"
        " AND (conrelid::regclass::text = ANY(%s) OR confrelid::regclass::text = ANY(%s))"
        " ORDER BY array_position(ARRAY['f', 'u', 'p'], contype::text)",
        (names, names),
    ).fetchall()
    making = [f"ALTER TABLE {table} ADD CONSTRAINT {name} {definition}" for table, name, definition in constraints]
    for table, name, _ in constraints:
        connection.execute(f"ALTER TABLE {table} DROP CONSTRAINT {name}".encode())
    indexes = connection.execute(
        "SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = 'public' AND tablename = ANY(%s)", (names,)
    ).fetchall()
    for name, _ in indexes:
        connection.execute(sql.SQL("DROP INDEX {}").format(sql.Identifier(name)))
    return [*reversed(making), *(definition for _, definition in indexes)]
