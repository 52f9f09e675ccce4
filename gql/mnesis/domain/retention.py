"""What ages out of a container, by its rules.

- A rule's ``days`` count from a memory's last change, and its ``count`` keeps those that changed last.
- A pinned memory never goes, and counts for nothing: beside it as many others are kept as the rule says.
- A session takes its entries along, as its deletion does. Those of a pinned session never go. Other entries are
  working memories like any that belong to no session: the rule of WORKING is theirs too, and a session that loses
  entries changes by that, so that its own days begin again.
- What goes is deleted: it leaves a tombstone, a record of the deletion, and its history.
- The rule of HISTORY cuts the oldest records of each memory. A memory that lives keeps the record of its current
  version. A memory whose deletion is older than ``days`` goes for good, with all that is left of it: as if it had
  never been. Without such a rule a deleted memory can be restored for ever.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import Enum, auto

from mnesis.domain.containers import RetentionRule
from mnesis.domain.memory_types import MemoryType

RETENTION_ACTOR = "retention"
"""Who is recorded as the actor of what a run deletes."""

_PLURALS: Mapping[MemoryType, str] = {
    MemoryType.SESSION: "sessions",
    MemoryType.WORKING: "working memories",
    MemoryType.LONG_TERM: "long-term memories",
}
AGING_TYPES = tuple(_PLURALS)
"""The types of which memories are deleted, in the order in which a run looks at them: what goes with its session is not
looked at again."""


@dataclass(frozen=True, slots=True, order=True)
class LastChange:
    """A place in the order of the last changes; of equal times the later arrival counts as newer."""

    at: datetime
    arrival: int


def kept_from(rule: RetentionRule, now: datetime, last_of_count: LastChange | None) -> LastChange | None:
    """The place before which memories of a rule's type go; None where all stay.

    ``last_of_count`` is the oldest of the newest ``count`` memories, None where there are fewer or no count.
    """
    expiry = rule.expires_before(now)
    # No arrival is negative, so that what changed at that very time stays.
    places = [last_of_count, LastChange(expiry, 0) if expiry is not None else None]
    return max((place for place in places if place is not None), default=None)


def reason_of(memory_type: MemoryType, rule: RetentionRule) -> str:
    """What is recorded as the reason of a deletion."""
    bounds = []
    if rule.days is not None:
        bounds.append(f"for {rule.days:,} {'day' if rule.days == 1 else 'days'} after their last change")
    if rule.count is not None:
        bounds.append(f"up to the newest {rule.count:,}")
    return f"Retention: {_PLURALS[memory_type]} of this container are kept {' and '.join(bounds)}."


@dataclass(frozen=True, slots=True, kw_only=True)
class AgingRecord:
    """A history record as far as retention looks at it; ``newest_version`` is its memory's, which may be deleted."""

    memory_id: str
    version: int
    change: int
    position: int
    created_at: datetime
    newest_version: int
    deleted: bool


class Fate(Enum):
    """What becomes of a history record."""

    STAYS = auto()
    GOES = auto()
    GOES_WITH_ITS_MEMORY = auto()


def fate_of(record: AgingRecord, rule: RetentionRule, expires_before: datetime | None) -> Fate:
    """What a rule of HISTORY makes of a record. Where one goes, all older ones of its memory go too."""
    expired = expires_before is not None and record.created_at < expires_before
    if record.version < record.newest_version:
        surplus = rule.count is not None and record.version <= record.newest_version - rule.count
        return Fate.GOES if expired or surplus else Fate.STAYS
    return Fate.GOES_WITH_ITS_MEMORY if record.deleted and expired else Fate.STAYS
