"""What the use cases need of a store, in the domain's words; ``storage/`` fulfils it."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Generic, Protocol, TypeVar

from mnesis.domain.caller import Caller
from mnesis.domain.commands import Batch, BatchOutcome
from mnesis.domain.history import HistoryRecord
from mnesis.domain.ids import RecordId
from mnesis.domain.memory import Memory
from mnesis.domain.memory_types import MemoryType
from mnesis.domain.searching import Passage

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Container:
    """A named partition of a tenant. ``created_at`` is None for a default container not yet written to."""

    id: str
    name: str
    created_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Cursor:
    """A place in an order: the sort value (microseconds, or a version) and the arrival that breaks ties."""

    value: int
    tie: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class PageRequest:
    """Which part of an order is wanted: ``size`` rows after or before a place, the last ones when ``backward``."""

    size: int
    after: Cursor | None = None
    before: Cursor | None = None
    backward: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Page(Generic[T]):
    """Rows in the order of the connection, and whether more lie on either side."""

    rows: tuple[T, ...]
    cursors: tuple[Cursor, ...]
    has_previous: bool
    has_next: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryQuery:
    """Which live memories are listed, newest first. None means any."""

    types: frozenset[MemoryType] | None = None
    ids: frozenset[str] | None = None
    container_id: str | None = None
    session_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchPlace:
    """A place in the order of a search: the score in millionths, microseconds of ``created_at``, and the arrival."""

    score: int
    created_at: int
    arrival: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchRequest:
    """What is searched for among the memories of a query: ``size`` of the best answers after a place.

    At most ``candidates`` memories are ranked. ``stems`` come from `mnesis.domain.searching.query_stems`.
    """

    stems: tuple[str, ...]
    size: int
    candidates: int
    after: SearchPlace | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Hit:
    """A memory that answers, how well, and the passages that hold words of the query."""

    memory: Memory
    score: float
    place: SearchPlace
    passages: tuple[Passage, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchPage:
    """The best answers first, and whether more follow."""

    hits: tuple[Hit, ...]
    has_next: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordQuery:
    """Which history records are listed, newest first. None means any."""

    memory_ids: frozenset[str] | None = None
    container_id: str | None = None
    session_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PastMemory:
    """A memory as it was, and whether it still is so."""

    memory: Memory
    is_current: bool


class Overloaded(Exception):
    """More writes wait than the server is willing to hold; try again later."""


class StoreFault(Exception):
    """The database refused or could not be reached. The message is for the log, not for the caller."""


class MemoryStore(Protocol):
    """Applies batches, each in one transaction."""

    async def apply(self, caller: Caller, batch: Batch) -> BatchOutcome:
        """Applies a batch in the caller's tenant and answers after the commit.

        Raises `Overloaded` before anything was done, `StoreFault` when the database failed.
        """
        ...


class MemoryReader(Protocol):
    """Reads what is committed. Every method sees the caller's tenant only; deleted memories are not there."""

    async def memories(self, caller: Caller, ids: Collection[str]) -> Mapping[str, Memory]:
        """The memories among these ids."""
        ...

    async def past_memory(
        self, caller: Caller, memory_id: str, *, version: int | None = None, at: datetime | None = None
    ) -> PastMemory | None:
        """The memory at a version, or at a time; None where there was none. Raises `NotKept`."""
        ...

    async def records(self, caller: Caller, ids: Collection[RecordId]) -> Mapping[RecordId, HistoryRecord]:
        """The history records among these ids, of deleted memories too."""
        ...

    async def containers(self, caller: Caller, ids: Collection[str]) -> Mapping[str, Container]:
        """The containers among these ids; the default one is always there."""
        ...

    async def list_memories(self, caller: Caller, query: MemoryQuery, page: PageRequest) -> Page[Memory]:
        """A page of memories, newest first by ``created_at``, then by arrival."""
        ...

    async def count_memories(self, caller: Caller, query: MemoryQuery) -> int:
        """How many memories a query finds."""
        ...

    async def search_memories(self, caller: Caller, query: MemoryQuery, request: SearchRequest) -> SearchPage:
        """The memories of a query that have words of a request, the best answers first."""
        ...

    async def list_records(self, caller: Caller, query: RecordQuery, page: PageRequest) -> Page[HistoryRecord]:
        """A page of history records, the last committed first."""
        ...

    async def count_records(self, caller: Caller, query: RecordQuery) -> int:
        """How many history records a query finds."""
        ...

    async def entries(
        self, caller: Caller, session_ids: Collection[str], page: PageRequest
    ) -> Mapping[str, Page[Memory]]:
        """The same page of each session's entries, by ``created_at``, then by arrival, oldest first."""
        ...

    async def count_entries(self, caller: Caller, session_ids: Collection[str]) -> Mapping[str, int]:
        """How many entries each of these sessions has."""
        ...

    async def histories(
        self, caller: Caller, memory_ids: Collection[str], page: PageRequest
    ) -> Mapping[str, Page[HistoryRecord]]:
        """The same page of each memory's history, newest version first."""
        ...

    async def count_histories(self, caller: Caller, memory_ids: Collection[str]) -> Mapping[str, int]:
        """How many records of each of these memories are kept."""
        ...
