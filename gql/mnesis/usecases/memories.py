"""Everything the service does with memories, behind one face."""

from mnesis.domain.limits import Limits
from mnesis.usecases.containers import MemoryContainers
from mnesis.usecases.embedding import Questions
from mnesis.usecases.ports import MemoryReader, Store
from mnesis.usecases.reading import ReadableMemories
from mnesis.usecases.writing import MemoryWriter


class Memories(ReadableMemories, MemoryWriter, MemoryContainers):
    """Reads and changes memories on behalf of a caller."""

    _store: Store

    def __init__(
        self, *, store: Store, reader: MemoryReader, limits: Limits, questions: Questions | None = None
    ) -> None:
        ReadableMemories.__init__(self, reader, limits, questions)
        MemoryWriter.__init__(self, store, limits)
        MemoryContainers.__init__(self, store, store, reader, limits)
        self.limits = limits
