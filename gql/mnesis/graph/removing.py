"""What clients say to remove many memories at once, and the receipt that they get."""

from typing import Any

import strawberry

from mnesis.graph.batch_inputs import KEY, REASON
from mnesis.graph.fields import resolved
from mnesis.graph.filters import MemoryFilter, filter_of, filter_path
from mnesis.graph.paths import argument
from mnesis.graph.query import Query
from mnesis.graph.user_errors import UserError, user_error
from mnesis.usecases.ports import RemovalCounts as Counted
from mnesis.usecases.removing import RemovalReceipt
from mnesis.usecases.requests import DeleteMemories, EraseMemories


@strawberry.input(description="Memories to delete.")
class DeleteMemoriesInput:
    filter: MemoryFilter | None = strawberry.field(
        description="Which memories, by at least one condition; a session takes its entries along. Not beside `all`."
    )
    everything: bool = strawberry.field(
        name="all", default=False, description="Every memory of the tenant, in place of a filter."
    )
    dry_run: bool = strawberry.field(default=False, description="Whether only to count and to write nothing.")
    reason: str | None = strawberry.field(description=REASON)
    idempotency_key: str | None = strawberry.field(description=KEY)


@strawberry.input(description="Memories to erase.")
class EraseMemoriesInput:
    filter: MemoryFilter | None = strawberry.field(
        description=(
            "Which memories, deleted ones included, by at least one condition; a session takes its entries along. Not"
            " beside `all`."
        )
    )
    everything: bool = strawberry.field(
        name="all",
        default=False,
        description="Every memory of the tenant, deleted ones included, in place of a filter.",
    )
    dry_run: bool = strawberry.field(default=False, description="Whether only to count and to write nothing.")
    reason: str | None = strawberry.field(description="Why, for the one record that stays; at most 1,000 characters.")
    idempotency_key: str | None = strawberry.field(description=KEY)


@strawberry.type(description="How many memories of each kind were removed or, in a dry run, would be.")
class RemovalCounts:
    sessions: int = strawberry.field(description="Sessions.")
    working: int = strawberry.field(description="Working memories, entries of the sessions included.")
    long_term: int = strawberry.field(description="Long-term memories.")
    history: int = strawberry.field(description="History memories; 0 for a deletion, which keeps them.")
    total: int = strawberry.field(description="Sessions, working and long-term memories together.")


@strawberry.type(description="What the answers of removals by filter have in common.")
class RemovalPayload:
    receipt: RemovalCounts = strawberry.field(description="What was removed; all 0 where the request was refused.")
    dry_run: bool = strawberry.field(description="Whether this only tells what would be removed.")
    errors: list[UserError] = strawberry.field(description="Why the request was refused. Empty: all is well.")
    replayed: bool = strawberry.field(
        description="Whether this repeats an earlier answer because of the idempotency key; nothing was removed then."
    )

    @resolved("Everything that can be queried, as it is after the removal.")
    def query(self) -> Query:
        return Query()


@strawberry.type(description="The answer of `deleteMemories`.")
class DeleteMemoriesPayload(RemovalPayload):
    pass


@strawberry.type(description="The answer of `eraseMemories`.")
class EraseMemoriesPayload(RemovalPayload):
    pass


def deletion_of(given: DeleteMemoriesInput) -> DeleteMemories:
    """The request that the input makes."""
    return DeleteMemories(
        filter=filter_of(given.filter) if given.filter is not None else None,
        everything=given.everything,
        dry_run=given.dry_run,
        reason=given.reason,
        idempotency_key=given.idempotency_key,
    )


def erasure_of(given: EraseMemoriesInput) -> EraseMemories:
    """The request that the input makes."""
    return EraseMemories(
        filter=filter_of(given.filter) if given.filter is not None else None,
        everything=given.everything,
        dry_run=given.dry_run,
        reason=given.reason,
        idempotency_key=given.idempotency_key,
    )


def shown_counts(counts: Counted) -> RemovalCounts:
    """The counts as GraphQL shows them."""
    return RemovalCounts(
        sessions=counts.sessions,
        working=counts.working,
        long_term=counts.long_term,
        history=counts.records,
        total=counts.memories,
    )


def receipt_fields(receipt: RemovalReceipt) -> dict[str, Any]:
    """The fields of the payload."""
    return {
        "receipt": shown_counts(receipt.counts),
        "dry_run": receipt.dry_run,
        "errors": [user_error(refusal, _place(refusal.path)) for refusal in receipt.refusals],
        "replayed": receipt.replayed,
    }


def _place(path: tuple[str, ...]) -> list[str]:
    if path[:1] == ("filter",):
        return ["input", "filter", *filter_path(path[1:])]
    return argument(path, "input") if path else []
