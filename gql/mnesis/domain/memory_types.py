"""The closed lists of words that the domain and every edge share."""

from enum import StrEnum


class MemoryType(StrEnum):
    """The four kinds of memory. HISTORY is made by the service and never changed by a caller."""

    SESSION = "SESSION"
    WORKING = "WORKING"
    LONG_TERM = "LONG_TERM"
    HISTORY = "HISTORY"


NOUNS = {
    MemoryType.SESSION: "session",
    MemoryType.WORKING: "working memory",
    MemoryType.LONG_TERM: "long-term memory",
    MemoryType.HISTORY: "history memory",
}
"""What each kind is called in a sentence."""


class PayloadType(StrEnum):
    """What a working memory carries: messages of a conversation, or data."""

    CONVERSATIONAL = "CONVERSATIONAL"
    DATA = "DATA"


class WriteStatus(StrEnum):
    """What became of one command."""

    CREATED = "CREATED"
    UPDATED = "UPDATED"
    UNCHANGED = "UNCHANGED"
    DELETED = "DELETED"
    FAILED = "FAILED"
    ROLLED_BACK = "ROLLED_BACK"


class WriteMode(StrEnum):
    """Whether one refused command keeps the others of its batch from being written."""

    ATOMIC = "ATOMIC"
    PER_ENTRY = "PER_ENTRY"


class ObjectMode(StrEnum):
    """How a given JSON object is applied: in place of the stored one, or as an RFC 7396 merge patch."""

    REPLACE = "REPLACE"
    MERGE = "MERGE"


class HistoryAction(StrEnum):
    """What kind of change a history record tells of."""

    CREATE = "CREATE"
    UPDATE = "UPDATE"
    DELETE = "DELETE"
    RESTORE = "RESTORE"
    ERASE = "ERASE"


class ChangeKind(StrEnum):
    """How a field changed: set anew, appended to, or (a session) through its entries."""

    SET = "SET"
    APPEND = "APPEND"
    ENTRIES = "ENTRIES"
