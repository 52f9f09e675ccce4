"""What is refused, in OpenSearch's words: an exception's name, a reason and a status."""

import json
from collections.abc import Iterable, Mapping
from typing import Any

from mnesis.domain.refusals import Forbidden, LimitExceeded, QuotaExceeded, Refusal, VersionConflict

STATUS = "status_exception"
ILLEGAL_ARGUMENT = "illegal_argument_exception"
INVALID_REQUEST = "action_request_validation_exception"
PARSE = "parse_exception"
PARSING = "parsing_exception"
MAPPER_PARSING = "mapper_parsing_exception"
VERSION_CONFLICT = "version_conflict_engine_exception"
TOO_BUSY = "rejected_execution_exception"
TIMEOUT = "timeout_exception"
SECURITY = "security_exception"

PREVIEW_CHARACTERS = 100


class OpenSearchError(Exception):
    """Ends a request; see `body` for what the client is sent."""

    def __init__(
        self, status: int, type: str, reason: str, *, headers: Mapping[str, str] | None = None, **more: object
    ) -> None:
        super().__init__(reason)
        self.status = status
        self.type = type
        self.reason = reason
        self.headers = dict(headers or {})
        self.more = more
        """What stands beside the reason: the line and the column of a parsing exception, say."""

    @property
    def body(self) -> dict[str, Any]:
        """The answer, as every endpoint of theirs gives it."""
        cause: dict[str, Any] = {"type": self.type, "reason": self.reason, **self.more}
        return {"error": {"root_cause": [cause], **cause}, "status": self.status}


def status_error(status: int, reason: str) -> OpenSearchError:
    """Their plain refusal with a status of its own."""
    return OpenSearchError(status, STATUS, reason)


def illegal_argument(reason: str) -> OpenSearchError:
    """A request that makes no sense whatever is stored."""
    return OpenSearchError(400, ILLEGAL_ARGUMENT, reason)


def invalid_request(*faults: str) -> OpenSearchError:
    """A request that lacks what it needs, each fault under its number."""
    numbered = "".join(f"{number}: {fault};" for number, fault in enumerate(faults, 1))
    return OpenSearchError(400, INVALID_REQUEST, f"Validation Failed: {numbered}")


def parsing_error(reason: str) -> OpenSearchError:
    """A part of a query that is not understood, or not served here."""
    return OpenSearchError(400, PARSING, reason)


def unparsed(field: str, kind: str, id: str, value: object) -> OpenSearchError:
    """A value that the mapping of a field does not take."""
    preview = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    reason = f"failed to parse field [{field}] of type [{kind}] in document with id '{id}'."
    return OpenSearchError(400, MAPPER_PARSING, f"{reason} Preview of field's value: '{preview[:PREVIEW_CHARACTERS]}'")


def refusal_error(refusals: Iterable[Refusal], *, forbidden: str) -> OpenSearchError:
    """What the use cases refused for a reason that OpenSearch does not have, or names otherwise.

    ``forbidden`` is what OpenSearch says to a caller who may not do this.
    """
    first = next(iter(refusals))
    match first:
        case Forbidden():
            return status_error(403, forbidden)
        case VersionConflict():
            return OpenSearchError(409, VERSION_CONFLICT, first.message)
        case LimitExceeded():
            return illegal_argument(_located(first))
        case QuotaExceeded():
            return status_error(429, first.message)
        case _ if first.code == "NOT_FOUND":
            return status_error(404, first.message)
        case _ if first.code == "ALREADY_EXISTS":
            return status_error(409, first.message)
        case _ if first.code == "INVALID_INPUT" and first.path:
            return OpenSearchError(
                400, MAPPER_PARSING, f"failed to parse field [{'.'.join(first.path)}]: {first.message}"
            )
        case _:
            return illegal_argument(first.message)


def _located(refusal: Refusal) -> str:
    return f"{'.'.join(refusal.path)}: {refusal.message}" if refusal.path else refusal.message
