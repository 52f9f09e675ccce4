"""Asks the search index: the rarest words first, a bounded number of memories, ranked by BM25 of our own.

PostgreSQL's `ts_rank` does not know how rare a word is, and FTS5's `bm25` counts the memories of all tenants together;
so both databases only say which memories match, and `mnesis.domain.searching` ranks them.
"""

import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson

from mnesis.domain.caller import Caller
from mnesis.domain.memory import Memory
from mnesis.domain.searching import FUSED, Candidate, SearchMode, Statistics, fused, ranked
from mnesis.domain.words import WORD_CHARACTERS
from mnesis.storage.compiling import compiled_for
from mnesis.storage.engines import Engine
from mnesis.storage.filtering import findable, sought
from mnesis.storage.nearest import Nearest
from mnesis.storage.search_index import container_word, counts_of, session_word, sought_in_counts, stem_word
from mnesis.storage.search_statements import SearchReadStatements
from mnesis.storage.stored_memory import stored_memory_from
from mnesis.storage.visibility import VisibleStatement, caller_parameters
from mnesis.usecases.ports import Hit, MemoryQuery, SearchPage, SearchPlace, SearchRequest

Rows = list[Sequence[Any]]
Ask = Callable[[VisibleStatement, Mapping[str, Any]], Rows]

