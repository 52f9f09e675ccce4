"""What a search looks at in a memory, how well a memory answers, and which passages of it are shown.

A memory is found by its own words (what a person would call its content), and, where it is an entry of a session, less
strongly by who said it and in which month and year. What was said just before an entry, and what its session is
about, helps it when the question is asked and not when the entry is written: so it needs no care when they change.
"""

import hashlib
import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cache, lru_cache
from typing import Any, NamedTuple

from mnesis.domain.fields import Message
from mnesis.domain.memory import Memory
from mnesis.domain.memory_types import MemoryType
from mnesis.domain.quickly import quickly_made
from mnesis.domain.words import Word, stems, words

SEARCHED_BYTES = 32 * 1024
"""How much text of a memory is searched; what lies beyond is not found."""
QUERY_CHARACTERS = 1_000
QUERY_WORDS = 32
"""How many different words of a query are asked for, the first ones."""

SEARCHED_FIELDS: dict[MemoryType, tuple[str, ...]] = {
    MemoryType.SESSION: ("summary",),
    MemoryType.WORKING: ("content", "messages", "tags"),
    MemoryType.LONG_TERM: ("memory", "tags"),
}


class SearchMode(StrEnum):
    """By what memories are found: their words, their meaning, or both."""

    AUTO = "AUTO"
    FULL_TEXT = "FULL_TEXT"
    SEMANTIC = "SEMANTIC"
    HYBRID = "HYBRID"


# BM25 with the parameters that Lucene and SQLite use.
_K1 = 1.2
_B = 0.75
_ASIDE = 0.4
"""What a word beside the text counts, in occurrences."""
CONTEXT = (0.5, 0.25)
"""How much the words of the entry before, and of the one before that, count for an entry."""
SUMMARY = 0.3
"""How much the words of a session's summary count for its entries."""


@quickly_made
class Terms:
    """What a memory is found by: how often each stem occurs (0: only beside the text), and how many words it has."""

    counts: Mapping[str, int]
    length: int


class Candidate(NamedTuple):
    """A memory that may be an answer, with what ranking looks at; ``counts`` has the query's stems only.

    There are thousands for one question, and a tuple is made in a fifth of the time.
    """

    id: str
    session_id: str | None
    created_at: int
    arrival: int
    counts: Mapping[str, int]
    length: int
    before: tuple[str, ...] = ()
    """For an entry: the ids of the two before it in its session, the nearest first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Statistics:
    """What is known of all memories of a tenant: how many have each of the query's stems, and how long they are."""

    memories: int
    mean_length: float
    having: Mapping[str, int] = field(default_factory=dict)

    def weight(self, stem: str) -> float:
        """How much a word tells: the fewer memories have it, the more."""
        having = self.having.get(stem, 0)
        # The two were not counted at the same moment.
        return math.log(1 + (max(self.memories - having, 0) + 0.5) / (having + 0.5))


@dataclass(frozen=True, slots=True, kw_only=True)
class Passage:
    """A part of a field's text, cut into pieces; those that match are the words that were asked for."""

    field: str
    parts: tuple[tuple[str, bool], ...]


def searched_texts(memory: Memory) -> Iterator[tuple[str, str]]:
    """The texts of a memory that are searched, each with its field's name, up to `SEARCHED_BYTES` together."""
    left = SEARCHED_BYTES
    for name in SEARCHED_FIELDS[memory.type]:
        value = memory.values[name]
        if not value:
            continue
        for text in (value,) if isinstance(value, str) else _texts(value):
            kept = text[:left]
            if kept.isascii():
                left -= len(kept)
            else:
                kept = kept.encode()[:left].decode(errors="ignore")
                left -= len(kept.encode())
            yield name, kept
            if left <= 0:
                return


def _texts(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Message):
        if value.text is not None:
            yield value.text
        for part in value.parts or ():
            # The forms in use: {"type": "text", "text": ...}, and the text below another object or list.
            yield from _text_members(part)
    elif isinstance(value, dict):
        yield from (text for member in value.values() for text in _texts(member))
    elif isinstance(value, list | tuple):
        yield from (text for member in value for text in _texts(member))


def _text_members(part: object) -> Iterator[str]:
    if isinstance(part, dict):
        for name, member in part.items():
            if isinstance(member, str):
                if name in ("text", "content"):
                    yield member
            else:
                yield from _text_members(member)
    elif isinstance(part, list):
        for member in part:
            yield from _text_members(member)


