"""What has an id of its own, and the containers that memories lie in."""

from datetime import datetime

import strawberry

from mnesis.domain.containers import Container


@strawberry.interface(description="A thing with an id that names nothing else within the tenant.")
class Node:
    id: strawberry.ID = strawberry.field(
        description="Unique within the tenant, whatever the type, so that a client may key its cache by it alone."
    )


@strawberry.type(description="A named partition of the tenant. `default` always exists.")
class MemoryContainer(Node):
    name: str = strawberry.field(description="What it is called; that of a new container is its id.")
    created_at: datetime | None = strawberry.field(
        description="When it was made; null for a default container that nothing was written to yet."
    )

    @classmethod
    def of(cls, container: Container) -> "MemoryContainer":
        """The container as GraphQL shows it."""
        return cls(id=strawberry.ID(container.id), name=container.name, created_at=container.created_at)
