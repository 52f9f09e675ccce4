"""Searching: how a question is put, and what is shown of each answer."""

import asyncio
import base64
import binascii
import hashlib
import re
from collections.abc import Sequence

import strawberry

from mnesis.domain.filters import lists_records
from mnesis.domain.memory import Memory as StoredMemory
from mnesis.domain.searching import QUERY_CHARACTERS, Passage, SearchMode, passages, query_stems
from mnesis.graph.connections import PageInfo
from mnesis.graph.context import Context
from mnesis.graph.enums import described_enum
from mnesis.graph.faults import CURSOR_INVALID, refused_argument
from mnesis.graph.fields import resolved
from mnesis.graph.filters import MemoryFilter, filter_fields
from mnesis.graph.listing import filter_faults_named
from mnesis.graph.memory import Memory
from mnesis.graph.present import shown
from mnesis.usecases.embedding import MeaningUnavailable
from mnesis.usecases.ports import Hit, MemoryQuery, SearchPage, SearchPlace, SearchRequest

SEMANTIC_SEARCH_UNAVAILABLE = "SEMANTIC_SEARCH_UNAVAILABLE"
DEFAULT_ANSWERS = 10

described_enum(
    SearchMode,
    "By what memories are found.",
    {
        SearchMode.AUTO: "The best that the server can do: HYBRID where it has an embedding model that answers, else"
        " FULL_TEXT.",
        SearchMode.FULL_TEXT: "By their words: stems, any of those in the query, rare ones weighing more (BM25).",
        SearchMode.SEMANTIC: "By their meaning: the cosine of the angle between the embeddings of query and memory."
        " Refused with SEMANTIC_SEARCH_UNAVAILABLE where the server has no embedding model or it does not answer.",
        SearchMode.HYBRID: "By words and meaning: the reciprocal ranks in both lists, 1 / (60 + rank), added up."
        " Refused with SEMANTIC_SEARCH_UNAVAILABLE where the server has no embedding model or it does not answer.",
    },
)


@strawberry.type(description="A piece of a passage.")
class SearchHighlightPart:
    text: str = strawberry.field(description="The text as it stands in the memory; plain text, not HTML.")
    matched: bool = strawberry.field(description="Whether this is a word that was asked for, in any of its forms.")


@strawberry.type(description="A passage of a memory that holds words of the query.")
class SearchHighlight:
    field: str = strawberry.field(
        description="The field that holds it: `summary`, `content`, `messages`, `memory` or `tags`."
    )
    parts: list[SearchHighlightPart] = strawberry.field(
        description="The passage, about 200 characters, cut where a matching word begins or ends; in order, nothing"
        " left out between them."
    )

    @classmethod
    def of(cls, passage: Passage) -> "SearchHighlight":
        """What the domain found, for GraphQL."""
        return cls(
            field=passage.field,
            parts=[SearchHighlightPart(text=text, matched=matched) for text, matched in passage.parts],
        )


class Passages:
    """The passages of the answers on a page, looked for when the first of them is asked for, and then for all."""

    def __init__(self, memories: Sequence[StoredMemory], stems: tuple[str, ...]) -> None:
        self._memories = memories
        self._asked = frozenset(stems)
        self._found: asyncio.Task[list[tuple[Passage, ...]]] | None = None

    async def of(self, number: int) -> tuple[Passage, ...]:
        """The passages of one of the answers."""
        if self._found is None:
            # Reading a hundred long texts takes longer than others should wait.
            self._found = asyncio.create_task(asyncio.to_thread(self._all))
        return (await self._found)[number]

    def _all(self) -> list[tuple[Passage, ...]]:
        return [passages(memory, self._asked) for memory in self._memories]


@strawberry.type(description="An answer to a search and its place.")
class MemorySearchEdge:
    number: strawberry.Private[int]
    hit: strawberry.Private[Hit]
    mark: strawberry.Private[str]
    passages: strawberry.Private[Passages]

    @resolved("The place of the answer, for `after` with the same query. Opaque.")
    def cursor(self) -> str:
        return _cursor(self.mark, self.hit.place)

    @resolved("The memory.")
    def node(self) -> Memory:
        return shown(self.hit.memory)

    @resolved("How well it answers, more than 0. Comparable within one search, not between two.")
    def score(self) -> float:
        return self.hit.score

    @resolved(
        "At most three passages with words of the query, those with the most different ones first; none"
        " where a memory is found by its meaning alone, or an entry by what was said before it or by its session's"
        " summary."
    )
    async def highlights(self) -> list[SearchHighlight]:
        return list(map(SearchHighlight.of, await self.passages.of(self.number)))


