"""How much one process runs at once, and for how long: what stands around the execution of every operation."""

import asyncio
from collections.abc import Awaitable, Iterator
from contextlib import contextmanager
from typing import Any, Protocol

from mnesis.domain.limits import OperationLimits
from mnesis.graph.context import Context
from mnesis.graph.cost import Costs
from mnesis.graph.deadlines import Deadlines
from mnesis.graph.document_limits import too_complex
from mnesis.graph.execute import NotBegun, Source
from mnesis.graph.faults import OVERLOADED, TIMEOUT, request_error
from mnesis.graph.prepare import Prepared

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
        self._queries = Deadlines(limits.query_s)
        self._mutations = Deadlines(limits.mutation_s)

    async def execute(
        self, prepared: Prepared, variables: dict[str, Any], context: Context, root: object = None
    ) -> dict[str, Any]:
        """The response, or the refusal to wait for it any longer."""
        deadlines = self._mutations if prepared.writes else self._queries
        with deadlines.begin():
            return await self._executor.execute(prepared, variables, context, root)
        most_s = self._limits.mutation_s if prepared.writes else self._limits.query_s
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
        known, most = self._costs.of(prepared.document, prepared.operation), self._limits.cost
        cost = known.of(variables) if known.fixed is None else known.fixed
        if cost > most:
            text = (
                f"The operation costs {cost}; at most {most} are allowed. Its cost is the number of fields that the"
                " answer may hold: ask for shorter pages or fewer fields, or write fewer memories at once."
            )
            raise NotBegun([too_complex(text, "cost", cost, most)])

    def begin(self, request: object) -> None:
        """A query or a mutation of this request is to run. Raises `NotBegun` where too many do."""
        running, most = self._operations.get(request, 0), self._limits.operations
        if not running and len(self._operations) >= most:
            text = f"The server runs {most} operations already; try again later."
            raise NotBegun([_overloaded(text, most)])
        self._operations[request] = running + 1

    def end(self, request: object) -> None:
        """One that was begun runs no longer."""
        running = self._operations.pop(request) - 1
        if running:
            self._operations[request] = running

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


def _overloaded(text: str, limit: int) -> dict[str, Any]:
    return request_error(text, OVERLOADED, limit=limit)
