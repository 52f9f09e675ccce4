"""Answers that every HTTP edge gives in the same words: GraphQL's error shape, as JSON, or that of a `Dialect`."""

import logging
from collections.abc import Mapping
from typing import Any
from uuid import uuid4

import orjson
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from mnesis.web.dialects import dialect_of

_log = logging.getLogger(__name__)

CODES = {
    400: "BAD_USER_INPUT",
    401: "UNAUTHENTICATED",
    403: "FORBIDDEN",
    404: "NOT_FOUND",
    405: "METHOD_NOT_ALLOWED",
    413: "LIMIT_EXCEEDED",
    500: "INTERNAL_SERVER_ERROR",
    503: "UNAVAILABLE",
}
"""The code in ``extensions`` for each status that an answer of this package has."""


def json_answer(content: object, *, status: int = 200) -> Response:
    """An answer in JSON that no cache keeps."""
    return Response(orjson.dumps(content), status, {"Cache-Control": "no-store"}, media_type="application/json")


class ErrorAnswer(Response):
    """One GraphQL error, or below the path of another dialect the same refusal in its words."""

    def __init__(self, status: int, message: str, headers: Mapping[str, str], extensions: Mapping[str, Any]) -> None:
        error = {"message": message, "extensions": {"code": CODES.get(status, CODES[400]), **extensions}}
        given = {"Cache-Control": "no-store", **headers}
        super().__init__(orjson.dumps({"errors": [error]}), status, given, media_type="application/json")
        self._message = message
        self._given = given
        self._extensions = extensions

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        dialect = dialect_of(scope)
        if dialect is None:
            await super().__call__(scope, receive, send)
            return
        answer = dialect.refusal(self.status_code, self._message, self._extensions)
        answer.headers.update(self._given)
        await answer(scope, receive, send)


def error_answer(
    status: int, message: str, *, headers: Mapping[str, str] | None = None, **extensions: object
) -> Response:
    """An answer with one error; its code follows from the status (see `CODES`)."""
    return ErrorAnswer(status, message, headers or {}, extensions)


async def answer_http_exception(request: Request, error: Exception) -> Response:
    """The answer to a request that the router has refused."""
    assert isinstance(error, HTTPException)
    message = {
        404: "There is nothing at this path.",
        405: f"The method {request.method} is not allowed here.",
    }.get(error.status_code, error.detail)
    return error_answer(error.status_code, message, headers=error.headers)


async def answer_fault(request: Request, error: Exception) -> Response:
    """The answer to a request that ran into a fault of the program; the log tells the rest under the same id."""
    error_id = uuid4().hex
    # The server that runs the application logs the trace itself, right behind this line.
    _log.error("Fault %s at %s %s: %r", error_id, request.method, request.url.path, error)
    return error_answer(500, "Something went wrong in the server.", errorId=error_id)
