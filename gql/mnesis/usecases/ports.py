"""What the use cases need of a store, in the domain's words; ``storage/`` fulfils it."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Generic, Protocol, TypeVar

from mnesis.domain.caller import Caller
from mnesis.domain.commands import Batch, BatchOutcome, Idempotency
from mnesis.domain.containers import Container, ContainerCommand
from mnesis.domain.filters import MemoryFilter, MemoryOrder, TimeRange
from mnesis.domain.history import HistoryRecord
from mnesis.domain.ids import RecordId
from mnesis.domain.memory import Memory
from mnesis.domain.memory_types import WriteStatus
from mnesis.domain.quotas import Quotas, Usage
from mnesis.domain.refusals import Refusal
from mnesis.domain.searching import SearchMode
from mnesis.domain.watching import ChangeFilter

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Cursor:
    """A place in an order: the sort value (microseconds, or a version) and the arrival that breaks ties.

    In an order by ids it is the ``id``.
    """

    value: int
    tie: int = 0
    id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PageRequest:
    """Which part of an order is wanted: ``size`` rows after or before a place, the last ones when ``backward``."""

    size: int
    after: Cursor | None = None
    before: Cursor | None = None
    backward: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Page(Generic[T]):
    """Rows in the order of the connection, the place of each, and whether more lie on either side."""

    rows: tuple[T, ...]
    cursors: Sequence[Cursor]
    has_previous: bool
    has_next: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryQuery(MemoryFilter):
    """Which live memories are listed, and in which order.

    ``looked_at`` names the attributes of `Memory.written` that are looked at, None: any may be. A reader may leave out
    others than the id and the type.
    """

    order: MemoryOrder = MemoryOrder.CREATED_AT_DESC
    looked_at: frozenset[str] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchPlace:
    """A place in the order of a search: the score in millionths, microseconds of ``created_at``, and the arrival."""

    score: int
    created_at: int
    arrival: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchRequest:
    """What is searched for among the memories of a query: ``size`` of the best answers after a place.

    At most ``candidates`` memories are ranked. ``stems`` come from `mnesis.domain.searching.query_stems`. ``mode`` is
    any but AUTO; those by meaning need the query's embedding as ``meant``, which is compared with the embeddings of
    ``vectors`` memories at most, the newest ones.
    """

    stems: tuple[str, ...]
    size: int
    candidates: int
    after: SearchPlace | None = None
    mode: SearchMode = SearchMode.FULL_TEXT
    meant: "Meaning | None" = None
    vectors: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Meaning:
    """A direction in a model's space: float32 numbers, little-endian, of length 1."""

    model: str
    vector: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Hit:
    """A memory that answers, and how well."""

    memory: Memory
    score: float
    place: SearchPlace


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchPage:
    """The best answers first, by what they were found, and whether more follow."""

    hits: tuple[Hit, ...]
    has_next: bool
    mode: SearchMode = SearchMode.FULL_TEXT


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordQuery:
    """Which history records are listed, newest first. None means any.

    ``session_id`` means the records of the session and of its entries.
    """

    memory_ids: frozenset[str] | None = None
    container_id: str | None = None
    session_id: str | None = None
    created_at: TimeRange | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RemovalCounts:
    """How many memories of each type were removed, and how many history records with them (by an erasure)."""

    sessions: int = 0
    working: int = 0
    long_term: int = 0
    records: int = 0

    @property
    def memories(self) -> int:
        """The memories of all types."""
        return self.sessions + self.working + self.long_term

    def plus(self, other: "RemovalCounts") -> "RemovalCounts":
        """Both together."""
        return RemovalCounts(
            sessions=self.sessions + other.sessions,
            working=self.working + other.working,
            long_term=self.long_term + other.long_term,
            records=self.records + other.records,
        )


NOTHING = RemovalCounts()


@dataclass(frozen=True, slots=True, kw_only=True)
class Removal:
    """The removal of all memories that pass a filter, and of the entries of the sessions among them.

    ``erases`` removes deleted memories and the history too; otherwise live memories become tombstones.
    """

    erases: bool
    filter: MemoryFilter
    actor: str
    reason: str | None = None
    idempotency: Idempotency | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RemovalStep:
    """What one transaction of a removal found and did.

    ``removed`` is what this step removed. Where the removal has an idempotency key, ``total`` is what has been removed
    under it so far, ``settled`` tells that it was finished before, and ``conflict`` that the key belongs to another
    request; then nothing was done.
    """

    removed: RemovalCounts = NOTHING
    total: RemovalCounts | None = None
    settled: bool = False
    conflict: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Removable:
    """A memory that a removal is aimed at; ``entries`` is how many entries a session takes along."""

    id: str
    entries: int = 0


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


