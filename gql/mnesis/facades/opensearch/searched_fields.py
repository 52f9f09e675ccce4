"""The fields that documents are searched and sorted by, and what stands in them.

They are those of OpenSearch's index mappings, as far as our documents have them. A field that is not among them matches
nothing, as in OpenSearch.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from enum import Enum, auto
from typing import Any, TypeAlias

from mnesis.domain.memory_types import MemoryType
from mnesis.facades.opensearch.errors import parsing_error

Document: TypeAlias = Mapping[str, Any]
"""The stored document, and its id as ``_id``."""
Comparable: TypeAlias = str | int | bool


class FieldKind(Enum):
    """How the values of a field are compared."""

    KEYWORD = auto()
    TEXT = auto()
    """By its words, in lower case."""
    INTEGER = auto()
    DATE = auto()
    """Milliseconds since 1970."""
    BOOLEAN = auto()
    FLAT = auto()
    """An object whose values, at any depth, are compared as strings."""
    SEALED = auto()
    """Shown and not searched."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """A field by the key of the document that it stands under, and the path below that."""

    name: str
    key: str
    kind: FieldKind
    path: tuple[str, ...] = ()


_K, _T, _I, _D, _B, _F, _S = FieldKind
_COMMON = {
    "_id": _K,
    "memory_container_id": _K,
    "owner_id": _K,
    "namespace": _F,
    "namespace_size": _I,
    "created_time": _D,
}
FIELDS: dict[MemoryType, dict[str, FieldKind]] = {
    MemoryType.SESSION: {
        **_COMMON,
        "summary": _T,
        "metadata": _F,
        "agents": _F,
        "additional_info": _F,
        "last_updated_time": _D,
        "pinned": _B,
    },
    MemoryType.WORKING: {
        **_COMMON,
        "session_id": _K,
        "payload_type": _K,
        "messages": _S,
        "message_id": _I,
        "checkpoint_id": _K,
        "binary_data": _S,
        "structured_data": _F,
        "structured_data_blob": _S,
        "metadata": _F,
        "tags": _F,
        "parameters": _F,
        "infer": _B,
        "last_updated_time": _D,
    },
    MemoryType.LONG_TERM: {
        **_COMMON,
        "memory": _T,
        "tags": _F,
        "strategy_type": _K,
        "strategy_id": _K,
        "last_updated_time": _D,
        "pinned": _B,
    },
    MemoryType.HISTORY: {**_COMMON, "memory_id": _K, "action": _K, "before": _F, "after": _F},
}
CONTAINER_FIELDS = {
    "_id": _K,
    "name": _T,
    "name.keyword": _K,
    "description": _T,
    "configuration": _F,
    "owner": _F,
    "backend_roles": _K,
    "created_time": _D,
    "last_updated_time": _D,
}

_HAN = "\u3040-\u309f\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
_WORD = re.compile(rf"[{_HAN}]|(?:(?![{_HAN}])\w)+(?:['\u2019.](?:(?![{_HAN}])\w)+)*")
_KELVIN = "\u212a"
_INTEGER = re.compile(r"(0|-?[1-9][0-9]{0,18})\Z")


def field_of(fields: Mapping[str, FieldKind], name: str) -> Field | None:
    """The field that a query names; None for one that no document has. Raises `OpenSearchError`."""
    key, _, below = name.partition(".")
    kind = fields.get(name, fields.get(key))
    if kind is FieldKind.SEALED:
        raise parsing_error(f"field [{name}] cannot be searched by")
    if kind is None or (below and kind is not FieldKind.FLAT and name not in fields):
        return None
    path = tuple(below.split(".")) if below and kind is FieldKind.FLAT else ()
    return Field(name=name, key=key, kind=kind, path=path)


def values_of(document: Document, field: Field) -> Iterator[Comparable]:
    """What stands in a field, as it is compared: words of a text, strings of an object."""
    held = document.get(field.key)
    if held is None:
        return
    match field.kind:
        case FieldKind.TEXT:
            yield from words_of(held)
        case FieldKind.FLAT:
            yield from map(spelled, _at(held, field.path) if field.path else leaves(held))
        case FieldKind.KEYWORD:
            yield from map(spelled, _scalars(held))
        case FieldKind.INTEGER:
            yield from (number for each in _scalars(held) if (number := integer(each)) is not None)
        case _:
            yield held


def is_there(document: Document, field: Field) -> bool:
    """Whether there is anything in a field."""
    held = document.get(field.key)
    if field.kind is FieldKind.FLAT:
        return any(True for found in _below(held, field.path) for _ in leaves(found))
    return held is not None and held != []


def words_of(text: str) -> Iterator[str]:
    """The words of a text in lower case, not stemmed."""
    if text.isascii():
        yield from map(str.lower, _WORD.findall(text))
        return
    # The Kelvin sign alone would become an ASCII letter that no database takes it for.
    for word in _WORD.findall(text):
        yield "".join(each if each == _KELVIN else each.lower() for each in word)


def spelled(value: Any) -> str:
    """A scalar as a string; numbers that are the same are spelled the same."""
    if isinstance(value, str):
        return value
    return str(value).lower() if isinstance(value, bool) else _plain(Decimal(repr(value)))


def integer(value: Any) -> int | None:
    """The integer that a value is or spells."""
    if isinstance(value, bool):
        return None
    text = value if isinstance(value, str) else spelled(value)
    return int(text) if _INTEGER.match(text) else None


def scalars_spelled(text: str) -> list[Any] | None:
    """The JSON scalars that are spelled like this; None where that cannot be told."""
    if text in ("true", "false"):
        return [text, text == "true"]
    if len(text) > 400:
        return None
    try:
        number = Decimal(text)
    except InvalidOperation:
        return [text]
    if not number.is_finite() or abs(number.adjusted()) > 400 or _plain(number) != text:
        return [text]
    if number != number.to_integral_value():
        return [text, float(text)] if spelled(float(text)) == text else [text]
    return [text, int(number)] if abs(number) < 2**63 else None


def leaves(value: Any) -> Iterator[Any]:
    """Every scalar in a value, at any depth."""
    if isinstance(value, dict):
        for member in value.values():
            yield from leaves(member)
    elif isinstance(value, list):
        for member in value:
            yield from leaves(member)
    elif value is not None:
        yield value


def _plain(number: Decimal) -> str:
    # Decimal's own ways to drop zeros round to a precision.
    text = format(number, "f")
    text = text.rstrip("0").rstrip(".") if "." in text else text
    return "0" if text == "-0" else text


def _at(value: Any, path: tuple[str, ...]) -> Iterator[Any]:
    """The scalars at a path, alone or in an array; an array in an array is not looked into."""
    for found in _below(value, path):
        yield from _scalars(found)


def _below(value: Any, path: tuple[str, ...]) -> Iterator[Any]:
    if not path:
        yield value
        return
    for member in value if isinstance(value, list) else [value]:
        if isinstance(member, dict):
            # A key may hold dots of its own.
            for length in range(1, len(path) + 1):
                key = ".".join(path[:length])
                if key in member:
                    yield from _below(member[key], path[length:])


def _scalars(value: Any) -> Iterator[Any]:
    for member in value if isinstance(value, list) else [value]:
        if member is not None and not isinstance(member, dict | list):
            yield member
