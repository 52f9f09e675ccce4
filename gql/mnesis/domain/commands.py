"""What a caller can ask of memories: commands aimed at one memory each, and batches of them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TypeAlias

from mnesis.domain.caller import Caller
from mnesis.domain.fields import Message, Unreadable, Values
from mnesis.domain.ids import DEFAULT_CONTAINER
from mnesis.domain.json_values import JsonObject
from mnesis.domain.memory import Memory
from mnesis.domain.memory_types import MemoryType, ObjectMode, WriteMode, WriteStatus
from mnesis.domain.quickly import quickly_made
from mnesis.domain.refusals import Refusal


@quickly_made
class Changes:
    """What to change in one memory: fields left out of ``given`` are kept, ``None`` clears.

    ``created_at`` can be given for entries only, whose conversations may be older than their import.
    """

    memory_type: MemoryType
    given: Values
    append_messages: tuple[Message, ...] | None = None
    object_mode: ObjectMode = ObjectMode.REPLACE
    created_at: datetime | Unreadable | None = None

    @property
    def is_empty(self) -> bool:
        """Whether nothing at all was given."""
        return not self.given and self.append_messages is None and self.created_at is None


@quickly_made
class Create:
    """Makes a memory; an id that was deleted goes on at its next version.

    ``id`` is chosen by the caller for sessions only. A working memory in a session is an entry: it takes the
    session's container, and its namespace where none is given.
    """

    changes: Changes
    id: str | None = None
    container_id: str = DEFAULT_CONTAINER
    namespace: JsonObject | None = None
    session_id: str | None = None
    entry_id: str | None = None


@quickly_made
class Update:
    """Changes a stored memory. ``always`` counts a change that changes nothing, and content that is given for new, for
    a dialect that raises the version with every update.

    Where a ``container_id`` is given, a memory that lies in another container is not there.
    """

    id: str
    changes: Changes
    if_version: int | None = None
    container_id: str | None = None
    always: bool = False


@quickly_made
class PutEntry:
    """Changes the entry of a session that has this key, or creates it; without a key it is always new."""

    session_id: str
    entry_id: str | None
    changes: Changes
    if_version: int | None = None


@quickly_made
class Delete:
    """Leaves a tombstone. A session takes its entries along. ``container_id`` as in `Update`."""

    memory_type: MemoryType
    id: str
    if_version: int | None = None
    container_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Restore:
    """Makes an earlier version current again, as a new one; undeletes. A session brings back the entries that
    were deleted together with it."""

    memory_type: MemoryType
    id: str
    version: int
    if_version: int | None = None


Command: TypeAlias = Create | Update | PutEntry | Delete | Restore


@quickly_made
class Rejected:
    """Stands in a batch where a command was refused before the store was asked, so that the store can still
    judge the others and the answer names everything that is wrong."""

    refusals: tuple[Refusal, ...]
    id: str | None = None
    entry_id: str | None = None


@quickly_made
class SessionClaim:
    """What a batch of entries requires of its session before any entry is looked at.

    ``namespace`` and ``metadata`` are those of a session that is created; one that is there keeps its own.
    """

    session_id: str
    if_version: int | None = None
    create: bool = False
    container_id: str = DEFAULT_CONTAINER
    namespace: JsonObject | None = None
    metadata: JsonObject | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Idempotency:
    """A caller's key and what it was used for; ``fingerprint`` is equal exactly for equal requests."""

    key: str
    fingerprint: str


@quickly_made
class Batch:
    """Commands that are applied in order, in one transaction.

    ``ATOMIC``: one refused command and nothing is written. ``PER_ENTRY``: the others are. ``caller`` is on whose
    behalf; None for what the service does by itself, which sees everything of the tenant and makes what has no owner.
    """

    commands: tuple[Command | Rejected, ...]
    mode: WriteMode = WriteMode.ATOMIC
    session: SessionClaim | None = None
    idempotency: Idempotency | None = None
    actor: str
    reason: str | None = None
    caller: Caller | None = None


@quickly_made
class Outcome:
    """What became of one command.

    ``version`` is that of the stored memory after the command; None where nothing of it is stored. ``memory``
    is the stored memory; it is None too in an answer repeated for an idempotency key, where ``id`` leads to it.
    """

    status: WriteStatus
    id: str | None = None
    entry_id: str | None = None
    version: int | None = None
    memory: Memory | None = None
    refusals: tuple[Refusal, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class WriteCounts:
    """How many commands of a batch met which fate.

    ``created + updated + unchanged + deleted + failed + rolled_back`` is always ``submitted``.
    """

    submitted: int
    created: int
    updated: int
    unchanged: int
    deleted: int
    failed: int
    rolled_back: int

    @classmethod
    def of(cls, outcomes: tuple[Outcome, ...]) -> "WriteCounts":
        """Counts the outcomes of a batch."""
        # A list counts without a step in Python for each of what may be a thousand.
        count = [outcome.status for outcome in outcomes].count
        return cls(submitted=len(outcomes), **{name: count(status) for status, name in _COUNTED.items()})


_COUNTED = {status: status.value.lower() for status in WriteStatus}
"""The count that each status is counted by."""


@quickly_made
class BatchOutcome:
    """The answer to a batch: one outcome per command, in order.

    ``refusals`` are those of the request as a whole. ``session`` is the claimed session after the batch, with
    ``session_version``; both are None where the batch claims none or was refused. ``cascaded`` counts entries
    that were deleted or restored together with their session, by the command's index.
    """

    outcomes: tuple[Outcome, ...]
    refusals: tuple[Refusal, ...] = ()
    session: Memory | None = None
    session_version: int | None = None
    cascaded: Mapping[int, int] = field(default_factory=dict)
    replayed: bool = False

    @property
    def counts(self) -> WriteCounts:
        """The outcomes counted by status."""
        return WriteCounts.of(self.outcomes)
