"""What stands around every call of a façade: how often it may be asked for, how long it may take, and what logs and
metrics are told of it. How a refusal sounds is for each façade to say.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from math import ceil
from time import perf_counter
from typing import NamedTuple

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from mnesis.domain.caller import Caller
from mnesis.domain.limits import OperationLimits
from mnesis.web.observation import GONE, UNOBSERVED, Asked, Ended, Observer, Outcome
from mnesis.web.rates import UNBOUNDED
from mnesis.web.request_notes import current_request

Endpoint = Callable[[Request], Awaitable[Response]]

_OK = Ended(outcome=Outcome.OK)
_FAILED = Ended(outcome=Outcome.FAILED, codes=("INTERNAL_SERVER_ERROR",))


class TooOften(Exception):
    """The caller may come back after so many whole seconds."""

    def __init__(self, after_s: float) -> None:
        super().__init__(after_s)
        self.seconds = max(1, ceil(after_s))


class Shown(NamedTuple):
    """A refusal as the client is shown it, and the code that logs and metrics know it by."""

    response: Response
    code: str


Shows = Callable[[BaseException, Request, int], Shown | None]
"""How a fault is told to whom asked, who had so many seconds; None for one of the program, which the gate masks."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Around:
    """What all calls have in common. ``wait_s`` counts a request of a caller, or says after how many seconds it may be
    made."""

    limits: OperationLimits = field(default_factory=OperationLimits)
    observer: Observer = UNOBSERVED
    wait_s: Callable[[Caller], float] = UNBOUNDED.wait_s

    def endpoint(self, name: str, run: Endpoint, shows: Shows, *, writes: bool) -> Endpoint:
        """Answers with what ``run`` does; ``name`` is what logs and metrics know the call by."""
        most_s = self.limits.mutation_s if writes else self.limits.query_s
        told = Asked(kind="mutation" if writes else "query", name=name, known=name)

        async def respond(request: Request) -> Response:
            caller = request.scope["state"]["caller"]
            note = current_request()
            if note is not None:
                note.operations += 1
            running = self.observer.begin(told, caller, perf_counter())
            with running:
                try:
                    if (after_s := self.wait_s(caller)) > 0:
                        raise TooOften(after_s)
                    async with asyncio.timeout(most_s):
                        response = await run(request)
                except BaseException as fault:
                    shown = shows(fault, request, most_s)
                    running.end(_ended(fault, shown))
                    if shown is None:
                        raise
                    return shown.response
                running.end(_OK)
            return response

        return respond


def _ended(fault: BaseException, shown: Shown | None) -> Ended:
    if isinstance(fault, ClientDisconnect | asyncio.CancelledError):
        return GONE
    if shown is None:
        return _FAILED
    return Ended(outcome=Outcome.REFUSED, codes=(shown.code,))
