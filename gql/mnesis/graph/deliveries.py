"""Executes subscriptions for the changes that they are told: once for all who would be answered the same."""

import asyncio
import time
from typing import Any
from weakref import WeakKeyDictionary

import orjson

from mnesis.domain.caller import Caller
from mnesis.graph.body import encoded
from mnesis.graph.context import Context
from mnesis.graph.loaders import Loaders
from mnesis.graph.prepare import Prepared
from mnesis.graph.running import Executes
from mnesis.graph.watching import MemoryChange
from mnesis.usecases.memories import Memories
from mnesis.usecases.ports import Change, ReadTogether
from mnesis.usecases.watching import WatchableMemories

SHARED_S = 0.25
"""How old an answer may be that is given again: `memory` is the memory as it is now, or was a moment ago."""


class Subscribed:
    """A subscription as far as it decides what a change is answered with."""

    def __init__(self, prepared: Prepared, variables: dict[str, Any], caller: Caller) -> None:
        self.prepared = prepared
        self.variables = variables
        self.caller = caller
        self.view = (caller.tenant, caller.subject, caller.scopes)
        # The document is remembered by whoever prepares, so the same text has the same object.
        self.key = (id(prepared.document), id(prepared.operation), self.view, _key(variables))


class Deliveries:
    """What is remembered lives as long as the changes that it belongs to wait for somebody."""

    def __init__(self, executor: Executes, memories: Memories, watching: WatchableMemories) -> None:
        self._executor = executor
        self._memories = memories
        self._watching = watching
        self._answers: WeakKeyDictionary[Change, dict[object, tuple[float, Subscribed, asyncio.Task[bytes]]]]
        self._answers = WeakKeyDictionary()
        self._loaders: WeakKeyDictionary[ReadTogether, dict[object, tuple[float, Loaders]]] = WeakKeyDictionary()

    async def answer(self, subscribed: Subscribed, event: MemoryChange) -> bytes:
        """The response to one change, as JSON."""
        known = self._answers.setdefault(event.change, {})
        now = time.monotonic()
        found = known.get(subscribed.key)
        if found is None or now - found[0] > SHARED_S:
            # A task of its own: whoever asked first may go away, and the others still wait for it. The subscription
            # is kept beside it, so that what its key is made of stays alive.
            found = (now, subscribed, asyncio.create_task(self._executed(subscribed, event)))
            known[subscribed.key] = found
        return await asyncio.shield(found[2])

    async def _executed(self, subscribed: Subscribed, event: MemoryChange) -> bytes:
        context = Context(
            caller=subscribed.caller,
            memories=self._memories,
            watching=self._watching,
            loaders=self._loaders_for(event.change.batch, subscribed),
        )
        return encoded(await self._executor.execute(subscribed.prepared, subscribed.variables, context, event))

    def _loaders_for(self, together: ReadTogether, subscribed: Subscribed) -> Loaders:
        """Changes that were read together look up their memories together."""
        known = self._loaders.setdefault(together, {})
        now = time.monotonic()
        found = known.get(subscribed.view)
        if found is None or now - found[0] > SHARED_S:
            found = known[subscribed.view] = (now, Loaders(self._memories, subscribed.caller))
        return found[1]


def _key(variables: dict[str, Any]) -> object:
    try:
        return orjson.dumps(variables, option=orjson.OPT_SORT_KEYS)
    except (TypeError, orjson.JSONEncodeError):
        return object()  # Equal to nothing else: what cannot be compared is not shared.
