"""Metrics for Prometheus. Every label has only so many values, whatever clients send."""

import platform
from collections.abc import Callable, Iterator, Mapping, Sequence
from time import perf_counter
from types import TracebackType

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector

from mnesis.domain.caller import Caller
from mnesis.web.observation import Asked, Ended, Outcome, Running

OTHER = "other"
MOST_CODES = 64
"""More codes of errors than there are."""
_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
_SQL_SECONDS = (0.0001, 0.00025, *_SECONDS)
_COUNTS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000)


class Metrics:
    """Counts what an `Observer` and a `Meter` hear, in a registry of its own."""

    def __init__(self, *, version: str, database: str) -> None:
        self.registry = CollectorRegistry()
        self._operations = Histogram(
            "mnesis_operation_seconds",
            "How long queries and mutations took, by the name that the server knows them by.",
            ("operation", "type", "outcome"),
            registry=self.registry,
            buckets=_SECONDS,
        )
        self._subscriptions = Counter(
            "mnesis_subscriptions",
            "Subscriptions that have ended, or were refused.",
            ("operation", "outcome"),
            registry=self.registry,
        )
        self._events = Counter(
            "mnesis_subscription_events", "Events that subscribers were sent.", registry=self.registry
        )
        self._rejected = Counter(
            "mnesis_rejected_requests",
            "Requests and operations that were answered with an error, by its code.",
            ("code",),
            registry=self.registry,
        )
        self._sql = Histogram(
            "mnesis_sql_seconds",
            "How long the database took: for a transaction, kind write or job, or for the reads of one question.",
            ("kind", "outcome"),
            registry=self.registry,
            buckets=_SQL_SECONDS,
        )
        self._batches = Histogram(
            "mnesis_transaction_batches",
            "How many batches were committed together.",
            registry=self.registry,
            buckets=_COUNTS,
        )
        self._commands = Histogram(
            "mnesis_transaction_commands",
            "How many commands were committed together.",
            registry=self.registry,
            buckets=_COUNTS,
        )
        built = Gauge("mnesis_build_info", "1.", ("version", "python", "database"), registry=self.registry)
        built.labels(version, platform.python_version(), database).set(1)
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)
        # A child is looked up under a lock and by its labels' text otherwise.
        self._operation_children: dict[tuple[str, str, Outcome], Histogram] = {}
        self._sql_children: dict[tuple[str, bool], Histogram] = {}
        self._codes: dict[str, Counter] = {}

    def page(self) -> bytes:
        """Everything, as Prometheus reads it."""
        return generate_latest(self.registry)

    def begin(self, asked: Asked, caller: Caller | None, began_s: float) -> Running:
        return _Measured(self, asked, began_s)

    def refused(self, code: str, status: int) -> None:
        self._reject(code)

    def ended(self, asked: Asked, ended: Ended, began_s: float) -> None:
        """An operation has ended."""
        known = asked.known or OTHER
        if asked.kind == "subscription":
            self._subscriptions.labels(known, ended.outcome.value).inc()
        else:
            # An outcome is its word.
            key = (known, asked.kind, ended.outcome)
            child = self._operation_children.get(key)
            if child is None:
                child = self._operation_children[key] = self._operations.labels(*key)
            child.observe(perf_counter() - began_s)
        for code in ended.codes:
            self._reject(code)

    def told(self) -> None:
        """A subscriber was sent an event."""
        self._events.inc()

    def _reject(self, code: str) -> None:
        counter = self._codes.get(code)
        if counter is None:
            # They are words of the program; should one ever not be, it is counted and not named.
            shown = code if len(self._codes) < MOST_CODES and code.isascii() and len(code) <= 64 else OTHER
            counter = self._rejected.labels(shown)
            if shown is code:
                self._codes[code] = counter
        counter.inc()

    def origin(self) -> object:
        return None

    def read(self, kind: str, origin: object, began_s: float, ended_s: float, *, failed: bool) -> None:
        self._took(kind, ended_s - began_s, failed=failed)

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
        self._took(kind, ended_s - began_s, failed=failed)
        if not failed:
            self._batches.observe(len(origins))
            self._commands.observe(commands)

    def lanes(self, depths: Callable[[], Mapping[str, int]]) -> None:
        self.registry.register(_Lanes(depths))

    def subscribers(self, count: Callable[[], int]) -> None:
        gauge = Gauge("mnesis_subscribers", "Subscriptions that stand.", registry=self.registry)
        gauge.set_function(count)

    def _took(self, kind: str, seconds: float, *, failed: bool) -> None:
        child = self._sql_children.get((kind, failed))
        if child is None:
            outcome = Outcome.FAILED if failed else Outcome.OK
            child = self._sql_children[kind, failed] = self._sql.labels(kind, outcome.value)
        child.observe(seconds)


class _Measured:
    __slots__ = ("_asked", "_began_s", "_metrics")

    def __init__(self, metrics: Metrics, asked: Asked, began_s: float) -> None:
        self._metrics = metrics
        self._asked = asked
        self._began_s = began_s

    def __enter__(self) -> None:
        return None

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None

    def event(self) -> None:
        self._metrics.told()

    def end(self, ended: Ended) -> None:
        self._metrics.ended(self._asked, ended, self._began_s)


class _Lanes(Collector):
    """Asks the lanes when it is asked, so that they need not tell."""

    def __init__(self, depths: Callable[[], Mapping[str, int]]) -> None:
        self._depths = depths

    def collect(self) -> Iterator[GaugeMetricFamily]:
        waiting = GaugeMetricFamily("mnesis_lane_commands", "Commands that wait in a writer lane.", labels=["lane"])
        for lane, depth in self._depths().items():
            waiting.add_metric([lane], depth)
        yield waiting
