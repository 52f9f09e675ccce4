"""The messages of the ``graphql-transport-ws`` protocol: what a client may say, read strictly."""

from dataclasses import dataclass
from typing import Any, TypeAlias

from mnesis.graph.body import BadRequest, Operation, decoded, names_document

PROTOCOL = "graphql-transport-ws"


class BadMessage(Exception):
    """What arrived is no message of the protocol. The text is for the client."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Init:
    """The first message; ``authorization`` stands for the header that browsers cannot send with a socket."""

    authorization: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Ping:
    """To be answered with a pong."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pong:
    """To be ignored."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Subscribe:
    """An operation to run, of any kind; ``id`` is the client's name for it."""

    id: str
    operation: Operation


@dataclass(frozen=True, slots=True, kw_only=True)
class Complete:
    """The client wants no more of an operation."""

    id: str


Message: TypeAlias = Init | Ping | Pong | Subscribe | Complete


def message_from(text: str | None) -> Message:
    """The message that a text frame holds; None stands for a binary one. Raises `BadMessage`."""
    if text is None:
        raise BadMessage("Messages are text.")
    try:
        said = decoded(text.encode())
    except (BadRequest, UnicodeEncodeError):
        raise BadMessage("The message is not valid JSON.") from None
    if not isinstance(said, dict):
        raise BadMessage("A message is a JSON object.")
    match said.get("type"):
        case "connection_init":
            return Init(authorization=_authorization(_payload(said)))
        case "ping":
            _payload(said)
            return Ping()
        case "pong":
            _payload(said)
            return Pong()
        case "subscribe":
            return Subscribe(id=_id(said), operation=_operation(said.get("payload")))
        case "complete":
            return Complete(id=_id(said))
        case str():
            raise BadMessage("The message is of an unknown type.")
        case _:
            raise BadMessage("A message has a type, which is a string.")


def _payload(said: dict[str, Any]) -> dict[str, Any]:
    payload = said.get("payload")
    if payload is None:
        return {}
    if not isinstance(payload, dict):
        raise BadMessage("The payload must be an object.")
    return payload


def _authorization(payload: dict[str, Any]) -> str | None:
    given = [value for name in ("Authorization", "authorization") if (value := payload.get(name)) is not None]
    if len(given) > 1 or not all(isinstance(value, str) for value in given):
        raise BadMessage("The payload may hold one authorization, which is a string.")
    return given[0] if given else None


def _id(said: dict[str, Any]) -> str:
    identifier = said.get("id")
    if not isinstance(identifier, str) or not identifier:
        raise BadMessage("The message needs an id, which is a string that is not empty.")
    return identifier


def _operation(payload: object) -> Operation:
    if not isinstance(payload, dict):
        raise BadMessage("The payload must be an object.")
    query, name, document_id = payload.get("query"), payload.get("operationName"), payload.get("documentId")
    variables, extensions = payload.get("variables"), payload.get("extensions")
    if document_id is not None and not isinstance(document_id, str):
        raise BadMessage("The payload's documentId must be a string.")
    if not isinstance(query, str) and (query is not None or not (document_id or names_document(extensions))):
        raise BadMessage("The payload's query must be a string.")
    if name is not None and not isinstance(name, str):
        raise BadMessage("The payload's operationName must be a string.")
    if variables is not None and not isinstance(variables, dict):
        raise BadMessage("The payload's variables must be an object.")
    if extensions is not None and not isinstance(extensions, dict):
        raise BadMessage("The payload's extensions must be an object.")
    return Operation(
        query=query, name=name, variables=variables or {}, document_id=document_id or None, extensions=extensions or {}
    )
