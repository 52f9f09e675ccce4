"""The guide for Python, run as the module that its blocks make together."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from types import ModuleType
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.docs.markdown import GUIDES, program
from tests.docs.serving import authenticated_server, create, token
from tests.server.running import RunningServer

GUIDE = GUIDES / "python.md"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    with authenticated_server(tmp_path_factory.mktemp("guide")) as running:
        yield running


def module(url: str, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The guide as a module that speaks to this server."""
    monkeypatch.setenv("MNESIS_TOKEN", token())
    guide = ModuleType("guide")
    source = program(GUIDE, "python")
    assert source.count("http://127.0.0.1:8000") == 1
    exec(compile(source.replace("http://127.0.0.1:8000", url), str(GUIDE), "exec"), guide.__dict__)
    return guide


@pytest.fixture
def guide(server: RunningServer, monkeypatch: pytest.MonkeyPatch) -> Any:
    return module(server.url, monkeypatch)


def test_it_finds_memories(guide: Any, server: RunningServer) -> None:
    made = [create(server, f"Fact {number}.") for number in range(3)]
    assert [fact["id"] for fact in guide.recent(3)] == made[::-1]
    assert guide.recent(1)[0]["memory"] == "Fact 2."


def test_it_changes_a_memory_and_tells_errors_apart(guide: Any, server: RunningServer) -> None:
    fact = create(server, "Bob.")
    changed = guide.correct(fact, "Bob Smith.")
    assert (changed["id"], changed["version"], changed["memory"]) == (fact, 2, "Bob Smith.")
    assert guide.correct("nobody", "Nothing.") is None
    with pytest.raises(ValueError, match=r"^input\.longTerm\.memory: "):
        guide.correct(fact, "")


def test_it_tries_again_with_what_another_writer_left(guide: Any, server: RunningServer) -> None:
    fact = create(server, "Seen once.")
    seen = []

    def change(current: dict[str, Any]) -> dict[str, Any]:
        seen.append(current["version"])
        if len(seen) == 1:
            guide.correct(fact, "Seen by another.")
        return {"memory": current["memory"] + " And by me."}

    assert guide.edit(fact, change)["memory"] == "Seen by another. And by me."
    assert seen == [1, 2]
    assert guide.edit("nobody", change) is None
    with pytest.raises(guide.Refused):
        guide.edit(fact, lambda current: {"memory": ""})


def test_it_sends_several_operations_at_once(guide: Any, server: RunningServer) -> None:
    one, other = create(server, "One."), create(server, "Two.")
    assert guide.correct_all({one: "One!", "nobody": "Gone.", other: "Two."}) == ["UPDATED", "FAILED", "UNCHANGED"]


@asynccontextmanager
async def wire(url: str) -> AsyncIterator[tuple[str, Any]]:
    """The URL of a way to the server that can be cut, and what cuts every connection that stands."""
    target = urlsplit(url)
    open_writers: set[asyncio.StreamWriter] = set()
    pumps: set[asyncio.Task[None]] = set()

    async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()
        writer.close()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await asyncio.open_connection(target.hostname, target.port)
        open_writers.update((writer, far_writer))
        for source, sink in ((reader, far_writer), (far_reader, writer)):
            task = asyncio.create_task(pump(source, sink))
            pumps.add(task)
            task.add_done_callback(pumps.discard)

    def cut() -> None:
        for writer in open_writers:
            writer.transport.abort()
        open_writers.clear()

    listening = await asyncio.start_server(connected, "127.0.0.1", 0)
    host, port = listening.sockets[0].getsockname()
    try:
        yield f"http://{host}:{port}", cut
    finally:
        cut()
        listening.close()


def test_it_goes_on_after_a_lost_connection_without_gap_or_repeat(
    server: RunningServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def heard() -> tuple[list[str], list[str]]:
        async with wire(server.url) as (url, cut):
            changes = module(url, monkeypatch).watch()
            first = asyncio.ensure_future(anext(changes))
            before = []
            while not first.done():
                before.append(await asyncio.to_thread(create, server, "Before."))
                await asyncio.wait([first], timeout=0.2)
            told = [first.result()["memory"]["id"]]
            while told[-1] != before[-1]:
                told.append((await anext(changes))["memory"]["id"])
            assert told == before[-len(told) :]
            cut()
            written = [await asyncio.to_thread(create, server, "Meanwhile.") for _ in range(3)]
            told = [(await anext(changes))["memory"]["id"] for _ in range(3)]
            await changes.aclose()
            return told, written

    told, written = asyncio.run(asyncio.wait_for(heard(), 60))
    assert told == written


def test_it_is_told_that_a_cursor_does_not_hold(guide: Any) -> None:
    async def ask() -> None:
        await anext(guide.watch(after="x"))

    with pytest.raises(guide.TransportQueryError, match="cursor"):
        asyncio.run(ask())


def test_it_is_told_that_its_token_does_not_hold(guide: Any) -> None:
    async def ask() -> None:
        await anext(guide.watch())

    guide.HEADERS["Authorization"] = "Bearer of bad news"
    with pytest.raises(guide.TransportConnectionFailed):
        asyncio.run(ask())
