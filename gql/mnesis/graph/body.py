"""What a client asks for, as it arrives over HTTP: read strictly, and never with a fault."""

import json
from dataclasses import dataclass, field
from typing import Any

import orjson
from starlette.datastructures import QueryParams

from mnesis.web import json_text

_WORDS = ("query", "operationName", "documentId")


class BadRequest(Exception):
    """The request is not one that GraphQL over HTTP knows. The message is for the client."""


class NotJson(BadRequest):
    """What should be JSON cannot be read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One operation to run: its document, its name where the document holds several, and its variables.

    The document is a text, an id, or what ``extensions`` say: `mnesis.graph.asked_documents` finds it.
    """

    query: str | None
    name: str | None
    variables: dict[str, Any]
    document_id: str | None = None
    extensions: dict[str, Any] = field(default_factory=dict)


def operation_from_url(parameters: QueryParams) -> Operation:
    """The operation that a URL holds; an empty parameter counts as absent. Raises `BadRequest`."""
    asked: dict[str, Any] = {name: parameters[name] for name in _WORDS if parameters.get(name)}
    for name in ("variables", "extensions"):
        if text := parameters.get(name):
            try:
                asked[name] = decoded(text.encode())
            except (BadRequest, UnicodeEncodeError):
                raise NotJson(f"The parameter {name} is not valid JSON.") from None
    return operation_from(asked)


def encoded(answer: object) -> bytes:
    """The answer as JSON. A lone surrogate, which UTF-8 does not have, is escaped as JSON allows it.

    A number that is not finite, which JSON does not have, is null.
    """
    try:
        return orjson.dumps(answer)
    except orjson.JSONEncodeError:
        finite = json.loads(json.dumps(answer, default=_looked_into), parse_constant=_as_null)
        return json.dumps(finite, separators=(",", ":")).encode()


def decoded(body: bytes) -> Any:
    """What JSON in UTF-8 says. Raises `NotJson`."""
    try:
        return json_text.decoded(body)
    except json_text.NotJson as refused:
        raise NotJson(str(refused)) from None


def operation_from(asked: Any) -> Operation:
    """The operation that the members of a JSON object ask for. Raises `BadRequest`."""
    if not isinstance(asked, dict):
        raise BadRequest("An operation must be a JSON object.")
    query, name, document_id = asked.get("query"), asked.get("operationName"), asked.get("documentId")
    variables, extensions = asked.get("variables"), asked.get("extensions")
    if not query and not document_id and not names_document(extensions):
        raise BadRequest("The request holds no query.")
    if query is not None and not isinstance(query, str):
        raise BadRequest("query must be a string.")
    if document_id is not None and not isinstance(document_id, str):
        raise BadRequest("documentId must be a string.")
    if name is not None and not isinstance(name, str):
        raise BadRequest("operationName must be a string.")
    if variables is not None and not isinstance(variables, dict):
        raise BadRequest("variables must be an object.")
    if extensions is not None and not isinstance(extensions, dict):
        raise BadRequest("extensions must be an object.")
    return Operation(
        query=query, name=name, variables=variables or {}, document_id=document_id or None, extensions=extensions or {}
    )


def names_document(extensions: object) -> bool:
    """Whether the extensions of a request say which document it asks for."""
    return isinstance(extensions, dict) and extensions.get("persistedQuery") is not None


def _looked_into(value: object) -> Any:
    """JSON that is handed on as it is stored, for the standard library, which takes no text."""
    if isinstance(value, orjson.Fragment):
        return json.loads(orjson.dumps(value))
    raise TypeError(f"{type(value).__name__} is no JSON.")


def _as_null(_: str) -> None:
    return None
