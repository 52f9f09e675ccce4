"""The use cases that read: check the scope, then ask the reader."""

from collections.abc import Collection, Mapping
from dataclasses import replace
from datetime import datetime

from mnesis.domain.caller import Caller, Scope
from mnesis.domain.containers import Container
from mnesis.domain.filters import MemoryFilter, filter_faults, nested_history_faults, record_filter_faults
from mnesis.domain.history import HistoryRecord
from mnesis.domain.ids import RecordId, is_id
from mnesis.domain.limits import Limits
from mnesis.domain.memory import Memory
from mnesis.domain.quotas import Quotas, Usage
from mnesis.domain.refusals import Forbidden, Refused
from mnesis.domain.searching import SearchMode
from mnesis.usecases.embedding import MeaningUnavailable, Questions
from mnesis.usecases.ports import (
    MemoryQuery,
    MemoryReader,
    Page,
    PageRequest,
    PastMemory,
    RecordQuery,
    SearchPage,
    SearchRequest,
)


class ReadableMemories:
    """Reads on behalf of a caller. Every method raises `Refused` when the caller may not read."""

    def __init__(self, reader: MemoryReader, limits: Limits, questions: Questions | None = None) -> None:
        self._reader = reader
        self._reading_limits = limits
        self._questions = questions or Questions(None)

    async def memories(self, caller: Caller, ids: Collection[str]) -> Mapping[str, Memory]:
        """The live memories among these ids."""
        _check(caller)
        return await self._reader.memories(caller, {_readable(each) for each in ids})

    async def past_memory(
        self, caller: Caller, memory_id: str, *, version: int | None = None, at: datetime | None = None
    ) -> PastMemory | None:
        """The memory as it was at a version or at a time; None where there was none.

        Raises `mnesis.domain.time_travel.NotKept` where it was there, but its history is not kept that far back.
        """
        _check(caller)
        if not is_id(memory_id):
            return None
        return await self._reader.past_memory(caller, memory_id, version=version, at=at)

    async def records(self, caller: Caller, ids: Collection[RecordId]) -> Mapping[RecordId, HistoryRecord]:
        """The history records among these ids."""
        _check(caller)
        return await self._reader.records(caller, ids)

    async def containers(self, caller: Caller, ids: Collection[str]) -> Mapping[str, Container]:
        """The containers among these ids, and what is left of deleted ones."""
        _check(caller)
        return await self._reader.containers(caller, {_readable(each) for each in ids})

    async def list_containers(self, caller: Caller, page: PageRequest) -> Page[Container]:
        """A page of the containers by id."""
        _check(caller)
        return await self._reader.list_containers(caller, page)

    async def count_containers(self, caller: Caller) -> int:
        """How many containers there are."""
        _check(caller)
        return await self._reader.count_containers(caller)

    async def count_memories_of(self, caller: Caller, container_ids: Collection[str]) -> Mapping[str, int]:
        """How many memories each of these containers holds."""
        _check(caller)
        return await self._reader.count_memories_of(caller, container_ids)

    async def list_memories(self, caller: Caller, query: MemoryQuery, page: PageRequest) -> Page[Memory]:
        """A page of memories in the query's order. Raises `Refused` for a filter that cannot be meant, too."""
        self._check_query(caller, query)
        return await self._reader.list_memories(caller, query, page)

    async def count_memories(self, caller: Caller, query: MemoryQuery) -> int:
        """How many memories a query finds."""
        self._check_query(caller, query)
        return await self._reader.count_memories(caller, query)

    def record_query(self, caller: Caller, wanted: MemoryFilter) -> RecordQuery:
        """What a filter asks of history memories. Raises `Refused` for what cannot be asked of them, too."""
        _check(caller)
        faults = record_filter_faults(wanted) or filter_faults(wanted, self._reading_limits)
        if faults:
            raise Refused(*faults)
        return RecordQuery(
            memory_ids=wanted.ids,
            container_id=wanted.container_id,
            session_id=wanted.session_id,
            created_at=wanted.created_at,
        )

    async def search_memories(self, caller: Caller, query: MemoryQuery, request: SearchRequest) -> SearchPage:
        """The memories of a query that have words of a request, the best answers first.

        Raises `Refused` for a filter that cannot be meant, too.
        """
        self._check_query(caller, query)
        return await self._reader.search_memories(caller, query, request)

    async def search_for(
        self, caller: Caller, query: MemoryQuery, request: SearchRequest, question: str, *, firmly: bool
    ) -> SearchPage:
        """The memories of a query that answer a question, the best answers first.

        ``request.mode`` says by what they are found; where nothing can be found by meaning it falls back to full text,
        unless it is meant ``firmly``. Raises `mnesis.usecases.embedding.MeaningUnavailable`, and `Refused` for a filter
        that cannot be meant, too.
        """
        self._check_query(caller, query)
        mode = request.mode
        if mode is SearchMode.AUTO:
            mode = SearchMode.HYBRID if self._questions.can_be_meant else SearchMode.FULL_TEXT
        meant = None
        if mode is not SearchMode.FULL_TEXT:
            try:
                meant = await self._questions.meaning(question)
            except MeaningUnavailable:
                if firmly:
                    raise
                mode = SearchMode.FULL_TEXT
        vectors = self._reading_limits.search_vectors
        return await self._reader.search_memories(
            caller, query, replace(request, mode=mode, meant=meant, vectors=vectors)
        )

    @property
    def can_be_meant(self) -> bool:
        """Whether memories can be found by meaning at all."""
        return self._questions.can_be_meant

    async def count_awaiting_embedding(self, caller: Caller) -> int | None:
        """How many memories are not found by meaning as they are; None where there is no model."""
        _check(caller)
        if not self._questions.can_be_meant:
            return None
        return await self._reader.count_awaiting_embedding(caller)

    async def quotas(self, caller: Caller) -> tuple[Quotas, Usage] | None:
        """What the tenant may use and uses; None where nothing is bounded."""
        _check(caller)
        return await self._reader.quotas(caller)

    async def list_records(self, caller: Caller, query: RecordQuery, page: PageRequest) -> Page[HistoryRecord]:
        """A page of history records, the last committed first."""
        _check(caller)
        return await self._reader.list_records(caller, _records_meant(query), page)

    async def count_records(self, caller: Caller, query: RecordQuery) -> int:
        """How many history records a query finds."""
        _check(caller)
        return await self._reader.count_records(caller, _records_meant(query))

    async def entries(
        self, caller: Caller, session_ids: Collection[str], page: PageRequest
    ) -> Mapping[str, Page[Memory]]:
        """The same page of each session's entries, oldest first."""
        _check(caller)
        return await self._reader.entries(caller, session_ids, page)

    async def count_entries(self, caller: Caller, session_ids: Collection[str]) -> Mapping[str, int]:
        """How many entries each of these sessions has."""
        _check(caller)
        return await self._reader.count_entries(caller, session_ids)

    async def histories(
        self, caller: Caller, memory_ids: Collection[str], page: PageRequest
    ) -> Mapping[str, Page[HistoryRecord]]:
        """The same page of each memory's history, newest version first."""
        _check(caller)
        return await self._reader.histories(caller, memory_ids, page)

    async def count_histories(self, caller: Caller, memory_ids: Collection[str]) -> Mapping[str, int]:
        """How many records of each of these memories are kept."""
        _check(caller)
        return await self._reader.count_histories(caller, memory_ids)

    def _check_query(self, caller: Caller, query: MemoryQuery) -> None:
        _check(caller)
        faults = filter_faults(query, self._reading_limits) or nested_history_faults(query, top=False)
        if faults:
            raise Refused(*faults)


def _readable(text: str) -> str:
    """The text where it can be an id, else one that is none: not every database can even read any text."""
    return text if is_id(text) else ""


def _readable_all(texts: frozenset[str] | None) -> frozenset[str] | None:
    return None if texts is None else frozenset(map(_readable, texts))


def _readable_or_none(text: str | None) -> str | None:
    return None if text is None else _readable(text)


def _records_meant(query: RecordQuery) -> RecordQuery:
    return replace(
        query,
        memory_ids=_readable_all(query.memory_ids),
        container_id=_readable_or_none(query.container_id),
        session_id=_readable_or_none(query.session_id),
    )


def _check(caller: Caller) -> None:
    if not caller.may(Scope.READ):
        raise Refused(Forbidden(required_scope=Scope.READ))
