"""GraphQL over WebSocket, message by message: https://github.com/enisdenjo/graphql-ws/blob/master/PROTOCOL.md."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from websockets.exceptions import InvalidStatus

from mnesis.domain.caller import Scope
from mnesis.graph import sockets
from mnesis.web.tokens import issue_token
from tests.graph.live import CREATE, PROTOCOL, SECRET, WATCH, Server, Socket, bearer, served

pytestmark = pytest.mark.anyio

VIEWER = "{ viewer { tenant subject } }"


@pytest.fixture
async def server(sqlite_url: str) -> AsyncIterator[Server]:
    async with served(sqlite_url) as server:
        yield server


@pytest.fixture
async def guarded(sqlite_url: str) -> AsyncIterator[Server]:
    """A server that wants a token."""
    async with served(sqlite_url, authenticated=True) as server:
        yield server


async def error_of(socket: Socket, identifier: str) -> dict[str, Any]:
    """The one error with which an operation is refused."""
    message = await socket.hear()
    assert (message["type"], message["id"]) == ("error", identifier), message
    [error] = message["payload"]
    assert isinstance(error, dict)
    return error


async def works(socket: Socket) -> None:
    """The socket is open and serves operations."""
    await socket.say(id="still", type="subscribe", payload={"query": "{ __typename }"})
    await socket.hears(id="still", type="next", payload={"data": {"__typename": "Query"}})
    await socket.hears(id="still", type="complete")


async def test_a_subscription_is_told_of_changes_until_it_is_completed(server: Server) -> None:
    async with server.socket() as socket:
        await socket.subscribe("1")
        memory = await server.create()
        change = await socket.change("1")
        assert change.pop("cursor")
        assert change == {
            "action": "CREATE",
            "record": {"subjectId": memory, "version": 1},
            "memory": {"id": memory, "version": 1},
        }
        await socket.say(id="1", type="complete")
        await server.create()
        assert await socket.hears_nothing()
        await works(socket)


async def test_what_is_changed_after_a_subscription_was_sent_is_told(server: Server) -> None:
    """Operations of one socket begin in the order in which they were sent, whoever is quicker."""
    async with server.socket() as socket:
        for number in range(20):
            await socket.say(id=f"watch-{number}", type="subscribe", payload={"query": WATCH})
            payload = {"query": CREATE, "variables": {"text": str(number)}}
            await socket.say(id="write", type="subscribe", payload=payload)
            told = [await socket.hear() for _ in range(3)]
            assert sorted((each["id"], each["type"]) for each in told) == [
                (f"watch-{number}", "next"),
                ("write", "complete"),
                ("write", "next"),
            ]
            await socket.say(id=f"watch-{number}", type="complete")


async def test_queries_and_mutations_work_over_a_socket(server: Server) -> None:
    async with server.socket() as socket:
        await socket.say(id="q", type="subscribe", payload={"query": VIEWER, "variables": None, "extensions": {}})
        await socket.hears(id="q", type="next", payload={"data": {"viewer": {"tenant": "default", "subject": "local"}}})
        await socket.hears(id="q", type="complete")
        named = {"query": "query A { __typename } query B { b: __typename }", "operationName": "B"}
        await socket.say(id="q", type="subscribe", payload=named)
        await socket.hears(id="q", type="next", payload={"data": {"b": "Query"}})
        await socket.hears(id="q", type="complete")
        await socket.say(id="m", type="subscribe", payload={"query": CREATE, "variables": {"text": "By socket."}})
        assert (await socket.hear())["payload"]["data"]["createMemory"]["errors"] == []
        await socket.hears(id="m", type="complete")


async def test_partial_answers_keep_their_errors(guarded: Server) -> None:
    async with guarded.unopened() as socket:
        await socket.say(type="connection_init", payload={"authorization": bearer("ada", Scope.READ)})
        await socket.hears(type="connection_ack")
        await socket.say(
            id="1", type="subscribe", payload={"query": "{ viewer { tenant } memories(first: -1) { totalCount } }"}
        )
        payload = (await socket.hear())["payload"]
        assert payload["data"] == {"viewer": {"tenant": "ada"}, "memories": None}
        assert payload["errors"][0]["extensions"]["code"] == "BAD_USER_INPUT"
        await socket.hears(id="1", type="complete")


@pytest.mark.parametrize(
    ("payload", "code"),
    [
        ({"query": "{"}, "GRAPHQL_PARSE_FAILED"),
        ({"query": ""}, "GRAPHQL_PARSE_FAILED"),
        ({"query": "{ nope }"}, "GRAPHQL_VALIDATION_FAILED"),
        ({"query": "subscription { memoryChanged { nope } }"}, "GRAPHQL_VALIDATION_FAILED"),
        (
            {"query": "subscription { a: memoryChanged { cursor } b: memoryChanged { cursor } }"},
            "GRAPHQL_VALIDATION_FAILED",
        ),
        ({"query": "query A { __typename }", "operationName": "B"}, "BAD_USER_INPUT"),
        ({"query": "query($a: Int!) { memories(first: $a) { totalCount } }"}, "BAD_USER_INPUT"),
        ({"query": "subscription($f: MemoryChangeFilter!) { memoryChanged(filter: $f) { cursor } }"}, "BAD_USER_INPUT"),
        ({"query": 'subscription { memoryChanged(after: "?") { cursor } }'}, "CURSOR_INVALID"),
        ({"query": 'subscription { memoryChanged(after: "") { cursor } }'}, "CURSOR_INVALID"),
        ({"query": 'subscription { memoryChanged(after: "YzotMTow") { cursor } }'}, "CURSOR_INVALID"),
        ({"query": 'subscription { memoryChanged(after: "Yzo5OTow") { cursor } }'}, "CURSOR_INVALID"),
        ({"query": "subscription { memoryChanged(filter: {types: [HISTORY]}) { cursor } }"}, "BAD_USER_INPUT"),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
async def test_a_bad_operation_is_told_and_leaves_the_others_alone(
    server: Server, payload: dict[str, Any], code: str
) -> None:
    async with server.socket() as socket:
        await socket.subscribe("other")
        await socket.say(id="bad", type="subscribe", payload=payload)
        assert (await error_of(socket, "bad"))["extensions"]["code"] == code
        await server.create()
        await socket.change("other")
        # The name is free again.
        await socket.say(id="bad", type="subscribe", payload={"query": "{ __typename }"})
        await socket.hears(id="bad", type="next", payload={"data": {"__typename": "Query"}})


MALFORMED = [
    "[]",
    '"x"',
    "null",
    "1",
    "",
    "{",
    "{}",
    '{"type": 1}',
    '{"type": "start"}',
    '{"type": "connection_init", "payload": []}',
    '{"type": "connection_init", "payload": {"authorization": 1}}',
    '{"type": "connection_init", "payload": {"authorization": "a", "Authorization": "b"}}',
    '{"type": "ping", "payload": 1}',
    '{"type": "pong", "payload": "x"}',
    '{"type": "complete"}',
    '{"type": "complete", "id": 1}',
    '{"type": "subscribe", "payload": {"query": "{ __typename }"}}',
    '{"type": "subscribe", "id": {}, "payload": {"query": "{ __typename }"}}',
    '{"type": "subscribe", "id": "", "payload": {"query": "{ __typename }"}}',
    '{"type": "subscribe", "id": "1"}',
    '{"type": "subscribe", "id": "1", "payload": null}',
    '{"type": "subscribe", "id": "1", "payload": []}',
    '{"type": "subscribe", "id": "1", "payload": {}}',
    '{"type": "subscribe", "id": "1", "payload": {"query": 1}}',
    '{"type": "subscribe", "id": "1", "payload": {"query": "{ a }", "operationName": 1}}',
    '{"type": "subscribe", "id": "1", "payload": {"query": "{ a }", "variables": []}}',
    '{"type": "subscribe", "id": "1", "payload": {"query": "{ a }", "extensions": "x"}}',
    "[" * 100_000,
    '{"type": "ping", "payload": ' + '{"a":' * 50_000 + "1" + "}" * 50_000 + "}",
    '{"type": "subscribe", "id": "1", "payload": {"query": "{ a }", "variables": {"a": ' + "9" * 5_000 + "}}}",
    b"{}",
    b"\xff",
]


@pytest.mark.parametrize("message", MALFORMED, ids=lambda message: str(message[:60]))
async def test_a_malformed_message_closes_the_socket(
    server: Server, message: str | bytes, caplog: pytest.LogCaptureFixture
) -> None:
    async with server.socket() as socket:
        await socket.subscribe("1")
        await socket.connection.send(message)
        code, reason = await socket.closed()
        assert code == 4400
        assert reason
    async with server.unopened() as socket:
        await socket.connection.send(message)
        assert (await socket.closed())[0] in (4400, 4401)
    assert not [record for record in caplog.records if record.levelname in ("ERROR", "CRITICAL")]


async def test_unknown_members_of_messages_are_ignored(server: Server) -> None:
    async with server.unopened() as socket:
        await socket.say(type="connection_init", payload={"theme": "dark"}, trace=1)
        await socket.hears(type="connection_ack")
        await socket.say(type="ping", payload={"a": 1}, trace=1)
        await socket.hears(type="pong")
        await socket.say(id="unknown", type="complete")
        await socket.say(type="pong")
        await works(socket)


@pytest.mark.parametrize("init", [{}, {"payload": None}, {"payload": {}}])
async def test_the_payload_of_the_first_message_may_be_left_out(server: Server, init: dict[str, Any]) -> None:
    async with server.unopened() as socket:
        await socket.say(type="ping")
        await socket.hears(type="pong")
        await socket.say(type="connection_init", **init)
        await socket.hears(type="connection_ack")
        await works(socket)


async def test_an_operation_before_the_acknowledgement_is_unauthorized(server: Server) -> None:
    async with server.unopened() as socket:
        await socket.say(id="1", type="subscribe", payload={"query": VIEWER})
        assert await socket.closed() == (4401, "Unauthorized")


async def test_a_second_first_message_is_one_too_many(server: Server) -> None:
    async with server.socket() as socket:
        await socket.say(type="connection_init")
        assert await socket.closed() == (4429, "Too many initialisation requests")


async def test_a_name_in_use_is_refused(server: Server) -> None:
    async with server.socket() as socket:
        await socket.subscribe("ä" * 300)
        await socket.say(id="ä" * 300, type="subscribe", payload={"query": WATCH})
        code, reason = await socket.closed()
        assert code == 4409
        assert reason.startswith("Subscriber for ää")


async def test_a_name_that_utf_8_cannot_carry_is_a_name(server: Server) -> None:
    async with server.socket() as socket:
        await socket.say(id="\ud800", type="subscribe", payload={"query": "{ __typename }"})
        await socket.hears(id="\ud800", type="next", payload={"data": {"__typename": "Query"}})
        await socket.hears(id="\ud800", type="complete")
        await socket.subscribe("\ud800")
        await socket.say(id="\ud800", type="subscribe", payload={"query": WATCH})
        assert await socket.closed() == (4409, "Subscriber for ? already exists")


async def test_a_client_that_says_nothing_is_let_go(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_sockets(server), "_init_timeout_s", 0.2)
    async with server.unopened() as socket:
        await socket.say(type="ping")
        assert await socket.closed() == (4408, "Connection initialisation timeout")


def server_sockets(server: Server) -> sockets.Sockets:
    return server.endpoint._sockets


@pytest.mark.parametrize("protocols", [("graphql-ws",), ("chat",)])
async def test_no_other_protocol_is_spoken(server: Server, protocols: tuple[str, ...]) -> None:
    async with server.unopened(*protocols) as socket:
        assert socket.connection.subprotocol is None
        assert await socket.closed() == (4406, "Subprotocol not acceptable")


async def test_of_several_protocols_ours_is_chosen(server: Server) -> None:
    async with server.unopened("graphql-ws", PROTOCOL) as socket:
        assert socket.connection.subprotocol == PROTOCOL


async def test_operations_of_one_socket_are_bounded(sqlite_url: str) -> None:
    async with served(sqlite_url, limit_socket_operations=3) as server, server.socket() as socket:
        for number in range(3):
            await socket.subscribe(str(number))
        await socket.say(id="more", type="subscribe", payload={"query": VIEWER})
        error = await error_of(socket, "more")
        assert error["extensions"] == {"code": "LIMIT_EXCEEDED", "limit": 3}
        await socket.say(id="0", type="complete")
        await works(socket)


@pytest.mark.parametrize("name", ["authorization", "Authorization"])
async def test_a_browser_gives_its_token_in_the_first_message(guarded: Server, name: str) -> None:
    async with guarded.socket(**{name: bearer("ada")}) as socket:
        await socket.say(id="1", type="subscribe", payload={"query": VIEWER})
        assert (await socket.hear())["payload"] == {"data": {"viewer": {"tenant": "ada", "subject": "somebody"}}}


async def test_others_may_give_it_in_the_header(guarded: Server) -> None:
    async with guarded.unopened(headers={"Authorization": bearer("ada")}) as socket:
        await socket.say(type="connection_init")
        await socket.hears(type="connection_ack")
        await works(socket)


@pytest.mark.parametrize("payload", [{}, {"authorization": "Bearer nonsense"}, {"authorization": "Basic YTpi"}])
async def test_without_a_token_that_holds_the_socket_is_closed(guarded: Server, payload: dict[str, str]) -> None:
    async with guarded.unopened() as socket:
        await socket.say(type="connection_init", payload=payload)
        code, reason = await socket.closed()
        assert code == 4403
        assert reason.startswith("Forbidden: ")


async def test_without_the_scope_nothing_is_watched(guarded: Server) -> None:
    # A token with no scope of ours.
    async with guarded.socket(authorization=bearer_without_scopes()) as socket:
        await socket.say(id="1", type="subscribe", payload={"query": WATCH})
        error = await error_of(socket, "1")
        assert error["extensions"] == {"code": "FORBIDDEN", "requiredScope": "memory:read"}


def bearer_without_scopes() -> str:
    return f"Bearer {issue_token(secret=SECRET, tenant='ada', subject='somebody', scopes=(), expires_in_s=60)}"


async def test_a_subscription_ends_with_its_token(guarded: Server) -> None:
    async with guarded.socket(authorization=bearer("ada", expires_in_s=2)) as socket:
        await socket.subscribe("1")
        await guarded.create(headers={"Authorization": bearer("ada")})
        await socket.change("1")
        message = await socket.hear()
        assert (message["type"], message["id"]) == ("next", "1")
        assert message["payload"]["errors"][0]["extensions"]["code"] == "UNAUTHENTICATED"
        await socket.hears(id="1", type="complete")
        for query in (VIEWER, WATCH):
            await socket.say(id="2", type="subscribe", payload={"query": query})
            assert (await error_of(socket, "2"))["extensions"]["code"] == "UNAUTHENTICATED"


async def test_a_foreign_page_gets_no_socket_without_authentication(server: Server) -> None:
    for headers in ({"Origin": "https://evil.example"}, {"Origin": "null"}):
        with pytest.raises(InvalidStatus) as refused:
            async with server.unopened(headers=headers):
                pass
        assert refused.value.response.status_code == 403
    async with server.unopened(headers={"Origin": "http://localhost:3000"}) as socket:
        await socket.say(type="connection_init")
        await socket.hears(type="connection_ack")


async def test_many_subscriptions_of_one_socket_are_told_apart(server: Server) -> None:
    async with server.socket() as socket:
        watch = "subscription($id: ID!) { memoryChanged(filter: {sessionId: $id}) { record { subjectId } } }"
        for number in range(50):
            await socket.subscribe(f"own-{number}", watch, id=f"s{number}")
        for number in (7, 33, 7):
            await server.ask(
                "mutation($input: UpdateContextMemoryInput!) { updateContextMemory(input: $input) { version } }",
                input={"sessionId": f"s{number}", "createSession": True, "contents": [{"content": "x"}]},
            )
            # The session, and its entry.
            told = [(await socket.change(f"own-{number}"))["record"]["subjectId"] for _ in range(2)]
            assert f"s{number}" in told
        assert await socket.hears_nothing()


async def test_who_does_not_read_lags_is_told_and_goes_on(sqlite_url: str) -> None:
    watch = "subscription($a: String) { memoryChanged(after: $a) { cursor record { subjectId changes { after } } } }"
    async with served(sqlite_url, limit_queued_changes=8) as server, server.socket() as socket:
        await socket.subscribe("1", watch)
        written = [await server.create("x" * 300_000) for _ in range(60)]
        heard, last = [], ""
        while "errors" not in (payload := (await socket.hear())["payload"]):
            change = payload["data"]["memoryChanged"]
            heard.append(change["record"]["subjectId"])
            last = change["cursor"]
        assert len(heard) < len(written)
        [error] = payload["errors"]
        assert error["extensions"] == {"code": "SUBSCRIPTION_LAGGED", "cursor": last}
        await socket.hears(id="1", type="complete")
        await socket.say(id="1", type="subscribe", payload={"query": watch, "variables": {"a": last}})
        while len(heard) < len(written):
            heard.append((await socket.change("1"))["record"]["subjectId"])
        assert heard == written
        assert await socket.hears_nothing()


async def test_a_client_that_goes_away_leaves_nothing_behind(server: Server) -> None:
    feed = server_sockets(server)._operations._watching._feed
    async with server.socket() as socket:
        await socket.subscribe("1")
        await socket.subscribe("2")
        assert len(feed._tenants) == 1  # type: ignore[attr-defined]  # The feed of a database has them.
    async with asyncio.timeout(5):
        while feed._tenants:  # type: ignore[attr-defined]  # noqa: ASYNC110  # as above; nobody tells of it
            await asyncio.sleep(0.01)
    await server.create()


async def test_a_fault_is_masked_and_costs_only_its_operation(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    async def fail(*_: object) -> None:
        raise RuntimeError("secret")

    async with server.socket() as socket:
        await socket.subscribe("other")
        with monkeypatch.context() as patched:
            patched.setattr(server_sockets(server)._operations._executor, "execute", fail)
            await socket.say(id="1", type="subscribe", payload={"query": VIEWER})
            error = await error_of(socket, "1")
        assert error["extensions"]["code"] == "INTERNAL_SERVER_ERROR"
        assert "secret" not in json.dumps(error)
        await server.create()
        await socket.change("other")


async def test_a_subscription_that_fails_ends_with_a_masked_error(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with server.socket() as socket:
        await socket.subscribe("1")

        def fail(*_: object) -> None:
            raise RuntimeError("secret")

        monkeypatch.setattr("mnesis.graph.watching.cursor_text", fail)
        await server.create()
        told = await socket.hear()
        assert told["payload"]["errors"][0]["extensions"]["code"] == "INTERNAL_SERVER_ERROR"
        assert "secret" not in json.dumps(told)
