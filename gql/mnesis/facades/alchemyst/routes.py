"""The routes, and how a refusal of theirs is told."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from mnesis.domain.refusals import Refused
from mnesis.facades.alchemyst import documents, queueing, searching, sessions
from mnesis.facades.alchemyst.bodies import Asked, body_of
from mnesis.facades.alchemyst.errors import NotServed, error_response, gate_refusal, refused, too_often
from mnesis.facades.around import Around, Endpoint, Shown, TooOften
from mnesis.usecases.jobs import Jobs
from mnesis.usecases.memories import Memories
from mnesis.usecases.ports import Overloaded
from mnesis.usecases.traces import Traces
from mnesis.web.dialects import Dialect

PREFIX = "/api/v1/context"
DIALECT = Dialect(prefix=f"{PREFIX}/", refusal=gate_refusal)

_PLAIN = Around()


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


def alchemyst_routes(opened: Callable[[], Service], around: Around = _PLAIN) -> list[BaseRoute]:
    """The routes, over what ``opened`` gives once the server has started."""
    return [
        Route(
            f"{PREFIX}{call.path}",
            around.endpoint(call.name, _run(call, opened), _shown, writes=call.writes),
            methods=[call.method],
        )
        for call in CALLS
    ]


def _run(call: Call, opened: Callable[[], Service]) -> Endpoint:
    async def run(request: Request) -> Response:
        asked = Asked(
            caller=request.scope["state"]["caller"],
            body=body_of(await request.body()) if call.method == "POST" else {},
            query=request.query_params,
            path=request.path_params,
            idempotency_key=request.headers.get("idempotency-key"),
        )
        return await call.run(opened(), asked)

    return run


def _shown(fault: BaseException, _: Request, most_s: int) -> Shown | None:
    told = _told(fault, most_s)
    if told is None:
        return None
    response = error_response(told.status, told.message, told.details)
    response.headers.update(told.headers)
    code = told.details.get("code")
    return Shown(response, code if isinstance(code, str) else "BAD_USER_INPUT")


def _told(fault: BaseException, most_s: int) -> NotServed | None:
    match fault:
        case NotServed():
            return fault
        case Refused():
            return refused(fault.refusals)
        case TooOften():
            return too_often(fault.seconds)
        case Overloaded():
            return NotServed(503, "The server has too much to do; try again later.", headers={"Retry-After": "1"})
        case TimeoutError():
            return NotServed(504, f"The request took longer than {most_s} seconds.")
        case ClientDisconnect():
            return NotServed(400, "The client went away.")
        case _:
            return None
