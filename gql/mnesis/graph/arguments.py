"""Arguments that several fields share, and what it means that one is absent."""

from typing import Annotated, TypeVar

import strawberry

from mnesis.domain.memory_types import MemoryType

T = TypeVar("T")

First = Annotated[
    int | None,
    strawberry.argument(description="How many nodes at most after `after`, from 0 to the server's limit (100); 20."),
]
After = Annotated[str | None, strawberry.argument(description="Only what comes after this cursor; goes with `first`.")]
Last = Annotated[
    int | None,
    strawberry.argument(description="How many nodes at most before `before`, from 0 to the server's limit (100)."),
]
Before = Annotated[str | None, strawberry.argument(description="Only what comes before this cursor; goes with `last`.")]
TypeOfMemory = Annotated[
    MemoryType, strawberry.argument(name="type", description="The kind of memory that has the id.")
]
IfVersion = Annotated[
    int | None,
    strawberry.argument(
        description="The version that the memory must have now; otherwise VersionConflictError. Null and absent: any."
    ),
]
Reason = Annotated[
    str | None,
    strawberry.argument(description="Why, for the history; at most 1,000 characters."),
]
IdempotencyKey = Annotated[
    str | None,
    strawberry.argument(
        description=(
            "1 to 255 characters, for 24 hours per subject: the same key with the same arguments answers as the first"
            " time and writes nothing; with other arguments it is IdempotencyConflictError."
        )
    ),
]


def given(value: T | None) -> T | None:
    """The argument, or None where it is absent or null.

    Strawberry prints a default of None as ``= null``, so absent arguments are UNSET instead.
    """
    return None if value is strawberry.UNSET else value
