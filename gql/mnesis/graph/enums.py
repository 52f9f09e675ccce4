"""The domain's closed lists of words as GraphQL enums, each word with its description."""

from enum import Enum
from typing import TypeVar

import strawberry

from mnesis.domain.memory_types import (
    ChangeKind,
    HistoryAction,
    MemoryType,
    ObjectMode,
    PayloadType,
    WriteMode,
    WriteStatus,
)

E = TypeVar("E", bound=Enum)


def described_enum(words: type[E], description: str, values: dict[E, str]) -> None:
    """Makes an enum known to Strawberry. Raises KeyError where a value has no description.

    Strawberry takes descriptions of values from the enum itself only, and the domain's know no GraphQL.
    """
    definition = strawberry.enum(words, description=description).__strawberry_definition__  # type: ignore[attr-defined]
    for value in definition.values:
        value.description = values[words[value.name]]


described_enum(
    MemoryType,
    "The four kinds of memory.",
    {
        MemoryType.SESSION: "One conversation and its metadata.",
        MemoryType.WORKING: "What an agent uses right now: messages or data. Inside a session it is an entry.",
        MemoryType.LONG_TERM: "One distilled fact.",
        MemoryType.HISTORY: "The record of one change of another memory. The service makes it; nobody changes it.",
    },
)
described_enum(
    PayloadType,
    "What a working memory carries.",
    {
        PayloadType.CONVERSATIONAL: "Messages of a conversation.",
        PayloadType.DATA: "Structured or binary data.",
    },
)
described_enum(
    WriteStatus,
    "What became of one entry or item of a request.",
    {
        WriteStatus.CREATED: "It is new.",
        WriteStatus.UPDATED: "It changed, and its version rose by one.",
        WriteStatus.UNCHANGED: "It was so already; its version stayed.",
        WriteStatus.DELETED: "It is deleted.",
        WriteStatus.FAILED: "It was refused; the errors say why.",
        WriteStatus.ROLLED_BACK: "It was not written because the request, or another part of it, was refused.",
    },
)
described_enum(
    WriteMode,
    "Whether one refused entry or item keeps the others from being written.",
    {
        WriteMode.ATOMIC: "All are written, or none.",
        WriteMode.PER_ENTRY: "The good ones are written.",
    },
)
described_enum(
    ObjectMode,
    "How given JSON objects are applied.",
    {
        ObjectMode.REPLACE: "A given object takes the place of the stored one.",
        ObjectMode.MERGE: "A given object is an RFC 7396 merge patch: null removes a key, other keys stay.",
    },
)
described_enum(
    HistoryAction,
    "What kind of change a history record tells of.",
    {
        HistoryAction.CREATE: "The memory was created, or created again after it had been deleted.",
        HistoryAction.UPDATE: "The memory changed; for a session, possibly only its entries.",
        HistoryAction.DELETE: "The memory was deleted.",
        HistoryAction.RESTORE: "The memory was brought back to an earlier version.",
        HistoryAction.ERASE: "The memory and its history were erased for good.",
    },
)
described_enum(
    ChangeKind,
    "How a field changed.",
    {
        ChangeKind.SET: "It got another value. Of two objects only the keys that differ are told.",
        ChangeKind.APPEND: (
            "Messages were added at the end: `before` is how many there were, `after` the added messages."
        ),
        ChangeKind.ENTRIES: "Entries of the session changed: `after` counts the created, updated and deleted ones.",
    },
)
