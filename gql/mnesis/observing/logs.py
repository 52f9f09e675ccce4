"""Logs in one shape, whoever writes them: a line of JSON for machines, or a coloured one on a terminal."""

import asyncio
import logging
import sys
from collections.abc import Callable
from contextlib import nullcontext
from datetime import UTC, datetime
from typing import Any, Literal, TextIO, TypeAlias

import orjson
import structlog
from structlog.stdlib import ProcessorFormatter
from structlog.types import EventDict, Processor

from mnesis.observing.faults_shown import shown_fault, shown_trace
from mnesis.web.request_notes import current_request

LogFormat: TypeAlias = Literal["auto", "json", "console"]

_QUIET = ("uvicorn", "websockets", "asyncio")
"""Below INFO these write out what goes over the wire."""
_LINE = orjson.OPT_UTC_Z | orjson.OPT_APPEND_NEWLINE


def configure_logs(*, level: str, form: LogFormat) -> None:
    """Sends every log record of the process to stderr, unless somebody has configured logging already."""
    terminal = sys.stderr.isatty()
    console = form == "console" or (form == "auto" and terminal)
    handler = logging.StreamHandler(sys.stderr) if console else _Lines(sys.stderr)
    handler.setFormatter(formatter(console=console, colours=terminal))
    handler.addFilter(_is_for_operators)
    logging.basicConfig(level=level.upper(), handlers=[handler])
    # At every look at a schema it tells which kind of database it found.
    logging.getLogger("alembic.runtime.migration").setLevel(logging.WARNING)


def formatter(*, console: bool, colours: bool = False) -> logging.Formatter:
    """Renders records of structlog and of the standard library alike."""
    renderer: Processor
    if console:
        renderer = structlog.dev.ConsoleRenderer(colors=colours, pad_event_to=0)
    else:
        renderer = structlog.processors.JSONRenderer(serializer=_json)
    return _WithoutContent(console=console, renderer=renderer)