def text_to_embed(memory: Memory) -> str:
    """What a memory means, in its own words: the same texts that full text looks at; empty where there are none."""
    return "\n".join(text for _, text in searched_texts(memory) if text.strip())


def text_mark(text: str) -> bytes:
    """Stands for a text: what has the same mark needs no embedding anew."""
    return hashlib.blake2b(text.encode(), digest_size=16).digest()


def terms_of(memory: Memory) -> Terms:
    """What a memory is found by."""
    counts: dict[str, int] = {}
    for _, text in searched_texts(memory):
        for stem in stems(text):
            counts[stem] = counts.get(stem, 0) + 1
    length = sum(counts.values())
    for stem in _aside(memory):
        # A role of its own is no word of the text, but nothing is lost where it is one.
        counts.setdefault(stem, 0)
    return Terms(counts=counts, length=length)


def changed_for_search(before: Memory | None, after: Memory) -> bool:
    """Whether a memory is found by other words than before. ``after`` is not deleted."""
    if before is None or before.deleted or before.type is not after.type:
        return True
    if before.created_at != after.created_at or before.values.get("role") != after.values.get("role"):
        return True
    were, are = before.values, after.values
    return any(were[name] is not are[name] and were[name] != are[name] for name in SEARCHED_FIELDS[after.type])


def _aside(memory: Memory) -> Iterable[str]:
    """Words beside the text: who spoke, and for an entry when."""
    if memory.type is not MemoryType.WORKING:
        return ()
    role = memory.values.get("role")
    roles = {role} if isinstance(role, str) else set()
    messages = memory.values["messages"]
    assert isinstance(messages, tuple)
    if messages:
        roles |= {message.role for message in messages}
    said = (memory.created_at.month, memory.created_at.year) if memory.session_id is not None else None
    return _aside_stems(frozenset(roles), said)


@lru_cache(maxsize=1_024)
def _aside_stems(roles: frozenset[str], said: tuple[int, int] | None) -> tuple[str, ...]:
    texts = sorted(roles)
    if said is not None:
        month, year = said
        texts.append(f"{_MONTHS[month - 1]} {year}")
    return tuple(stem for text in texts for stem in stems(text))


