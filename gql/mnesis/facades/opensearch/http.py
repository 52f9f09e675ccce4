"""How OpenSearch speaks HTTP: what a request must look like, and what its query parameters make of an answer."""

import json
import re
from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass
from fnmatch import translate
from typing import Any, TypeAlias

import orjson
from starlette.requests import Request
from starlette.responses import Response

from mnesis.domain.caller import Caller
from mnesis.facades.opensearch.errors import PARSE, OpenSearchError, illegal_argument
from mnesis.usecases.memories import Memories
from mnesis.web.json_text import NotJson, decoded

EVERYWHERE = frozenset({"pretty", "human", "error_trace", "filter_path"})
"""Query parameters that every endpoint takes."""
MEDIA_TYPE = "application/json; charset=UTF-8"
NO_PRIVILEGE = "User doesn't have privilege to perform this operation on this memory container"

_JSON_TYPE = re.compile(r"application/(vnd\.opensearch\+)?json\s*(;.*)?\Z", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A request whose form is right. ``body`` is None where there is none.

    ``retains`` tells whether the server runs retention, which pinning is for.
    """

    caller: Caller
    memories: Memories
    path: Mapping[str, str]
    parameters: Mapping[str, str]
    body: Any = None
    retains: bool = True


Handler: TypeAlias = Callable[[Asked], Awaitable[dict[str, Any]]]
"""Answers a request with what is sent with the status 200, or raises `OpenSearchError`."""


async def asked_of(request: Request, *, memories: Memories, retains: bool, parameters: Collection[str]) -> Asked:
    """What a request asks; ``parameters`` are those of the query that its endpoint knows. Raises `OpenSearchError`."""
    asked = Asked(
        caller=request.scope["state"]["caller"],
        memories=memories,
        path=request.path_params,
        parameters=request.query_params,
        body=await _body(request),
        retains=retains,
    )
    _check_parameters(request, known=EVERYWHERE.union(parameters))
    return asked


def json_response(
    content: object, *, status: int = 200, query: Mapping[str, str] | None = None, headers: Mapping[str, str] = {}
) -> Response:
    """An answer as the query's ``pretty`` and ``filter_path`` want it."""
    query = query or {}
    if wanted := query.get("filter_path"):
        content = filtered(content, wanted.split(","))
    options = orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE if query.get("pretty", "false") != "false" else None
    kept = {"Cache-Control": "no-store", **headers}
    try:
        written = orjson.dumps(content, option=options)
    except TypeError:
        # What is quoted of a request may be what UTF-8 cannot carry; here it is escaped.
        written = json.dumps(content).encode()
    return Response(written, status, kept, media_type=MEDIA_TYPE)


def error_response(error: OpenSearchError, *, query: Mapping[str, str] | None = None) -> Response:
    """The answer to what was refused."""
    return json_response(error.body, status=error.status, query=query, headers=error.headers)


def simple_error(
    status: int, message: str, *, query: Mapping[str, str] | None = None, headers: Mapping[str, str] = {}
) -> Response:
    """What is answered before any endpoint has seen the request."""
    return json_response({"error": message, "status": status}, status=status, query=query, headers=headers)


def filtered(content: object, patterns: Collection[str]) -> object:
    """What the patterns of ``filter_path`` leave of an answer; those with a leading hyphen take away."""
    patterns = [pattern.strip() for pattern in patterns if pattern.strip()]
    wanted = [_steps(pattern) for pattern in patterns if not pattern.startswith("-")]
    unwanted = [_steps(pattern[1:]) for pattern in patterns if pattern.startswith("-")]
    if unwanted:
        content = _without(content, unwanted)
    if wanted:
        content = _only(content, wanted)
    return {} if content is _NOTHING else content


def method_not_allowed(request: Request, allowed: Collection[str]) -> Response:
    """The answer to a method that a path does not have."""
    methods = sorted(set(allowed) - {"HEAD"})
    uri = f"uri [{_uri(request)}] and method [{request.method}]"
    message = f"Incorrect HTTP method for {uri}, allowed: [{', '.join(methods)}]"
    return simple_error(405, message, query=request.query_params, headers={"Allow": ",".join(methods)})


def no_handler(request: Request) -> Response:
    """The answer to a path where there is nothing."""
    message = f"no handler found for uri [{_uri(request)}] and method [{request.method}]"
    return json_response({"error": message}, status=400, query=request.query_params)


async def _body(request: Request) -> Any:
    content = await request.body()
    if not content:
        return None
    media_type = request.headers.get("content-type")
    if media_type is None or not _JSON_TYPE.match(media_type):
        told = "is missing" if media_type is None else f"[{media_type}] is not supported"
        raise UnsupportedContent(f"Content-Type header {told}")
    try:
        return decoded(content)
    except NotJson as error:
        raise OpenSearchError(400, PARSE, str(error)) from None


class UnsupportedContent(OpenSearchError):
    """A body of another kind than JSON."""

    def __init__(self, reason: str) -> None:
        super().__init__(406, "", reason)

    @property
    def body(self) -> dict[str, Any]:
        return {"error": self.reason, "status": self.status}


def _check_parameters(request: Request, *, known: Collection[str]) -> None:
    unknown = sorted(name for name in request.query_params if name not in known)
    if unknown:
        listed = ", ".join(f"[{name}]" for name in unknown)
        many = "s" if len(unknown) > 1 else ""
        raise illegal_argument(f"request [{request.url.path}] contains unrecognized parameter{many}: {listed}")


def _uri(request: Request) -> str:
    return f"{request.url.path}?{request.url.query}" if request.url.query else request.url.path


_NOTHING = object()
_ANY_DEPTH = "**"
_Step: TypeAlias = "re.Pattern[str] | str"
_Steps: TypeAlias = tuple[_Step, ...]


def _steps(pattern: str) -> _Steps:
    return tuple(step if step == _ANY_DEPTH else re.compile(translate(step)) for step in pattern.split("."))


def _below(patterns: Collection[_Steps], name: str) -> tuple[bool, list[_Steps]]:
    """Whether a pattern means this key itself, and what the patterns mean of what is below it."""
    whole = False
    deeper: list[_Steps] = []
    for steps in patterns:
        first, *rest = steps
        if isinstance(first, str):
            deeper.append(steps)
            found, more = _below([tuple(rest)], name) if rest else (True, [])
            whole = whole or found
            deeper += more
        elif first.match(name):
            if rest:
                deeper.append(tuple(rest))
            else:
                whole = True
    return whole, deeper


def _only(content: object, patterns: Collection[_Steps]) -> object:
    if isinstance(content, dict):
        kept: dict[str, object] = {}
        for name, value in content.items():
            whole, deeper = _below(patterns, name)
            part = value if whole else _only(value, deeper) if deeper else _NOTHING
            if part is not _NOTHING:
                kept[name] = part
        return kept or _NOTHING
    if isinstance(content, list):
        parts = [part for each in content if (part := _only(each, patterns)) is not _NOTHING]
        return parts or _NOTHING
    return _NOTHING


def _without(content: object, patterns: Collection[_Steps]) -> object:
    if isinstance(content, dict):
        kept: dict[str, object] = {}
        for name, value in content.items():
            whole, deeper = _below(patterns, name)
            if not whole:
                kept[name] = _without(value, deeper) if deeper else value
        return kept
    if isinstance(content, list):
        return [_without(each, patterns) for each in content]
    return content
