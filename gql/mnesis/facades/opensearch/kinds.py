"""Their memory types and the indices that they lie in, beside ours."""

from mnesis.domain.memory_types import MemoryType
from mnesis.facades.opensearch.errors import OpenSearchError, illegal_argument

KINDS = {
    "sessions": MemoryType.SESSION,
    "working": MemoryType.WORKING,
    "long-term": MemoryType.LONG_TERM,
    "history": MemoryType.HISTORY,
}
NAMES = {kind: name for name, kind in KINDS.items()}


def kind_of(name: str) -> MemoryType:
    """The type that a path names. Raises `OpenSearchError`."""
    kind = KINDS.get(name.lower())
    if kind is None:
        raise _no_kind(name)
    return kind


def _no_kind(name: str) -> OpenSearchError:
    return illegal_argument(f"Invalid memory type: {name}. Must be one of: {', '.join(KINDS)}")