@strawberry.type(description="The answers to a search, the best first.")
class MemorySearchConnection:
    page: strawberry.Private[SearchPage]
    mark: strawberry.Private[str]
    stems: strawberry.Private[tuple[str, ...]]
    follows: strawberry.Private[bool]

    @resolved("The answers, each with its cursor and score.")
    def edges(self) -> list[MemorySearchEdge]:
        found = Passages([hit.memory for hit in self.page.hits], self.stems)
        return [
            MemorySearchEdge(number=number, hit=hit, mark=self.mark, passages=found)
            for number, hit in enumerate(self.page.hits)
        ]

    @resolved("The memories.")
    def nodes(self) -> list[Memory]:
        return [shown(hit.memory) for hit in self.page.hits]

    @resolved("Where the page lies among the answers.")
    def page_info(self) -> PageInfo:
        hits = self.page.hits
        return PageInfo(
            has_next_page=self.page.has_next,
            has_previous_page=self.follows,
            start_cursor=_cursor(self.mark, hits[0].place) if hits else None,
            end_cursor=_cursor(self.mark, hits[-1].place) if hits else None,
        )

    @resolved(
        "By what these were found, never AUTO. FULL_TEXT in answer to AUTO means that the server has no"
        " embedding model, or that it did not answer."
    )
    def mode(self) -> SearchMode:
        return self.page.mode


async def searched(
    context: Context,
    query: str,
    wanted: MemoryFilter | None,
    mode: SearchMode,
    *,
    first: int,
    after: str | None,
) -> MemorySearchConnection:
    """A page of answers. Raises GraphQLError for arguments that cannot be meant."""
    limits = context.memories.limits
    if not query.strip():
        raise refused_argument("query", "query is empty.")
    if len(query) > QUERY_CHARACTERS:
        raise refused_argument("query", f"query has {len(query)} characters; at most {QUERY_CHARACTERS} are allowed.")
    most = limits.page_nodes
    # The default must not be refused where the limit is set lower.
    size = min(first, most) if first == DEFAULT_ANSWERS else first
    if not 0 <= size <= most:
        raise refused_argument("first", f"first is a number from 0 to {most}; this is {first}.")
    meant = MemoryQuery(**(filter_fields(wanted) if wanted is not None else {}))
    if lists_records(meant):
        raise refused_argument("filter", "HISTORY cannot be searched.", path=["types"])
    stems = query_stems(query)
    found_by, place = _place(query, stems, mode, after) if after is not None else (mode, None)
    request = SearchRequest(stems=stems, size=size, candidates=limits.search_candidates, after=place, mode=found_by)
    try:
        with filter_faults_named():
            page = await context.memories.search_for(
                # A page that follows one by meaning is by meaning or not at all.
                context.caller,
                meant,
                request,
                query.strip(),
                firmly=found_by is not SearchMode.AUTO,
            )
    except MeaningUnavailable as unavailable:
        message = "The embedding model does not answer now; try again later, or search with mode FULL_TEXT."
        if not unavailable.configured:
            message = "This server has no embedding model."
        raise refused_argument("mode", message, SEMANTIC_SEARCH_UNAVAILABLE) from None
    return MemorySearchConnection(
        page=page, mark=_mark(query, stems, page.mode), stems=stems, follows=after is not None
    )


_KINDS = {SearchMode.FULL_TEXT: "s", SearchMode.SEMANTIC: "m", SearchMode.HYBRID: "h"}
_PLACE = re.compile(r"([smh]):([0-9a-f]{16}):([0-9]{1,15}):(-?[0-9]{1,18}):([0-9]{1,18})\Z")


def _mark(query: str, stems: tuple[str, ...], mode: SearchMode) -> str:
    """What binds a cursor to a query: by what it finds, and the words that are asked for, or, by meaning, all of it."""
    asked = " ".join(stems) if mode is SearchMode.FULL_TEXT else query.strip()
    return f"{_KINDS[mode]}:{hashlib.blake2b(asked.encode(errors='surrogatepass'), digest_size=8).hexdigest()}"


def _cursor(mark: str, place: SearchPlace) -> str:
    plain = f"{mark}:{place.score}:{place.created_at}:{place.arrival}"
    return base64.urlsafe_b64encode(plain.encode()).rstrip(b"=").decode()


def _place(query: str, stems: tuple[str, ...], mode: SearchMode, text: str) -> tuple[SearchMode, SearchPlace]:
    """A cursor's place, and by what that was found, which AUTO goes on with."""
    try:
        plain = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)).decode("ascii")
    except (binascii.Error, ValueError):
        plain = ""
    found = _PLACE.match(plain)
    if found is not None:
        [of] = [each for each, kind in _KINDS.items() if kind == found[1]]
        mark = _mark(query, stems, of)
        place = SearchPlace(score=int(found[3]), created_at=int(found[4]), arrival=int(found[5]))
        if f"{found[1]}:{found[2]}" == mark and mode in (of, SearchMode.AUTO) and _cursor(mark, place) == text:
            return of, place
    raise refused_argument("after", "This is not a cursor of this search.", CURSOR_INVALID)
