"""Where documents of a kind are read from: a part at a time, in one order, or by their ids."""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

from mnesis.domain.containers import Container
from mnesis.domain.filters import MemoryFilter, MemoryOrder, filter_faults
from mnesis.domain.history import HistoryRecord
from mnesis.domain.ids import parse_record_id
from mnesis.domain.memory import Memory
from mnesis.domain.memory_types import MemoryType
from mnesis.facades.opensearch.conditions import Between, Condition
from mnesis.facades.opensearch.configuration import CONTAINER_INDEX, index_of
from mnesis.facades.opensearch.documents import container_source, record_source, source_of
from mnesis.facades.opensearch.http import Asked
from mnesis.facades.opensearch.narrowing import Narrowed, every, narrowed
from mnesis.facades.opensearch.searched_fields import Field, FieldKind
from mnesis.usecases.ports import MemoryQuery, PageRequest, RecordQuery

PART = 100
"""How many documents are read at once."""
_CREATED = Field(name="created_time", key="created_time", kind=FieldKind.DATE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """A document with what OpenSearch tells of it."""

    index: str
    id: str
    version: int
    seq_no: int
    source: dict[str, Any]

    @property
    def document(self) -> dict[str, Any]:
        """What conditions look at."""
        return {"_id": self.id, **self.source}


class Shelf(Protocol):
    """Documents of one kind, those that may meet a condition.

    Where it is ``exact``, all of them do. ``timed`` tells that they can come in the order of ``created_time``.
    """

    exact: bool
    timed: bool

    async def count(self) -> int:
        """How many there are."""
        ...

    async def size(self) -> int:
        """How many there are beside those that cannot meet the condition, too."""
        ...

    def parts(self, *, newest_first: bool, first: int | None) -> AsyncIterator[Sequence[Shown]]:
        """All of them; where they are ``timed``, by ``created_time``, from ``first`` on."""
        ...

    async def fetched(self, ids: Sequence[str]) -> Mapping[str, Shown]:
        """Those with these ids that are still there."""
        ...


class MemoryShelf:
    """Sessions, working or long-term memories in a container."""

    timed = True

    def __init__(self, asked: Asked, container: Container, kind: MemoryType, condition: Condition) -> None:
        self._asked = asked
        self._container = container
        self._kind = kind
        self._whole = MemoryFilter(types=frozenset({kind}), container_id=container.id)
        self.filter, self.exact = self._narrowed(narrowed(condition, kind, container.id))

    def _narrowed(self, found: Narrowed) -> tuple[MemoryFilter, bool]:
        whole = self._whole
        wanted = replace(whole, every=(found.filter,)) if found.filter is not None else whole
        if filter_faults(wanted, self._asked.memories.limits):
            # More than a filter can hold: all of the container's are looked at.
            return whole, False
        return wanted, found.exact

    async def count(self) -> int:
        """How many there are."""
        return await self._asked.memories.count_memories(self._asked.caller, _query(self.filter))

    async def size(self) -> int:
        """How many memories of the type the container holds."""
        return await self._asked.memories.count_memories(self._asked.caller, _query(self._whole))

    async def parts(self, *, newest_first: bool, first: int | None) -> AsyncIterator[Sequence[Shown]]:
        """All of them by ``created_time``, from ``first`` on."""
        wanted = self.filter
        if first is not None:
            bound = Between(field=_CREATED, low=None if newest_first else first, high=first if newest_first else None)
            beyond = self._narrowed(every([Narrowed(filter=wanted), narrowed(bound, self._kind, self._container.id)]))
            wanted = beyond[0] if beyond[1] else wanted
        order = MemoryOrder.CREATED_AT_DESC if newest_first else MemoryOrder.CREATED_AT_ASC
        page = PageRequest(size=PART)
        while True:
            found = await self._asked.memories.list_memories(self._asked.caller, _query(wanted, order), page)
            yield [self._shown(each) for each in found.rows]
            if not found.has_next:
                return
            page = PageRequest(size=PART, after=found.cursors[-1])

    async def fetched(self, ids: Sequence[str]) -> Mapping[str, Shown]:
        """Those with these ids that are still there."""
        found = await self._asked.memories.memories(self._asked.caller, ids)
        return {id: self._shown(each) for id, each in found.items()}

    def _shown(self, memory: Memory) -> Shown:
        return shown_memory(memory, self._container)


class RecordShelf:
    """History records in a container, the last committed first."""

    timed = False

    def __init__(self, asked: Asked, container: Container, condition: Condition) -> None:
        self._asked = asked
        self._container = container
        self._query = RecordQuery(container_id=container.id)
        found = narrowed(condition, MemoryType.HISTORY, container.id)
        self.exact = found.exact
        for part in _conjunction(found.filter):
            query = _record_query(self._query, part)
            self.exact = self.exact and query is not None
            self._query = query or self._query

    async def count(self) -> int:
        """How many there are."""
        return await self._asked.memories.count_records(self._asked.caller, self._query)

    async def size(self) -> int:
        """The same: its documents have few words."""
        return await self.count()

    async def parts(self, *, newest_first: bool, first: int | None) -> AsyncIterator[Sequence[Shown]]:
        """All of them."""
        page = PageRequest(size=PART)
        while True:
            found = await self._asked.memories.list_records(self._asked.caller, self._query, page)
            yield [self._shown(each) for each in found.rows]
            if not found.has_next:
                return
            page = PageRequest(size=PART, after=found.cursors[-1])

    async def fetched(self, ids: Sequence[str]) -> Mapping[str, Shown]:
        """Those with these ids that are still there."""
        named = [each for each in map(parse_record_id, ids) if each is not None]
        found = await self._asked.memories.records(self._asked.caller, named)
        return {str(id): self._shown(each) for id, each in found.items()}

    def _shown(self, record: HistoryRecord) -> Shown:
        index = index_of(self._container, MemoryType.HISTORY)
        return Shown(index=index, id=record.id, version=1, seq_no=record.change, source=record_source(record))


class ContainerShelf:
    """The containers of a tenant, by id."""

    exact = False
    timed = False

    def __init__(self, asked: Asked) -> None:
        self._asked = asked

    async def count(self) -> int:
        """How many there are."""
        return await self._asked.memories.count_containers(self._asked.caller)

    async def size(self) -> int:
        """The same: its documents have few words."""
        return await self.count()

    async def parts(self, *, newest_first: bool, first: int | None) -> AsyncIterator[Sequence[Shown]]:
        """All of them."""
        page = PageRequest(size=PART)
        while True:
            found = await self._asked.memories.list_containers(self._asked.caller, page)
            yield list(map(shown_container, found.rows))
            if not found.has_next:
                return
            page = PageRequest(size=PART, after=found.cursors[-1])

    async def fetched(self, ids: Sequence[str]) -> Mapping[str, Shown]:
        """Those with these ids that are still there."""
        found = await self._asked.memories.containers(self._asked.caller, ids)
        return {id: shown_container(each) for id, each in found.items() if not each.deleted}


def shown_memory(memory: Memory, container: Container) -> Shown:
    """A memory as a document of its container's index."""
    index = index_of(container, memory.type)
    return Shown(index=index, id=memory.id, version=memory.version, seq_no=memory.change, source=source_of(memory))


def shown_container(container: Container) -> Shown:
    """A container as a document."""
    return Shown(
        index=CONTAINER_INDEX,
        id=container.id,
        version=container.version,
        seq_no=max(container.version - 1, 0),
        source=container_source(container),
    )


def _query(wanted: MemoryFilter, order: MemoryOrder = MemoryOrder.CREATED_AT_DESC) -> MemoryQuery:
    return MemoryQuery(types=wanted.types, container_id=wanted.container_id, every=wanted.every, order=order)


def _conjunction(wanted: MemoryFilter | None) -> Sequence[MemoryFilter]:
    if wanted is None:
        return ()
    if wanted.every is None:
        return (wanted,)
    return tuple(part for each in wanted.every for part in _conjunction(each))


def _record_query(query: RecordQuery, part: MemoryFilter) -> RecordQuery | None:
    """The query with one more condition; None where it cannot have it."""
    if part == MemoryFilter(ids=part.ids) and part.ids is not None:
        return replace(query, memory_ids=part.ids if query.memory_ids is None else query.memory_ids & part.ids)
    if part == MemoryFilter(created_at=part.created_at) and query.created_at is None:
        return replace(query, created_at=part.created_at)
    return None
