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
    batch_operations: int = 10
    """Operations in one request that is a list of them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OperationLimits:
    """Upper bounds on what one operation may ask, and on how many are asked at once."""

    characters: int = 100_000
    """Characters of one document."""
    tokens: int = 5_000
    """Tokens of one document: names, numbers, strings and punctuation."""
    depth: int = 12
    """How deep fields may nest, without those of introspection."""
    aliases: int = 30
    """Aliases in one document."""
    directives: int = 50
    """Directives in one document."""
    selections: int = 5_000
    """Fields and fragments in one document, a fragment as often as it is spread."""
    cost: int = 30_000
    """Fields that one answer may hold, each list as long as it may get, with what is dear counted higher."""
    operations: int = 500
    """Queries and mutations that one process runs at once."""
    subscriptions: int = 5_000
    """Subscriptions that one process serves at once."""
    query_s: int = 15
    """Seconds that a query may take, and the answer to one change that is watched."""
    mutation_s: int = 60
    """Seconds that a mutation may take."""
