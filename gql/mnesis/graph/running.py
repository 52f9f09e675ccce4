"""How much one process runs at once, and for how long: what stands around the execution of every operation."""

import asyncio
from collections.abc import Awaitable, Iterator
from contextlib import AbstractContextManager, contextmanager
from types import TracebackType
from typing import Any, Protocol

from mnesis.domain.limits import OperationLimits
from mnesis.graph.context import Context
from mnesis.graph.cost import Costs
from mnesis.graph.document_limits import too_complex
from mnesis.graph.execute import NotBegun, Source
from mnesis.graph.faults import OVERLOADED, TIMEOUT, request_error
from mnesis.graph.prepare import Prepared
from mnesis.usecases.together import asker

RETRY_AFTER_S = 1
"""When it is worth trying again what was refused because of how much is under way."""


class Executes(Protocol):
    """What runs an operation."""

    async def execute(
        self, prepared: Prepared, variables: dict[str, Any], context: Context, root: object = None
    ) -> dict[str, Any]:
        """The response as GraphQL lays it out."""
        ...


class TimedExecutor:
    """Gives every execution an end."""

    def __init__(self, executor: Executes, limits: OperationLimits) -> None:
        self._executor = executor
        self._limits = limits

    async def execute(
        self, prepared: Prepared, variables: dict[str, Any], context: Context, root: object = None
    ) -> dict[str, Any]:
        """The response, or the refusal to wait for it any longer."""
        most_s = self._limits.mutation_s if prepared.writes else self._limits.query_s
        with _Deadline(most_s):
            return await self._executor.execute(prepared, variables, context, root)
        text = f"The operation took longer than {most_s} seconds."
        if prepared.writes:
            text += " What it wrote may stand; an idempotencyKey makes it safe to send it again."
        return {"errors": [request_error(text, TIMEOUT, limit=most_s)]}

    async def begun(self, beginning: Awaitable[Source]) -> Source:
        """The events of a subscription. Raises `NotBegun`, also when it takes as long as no query may."""
        most_s = self._limits.query_s
        timeout = asyncio.timeout(most_s)
        try:
            async with timeout:
                return await beginning
        except TimeoutError:
            if not timeout.expired():
                raise
        raise NotBegun([request_error(f"It took longer than {most_s} seconds to begin.", TIMEOUT, limit=most_s)])


class _Deadline:
    """Cancels what the task does inside when the time is over, and then goes on behind it.

    What `asyncio.timeout` does, without what only others than this need of it: every operation passes here.
    """

    __slots__ = ("_before", "_is_over", "_most_s", "_task", "_timer")

    def __init__(self, most_s: float) -> None:
        self._most_s = most_s
        self._is_over = False

    def __enter__(self) -> None:
        task = asyncio.current_task()
        assert task is not None  # Coroutines run in tasks.
        self._task = task
        self._before = task.cancelling()
        self._timer = asyncio.get_running_loop().call_later(self._most_s, self._end)

    def _end(self) -> None:
        self._is_over = True
        self._task.cancel()

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> bool:
        self._timer.cancel()
        # Where somebody else has cancelled the task too, it ends.
        return self._is_over and self._task.uncancel() <= self._before and kind is asyncio.CancelledError


class Running:
    """Weighs operations before they run, and counts those that do."""

    def __init__(self, costs: Costs, limits: OperationLimits) -> None:
        self._costs = costs
        self._limits = limits
        self._operations: dict[object, int] = {}
        """How many run of each request; those that it has executed together count as one."""
        self._subscriptions = 0

    def checked(self, prepared: Prepared, variables: dict[str, Any]) -> None:
        """Raises `NotBegun` where the operation costs too much."""
        cost, most = self._costs.of(prepared.document, prepared.operation).of(variables), self._limits.cost
        if cost > most:
            text = (
                f"The operation costs {cost}; at most {most} are allowed. Its cost is the number of fields that the"
                " answer may hold: ask for shorter pages or fewer fields, or write fewer memories at once."
            )
            raise NotBegun([too_complex(text, "cost", cost, most)])

    def operation(self) -> AbstractContextManager[None]:
        """While a query or a mutation runs. Raises `NotBegun` where too many do."""
        return _Counted(self._operations, self._limits.operations)

    @contextmanager
    def subscription(self) -> Iterator[None]:
        """While a subscription stands. Raises `NotBegun` where too many do."""
        most = self._limits.subscriptions
        if self._subscriptions >= most:
            raise NotBegun([_overloaded(f"The server serves {most} subscriptions already; try again later.", most)])
        self._subscriptions += 1
        try:
            yield
        finally:
            self._subscriptions -= 1


class _Counted:
    """One operation among those that run."""

    __slots__ = ("_most", "_operations", "_request")

    def __init__(self, operations: dict[object, int], most: int) -> None:
        self._operations = operations
        self._most = most

    def __enter__(self) -> None:
        self._request = asker() or object()
        running = self._operations.get(self._request, 0)
        if not running and len(self._operations) >= self._most:
            text = f"The server runs {self._most} operations already; try again later."
            raise NotBegun([_overloaded(text, self._most)])
        self._operations[self._request] = running + 1

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        running = self._operations.pop(self._request) - 1
        if running:
            self._operations[self._request] = running


def _overloaded(text: str, limit: int) -> dict[str, Any]:
    return request_error(text, OVERLOADED, limit=limit)