class MemoryRemover(Protocol):
    """Removes many memories, a bounded number in each transaction, so that other writers come in between."""

    async def remove(
        self,
        caller: Caller,
        removal: Removal,
        ids: Collection[str],
        *,
        found: str | None = None,
        last: bool = False,
    ) -> RemovalStep:
        """Removes, in one transaction, those of the memories that pass the removal's filter still, with the entries
        of the sessions among them.

        ``found`` is a session that has passed the filter: it and its entries are removed whatever the filter says now,
        since the removal of its first entries may have changed that. The ``last`` step closes the removal.

        Raises `Overloaded` before anything was done, `StoreFault` when the database failed.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class ContainerWrite:
    """A container to make, change or delete, and on whose behalf; the reason is that of memories that go with it."""

    command: ContainerCommand
    actor: str
    reason: str | None = None
    idempotency: Idempotency | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ContainerOutcome:
    """What became of a container: CREATED, UPDATED, UNCHANGED, DELETED or, with ``refusals``, FAILED.

    ``container`` is as it is stored; it is None in an answer repeated for an idempotency key, where ``id`` leads to
    it. ``removed`` is what a deletion took along, in all its transactions under its idempotency key where it has one.
    ``remaining`` is how many memories have to go first, and how a deletion says that it has not happened yet.
    """

    status: WriteStatus
    id: str | None = None
    version: int | None = None
    container: Container | None = None
    removed: RemovalCounts = NOTHING
    remaining: int = 0
    refusals: tuple[Refusal, ...] = ()
    replayed: bool = False


class ContainerStore(Protocol):
    """Makes, changes and deletes containers, each in one transaction."""

    async def write_container(self, caller: Caller, write: ContainerWrite) -> ContainerOutcome:
        """Does so in the caller's tenant and answers after the commit.

        A deletion takes along what few memories one transaction can hold; where there are more, it does nothing and
        tells how many remain. Raises `Overloaded` before anything was done, `StoreFault` when the database failed.
        """
        ...


class Store(MemoryStore, MemoryRemover, ContainerStore, Protocol):
    """Everything that writes."""


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
        """The containers among these ids, tombstones too; the default one is always there."""
        ...

    async def list_containers(self, caller: Caller, page: PageRequest) -> Page[Container]:
        """A page of the containers by id; the default one is always among them."""
        ...

    async def count_containers(self, caller: Caller) -> int:
        """How many containers there are."""
        ...

    async def count_memories_of(self, caller: Caller, container_ids: Collection[str]) -> Mapping[str, int]:
        """How many memories each of these containers holds."""
        ...

    async def list_memories(self, caller: Caller, query: MemoryQuery, page: PageRequest) -> Page[Memory]:
        """A page of memories in the query's order; of equal times the later arrival counts as newer."""
        ...

    async def count_memories(self, caller: Caller, query: MemoryQuery) -> int:
        """How many memories a query finds."""
        ...

    async def search_memories(self, caller: Caller, query: MemoryQuery, request: SearchRequest) -> SearchPage:
        """The memories of a query that answer a request, the best answers first."""
        ...

    async def count_awaiting_embedding(self, caller: Caller) -> int:
        """How many memories are not found by meaning as they are, because they are new or have changed."""
        ...

    async def quotas(self, caller: Caller) -> tuple[Quotas, Usage] | None:
        """What the tenant may use and uses this month; None where nothing is bounded."""
        ...

    async def removable(
        self, caller: Caller, removal: Removal, *, sessions: bool, after: str, size: int
    ) -> Sequence[Removable]:
        """The first sessions, or memories of other types, by id after a place, that pass a removal's filter."""
        ...

    async def removable_entries(
        self, caller: Caller, removal: Removal, session_id: str, *, after: str, size: int
    ) -> Sequence[str]:
        """The ids of the first entries, by id after a place, that would be removed with a session."""
        ...

    async def count_removable(self, caller: Caller, removal: Removal) -> RemovalCounts:
        """What a removal would remove now."""
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


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, weakref_slot=True)
class Change:
    """A committed change, and its place in the tenant's commit order.

    Subscribers of one process are handed the same object. ``batch`` is shared by the changes that were read together.
    """

    cursor: Cursor
    record: HistoryRecord
    batch: "ReadTogether"


class ReadTogether:
    """Stands for one look into the history."""

    __slots__ = ("__weakref__",)


class CursorUnknown(Exception):
    """A place in the commit order that the tenant has not reached."""


class CursorExpired(Exception):
    """Changes after this place are no longer kept, so that nobody can go on from there without a gap."""


class ChangesLagged(Exception):
    """The subscriber took changes too slowly. ``cursor`` is the place of the last one that it was given."""

    def __init__(self, cursor: Cursor) -> None:
        super().__init__("A subscriber lagged.")
        self.cursor = cursor


class ChangeStream(Protocol):
    """The changes that one subscriber waits for, in commit order, each once."""

    async def next(self) -> Change:
        """The next one. Raises `ChangesLagged`, `CursorExpired`, and `StoreFault` when the database failed."""
        ...

    def close(self) -> None:
        """Ends the subscription; to be called however it ends."""
        ...


class ChangeFeed(Protocol):
    """Tells of changes after they were committed, by this process or any other."""

    async def watch(self, caller: Caller, wanted: ChangeFilter, after: Cursor | None) -> ChangeStream:
        """The changes of the caller's tenant after a place; without one, all that are committed after this returns.

        Raises `CursorUnknown`, `CursorExpired`, `Overloaded` and `StoreFault`.
        """
        ...