LOOKED_AT = 10
"""How many matches are looked at for each candidate wanted: those of a very common word beyond are not counted."""
EXPLORED = 100
"""The entries of how many of the best candidates have their neighbours looked at."""
EXPECTED = 2
"""How many times as many as are counted PostgreSQL must expect to match, so that nobody counts them."""
LARGE = 10_000
"""A tenant with more memories is counted once a minute only, and a smaller one when something was written."""
COMMON = 1_000
"""The words that more memories of a large tenant have are counted once a minute, too."""
COUNT_KEPT_S = 60.0
_COUNTS_KEPT = 1_000
_WORDS_KEPT = 1_000
_NO_STEM = "x" * (WORD_CHARACTERS + 1)
"""Longer than any word."""
_EVERY_ONE = ("and",)
"""The shape of a filter without conditions."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Counted:
    """What a tenant had when it was counted: ``having`` says how many memories match something,
    counted up to a number, where that is kept."""

    memories: int
    length: int
    change: Rows
    at: float
    having: dict[tuple[str, int], int] = field(default_factory=dict)

    def keep(self, match: tuple[str, int], having: int) -> None:
        """Remembers a count. None of zero: what has the word may have come since, and must be found."""
        if having > (COMMON if self.memories > LARGE else 0) and len(self.having) < _WORDS_KEPT:
            self.having[match] = having


class Searcher:
    """Answers searches; to be called in a thread that reads."""

    def __init__(self, engine: Engine, memories: VisibleStatement) -> None:
        """``memories`` finds whole memories by ``:ids``."""
        self._engine = engine
        self._memories = memories
        self._statements = compiled_for(SearchReadStatements, engine)
        self._nearest = Nearest(engine)
        self._counted: dict[str, _Counted] = {}
        self._lock = threading.Lock()

    def search(self, ask: Ask, caller: Caller, query: MemoryQuery, request: SearchRequest) -> SearchPage:
        """The page of the best answers that a request asks for."""
        return _Search(self, ask, caller, query, request).page()

    def counted(self, ask: Ask, caller: Caller) -> _Counted:
        """How many memories the tenant has, and how many words these have."""
        with self._lock:
            counted = self._counted.get(caller.tenant)
        if counted is not None and time.monotonic() - counted.at >= COUNT_KEPT_S:
            counted = None
        if counted is not None and counted.memories > LARGE:
            return counted
        # Before what is counted, so that nothing that was written in between is taken for counted.
        change = ask(self._statements.change, caller_parameters(caller))
        if counted is not None and counted.change == change:
            return counted
        [[memories, length]] = ask(self._statements.totals, caller_parameters(caller))
        counted = _Counted(memories=memories, length=int(length), change=change, at=time.monotonic())
        with self._lock:
            if len(self._counted) >= _COUNTS_KEPT:
                self._counted.clear()
            self._counted[caller.tenant] = counted
        return counted


class _Search:
    """One search under way."""

    def __init__(
        self, searcher: Searcher, ask: Ask, caller: Caller, query: MemoryQuery, request: SearchRequest
    ) -> None:
        self._searcher = searcher
        self._engine = searcher._engine
        self._statements = searcher._statements
        self._tenant = caller.tenant
        self._request = request
        self._common = caller_parameters(caller)
        self._caller = caller
        self._given_ask = ask
        self._wanted = sought(query, self._engine)
        self._marks: list[str] = []
        if query.session_id is not None:
            self._marks.append(session_word(self._tenant, findable(query.session_id)))
        if query.container_id is not None:
            self._marks.append(container_word(self._tenant, findable(query.container_id)))

    def page(self) -> SearchPage:
        found = self._found()
        if (after := self._request.after) is not None:
            found = [each for each in found if _order(_place(*each)) > _order(after)]
        page = found[: self._request.size]
        memories = self._whole([candidate.id for _, candidate in page])
        return SearchPage(
            hits=tuple(
                Hit(memory=memory, score=score, place=_place(score, candidate))
                for score, candidate in page
                # It may have been deleted since it was found.
                if (memory := memories.get(candidate.id)) is not None
            ),
            has_next=len(found) > len(page),
            mode=self._request.mode,
        )

    def _found(self) -> list[tuple[float, Candidate]]:
        """All answers, the best first."""
        match self._request.mode:
            case SearchMode.SEMANTIC:
                return self._nearest(self._request.candidates)
            case SearchMode.HYBRID:
                return fused(self._by_words(), self._nearest(min(FUSED, self._request.candidates)))
            case _:
                return self._by_words()

    def _nearest(self, size: int) -> list[tuple[float, Candidate]]:
        assert self._request.meant is not None
        return self._searcher._nearest.nearest(
            self._given_ask,
            self._common,
            self._wanted,
            self._request.meant,
            size=size,
            most=self._request.vectors,
        )

    def _by_words(self) -> list[tuple[float, Candidate]]:
        known = self._searcher.counted(self._given_ask, self._caller)
        statistics = self._counted(known)
        candidates = self._candidates(statistics, known)
        alone = ranked(candidates, (), statistics)
        explored, helpers = self._explored([each for _, each in alone[:EXPLORED]])
        if not explored:
            return alone
        by_id = {each.id: each for each in candidates}
        by_id.update((each.id, each) for each in explored)
        return ranked(by_id.values(), helpers, statistics)

    def _counted(self, known: _Counted) -> Statistics:
        having = {}
        if known.memories:
            counts = ((stem, self._having([self._word(stem)], known)) for stem in self._request.stems)
            having = {stem: count for stem, count in counts if count}
        return Statistics(memories=known.memories, mean_length=known.length / max(known.memories, 1), having=having)

    def _candidates(self, statistics: Statistics, known: _Counted) -> list[Candidate]:
        """Memories that have words of the query and pass the filter: those that have all, then by the rarest."""
        most = self._request.candidates
        rarest = sorted(statistics.having, key=lambda stem: (statistics.having[stem], stem))
        words = [self._word(stem) for stem in rarest]
        if not words:
            return []
        if sum(statistics.having.values()) <= most:
            return self._matching(self._statements.matching(self._marks, words), common=False)
        found: dict[str, Candidate] = {}
        counted = {self._word(stem): count for stem, count in statistics.having.items()}
        for every in ([words] if len(words) > 1 else []) + [[word] for word in words]:
            if len(found) >= most:
                break
            match = [*self._marks, *every]
            having = counted[every[0]] if len(match) == 1 else self._having(match, known)
            common = having >= most * LOOKED_AT
            for candidate in self._matching(self._statements.matching(match, []), common=common):
                found.setdefault(candidate.id, candidate)
        return list(found.values())[:most]

    def _matching(self, match: str, *, common: bool) -> list[Candidate]:
        statements = self._statements
        # FTS5 finds the newest first by itself.
        walk = common and self._engine.dialect.name != "sqlite"
        statement = (statements.newest_candidates if walk else statements.candidates)(self._wanted.shape)
        most = self._request.candidates
        values = {**self._wanted.values, "match": match, "size": most, "most": most * LOOKED_AT}
        return self._read(self._ask(statement, values))

    def _explored(self, best: Sequence[Candidate]) -> tuple[list[Candidate], list[Candidate]]:
        """The best candidates with those that follow entries among them, and what helps all these."""
        entries = {each.id: each for each in best if each.session_id is not None}
        if not entries:
            return [], []
        before: dict[str, tuple[str, ...]] = {}
        near: set[str] = set()
        following: set[str] = set()
        for row in self._ask(self._statements.neighbours, {"ids": self._engine.texts(entries)}):
            here, before_1, before_2, after_1, after_2 = row
            chain = {here: (before_1, before_2), after_1: (here, before_1), after_2: (after_1, here)}
            for each, ahead in chain.items():
                if each is not None:
                    before[each] = tuple(name for name in ahead if name is not None)
            near.update(each for each in row if each is not None)
            following.update(each for each in (after_1, after_2) if each is not None)
        near.update(each.session_id for each in entries.values() if each.session_id is not None)
        helpers = self._read(self._ask(self._statements.rows(_EVERY_ONE), {"near": self._engine.texts(near)}))
        values = {**self._wanted.values, "near": self._engine.texts(following)}
        passing = self._read(self._ask(self._statements.rows(self._wanted.shape), values))
        found = {each.id: each for each in (*passing, *entries.values())}
        return [each._replace(before=before.get(each.id, ())) for each in found.values()], helpers

    def _whole(self, ids: Iterable[str]) -> dict[str, Memory]:
        rows = self._ask(self._searcher._memories, {"ids": self._engine.texts(list(ids))})
        return {memory.id: memory for memory in map(stored_memory_from, rows)}

    def _having(self, words: list[str], known: _Counted) -> int:
        """How many memories have all the words, counted as far as matters."""
        most = self._request.candidates * LOOKED_AT
        match = self._statements.matching(words, [])
        counted = known.having.get((match, most))
        if counted is None:
            counted = self._counted_now(match, most, known)
            known.keep((match, most), counted)
        return counted

    def _counted_now(self, match: str, most: int, known: _Counted) -> int:
        # GIN brings all that match before the first can be counted, which takes ever longer the more there are.
        if known.memories > most * EXPECTED and self._expects(match, most * EXPECTED):
            return most
        return int(self._ask(self._statements.having, {"match": match, "most": most})[0][0])

    def _expects(self, match: str, more_than: int) -> bool:
        """Whether the database knows, without looking, of more memories that match. Not knowing, it says no."""
        if self._statements.expected is None:
            return False
        expected = self._expected(match)
        # Of words that are not among those it knows to be common, it expects as many as of one that nobody wrote.
        return expected > more_than and expected > self._expected(self._statements.matching([self._word(_NO_STEM)], []))

    def _expected(self, match: str) -> int:
        assert self._statements.expected is not None
        [[plan]] = self._ask(self._statements.expected, {"match": match})
        return int(orjson.loads(plan)[0]["Plan"]["Plan Rows"])

    def _read(self, rows: Rows) -> list[Candidate]:
        sought = sought_in_counts(self._request.stems)
        return [
            Candidate(memory_id, session_id, created_at, arrival, counts_of(counts, sought), length)
            for memory_id, session_id, created_at, arrival, counts, length in rows
        ]

    def _word(self, stem: str) -> str:
        return stem_word(self._tenant, stem)

    def _ask(self, statement: VisibleStatement, values: Mapping[str, Any]) -> Rows:
        return self._given_ask(statement, {**self._common, **values})


def _place(score: float, candidate: Candidate) -> SearchPlace:
    return SearchPlace(score=round(score * 1_000_000), created_at=candidate.created_at, arrival=candidate.arrival)


def _order(place: SearchPlace) -> tuple[int, int, int]:
    return (-place.score, -place.created_at, -place.arrival)
