"""How large things may be. Every number is a setting; these are the defaults."""

from dataclasses import dataclass

KIB = 1024
MIB = 1024 * KIB


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Upper bounds on what one call may bring and one memory may hold."""

    commands: int = 1_000
    """Entries or items in one call."""
    text_bytes: int = MIB
    """UTF-8 bytes of text in one field."""
    messages: int = 1_000
    """Messages in one memory."""
    memory_bytes: int = 2 * MIB
    """Bytes of all fields of one memory together."""
    json_bytes: int = 256 * KIB
    """Bytes of one JSON object, written compactly."""
    json_levels: int = 32
    """How deep a JSON object may nest; a flat object has one level."""
    request_bytes: int = 8 * MIB
    """Bytes of one request body."""
    page_nodes: int = 100
    """Nodes in one page of a connection."""
    search_candidates: int = 2_000
    """Memories that one search looks at more closely, those with the rarest words first."""
    search_vectors: int = 100_000
    """Memories that one search compares by meaning, the newest of those that pass its filter."""
    queued_changes: int = 5_000
    """Changes that wait for a slow subscriber before it is told that it lagged."""
    socket_operations: int = 100
    """Operations that run at once over one WebSocket."""
