"""The answers of mutations of containers."""

from collections.abc import Callable
from typing import Any

import strawberry

from mnesis.domain.memory_types import WriteStatus
from mnesis.domain.refusals import Forbidden
from mnesis.graph.containers import live_container
from mnesis.graph.context import Info
from mnesis.graph.fields import resolved
from mnesis.graph.node import MemoryContainer
from mnesis.graph.paths import argument, camel
from mnesis.graph.query import Query
from mnesis.graph.removing import RemovalCounts, shown_counts
from mnesis.graph.user_errors import UserError, user_error
from mnesis.usecases.ports import ContainerOutcome


@strawberry.type(description="What the answers of all mutations of containers have in common.")
class ContainerPayload:
    status: WriteStatus = strawberry.field(description="What became of the container; FAILED where it was refused.")
    version: int | None = strawberry.field(description="Its version after the write; null where it was refused.")
    errors: list[UserError] = strawberry.field(description="Everything that was refused. Empty: all is well.")
    replayed: bool = strawberry.field(
        description="Whether this repeats an earlier answer because of the idempotency key; nothing was written then."
    )

    @resolved("Everything that can be queried, as it is after the write.")
    def query(self) -> Query:
        return Query()


@strawberry.type(description="What the answers have in common that lead to the container.")
class WrittenContainer:
    outcome: strawberry.Private[ContainerOutcome]

    @resolved("The container after the write, in a repeated answer as it is now; null when refused.")
    async def container(self, info: Info) -> MemoryContainer | None:
        if self.outcome.container is not None:
            return MemoryContainer.of(self.outcome.container)
        if self.outcome.refusals or self.outcome.id is None:
            return None
        return await live_container(info.context, self.outcome.id)


@strawberry.type(description="The answer of `createMemoryContainer`.")
class CreateMemoryContainerPayload(WrittenContainer, ContainerPayload):
    pass


@strawberry.type(description="The answer of `updateMemoryContainer`.")
class UpdateMemoryContainerPayload(WrittenContainer, ContainerPayload):
    pass


@strawberry.type(description="The answer of `deleteMemoryContainer`.")
class DeleteMemoryContainerPayload(ContainerPayload):
    container_id: strawberry.ID = strawberry.field(description="The id as given.")
    receipt: RemovalCounts = strawberry.field(
        description=(
            "The memories that were deleted, also where the container itself was refused after that because others"
            " wrote to it or changed it meanwhile."
        )
    )
    dry_run: bool = strawberry.field(description="Whether this only tells what would be deleted.")


def written_fields(outcome: ContainerOutcome, place: Callable[[tuple[str, ...]], list[str]]) -> dict[str, Any]:
    """The fields of the payload of a creation or a change."""
    return {"outcome": outcome, **_fields(outcome, place)}


def deleted_payload(outcome: ContainerOutcome, container_id: str, *, dry_run: bool) -> DeleteMemoryContainerPayload:
    """The answer to a deletion."""
    return DeleteMemoryContainerPayload(
        container_id=strawberry.ID(container_id),
        receipt=shown_counts(outcome.removed),
        dry_run=dry_run,
        **_fields(outcome, argument),
    )


def in_new_container(path: tuple[str, ...]) -> list[str]:
    """The path into the input of a creation, beside which only the idempotency key stands."""
    return argument(path) if path == ("idempotency_key",) else ["input", *_in_settings(path)]


def in_container(path: tuple[str, ...]) -> list[str]:
    """The path into an update whose other arguments stand beside its input."""
    return argument(path) if path in _BESIDE_THE_INPUT else ["input", *_in_settings(path)]


_BESIDE_THE_INPUT = {("id",), ("if_version",), ("idempotency_key",)}


def _in_settings(path: tuple[str, ...]) -> list[str]:
    return list(map(camel, path)) if path[:1] == ("retention",) else argument(path)


def _fields(outcome: ContainerOutcome, place: Callable[[tuple[str, ...]], list[str]]) -> dict[str, Any]:
    return {
        "status": outcome.status,
        "version": outcome.version,
        "errors": [
            # A scope is no argument's fault.
            user_error(refusal, [] if isinstance(refusal, Forbidden) else place(refusal.path))
            for refusal in outcome.refusals
        ],
        "replayed": outcome.replayed,
    }
