"""Server-Sent Events: https://github.com/enisdenjo/graphql-sse/blob/master/PROTOCOL.md, distinct connections."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest

from mnesis.domain.caller import Scope
from mnesis.graph import events
from mnesis.graph.execute import Executor
from mnesis.graph.media import EVENTS, JSON, RESPONSE_JSON, answer_type, takes_events
from mnesis.web.tokens import issue_token
from tests.graph.live import CREATE, SECRET, WATCH, Server, bearer, served

pytestmark = pytest.mark.anyio

URQL = (
    "application/graphql-response+json, application/graphql+json, application/json, text/event-stream, multipart/mixed"
)
"""What urql 5 sends with every request, subscriptions or not."""


@pytest.fixture
async def server(sqlite_url: str) -> AsyncIterator[Server]:
    async with served(sqlite_url) as server:
        yield server


@pytest.fixture
async def guarded(sqlite_url: str) -> AsyncIterator[Server]:
    async with served(sqlite_url, authenticated=True) as server:
        yield server


class Stream:
    """The events of a response, read byte by byte as strict clients do: LF ends a line, an empty line an event."""

    def __init__(self, response: httpx.Response) -> None:
        self.response = response
        self.comments = 0
        self._bytes = response.aiter_bytes()
        self._held = b""

    async def event(self) -> tuple[str, Any]:
        """The next event and its data; ``("end", None)`` when the response has ended."""
        while True:
            while b"\n\n" not in self._held:
                async with asyncio.timeout(15):
                    try:
                        self._held += await anext(self._bytes)
                    except StopAsyncIteration:
                        assert self._held == b""
                        return "end", None
            block, _, self._held = self._held.partition(b"\n\n")
            assert b"\r" not in block
            lines = block.decode().split("\n")
            if lines == [":"]:
                self.comments += 1
                continue
            kind, data = (line.partition(":") for line in lines)
            assert (kind[0], data[0]) == ("event", "data")
            return kind[2].strip(), json.loads(data[2]) if data[2].strip() else None

    async def change(self) -> dict[str, Any]:
        kind, payload = await self.event()
        assert kind == "next", payload
        assert "errors" not in payload, payload
        change: dict[str, Any] = payload["data"]["memoryChanged"]
        return change


@asynccontextmanager
async def streaming(
    server: Server, query: str = WATCH, *, accept: str = EVENTS, headers: dict[str, str] | None = None, **variables: Any
) -> AsyncIterator[Stream]:
    body = {"query": query, "variables": variables}
    sent = {"Accept": accept, **(headers or {})}
    async with server.http.stream("POST", server.address, json=body, headers=sent) as response:
        assert response.status_code == 200
        assert response.headers["content-type"] == "text/event-stream; charset=utf-8"
        yield Stream(response)


@pytest.mark.parametrize("accept", [EVENTS, URQL, f"{EVENTS}, {JSON}", f"{JSON}, {EVENTS};q=0.1"])
async def test_a_subscription_streams(server: Server, accept: str) -> None:
    async with streaming(server, accept=accept) as stream:
        # The response has begun, so the subscription stands.
        memory = await server.create()
        change = await stream.change()
        assert change["record"] == {"subjectId": memory, "version": 1}
        assert stream.comments >= 1
        assert stream.response.headers["cache-control"] == "no-store"


async def test_a_subscription_goes_on_after_a_cursor(server: Server) -> None:
    watch = "subscription($a: String) { memoryChanged(after: $a) { cursor record { subjectId } } }"
    async with streaming(server, watch) as stream:
        written = [await server.create(str(number)) for number in range(5)]
        heard = [await stream.change() for _ in range(2)]
    async with streaming(server, watch, a=heard[-1]["cursor"]) as stream:
        heard += [await stream.change() for _ in range(3)]
    assert [change["record"]["subjectId"] for change in heard] == written


async def test_a_get_request_streams_too(server: Server) -> None:
    parameters = {"query": "subscription { memoryChanged { action } }"}
    headers = {"Accept": EVENTS}
    async with server.http.stream("GET", server.address, params=parameters, headers=headers) as response:
        await server.create()
        assert await Stream(response).change() == {"action": "CREATE"}


async def test_whoever_wants_events_alone_gets_them_for_every_operation(server: Server) -> None:
    async with streaming(server, "{ __typename }") as stream:
        assert await stream.event() == ("next", {"data": {"__typename": "Query"}})
        assert await stream.event() == ("complete", None)
        assert await stream.event() == ("end", None)
    async with streaming(server, CREATE, text="By events.") as stream:
        assert (await stream.event())[1]["data"]["createMemory"]["errors"] == []
        assert await stream.event() == ("complete", None)


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("{", "GRAPHQL_PARSE_FAILED"),
        ("subscription { nope }", "GRAPHQL_VALIDATION_FAILED"),
        ('subscription { memoryChanged(after: "x") { cursor } }', "CURSOR_INVALID"),
    ],
)
async def test_a_refused_operation_is_told_as_an_event(server: Server, query: str, code: str) -> None:
    async with streaming(server, query) as stream:
        kind, payload = await stream.event()
        assert (kind, set(payload)) == ("next", {"errors"})
        assert payload["errors"][0]["extensions"]["code"] == code
        assert await stream.event() == ("complete", None)


@pytest.mark.parametrize(
    ("accept", "media_type"),
    [
        (URQL, RESPONSE_JSON),
        (JSON, JSON),
        ("*/*", JSON),
        (f"{JSON}, {EVENTS}", JSON),
        (f"{EVENTS};q=0.5, {JSON}", JSON),
    ],
)
async def test_whoever_prefers_json_gets_it_for_queries_and_mutations(
    server: Server, accept: str, media_type: str
) -> None:
    for query in ("{ __typename }", CREATE):
        body = {"query": query, "variables": {"text": "x"}}
        response = await server.http.post(server.address, json=body, headers={"Accept": accept})
        assert response.headers["content-type"] == f"{media_type}; charset=utf-8"
        assert "errors" not in response.json()


@pytest.mark.parametrize("accept", [JSON, RESPONSE_JSON, "*/*", f"{JSON}, {EVENTS};q=0"])
async def test_whoever_takes_no_events_is_told_how_to_watch(server: Server, accept: str) -> None:
    response = await server.http.post(server.address, json={"query": WATCH}, headers={"Accept": accept})
    assert response.status_code == 406
    assert "text/event-stream" in response.json()["errors"][0]["message"]


async def test_there_is_no_single_connection_to_reserve(server: Server) -> None:
    response = await server.http.put(server.address)
    assert (response.status_code, response.headers["allow"]) == (405, "GET, POST")
    assert response.headers["content-type"] == "application/json; charset=utf-8"


async def test_a_bad_request_is_no_event(server: Server) -> None:
    response = await server.http.post(server.address, json={}, headers={"Accept": EVENTS})
    assert (response.status_code, response.headers["content-type"]) == (400, "application/json; charset=utf-8")


def test_events_are_chosen_where_they_are_preferred() -> None:
    assert (
        answer_type([EVENTS.encode()])
        == answer_type([f"{EVENTS}, {JSON}".encode()])
        == answer_type([f"{JSON};q=0.5, {EVENTS}".encode()])
        == EVENTS
    )
    assert takes_events([URQL.encode()])
    assert not takes_events([f"{EVENTS};q=0".encode(), b"*/*"])


async def test_a_connection_is_kept_alive(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "KEEP_ALIVE_S", 0.05)
    async with streaming(server) as stream:
        await asyncio.sleep(0.3)
        await server.create()
        await stream.change()
        assert stream.comments >= 4


async def test_a_stranger_gets_no_stream(guarded: Server) -> None:
    response = await guarded.http.post(guarded.address, json={"query": WATCH}, headers={"Accept": EVENTS})
    assert response.status_code == 401


async def test_without_the_scope_nothing_is_streamed(guarded: Server) -> None:
    token = issue_token(secret=SECRET, tenant="ada", subject="somebody", scopes=(), expires_in_s=60)
    async with streaming(guarded, headers={"Authorization": f"Bearer {token}"}) as stream:
        payload = (await stream.event())[1]
        assert payload["errors"][0]["extensions"] == {"code": "FORBIDDEN", "requiredScope": "memory:read"}
        assert await stream.event() == ("complete", None)


async def test_a_stream_ends_with_its_token(guarded: Server) -> None:
    headers = {"Authorization": bearer("ada", Scope.READ, expires_in_s=2)}
    async with streaming(guarded, headers=headers) as stream:
        await guarded.create(headers={"Authorization": bearer("ada")})
        await stream.change()
        payload = (await stream.event())[1]
        assert payload["errors"][0]["extensions"]["code"] == "UNAUTHENTICATED"
        assert await stream.event() == ("complete", None)


async def test_a_server_that_stops_breaks_its_streams_off(sqlite_url: str) -> None:
    """Without ``complete``, so that clients come back."""
    async with served(sqlite_url) as server, streaming(server) as stream:
        server.endpoint.stop()
        assert await stream.event() == ("end", None)


async def test_the_memory_is_told_as_it_is_now(server: Server) -> None:
    """Also to one who catches up, and for a memory that is gone."""
    watch = """subscription($a: String) { memoryChanged(after: $a) {
      cursor action record { version } memory { id version ... on LongTermMemory { memory } } } }"""
    async with streaming(server, watch) as stream:
        await server.create("start")
        start = (await stream.change())["cursor"]
        memory = await server.create("one")
        await server.ask(
            "mutation($id: ID!) {"
            ' updateMemory(type: LONG_TERM, id: $id, input: {longTerm: {memory: "two"}}) { status } }',
            id=memory,
        )
        now = {"id": memory, "version": 2, "memory": "two"}
        async with streaming(server, watch, a=start) as late:
            assert [(await late.change())["memory"] for _ in range(2)] == [now, now]
        await server.ask("mutation($id: ID!) { deleteMemory(type: LONG_TERM, id: $id) { status } }", id=memory)
        told = [await stream.change() for _ in range(3)]
        assert [each["action"] for each in told] == ["CREATE", "UPDATE", "DELETE"]
        assert told[-1]["memory"] is None
        async with streaming(server, watch, a=start) as late:
            assert [(await late.change())["memory"] for _ in range(3)] == [None] * 3


async def test_a_filter_is_read_as_it_is_written(server: Server) -> None:
    watch = """subscription($f: MemoryChangeFilter) { memoryChanged(filter: $f) { record { subjectId } } }"""
    make = """mutation($n: JSONObject) {
      createMemory(input: {longTerm: {memory: "x", namespace: $n}}) { memory { id } } }"""
    wanted = {
        "types": ["LONG_TERM"],
        "actions": ["CREATE"],
        "containerId": "default",
        "namespace": {"user": {"name": "ann"}},
        "ids": None,
        "sessionId": None,
    }
    async with streaming(server, watch, f=wanted) as stream, streaming(server, watch, f={"ids": ["\0"]}) as nobody:
        await server.ask(make, n={"user": {"name": "ben"}})
        memory = (await server.ask(make, n={"user": {"name": "ann", "age": 7}}))["createMemory"]["memory"]["id"]
        assert await stream.change() == {"record": {"subjectId": memory}}
        waiting = asyncio.ensure_future(nobody.event())
        await asyncio.sleep(0.1)
        assert not waiting.done()
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)


@pytest.mark.parametrize(
    "wanted",
    [
        {"types": ["HISTORY"]},
        {"ids": [str(number) for number in range(1_001)]},
        {"namespace": {"deep": {"a": "\0"}}},
    ],
    ids=["history", "ids", "namespace"],
)
async def test_a_filter_that_cannot_be_meant_is_refused(server: Server, wanted: dict[str, Any]) -> None:
    watch = "subscription($f: MemoryChangeFilter) { memoryChanged(filter: $f) { cursor } }"
    async with streaming(server, watch, f=wanted) as stream:
        [error] = (await stream.event())[1]["errors"]
        assert error["extensions"] == {"code": "BAD_USER_INPUT", "argument": "filter"}


async def test_many_who_watch_the_same_cost_one_look(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    executed = []
    execute = Executor.execute

    async def count(self: Executor, prepared: Any, variables: Any, context: Any, root: object = None) -> Any:
        executed.append(root)
        return await execute(self, prepared, variables, context, root)

    monkeypatch.setattr(Executor, "execute", count)
    async with server.socket() as socket:
        for number in range(20):
            await socket.subscribe(str(number))
        await socket.subscribe("other", "subscription { memoryChanged { action } }")
        memory = await server.create()
        executed_before = [root for root in executed if root is None]
        told = [await socket.hear() for _ in range(21)]
    same = [each["payload"]["data"]["memoryChanged"] for each in told if each["id"] != "other"]
    assert len(same) == 20
    assert {each["record"]["subjectId"] for each in same} == {memory}
    assert len(executed) - len(executed_before) == 2
