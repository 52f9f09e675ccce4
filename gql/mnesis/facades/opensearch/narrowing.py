"""Conditions as filters of the store: as much of them as it can tell.

A filter lets pass every memory that meets its condition; where it is ``exact``, no other.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from mnesis.domain.filters import MemoryFilter, TimeRange
from mnesis.domain.ids import is_id, parse_record_id
from mnesis.domain.memory_types import MemoryType
from mnesis.facades.opensearch.conditions import Between, Condition, Everything, HasWords, OneOf, Together
from mnesis.facades.opensearch.configuration import KEY
from mnesis.facades.opensearch.searched_fields import FieldKind, scalars_spelled

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_TIMES = {"created_time": "created_at", "last_updated_time": "content_updated_at"}
_OBJECTS = ("namespace", "tags", "metadata")
_IN_NAMESPACE = ("message_id", "checkpoint_id")


@dataclass(frozen=True, slots=True, kw_only=True)
class Narrowed:
    """``filter`` is None where it would let every memory pass."""

    filter: MemoryFilter | None = None
    exact: bool = True


ALL = Narrowed()
UNKNOWN = Narrowed(exact=False)
NONE = Narrowed(filter=MemoryFilter(ids=frozenset()))


def narrowed(condition: Condition, kind: MemoryType, container_id: str) -> Narrowed:
    """What of a condition the store can tell of memories in a container.

    Of history records it can tell the memory and the time, each alone or together.
    """
    match condition:
        case Everything():
            return ALL if condition.passes else NONE
        case Together():
            return _together(condition, kind, container_id)
        case OneOf() if not condition.folded:
            return _one_of(condition, kind, container_id)
        case HasWords():
            return _words(condition)
        case Between() if condition.field.kind is FieldKind.DATE:
            return _during(condition)
        case _:
            return UNKNOWN


def _together(condition: Together, kind: MemoryType, container_id: str) -> Narrowed:
    if condition.least > len(condition.should):
        return NONE
    parts = [narrowed(each, kind, container_id) for each in (*condition.must, *condition.filters)]
    parts += [_complement(narrowed(each, kind, container_id)) for each in condition.never]
    if condition.least:
        among = either(narrowed(each, kind, container_id) for each in condition.should)
        parts.append(among if condition.least == 1 else Narrowed(filter=among.filter, exact=False))
    return every(parts)


def every(parts: Iterable[Narrowed]) -> Narrowed:
    """What meets all of them."""
    parts = list(parts)
    kept = [each.filter for each in parts if each.filter is not None]
    exact = all(each.exact for each in parts)
    if not kept:
        return Narrowed(exact=exact)
    return Narrowed(filter=kept[0] if len(kept) == 1 else MemoryFilter(every=tuple(kept)), exact=exact)


def either(parts: Iterable[Narrowed]) -> Narrowed:
    """What meets one of them."""
    parts = list(parts)
    if any(each.filter is None for each in parts):
        return ALL if any(each.filter is None and each.exact for each in parts) else UNKNOWN
    kept = tuple(each.filter for each in parts if each.filter is not None)
    if not kept:
        return NONE
    exact = all(each.exact for each in parts)
    return Narrowed(filter=kept[0] if len(kept) == 1 else MemoryFilter(either=kept), exact=exact)


def _complement(part: Narrowed) -> Narrowed:
    if not part.exact:
        return UNKNOWN
    return Narrowed(filter=MemoryFilter(never=part.filter)) if part.filter is not None else NONE


def _one_of(condition: OneOf, kind: MemoryType, container_id: str) -> Narrowed:
    field = condition.field
    match field.key:
        case "_id":
            return _of_ids(condition, kind)
        case "memory_container_id":
            return ALL if container_id in condition.values else NONE
        case "memory_id":
            return Narrowed(filter=MemoryFilter(ids=_ids(condition)))
        case "session_id":
            return either(Narrowed(filter=MemoryFilter(session_id=each)) for each in _ids(condition))
        case "pinned":
            return Narrowed(filter=MemoryFilter(pinned=True)) if condition.values == {True} else UNKNOWN
        case _ if field.kind is FieldKind.DATE:
            moments = (each for each in condition.values if isinstance(each, int))
            return either(_during(Between(field=field, low=each, high=each)) for each in moments)
        case _ if kind is MemoryType.HISTORY:
            return UNKNOWN
        case _:
            return _of_values(condition)


def _of_values(condition: OneOf) -> Narrowed:
    field = condition.field
    if field.key in _IN_NAMESPACE:
        return _contained("namespace", (KEY, field.key), condition)
    if field.key in _OBJECTS and 1 <= len(field.path) <= 2:
        return _of_object(condition)
    if field.kind is FieldKind.TEXT:
        words = tuple(each for each in condition.values if isinstance(each, str))
        return _words(HasWords(field=field, words=words))
    return UNKNOWN


def _of_ids(condition: OneOf, kind: MemoryType) -> Narrowed:
    if kind is not MemoryType.HISTORY:
        return Narrowed(filter=MemoryFilter(ids=_ids(condition)))
    named = [parse_record_id(each) for each in condition.values if isinstance(each, str)]
    ids = frozenset(each.memory_id for each in named if each is not None)
    return Narrowed(filter=MemoryFilter(ids=ids), exact=False)


def _ids(condition: OneOf) -> frozenset[str]:
    return frozenset(each for each in condition.values if isinstance(each, str) and is_id(each))


def _of_object(condition: OneOf) -> Narrowed:
    field = condition.field
    if field.key != "namespace":
        return _contained(field.key, field.path, condition)
    if field.path[0] == KEY:
        return UNKNOWN
    found = _contained(field.key, field.path, condition)
    if field.path != ("session_id",):
        return found
    # The session of an entry is shown there too, unless the namespace has one of its own.
    shown = [Narrowed(filter=MemoryFilter(session_id=each), exact=False) for each in _ids(condition)]
    return either([found, *shown])


def _contained(name: str, path: tuple[str, ...], condition: OneOf) -> Narrowed:
    parts = []
    plain = name == "namespace" and path[0] == KEY
    for value in condition.values:
        scalars = scalars_spelled(str(value))
        if scalars is None:
            return UNKNOWN
        parts += [Narrowed(filter=_holding(name, each)) for each in _forms(path, scalars, plain=plain)]
    return either(parts)


def _holding(name: str, part: dict[str, Any]) -> MemoryFilter:
    match name:
        case "namespace":
            return MemoryFilter(namespace=part)
        case "tags":
            return MemoryFilter(tags=part)
        case _:
            return MemoryFilter(metadata=part)


def _forms(path: tuple[str, ...], scalars: Iterable[Any], *, plain: bool) -> Iterator[dict[str, Any]]:
    """Every object that has one of the scalars at the path; ``plain`` where the objects on it are known."""
    for scalar in scalars:
        for held in (scalar, [scalar]):
            if len(path) == 1:
                yield {path[0]: held}
                continue
            first, second = path
            yield {first: {second: held}}
            if not plain:
                yield {first: [{second: held}]}
                yield {f"{first}.{second}": held}


def _words(condition: HasWords) -> Narrowed:
    """Where letters of other scripts stand for each other, databases do not agree."""
    if not all(word.isascii() and word for word in condition.words):
        return UNKNOWN
    parts = [Narrowed(filter=MemoryFilter(text=word), exact=False) for word in condition.words]
    return every(parts) if condition.all else either(parts)


def _during(condition: Between) -> Narrowed:
    low, high = condition.low, condition.high
    start = low + condition.beyond if isinstance(low, int) else None
    end = high + (not condition.before) if isinstance(high, int) else None
    if start is not None and end is not None and start >= end:
        return NONE
    try:
        times = TimeRange(start=_instant(start), end=_instant(end))
    except OverflowError:
        return UNKNOWN
    if times == TimeRange():
        return ALL
    return Narrowed(filter=MemoryFilter(**{_TIMES[condition.field.key]: times}))  # type: ignore[arg-type]  # by name


def _instant(millis: int | None) -> datetime | None:
    return _EPOCH + timedelta(milliseconds=millis) if millis is not None else None
