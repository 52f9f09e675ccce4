"""Gathers what the fields of one request look up, so that a list costs as many statements as one memory."""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping
from functools import partial
from typing import Any, Generic, TypeAlias, TypeVar

from mnesis.domain.caller import Caller
from mnesis.domain.containers import Container
from mnesis.domain.history import HistoryRecord
from mnesis.domain.ids import RecordId
from mnesis.domain.memory import Memory
from mnesis.graph.gathering import Gathered
from mnesis.usecases.memories import Memories
from mnesis.usecases.ports import Page, PageRequest

T = TypeVar("T")
PageKey: TypeAlias = tuple[PageRequest, str]
"""Which page, and of what: the id of a session or of a memory."""


class _made(Generic[T]):  # noqa: N801  # It is used as `functools.cached_property` is.
    """An attribute that is made when it is first asked for. The standard library's own takes a lock until Python 3.12,
    which nothing here needs."""

    def __init__(self, make: Callable[[Any], T]) -> None:
        self._make = make
        self._name = make.__name__

    def __get__(self, loaders: "Loaders", kind: type) -> T:
        made: T = self._make(loaders)
        loaders.__dict__[self._name] = made
        loaders.made.append(made)
        return made


class Loaders:
    """One for each kind of look-up, for one request, made when it is first asked for."""

    def __init__(self, memories: Memories, caller: Caller) -> None:
        self._memories = memories
        self._caller = caller
        self.made: list[Any] = []

    @_made
    def memories(self) -> Gathered[str, Memory | None]:
        return Gathered(partial(self._memories.memories, self._caller))

    @_made
    def containers(self) -> Gathered[str, Container | None]:
        return Gathered(partial(self._memories.containers, self._caller))

    @_made
    def container_counts(self) -> Gathered[str, int]:
        return Gathered(partial(self._memories.count_memories_of, self._caller))

    @_made
    def records(self) -> Gathered[RecordId, HistoryRecord | None]:
        return Gathered(partial(self._memories.records, self._caller))

    @_made
    def entry_counts(self) -> Gathered[str, int]:
        return Gathered(partial(self._memories.count_entries, self._caller))

    @_made
    def history_counts(self) -> Gathered[str, int]:
        return Gathered(partial(self._memories.count_histories, self._caller))

    @_made
    def entries(self) -> Gathered[PageKey, Page[Memory]]:
        return Gathered(partial(_pages, ask=partial(self._memories.entries, self._caller)))

    @_made
    def histories(self) -> Gathered[PageKey, Page[HistoryRecord]]:
        return Gathered(partial(_pages, ask=partial(self._memories.histories, self._caller)))

    def forget(self) -> None:
        """To be called after a write: the next mutation of the document, and its payload, see what it did."""
        for made in self.made:
            made.forget()


async def _pages(
    keys: list[PageKey],
    ask: Callable[[Collection[str], PageRequest], Awaitable[Mapping[str, Page[T]]]],
) -> Mapping[PageKey, Page[T]]:
    wanted: dict[PageRequest, list[str]] = {}
    for page, of in keys:
        wanted.setdefault(page, []).append(of)
    found = dict(zip(wanted, await asyncio.gather(*(ask(ids, page) for page, ids in wanted.items())), strict=True))
    return {(page, of): found[page][of] for page, of in keys}
