"""Which GraphQL type shows which stored memory."""

from collections.abc import Callable

from mnesis.domain.memory import Memory as StoredMemory
from mnesis.domain.memory_types import MemoryType
from mnesis.graph.loaders import Loaders
from mnesis.graph.long_term import LongTermMemory
from mnesis.graph.memory import Memory
from mnesis.graph.session import SessionMemory
from mnesis.graph.working import WorkingMemory

_SHOWN: dict[MemoryType, Callable[[StoredMemory], Memory]] = {
    MemoryType.SESSION: SessionMemory.of,
    MemoryType.WORKING: WorkingMemory.of,
    MemoryType.LONG_TERM: LongTermMemory.of,
}


def shown(stored: StoredMemory) -> Memory:
    """A stored memory as GraphQL shows it."""
    return _SHOWN[stored.type](stored)


async def loaded(loaders: Loaders, memory_id: str) -> Memory | None:
    """The memory of an id as it is now, or None where there is none."""
    stored = await loaders.memories.load(memory_id)
    return shown(stored) if stored is not None else None
