"""Searches: by query, by meaning, and deletion by query."""

from collections.abc import Mapping
from dataclasses import replace
from time import perf_counter
from typing import Any

from mnesis.domain.caller import Scope
from mnesis.domain.containers import Container
from mnesis.domain.filters import MemoryFilter
from mnesis.domain.memory_types import MemoryType
from mnesis.domain.searching import QUERY_CHARACTERS, SearchMode, query_stems
from mnesis.facades.opensearch.conditions import Condition, Everything, OneOf, Together
from mnesis.facades.opensearch.configuration import configuration_of, has_index, has_strategies, kept
from mnesis.facades.opensearch.dsl import Search, condition_of, search_of
from mnesis.facades.opensearch.errors import illegal_argument, invalid_request, refusal_error, status_error
from mnesis.facades.opensearch.finding import body_object, need_index, the_container
from mnesis.facades.opensearch.http import Asked, filtered
from mnesis.facades.opensearch.kinds import kind_of
from mnesis.facades.opensearch.looking import Hit, Hits, Weight, hits_of, ids_of
from mnesis.facades.opensearch.searched_fields import CONTAINER_FIELDS, FIELDS, field_of, spelled
from mnesis.facades.opensearch.shelves import ContainerShelf, MemoryShelf, RecordShelf, Shelf, shown_memory
from mnesis.usecases.embedding import MeaningUnavailable
from mnesis.usecases.ports import Hit as Found
from mnesis.usecases.ports import MemoryQuery, SearchRequest
from mnesis.usecases.requests import DeleteMemories

FORBIDDEN = "User doesn't have permissions to search memories in this container"
DELETION_FORBIDDEN = "User doesn't have permissions to delete memories in this container"
NO_QUERY = (
    "Query parameter is required for delete by query operation. To delete all documents, explicitly provide a match_all"
    ' query: {"query": {"match_all": {}}}'
)
NEIGHBOURS = 10
MOST_NEIGHBOURS = 10_000
BATCH = 1_000
"""How many documents OpenSearch deletes at once."""
_LEAST_SCORE = 0.001
"""What OpenSearch's min-max normalisation gives the last of several."""
_SHARDS = {"total": 1, "successful": 1, "skipped": 0, "failed": 0}


async def search_memories(asked: Asked) -> dict[str, Any]:
    """``GET`` and ``POST /memory_containers/{container_id}/memories/{type}/_search``."""
    begun = perf_counter()
    if asked.body is None:
        raise illegal_argument("Search memories request has empty body")
    kind = kind_of(asked.path["type"])
    search = search_of(body_object(asked.body), FIELDS[kind])
    container = await the_container(asked, scope=Scope.READ, forbidden=FORBIDDEN)
    need_index(container, kind)
    return _answer(begun, search, await hits_of(_shelf(asked, container, kind, search.condition), search))


async def search_containers(asked: Asked) -> dict[str, Any]:
    """``GET`` and ``POST /memory_containers/_search``."""
    begun = perf_counter()
    search = search_of(body_object(asked.body) if asked.body is not None else {}, CONTAINER_FIELDS)
    return _answer(begun, search, await hits_of(ContainerShelf(asked), search))


