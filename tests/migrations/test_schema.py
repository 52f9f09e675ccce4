"""The schema that the migrations make.

After a migration was added on purpose, ``REWRITE_SCHEMA=1 pytest tests/migrations`` writes the stored dumps anew.
"""

import os
from pathlib import Path

import pytest
from sqlalchemy import text

from mnesis.storage.migrations import check, downgrade, upgrade
from mnesis.storage.schema_access import CannotMigrate, changing
from mnesis.storage.tables import METADATA
from tests.migrations.dumps import REVISIONS, dump, facts


def stored_dump(url: str) -> Path:
    return Path(__file__).with_name(f"schema.{'sqlite' if url.startswith('sqlite:') else 'postgresql'}.sql")


def test_the_schema_is_the_stored_one(empty_database_url: str) -> None:
    upgrade(empty_database_url)

    made = dump(empty_database_url)

    if "REWRITE_SCHEMA" in os.environ:
        stored_dump(empty_database_url).write_text(made)
    assert made == stored_dump(empty_database_url).read_text()


def test_the_migrations_make_what_the_tables_say(empty_database_url: str) -> None:
    """More than Alembic's check, which does not compare conditions of indexes, fill factors and names of keys."""
    upgrade(empty_database_url)
    migrated = facts(empty_database_url)
    downgrade(empty_database_url, "base")
    with changing(empty_database_url) as connection:
        METADATA.create_all(connection)
        connection.commit()

    assert migrated == facts(empty_database_url)


def test_alembic_finds_no_difference(empty_database_url: str) -> None:
    upgrade(empty_database_url)

    assert check(empty_database_url) == []


def test_a_difference_is_told(empty_database_url: str) -> None:
    upgrade(empty_database_url)
    with changing(empty_database_url) as connection:
        connection.execute(text("DROP INDEX idempotency_age"))
        connection.commit()

    (difference,) = check(empty_database_url)

    assert "idempotency_age" in difference


def test_a_database_without_the_newest_schema_is_not_compared(empty_database_url: str) -> None:
    with pytest.raises(CannotMigrate, match=r"^The database does not have the newest schema\.$"):
        check(empty_database_url)


def test_the_way_down_leaves_nothing_and_up_again_the_same(empty_database_url: str) -> None:
    upgrade(empty_database_url)
    first = dump(empty_database_url)

    downgrade(empty_database_url, "base")
    nothing = facts(empty_database_url)
    upgrade(empty_database_url)

    assert [fact for fact in nothing if fact] == []
    assert dump(empty_database_url) == first
    assert REVISIONS in first
