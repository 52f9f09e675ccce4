"""How a search's hits are found.

What the store can tell by itself is read in its order and no further than asked for. Everything else is looked at one
by one, which is exact too, and refused where there is too much of it.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import orjson

from mnesis.domain.limits import MIB
from mnesis.domain.searching import Candidate, Statistics, ranked
from mnesis.facades.opensearch.conditions import (
    Condition,
    HasWords,
    even_score,
    meets,
    score,
)
from mnesis.facades.opensearch.dsl import Order, Search
from mnesis.facades.opensearch.errors import OpenSearchError, parsing_error
from mnesis.facades.opensearch.searched_fields import Comparable, Document, values_of
from mnesis.facades.opensearch.shelves import PART, Shelf, Shown

LOOKED_AT = 10_000
"""How many documents one request looks at."""
ANSWER_BYTES = 64 * MIB
"""How much all documents of an answer hold together."""
CIRCUIT_BREAKING = "circuit_breaking_exception"

SortValues: TypeAlias = tuple[Comparable | float | None, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Hit:
    """A document that is an answer. ``score`` is None where others than the score decide the order."""

    shown: Shown
    score: float | None
    values: SortValues = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Hits:
    """The hits that a search shows, of ``total``."""

    total: int
    hits: tuple[Hit, ...]
    best: float | None = None


@dataclass(slots=True, kw_only=True)
class _Seen:
    """What is kept of a document that meets the condition: all of it, where it is read no further than asked for."""

    id: str
    values: SortValues
    score: float | None = None
    shown: Shown | None = None


@dataclass(slots=True)
class Weight:
    """Counts what an answer holds."""

    held_bytes: int = 0

    def add(self, shown: Shown) -> None:
        """Raises `OpenSearchError` where it is too much."""
        self.held_bytes += len(orjson.dumps(shown.source))
        if self.held_bytes > ANSWER_BYTES:
            reason = f"Data too large: the documents of one answer may hold {ANSWER_BYTES} bytes; ask for fewer"
            raise OpenSearchError(429, CIRCUIT_BREAKING, reason)


async def hits_of(shelf: Shelf, search: Search) -> Hits:
    """What a search finds on a shelf. Raises `OpenSearchError`."""
    even = even_score(search.condition)
    by_score = not search.orders or any(order.field is None for order in search.orders)
    first = search.orders[0] if search.orders else None
    by_time = first is not None and first.field is not None and first.field.key == "created_time" and shelf.timed
    if shelf.exact and (by_time or first is None) and (even is not None or not by_score):
        return await _read(shelf, search, even if by_score else None)
    answered: dict[HasWords, list[_Answered]] = {}
    seen = await _looked_at(shelf, search, answered if by_score else None)
    total = len(seen)
    await _score(shelf, answered)
    best = max((each.score for each in seen if each.score is not None), default=None)
    if search.after is not None:
        seen = [each for each in seen if _follows(each.values, search)]
    window = _ordered(seen, search.orders)[search.start : search.window]
    return Hits(total=total, hits=tuple(await _fetched(shelf, search, window)), best=best)


async def ids_of(shelf: Shelf, condition: Condition) -> list[str]:
    """The ids of everything on a shelf that meets a condition. Raises `OpenSearchError`."""
    return [each.id for each in await _looked_at(shelf, Search(condition=condition), None)]


async def _read(shelf: Shelf, search: Search, even: float | None) -> Hits:
    """Reads in the order of the shelf until what follows cannot be among the hits that are asked for."""
    first = search.orders[0] if search.orders else None
    total = await shelf.count()
    begin = search.after[0] if search.after is not None else None
    seen: list[_Seen] = []
    weight = Weight()
    if search.size:
        parts = shelf.parts(
            newest_first=first is not None and first.descending, first=begin if isinstance(begin, int) else None
        )
        async for part in parts:
            for shown in part:
                values = _values(shown.document, search.orders)
                if search.after is not None and not _follows(values, search):
                    continue
                if len(seen) >= search.window and values[:1] != seen[search.window - 1].values[:1]:
                    break
                weight.add(shown)
                seen.append(_Seen(id=shown.id, values=values, score=even, shown=shown))
            else:
                if first is not None or len(seen) < search.window:
                    continue
            break
    window = _ordered(seen, search.orders)[search.start : search.window]
    hits = [_hit(each, each.shown, search.orders) for each in window if each.shown is not None]
    return Hits(total=total, hits=tuple(hits), best=even if total else None)


async def _looked_at(shelf: Shelf, search: Search, answered: "dict[HasWords, list[_Answered]] | None") -> list[_Seen]:
    """Everything that meets the condition; scored, but for the words that are ``answered``, where those are wanted."""
    if await shelf.count() > LOOKED_AT:
        raise _too_much()
    seen: list[_Seen] = []
    looked_at = 0
    async for part in shelf.parts(newest_first=False, first=None):
        looked_at += len(part)
        if looked_at > LOOKED_AT + PART:
            # Others have written meanwhile.
            raise _too_much()
        for shown in part:
            document = shown.document
            if meets(document, search.condition):
                found = _Seen(id=shown.id, values=_values(document, search.orders))
                if answered is not None:
                    found.score = _base_score(document, search.condition, found, answered)
                seen.append(found)
    return seen


async def _fetched(shelf: Shelf, search: Search, window: Sequence[_Seen]) -> list[Hit]:
    """The documents, without those that have ceased to meet the condition."""
    hits = []
    weight = Weight()
    for start in range(0, len(window), PART):
        part = window[start : start + PART]
        found = await shelf.fetched([each.id for each in part])
        for each in part:
            shown = found.get(each.id)
            if shown is not None and meets(shown.document, search.condition):
                weight.add(shown)
                hits.append(_hit(each, shown, search.orders))
    return hits


def _hit(seen: _Seen, shown: Shown, orders: Sequence[Order]) -> Hit:
    values = (
        value if order.field is not None else seen.score for order, value in zip(orders, seen.values, strict=True)
    )
    return Hit(shown=shown, score=seen.score, values=tuple(values))


def _too_much() -> OpenSearchError:
    return parsing_error(
        f"this query has to look at more than {LOOKED_AT} documents one by one, which is not supported here; name their"
        " _id, session_id, namespace, tags, metadata or created_time as well"
    )


@dataclass(slots=True)
class _Answered:
    """The words of a text that a document was found by, remembered to be weighed when all are known."""

    seen: _Seen
    counts: dict[str, int]
    length: int


async def _score(shelf: Shelf, answered: dict[HasWords, list[_Answered]]) -> None:
    """Adds to the scores what the words count, by BM25."""
    size = await shelf.size()
    for found in answered.values():
        statistics = Statistics(
            memories=size,
            mean_length=sum(each.length for each in found) / len(found),
            having=Counter(word for each in found for word in each.counts),
        )
        candidates = (
            Candidate(id=str(place), session_id=None, created_at=0, arrival=0, counts=each.counts, length=each.length)
            for place, each in enumerate(found)
        )
        for weighed, candidate in ranked(candidates, (), statistics):
            seen = found[int(candidate.id)].seen
            seen.score = (seen.score or 0.0) + weighed


def _base_score(
    document: Document, condition: Condition, seen: _Seen, answered: dict[HasWords, list[_Answered]]
) -> float:
    """What a document scores without its words, which are remembered."""

    def remember(clause: HasWords, document: Document) -> float:
        held = Counter(values_of(document, clause.field))
        counts = {word: held[word] for word in clause.words if word in held}
        answered.setdefault(clause, []).append(_Answered(seen, counts, held.total()))
        return 0.0

    return score(document, condition, remember)


def _values(document: Document, orders: Sequence[Order]) -> SortValues:
    """What a hit is sorted by; the score is not known yet."""
    return tuple(
        next(iter(values_of(document, order.field)), None) if order.field is not None else None for order in orders
    )


def _ordered(seen: list[_Seen], orders: Sequence[Order]) -> list[_Seen]:
    """In the order that is asked for: the best first where none is, and what came first among equals."""
    by_score = Order(field=None, descending=True)
    # A sort keeps the order of equals, so the last key goes first.
    for place, order in reversed(list(enumerate(orders or (by_score,)))):
        flipped = order.missing_last == order.descending

        def key(each: _Seen, place: int = place, order: Order = order, flipped: bool = flipped) -> tuple[bool, Any]:
            value = each.values[place] if order.field is not None else each.score
            return ((value is None) != flipped, value)

        seen = sorted(seen, key=key, reverse=order.descending)
    return seen


def _follows(values: SortValues, search: Search) -> bool:
    """Whether a hit comes after the one that is followed; its equals do not."""
    for order, value, passed in zip(search.orders, values, search.after or (), strict=True):
        if value == passed:
            continue
        if value is None or passed is None:
            return (value is None) == order.missing_last
        return bool(value < passed if order.descending else value > passed)  # type: ignore[operator]  # of one field
    return False