_MONTHS = (
    *("January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
)


def query_stems(query: str) -> tuple[str, ...]:
    """The different stems of a query, in order, at most `QUERY_WORDS`."""
    return tuple(dict.fromkeys(stems(query)))[:QUERY_WORDS]


def ranked(
    candidates: Iterable[Candidate], helpers: Iterable[Candidate], statistics: Statistics
) -> list[tuple[float, Candidate]]:
    """The candidates that match, the best first, then the newest.

    A word of the query counts for an entry where the entry has it, or less where one of the two before it has it, or
    its session's summary; ``helpers`` are those of them that may be no candidates.
    """
    known = {candidate.id: candidate for candidate in candidates}
    helping = {helper.id: helper for helper in helpers} | known
    scored = _Scored(statistics)
    found = []
    for candidate in known.values():
        shared = (
            [(share, helping[each]) for share, each in _helpers(candidate) if each in helping]
            if candidate.session_id is not None or candidate.before
            else None
        )
        score = scored.alone(candidate) if not shared else scored.helped(candidate, shared)
        if score is not None:
            found.append((score, candidate))
    return best_first(found)


class _Scored:
    """How well memories answer one question. Many have the same words as often, and the same length."""

    def __init__(self, statistics: Statistics) -> None:
        self._mean_length = max(statistics.mean_length, 1.0)
        self._weight = cache(statistics.weight)
        self._scores: dict[Any, dict[str, float]] = {}
        self._totals: dict[Any, float | None] = {}

    def alone(self, candidate: Candidate) -> float | None:
        """The score of a memory that nothing helps; None where it has no word of the query."""
        key = (candidate.length, *candidate.counts.items())
        if key in self._totals:
            return self._totals[key]
        total = self._totals[key] = _total(self._of(candidate))
        return total

    def helped(self, candidate: Candidate, helpers: Iterable[tuple[float, Candidate]]) -> float | None:
        """The same with those that help it, each with what share of its own scores."""
        scores = dict(self._of(candidate))
        for share, helper in helpers:
            for stem, score in self._of(helper).items():
                scores[stem] = max(scores.get(stem, 0.0), share * score)
        return _total(scores)

    def _of(self, candidate: Candidate) -> dict[str, float]:
        """What each word of the query that a memory has adds to its score."""
        key = (candidate.length, *candidate.counts.items())
        scores = self._scores.get(key)
        if scores is None:
            scores = self._scores[key] = {}
            norm = _K1 * (1 - _B + _B * candidate.length / self._mean_length)
            for stem, count in candidate.counts.items():
                occurrences = count or _ASIDE
                scores[stem] = self._weight(stem) * occurrences * (_K1 + 1) / (occurrences + norm)
        return scores


def _total(scores: Mapping[str, float]) -> float | None:
    # Rounded, so that a score is the same when it comes back in a cursor.
    return round(math.fsum(scores.values()), 6) if scores else None


FUSION = 60
"""The constant of reciprocal rank fusion, as its authors have it (Cormack, Clarke and Büttcher, 2009)."""
FUSED = 200
"""How many of the memories nearest in meaning take part in a fusion; of those found by words, all do."""


def fused(*lists: Iterable[tuple[float, Candidate]]) -> list[tuple[float, Candidate]]:
    """Several rankings as one: each place counts ``1 / (60 + place)``, so that no list's scores outweigh another's."""
    places: dict[str, list[float]] = {}
    known: dict[str, Candidate] = {}
    for ranking in lists:
        for place, (_, candidate) in enumerate(ranking, 1):
            places.setdefault(candidate.id, []).append(1 / (FUSION + place))
            known[candidate.id] = candidate
    found = [(round(math.fsum(shares), 6), known[each]) for each, shares in places.items()]
    return best_first(found)


def best_first(found: list[tuple[float, Candidate]]) -> list[tuple[float, Candidate]]:
    """In the order of the answers: the best, then the newest."""
    return sorted(found, key=_place, reverse=True)


def _place(found: tuple[float, Candidate]) -> tuple[float, int, int]:
    score, candidate = found
    return (score, candidate.created_at, candidate.arrival)


def _helpers(candidate: Candidate) -> Iterator[tuple[float, str | None]]:
    yield from zip(CONTEXT, candidate.before, strict=False)
    yield SUMMARY, candidate.session_id


PASSAGE_CHARACTERS = 200
PASSAGES = 3


def passages(memory: Memory, asked: frozenset[str]) -> tuple[Passage, ...]:
    """At most three passages of a memory that hold words of the query, those with the most different ones first."""
    found = []
    for name, text in searched_texts(memory):
        matching = [word for word in words(text) if word.stem in asked]
        if matching:
            found.append(_best_passage(name, text, matching))
    found.sort(key=lambda each: -each[0])
    return tuple(passage for _, passage in found[:PASSAGES])


def _best_passage(name: str, text: str, matching: Sequence[Word]) -> tuple[int, Passage]:
    """The part of a text that holds the most different words, with how many these are."""
    best, first, last = 0, 0, 0
    start = 0
    inside: Counter[str] = Counter()
    for end, word in enumerate(matching):
        inside[word.stem] += 1
        while word.end - matching[start].start > PASSAGE_CHARACTERS and start < end:
            inside[matching[start].stem] -= 1
            start += 1
        different = sum(count > 0 for count in inside.values())
        if different > best:
            best, first, last = different, start, end
    shown = matching[first : last + 1]
    room = max(PASSAGE_CHARACTERS - (shown[-1].end - shown[0].start), 0) // 2
    begin = _at_word(text, max(shown[0].start - room, 0), shown[0].start)
    finish = _at_word_end(text, shown[-1].end, min(shown[-1].end + room, len(text)))
    parts: list[tuple[str, bool]] = []
    place = begin
    for word in matching:
        if word.start < begin or word.end > finish:
            continue
        # Two-letter words of scripts without spaces overlap.
        at = max(word.start, place)
        parts += [(text[place:at], False), (text[at : word.end], True)]
        place = word.end
    parts.append((text[place:finish], False))
    return best, Passage(field=name, parts=tuple(part for part in parts if part[0]))


def _at_word(text: str, begin: int, latest: int) -> int:
    """Where the first whole word after ``begin`` starts, ``latest`` at most."""
    if begin == 0:
        return 0
    space = text.find(" ", begin, latest)
    return begin if space < 0 else space + 1


def _at_word_end(text: str, earliest: int, finish: int) -> int:
    if finish == len(text):
        return finish
    space = text.rfind(" ", earliest, finish)
    return finish if space < 0 else space
