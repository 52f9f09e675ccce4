"""Look-ups of memories by id that wait at the same time become one statement, where their callers see the same."""

import asyncio
import logging
import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from time import perf_counter
from typing import Any, TypeAlias

from mnesis.domain.memory import Memory
from mnesis.storage.reading_threads import ReadingThreads
from mnesis.usecases.metering import UNMETERED, Meter
from mnesis.usecases.ports import StoreFault

log = logging.getLogger("mnesis.storage")

MOST_IDS = 1_000
"""How many are looked up together at most, so that nobody waits for more than a few pages of memories."""
KIND = "memories"
"""What a `Meter` knows these reads by."""

Found: TypeAlias = Mapping[str, Memory]
Visibility: TypeAlias = Mapping[str, Any]
"""The parameters that say what a caller may see; see `visibility.caller_parameters`."""
Key: TypeAlias = tuple[Any, ...]


@dataclass(slots=True, eq=False)
class Asked:
    """A look-up that waits, and where its answer goes."""

    ids: Collection[str]
    answer: "asyncio.Future[Found]"
    origin: object
    """Whom a `Meter` knows it to be asked by."""


class PointReads:
    """Gathers look-ups, one queue for each visibility and event loop.

    What is asked for in one turn of the loop is handed to a reading thread together. What comes until that thread
    begins, or while it reads, waits and is taken together, so a statement begins after every one of its look-ups was
    asked: it shows what had been written by then. Several queues are read at the same time, each by one thread.
    """

    def __init__(
        self,
        read: Callable[[Visibility, Collection[str]], Found],
        threads: ReadingThreads,
        meter: Meter = UNMETERED,
    ) -> None:
        """``read`` blocks, and raises `StoreFault`; it is called in one of the ``threads``."""
        self._read = read
        self._threads = threads
        self._meter = meter
        self._lock = threading.Lock()
        self._queues: dict[Key, list[Asked]] = {}
        """A queue is there from its first look-up until a thread finds it empty."""

    async def memories(self, visibility: Visibility, ids: Collection[str]) -> Found:
        """The live memories among these ids. A look-up whose caller goes away is dropped unless it has begun."""
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[Found] = loop.create_future()
        asked = Asked(ids, answer, self._meter.origin())
        # Equal only for those who may see the same.
        key = (loop, *visibility.items())
        with self._lock:
            queue = self._queues.get(key)
            if queue is None:
                self._queues[key] = [asked]
                # A thread that was handed the first at once would take it alone whenever this one paused.
                loop.call_soon(self._begin, key, visibility)
            else:
                queue.append(asked)
        return await answer

    def _begin(self, key: Key, visibility: Visibility) -> None:
        try:
            self._threads.hand_over(partial(self._run, key, visibility))
        except StoreFault as fault:
            with self._lock:
                refused = self._queues.pop(key)
            _tell(refused, {}, fault)

    def _run(self, key: Key, visibility: Visibility) -> None:
        while taken := self._take(key):
            self._answer(key[0], visibility, taken)
            with self._lock:
                if not self._queues[key]:
                    del self._queues[key]
                    return
                # To the end of the threads' line, behind what others ask; a store that closes has none any more.
                with suppress(StoreFault):
                    self._threads.hand_over(partial(self._run, key, visibility))
                    return

    def _take(self, key: Key) -> list[Asked]:
        """What waits, in order, up to `MOST_IDS`; at least one."""
        with self._lock:
            queue = self._queues[key]
            end = ids = 0
            while end < len(queue) and (end == 0 or ids + len(queue[end].ids) <= MOST_IDS):
                ids += len(queue[end].ids)
                end += 1
            self._queues[key] = queue[end:]
            return queue[:end]

    def _answer(self, loop: asyncio.AbstractEventLoop, visibility: Visibility, taken: Sequence[Asked]) -> None:
        begun = [asked for asked in taken if not asked.answer.cancelled()]
        if not begun:
            return
        began_s = perf_counter()
        found: Found = {}
        fault: Exception | None = None
        try:
            found = self._read(visibility, {each for asked in begun for each in asked.ids})
        except Exception as failed:
            # Whatever it is: a queue that nobody reads would keep everybody waiting who comes after.
            fault = failed
        self._measure(begun, began_s, failed=fault is not None)
        # Not `suppress`, which is a fifth of what all this costs.
        try:  # noqa: SIM105
            loop.call_soon_threadsafe(_tell, begun, found, fault)
        except RuntimeError:
            # A loop that was closed meanwhile has nobody left who waits.
            pass

    def _measure(self, begun: Sequence[Asked], began_s: float, *, failed: bool) -> None:
        if self._meter is UNMETERED:
            return
        ended_s = perf_counter()
        try:
            for asked in begun:
                self._meter.read(KIND, asked.origin, began_s, ended_s, failed=failed)
        except Exception:
            # They are answered all the same, or would wait for ever.
            log.exception("A reading could not be measured.")


def _tell(askers: Sequence[Asked], found: Found, fault: Exception | None) -> None:
    for asked in askers:
        if asked.answer.done():
            continue
        if fault is None:
            asked.answer.set_result({each: found[each] for each in asked.ids if each in found})
        else:
            # Each caller gets an exception of its own, since raising one adds to its traceback.
            refusal = StoreFault(str(fault))
            refusal.__cause__ = fault
            asked.answer.set_exception(refusal)
