"""``search`` and ``traces``: entries and documents by what they mean, and a trace of every search.

Scores are from 0 to 1. Where the server has an embedding model and the mode is ``standard``, a score is the similarity
of the meanings; otherwise memories are found by their words, and the best of them has the score 1. Not documented:
everything that reaches ``minimum_similarity_threshold`` is answered, and ``similarity_threshold`` is only checked.
"""

from collections.abc import Mapping
from typing import Any

from starlette.responses import Response

from mnesis.domain.filters import MemoryFilter
from mnesis.domain.json_values import JsonObject
from mnesis.domain.memory import Memory
from mnesis.domain.memory_types import MemoryType
from mnesis.domain.searching import QUERY_CHARACTERS, SearchMode, query_stems
from mnesis.domain.times import instant_text
from mnesis.facades.alchemyst.bodies import Asked, groups, mapping, one_of, required_text, text, without_groups
from mnesis.facades.alchemyst.documents import SCOPES
from mnesis.facades.alchemyst.errors import NotServed, invalid
from mnesis.usecases.memories import Memories
from mnesis.usecases.ports import MemoryQuery, SearchRequest
from mnesis.usecases.traces import Trace, Traces
from mnesis.web.answers import json_answer

FEWER = 10
"""How many memories are answered in the mode ``fast``."""
TRACE_TYPE = "context.search"
MOST_TRACES = 100
_SEARCHED = frozenset({MemoryType.WORKING, MemoryType.LONG_TERM})


async def search(memories: Memories, traces: Traces, asked: Asked) -> Response:
    """The memories that answer a query, the best first."""
    body = asked.body
    question = required_text(body, "query").strip()
    if not question or len(question) > QUERY_CHARACTERS:
        raise invalid(f"query must have 1 to {QUERY_CHARACTERS} characters", "query")
    least = _threshold(body, "minimum_similarity_threshold")
    if _threshold(body, "similarity_threshold") < least:
        raise invalid("similarity_threshold must be >= minimum_similarity_threshold", "similarity_threshold")
    shows_metadata = one_of(asked.query.get("metadata"), "metadata", ("true", "false"), "false") == "true"
    fast = one_of(asked.query.get("mode"), "mode", ("fast", "standard"), "standard") == "fast"
    wanted = _filter(body)
    request = SearchRequest(
        stems=query_stems(question),
        size=min(FEWER, memories.limits.page_nodes) if fast else memories.limits.page_nodes,
        candidates=memories.limits.search_candidates,
        mode=SearchMode.FULL_TEXT if fast or not memories.can_be_meant else SearchMode.SEMANTIC,
    )
    page = await memories.search_for(asked.caller, wanted, request, question, firmly=False)
    best = page.hits[0].score if page.hits else 1.0
    contexts = []
    for hit in page.hits:
        score = hit.score if page.mode is SearchMode.SEMANTIC else hit.score / best
        score = round(min(max(score, 0.0), 1.0), 6)
        if score >= least:
            contexts.append(_context(hit.memory, score, shows_metadata=shows_metadata))
    data: JsonObject = {"query": question}
    await traces.log(asked.caller, TRACE_TYPE, data)
    return json_answer({"contexts": contexts}, status=202)


async def list_traces(traces: Traces, asked: Asked) -> Response:
    """The caller's own traces, the newest first."""
    page, limit = _number(asked.query, "page", 1, 2**31), _number(asked.query, "limit", 10, MOST_TRACES)
    rows, total = await traces.listed(asked.caller, size=limit, skipped=(page - 1) * limit)
    pages = -(-total // limit)
    pagination = {
        "page": page,
        "limit": limit,
        "total": total,
        "totalPages": pages,
        "hasNextPage": page < pages,
        "hasPrevPage": page > 1,
    }
    return json_answer({"traces": [_shown(asked, each) for each in rows], "pagination": pagination})


async def delete_trace(traces: Traces, asked: Asked) -> Response:
    """Deletes one of the caller's own traces, which the answer shows."""
    gone = await traces.deleted(asked.caller, asked.path["trace_id"])
    if gone is None:
        raise NotServed(404, "Trace not found", {"code": "NOT_FOUND"})
    return json_answer({"trace": _shown(asked, gone)})


def _shown(asked: Asked, trace: Trace) -> dict[str, Any]:
    time = instant_text(trace.created_at)
    return {
        "_id": trace.id,
        "userId": asked.caller.subject,
        "organizationId": asked.caller.tenant,
        "type": trace.type,
        "data": trace.data,
        "createdAt": time,
        "updatedAt": time,
    }


def _filter(body: Mapping[str, Any]) -> MemoryQuery:
    """Groups are in the namespace; other metadata is an entry's metadata, or a document's tags."""
    scope = one_of(text(body, "scope"), "scope", SCOPES, "internal")
    metadata = mapping(body, "body_metadata")
    text(body, "user_id")
    named = groups(metadata, at="body_metadata")
    rest = without_groups(metadata)
    external = MemoryFilter(tags={"scope": "external"})
    return MemoryQuery(
        types=_SEARCHED,
        namespace={"groupName": list(named)} if named else None,
        tags={"scope": "external"} if scope == "external" else None,
        never=external if scope == "internal" else None,
        either=(MemoryFilter(metadata=rest), MemoryFilter(tags=rest)) if rest else None,
    )


def _context(memory: Memory, score: float, *, shows_metadata: bool) -> dict[str, Any]:
    context: dict[str, Any] = {
        "content": _content(memory),
        "score": score,
        "createdAt": instant_text(memory.created_at),
        "updatedAt": instant_text(memory.updated_at),
    }
    if shows_metadata:
        stored = memory.values["tags" if memory.type is MemoryType.LONG_TERM else "metadata"]
        context["metadata"] = {
            **(stored if isinstance(stored, dict) else {}),
            **{name: memory.namespace[name] for name in ("groupName",) if name in memory.namespace},
            "memoryId": memory.id,
        }
        if memory.session_id is not None:
            context["metadata"]["sessionId"] = memory.session_id
    return context


def _content(memory: Memory) -> str:
    if memory.type is MemoryType.LONG_TERM:
        return str(memory.values["memory"])
    content, messages = memory.values["content"], memory.values["messages"]
    if isinstance(content, str):
        return content
    assert isinstance(messages, tuple)
    return "\n".join(each.text for each in messages if each.text is not None)


def _threshold(body: Mapping[str, Any], name: str) -> float:
    value = body.get(name)
    if value is None:
        raise invalid(f"{name} field is required", name)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
        raise invalid(f"{name} must be a number from 0 to 1", name)
    return value


def _number(query: Mapping[str, str], name: str, default: int, most: int) -> int:
    value = query.get(name)
    if value is None:
        return default
    if not value.isascii() or not value.isdecimal() or not 1 <= int(value[:12]) <= most:
        raise invalid(f"{name} must be a number from 1 to {most}", name)
    return int(value)
