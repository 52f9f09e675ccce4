"""Which memories are meant, as clients say it, and where in it the domain's refusals point."""

from datetime import datetime
from typing import Any

import strawberry

from mnesis.domain import filters
from mnesis.domain.filters import MemoryOrder, TimeRange
from mnesis.domain.memory_types import MemoryType
from mnesis.graph.enums import described_enum
from mnesis.graph.paths import camel
from mnesis.graph.scalars import JSONObject

described_enum(
    MemoryOrder,
    "The orders in which memories are listed. Of equal times the later arrival counts as newer.",
    {
        MemoryOrder.CREATED_AT_DESC: "By `createdAt`, the newest first.",
        MemoryOrder.CREATED_AT_ASC: "By `createdAt`, the oldest first.",
        MemoryOrder.UPDATED_AT_DESC: "By `updatedAt`, the last changed first.",
        MemoryOrder.UPDATED_AT_ASC: "By `updatedAt`, the last changed at the end.",
    },
)


@strawberry.input(description="Times from one, inclusive, to another, exclusive; at least one of them.")
class DateTimeRange:
    start: datetime | None = strawberry.field(name="from", description="The first time that counts.")
    end: datetime | None = strawberry.field(name="to", description="The first time after it that no longer counts.")


_CONTAINED = "at least these keys with these values, nested ones too; of an array, at least these members."


@strawberry.input(
    description=(
        "Which memories are meant: those that meet every condition. What is left out or null lets all of them pass. At"
        " most 50 conditions, nested ones included, and 8 levels."
    )
)
class MemoryFilter:
    types: list[MemoryType] | None = strawberry.field(
        description=(
            "Only these kinds. HISTORY lists history memories: it stands alone, at the top, and beside it only `ids`,"
            " `containerId`, `sessionId` and `createdAt`."
        )
    )
    ids: list[strawberry.ID] | None = strawberry.field(
        description="Only these memories, at most 1,000; for HISTORY, only the records of these memories."
    )
    container_id: strawberry.ID | None = strawberry.field(description="Only what lies in this container.")
    session_id: strawberry.ID | None = strawberry.field(
        description="Only the entries of this session; for HISTORY, the records of the session and of its entries."
    )
    namespace: JSONObject | None = strawberry.field(
        description=f"Only what has in its `namespace` {_CONTAINED} At most 16 KiB."
    )
    tags: JSONObject | None = strawberry.field(
        description=f"Only what has in its `tags` {_CONTAINED} Sessions have none. At most 16 KiB."
    )
    metadata: JSONObject | None = strawberry.field(
        description=f"Only what has in its `metadata` {_CONTAINED} Long-term memories have none. At most 16 KiB."
    )
    pinned: bool | None = strawberry.field(
        description="Only sessions and long-term memories that are, or are not, pinned."
    )
    created_at: DateTimeRange | None = strawberry.field(description="Only what was created in this range.")
    updated_at: DateTimeRange | None = strawberry.field(description="Only what last changed in this range.")
    content_updated_at: DateTimeRange | None = strawberry.field(
        description="Only that whose content last changed in this range."
    )
    text: str | None = strawberry.field(
        description=(
            "Only what has this text, 1 to 1,000 characters, in its summary, content, memory or messages, in capital"
            " or small letters. No character is a wildcard."
        )
    )
    every: list["MemoryFilter"] | None = strawberry.field(name="and", description="All of these must let it pass.")
    either: list["MemoryFilter"] | None = strawberry.field(
        name="or", description="At least one of these must let it pass; an empty list lets nothing pass."
    )
    never: "MemoryFilter | None" = strawberry.field(
        name="not", description="This must not let it pass. A memory without a field fails every condition on it."
    )


_PLAIN = ("container_id", "session_id", "namespace", "tags", "metadata", "pinned", "text")
_TIMES = ("created_at", "updated_at", "content_updated_at")
_SPELT = {"every": "and", "either": "or", "never": "not", "start": "from", "end": "to"}


def filter_of(wanted: MemoryFilter | None) -> filters.MemoryFilter:
    """The filter as the domain has it; nothing is judged here."""
    return filters.MemoryFilter(**filter_fields(wanted)) if wanted is not None else filters.MemoryFilter()


def filter_fields(wanted: MemoryFilter) -> dict[str, Any]:
    """The fields of the domain's filter."""
    fields: dict[str, Any] = {name: getattr(wanted, name) for name in _PLAIN}
    for name in _TIMES:
        given = getattr(wanted, name)
        fields[name] = TimeRange(start=given.start, end=given.end) if given is not None else None
    for name in ("types", "ids"):
        given = getattr(wanted, name)
        fields[name] = frozenset(given) if given is not None else None
    for name in ("every", "either"):
        given = getattr(wanted, name)
        fields[name] = tuple(map(filter_of, given)) if given is not None else None
    fields["never"] = filter_of(wanted.never) if wanted.never is not None else None
    return fields


def filter_path(path: tuple[str, ...]) -> list[str]:
    """Where a path of the domain's filter leads in the input. Keys of JSON objects stay as they are."""
    spelt: list[str] = []
    for place, word in enumerate(path):
        if word.isdigit() and spelt and spelt[-1] in ("and", "or"):
            spelt.append(word)
            continue
        spelt.append(_SPELT.get(word) or camel(word))
        if word in filters.OBJECTS:
            return [*spelt, *path[place + 1 :]]
    return spelt
