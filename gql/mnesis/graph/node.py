"""What has an id of its own, and the containers that memories lie in."""

from datetime import datetime

import strawberry

from mnesis.domain.containers import Container
from mnesis.domain.containers import RetentionRule as StoredRule
from mnesis.domain.memory_types import MemoryType
from mnesis.graph.context import Info
from mnesis.graph.fields import resolved
from mnesis.graph.scalars import JSONObject

RETENTION_FIELDS = {
    "session": MemoryType.SESSION,
    "working": MemoryType.WORKING,
    "long_term": MemoryType.LONG_TERM,
    "history": MemoryType.HISTORY,
}
"""The fields of a retention, and the type that each is for."""


@strawberry.interface(description="A thing with an id that names nothing else within the tenant.")
class Node:
    id: strawberry.ID = strawberry.field(
        description="Unique within the tenant, whatever the type, so that a client may key its cache by it alone."
    )


@strawberry.type(description="How long memories of one type are kept. What breaks either bound goes, unless pinned.")
class RetentionRule:
    days: int | None = strawberry.field(description="Days since the last change; null: of any age.")
    count: int | None = strawberry.field(description="How many of the newest; null: any number.")


@strawberry.type(description="How long memories of a container are kept, by type; null: for ever.")
class Retention:
    session: RetentionRule | None = strawberry.field(description="Sessions, which take their entries along.")
    working: RetentionRule | None = strawberry.field(description="Working memories.")
    long_term: RetentionRule | None = strawberry.field(description="Long-term memories.")
    history: RetentionRule | None = strawberry.field(description="History memories.")


@strawberry.type(description="A named partition of the tenant. `default` always exists.")
class MemoryContainer(Node):
    name: str = strawberry.field(description="What it is called; that of a new container is its id.")
    description: str | None = strawberry.field(description="What it is for.")
    metadata: JSONObject | None = strawberry.field(description="Anything about it, in the client's own keys.")
    retention: Retention = strawberry.field(description="How long memories in it are kept.")
    version: int = strawberry.field(description="1 at first; rises by 1 with every change of the settings.")
    created_at: datetime | None = strawberry.field(
        description="When it was made; null for a default container that nothing was written to yet."
    )
    updated_at: datetime | None = strawberry.field(
        description="When its settings last changed; null for a default container that nothing was written to yet."
    )
    is_deleted: bool = strawberry.field(
        description="Whether it was deleted; seen only as the container of memories of the past."
    )

    owner: str | None = strawberry.field(
        description="The subject that made it; null where nobody was authenticated, and of `default`."
    )
    roles: list[str] = strawberry.field(description="The roles by which others than the owner get in.")
    is_shared: bool = strawberry.field(
        description=(
            "Whether it is open to the whole tenant, with all that is in it. Otherwise its owner, who has one of its"
            " roles, and administrators see it, and of the memories in it those that they made."
        )
    )

    @resolved(
        "How many memories that the caller may see lie in it, entries of sessions included, history not. Counted only"
        " where selected."
    )
    async def memory_count(self, info: Info) -> int | None:
        return await info.context.loaders.container_counts.load(str(self.id))

    @classmethod
    def of(cls, container: Container) -> "MemoryContainer":
        """The container as GraphQL shows it."""
        return cls(
            id=strawberry.ID(container.id),
            name=container.name,
            description=container.description,
            metadata=JSONObject(container.metadata) if container.metadata is not None else None,
            retention=Retention(
                **{name: _shown(container.retention.get(kind)) for name, kind in RETENTION_FIELDS.items()}
            ),
            version=container.version,
            created_at=container.created_at,
            updated_at=container.updated_at,
            is_deleted=container.deleted,
            owner=container.owner,
            roles=list(container.roles),
            is_shared=not container.guarded,
        )


def _shown(rule: StoredRule | None) -> RetentionRule | None:
    return RetentionRule(days=rule.days, count=rule.count) if rule is not None else None
