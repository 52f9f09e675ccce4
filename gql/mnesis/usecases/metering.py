"""What a store tells of its own work, to whoever measures it."""

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol


class Meter(Protocol):
    """Hears of work after it was done, in the thread that did it. It never raises and never waits.

    Times are of `time.perf_counter`. Kinds are words of the program's own, so there are only so many.
    """

    def origin(self) -> object:
        """Whom the running task works for; handed back with the work that it asked for."""
        ...

    def read(self, kind: str, origin: object, began_s: float, ended_s: float, *, failed: bool) -> None:
        """A question was answered: one hop to a reading thread, however many statements."""
        ...

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
        """A transaction has ended, with everything that was merged into it: one origin for each batch."""
        ...

    def lanes(self, depths: Callable[[], Mapping[str, int]]) -> None:
        """How many commands wait in each lane can be asked at any time."""
        ...

    def subscribers(self, count: Callable[[], int]) -> None:
        """How many subscriptions stand can be asked at any time."""
        ...


class _Nothing:
    def origin(self) -> object:
        return None

    def read(self, kind: str, origin: object, began_s: float, ended_s: float, *, failed: bool) -> None:
        return None

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
        return None

    def lanes(self, depths: Callable[[], Mapping[str, int]]) -> None:
        return None

    def subscribers(self, count: Callable[[], int]) -> None:
        return None


UNMETERED: Meter = _Nothing()
"""Where nobody wants to know."""