async def delete_by_query(asked: Asked) -> dict[str, Any]:
    """``POST /memory_containers/{container_id}/memories/{type}/_delete_by_query``."""
    begun = perf_counter()
    if asked.body is None:
        raise invalid_request("Query is required")
    kind = kind_of(asked.path["type"])
    body = body_object(asked.body)
    if body.get("query") is None:
        raise status_error(400, NO_QUERY)
    search = search_of({name: value for name, value in body.items() if name == "query"}, FIELDS[kind])
    for name in body:
        if name != "query":
            raise illegal_argument(f"request does not support [{name}]")
    container = await the_container(asked, scope=Scope.WRITE, forbidden=DELETION_FORBIDDEN)
    if not has_index(container, kind):
        raise status_error(400, f"Invalid memory type or memory type is disabled: {asked.path['type']}")
    if kind is MemoryType.HISTORY:
        # What has happened stays told here; see the deviations in the documentation.
        raise status_error(403, "Can't delete memory history")
    deleted = await _deleted(asked, MemoryShelf(asked, container, kind, search.condition), search.condition, kind)
    return {
        "took": _took_ms(begun),
        "timed_out": False,
        "total": deleted,
        "updated": 0,
        "created": 0,
        "deleted": deleted,
        "batches": -(-deleted // BATCH),
        "version_conflicts": 0,
        "noops": 0,
        "retries": {"bulk": 0, "search": 0},
        "throttled_millis": 0,
        "requests_per_second": -1.0,
        "throttled_until_millis": 0,
        "failures": [],
    }


async def semantic_search(asked: Asked) -> dict[str, Any]:
    """``GET`` and ``POST /memory_containers/{container_id}/memories/long-term/_semantic_search``."""
    begun = perf_counter()
    if asked.body is None:
        raise illegal_argument("Semantic search memories request has empty body")
    body = body_object(asked.body)
    question, most, least = _question(body, ("query", "k", "namespace", "tags", "min_score", "filter"))
    condition = _condition(body)
    container = await _meant(asked, "Semantic")
    query = await _among(asked, container, condition)
    found = await _nearest(asked, query, question, most, SearchMode.SEMANTIC)
    # OpenSearch's score for a cosine.
    scored = [((1 + each.score) / 2, each) for each in found]
    return _answer(begun, Search(), _best(container, scored, most, least))


async def hybrid_search(asked: Asked) -> dict[str, Any]:
    """``GET`` and ``POST /memory_containers/{container_id}/memories/long-term/_hybrid_search``."""
    begun = perf_counter()
    if asked.body is None:
        raise illegal_argument("Hybrid search memories request has empty body")
    body = body_object(asked.body)
    known = ("query", "k", "namespace", "tags", "min_score", "filter", "bm25_weight", "neural_weight")
    question, most, least = _question(body, known)
    words_weight, meaning_weight = _weights(body)
    condition = _condition(body)
    container = await _meant(asked, "Hybrid")
    query = await _among(asked, container, condition)
    scores: dict[str, float] = {}
    found: dict[str, Found] = {}
    for mode, weight in ((SearchMode.FULL_TEXT, words_weight), (SearchMode.SEMANTIC, meaning_weight)):
        hits = await _nearest(asked, query, question, most, mode)
        for hit, share in zip(hits, _normalised([hit.score for hit in hits]), strict=True):
            found[hit.memory.id] = hit
            scores[hit.memory.id] = scores.get(hit.memory.id, 0.0) + weight * share
    scored = sorted(((scores[id], hit) for id, hit in found.items()), key=lambda each: -each[0])
    return _answer(begun, Search(), _best(container, scored, most, least))


def _shelf(asked: Asked, container: Container, kind: MemoryType, condition: Condition) -> Shelf:
    if kind is MemoryType.HISTORY:
        return RecordShelf(asked, container, condition)
    return MemoryShelf(asked, container, kind, condition)


async def _deleted(asked: Asked, shelf: MemoryShelf, condition: Condition, kind: MemoryType) -> int:
    """How many memories of the type were deleted; entries that went with their sessions are not among them."""
    if shelf.exact:
        return await _delete(asked, shelf.filter, kind)
    ids = await ids_of(shelf, condition)
    size = asked.memories.limits.commands
    deleted = 0
    for start in range(0, len(ids), size):
        named = frozenset(ids[start : start + size])
        deleted += await _delete(asked, replace(shelf.filter, ids=named), kind)
    return deleted


async def _delete(asked: Asked, wanted: MemoryFilter, kind: MemoryType) -> int:
    receipt = await asked.memories.delete_memories(asked.caller, DeleteMemories(filter=wanted))
    if receipt.refusals:
        raise refusal_error(receipt.refusals, forbidden=DELETION_FORBIDDEN)
    counts = receipt.counts
    match kind:
        case MemoryType.SESSION:
            return counts.sessions
        case MemoryType.WORKING:
            return counts.working
        case _:
            return counts.long_term


def _question(body: Mapping[str, Any], known: tuple[str, ...]) -> tuple[str, int, float | None]:
    """What is asked, how many answers are wanted, and how good they must be at least."""
    for name in body:
        if name not in known:
            raise illegal_argument(f"request does not support [{name}]")
    question = body.get("query")
    if question is None or (isinstance(question, str) and not question.strip()):
        raise illegal_argument("query cannot be null or blank")
    if not isinstance(question, str):
        raise illegal_argument("query must be a text")
    if len(question) > QUERY_CHARACTERS:
        raise illegal_argument(f"query must have at most {QUERY_CHARACTERS} characters")
    most = body.get("k", NEIGHBOURS)
    if isinstance(most, bool) or not isinstance(most, int) or not 1 <= most <= MOST_NEIGHBOURS:
        raise illegal_argument(f"k must be between 1 and {MOST_NEIGHBOURS}")
    return question.strip(), most, _number(body, "min_score")


def _number(body: Mapping[str, Any], name: str) -> float | None:
    value = body.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float | None):
        raise illegal_argument(f"{name} must be a number")
    return value


def _weights(body: Mapping[str, Any]) -> tuple[float, float]:
    words, meaning = (_number(body, name) for name in ("bm25_weight", "neural_weight"))
    words, meaning = (0.5 if weight is None else weight for weight in (words, meaning))
    if not (0 <= words <= 1 and 0 <= meaning <= 1):
        raise illegal_argument("bm25_weight and neural_weight must be between 0.0 and 1.0")
    if abs(words + meaning - 1) > 1e-6:
        raise illegal_argument(f"bm25_weight and neural_weight must sum to 1.0, got {words + meaning}")
    return words, meaning


