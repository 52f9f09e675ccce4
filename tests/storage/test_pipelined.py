"""Statements that are sent together: what they give and raise, and what the connection is good for afterwards."""

from collections.abc import Iterator
from contextlib import closing

import psycopg
import pytest
from psycopg import errors, pq

from mnesis.storage.pipelined import Pipeline, WriterConnection


@pytest.fixture
def connection(postgresql_url: str) -> Iterator[WriterConnection]:
    with closing(WriterConnection.connect(postgresql_url, autocommit=True)) as opened:
        opened.execute("CREATE TEMPORARY TABLE note (id int PRIMARY KEY, text text, open boolean)")
        yield opened


PUT = "INSERT INTO note VALUES (%(id)s, %(text)s, %(open)s)"
ALL = "SELECT id, text, open, 7 %% 4 FROM note WHERE id >= %(least)s ORDER BY id"


def test_rows_come_in_the_order_of_their_statements(connection: WriterConnection) -> None:
    for number in (1, 3):
        with Pipeline(connection) as pipeline:
            writing, first, second = pipeline.cursor(), pipeline.cursor(), pipeline.cursor()
            writing.execute(PUT, {"id": number, "text": 'a "b" \\ ü', "open": True})
            first.execute(ALL, {"least": number})
            writing.execute(PUT, {"id": number + 1, "text": None, "open": False})
            second.execute(ALL, {"least": number})
            assert second.fetchall() == [(number, 'a "b" \\ ü', True, 3), (number + 1, None, False, 3)]
            assert first.fetchone() == (number, 'a "b" \\ ü', True, 3)
            assert first.fetchone() is None
            assert second.fetchall() == []
        assert connection.pgconn.transaction_status == pq.TransactionStatus.IDLE


def test_more_than_fits_between_two_processes_goes_both_ways(connection: WriterConnection) -> None:
    text = "x" * 3_000_000
    with Pipeline(connection) as pipeline:
        cursors = [pipeline.cursor() for _ in range(4)]
        for cursor in cursors:
            cursor.execute("SELECT %(text)s::text", {"text": text})
        assert [cursor.fetchone() for cursor in cursors] == [(text,)] * 4


@pytest.mark.parametrize("asks", [False, True])
def test_what_a_statement_raises_comes_once_and_leaves_a_connection_of_use(
    connection: WriterConnection, *, asks: bool
) -> None:
    def put_twice() -> None:
        with Pipeline(connection) as pipeline:
            cursor = pipeline.cursor()
            cursor.execute("BEGIN")
            for _ in range(2):
                cursor.execute(PUT, {"id": 1, "text": "a", "open": None})
            cursor.execute(ALL, {"least": 0})
            if asks:
                cursor.fetchall()
            cursor.execute("COMMIT")

    for _ in range(2):
        with pytest.raises(errors.UniqueViolation):
            put_twice()
        connection.rollback()
    with Pipeline(connection) as pipeline:
        cursor = pipeline.cursor()
        cursor.execute(PUT, {"id": 1, "text": "b", "open": None})
        cursor.execute(ALL, {"least": 0})
        assert cursor.fetchall() == [(1, "b", None, 3)]


def test_a_statement_that_cannot_be_prepared_can_be_later(connection: WriterConnection) -> None:
    missing = "SELECT id FROM later WHERE id = %(id)s"

    def ask() -> None:
        with Pipeline(connection) as pipeline:
            cursor = pipeline.cursor()
            cursor.execute(missing, {"id": 1})
            cursor.execute(ALL, {"least": 0})

    for _ in range(2):
        with pytest.raises(errors.UndefinedTable):
            ask()
    connection.execute("CREATE TEMPORARY TABLE later (id int)")
    with Pipeline(connection) as pipeline:
        cursor = pipeline.cursor()
        cursor.execute(missing, {"id": 1})
        assert cursor.fetchall() == []
        cursor.execute(ALL, {"least": 0})
        assert cursor.fetchall() == []


def test_a_fault_of_the_block_itself_is_the_one_that_is_raised(connection: WriterConnection) -> None:
    def fail() -> None:
        with Pipeline(connection) as pipeline:
            pipeline.cursor().execute("SELECT 1 / %(by)s", {"by": 0})
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    with Pipeline(connection) as pipeline:
        cursor = pipeline.cursor()
        cursor.execute("SELECT 1 / %(by)s", {"by": 1})
        assert cursor.fetchall() == [(1,)]


@pytest.mark.parametrize(("value", "fault"), [("a\0b", psycopg.DataError), (1.5, TypeError), (b"a", TypeError)])
def test_values_that_cannot_be_sent_are_refused(
    connection: WriterConnection, value: object, fault: type[Exception]
) -> None:
    with pytest.raises(fault), Pipeline(connection) as pipeline:
        pipeline.cursor().execute("SELECT %(text)s::text", {"text": value})
    with Pipeline(connection) as pipeline:
        cursor = pipeline.cursor()
        cursor.execute("SELECT %(text)s::text", {"text": "fine"})
        assert cursor.fetchone() == ("fine",)


def test_rows_are_of_a_statement(connection: WriterConnection) -> None:
    with Pipeline(connection) as pipeline, pytest.raises(psycopg.ProgrammingError):
        pipeline.cursor().fetchone()


def test_columns_that_changed_are_known_at_the_next_attempt(connection: WriterConnection) -> None:
    every = "SELECT * FROM note WHERE id >= %(least)s"

    def asked() -> list[tuple[object, ...]]:
        with Pipeline(connection) as pipeline:
            cursor = pipeline.cursor()
            cursor.execute(every, {"least": 0})
            return cursor.fetchall()

    connection.execute("INSERT INTO note VALUES (1, 'a', NULL)")
    assert asked() == [(1, "a", None)]
    connection.execute("ALTER TABLE note ADD COLUMN more int DEFAULT 5")
    with pytest.raises(errors.FeatureNotSupported):
        asked()
    assert asked() == [(1, "a", None, 5)]


@pytest.mark.parametrize("asks", [False, True])
def test_a_connection_that_is_lost_is_an_operational_error(
    connection: WriterConnection, postgresql_url: str, *, asks: bool
) -> None:
    def ask() -> None:
        with Pipeline(connection) as pipeline:
            cursor = pipeline.cursor()
            cursor.execute(ALL, {"least": 0})
            cursor.fetchall()
            with psycopg.connect(postgresql_url, autocommit=True) as other:
                other.execute("SELECT pg_terminate_backend(%s, 5000)", [connection.pgconn.backend_pid])
            for _ in range(3):
                cursor.execute(ALL, {"least": 0})
            if asks:
                cursor.fetchall()

    with pytest.raises(psycopg.OperationalError):
        ask()
    assert connection.closed or connection.pgconn.status != pq.ConnStatus.OK
