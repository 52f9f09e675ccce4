"""History memories: the immutable records of changes."""

from datetime import datetime
from typing import Any

import strawberry

from mnesis.domain.fields import Message
from mnesis.domain.history import FieldChange as StoredChange
from mnesis.domain.history import HistoryRecord
from mnesis.domain.memory_types import ChangeKind, HistoryAction, MemoryType
from mnesis.domain.times import instant_text
from mnesis.graph.arguments import given
from mnesis.graph.connections import Connection
from mnesis.graph.context import Info
from mnesis.graph.cursors import CursorKind
from mnesis.graph.directives import SEMANTIC_NON_NULL
from mnesis.graph.fields import resolved
from mnesis.graph.memory import HistoryPageSize, HistoryPlace, Memory
from mnesis.graph.paging import DEFAULT_PAGE, page_request
from mnesis.graph.paths import camel
from mnesis.graph.present import loaded
from mnesis.graph.scalars import JSON, JSONObject, base64_text
from mnesis.usecases.ports import Page


@strawberry.type(description="One field before and after a change.")
class FieldChange:
    field: str = strawberry.field(description="The field, named as in this schema.")
    kind: ChangeKind = strawberry.field(description="How the field changed; decides what `before` and `after` hold.")
    before: JSON | None = strawberry.field(
        description="The value before; of objects on both sides, only the keys that differ. Bytes are Base64."
    )
    after: JSON | None = strawberry.field(
        description="The value after; of objects on both sides, only the keys that differ. Bytes are Base64."
    )

    @classmethod
    def of(cls, change: StoredChange) -> "FieldChange":
        """The change as GraphQL shows it."""
        return cls(
            field=camel(change.field),
            kind=change.kind,
            before=JSON(_json(change.before)),
            after=JSON(_json(change.after)),
        )


@strawberry.type(
    description="The record of one change of another memory. Its id is the memory's id, `~` and the version made."
)
class HistoryMemory(Memory):
    subject_id: strawberry.ID = strawberry.field(description="The id of the memory that changed.")
    subject_type: MemoryType = strawberry.field(description="The kind of the memory that changed.")
    action: HistoryAction = strawberry.field(description="What kind of change this was.")
    actor: str | None = strawberry.field(description="The subject whose credentials made the change.")
    reason: str | None = strawberry.field(description="Why, as the caller said.")
    stored_changes: strawberry.Private[tuple[StoredChange, ...]]

    @resolved("The memory that changed, as it is now; null when it is gone.")
    async def subject(self, info: Info) -> Memory | None:
        return await loaded(info.context.loaders, str(self.subject_id))

    @resolved("The fields that changed. A deletion changes none.")
    def changes(self) -> list[FieldChange]:
        return list(map(FieldChange.of, self.stored_changes))

    @resolved("Empty: records have no history.", directives=[SEMANTIC_NON_NULL])
    async def history(
        self, info: Info, first: HistoryPageSize = DEFAULT_PAGE, after: HistoryPlace = strawberry.UNSET
    ) -> "HistoryConnection | None":
        most = info.context.memories.limits.page_nodes
        size = None if first == DEFAULT_PAGE else first
        page_request(CursorKind.HISTORY, most, first=size, after=given(after))
        empty: Page[HistoryRecord] = Page(rows=(), cursors=(), has_previous=False, has_next=False)
        return HistoryConnection(kind=CursorKind.HISTORY, page=empty, present=HistoryMemory.of, count=_none)

    @classmethod
    def of(cls, record: HistoryRecord) -> "HistoryMemory":
        """The record as GraphQL shows it."""
        return cls(
            id=strawberry.ID(record.id),
            memory_id=strawberry.ID(record.id),
            is_current=True,
            memory_type=MemoryType.HISTORY,
            version=record.version,
            namespace=JSONObject(record.namespace),
            created_at=record.created_at,
            updated_at=record.created_at,
            content_updated_at=record.created_at,
            updated_by=record.actor,
            owner=record.owner,
            container_id=record.container_id,
            subject_id=strawberry.ID(record.memory_id),
            subject_type=record.memory_type,
            action=record.action,
            actor=record.actor,
            reason=record.reason,
            stored_changes=record.changes,
        )


@strawberry.type(description="A page of history memories.")
class HistoryConnection(Connection[HistoryMemory]):
    pass


async def _none() -> int:
    return 0


def _json(value: Any) -> Any:  # What a record holds has no one type; see `HistoryValue`.
    """A value of a record as JSON."""
    match value:
        case bytes():
            return base64_text(value)
        case datetime():
            return instant_text(value)
        case Message():
            if value.parts is None:
                return {"role": value.role, "text": value.text}
            return {"role": value.role, "parts": list(value.parts)}
        case tuple():
            return list(map(_json, value))
        case _:
            return value
