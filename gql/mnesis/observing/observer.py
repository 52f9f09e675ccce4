"""Tells the log, the metrics and the traces of each operation."""

from logging import INFO, getLogger
from time import perf_counter
from types import TracebackType

from mnesis.domain.caller import Caller
from mnesis.observing.logs import logger, write_line
from mnesis.web.observation import Asked, Ended, Observer, Outcome, Running

_log = logger("mnesis.operations")
_operations = getLogger("mnesis.operations")
# Asked first, because the fields of a line cost something too.
_enabled = _operations.isEnabledFor
# An enumeration's own way to its values costs as much as the rest of the fields.
_WORDS = {outcome: outcome.value for outcome in Outcome}


class LogObserver:
    """Writes one line when an operation ends; of a subscription also one when it begins."""

    def begin(self, asked: Asked, caller: Caller | None, began_s: float) -> Running:
        logged = _Logged(asked, caller, began_s)
        if asked.kind == "subscription" and _enabled(INFO):
            _log.info("subscription began", **logged.who())
        return logged

    def refused(self, code: str, status: int) -> None:
        _log.info("request", outcome=Outcome.REFUSED.value, codes=[code], status=status)


class _Logged:
    __slots__ = ("_asked", "_began_s", "_caller", "_events")

    def __init__(self, asked: Asked, caller: Caller | None, began_s: float) -> None:
        self._asked = asked
        self._caller = caller
        self._began_s = began_s
        self._events = 0

    def __enter__(self) -> None:
        return None

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None

    def who(self) -> dict[str, object]:
        """The operation and its caller."""
        fields: dict[str, object] = {"operation": self._asked.name, "type": self._asked.kind}
        if self._caller is not None:
            fields["tenant"] = self._caller.tenant
        return fields

    def event(self) -> None:
        self._events += 1

    def end(self, ended: Ended) -> None:
        if not _enabled(INFO):
            return
        fields = self.who()
        # Rounded to microseconds as an integer, because to round to decimals takes several times as long.
        fields["duration_ms"] = round((perf_counter() - self._began_s) * 1_000_000) / 1000
        fields["outcome"] = _WORDS[ended.outcome]
        if ended.codes:
            fields["codes"] = list(ended.codes)
        if ended.error_ids:
            fields["error_ids"] = list(ended.error_ids)
        if self._asked.kind == "subscription":
            fields["events"] = self._events
            _log.info("subscription ended", **fields)
        else:
            write_line(_operations, "operation", fields)


class Observers:
    """Several observers as one."""

    def __init__(self, *observers: Observer) -> None:
        self._observers = observers

    def begin(self, asked: Asked, caller: Caller | None, began_s: float) -> Running:
        return _AllRunning([observer.begin(asked, caller, began_s) for observer in self._observers])

    def refused(self, code: str, status: int) -> None:
        for observer in self._observers:
            observer.refused(code, status)


class _AllRunning:
    __slots__ = ("_running",)

    def __init__(self, running: list[Running]) -> None:
        self._running = running

    def __enter__(self) -> None:
        for each in self._running:
            each.__enter__()

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        for each in reversed(self._running):
            each.__exit__(kind, fault, trace)

    def event(self) -> None:
        for each in self._running:
            each.event()

    def end(self, ended: Ended) -> None:
        for each in self._running:
            each.end(ended)
