"""Watching on behalf of a caller: the scope, and how long the credentials hold."""

from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta

import pytest

from mnesis.domain.caller import Caller, Scope
from mnesis.domain.limits import Limits
from mnesis.domain.refusals import Forbidden, Refused
from mnesis.domain.watching import ChangeFilter
from mnesis.storage.database import Database, open_database
from mnesis.usecases.memories import Memories
from mnesis.usecases.ports import StoreFault
from mnesis.usecases.watching import CredentialsExpired, NoFeed, WatchableMemories
from tests.storage.workbench import fact, made

pytestmark = pytest.mark.anyio


@pytest.fixture
async def database(sqlite_url: str) -> AsyncIterator[Database]:
    opened = open_database(sqlite_url, limits=Limits(), reader_threads=1, writer_lanes=1)
    yield opened
    await opened.close()


def reader(*, lasts: timedelta | None = None) -> Caller:
    ends = datetime.now(UTC) + lasts if lasts is not None else None
    return Caller(tenant="acme", subject="ann", scopes=frozenset({Scope.READ}), expires_at=ends)


async def test_a_caller_without_the_scope_watches_nothing(database: Database) -> None:
    watching = WatchableMemories(database.feed)
    with pytest.raises(Refused) as refused:
        await watching.watch(Caller(tenant="acme", subject="ann"), ChangeFilter(), None)
    assert refused.value.refusals == (Forbidden(required_scope=Scope.READ),)


@pytest.mark.parametrize("lasts", [None, timedelta(hours=1)])
async def test_a_caller_hears_of_changes_while_the_credentials_hold(
    database: Database, lasts: timedelta | None
) -> None:
    changes = await WatchableMemories(database.feed).watch(reader(lasts=lasts), ChangeFilter(), None)
    [memory] = await made(Memories(store=database.store, reader=database.reader, limits=Limits()), fact())
    assert (await changes.next()).record.memory_id == memory.id
    changes.close()


async def test_credentials_that_end_end_the_subscription(database: Database) -> None:
    changes = await WatchableMemories(database.feed).watch(reader(lasts=timedelta(seconds=0.2)), ChangeFilter(), None)
    with pytest.raises(CredentialsExpired):
        await changes.next()
    with pytest.raises(CredentialsExpired):
        await changes.next()
    changes.close()


async def test_what_waits_when_the_credentials_end_is_not_told_any_more(database: Database) -> None:
    now = datetime.now(UTC)
    clock: Callable[[], datetime] = lambda: now  # noqa: E731  # It tells whatever the test says the time is.
    watching = WatchableMemories(database.feed, lambda: clock())
    changes = await watching.watch(reader(lasts=timedelta(minutes=1)), ChangeFilter(), None)
    await made(Memories(store=database.store, reader=database.reader, limits=Limits()), fact(), fact())
    await changes.next()
    now += timedelta(minutes=2)
    with pytest.raises(CredentialsExpired):
        await changes.next()
    changes.close()


async def test_credentials_that_have_ended_begin_nothing(database: Database) -> None:
    with pytest.raises(CredentialsExpired):
        await WatchableMemories(database.feed).watch(reader(lasts=timedelta(seconds=-1)), ChangeFilter(), None)


async def test_without_a_feed_nothing_can_be_watched() -> None:
    with pytest.raises(StoreFault):
        await WatchableMemories(NoFeed()).watch(reader(), ChangeFilter(), None)