def logger(name: str) -> structlog.stdlib.BoundLogger:
    """A structlog logger over the standard library's one of this name, whose level and handlers hold."""
    # Bound at once, because the lazy proxy that structlog gives otherwise costs more than the rest of the line.
    wrapped: structlog.stdlib.BoundLogger = structlog.wrap_logger(
        logging.getLogger(name),
        processors=[*_EVERY_LINE, ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.stdlib.BoundLogger,
    ).bind()
    return wrapped


def write_line(to: logging.Logger, event: str, fields: dict[str, Any]) -> None:
    """What `logger` writes at INFO, at a fraction of its cost: for lines that every request has, once it is known that
    they are wanted. The fields become the line's own."""
    now, request, lines = datetime.now(UTC), current_request(), _only_handler(to)
    fields["event"] = event
    # orjson writes an instant as structlog does.
    fields["timestamp"] = now if lines is not None else now.isoformat().replace("+00:00", "Z")
    fields["level"] = "info"
    if request is not None:
        fields["request_id"] = request.id
    if lines is not None:
        lines.write_later(orjson.dumps(fields, str, _LINE))
        return
    # Made here, because logging would look through the stack for who asks, which no line of ours tells.
    record = logging.LogRecord(to.name, logging.INFO, "", 0, fields, None, None)
    # By these structlog knows its own, where a line is not JSON.
    record.__dict__.update(_logger=to, _name="info")
    to.handle(record)


class _Lines(logging.StreamHandler[TextIO]):
    """Writes records at once, and the lines of requests together that come in the same turn of the event loop.

    A write to the system costs more than all else that a line does. Whatever is written, it is in the order in which
    it came.
    """

    def __init__(self, stream: TextIO) -> None:
        super().__init__(stream)
        self._waiting: list[bytes] = []
        self._loop: asyncio.AbstractEventLoop | None = None
        """The event loop that is to write what waits, at its next turn."""

    def write_later(self, line: bytes) -> None:
        """Writes a line, which ends itself, at the end of this turn of the event loop; at once where there is none."""
        self._waiting.append(line)
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            self._write_waiting()
            return
        # Another loop than before: that one may have ended before its turn came.
        if loop is not self._loop:
            loop.call_soon(self._end_turn)
            self._loop = loop

    def _end_turn(self) -> None:
        self._loop = None
        self._write_waiting()

    def emit(self, record: logging.LogRecord) -> None:
        self._write_waiting()
        super().emit(record)

    def flush(self) -> None:
        """Writes what waits too; logging asks for it when the process ends."""
        self._write_waiting()
        super().flush()

    def _write_waiting(self) -> None:
        if not self._waiting:
            return
        with self.lock or nullcontext():
            # Others may add to the list meanwhile.
            lines = self._waiting[:]
            del self._waiting[: len(lines)]
            try:
                self.stream.write(b"".join(lines).decode())
                self.stream.flush()
            except Exception:
                self.handleError(logging.makeLogRecord({"msg": f"{len(lines)} lines of requests"}))


def _only_handler(of: logging.Logger) -> _Lines | None:
    """What writes every line of this logger, if it writes them as `_Lines` does; None where the records themselves are
    wanted."""
    found: logging.Handler | None = None
    asked: logging.Logger | None = of
    while asked is not None:
        if asked.handlers:
            if found is not None or len(asked.handlers) > 1:
                return None
            found = asked.handlers[0]
        asked = asked.parent if asked.propagate else None
    if not isinstance(found, _Lines) or found.level > logging.INFO:
        return None
    # Our own filter lets these lines pass; what anybody else's does is not known.
    return None if of.filters or found.filters != [_is_for_operators] else found


class _WithoutContent(ProcessorFormatter):
    """Takes out of a record what others would write into its message."""

    def __init__(self, *, console: bool, renderer: Processor) -> None:
        super().__init__(
            processors=[ProcessorFormatter.remove_processors_meta, renderer],
            foreign_pre_chain=[*_EVERY_LINE, structlog.stdlib.add_logger_name, _add_trace],
        )
        self._console = console

    def format(self, record: logging.LogRecord) -> str:
        if isinstance(record.msg, dict) and not self._console:
            # A line of our own is ready. The way round would copy the record first, at several times the cost.
            return _json(record.msg, str)
        if isinstance(record.msg, str) and (record.args or record.name in ("asyncio", "uvicorn.error")):
            record = logging.makeLogRecord(record.__dict__)
            if isinstance(record.args, tuple):
                record.args = tuple(map(_shown, record.args))
            if record.name == "asyncio":
                # The lines that follow show the task, and in it the fault in its own words.
                record.msg = str(record.msg).partition("\n")[0]
        return super().format(record)


class _Shown(str):
    """Stands in a message as it is, also where its representation is asked for."""

    __slots__ = ()

    def __repr__(self) -> str:
        return str(self)


def _shown(value: Any) -> Any:
    match value:
        case BaseException():
            return _Shown(shown_fault(value))
        # uvicorn tells the path of a socket, and with it the query.
        case str() if value.startswith("/") and "?" in value:
            return value.partition("?")[0]
        case _:
            return value


def _is_for_operators(record: logging.LogRecord) -> bool:
    return record.levelno >= logging.INFO or record.name.partition(".")[0] not in _QUIET


def _add_request(_: Any, __: str, event: EventDict) -> EventDict:
    request = current_request()
    if request is not None:
        event["request_id"] = request.id
    return event


def _add_trace(_: Any, __: str, event: EventDict) -> EventDict:
    exc_info = event.pop("exc_info", None)
    if isinstance(exc_info, tuple) and exc_info[1] is not None:
        event["exception"] = shown_trace(exc_info[1])
    return event


def _json(event: Any, default: Callable[[Any], Any], **_: Any) -> str:
    return orjson.dumps(event, default=default).decode()


_EVERY_LINE: tuple[Processor, ...] = (
    structlog.processors.TimeStamper(fmt="iso", utc=True),
    structlog.stdlib.add_log_level,
    _add_request,
)
