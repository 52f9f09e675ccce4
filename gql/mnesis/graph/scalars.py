"""The scalars of the schema: strict in what kind of value they take, and leaving judgement to the domain.

A value of the wrong kind (a number where a time is due) is refused here and fails the request. One of the right kind
that cannot be read or kept (a malformed text, an object too deep) goes on as it is, or as an `Unreadable`: so the
domain names it together with everything else that is wrong, and the other entries of a batch survive.
"""

import binascii
from base64 import b64decode, b64encode
from datetime import UTC, datetime
from typing import Any, NewType

import orjson
import strawberry
from graphql import GraphQLError, ValueNode
from strawberry.types.scalar import ScalarDefinition

from mnesis.domain.fields import Unreadable
from mnesis.domain.json_values import JsonObject
from mnesis.domain.times import instant, instant_text
from mnesis.execution import handing_on
from mnesis.graph.json_literals import json_from_literal

JSONObject = NewType("JSONObject", dict[str, Any])
JSON = NewType("JSON", object)
Base64 = NewType("Base64", bytes)


def instant_from(text: object) -> datetime | Unreadable:
    """The time that an RFC 3339 text names; digits beyond microseconds are cut off."""
    if not isinstance(text, str):
        raise GraphQLError("DateTime takes a string: an RFC 3339 time with an offset.")
    return instant(text)


@handing_on(str)
def shown_instant(moment: datetime | str) -> str:
    """`instant_text`, in a third of the time; what was read from the store is that text already."""
    if isinstance(moment, str):
        return moment
    # It leaves out microseconds that are zero, and what has no zone it takes for UTC only when told to.
    if moment.tzinfo is not UTC or not moment.microsecond:
        return instant_text(moment)
    return orjson.dumps(moment, option=orjson.OPT_UTC_Z)[1:-1].decode()


def base64_text(stored: bytes) -> str:
    """Standard Base64 with padding."""
    return b64encode(stored).decode()


def base64_from(text: object) -> bytes | Unreadable:
    """The bytes that a Base64 text encodes."""
    if not isinstance(text, str):
        raise GraphQLError("Base64 takes a string.")
    try:
        decoded = b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        decoded = None
    # Written again it must be the same text: Python overlooks bits that encode nothing.
    if decoded is None or base64_text(decoded) != text:
        return Unreadable(fact="is not Base64 (RFC 4648, with padding)")
    return decoded


def object_from(value: object) -> JsonObject:
    """The object itself: what is in it is judged by the domain."""
    if not isinstance(value, dict):
        raise GraphQLError("JSONObject takes an object.")
    return value


def object_from_literal(node: ValueNode, variables: dict[str, Any] | None = None) -> JsonObject:
    """The object that a literal in a document spells."""
    return object_from(json_from_literal(node, variables))


@handing_on(dict, orjson.Fragment)
def shown_object(value: object) -> object:
    """The object itself, or its JSON as it is stored."""
    return value


@handing_on(str, int, float, bool, list, dict, orjson.Fragment)
def shown_json(value: object) -> object:
    """The value itself, or its JSON as it is stored."""
    return value


def _no_input(value: object) -> Any:
    raise GraphQLError("JSON is given in answers only.")


SCALARS: dict[object, ScalarDefinition] = {
    datetime: strawberry.scalar(
        name="DateTime",
        description=(
            "A time as RFC 3339 writes it, with an offset: `2026-01-31T12:00:00.000Z`. Answers are in UTC with"
            " microseconds; finer digits that are given are cut off."
        ),
        specified_by_url="https://datatracker.ietf.org/doc/html/rfc3339",
        serialize=shown_instant,
        parse_value=instant_from,
    ),
    JSONObject: strawberry.scalar(
        name="JSONObject",
        description=(
            "A JSON object. Refused, with the path to the place: NaN and infinities, lone surrogates, NUL, integers"
            " beyond 64 bits, more than 32 levels, more than 256 KiB."
        ),
        specified_by_url="https://datatracker.ietf.org/doc/html/rfc8259#section-4",
        serialize=shown_object,
        parse_value=object_from,
        parse_literal=object_from_literal,
    ),
    JSON: strawberry.scalar(
        name="JSON",
        description="Any JSON value; in answers only.",
        specified_by_url="https://datatracker.ietf.org/doc/html/rfc8259",
        serialize=shown_json,
        parse_value=_no_input,
    ),
    Base64: strawberry.scalar(
        name="Base64",
        description="Bytes in Base64 with the standard alphabet and padding; at most 1 MiB of bytes.",
        specified_by_url="https://datatracker.ietf.org/doc/html/rfc4648#section-4",
        serialize=base64_text,
        parse_value=base64_from,
    ),
}
