"""The routes, and what stands around each call: who asks, how long it may take, and how a refusal is told."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from time import perf_counter

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from mnesis.domain.caller import Caller
from mnesis.domain.limits import OperationLimits
from mnesis.domain.refusals import Refused
from mnesis.facades.alchemyst import documents, queueing, searching, sessions
from mnesis.facades.alchemyst.bodies import Asked, body_of
from mnesis.facades.alchemyst.errors import NotServed, TooOften, error_response, gate_refusal, refused
from mnesis.usecases.jobs import Jobs
from mnesis.usecases.memories import Memories
from mnesis.usecases.ports import Overloaded
from mnesis.usecases.traces import Traces
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
    run: Callable[["Service", Asked], Awaitable[Response]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """What the calls are over. ``wake`` tells whoever works jobs off of a new one."""

    memories: Memories
    traces: Traces
    jobs: Jobs
    wake: Callable[[], None]


def _call(
    method: str, path: str, name: str, run: Callable[[Service, Asked], Awaitable[Response]], *, writes: bool = True
) -> Call:
    return Call(method=method, path=path, name=f"alchemyst_{name}", writes=writes, run=run)


CALLS = (
    _call("POST", "/memory/add", "memory_add", lambda over, asked: sessions.add(over.memories, asked)),
    _call("POST", "/memory/update", "memory_update", lambda over, asked: sessions.update(over.memories, asked)),
    _call("POST", "/memory/delete", "memory_delete", lambda over, asked: sessions.delete(over.memories, asked)),
    _call("POST", "/add", "add", lambda over, asked: documents.add(over.memories, asked)),
    _call("POST", "/delete", "delete", lambda over, asked: documents.delete(over.memories, asked)),
    _call("GET", "/view", "view", lambda over, asked: documents.view(over.memories, asked), writes=False),
    _call(
        "GET", "/view/docs", "view_docs", lambda over, asked: documents.view_docs(over.memories, asked), writes=False
    ),
    _call(
        "POST",
        "/search",
        "search",
        lambda over, asked: searching.search(over.memories, over.traces, asked),
        writes=False,
    ),
    _call("GET", "/traces", "traces", lambda over, asked: searching.list_traces(over.traces, asked), writes=False),
    _call(
        "DELETE",
        "/traces/{trace_id}/delete",
        "trace_delete",
        lambda over, asked: searching.delete_trace(over.traces, asked),
    ),
    _call(
        "POST",
        "/add-async",
        "add_async",
        lambda over, asked: queueing.submit(over.memories, over.jobs, asked, over.wake),
    ),
    # Before the one that takes an id.
    _call("GET", "/add-async/status", "jobs", lambda over, asked: queueing.list_jobs(over.jobs, asked), writes=False),
    _call(
        "GET",
        "/add-async/{job_id}/status",
        "job_status",
        lambda over, asked: queueing.status(over.jobs, asked),
        writes=False,
    ),
    _call("DELETE", "/add-async/{job_id}/cancel", "job_cancel", lambda over, asked: queueing.cancel(over.jobs, asked)),
)


def _at_once(_: Caller) -> float:
    return 0.0


def alchemyst_routes(
    opened: Callable[[], Service],
    *,
    limits: OperationLimits = _DEFAULT_LIMITS,
    observer: Observer = UNOBSERVED,
    wait_s: Callable[[Caller], float] = _at_once,
) -> list[BaseRoute]:
    """The routes, over what ``opened`` gives once the server has started.

    ``wait_s`` counts a request of a caller, or says after how many seconds it may be made.
    """
    return [
        Route(f"{PREFIX}{call.path}", _endpoint(call, opened, limits, observer, wait_s), methods=[call.method])
        for call in CALLS
    ]


def _endpoint(
    call: Call,
    opened: Callable[[], Service],
    limits: OperationLimits,
    observer: Observer,
    wait_s: Callable[[Caller], float],
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
                if (after_s := wait_s(caller)) > 0:
                    raise TooOften(after_s)
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
                answer = error_response(shown.status, shown.message, shown.details)
                answer.headers.update(shown.headers)
                return answer
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
            return NotServed(503, "The server has too much to do; try again later.", headers={"Retry-After": "1"})
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