def _condition(body: Mapping[str, Any]) -> Condition:
    """What the answers must meet: the ``filter``, and every value of ``namespace`` and ``tags``."""
    fields = FIELDS[MemoryType.LONG_TERM]
    conditions: list[Condition] = []
    for name in ("namespace", "tags"):
        wanted = body.get(name) or {}
        if not isinstance(wanted, dict):
            raise illegal_argument(f"{name} must be an object")
        for key, value in wanted.items():
            field = field_of(fields, f"{name}.{key}")
            if field is None or value is None or isinstance(value, list | dict):
                raise illegal_argument(f"{name}.{key} must be a text, a number or a boolean")
            conditions.append(OneOf(field=field, values=frozenset({spelled(value)})))
    if body.get("filter") is not None:
        conditions.append(condition_of(body["filter"], fields))
    return Together(filters=tuple(conditions)) if conditions else Everything()


async def _meant(asked: Asked, search: str) -> Container:
    """The container, where its memories can be found by meaning. Raises `OpenSearchError`."""
    container = await the_container(asked, scope=Scope.READ, forbidden=FORBIDDEN)
    if kept(container) is None:
        return container
    configuration = configuration_of(container)
    if not configuration.get("embedding_model_type"):
        raise status_error(400, no_model(search))
    if not has_strategies(configuration):
        raise status_error(
            400,
            "This memory container does not have any memory strategies configured."
            f" {search} search requires long-term memories which are created through memory strategies."
            " Please update the memory container configuration to add at least one strategy.",
        )
    return container


def no_model(search: str) -> str:
    """Why nothing can be found by meaning."""
    return (
        f"This memory container does not have an embedding model configured. {search} search requires a memory"
        " container with an embedding model (TEXT_EMBEDDING or SPARSE_ENCODING). Please update the memory container"
        " configuration to add an embedding model."
    )


async def _among(asked: Asked, container: Container, condition: Condition) -> MemoryQuery:
    """The long-term memories that meet a condition: named one by one where the store cannot tell them."""
    shelf = MemoryShelf(asked, container, MemoryType.LONG_TERM, condition)
    whole = MemoryQuery(types=shelf.filter.types, container_id=shelf.filter.container_id)
    if shelf.exact:
        return replace(whole, every=shelf.filter.every)
    ids = await ids_of(shelf, condition)
    size = asked.memories.limits.commands
    parts = tuple(MemoryFilter(ids=frozenset(ids[start : start + size])) for start in range(0, len(ids), size))
    return replace(whole, either=parts)


async def _nearest(asked: Asked, query: MemoryQuery, question: str, most: int, mode: SearchMode) -> tuple[Found, ...]:
    candidates = asked.memories.limits.search_candidates
    request = SearchRequest(stems=query_stems(question), size=most, candidates=candidates, mode=mode)
    try:
        return (await asked.memories.search_for(asked.caller, query, request, question, firmly=True)).hits
    except MeaningUnavailable as unavailable:
        if not unavailable.configured:
            raise status_error(
                400, "This server has no embedding model, so that nothing can be found by meaning."
            ) from None
        raise status_error(503, "The embedding model does not answer now; try again later.") from None


def _normalised(scores: list[float]) -> list[float]:
    """Scores between 0 and 1, as OpenSearch's ``min_max`` has it."""
    low, high = min(scores, default=0.0), max(scores, default=0.0)
    if low == high:
        return [1.0 for _ in scores]
    return [max((score - low) / (high - low), _LEAST_SCORE) for score in scores]


def _best(container: Container, scored: list[tuple[float, Found]], most: int, least: float | None) -> Hits:
    kept_hits = [(score, found) for score, found in scored[:most] if least is None or score >= least]
    weight = Weight()
    hits = []
    for score, found in kept_hits:
        shown = shown_memory(found.memory, container)
        weight.add(shown)
        hits.append(Hit(shown=shown, score=score))
    return Hits(total=len(hits), hits=tuple(hits), best=hits[0].score if hits else None)


def _answer(begun: float, search: Search, found: Hits) -> dict[str, Any]:
    return {
        "took": _took_ms(begun),
        "timed_out": False,
        "_shards": dict(_SHARDS),
        "hits": {
            "total": {"value": found.total, "relation": "eq"},
            "max_score": found.best,
            "hits": [_hit(search, each) for each in found.hits],
        },
    }


def _hit(search: Search, hit: Hit) -> dict[str, Any]:
    shown = hit.shown
    told: dict[str, Any] = {
        "_index": shown.index,
        "_id": shown.id,
        "_version": shown.version,
        "_seq_no": shown.seq_no,
        "_primary_term": 1,
        "_score": hit.score,
    }
    if search.shows_source:
        patterns = [*search.includes, *(f"-{pattern}" for pattern in search.excludes)]
        told["_source"] = filtered(shown.source, patterns) if patterns else shown.source
    if search.orders:
        told["sort"] = list(hit.values)
    return told


def _took_ms(begun: float) -> int:
    return int((perf_counter() - begun) * 1000)
