"""PostgreSQL goes away: between requests, during one, and in the middle of a COMMIT."""

import asyncio
import shutil
import socket
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from psycopg.conninfo import conninfo_to_dict

from mnesis.storage import lanes
from mnesis.storage.lanes import InDoubt
from mnesis.usecases.ports import MemoryQuery, StoreFault
from tests.storage.workbench import (
    ANN,
    Bench,
    changed,
    fact,
    made,
    opened,
    raw,
    rows,
    session,
    until,
    update,
    write_locked,
)

pytestmark = pytest.mark.anyio

OURS = "FROM pg_stat_activity WHERE application_name = 'mnesis' AND datname = current_database()"


def hang_up(url: str) -> int:
    """Ends the sessions of the database under test, as a restart or a fail-over would."""
    return len(rows(url, f"SELECT pg_terminate_backend(pid, 5000) {OURS}"))


async def test_what_comes_after_a_lost_connection_succeeds(postgresql_url: str) -> None:
    async with opened(postgresql_url, lanes=2) as bench:
        [memory] = await made(bench.memories, session("s", summary="0"))
        for number in range(1, 4):
            await asyncio.gather(*(bench.memories.memories(ANN, ["s"]) for _ in range(8)))
            assert hang_up(postgresql_url) >= 2
            found = await asyncio.gather(*(bench.memories.memories(ANN, ["s"]) for _ in range(8)))
            assert [each["s"].version for each in found] == [number] * 8
            outcome = await update(bench.memories, changed(memory, summary=str(number)))
            assert outcome.outcomes[0].version == number + 1


async def test_a_write_that_loses_its_connection_is_tried_again(postgresql_url: str) -> None:
    async with opened(postgresql_url) as bench:
        [memory] = await made(bench.memories, session("s"))
        with write_locked(postgresql_url):
            writing = asyncio.create_task(update(bench.memories, changed(memory, summary="1")))
            await waits_for_a_lock(postgresql_url)
            hang_up(postgresql_url)
        assert (await writing).outcomes[0].version == 2
        assert len(rows(postgresql_url, "SELECT 1 FROM history")) == 2


async def test_a_read_that_loses_its_connection_is_asked_again(postgresql_url: str) -> None:
    async with opened(postgresql_url) as bench:
        await made(bench.memories, session("s"))
        with raw(postgresql_url) as connection:
            connection.execute("BEGIN")
            connection.execute("LOCK TABLE memory IN ACCESS EXCLUSIVE MODE")
            reading = asyncio.create_task(bench.memories.memories(ANN, ["s"]))
            await waits_for_a_lock(postgresql_url)
            hang_up(postgresql_url)
            connection.execute("ROLLBACK")
        assert list(await reading) == ["s"]


async def test_writes_go_on_while_connections_are_lost_again_and_again(postgresql_url: str) -> None:
    async with opened(postgresql_url) as bench:
        [memory] = await made(bench.memories, session("s", metadata={}))
        done = asyncio.Event()

        async def disturb() -> None:
            while not done.is_set():
                await asyncio.to_thread(hang_up, postgresql_url)
                await asyncio.sleep(0.02)

        disturbing = asyncio.create_task(disturb())
        written = 0
        for number in range(100):
            with suppress(StoreFault):
                outcome = await update(bench.memories, changed(memory, metadata={"n": number}))
                written += outcome.counts.updated
        done.set()
        await disturbing
        found = (await bench.memories.memories(ANN, ["s"]))["s"]
        assert written > 50
        assert found.version == written + 1
        assert len(rows(postgresql_url, "SELECT 1 FROM history")) == written + 1


async def waits_for_a_lock(url: str) -> None:
    await until(lambda: rows(url, f"SELECT 1 {OURS} AND wait_event_type = 'Lock'"))


async def test_a_column_that_a_migration_changes_is_read_on_the_next_request(postgresql_url: str) -> None:
    async with opened(postgresql_url) as bench:
        [memory] = await made(bench.memories, session("s"))
        for number in range(8):  # By now the driver has prepared the statements.
            await update(bench.memories, changed(memory, summary=str(number)))
            await bench.memories.memories(ANN, ["s"])
        with raw(postgresql_url) as connection:
            connection.execute("ALTER TABLE memory ALTER COLUMN version TYPE bigint")
        assert (await bench.memories.memories(ANN, ["s"]))["s"].version == 9
        assert (await update(bench.memories, changed(memory, summary="x"))).outcomes[0].version == 10


async def test_a_server_that_is_not_there_is_a_fault(tmp_path: Path) -> None:
    async with opened(f"postgresql://ann@/db?host={tmp_path}") as bench:
        with pytest.raises(StoreFault):
            await bench.memories.memories(ANN, ["s"])
        with pytest.raises(StoreFault):
            await made(bench.memories, fact())


