"""A memory as it was, found by stepping back from what it is: a version costs its distance from now."""

from collections.abc import Mapping

from mnesis.domain.history import HistoryRecord, step_back
from mnesis.domain.memory import Memory


class NotKept(Exception):
    """A version that was is not kept any more: retention cut it, or it was erased. ``version`` says which."""

    def __init__(self, version: int) -> None:
        super().__init__(f"Version {version} is not kept any more.")
        self.version = version


def as_of(memory: Memory, version: int, records: Mapping[int, HistoryRecord]) -> Memory:
    """The memory at an earlier version, or at its own.

    ``records`` are the memory's, by version, from the wanted one on. Raises `NotKept` where one is missing.
    """
    if version not in records:
        raise NotKept(version)
    while memory.version > version:
        record, earlier = records.get(memory.version), records.get(memory.version - 1)
        if record is None or earlier is None:
            raise NotKept(version)
        memory = step_back(memory, record, earlier)
    return memory
