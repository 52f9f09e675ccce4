"""Which changes a subscriber wants to hear of, in terms of what never changes in a memory.

A filter on what does change would let a memory leave it without a word.
"""

from dataclasses import dataclass

from mnesis.domain.history import HistoryRecord
from mnesis.domain.json_values import JsonObject, contains
from mnesis.domain.memory_types import HistoryAction, MemoryType


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeFilter:
    """The conditions that a change must meet, all of them; None lets every change pass.

    ``session_id`` means the session and its entries. ``namespace`` must be contained in the memory's.
    """

    types: frozenset[MemoryType] | None = None
    ids: frozenset[str] | None = None
    container_id: str | None = None
    session_id: str | None = None
    actions: frozenset[HistoryAction] | None = None
    namespace: JsonObject | None = None

    def passes(self, record: HistoryRecord) -> bool:
        """Whether the change that a record tells of is wanted."""
        return (
            (self.types is None or record.memory_type in self.types)
            and (self.ids is None or record.memory_id in self.ids)
            and (self.container_id is None or record.container_id == self.container_id)
            and (self.session_id is None or self.session_id in (record.session_id, record.memory_id))
            and (self.actions is None or record.action in self.actions)
            and (self.namespace is None or contains(record.namespace, self.namespace))
        )
