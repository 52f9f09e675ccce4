"""What waits for one subscriber, and how it catches up with those who are already told of everything at once."""

import asyncio
from collections import deque
from typing import Protocol

from mnesis.domain.caller import Caller
from mnesis.domain.watching import ChangeFilter
from mnesis.storage.change_reader import AT_THE_END, ChangeReader, Place, is_seen, place_of, weight_bytes
from mnesis.storage.rows import record_from
from mnesis.usecases.ports import Change, ChangesLagged, Cursor, CursorExpired, ReadTogether

CATCH_UP_ROWS = 100
QUEUED_BYTES = 8 * 1024 * 1024
"""How much waits for one subscriber at most, a single larger change apart."""


class Told(Protocol):
    """The part of a tenant's feed that a subscription needs."""

    @property
    def place(self) -> Place:
        """Subscribers that joined were told of everything up to here."""
        ...

    def join(self, subscription: "Subscription") -> None:
        """From here on the subscription is offered what is new."""
        ...

    def leave(self, subscription: "Subscription") -> None:
        """It is offered nothing any more."""
        ...


class Subscription:
    """The `ChangeStream` of one subscriber.

    It starts at ``place``. While that lies behind the feed's, it reads pages of the history at its own pace; then it
    joins, and what is new is queued for it. Both happen on one event loop, so nothing falls between.
    """

    def __init__(
        self, feed: Told, reader: ChangeReader, caller: Caller, wanted: ChangeFilter, place: Place, most_queued: int
    ) -> None:
        self.wanted = wanted
        self._feed = feed
        self._reader = reader
        self.caller = caller
        self._tenant = caller.tenant
        self._place = place
        self._given = Cursor(value=place.change, tie=place.position)
        self._most_queued = most_queued
        self._queue: deque[tuple[Change, int]] = deque()
        self._queued_bytes = 0
        self.joined = False
        self._fault: Exception | None = None
        self._waiting: asyncio.Future[None] | None = None
        self._join_when_level()

    async def next(self) -> Change:
        while not self._queue:
            if self._fault is not None:
                raise self._fault
            if self.joined:
                await self._woken()
            else:
                await self._catch_up()
        change, weight = self._queue.popleft()
        self._queued_bytes -= weight
        self._given = change.cursor
        return change

    def close(self) -> None:
        self._queue.clear()
        self._feed.leave(self)

    def offer(self, change: Change, weight: int) -> None:
        """A change that is new to all who joined. The subscription sees whether it is wanted and not yet known."""
        place = Place(change.cursor.value, change.cursor.tie)
        if place <= self._place or self._fault is not None:
            return
        self._place = place
        if not self.wanted.passes(change.record):
            return
        full = len(self._queue) >= self._most_queued or self._queued_bytes + weight > QUEUED_BYTES
        if self._queue and full:
            self.fail(ChangesLagged(self._given))
            return
        self._put(change, weight)

    def fail(self, fault: Exception) -> None:
        """Drops what waits and has the subscriber told why."""
        self._fault = fault
        self._queue.clear()
        self._queued_bytes = 0
        self._feed.leave(self)
        self._wake()

    def _put(self, change: Change, weight: int) -> None:
        self._queue.append((change, weight))
        self._queued_bytes += weight
        self._wake()

    async def _woken(self) -> None:
        self._waiting = asyncio.get_running_loop().create_future()
        try:
            await self._waiting
        finally:
            self._waiting = None

    def _wake(self) -> None:
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(None)

    def _join_when_level(self) -> None:
        if self._place >= self._feed.place:
            self.joined = True
            self._feed.join(self)

    async def _catch_up(self) -> None:
        """Reads one page. Nothing else changes this subscription meanwhile: it has not joined."""
        before, rows, after = await self._reader.wanted_changes(self._tenant, self._place, CATCH_UP_ROWS, self.wanted)
        if after.cut_off(self._place):
            raise CursorExpired
        together = ReadTogether()
        for row in rows:
            record = record_from(row)
            self._place = place_of(row)
            if self.wanted.passes(record) and is_seen(row, self.caller):
                cursor = Cursor(value=record.change, tie=record.position)
                self._put(Change(cursor=cursor, record=record, batch=together), weight_bytes(row))
        if len(rows) < CATCH_UP_ROWS:
            # What was committed before the page was read and is not on it is not wanted.
            self._place = max(self._place, Place(before.newest, AT_THE_END))
        self._join_when_level()
