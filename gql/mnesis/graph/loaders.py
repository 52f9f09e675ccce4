"""Gathers what the fields of one request look up, so that a list costs as many statements as one memory."""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping
from typing import TypeAlias, TypeVar

from strawberry.dataloader import DataLoader

from mnesis.domain.caller import Caller
from mnesis.domain.containers import Container
from mnesis.domain.history import HistoryRecord
from mnesis.domain.ids import RecordId
from mnesis.domain.memory import Memory
from mnesis.usecases.memories import Memories
from mnesis.usecases.ports import Page, PageRequest

T = TypeVar("T")
PageKey: TypeAlias = tuple[PageRequest, str]
"""Which page, and of what: the id of a session or of a memory."""


class Loaders:
    """One for each kind of look-up, for one request."""

    def __init__(self, memories: Memories, caller: Caller) -> None:
        async def by_id(ids: list[str]) -> list[Memory | None]:
            found = await memories.memories(caller, ids)
            return [found.get(each) for each in ids]

        async def container_by_id(ids: list[str]) -> list[Container | None]:
            found = await memories.containers(caller, ids)
            return [found.get(each) for each in ids]

        async def container_count(ids: list[str]) -> list[int]:
            found = await memories.count_memories_of(caller, ids)
            return [found[each] for each in ids]

        async def record_by_id(ids: list[RecordId]) -> list[HistoryRecord | None]:
            found = await memories.records(caller, ids)
            return [found.get(each) for each in ids]

        async def entry_count(ids: list[str]) -> list[int]:
            found = await memories.count_entries(caller, ids)
            return [found[each] for each in ids]

        async def history_count(ids: list[str]) -> list[int]:
            found = await memories.count_histories(caller, ids)
            return [found[each] for each in ids]

        async def entry_page(keys: list[PageKey]) -> list[Page[Memory]]:
            return await _pages(keys, lambda ids, page: memories.entries(caller, ids, page))

        async def history_page(keys: list[PageKey]) -> list[Page[HistoryRecord]]:
            return await _pages(keys, lambda ids, page: memories.histories(caller, ids, page))

        self.memories: DataLoader[str, Memory | None] = DataLoader(by_id)
        self.containers: DataLoader[str, Container | None] = DataLoader(container_by_id)
        self.container_counts: DataLoader[str, int] = DataLoader(container_count)
        self.records: DataLoader[RecordId, HistoryRecord | None] = DataLoader(record_by_id)
        self.entry_counts: DataLoader[str, int] = DataLoader(entry_count)
        self.history_counts: DataLoader[str, int] = DataLoader(history_count)
        self.entries: DataLoader[PageKey, Page[Memory]] = DataLoader(entry_page)
        self.histories: DataLoader[PageKey, Page[HistoryRecord]] = DataLoader(history_page)

    def forget(self) -> None:
        """To be called after a write: the next mutation of the document, and its payload, see what it did."""
        self.memories.clear_all()
        self.containers.clear_all()
        self.container_counts.clear_all()
        self.records.clear_all()
        self.entry_counts.clear_all()
        self.history_counts.clear_all()
        self.entries.clear_all()
        self.histories.clear_all()


async def _pages(
    keys: list[PageKey],
    ask: Callable[[Collection[str], PageRequest], Awaitable[Mapping[str, Page[T]]]],
) -> list[Page[T]]:
    wanted: dict[PageRequest, list[str]] = {}
    for page, of in keys:
        wanted.setdefault(page, []).append(of)
    found = dict(zip(wanted, await asyncio.gather(*(ask(ids, page) for page, ids in wanted.items())), strict=True))
    return [found[page][of] for page, of in keys]
