"""Filters as SQL: what of a filter makes a statement is kept apart from the values it compares with.

Filters that differ in their values only have the same shape, and so the same compiled statement; values travel as
parameters. Shapes are what clients make them, so whatever remembers statements by shape must be bounded.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from itertools import count
from typing import Any, TypeAlias

from sqlalchemy import BigInteger, Boolean, ColumnElement, FromClause, and_, bindparam, false, func, not_, or_, true

from mnesis.domain.filters import OBJECTS, TIMES, MemoryFilter, TimeRange
from mnesis.domain.json_values import text_fault
from mnesis.storage.engines import Engine
from mnesis.storage.instants import to_microseconds
from mnesis.storage.rows import json_text

Shape: TypeAlias = tuple[Any, ...]
"""A word and what belongs to it: names of parameters, names of columns, and for and, or, not further shapes."""

SHAPES_KEPT = 256
"""How many statements of each kind are remembered by shape."""
_TEXTS = ("summary", "content", "memory")


@dataclass(frozen=True, slots=True, kw_only=True)
class Sought:
    """A filter taken apart."""

    shape: Shape
    values: Mapping[str, Any]

    def names(self, *words: str) -> bool:
        """Whether one of these conditions is stated at the top."""
        return any(part[0] in words for part in self.shape[1:])


@dataclass(slots=True)
class _Names:
    """Parameters, numbered in the order in which they are met."""

    values: dict[str, Any] = field(default_factory=dict)
    numbers: Any = field(default_factory=count)

    def take(self, value: Any) -> str:
        name = f"f{next(self.numbers)}"
        self.values[name] = value
        return name


def sought(wanted: MemoryFilter, engine: Engine) -> Sought:
    """A filter taken apart. It must have been found faultless (see `filters.filter_faults`)."""
    names = _Names()
    return Sought(shape=_shape(wanted, engine, names), values=names.values)


def findable(text: str) -> str:
    """The text, or the empty one, which is nothing's id, for what a database cannot even be asked for."""
    return text if text_fault(text) is None else ""


def _shape(wanted: MemoryFilter, engine: Engine, names: _Names) -> Shape:
    parts = [*_listed(wanted, engine, names)]
    for word, value in (("container", wanted.container_id), ("session", wanted.session_id)):
        if value is not None:
            parts.append((word, names.take(findable(value))))
    objects = ((name, getattr(wanted, name)) for name in OBJECTS)
    parts += [("contains", name, names.take(json_text(held))) for name, held in objects if held is not None]
    for word, plain in (("pinned", wanted.pinned), ("text", wanted.text)):
        if plain is not None:
            parts.append((word, names.take(plain)))
    ranges = ((name, getattr(wanted, name)) for name in TIMES)
    parts += [_range_shape(name, times, names) for name, times in ranges if times is not None]
    return ("and", *parts, *_nested(wanted, engine, names))


def _listed(wanted: MemoryFilter, engine: Engine, names: _Names) -> Iterator[Shape]:
    if wanted.types is not None:
        words = sorted(each.value for each in wanted.types)
        # An index by type has the order of a list for one type, not for several.
        yield ("type", names.take(words[0])) if len(words) == 1 else ("types", names.take(engine.texts(words)))
    if wanted.ids is not None:
        yield ("ids", names.take(engine.texts(wanted.ids)))


def _nested(wanted: MemoryFilter, engine: Engine, names: _Names) -> Iterator[Shape]:
    for each in wanted.every or ():
        yield _shape(each, engine, names)
    if wanted.either is not None:
        yield ("or", *(_shape(each, engine, names) for each in wanted.either))
    if wanted.never is not None:
        yield ("not", _shape(wanted.never, engine, names))


def _range_shape(column: str, wanted: TimeRange, names: _Names) -> Shape:
    sides = (wanted.start, wanted.end)
    taken = (names.take(to_microseconds(each)) if isinstance(each, datetime) else None for each in sides)
    return ("during", column, *taken)


def condition(
    shape: Shape, engine: Engine, table: FromClause, *, total: bool = False, ordered: bool = True
) -> ColumnElement[bool]:
    """What a shape asks of the rows of the memory table, or of an alias of it.

    Where ``total``, the condition is never null, so that it can be negated. Where not ``ordered``, no index that has
    another order than the primary key's can serve the type and the container.
    """
    word, *rest = shape
    if word in ("and", "or"):
        parts = [condition(part, engine, table, total=total, ordered=ordered) for part in rest]
        return and_(true(), *parts) if word == "and" else or_(false(), *parts)
    if word == "not":
        return not_(condition(rest[0], engine, table, total=True, ordered=ordered))
    plain = _plain(word, rest, engine, table, ordered)
    return func.coalesce(plain, false()) if total else plain


def _plain(word: str, rest: list[Any], engine: Engine, table: FromClause, ordered: bool) -> ColumnElement[bool]:
    columns = table.c
    match word:
        case "type":
            return _walked(columns.memory_type, ordered) == bindparam(rest[0])
        case "types":
            return engine.among(_walked(columns.memory_type, ordered), rest[0])
        case "ids":
            return engine.among(columns.id, rest[0])
        case "container":
            return _walked(columns.container_id, ordered) == bindparam(rest[0])
        case "session":
            return columns.session_id == bindparam(rest[0])
        case "contains":
            return engine.json_contains(columns[rest[0]], rest[1])
        case "pinned":
            return columns.pinned == bindparam(rest[0], type_=Boolean)
        case "during":
            return during(columns[rest[0]], rest[1], rest[2])
        case _:
            found = [func.coalesce(engine.text_contains(columns[name], rest[0]), false()) for name in _TEXTS]
            return or_(*found, func.coalesce(engine.messages_contain(columns.messages, rest[0]), false()))


def during(column: ColumnElement[int], start: str | None, end: str | None) -> ColumnElement[bool]:
    """The time lies between two parameters, the first inclusive, the second exclusive; None leaves a side open."""
    sides: list[ColumnElement[bool]] = []
    if start is not None:
        sides.append(column >= bindparam(start, type_=BigInteger))
    if end is not None:
        sides.append(column < bindparam(end, type_=BigInteger))
    return and_(true(), *sides)


def _walked(column: ColumnElement[str], ordered: bool) -> ColumnElement[str]:
    # No index has the column in this form.
    return column if ordered else column.concat("")
