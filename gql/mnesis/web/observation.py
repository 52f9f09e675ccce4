"""What every edge tells of the operations it runs, to whoever keeps logs, metrics and traces.

It is told names, outcomes and durations. Nothing that a client has stored or sent goes this way.
"""

from dataclasses import dataclass
from enum import StrEnum
from types import TracebackType
from typing import Protocol

from mnesis.domain.caller import Caller


class Outcome(StrEnum):
    """How an operation ended."""

    OK = "ok"
    REFUSED = "refused"
    """With errors that are the caller's to mend."""
    FAILED = "failed"
    """With a fault of the server, which the caller knows by an id only."""
    GONE = "gone"
    """Without an answer: the caller went away, or the server stopped."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """An operation as far as it may be told.

    ``kind`` is query, mutation, subscription, or unknown where the document was refused. ``name`` was chosen by the
    caller and is a GraphQL name of bounded length. ``known`` is the name by which the server itself knows the
    operation, so there are only so many.
    """

    kind: str
    name: str | None = None
    known: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """The end of an operation: the codes of its errors, each once, and the ids of what was masked."""

    outcome: Outcome
    codes: tuple[str, ...] = ()
    error_ids: tuple[str, ...] = ()


GONE = Ended(outcome=Outcome.GONE)


class Running(Protocol):
    """An operation under way. Entered while it works, so that what it asks of the store is known as its own."""

    def __enter__(self) -> None: ...

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def event(self) -> None:
        """A subscription has told of an event."""
        ...

    def end(self, ended: Ended) -> None:
        """To be called once, however the operation ends."""
        ...


class Observer(Protocol):
    """Hears of operations. It never raises and never waits."""

    def begin(self, asked: Asked, caller: Caller | None, began_s: float) -> Running:
        """An operation begins, or began at a time of `time.perf_counter`."""
        ...

    def refused(self, code: str, status: int) -> None:
        """A request was refused before there was an operation, or a socket closed: ``status`` is its code then."""
        ...


class _Nothing:
    def __enter__(self) -> None:
        return None

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None

    def event(self) -> None:
        return None

    def end(self, ended: Ended) -> None:
        return None

    def begin(self, asked: Asked, caller: Caller | None, began_s: float) -> Running:
        return self

    def refused(self, code: str, status: int) -> None:
        return None


UNOBSERVED: Observer = _Nothing()
"""Where nobody wants to know."""
