"""The routes, and how a refusal of theirs is told."""

import binascii
from base64 import b64decode
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Match, Route
from starlette.types import Scope

from mnesis.domain.refusals import Refused
from mnesis.facades.around import Around, Endpoint, Shown, TooOften
from mnesis.facades.opensearch import adding, containers, searching, single, updating
from mnesis.facades.opensearch.errors import (
    ILLEGAL_ARGUMENT,
    SECURITY,
    STATUS,
    TIMEOUT,
    TOO_BUSY,
    OpenSearchError,
    refusal_error,
)
from mnesis.facades.opensearch.http import (
    NO_PRIVILEGE,
    Handler,
    asked_of,
    error_response,
    json_response,
    method_not_allowed,
    no_handler,
)
from mnesis.usecases.memories import Memories
from mnesis.usecases.ports import Overloaded
from mnesis.web.dialects import Dialect

PLUGINS = "/_plugins/"
CONTAINERS = f"{PLUGINS}_ml/memory_containers"
ONE = f"{CONTAINERS}/{{container_id}}"
METHODS = ("GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS")
VERSION = "3.9.0"
"""The version of OpenSearch whose API this is."""

_PLAIN = Around()
_REFUSALS = {401: SECURITY, 403: SECURITY, 413: ILLEGAL_ARGUMENT, 429: TOO_BUSY}


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One operation of the API. ``name`` is what logs and metrics know it by."""

    methods: tuple[str, ...]
    path: str
    name: str
    writes: bool
    run: Handler
    parameters: tuple[str, ...] = ()


CALLS = (
    Call(
        methods=("GET", "POST"),
        path=f"{CONTAINERS}/_search",
        name="opensearch_search_containers",
        writes=False,
        run=searching.search_containers,
    ),
    Call(
        methods=("GET", "POST"),
        path=f"{ONE}/memories/{{type}}/_search",
        name="opensearch_search_memories",
        writes=False,
        run=searching.search_memories,
    ),
    Call(
        methods=("GET", "POST"),
        path=f"{ONE}/memories/long-term/_semantic_search",
        name="opensearch_semantic_search",
        writes=False,
        run=searching.semantic_search,
    ),
    Call(
        methods=("GET", "POST"),
        path=f"{ONE}/memories/long-term/_hybrid_search",
        name="opensearch_hybrid_search",
        writes=False,
        run=searching.hybrid_search,
    ),
    Call(
        methods=("POST",),
        path=f"{ONE}/memories/{{type}}/_delete_by_query",
        name="opensearch_delete_by_query",
        writes=True,
        run=searching.delete_by_query,
    ),
    Call(
        methods=("POST",),
        path=f"{CONTAINERS}/_create",
        name="opensearch_create_container",
        writes=True,
        run=containers.create_container,
    ),
    Call(methods=("GET",), path=ONE, name="opensearch_get_container", writes=False, run=containers.get_container),
    Call(methods=("PUT",), path=ONE, name="opensearch_update_container", writes=True, run=containers.update_container),
    Call(
        methods=("DELETE",),
        path=ONE,
        name="opensearch_delete_container",
        writes=True,
        run=containers.delete_container,
        parameters=containers.DELETION_PARAMETERS,
    ),
    Call(
        methods=("POST",),
        path=f"{ONE}/memories/sessions",
        name="opensearch_create_session",
        writes=True,
        run=adding.create_session,
    ),
    Call(methods=("POST",), path=f"{ONE}/memories", name="opensearch_add_memory", writes=True, run=adding.add_memory),
    Call(
        methods=("GET",),
        path=f"{ONE}/memories/{{type}}/{{id}}",
        name="opensearch_get_memory",
        writes=False,
        run=single.get_memory,
    ),
    Call(
        methods=("PUT",),
        path=f"{ONE}/memories/{{type}}/{{id}}",
        name="opensearch_update_memory",
        writes=True,
        run=updating.update_memory,
    ),
    Call(
        methods=("DELETE",),
        path=f"{ONE}/memories/{{type}}/{{id}}",
        name="opensearch_delete_memory",
        writes=True,
        run=single.delete_memory,
    ),
)


def opensearch_routes(
    opened: Callable[[], Memories], around: Around = _PLAIN, *, retains: bool = True
) -> list[BaseRoute]:
    """The routes, over what ``opened`` gives once the server has started. ``retains``: whether retention is run."""
    methods: dict[str, list[str]] = {}
    for call in CALLS:
        methods.setdefault(call.path, []).extend(call.methods)
    return [
        _Information("/", _say_version, methods=["GET"]),
        *(
            Route(
                call.path,
                around.endpoint(call.name, _run(call, opened, retains=retains), _shown, writes=call.writes),
                methods=call.methods,
            )
            for call in CALLS
        ),
        # The router takes these only where no route above has both the path and the method.
        *(Route(path, _other_method(allowed), methods=METHODS) for path, allowed in methods.items()),
        Route(f"{PLUGINS}{{rest:path}}", _nothing_here, methods=METHODS),
    ]


class _Information(Route):
    """What clients ask for first. A browser, which asks for HTML, is shown the playground instead."""

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        wanted = b",".join(value for name, value in scope.get("headers", ()) if name == b"accept")
        if b"text/html" in wanted:
            return Match.NONE, {}
        return super().matches(scope)


async def _say_version(request: Request) -> Response:
    information = {
        "name": "mnesis",
        "cluster_name": "mnesis",
        "cluster_uuid": "mnesis",
        "version": {
            "distribution": "opensearch",
            "number": VERSION,
            "build_type": "unknown",
            "build_hash": "unknown",
            "build_date": "1970-01-01T00:00:00Z",
            "build_snapshot": False,
            "lucene_version": "10.0.0",
            "minimum_wire_compatibility_version": "2.19.0",
            "minimum_index_compatibility_version": "2.0.0",
        },
        "tagline": "The OpenSearch Project: https://opensearch.org/",
    }
    return json_response(information, query=request.query_params)


def _other_method(allowed: list[str]) -> Callable[[Request], Awaitable[Response]]:
    async def refuse(request: Request) -> Response:
        return method_not_allowed(request, allowed)

    return refuse


async def _nothing_here(request: Request) -> Response:
    return no_handler(request)


def _run(call: Call, opened: Callable[[], Memories], *, retains: bool) -> Endpoint:
    async def run(request: Request) -> Response:
        asked = await asked_of(request, memories=opened(), retains=retains, parameters=call.parameters)
        return json_response(await call.run(asked), query=request.query_params)

    return run


def _shown(fault: BaseException, request: Request, most_s: int) -> Shown | None:
    told = _told(fault, most_s)
    if told is None:
        return None
    return Shown(error_response(told, query=request.query_params), told.type.upper() or "BAD_USER_INPUT")


def _told(fault: BaseException, most_s: int) -> OpenSearchError | None:
    match fault:
        case OpenSearchError():
            return fault
        case Refused():
            return refusal_error(fault.refusals, forbidden=NO_PRIVILEGE)
        case TooOften():
            told = f"Too many requests within a minute; try again in {fault.seconds} s."
            return OpenSearchError(429, TOO_BUSY, told, headers={"Retry-After": str(fault.seconds)})
        case Overloaded():
            told = "The server has too much to do; try again later."
            return OpenSearchError(429, TOO_BUSY, told, headers={"Retry-After": "1"})
        case TimeoutError():
            # Not 504, which their clients take for a reason to send it again.
            return OpenSearchError(500, TIMEOUT, f"The request took longer than {most_s} seconds.")
        case ClientDisconnect():
            return OpenSearchError(400, ILLEGAL_ARGUMENT, "The client went away.")
        case _:
            return None


def _gate_refusal(status: int, message: str, details: Mapping[str, Any]) -> Response:
    """What the gate refuses, and faults of the program, in OpenSearch's words."""
    if "errorId" in details:
        message = f"{message} The log knows more under {details['errorId']}."
    return error_response(OpenSearchError(status, _REFUSALS.get(status, STATUS), message))


def bearer_of(header: str | None) -> str | None:
    """The header, where it is one of Basic authentication with the password as the token; the user may be anybody."""
    scheme, _, credentials = (header or "").strip().partition(" ")
    if scheme.lower() != "basic":
        return header
    try:
        pair = b64decode(credentials.strip(), validate=True).decode()
    except (binascii.Error, UnicodeDecodeError, ValueError):
        return header
    _, separator, password = pair.partition(":")
    return f"Bearer {password}" if separator and password else header


OPENSEARCH = Dialect(prefix=PLUGINS, refusal=_gate_refusal, authorization=bearer_of)
