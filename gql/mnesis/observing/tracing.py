"""Spans for OpenTelemetry: one for each operation, and below it what the database did for it.

A span bears names, kinds, numbers and codes. Argument values, variables and the text of documents and of statements are
not left out of it: they never get here.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from contextvars import Token
from types import TracebackType

from opentelemetry import context as contexts
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import SERVICE_NAME, SERVICE_VERSION, OTELResourceDetector, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import Link, Span, SpanContext, SpanKind, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from mnesis.domain.caller import Caller
from mnesis.web.observation import Asked, Ended, Outcome, Running
from mnesis.web.request_notes import current_request

MOST_LINKS = 128
_SHARED = frozenset({"changes"})
"""Kinds of reads for all subscribers together, and so for no operation in particular."""
_HEADERS = frozenset({b"traceparent", b"tracestate"})


def exporting_provider(version: str) -> TracerProvider:
    """Sends spans to where the standard variables OTEL_* say, in OTLP over HTTP."""
    ours = Resource({SERVICE_NAME: "mnesis", SERVICE_VERSION: version})
    provider = TracerProvider(resource=ours.merge(OTELResourceDetector().detect()))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    return provider


class Tracing:
    """Makes spans of what an `Observer` and a `Meter` hear."""

    def __init__(self, provider: TracerProvider, *, database: str, version: str) -> None:
        self._provider = provider
        self._tracer = provider.get_tracer("mnesis", version)
        # The name that the conventions have now, and the one that many collectors know.
        self._database = {"db.system.name": database, "db.system": database}
        self._propagator = TraceContextTextMapPropagator()

    def close(self) -> None:
        """Sends what has not been sent. Blocks."""
        self._provider.shutdown()

    def begin(self, asked: Asked, caller: Caller | None, began_s: float) -> Running:
        attributes: dict[str, str] = {}
        if asked.kind != "unknown":
            attributes["graphql.operation.type"] = asked.kind
        if asked.name is not None:
            attributes["graphql.operation.name"] = asked.name
        if caller is not None:
            attributes["mnesis.tenant"] = caller.tenant
        request = current_request()
        parent = Context()
        if request is not None:
            attributes["mnesis.request_id"] = request.id
            carrier = {str(name, "ascii"): str(value, "latin-1") for name, value in request.headers if name in _HEADERS}
            parent = self._propagator.extract(carrier, parent)
        # The name by which the conventions want it, because a name that clients choose is no name for a group.
        name = asked.kind if asked.kind != "unknown" else "GraphQL Operation"
        span = self._tracer.start_span(
            name, parent, SpanKind.SERVER, attributes=attributes, start_time=_nanoseconds(began_s)
        )
        return _Traced(span)

    def refused(self, code: str, status: int) -> None:
        return None

    def origin(self) -> object:
        found = trace.get_current_span().get_span_context()
        return found if found.is_valid else None

    def read(self, kind: str, origin: object, began_s: float, ended_s: float, *, failed: bool) -> None:
        if kind not in _SHARED:
            self._record(f"read {kind}", [origin], began_s, ended_s, {}, failed=failed)

    def wrote(
        self,
        kind: str,
        origins: Sequence[object],
        began_s: float,
        ended_s: float,
        *,
        commands: int,
        failed: bool,
    ) -> None:
        counts = {"db.operation.batch.size": len(origins), "mnesis.commands": commands}
        self._record(f"transaction {kind}", origins, began_s, ended_s, counts, failed=failed)

    def lanes(self, depths: Callable[[], Mapping[str, int]]) -> None:
        return None

    def subscribers(self, count: Callable[[], int]) -> None:
        return None

    def _record(
        self,
        name: str,
        origins: Sequence[object],
        began_s: float,
        ended_s: float,
        counts: Mapping[str, int],
        *,
        failed: bool,
    ) -> None:
        """A span below the first operation that it was for, linked to the others."""
        asked_by = [origin for origin in origins if isinstance(origin, SpanContext)]
        if not asked_by:
            return
        span = self._tracer.start_span(
            name,
            trace.set_span_in_context(trace.NonRecordingSpan(asked_by[0]), Context()),
            SpanKind.CLIENT,
            attributes={**self._database, "db.operation.name": name, **counts},
            links=[Link(other) for other in asked_by[1 : MOST_LINKS + 1]],
            start_time=_nanoseconds(began_s),
        )
        if failed:
            span.set_status(StatusCode.ERROR)
        span.end(_nanoseconds(ended_s))


class _Traced:
    __slots__ = ("_events", "_span", "_token")

    def __init__(self, span: Span) -> None:
        self._span = span
        self._events = 0
        self._token: Token[Context] | None = None

    def __enter__(self) -> None:
        self._token = contexts.attach(trace.set_span_in_context(self._span, Context()))

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._token is not None:
            contexts.detach(self._token)

    def event(self) -> None:
        self._events += 1

    def end(self, ended: Ended) -> None:
        self._span.set_attribute("mnesis.outcome", ended.outcome.value)
        if self._events:
            self._span.set_attribute("mnesis.events", self._events)
        if ended.codes:
            self._span.set_attribute("mnesis.error_codes", ended.codes)
        if ended.error_ids:
            self._span.set_attribute("mnesis.error_ids", ended.error_ids)
        if ended.outcome is Outcome.FAILED:
            self._span.set_attribute("error.type", ended.codes[0])
            self._span.set_status(StatusCode.ERROR)
        self._span.end()


def _nanoseconds(at_s: float) -> int:
    """What the clock said at a time of `time.perf_counter`."""
    return time.time_ns() - int((time.perf_counter() - at_s) * 1e9)
