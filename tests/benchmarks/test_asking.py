"""What contenders are asked, over which tables, and how the answers of wrk are read; without any load."""

import json
import sqlite3
from pathlib import Path

import pytest
from graphql import build_schema, parse, validate

from benchmarks.checking import filled, shape
from benchmarks.contenders.make_schemas import HERE, on_postgresql, on_sqlite
from benchmarks.contenders.seeding import PLACES, SESSIONS, seed_contenders
from benchmarks.contenders.sql import SQLite
from benchmarks.load import Load, NoResult, parsed
from benchmarks.works import WORKS, Work

ROOT = Path(__file__).parents[2]
OUTPUT = """Running 2s test @ http://127.0.0.1:4000/graphql
  1 threads and 16 connections
  2000 requests in 2.00s, 1.00MB read
RESULT {"requests": 2000, "duration_us": 2000000, "p50_us": 1500, "p99_us": 9000, "not_200": 2, "lost": 1, "late": 0}
"""


def test_what_wrk_counted_is_read() -> None:
    load = parsed(OUTPUT)

    assert load == Load(requests=2000, duration_us=2_000_000, p50_us=1500, p99_us=9000, not_200=2, lost=1, late=0)
    assert load.per_s == 1000
    assert load.failures == 3


def test_what_wrk_complains_about_is_told() -> None:
    with pytest.raises(NoResult, match="unable to connect"):
        parsed("unable to connect to 127.0.0.1:1 Connection refused\n")


@pytest.mark.parametrize("file", ["schema.graphql", "benchmarks/contenders/schema.graphql"])
@pytest.mark.parametrize("work", WORKS, ids=lambda work: work.name)
def test_a_document_is_valid_for_mnesis_and_for_the_contenders(work: Work, file: str) -> None:
    schema = build_schema((ROOT / file).read_text())

    assert validate(schema, parse(work.document)) == []


@pytest.mark.parametrize("work", WORKS, ids=lambda work: work.name)
def test_a_body_is_json_without_marks(work: Work) -> None:
    for template in (work.graphql(), work.bare()):
        body = filled(template, 17)

        assert "@" not in body
        assert json.loads(body)


def test_operations_of_a_list_change_different_sessions() -> None:
    [work] = [work for work in WORKS if work.array]

    operations = json.loads(filled(work.graphql(), 1))

    assert len({operation["variables"]["id"] for operation in operations}) == work.array


def test_a_shape_tells_missing_keys_and_other_types() -> None:
    assert shape({"a": [1, 2], "b": None}) == {"a": ["number"], "b": None}
    assert shape({"a": True}) != shape({"a": 1})
    assert shape({"a": []}) != shape({"a": ["x"]})


def test_the_contenders_have_the_columns_and_indexes_that_mnesis_has() -> None:
    """Otherwise: python -m benchmarks.contenders.make_schemas"""
    assert (HERE / "schema.postgresql.sql").read_text() == on_postgresql()
    assert (HERE / "schema.sqlite.sql").read_text() == on_sqlite()


def test_plain_sql_does_what_it_is_measured_at(tmp_path: Path) -> None:
    path = tmp_path / "contenders.db"
    seed_contenders(f"sqlite:///{path}")
    connection = sqlite3.connect(path, isolation_level=None)
    store = SQLite(connection)

    written = store.update("s0000042", {"topic": "food", "n": 42}, 1)
    first = store.put_entries("s0000042", [{"id": "one", "content": "Hello.", "role": "user", "metadata": {}}], 2)
    again = store.put_entries("s0000042", [{"id": "one", "content": "Bye.", "role": "user", "metadata": {}}], 3)

    assert written is not None
    assert written.version == 2
    assert (first, again) == ((3, 1, 0), (4, 0, 1))
    # The seeded ones, the update, and each time the entry and its session.
    assert connection.execute("SELECT count(*) FROM history").fetchone() == (SESSIONS + 5,)
    query = "SELECT changes FROM history WHERE memory_id = 's0000042' AND version = 2"
    [change] = json.loads(connection.execute(query).fetchone()[0])
    assert change["before"] == {"topic": "travel", "tags": ["journey", "spring"], "open": True}
    assert change["after"] == {"topic": "food"}
    assert len(store.search(PLACES[0], 1_000)) == SESSIONS // len(PLACES)
    assert [row[3] for row in store.search("bye", 10)] == [None]
    connection.close()
