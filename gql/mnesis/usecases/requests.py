"""What a caller asks for, as every edge hands it to the use cases: typed, not yet judged."""

from dataclasses import dataclass

from mnesis.domain.commands import Changes, Create, Delete
from mnesis.domain.containers import ContainerDeletion, ContainerUpdate, NewContainer
from mnesis.domain.entries import ContextEntry
from mnesis.domain.filters import MemoryFilter
from mnesis.domain.ids import DEFAULT_CONTAINER
from mnesis.domain.json_values import JsonObject
from mnesis.domain.memory_types import MemoryType, ObjectMode, WriteMode
from mnesis.domain.quickly import quickly_made


@quickly_made
class MemoryUpdate:
    """One memory to change. ``memory_type`` is the type the caller names; the changes have one of their own,
    and both must agree with what is stored. ``container_id`` and ``always`` as in `Update`."""

    memory_type: MemoryType
    id: str
    changes: Changes
    if_version: int | None = None
    container_id: str | None = None
    always: bool = False


@quickly_made
class UpdateMemories:
    """Memories to change together."""

    items: tuple[MemoryUpdate, ...]
    mode: WriteMode = WriteMode.ATOMIC
    reason: str | None = None
    idempotency_key: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateMemories:
    """Memories to make together."""

    items: tuple[Create, ...]
    mode: WriteMode = WriteMode.ATOMIC
    reason: str | None = None
    idempotency_key: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DeleteMemory:
    """One memory to delete; a session takes its entries along. ``container_id`` as in `Update`."""

    memory_type: MemoryType
    id: str
    if_version: int | None = None
    container_id: str | None = None
    reason: str | None = None
    idempotency_key: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DeleteSeveral:
    """Memories to delete by their ids; sessions take their entries along."""

    items: tuple[Delete, ...]
    mode: WriteMode = WriteMode.ATOMIC
    reason: str | None = None
    idempotency_key: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RestoreMemory:
    """One memory to bring back to an earlier version, as a new one."""

    memory_type: MemoryType
    id: str
    version: int
    if_version: int | None = None
    reason: str | None = None
    idempotency_key: str | None = None


@quickly_made
class UpdateContextMemory:
    """The entries of one session to change or to add. ``if_version`` is the session's.

    ``namespace`` and ``session_metadata`` are for a session that is created.
    """

    session_id: str
    entries: tuple[ContextEntry, ...]
    mode: WriteMode = WriteMode.ATOMIC
    if_version: int | None = None
    create_session: bool = False
    container_id: str = DEFAULT_CONTAINER
    namespace: JsonObject | None = None
    session_metadata: JsonObject | None = None
    object_mode: ObjectMode = ObjectMode.REPLACE
    reason: str | None = None
    idempotency_key: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateContainer:
    """A container to make."""

    container: NewContainer
    idempotency_key: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class UpdateContainer:
    """Settings of a container to change."""

    container: ContainerUpdate
    idempotency_key: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DeleteContainer:
    """A container to delete. The reason is that of the memories that go with it. A ``dry_run`` only counts."""

    container: ContainerDeletion
    dry_run: bool = False
    reason: str | None = None
    idempotency_key: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoveMemories:
    """Memories to remove by filter, or ``everything``; exactly one of the two. A ``dry_run`` only counts."""

    filter: MemoryFilter | None = None
    everything: bool = False
    dry_run: bool = False
    reason: str | None = None
    idempotency_key: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DeleteMemories(RemoveMemories):
    """Memories to delete; sessions take their entries along. They leave tombstones, and their history stays."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EraseMemories(RemoveMemories):
    """Memories to erase with their history, deleted ones too; sessions take their entries along."""
