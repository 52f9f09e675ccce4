"""Refusals as the documented ``ErrorResponse``.

The hosted service has several shapes of errors; this is the documented one, with the members ``message``, ``status``
and ``statusText`` of the others beside it, which its schema allows.
"""

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

from starlette.responses import Response

from mnesis.domain.commands import BatchOutcome
from mnesis.domain.refusals import Refusal
from mnesis.web.answers import json_answer

STATUSES = {
    "INVALID_INPUT": 400,
    "QUOTA_EXCEEDED": 402,
    "FORBIDDEN": 403,
    "NOT_FOUND": 404,
    "VERSION_CONFLICT": 409,
    "ALREADY_EXISTS": 409,
    "CONTAINER_NOT_EMPTY": 409,
    "LIMIT_EXCEEDED": 413,
    "MEMORY_TYPE_MISMATCH": 422,
    "IMMUTABLE_MEMORY": 422,
    "IDEMPOTENCY_CONFLICT": 422,
    "RATE_LIMITED": 429,
}
"""The status of every refusal that the domain knows."""

CODES = {
    400: "INVALID_REQUEST",
    401: "UNAUTHORIZED",
    402: "PAYMENT_REQUIRED",
    403: "FORBIDDEN",
    404: "NOT_FOUND",
    405: "METHOD_NOT_ALLOWED",
    409: "CONFLICT",
    413: "PAYLOAD_TOO_LARGE",
    422: "UNPROCESSABLE_ENTITY",
    429: "TOO_MANY_REQUESTS",
    500: "INTERNAL_SERVER_ERROR",
    503: "SERVICE_UNAVAILABLE",
    504: "GATEWAY_TIMEOUT",
}
"""The code in ``error`` for each status; the first two are documented."""

NOT_AUTHENTICATED = "User not authenticated"

_NAMES = {"session_id": "sessionId", "created_at": "createdAt", "entries": "contents", "items": "documents"}


class NotServed(Exception):
    """A request is refused, in words and with a status that the client is shown."""

    def __init__(
        self,
        status: int,
        message: str,
        details: Mapping[str, Any] | None = None,
        *,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.details = details or {}
        self.headers = headers or {}


def too_often(seconds: int) -> NotServed:
    """The refusal of a caller who may come back after so many seconds."""
    message = f"There are too many requests; try again in {seconds} s."
    return NotServed(429, message, {"code": "RATE_LIMITED"}, headers={"Retry-After": str(seconds)})


def invalid(message: str, *path: str) -> NotServed:
    """The refusal of a body or a parameter; the path leads to the place in it."""
    return NotServed(400, message, {"path": list(path)} if path else None)


def error_response(status: int, message: str, details: Mapping[str, Any] | None = None) -> Response:
    """The ``ErrorResponse`` of a refusal."""
    code = CODES.get(status, CODES[400])
    error: dict[str, Any] = {"code": code, "message": message}
    if details:
        error["details"] = details
    content = {
        "success": False,
        "error": error,
        "message": message,
        "status": status,
        "statusText": HTTPStatus(status).name,
    }
    return json_answer(content, status=status)


def gate_refusal(status: int, message: str, details: Mapping[str, Any]) -> Response:
    """What the gate, the router or the fault handler refuses, told in this dialect."""
    if status == HTTPStatus.UNAUTHORIZED:
        return error_response(status, NOT_AUTHENTICATED, {"reason": message})
    return error_response(status, message, details)


def refused(refusals: Sequence[Refusal], *below: str) -> NotServed:
    """The first of several refusals decides; all are in the details. Paths begin ``below`` a place of the body."""
    first = refusals[0]
    shown = [{"code": each.code, "message": each.message, "path": [*below, *_spoken(each.path)]} for each in refusals]
    details = {**shown[0]} if len(shown) == 1 else {**shown[0], "refusals": shown}
    del details["message"]
    return NotServed(STATUSES[first.code], first.message, details)


def check(outcome: BatchOutcome, *below: str) -> None:
    """Raises `NotServed` where a batch was refused; the places of its commands lie ``below`` one of the body."""
    if outcome.refusals:
        raise refused(outcome.refusals)
    for index, each in enumerate(outcome.outcomes):
        if each.refusals:
            raise refused(each.refusals, *below, str(index))


def _spoken(path: Sequence[str]) -> list[str]:
    # A path repeats keys of the client, in which UTF-8 may lack characters.
    return [_NAMES.get(each, each).encode(errors="replace").decode() for each in path]
