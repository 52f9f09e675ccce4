"""When what takes too long is ended."""

import asyncio
from types import TracebackType

_EARLY_S = 0.001
"""Event loops count in milliseconds, and so may be early by one."""


class Deadlines:
    """Ends what takes longer than ``most_s`` seconds.

    All have the same time, so that who begins first has to end first: one timer, for the first of them, serves all. A
    timer for each operation cost more than the rest of its deadline.
    """

    def __init__(self, most_s: float) -> None:
        self._most_s = most_s
        self._standing: dict[Deadline, None] = {}
        """In the order in which they come."""
        self._loop: asyncio.AbstractEventLoop | None = None
        """The event loop that has the timer, as long as there is one."""

    def begin(self) -> "Deadline":
        """The deadline of what the running task does from now on."""
        loop = asyncio.get_running_loop()
        task = asyncio.current_task(loop)
        assert task is not None  # Coroutines run in tasks.
        deadline = Deadline(self._standing, task, loop.time() + self._most_s)
        if loop is not self._loop:
            # What stood in another event loop, which is no more, cannot be ended any longer.
            self._standing.clear()
            self._loop = loop
            loop.call_at(deadline.at_s, self._end_due)
        self._standing[deadline] = None
        return deadline

    def _end_due(self) -> None:
        assert self._loop is not None
        now_s = self._loop.time() + _EARLY_S
        while self._standing:
            first = next(iter(self._standing))
            if first.at_s > now_s:
                self._loop.call_at(first.at_s, self._end_due)
                return
            first.end()
        self._loop = None


class Deadline:
    """Cancels what the task does inside when the time is over, and then goes on behind it.

    What `asyncio.timeout` does, without what only others than this need of it: every operation passes here.
    """

    __slots__ = ("_before", "_is_over", "_standing", "_task", "at_s")

    def __init__(self, standing: "dict[Deadline, None]", task: "asyncio.Task[object]", at_s: float) -> None:
        self._standing = standing
        self._task = task
        self._before = task.cancelling()
        self._is_over = False
        self.at_s = at_s

    def end(self) -> None:
        """The time is over."""
        self._is_over = True
        del self._standing[self]
        self._task.cancel()

    def __enter__(self) -> None:
        return None

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> bool:
        self._standing.pop(self, None)
        # Where somebody else has cancelled the task too, it ends.
        return self._is_over and self._task.uncancel() <= self._before and kind is asyncio.CancelledError
