"""The change feed: reads each tenant's new history once and hands it to whoever waits for it in this process.

Only tenants that somebody watches are read. A read is due when a lane of this process has committed, when another
process says so, and for the rest every `POLL_S`. Everything but the reading itself happens on one event loop.
"""

import asyncio
import logging
from collections.abc import Callable, Hashable, Iterator
from contextlib import suppress
from contextvars import Context
from typing import Any

from mnesis.domain.caller import Caller
from mnesis.domain.memory_types import MemoryType
from mnesis.domain.watching import ChangeFilter
from mnesis.storage.change_reader import (
    AT_THE_END,
    CONTAINER_ID,
    GUARDED,
    MEMORY_ID,
    MEMORY_TYPE,
    SESSION_ID,
    ChangeReader,
    Place,
    is_seen,
    place_of,
    weight_bytes,
)
from mnesis.storage.engines import Engine
from mnesis.storage.rows import record_from
from mnesis.storage.subscription import Subscription
from mnesis.storage.wakeups import Wakeups
from mnesis.usecases.metering import UNMETERED, Meter
from mnesis.usecases.ports import (
    Change,
    ChangeStream,
    Cursor,
    CursorExpired,
    CursorUnknown,
    Overloaded,
    ReadTogether,
    StoreFault,
)

log = logging.getLogger("mnesis.storage")

POLL_S = 1.0
"""How long a change that nobody tells of may go unnoticed."""
GATHER_S = 0.004
"""How long commits are gathered after a read before the next one: a busy tenant is read some 200 times a second."""
READ_ROWS = 500
MOST_SUBSCRIPTIONS = 10_000
"""Of one tenant in one process."""

_EVERYTHING = ("everything", "")


class Feed:
    """The `ChangeFeed` of one process. It works on the event loop of its first subscriber."""

    def __init__(self, engine: Engine, wakeups: Wakeups, *, most_queued: int, meter: Meter = UNMETERED) -> None:
        self._reader = ChangeReader(engine, threads=2, meter=meter)
        self._wakeups = wakeups
        self._most_queued = most_queued
        self._tenants: dict[str, _TenantFeed] = {}
        self._loop: asyncio.AbstractEventLoop | None = None
        self._poll: asyncio.Task[None] | None = None
        self._closing = False

    @property
    def subscribers(self) -> int:
        """How many subscriptions stand, of all tenants."""
        return sum(feed.subscriptions for feed in list(self._tenants.values()))

    def committed(self, tenant: str) -> None:
        """A lane of this process has committed. Called in the lane's thread, and costs it next to nothing."""
        self._heard(tenant)
        self._wakeups.tell(tenant)

    async def watch(self, caller: Caller, wanted: ChangeFilter, after: Cursor | None) -> ChangeStream:
        self._begin()
        tenant = caller.tenant
        marks = await self._reader.marks(tenant)
        if self._closing:
            raise StoreFault("The store is closing.")
        place = Place(marks.newest, AT_THE_END)
        if after is not None:
            if after.value > marks.newest:
                raise CursorUnknown
            place = Place(after.value, after.tie)
            if marks.cut_off(place):
                raise CursorExpired
        feed = self._tenants.get(tenant)
        if feed is None:
            feed = _TenantFeed(tenant, self._reader, Place(marks.newest, AT_THE_END), self._forget)
            self._tenants[tenant] = feed
            # What was committed since the look at the marks has woken nobody.
            feed.wake()
        if feed.subscriptions >= MOST_SUBSCRIPTIONS:
            raise Overloaded("The tenant has too many subscriptions.")
        return feed.subscribed(caller, wanted, place, self._most_queued)

    async def close(self) -> None:
        """Ends every subscription with `StoreFault`."""
        self._closing = True
        if self._poll is not None:
            self._poll.cancel()
            await asyncio.gather(self._poll, return_exceptions=True)
        for feed in list(self._tenants.values()):
            await feed.close()
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(None, self._wakeups.close)
        await loop.run_in_executor(None, self._reader.close)

    def _begin(self) -> None:
        loop = asyncio.get_running_loop()
        if self._loop is None:
            self._loop = loop
            self._wakeups.listen(self._heard)
        if self._poll is None or self._poll.done():
            # In a context of its own: it works for no request in particular.
            self._poll = loop.create_task(self._look_around(), context=Context())

    def _heard(self, tenant: str) -> None:
        """Called in any thread."""
        if tenant in self._tenants and self._loop is not None:
            # A loop that was closed meanwhile has nobody left who waits.
            with suppress(RuntimeError):
                self._loop.call_soon_threadsafe(self._wake, tenant)

    def _wake(self, tenant: str) -> None:
        feed = self._tenants.get(tenant)
        if feed is not None:
            feed.wake()

    def _forget(self, tenant: str) -> None:
        self._tenants.pop(tenant, None)

    async def _look_around(self) -> None:
        """Wakes the tenants with changes that nobody told of, until nobody watches."""
        while True:
            await asyncio.sleep(POLL_S)
            if not self._tenants:
                continue
            try:
                newest = await self._reader.newest(list(self._tenants))
            except StoreFault as fault:
                log.warning("The change feed could not look for changes; it is tried again: %s", fault)
                continue
            for tenant, change in newest.items():
                feed = self._tenants.get(tenant)
                if feed is not None and feed.place < Place(change, 0):
                    feed.wake()


