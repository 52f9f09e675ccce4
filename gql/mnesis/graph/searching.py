"""Searching: how a question is put, and what is shown of each answer."""

import base64
import binascii
import hashlib
import re

import strawberry

from mnesis.domain.filters import lists_records
from mnesis.domain.searching import QUERY_CHARACTERS, Passage, SearchMode, query_stems
from mnesis.graph.connections import PageInfo
from mnesis.graph.context import Context
from mnesis.graph.enums import described_enum
from mnesis.graph.faults import CURSOR_INVALID, refused_argument
from mnesis.graph.filters import MemoryFilter, filter_fields
from mnesis.graph.listing import filter_faults_named
from mnesis.graph.memory import Memory
from mnesis.graph.present import shown
from mnesis.usecases.ports import Hit, MemoryQuery, SearchPlace, SearchRequest

SEMANTIC_SEARCH_UNAVAILABLE = "SEMANTIC_SEARCH_UNAVAILABLE"
DEFAULT_ANSWERS = 10

described_enum(
    SearchMode,
    "By what memories are found.",
    {
        SearchMode.AUTO: "The best that the server can do: today, their words.",
        SearchMode.FULL_TEXT: "By their words: stems, any of those in the query, rare ones weighing more (BM25).",
        SearchMode.SEMANTIC: "By their meaning. Refused with SEMANTIC_SEARCH_UNAVAILABLE without an embedding model.",
        SearchMode.HYBRID: "By words and meaning. Refused with SEMANTIC_SEARCH_UNAVAILABLE without an embedding model.",
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


@strawberry.type(description="An answer to a search and its place.")
class MemorySearchEdge:
    cursor: str = strawberry.field(description="The place of the answer, for `after` with the same query. Opaque.")
    node: Memory = strawberry.field(description="The memory.")
    score: float = strawberry.field(
        description="How well it answers, more than 0. Comparable within one search, not between two."
    )
    highlights: list[SearchHighlight] = strawberry.field(
        description="At most three passages with words of the query, those with the most different ones first; none"
        " where an entry is found by what was said before it or by its session's summary."
    )


@strawberry.type(description="The answers to a search, the best first.")
class MemorySearchConnection:
    edges: list[MemorySearchEdge] = strawberry.field(description="The answers, each with its cursor and score.")
    nodes: list[Memory] = strawberry.field(description="The memories.")
    page_info: PageInfo = strawberry.field(description="Where the page lies among the answers.")


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
    if mode in (SearchMode.SEMANTIC, SearchMode.HYBRID):
        raise refused_argument("mode", "This server has no embedding model.", SEMANTIC_SEARCH_UNAVAILABLE)
    most = limits.page_nodes
    # The default must not be refused where the limit is set lower.
    size = min(first, most) if first == DEFAULT_ANSWERS else first
    if not 0 <= size <= most:
        raise refused_argument("first", f"first is a number from 0 to {most}; this is {first}.")
    meant = MemoryQuery(**(filter_fields(wanted) if wanted is not None else {}))
    if lists_records(meant):
        raise refused_argument("filter", "HISTORY cannot be searched.", path=["types"])
    stems = query_stems(query)
    mark = _mark(stems)
    request = SearchRequest(
        stems=stems,
        size=size,
        candidates=limits.search_candidates,
        after=_place(mark, after) if after is not None else None,
    )
    with filter_faults_named():
        page = await context.memories.search_memories(context.caller, meant, request)
    edges = [_edge(mark, hit) for hit in page.hits]
    return MemorySearchConnection(
        edges=edges,
        nodes=[edge.node for edge in edges],
        page_info=PageInfo(
            has_next_page=page.has_next,
            has_previous_page=after is not None,
            start_cursor=edges[0].cursor if edges else None,
            end_cursor=edges[-1].cursor if edges else None,
        ),
    )


def _edge(mark: str, hit: Hit) -> MemorySearchEdge:
    return MemorySearchEdge(
        cursor=_cursor(mark, hit.place),
        node=shown(hit.memory),
        score=hit.score,
        highlights=list(map(SearchHighlight.of, hit.passages)),
    )


_PLACE = re.compile(r"s:([0-9a-f]{16}):([0-9]{1,15}):(-?[0-9]{1,18}):([0-9]{1,18})\Z")


def _mark(stems: tuple[str, ...]) -> str:
    """What binds a cursor to a query: the words that are asked for."""
    return hashlib.blake2b(" ".join(stems).encode(), digest_size=8).hexdigest()


def _cursor(mark: str, place: SearchPlace) -> str:
    plain = f"s:{mark}:{place.score}:{place.created_at}:{place.arrival}"
    return base64.urlsafe_b64encode(plain.encode()).rstrip(b"=").decode()


def _place(mark: str, text: str) -> SearchPlace:
    try:
        plain = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)).decode("ascii")
    except (binascii.Error, ValueError):
        plain = ""
    found = _PLACE.match(plain)
    if found is None or found[1] != mark:
        raise refused_argument("after", "This is not a cursor of this search.", CURSOR_INVALID)
    place = SearchPlace(score=int(found[2]), created_at=int(found[3]), arrival=int(found[4]))
    if _cursor(mark, place) != text:
        raise refused_argument("after", "This is not a cursor of this search.", CURSOR_INVALID)
    return place
