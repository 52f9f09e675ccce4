"""A transaction's statements through libpq's pipeline: written together, and waited for only where rows are needed.

psycopg's own pipeline gives the interpreter away at every statement that it is handed, and gets it back only when the
thread that reads requests comes to rest. That made the transaction of an update three times as long as its statements
under load. Here it is given away where the server is waited for.
"""

import re
import select
from collections import deque
from collections.abc import Iterator, Mapping
from itertools import count
from types import MappingProxyType, TracebackType
from typing import Any

import psycopg
from psycopg import errors, pq
from psycopg.abc import Transformer as Loads
from psycopg.adapt import Transformer
from psycopg.pq.abc import PGresult

_GIVEN = (pq.ExecStatus.COMMAND_OK, pq.ExecStatus.TUPLES_OK)
_NOTHING: Mapping[str, Any] = MappingProxyType({})
_NAMED = re.compile(r"%(?:\((\w+)\)s|%)")


class WriterConnection(psycopg.Connection[Any]):
    """A connection that keeps the statements it has prepared for `Pipeline`."""

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        self._statements: dict[str, _Statement] = {}
        self._numbers = count(1)

    def prepared(self, text: str) -> "_Statement":
        """The statement of this text, which names its parameters as psycopg has them."""
        statement = self._statements.get(text)
        if statement is None:
            name = b"mnesis_%d" % next(self._numbers)
            statement = self._statements[text] = _Statement(name, text, Transformer(self))
        return statement

    def forget(self) -> None:
        """Has every statement prepared anew, because a migration may have changed what they give."""
        self._statements.clear()


class _Statement:
    """A statement as the server knows it."""

    __slots__ = ("_knows_columns", "_loads", "_parameters", "is_prepared", "is_simple", "name", "text")

    def __init__(self, name: bytes, text: str, loads: Loads) -> None:
        numbers: dict[str, int] = {}

        def numbered(found: re.Match[str]) -> str:
            parameter = found[1]
            return "%" if parameter is None else f"${numbers.setdefault(parameter, len(numbers) + 1)}"

        self.name = name
        self.text = _NAMED.sub(numbered, text).encode()
        self.is_simple = not numbers
        """Nothing would be gained by preparing what begins and ends transactions."""
        self.is_prepared = False
        """Whether it is, or will be by what has been sent."""
        self._parameters = tuple(numbers)
        self._loads = loads
        self._knows_columns = False

    def values(self, given: Mapping[str, Any]) -> list[bytes | None]:
        """The values of its parameters in their order, as the server reads them. Raises `psycopg.DataError`."""
        return [_sent(given[name]) for name in self._parameters]

    def rows(self, result: PGresult) -> list[tuple[Any, ...]]:
        """The rows of a result."""
        # The columns are always the same: the server refuses to run what it has prepared where they are not.
        self._loads.set_pgresult(result, set_loaders=not self._knows_columns)
        self._knows_columns = True
        return self._loads.load_rows(0, result.ntuples, tuple)


def _sent(value: object) -> bytes | None:
    if type(value) is str:
        text = value.encode()
        # It would end there.
        if b"\0" in text:
            raise psycopg.DataError("PostgreSQL text fields cannot contain NUL (0x00) bytes")
        return text
    if value is None:
        return None
    if type(value) is int:
        return b"%d" % value
    if type(value) is bool:
        return b"t" if value else b"f"
    raise TypeError(f"A parameter is of the type {type(value).__name__}.")


class _Asked:
    """What was sent, and its answer when that has come."""

    __slots__ = ("prepares", "result", "statement")

    result: PGresult | None

    def __init__(self, statement: _Statement, *, prepares: bool) -> None:
        self.statement = statement
        self.prepares = prepares
        self.result = None