class _TenantFeed:
    """Those who watch one tenant, found by what they watch.

    ``place`` is how far they were told. Each subscription stands in the index under one kind of key, the narrowest
    that its filter names, so that it is found at most once for a change.
    """

    def __init__(self, tenant: str, reader: ChangeReader, place: Place, forget: Callable[[str], None]) -> None:
        self.place = place
        self.subscriptions = 0
        self._tenant = tenant
        self._reader = reader
        self._forget = forget
        self._all: set[Subscription] = set()
        self._found: dict[Hashable, dict[Subscription, None]] = {}
        self._due = False
        self._reading: asyncio.Task[None] | None = None

    def subscribed(self, caller: Caller, wanted: ChangeFilter, place: Place, most_queued: int) -> Subscription:
        """A new subscription from a place on."""
        self.subscriptions += 1
        subscription = Subscription(self, self._reader, caller, wanted, place, most_queued)
        self._all.add(subscription)
        return subscription

    def join(self, subscription: Subscription) -> None:
        for key in _keys(subscription.wanted):
            self._found.setdefault(key, {})[subscription] = None

    def leave(self, subscription: Subscription) -> None:
        if subscription not in self._all:
            return
        self._all.discard(subscription)
        self.subscriptions -= 1
        for key in _keys(subscription.wanted):
            there = self._found.get(key)
            if there is not None:
                there.pop(subscription, None)
                if not there:
                    del self._found[key]
        if not self._all:
            self._forget(self._tenant)

    def wake(self) -> None:
        """New history is to be read, now or, while a read is under way, right after it."""
        self._due = True
        if self._reading is None:
            self._reading = asyncio.get_running_loop().create_task(self._read(), context=Context())

    async def close(self) -> None:
        """Ends every subscription with `StoreFault`."""
        if self._reading is not None:
            self._reading.cancel()
            await asyncio.gather(self._reading, return_exceptions=True)
        for subscription in list(self._all):
            subscription.fail(StoreFault("The store is closing."))

    async def _read(self) -> None:
        try:
            while self._due and self._all:
                self._due = False
                marks, rows, after = await self._reader.changes(self._tenant, self.place, READ_ROWS)
                if after.cut_off(self.place):
                    self._expire()
                self._hand_out(rows)
                if len(rows) < READ_ROWS:
                    # Changes without a record, such as one that changed nothing, are behind us too.
                    self.place = max(self.place, Place(marks.newest, AT_THE_END))
                    await asyncio.sleep(GATHER_S)
                else:
                    self._due = True
                    # The subscribers take what they were handed before the next lot is read.
                    await asyncio.sleep(0)
        except StoreFault as fault:
            log.warning("The change feed could not read; it is tried again: %s", fault)
        finally:
            self._reading = None

    def _expire(self) -> None:
        """A rule that keeps few records of a memory may cut one before it was read; those who wait must not miss it
        unawares. Whoever catches up looks after itself."""
        for subscription in [each for each in self._all if each.joined]:
            subscription.fail(CursorExpired())

    def _hand_out(self, rows: list[Any]) -> None:
        together = ReadTogether()
        for row in rows:
            self.place = place_of(row)
            change: Change | None = None
            guarded = row[GUARDED]
            for subscription in list(self._interested(row)):
                if guarded and not is_seen(row, subscription.caller):
                    continue
                if change is None:
                    record = record_from(row)
                    cursor = Cursor(value=record.change, tie=record.position)
                    change, weight = Change(cursor=cursor, record=record, batch=together), weight_bytes(row)
                subscription.offer(change, weight)

    def _interested(self, row: Any) -> Iterator[Subscription]:
        keys = [_EVERYTHING, ("id", row[MEMORY_ID]), ("container", row[CONTAINER_ID])]
        if row[SESSION_ID] is not None:
            keys.append(("session", row[SESSION_ID]))
        elif row[MEMORY_TYPE] == MemoryType.SESSION:
            keys.append(("session", row[MEMORY_ID]))
        for key in keys:
            yield from self._found.get(key, ())


def _keys(wanted: ChangeFilter) -> list[Hashable]:
    """Where in the index a subscription stands."""
    if wanted.ids is not None:
        return [("id", each) for each in wanted.ids]
    if wanted.session_id is not None:
        return [("session", wanted.session_id)]
    if wanted.container_id is not None:
        return [("container", wanted.container_id)]
    return [_EVERYTHING]
