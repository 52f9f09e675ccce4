"""What retention needs of a store besides the removal of memories, in the domain's words."""

from collections.abc import Collection, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from mnesis.domain.caller import Caller
from mnesis.domain.containers import Retention
from mnesis.domain.memory_types import MemoryType
from mnesis.domain.retention import AgingRecord, LastChange
from mnesis.usecases.ports import Cursor


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """The rules of a container."""

    container_id: str
    retention: Retention


@dataclass(frozen=True, slots=True, kw_only=True)
class Aging:
    """The live memories of a type that may age out of a container: pinned ones, and entries of pinned sessions, do not.

    ``sessions_from`` is the place before which sessions go by their own rule; their entries go with them, and are not
    among these working memories.
    """

    container_id: str
    memory_type: MemoryType
    sessions_from: LastChange | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Aged:
    """A memory that is to go, and its place; ``entries`` is how many entries a session takes along."""

    id: str
    place: LastChange
    entries: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordCut:
    """The records of a memory up to a version are to go; ``change`` is that version's.

    Where ``with_memory``, what is left of a deleted memory goes too, unless it was restored since.
    """

    memory_id: str
    version: int
    change: int
    with_memory: bool


class AgingStore(Protocol):
    """Tells what is to age out, and cuts history. Reads what is committed, within the caller's tenant."""

    def alone(self) -> AbstractAsyncContextManager[bool]:
        """Whether no other process that shares the database holds this now; held until the block ends."""
        ...

    async def tenants(self, after: str, size: int) -> Sequence[str]:
        """The first tenants after a place."""
        ...

    async def has_tenant(self, tenant: str) -> bool:
        """Whether there is this tenant."""
        ...

    async def policies(self, caller: Caller, after: str, size: int) -> Sequence[Policy]:
        """The first containers after an id that have rules, deleted ones too: what was in them ages all the same."""
        ...

    async def policy(self, caller: Caller, container_id: str) -> Policy | None:
        """The rules of a container, which may be none; None where there is no such container."""
        ...

    async def last_of_count(self, caller: Caller, aging: Aging, count: int) -> LastChange | None:
        """The oldest of the newest ``count`` memories; None where there are fewer."""
        ...

    async def aged(
        self, caller: Caller, aging: Aging, kept_from: LastChange, *, after: LastChange | None, size: int
    ) -> Sequence[Aged]:
        """The first memories after a place that lie before the place from which they are kept, oldest first."""
        ...

    async def records(
        self, caller: Caller, container_id: str, *, after: Cursor | None, size: int
    ) -> Sequence[AgingRecord]:
        """The first records of a container after a place in the order of the changes."""
        ...

    async def cut(self, caller: Caller, cuts: Collection[RecordCut], *, deleted_before: datetime | None) -> int:
        """Removes records in one transaction, and memories whose deletion was before a time; how many records.

        Raises `Overloaded` before anything was done, `StoreFault` when the database failed.
        """
        ...