class Pipeline:
    """A block in which statements are sent together. It raises what they raise, at the latest at its end."""

    def __init__(self, connection: WriterConnection) -> None:
        self._connection = connection
        self._libpq = connection.pgconn
        self._unanswered: deque[_Asked] = deque()
        self._poll = select.poll()

    def __enter__(self) -> "Pipeline":
        self._libpq.enter_pipeline_mode()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        refusal: psycopg.Error | None = None
        try:
            self._libpq.pipeline_sync()
            while self._unanswered:
                try:
                    self._read_next()
                except psycopg.Error as refused:
                    # The first of them; what was sent behind it is refused because of it.
                    refusal = refusal or refused
            self._result()
            self._libpq.exit_pipeline_mode()
        except psycopg.Error as broken:
            self._connection.close()
            refusal = refusal or broken
        if kind is None and refusal is not None:
            raise refusal

    def cursor(self) -> "PipelinedCursor":
        """One whose rows are its own, whatever is sent through others."""
        return PipelinedCursor(self)

    def send(self, text: str, given: Mapping[str, Any]) -> _Asked:
        """Puts a statement behind those that are sent next."""
        statement = self._connection.prepared(text)
        if statement.is_simple:
            self._libpq.send_query_params(statement.text, None)
        else:
            values = statement.values(given)
            if not statement.is_prepared:
                self._libpq.send_prepare(statement.name, statement.text)
                self._unanswered.append(_Asked(statement, prepares=True))
                statement.is_prepared = True
            self._libpq.send_query_prepared(statement.name, values)
        asked = _Asked(statement, prepares=False)
        self._unanswered.append(asked)
        return asked

    def rows(self, asked: _Asked) -> list[tuple[Any, ...]]:
        """Waits for the rows of a statement."""
        if asked.result is None:
            self._libpq.send_flush_request()
            while asked.result is None:
                self._read_next()
        return asked.statement.rows(asked.result)

    def _read_next(self) -> None:
        """Takes the next answer. Raises `psycopg.Error`."""
        asked = self._unanswered.popleft()
        result = self._result()
        if result is None:
            raise psycopg.OperationalError("the connection is lost")
        # Behind every answer comes this sign that it was all.
        self._result()
        if result.status in _GIVEN:
            asked.result = result
            return
        if asked.prepares:
            asked.statement.is_prepared = False
        raise self._fault(result)

    def _fault(self, result: PGresult) -> psycopg.Error:
        if result.status == pq.ExecStatus.PIPELINE_ABORTED:
            return errors.PipelineAborted("pipeline aborted")
        if result.error_field(pq.DiagnosticField.SQLSTATE) is None:
            # It is libpq's own.
            return psycopg.OperationalError(result.get_error_message())
        fault = errors.error_from_result(result)
        if isinstance(fault, errors.FeatureNotSupported):
            self._connection.forget()
        return fault

    def _result(self) -> PGresult | None:
        libpq = self._libpq
        while libpq.is_busy():
            awaited = select.POLLIN | select.POLLOUT if libpq.flush() else select.POLLIN
            self._poll.register(libpq.socket, awaited)
            [(_, event)] = self._poll.poll()
            if event != select.POLLOUT:
                libpq.consume_input()
        return libpq.get_result()


class PipelinedCursor:
    """As much of a DB-API cursor as transactions need."""

    __slots__ = ("_asked", "_rows", "connection")

    def __init__(self, connection: Pipeline) -> None:
        self.connection = connection
        self._asked: _Asked | None = None
        self._rows: Iterator[tuple[Any, ...]] | None = None

    def execute(self, text: str, given: Mapping[str, Any] = _NOTHING) -> None:
        """Sends a statement; what was to be read of the one before is gone."""
        self._asked, self._rows = self.connection.send(text, given), None

    def fetchone(self) -> tuple[Any, ...] | None:
        """The next row."""
        return next(self._found(), None)

    def fetchall(self) -> list[tuple[Any, ...]]:
        """The rows that are left."""
        return list(self._found())

    def _found(self) -> Iterator[tuple[Any, ...]]:
        if self._rows is None:
            if self._asked is None:
                raise psycopg.ProgrammingError("no statement was sent")
            self._rows = iter(self.connection.rows(self._asked))
        return self._rows
