"""From outcomes to payloads: every refusal gets its path in the client's words."""

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from mnesis.domain.commands import BatchOutcome
from mnesis.domain.refusals import Refusal
from mnesis.graph.paths import argument
from mnesis.graph.payloads import (
    CreateMemoriesResult,
    UpdateContextMemoryPayload,
    UpdateMemoriesResult,
)
from mnesis.graph.stored import made
from mnesis.graph.user_errors import UserError, user_error

Path = Sequence[str]
Place = Callable[[int, Path], list[str]]
"""Where a path of the domain leads in the arguments, for the item of an index."""

R = TypeVar("R", UpdateMemoriesResult, CreateMemoriesResult)


def payload_fields(outcome: BatchOutcome, whole: list[UserError], parts: Sequence[list[UserError]]) -> dict[str, Any]:
    """The fields that every payload has, for `made`; the counts it reads from the outcome where they are selected."""
    return {
        "batch": outcome,
        "errors": [*whole, *(error for part in parts for error in part)],
        "replayed": outcome.replayed,
    }


def request_errors(refusals: Sequence[Refusal], *at: str) -> list[UserError]:
    """What is wrong with a request as a whole, whose fields stand at a path."""
    return [user_error(refusal, argument(refusal.path, *at) if refusal.path else []) for refusal in refusals]


def part_errors(outcome: BatchOutcome, place: Place) -> list[list[UserError]]:
    """What is wrong with each command."""
    errors: list[list[UserError]] = [[] for _ in outcome.outcomes]
    for index, each in enumerate(outcome.outcomes):
        if each.refusals:
            errors[index] = [user_error(refusal, place(index, refusal.path), each.id) for refusal in each.refusals]
    return errors


def only_fields(outcome: BatchOutcome, place: Callable[[Path], list[str]]) -> dict[str, Any]:
    """The fields of a payload whose mutation writes one memory."""
    [only] = outcome.outcomes
    errors: list[UserError] = []
    if outcome.refusals or only.refusals:
        errors += request_errors(outcome.refusals)
        errors += [user_error(refusal, place(refusal.path), only.id) for refusal in only.refusals]
    return {
        "status": only.status,
        "version": only.version,
        "outcome": only,
        "batch": outcome,
        "errors": errors,
        "replayed": outcome.replayed,
    }


def item_results(kind: type[R], outcome: BatchOutcome, errors: list[list[UserError]]) -> list[R]:
    """One row per item."""
    return [
        made(
            kind,
            {
                "index": index,
                "id": each.id,
                "status": each.status,
                "version": each.version,
                "errors": errors[index],
                "outcome": each,
            },
        )
        for index, each in enumerate(outcome.outcomes)
    ]


def context_payload(outcome: BatchOutcome, session_id: str, keys: Sequence[str | None]) -> UpdateContextMemoryPayload:
    """The answer of ``updateContextMemory``. ``keys`` are those that the request named."""

    def place(index: int, path: Path) -> list[str]:
        return argument(path, "input", "contents", str(index))

    errors = part_errors(outcome, place)
    return made(
        UpdateContextMemoryPayload,
        {
            "memory_id": session_id,
            "version": outcome.session_version,
            "keys": keys,
            "entry_errors": errors,
            **payload_fields(outcome, _context_errors(outcome), errors),
        },
    )


def _context_errors(outcome: BatchOutcome) -> list[UserError]:
    return [
        # The domain speaks of entries where Alchemyst's clients say contents.
        user_error(refusal, ["input", "contents"])
        if refusal.path == ("entries",)
        else request_errors([refusal], "input")[0]
        for refusal in outcome.refusals
    ]
