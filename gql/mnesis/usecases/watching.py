"""The use case that watches: check the scope, then hear of changes for as long as the credentials hold."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime

from mnesis.domain.caller import Caller, Scope
from mnesis.domain.refusals import Forbidden, Refused
from mnesis.domain.watching import ChangeFilter
from mnesis.usecases.ports import Change, ChangeFeed, ChangeStream, Cursor, StoreFault


class CredentialsExpired(Exception):
    """The caller's credentials have ended."""


class WatchedChanges:
    """What one subscriber hears, for as long as its credentials hold."""

    def __init__(self, stream: ChangeStream, caller: Caller, clock: Callable[[], datetime]) -> None:
        self._stream = stream
        self._caller = caller
        self._clock = clock

    async def next(self) -> Change:
        """The next one, in commit order, each once. Raises what `ChangeStream.next` does, and `CredentialsExpired`."""
        try:
            async with asyncio.timeout(time_left_s(self._caller, self._clock())):
                return await self._stream.next()
        except TimeoutError:
            raise CredentialsExpired from None

    def close(self) -> None:
        """Ends the subscription; to be called however it ends."""
        self._stream.close()


class WatchableMemories:
    """Tells callers of changes."""

    def __init__(self, feed: ChangeFeed, clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._feed = feed
        self._clock = clock

    async def watch(self, caller: Caller, wanted: ChangeFilter, after: Cursor | None) -> WatchedChanges:
        """The changes that pass a filter, from a place on; without one, all that are committed after this returns.

        Raises `Refused` when the caller may not read, `CredentialsExpired`, and what `ChangeFeed.watch` raises.
        """
        if not caller.may(Scope.READ):
            raise Refused(Forbidden(required_scope=Scope.READ))
        time_left_s(caller, self._clock())
        return WatchedChanges(await self._feed.watch(caller, wanted, after), caller, self._clock)


class NoFeed:
    """For a service that watches nothing."""

    async def watch(self, caller: Caller, wanted: ChangeFilter, after: Cursor | None) -> ChangeStream:
        raise StoreFault("Nothing can be watched here.")


def time_left_s(caller: Caller, now: datetime) -> float | None:
    """How long the caller's credentials still hold; None for ever. Raises `CredentialsExpired`."""
    if caller.expires_at is None:
        return None
    left_s = (caller.expires_at - now).total_seconds()
    if left_s <= 0:
        raise CredentialsExpired
    return left_s
