"""Writes the tables of the contenders from mnesis's own, so that nobody has fewer columns or indexes than it.

``python -m benchmarks.contenders.make_schemas`` from the repository's root, after a change of `mnesis.storage.tables`.
What only mnesis needs is left out: rows of tenants and containers, and the number of a change, which is taken from a
sequence, so that nobody has to lock a tenant to get one.
"""

import re
from pathlib import Path

from sqlalchemy import Dialect
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.schema import CreateIndex, CreateTable

from mnesis.storage.tables import METADATA, SEARCH_ON_SQLITE

HERE = Path(__file__).parent
TABLES = ("memory", "history", "search")
HEAD = "-- Written by benchmarks/contenders/make_schemas.py from the tables of mnesis; see there.\n"


def main() -> None:
    """Writes both files."""
    (HERE / "schema.postgresql.sql").write_text(on_postgresql())
    (HERE / "schema.sqlite.sql").write_text(on_sqlite())


def on_postgresql() -> str:
    """With a sequence for what mnesis numbers under the lock of a tenant."""
    tables = statements(postgresql.dialect(), "postgresql")  # type: ignore[no-untyped-call]  # SQLAlchemy's is untyped.
    for name, sequence in (("change", "history_change"), ("arrival", "memory_arrival"), ("number", "memory_arrival")):
        tables = tables.replace(f"{name} BIGINT NOT NULL", f"{name} BIGINT NOT NULL DEFAULT nextval('{sequence}')")
    sequences = "CREATE SEQUENCE history_change;\nCREATE SEQUENCE memory_arrival;\n"
    return HEAD + sequences + with_defaults(tables)


def on_sqlite() -> str:
    """With row ids for what mnesis numbers, and the full text index that its triggers keep."""
    tables = with_defaults(statements(sqlite.dialect(), "sqlite"))
    memory, history, search = re.split(r"(?=CREATE TABLE)", tables)[1:]
    # SQLite numbers only the primary key; what was the primary key becomes unique, which costs the same index.
    memory = memory.replace("change BIGINT NOT NULL", "change BIGINT NOT NULL DEFAULT 0")
    history = history.replace("change BIGINT NOT NULL", "change INTEGER PRIMARY KEY")
    history = history.replace("PRIMARY KEY (tenant_id", "UNIQUE (tenant_id")
    search = search.replace("number BIGINT NOT NULL", "number INTEGER PRIMARY KEY")
    search = search.replace("PRIMARY KEY (tenant_id", "UNIQUE (tenant_id")
    search = re.sub(r"CREATE UNIQUE INDEX search_number .*\n", "", search)
    index = "".join(f"{statement};\n" for statement in SEARCH_ON_SQLITE)
    return HEAD + memory + history + search + index


def statements(dialect: Dialect, name: str) -> str:
    """As mnesis has them, without what refers to tenants and containers."""
    lines = []
    for table in (METADATA.tables[each] for each in TABLES):
        lines.append(str(CreateTable(table).compile(dialect=dialect)).strip())
        indexes = sorted(table.indexes, key=lambda index: str(index.name))
        indexes = [index for index in indexes if index.info.get("dialect", name) == name]
        lines += [str(CreateIndex(index).compile(dialect=dialect)) for index in indexes]
    whole = "".join(f"{line};\n" for line in lines).replace(" \n", "\n")
    return re.sub(r"\tCONSTRAINT memory_container .*\n", "", whole)


def with_defaults(tables: str) -> str:
    """A position within the change, of which the contenders make one for each row."""
    return tables.replace("position INTEGER NOT NULL", "position INTEGER NOT NULL DEFAULT 0").replace(
        "deleted BOOLEAN NOT NULL", "deleted BOOLEAN NOT NULL DEFAULT FALSE"
    )


if __name__ == "__main__":
    main()
