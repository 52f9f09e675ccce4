"""Errors outside the payloads: each has a stable code, and what is nobody's business is masked."""

import logging
from collections.abc import Sequence
from math import ceil
from typing import Any
from uuid import uuid4

from graphql import GraphQLError

from mnesis.domain.refusals import Forbidden, Refused
from mnesis.usecases.ports import Overloaded

BAD_USER_INPUT = "BAD_USER_INPUT"
CURSOR_INVALID = "CURSOR_INVALID"
CURSOR_EXPIRED = "CURSOR_EXPIRED"
SUBSCRIPTION_LAGGED = "SUBSCRIPTION_LAGGED"
UNAUTHENTICATED = "UNAUTHENTICATED"
LIMIT_EXCEEDED = "LIMIT_EXCEEDED"
VERSION_NOT_KEPT = "VERSION_NOT_KEPT"
PARSE_FAILED = "GRAPHQL_PARSE_FAILED"
VALIDATION_FAILED = "GRAPHQL_VALIDATION_FAILED"
TOO_COMPLEX = "OPERATION_TOO_COMPLEX"
TIMEOUT = "TIMEOUT"
OVERLOADED = "OVERLOADED"
RATE_LIMITED = "RATE_LIMITED"
INTERNAL = "INTERNAL_SERVER_ERROR"

MOST_MESSAGE_CHARACTERS = 1_000
"""Of a message by graphql-core, which may repeat what it was sent."""

_log = logging.getLogger("mnesis.graph")


def refused_argument(
    argument: str, message: str, code: str = BAD_USER_INPUT, *, path: Sequence[str] = ()
) -> GraphQLError:
    """The refusal of a query because of one of its arguments; ``path`` leads to the place in it."""
    extensions: dict[str, object] = {"code": code, "argument": argument}
    if path:
        extensions["argumentPath"] = [argument, *path]
    return GraphQLError(message, extensions=extensions)


def request_error(message: str, code: str = BAD_USER_INPUT, **extensions: object) -> dict[str, Any]:
    """An error of the request as a whole, ready to be sent."""
    return {"message": message, "extensions": {"code": code, **extensions}}


def rate_limited(wait_s: float) -> dict[str, Any]:
    """The refusal of a caller who asks too often."""
    seconds = ceil(wait_s)
    when = "a second" if seconds == 1 else f"{seconds} seconds"
    text = f"These are more requests than a minute allows; try again in {when}."
    return request_error(text, RATE_LIMITED, retryAfter=seconds)


def coded(error: GraphQLError, code: str) -> dict[str, Any]:
    """An error that graphql-core made, ready to be sent."""
    shown: dict[str, Any] = dict(error.formatted)
    if len(error.message) > MOST_MESSAGE_CHARACTERS:
        shown["message"] = f"{error.message[:MOST_MESSAGE_CHARACTERS]}..."
    shown["extensions"] = {"code": code, **(error.extensions or {})}
    return shown


def told(error: GraphQLError) -> dict[str, Any]:
    """An error of the execution, ready to be sent. What is not for the caller is logged under an id instead."""
    cause = _cause(error)
    match cause:
        case None:
            return coded(error, BAD_USER_INPUT)
        case Refused():
            return {**coded(error, cause.refusals[0].code), "extensions": _refusal_extensions(cause)}
        case Overloaded():
            return {**coded(error, OVERLOADED), "message": "The server has too much to do; try again later."}
        case _:
            return _masked(error, cause)


def internal_error(fault: BaseException) -> dict[str, Any]:
    """What is told of a fault in the program: an id that the log repeats, and nothing else."""
    error_id = error_id_of(fault)
    # One fault may be that of many fields, whose look-ups are made together, and of many who wait for one transaction.
    if "mnesis_logged" not in fault.__dict__:
        fault.__dict__["mnesis_logged"] = True
        _log.error("Fault %s", error_id, exc_info=fault)
    return request_error("Internal server error.", INTERNAL, errorId=error_id)


def error_id_of(fault: BaseException) -> str:
    """The id under which a fault is told and logged, the same one whoever asks."""
    error_id: str = fault.__dict__.setdefault("mnesis_error_id", str(uuid4()))
    return error_id


def _masked(error: GraphQLError, fault: Exception) -> dict[str, Any]:
    shown: dict[str, Any] = dict(error.formatted)
    return {**shown, **internal_error(fault)}


def _refusal_extensions(refused: Refused) -> dict[str, Any]:
    refusal = refused.refusals[0]
    extensions: dict[str, Any] = {"code": refusal.code}
    if isinstance(refusal, Forbidden):
        extensions["requiredScope"] = refusal.required_scope.value
    return extensions


def _cause(error: GraphQLError) -> Exception | None:
    """What a resolver raised, unless it was a GraphQL error, which is meant to be read."""
    cause: Exception | None = error
    while isinstance(cause, GraphQLError):
        cause = cause.original_error
    return cause
