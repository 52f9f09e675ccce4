"""Everything the service does with memories, behind one face."""

from mnesis.domain.limits import Limits
from mnesis.usecases.ports import MemoryReader, MemoryStore
from mnesis.usecases.reading import ReadableMemories
from mnesis.usecases.writing import MemoryWriter


class Memories(ReadableMemories, MemoryWriter):
    """Reads and changes memories on behalf of a caller."""

    def __init__(self, *, store: MemoryStore, reader: MemoryReader, limits: Limits) -> None:
        ReadableMemories.__init__(self, reader)
        MemoryWriter.__init__(self, store, limits)
        self.limits = limits
