"""GraphQL over HTTP, as an ASGI application behind the gate of ``web/``."""

from typing import Any

from starlette.datastructures import Headers, QueryParams
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from mnesis.graph.body import BadRequest, Operation, encoded, operation_from_body, operation_from_url
from mnesis.graph.context import Context
from mnesis.graph.execute import Executor
from mnesis.graph.faults import internal_error, request_error
from mnesis.graph.loaders import Loaders
from mnesis.graph.media import RESPONSE_JSON, answer_type, is_json
from mnesis.graph.prepare import Documents, NotPrepared
from mnesis.graph.schema import schema
from mnesis.usecases.memories import Memories


class GraphQLEndpoint:
    """Answers GET and POST. The caller has to stand at ``scope["state"]["caller"]``.

    ``introspection`` answers questions about the schema; ``suggestions`` says "Did you mean" to wrong names.
    """

    def __init__(self, memories: Memories, *, introspection: bool = True, suggestions: bool = True) -> None:
        self._memories = memories
        self._documents = Documents(schema(), introspection=introspection, suggestions=suggestions)
        self._executor = Executor(schema(), suggestions=suggestions)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = Headers(scope=scope)
        media_type = answer_type(headers.getlist("accept"))
        try:
            response = await self._response(scope, receive, headers, media_type)
        except ClientDisconnect:
            return
        await response(scope, receive, send)

    async def _response(self, scope: Scope, receive: Receive, headers: Headers, media_type: str) -> Response:
        read_only = scope["method"] == "GET"
        if not read_only and scope["method"] != "POST":
            return _refused(405, "Send a GET or a POST request.", media_type, {"Allow": "GET, POST"})
        if not read_only and not is_json(headers.get("content-type")):
            return _refused(415, "Send the content type application/json, in UTF-8.", media_type)
        try:
            if read_only:
                operation = operation_from_url(QueryParams(scope["query_string"]))
            else:
                operation = operation_from_body(await Request(scope, receive).body())
        except BadRequest as bad:
            return _refused(400, str(bad), media_type)
        return await self._executed(operation, scope, media_type, read_only=read_only)

    async def _executed(self, asked: Operation, scope: Scope, media_type: str, *, read_only: bool) -> Response:
        try:
            prepared = self._documents.prepare(asked.query, asked.name)
        except NotPrepared as refused:
            return _answer({"errors": refused.errors}, media_type)
        if prepared.writes and read_only:
            return _refused(405, "A GET request cannot carry a mutation; send a POST request.", media_type, _POST_ONLY)
        caller = scope["state"]["caller"]
        context = Context(caller=caller, memories=self._memories, loaders=Loaders(self._memories, caller))
        try:
            answer = await self._executor.execute(prepared, asked.variables, context)
        except Exception as fault:
            return _response(500, {"errors": [internal_error(fault)]}, media_type)
        return _answer(answer, media_type)


_POST_ONLY = {"Allow": "POST"}


def _answer(answer: dict[str, Any], media_type: str) -> Response:
    """An answer in GraphQL's own terms. Clients that know no media type of its own expect 200 whatever it says."""
    status = 400 if "data" not in answer and media_type == RESPONSE_JSON else 200
    return _response(status, answer, media_type)


def _refused(status: int, message: str, media_type: str, headers: dict[str, str] | None = None) -> Response:
    code = "METHOD_NOT_ALLOWED" if status == 405 else "BAD_USER_INPUT"
    return _response(status, {"errors": [request_error(message, code)]}, media_type, headers)


def _response(status: int, content: object, media_type: str, headers: dict[str, str] | None = None) -> Response:
    # What a memory holds is for its caller alone.
    kept = {"Cache-Control": "no-store", **(headers or {})}
    return Response(encoded(content), status, kept, media_type=f"{media_type}; charset=utf-8")
