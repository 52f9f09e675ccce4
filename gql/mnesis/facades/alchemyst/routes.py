"""The routes, and what stands around each call: who asks, how long it may take, and how a refusal is told."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from time import perf_counter

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from mnesis.domain.limits import OperationLimits
from mnesis.domain.refusals import Refused
from mnesis.facades.alchemyst import sessions
from mnesis.facades.alchemyst.bodies import Asked, body_of
from mnesis.facades.alchemyst.errors import NotServed, error_response, gate_refusal, refused
from mnesis.usecases.memories import Memories
from mnesis.usecases.ports import Overloaded
from mnesis.web.dialects import Dialect
from mnesis.web.observation import GONE, UNOBSERVED, Ended, Observer, Outcome
from mnesis.web.observation import Asked as AskedOf
from mnesis.web.request_notes import current_request

PREFIX = "/api/v1/context"
DIALECT = Dialect(prefix=f"{PREFIX}/", refusal=gate_refusal)

_OK = Ended(outcome=Outcome.OK)
_FAILED = Ended(outcome=Outcome.FAILED, codes=("INTERNAL_SERVER_ERROR",))
_DEFAULT_LIMITS = OperationLimits()


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One operation of the API. ``name`` is what logs and metrics know it by."""

    method: str
    path: str
    name: str
    writes: bool
    run: Callable[[Memories, Asked], Awaitable[Response]]


CALLS = (
    Call(method="POST", path="/memory/add", name="alchemyst_memory_add", writes=True, run=sessions.add),
    Call(method="POST", path="/memory/update", name="alchemyst_memory_update", writes=True, run=sessions.update),
    Call(method="POST", path="/memory/delete", name="alchemyst_memory_delete", writes=True, run=sessions.delete),
)


def alchemyst_routes(
    opened: Callable[[], Memories], *, limits: OperationLimits = _DEFAULT_LIMITS, observer: Observer = UNOBSERVED
) -> list[BaseRoute]:
    """The routes, over what ``opened`` gives once the server has started."""
    return [
        Route(f"{PREFIX}{call.path}", _endpoint(call, opened, limits, observer), methods=[call.method])
        for call in CALLS
    ]


def _endpoint(
    call: Call, opened: Callable[[], Memories], limits: OperationLimits, observer: Observer
) -> Callable[[Request], Awaitable[Response]]:
    most_s = limits.mutation_s if call.writes else limits.query_s
    told = AskedOf(kind="mutation" if call.writes else "query", name=call.name, known=call.name)

    async def respond(request: Request) -> Response:
        caller = request.scope["state"]["caller"]
        note = current_request()
        if note is not None:
            note.operations += 1
        running = observer.begin(told, caller, perf_counter())
        with running:
            try:
                async with asyncio.timeout(most_s):
                    asked = Asked(
                        caller=caller,
                        body=body_of(await request.body()) if call.method == "POST" else {},
                        query=request.query_params,
                        path=request.path_params,
                        idempotency_key=request.headers.get("idempotency-key"),
                    )
                    answer = await call.run(opened(), asked)
            except BaseException as fault:
                shown = _shown(fault, most_s)
                running.end(_ended(fault, shown))
                if shown is None:
                    raise
                return error_response(shown.status, shown.message, shown.details)
            running.end(_OK)
        return answer

    return respond


def _shown(fault: BaseException, most_s: int) -> NotServed | None:
    """How a fault is told; None for one of the program, which the gate masks."""
    match fault:
        case NotServed():
            return fault
        case Refused():
            return refused(fault.refusals)
        case Overloaded():
            return NotServed(503, "The server has too much to do; try again later.")
        case TimeoutError():
            return NotServed(504, f"The request took longer than {most_s} seconds.")
        case ClientDisconnect():
            return NotServed(400, "The client went away.")
        case _:
            return None


def _ended(fault: BaseException, shown: NotServed | None) -> Ended:
    if isinstance(fault, ClientDisconnect | asyncio.CancelledError):
        return GONE
    if shown is None:
        return _FAILED
    code = shown.details.get("code")
    return Ended(outcome=Outcome.REFUSED, codes=(code if isinstance(code, str) else "BAD_USER_INPUT",))
