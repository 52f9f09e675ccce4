"""Spans: what they hang together by, what they tell, and that they are made only where somebody asked for them."""

import asyncio
import os
import sys
from collections.abc import Iterator, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import httpx
import pytest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from mnesis.observing import tracing
from mnesis.observing.set_up import CannotTrace, observation
from mnesis.usecases.metering import UNMETERED
from tests.graph.live import bearer, served
from tests.observing.test_logs import CREATE, MARK, speak_of_the_mark
from tests.observing.written import Written
from tests.server.running import running_server

# Reads are counted, so none may be made only to compare answers.
pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("executed_once")]

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
SPAN = "00f067aa0ba902b7"
PARENT = f"00-{TRACE}-{SPAN}-01"


class Spans:
    """What was exported."""

    def __init__(self, exporter: InMemorySpanExporter) -> None:
        self._exporter = exporter

    @property
    def all(self) -> Sequence[ReadableSpan]:
        return self._exporter.get_finished_spans()

    def named(self, name: str) -> list[ReadableSpan]:
        return [span for span in self.all if span.name == name]

    def only(self, name: str) -> ReadableSpan:
        [span] = self.named(name)
        return span


@pytest.fixture
def spans(monkeypatch: pytest.MonkeyPatch) -> Spans:
    """Tracing is on, and spans stay here, where they would be sent to a collector otherwise."""
    exporter = InMemorySpanExporter()

    def provider(version: str) -> TracerProvider:
        made = TracerProvider()
        made.add_span_processor(SimpleSpanProcessor(exporter))
        return made

    monkeypatch.setattr(tracing, "exporting_provider", provider)
    return Spans(exporter)


def parent(span: ReadableSpan) -> int | None:
    return span.parent.span_id if span.parent is not None else None


def identity(span: ReadableSpan) -> int:
    assert span.context is not None
    return int(span.context.span_id)


async def test_an_operation_takes_up_the_trace_of_its_caller(sqlite_url: str, spans: Spans) -> None:
    async with served(sqlite_url, tracing="on", metrics=True) as server:
        query = "query Read { memories { nodes { id } } }"
        answer = await server.http.post(
            server.address, json={"query": query}, headers={"traceparent": PARENT, "baggage": f"a={MARK}"}
        )
    span = spans.only("query")
    assert span.context is not None
    assert span.context.trace_id == int(TRACE, 16)
    assert parent(span) == int(SPAN, 16)
    assert dict(span.attributes or {}) == {
        "graphql.operation.type": "query",
        "graphql.operation.name": "Read",
        "mnesis.tenant": "default",
        "mnesis.request_id": answer.headers["X-Request-Id"],
        "mnesis.outcome": "ok",
    }
    read = spans.only("read list_memories")
    assert parent(read) == identity(span)
    assert span.start_time is not None
    assert span.end_time is not None
    assert read.start_time is not None
    assert read.end_time is not None
    # Two clocks that tick differently were read one after the other.
    assert span.start_time - 1_000_000 <= read.start_time <= read.end_time <= span.end_time + 1_000_000


@pytest.mark.parametrize("given", ["", "nonsense", "00-" + "0" * 32 + f"-{SPAN}-01", f"ff-{TRACE}-{SPAN}-01"])
async def test_a_trace_that_is_none_is_not_taken_up(sqlite_url: str, spans: Spans, given: str) -> None:
    async with served(sqlite_url, tracing="on") as server:
        await server.ask("{ __typename }", headers={"traceparent": given})
    assert spans.only("query").parent is None


async def test_a_transaction_belongs_to_all_who_wrote_in_it(database_url: str, spans: Spans) -> None:
    async with served(database_url, tracing="on", writer_lanes=1, metrics=True) as server:
        await asyncio.gather(*(server.create() for _ in range(30)))
    mutations = {identity(span) for span in spans.named("mutation")}
    transactions = spans.named("transaction write")
    asked_by = [parent(span) for span in transactions]
    linked = [link.context.span_id for span in transactions for link in span.links]
    assert len(mutations) == 30
    assert sorted([*filter(None, asked_by), *linked]) == sorted(mutations)
    assert sum((span.attributes or {})["mnesis.commands"] for span in transactions) == 30  # type: ignore[misc]  # They are numbers.
    system = "sqlite" if database_url.startswith("sqlite") else "postgresql"
    assert {(span.attributes or {})["db.system"] for span in transactions} == {system}