@dataclass
class Proxy:
    """Stands before PostgreSQL's socket and breaks connections at a COMMIT.

    ``cuts`` says at which ones, counted from 1, and when: "before" the server hears of it, "after" it has answered, or
    "lingering": the client is cut off at once, and the server learns of it only a moment later. With ``then_closed``
    nobody gets through afterwards until ``closed`` is taken back.
    """

    url: str
    target: str
    cuts: dict[int, str] = field(default_factory=dict)
    then_closed: bool = False
    closed: bool = False
    commits: int = 0

    def serve(self, listener: socket.socket) -> None:
        with suppress(OSError):
            while True:
                client, _ = listener.accept()
                if self.closed:
                    client.close()
                    continue
                server = socket.socket(socket.AF_UNIX)
                server.connect(self.target)
                ends = (client, server, threading.Event())
                threading.Thread(target=self._requests, args=ends, daemon=True).start()
                threading.Thread(target=self._answers, args=ends, daemon=True).start()

    def _requests(self, client: socket.socket, server: socket.socket, last: threading.Event) -> None:
        with suppress(OSError):
            while data := client.recv(65_536):
                cut = None
                if b"COMMIT\0" in data:
                    self.commits += 1
                    cut = self.cuts.get(self.commits)
                    self.closed = self.closed or (cut is not None and self.then_closed)
                if cut in ("before", "lingering"):
                    client.shutdown(socket.SHUT_RDWR)
                    time.sleep(0.5 if cut == "lingering" else 0)
                    break
                if cut == "after":
                    last.set()
                server.sendall(data)
        # In the end what was answered is still read, but goes no further.
        with suppress(OSError):
            server.shutdown(socket.SHUT_WR)

    def _answers(self, client: socket.socket, server: socket.socket, last: threading.Event) -> None:
        with suppress(OSError):
            while (data := server.recv(65_536)) and not last.is_set():
                client.sendall(data)
        for end in (client, server):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()


@contextmanager
def proxied(url: str) -> Iterator[Proxy]:
    parts = conninfo_to_dict(url)
    folder = Path(tempfile.mkdtemp(prefix="mnesis-"))
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(folder / ".s.PGSQL.5432"))
    listener.listen()
    proxy = Proxy(
        url=f"postgresql://{parts['user']}@{urlsplit(url).path}?host={folder}&port=5432",
        target=f"{parts['host']}/.s.PGSQL.{parts.get('port') or 5432}",
    )
    thread = threading.Thread(target=proxy.serve, args=[listener], daemon=True)
    thread.start()
    try:
        yield proxy
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join()
        shutil.rmtree(folder)


async def committed_together(bench: Bench, url: str, proxy: Proxy, cut: str, count: int) -> list[object]:
    """The outcomes of creations whose common COMMIT is cut."""
    for _ in range(2):
        await made(bench.memories, fact())
    with write_locked(url):
        begun = bench.watched.begun()
        plug = asyncio.create_task(made(bench.memories, fact()))
        await until(lambda: bench.watched.begun() > begun)
        proxy.cuts = {proxy.commits + 2: cut}
        tasks = [asyncio.create_task(made(bench.memories, fact(str(number)))) for number in range(count)]
        await asyncio.sleep(0.05)
    await plug
    return await asyncio.gather(*tasks, return_exceptions=True)


@pytest.mark.parametrize("cut", ["before", "after", "lingering"])
@pytest.mark.parametrize("count", [1, 5])
async def test_a_commit_whose_connection_broke_takes_effect_once(postgresql_url: str, cut: str, count: int) -> None:
    with proxied(postgresql_url) as proxy:
        async with opened(proxy.url) as bench:
            outcomes = await committed_together(bench, postgresql_url, proxy, cut, count)
            written = [outcome[0].values["memory"] for outcome in outcomes if isinstance(outcome, list)]
            assert written == [str(number) for number in range(count)]
            commits = 4 if cut == "after" else 5
            assert proxy.commits == commits
            assert len(rows(postgresql_url, "SELECT 1 FROM history")) == 3 + count
            assert await bench.memories.count_memories(ANN, MemoryQuery()) == 3 + count


@pytest.mark.parametrize("cut", ["before", "after"])
@pytest.mark.parametrize("count", [1, 5])
async def test_a_commit_that_stays_in_doubt_is_not_repeated(
    postgresql_url: str, cut: str, count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lanes, "IN_DOUBT_S", 0.3)
    with proxied(postgresql_url) as proxy:
        proxy.then_closed = True
        async with opened(proxy.url) as bench:
            outcomes = await committed_together(bench, postgresql_url, proxy, cut, count)
            assert [type(outcome) for outcome in outcomes] == [InDoubt] * count
            proxy.closed = False
            await made(bench.memories, fact())
            written = count if cut == "after" else 0
            assert len(rows(postgresql_url, "SELECT 1 FROM history")) == 3 + written + 1


async def test_a_server_that_cannot_be_reached_is_not_tried_once_for_every_batch(postgresql_url: str) -> None:
    with proxied(postgresql_url) as proxy:
        async with opened(proxy.url) as bench:
            await made(bench.memories, fact())
            proxy.closed = True
            hang_up(postgresql_url)
            outcomes = await asyncio.gather(*(made(bench.memories, fact()) for _ in range(20)), return_exceptions=True)
            assert all(isinstance(outcome, StoreFault) for outcome in outcomes)
            proxy.closed = False
            await made(bench.memories, fact())
            assert len(rows(postgresql_url, "SELECT 1 FROM history")) == 2
