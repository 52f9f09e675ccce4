"""Which GraphQL type shows which stored memory."""

from collections.abc import Callable

from mnesis.domain.ids import PastId
from mnesis.domain.memory import Memory as StoredMemory
from mnesis.domain.memory_types import MemoryType
from mnesis.graph import long_term, session, working
from mnesis.graph.loaders import Loaders
from mnesis.graph.long_term import LongTermMemory
from mnesis.graph.memory import Memory
from mnesis.graph.session import SessionMemory
from mnesis.graph.stored import Views
from mnesis.graph.working import WorkingMemory
from mnesis.usecases.ports import PastMemory

_VIEWS: dict[MemoryType, Views[SessionMemory] | Views[WorkingMemory] | Views[LongTermMemory]] = {
    MemoryType.SESSION: session.SHOWN,
    MemoryType.WORKING: working.SHOWN,
    MemoryType.LONG_TERM: long_term.SHOWN,
}
_AS_IT_IS: dict[MemoryType, Callable[[StoredMemory], Memory]] = {name: each.as_it_is for name, each in _VIEWS.items()}


def shown(stored: StoredMemory) -> Memory:
    """A stored memory as GraphQL shows it."""
    return _AS_IT_IS[stored.type](stored)


def shown_as_it_was(past: PastMemory) -> Memory:
    """A memory at one of its versions; its id names the version too, so that caches keep it apart from the live one."""
    stored = past.memory
    shown_id = str(PastId(stored.id, stored.version))
    return _VIEWS[stored.type].as_it_was(stored, shown_id, is_current=past.is_current)


async def loaded(loaders: Loaders, memory_id: str, *, alone: bool = False) -> Memory | None:
    """The memory of an id as it is now, or None where there is none. ``alone``: see `asks_alone`."""
    memories = loaders.memories
    stored = await (memories.load_alone(memory_id) if alone else memories.load(memory_id))
    return shown(stored) if stored is not None else None
