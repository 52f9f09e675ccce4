"""Puts together what observes a server."""

import logging
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

from starlette.routing import BaseRoute

from mnesis import __version__
from mnesis.complaints import Complaint
from mnesis.observing.meters import Meters
from mnesis.observing.metrics import Metrics
from mnesis.observing.metrics_route import metrics_route
from mnesis.observing.observer import LogObserver, Observers
from mnesis.usecases.metering import UNMETERED, Meter
from mnesis.web.observation import Observer

if TYPE_CHECKING:
    from mnesis.observing.tracing import Tracing

TracingMode: TypeAlias = Literal["auto", "on", "off"]

_ENDPOINTS = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
_PROTOCOLS = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")
_HTTP = "http/protobuf"

_log = logging.getLogger(__name__)


class CannotTrace(Complaint):
    """Traces are asked for and cannot be made."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """What observes one server; ``close`` blocks until everything is told."""

    observer: Observer
    meter: Meter
    routes: Sequence[BaseRoute]
    close: Callable[[], None]


def observation(
    *, metrics: bool, metrics_token: str | None, tracing: TracingMode, database: Literal["sqlite", "postgresql"]
) -> Observation:
    """The log always; metrics and traces where they are asked for. Raises `CannotTrace`."""
    counted = Metrics(version=__version__, database=database) if metrics else None
    traced = _tracing(tracing, database)
    both = [each for each in (counted, traced) if each is not None]
    return Observation(
        observer=Observers(LogObserver(), *both) if both else LogObserver(),
        meter=Meters(*both) if len(both) > 1 else both[0] if both else UNMETERED,
        routes=[metrics_route(counted, token=metrics_token)] if counted is not None else [],
        close=traced.close if traced is not None else _nothing,
    )


def _tracing(mode: TracingMode, database: str) -> "Tracing | None":
    if mode == "off" or (mode == "auto" and not _is_configured()):
        return None
    protocol = next((os.environ[name] for name in _PROTOCOLS if os.environ.get(name)), _HTTP)
    if protocol != _HTTP:
        _tell_why_not(mode, f"Traces are sent in {_HTTP} only, and OTEL_EXPORTER_OTLP_PROTOCOL is {protocol}.")
        return None
    try:
        # Imported late, because it is an extra and takes a while.
        from mnesis.observing.tracing import Tracing, exporting_provider
    except ModuleNotFoundError as missing:
        if missing.name is None or not missing.name.startswith("opentelemetry"):
            raise
        _tell_why_not(mode, "Traces need OpenTelemetry: pip install 'mnesis[otel]'.")
        return None
    return Tracing(exporting_provider(__version__), database=database, version=__version__)


def _tell_why_not(mode: TracingMode, reason: str) -> None:
    """Where tracing was asked for by name, this is an error. Platforms set the standard variables for everybody."""
    if mode == "on":
        raise CannotTrace(reason)
    _log.warning("%s No traces are made; MNESIS_TRACING=off says that this is meant.", reason)


def _is_configured() -> bool:
    """Whether the standard variables ask for traces."""
    if os.environ.get("OTEL_SDK_DISABLED", "").lower() == "true":
        return False
    exporter = os.environ.get("OTEL_TRACES_EXPORTER")
    return exporter == "otlp" or (not exporter and any(os.environ.get(name) for name in _ENDPOINTS))


def _nothing() -> None:
    return None