async def test_a_fault_marks_the_span_and_tells_nothing_of_itself(
    sqlite_url: str, spans: Spans, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(*_: object) -> None:
        raise KeyError(MARK)

    async with served(sqlite_url, tracing="on") as server:
        await server.http.post(server.address, json={"query": "{ wrong }"})
        monkeypatch.setattr(server.endpoint._operations._executor, "execute", fail)
        answer = await server.http.post(server.address, json={"query": "{ __typename }"})
    span = spans.only("query")
    error_id = answer.json()["errors"][0]["extensions"]["errorId"]
    assert not span.status.is_ok
    assert span.attributes is not None
    assert span.attributes["mnesis.error_ids"] == (error_id,)
    assert span.attributes["error.type"] == "INTERNAL_SERVER_ERROR"
    assert span.events == ()
    refused = spans.only("GraphQL Operation")
    assert refused.status.is_unset
    assert refused.attributes is not None
    assert refused.attributes["mnesis.error_codes"] == ("GRAPHQL_VALIDATION_FAILED",)


async def test_a_subscription_is_one_span(sqlite_url: str, spans: Spans) -> None:
    async with served(sqlite_url, tracing="on") as server, server.socket() as socket:
        await socket.subscribe("1")
        for _ in range(2):
            await server.create()
            await socket.change("1")
    span = spans.only("subscription")
    assert span.attributes is not None
    assert (span.attributes["mnesis.events"], span.attributes["mnesis.outcome"]) == (2, "gone")
    assert spans.named("read changes") == []


async def test_what_clients_send_is_in_no_span(sqlite_url: str, spans: Spans) -> None:
    token = bearer()
    async with served(sqlite_url, authenticated=True, tracing="on") as server:
        await speak_of_the_mark(server, token)
    told = "\n".join(span.to_json() for span in spans.all)
    assert len(spans.all) > 10
    assert MARK not in told
    assert token.removeprefix("Bearer ") not in told


@pytest.fixture
def otel(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Sets the standard variables; those of whoever runs the tests are not there."""
    for name in [name for name in os.environ if name.startswith("OTEL_")]:
        monkeypatch.delenv(name)

    def set_them(**given: str) -> None:
        for name, value in given.items():
            monkeypatch.setenv(f"OTEL_{name}", value)

    return set_them


@pytest.mark.parametrize(
    ("given", "mode", "traced"),
    [
        ({}, "auto", False),
        ({}, "on", True),
        ({"EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1"}, "auto", True),
        ({"EXPORTER_OTLP_TRACES_ENDPOINT": "http://127.0.0.1:1"}, "auto", True),
        ({"TRACES_EXPORTER": "otlp"}, "auto", True),
        ({"EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1"}, "off", False),
        ({"EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1", "TRACES_EXPORTER": "none"}, "auto", False),
        ({"EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1", "SDK_DISABLED": "true"}, "auto", False),
        ({"EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1", "EXPORTER_OTLP_PROTOCOL": "grpc"}, "auto", False),
    ],
)
def test_traces_are_made_where_they_are_asked_for(
    otel: Any, spans: Spans, given: dict[str, str], mode: Any, traced: bool
) -> None:
    otel(**given)
    observed = observation(metrics=False, metrics_token=None, tracing=mode, database="sqlite")
    assert (observed.meter is not UNMETERED) is traced
    observed.close()


@pytest.fixture
def without_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "mnesis.observing.tracing")
    for name in [name for name in sys.modules if name.partition(".")[0] == "opentelemetry"]:
        monkeypatch.setitem(sys.modules, name, None)


def test_a_missing_extra_is_told(otel: Any, without_the_extra: None, written: Written) -> None:
    with pytest.raises(CannotTrace, match=r"pip install 'mnesis\[otel\]'"):
        observation(metrics=False, metrics_token=None, tracing="on", database="sqlite")
    otel(EXPORTER_OTLP_ENDPOINT="http://127.0.0.1:1")
    assert observation(metrics=False, metrics_token=None, tracing="auto", database="sqlite").meter is UNMETERED
    [line] = written.lines
    assert line["level"] == "warning"
    assert "pip install 'mnesis[otel]'" in line["event"]


def test_a_protocol_that_is_not_spoken_is_told(otel: Any) -> None:
    otel(EXPORTER_OTLP_PROTOCOL="grpc")
    with pytest.raises(CannotTrace, match="http/protobuf"):
        observation(metrics=False, metrics_token=None, tracing="on", database="sqlite")


@pytest.fixture
def collector() -> Iterator[tuple[str, list[bytes]]]:
    """The address of a collector, and what it was sent."""
    received: list[bytes] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            received.append(self.path.encode() + self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            return None

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}", received
    server.shutdown()
    server.server_close()


def test_a_server_sends_its_spans_before_it_ends(
    sqlite_url: str, otel: Any, collector: tuple[str, list[bytes]]
) -> None:
    address, received = collector
    otel(EXPORTER_OTLP_ENDPOINT=address, EXPORTER_OTLP_COMPRESSION="none", RESOURCE_ATTRIBUTES="deployment=blue")
    with running_server(sqlite_url) as server:
        body = {"query": CREATE, "variables": {"text": MARK}}
        assert httpx.post(server.graphql, json=body).json()["data"]["createMemory"]["errors"] == []
        assert server.stop() == 0
    sent = b"".join(received)
    assert sent.startswith(b"/v1/traces")
    for word in (b"mnesis", b"graphql.operation.name", b"Keep", b"transaction write", b"deployment", b"blue"):
        assert word in sent
    assert MARK.encode() not in sent
