"""What the log tells of operations and of faults, and what it never tells."""

import asyncio
import io
import json
import logging
import re
import sqlite3
import sys
import weakref
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import httpx
import psycopg
import pytest

from mnesis.observing.faults_shown import shown_fault, shown_trace
from mnesis.observing.logs import configure_logs, write_line
from mnesis.usecases.ports import StoreFault
from tests.graph.live import SECRET, WATCH, Server, bearer, served
from tests.observing.written import Written, writing
from tests.server.running import running_server

pytestmark = pytest.mark.anyio

MARK = "Xanthippe"
"""Planted wherever a client can put a word; the log must not hold it."""
CREATE = """mutation Keep($text: String!) {
  createMemory(input: {longTerm: {memory: $text}}) { memory { id } errors { code } } }"""


async def test_an_operation_is_one_line(sqlite_url: str, written: Written) -> None:
    async with served(sqlite_url, authenticated=True) as server:
        body = {"query": CREATE, "variables": {"text": "Likes tea."}}
        answer = await server.http.post(server.address, json=body, headers={"Authorization": bearer()})
    line = written.only()
    assert line.pop("duration_ms") > 0
    assert line.pop("timestamp").endswith("Z")
    assert line == {
        "event": "operation",
        "level": "info",
        "operation": "Keep",
        "type": "mutation",
        "tenant": "ada",
        "outcome": "ok",
        "request_id": answer.headers["X-Request-Id"],
    }


@pytest.mark.parametrize("given", ["0f3c", "Root=1-67891233-abcdef", "a" * 100])
async def test_a_request_keeps_the_id_that_it_brings(sqlite_url: str, written: Written, given: str) -> None:
    async with served(sqlite_url) as server:
        answer = await server.http.post(
            server.address, json={"query": "{ __typename }"}, headers={"X-Request-Id": given}
        )
    assert answer.headers.get_list("X-Request-Id") == [given]
    assert written.only()["request_id"] == given


@pytest.mark.parametrize("given", ["", "a" * 101, "two words", "käse", "{}", "a;b"])
async def test_an_id_that_is_none_is_replaced(sqlite_url: str, written: Written, given: str) -> None:
    async with served(sqlite_url) as server:
        headers = [(b"X-Request-Id", given.encode())]
        answer = await server.http.post(server.address, json={"query": "{ __typename }"}, headers=headers)
    made = answer.headers["X-Request-Id"]
    assert made != given
    assert len(made) == 32
    assert written.only()["request_id"] == made


async def test_refusals_are_told_by_their_codes(sqlite_url: str, written: Written) -> None:
    async with served(sqlite_url) as server:
        for query, name in (("{ nothing }", "Asked"), ("{", "not a name"), ('{ node(id: "x") { id } }', "Missing")):
            await server.http.post(server.address, json={"query": query, "operationName": name})
        await server.http.post(server.address, json={"query": "{ memories(first: -1) { totalCount } }"})
    told = [(line["operation"], line["type"], line["outcome"], line["codes"]) for line in written.events("operation")]
    assert told == [
        ("Asked", "unknown", "refused", ["GRAPHQL_VALIDATION_FAILED"]),
        (None, "unknown", "refused", ["GRAPHQL_PARSE_FAILED"]),
        ("Missing", "unknown", "refused", ["BAD_USER_INPUT"]),
        (None, "query", "refused", ["BAD_USER_INPUT"]),
    ]


async def test_each_operation_of_a_list_is_one_line(sqlite_url: str, written: Written) -> None:
    async with served(sqlite_url) as server:
        watch = {"query": WATCH, "operationName": "Watch"}
        listed = [{"query": "query A { __typename }"}, 1, watch, {"query": "{"}, {"query": "query B { __typename }"}]
        answer = await server.http.post(server.address, json=listed)
    assert len(answer.json()) == 5
    lines = written.events("operation", "request")
    told = [(line["operation"], line["type"], line["outcome"], line.get("codes")) for line in lines]
    assert told == [
        ("A", "query", "ok", None),
        (None, "unknown", "refused", ["BAD_USER_INPUT"]),
        ("Watch", "unknown", "refused", ["BAD_USER_INPUT"]),
        (None, "unknown", "refused", ["GRAPHQL_PARSE_FAILED"]),
        ("B", "query", "ok", None),
    ]
    assert {line["request_id"] for line in lines} == {answer.headers["X-Request-Id"]}


@pytest.mark.parametrize(
    ("sent", "status", "code"),
    [
        ({"content": b"{"}, 400, "BAD_USER_INPUT"),
        ({"json": {"query": "{ __typename }"}, "headers": {"Authorization": "Bearer x"}}, 401, "UNAUTHENTICATED"),
    ],
)
async def test_a_request_without_an_operation_is_told_when_it_is_refused(
    sqlite_url: str, written: Written, sent: dict[str, Any], status: int, code: str
) -> None:
    async with served(sqlite_url, authenticated=True) as server:
        headers = {"Authorization": bearer(), "Content-Type": "application/json", **sent.pop("headers", {})}
        answer = await server.http.post(server.address, headers=headers, **sent)
    line = written.only("request")
    assert (line["status"], line["codes"], line["outcome"]) == (status, [code], "refused")
    assert line["request_id"] == answer.headers["X-Request-Id"]
    assert written.events("operation") == []


async def test_a_long_name_is_cut(sqlite_url: str, written: Written) -> None:
    async with served(sqlite_url) as server:
        await server.ask(f"query {'a' * 255} {{ __typename }}")
    assert written.only()["operation"] == "a" * 64


async def test_a_masked_fault_is_found_by_its_id(
    sqlite_url: str, written: Written, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(*_: object) -> None:
        raise KeyError(MARK)

    async with served(sqlite_url) as server:
        monkeypatch.setattr(server.endpoint._operations._executor, "execute", fail)
        answer = await server.http.post(server.address, json={"query": "query Broken { __typename }"})
    error_id = answer.json()["errors"][0]["extensions"]["errorId"]
    line = written.only()
    assert (line["outcome"], line["error_ids"]) == ("failed", [error_id])
    [fault] = [line for line in written.lines if line["level"] == "error"]
    assert error_id in fault["event"]
    assert fault["request_id"] == answer.headers["X-Request-Id"] == line["request_id"]
    assert fault["exception"].startswith("KeyError\n")
    assert "in fail" in fault["exception"]
    assert MARK not in written.text


async def test_a_fault_before_the_execution_is_told_by_one_id_over_every_transport(
    sqlite_url: str, written: Written, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise KeyError(MARK)

    asked = {"query": "{ __typename }", "operationName": "Broken"}
    async with served(sqlite_url) as server, server.socket() as socket:
        monkeypatch.setattr(server.endpoint._operations._asked, "prepare", fail)
        alone = await server.http.post(server.address, json=asked)
        listed = await server.http.post(server.address, json=[asked])
        await socket.say(id="1", type="subscribe", payload=asked)
        refused = await socket.hear()
    assert alone.status_code == 500
    errors = [*alone.json()["errors"], *listed.json()[0]["errors"], *refused["payload"]]
    told = [error["extensions"]["errorId"] for error in errors]
    assert [line["error_ids"] for line in written.events("operation")] == [[each] for each in told]
    assert {(line["operation"], line["outcome"]) for line in written.events("operation")} == {("Broken", "failed")}
    assert written.events("request") == []
    assert [line["event"] for line in written.lines if line["level"] == "error"] == [f"Fault {each}" for each in told]
    assert MARK not in written.text


async def test_a_fault_outside_of_every_edge_bears_the_id_too(
    sqlite_url: str, written: Written, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(*_: object) -> None:
        raise KeyError(MARK)

    async with served(sqlite_url) as server:
        monkeypatch.setattr(server.endpoint, "_response", fail)
        answer = await server.http.post(server.address, json={"query": "{ __typename }"})
    assert answer.status_code == 500
    error_id = answer.json()["errors"][0]["extensions"]["errorId"]
    [fault] = [line for line in written.lines if error_id in line["event"]]
    assert fault["request_id"] == answer.headers["X-Request-Id"]
    assert MARK not in written.text


async def test_a_subscription_is_told_when_it_begins_and_when_it_ends(sqlite_url: str, written: Written) -> None:
    async with served(sqlite_url) as server, server.socket() as socket:
        await socket.subscribe("1", f"subscription Watch {WATCH.removeprefix('subscription')}")
        for _ in range(3):
            await server.create()
            await socket.change("1")
        began = written.only("subscription began")
        assert (began["operation"], began["type"], began["tenant"]) == ("Watch", "subscription", "default")
        await socket.say(id="1", type="complete")
        await socket.say(type="ping")
        await socket.hears(type="pong")
    ended = written.only("subscription ended")
    assert (ended["events"], ended["outcome"], ended["request_id"]) == (3, "gone", began["request_id"])


async def test_a_subscription_that_lags_is_told_so(sqlite_url: str, written: Written) -> None:
    async with served(sqlite_url, authenticated=True) as server:
        token = bearer("ada", expires_in_s=2)
        async with server.socket(authorization=token) as socket:
            await socket.subscribe("1")
            assert (await socket.hear())["payload"]["errors"][0]["extensions"]["code"] == "UNAUTHENTICATED"
    ended = written.only("subscription ended")
    assert (ended["outcome"], ended["codes"], ended["events"]) == ("refused", ["UNAUTHENTICATED"], 0)


async def test_an_event_stream_is_told_too(sqlite_url: str, written: Written) -> None:
    async with served(sqlite_url) as server:
        headers = {"Accept": "text/event-stream"}
        async with server.http.stream("POST", server.address, json={"query": WATCH}, headers=headers) as answer:
            assert "X-Request-Id" in answer.headers
            await server.create()
            async for line in answer.aiter_lines():
                if line.startswith("data: {"):
                    break
    assert written.only("subscription ended")["events"] == 1


async def test_a_refused_subscription_is_told(sqlite_url: str, written: Written) -> None:
    async with served(sqlite_url) as server, server.socket() as socket:
        await socket.say(
            id="1", type="subscribe", payload={"query": 'subscription { memoryChanged(after: "x") { cursor } }'}
        )
        assert (await socket.hear())["type"] == "error"
    assert written.only("subscription ended")["codes"] == ["CURSOR_INVALID"]


async def test_operations_that_a_socket_refuses_are_told(sqlite_url: str, written: Written) -> None:
    async with (
        served(sqlite_url, authenticated=True, limit_socket_operations=1) as server,
        server.socket(authorization=bearer("ada", expires_in_s=2)) as socket,
    ):
        await socket.subscribe("1")
        await socket.say(id="2", type="subscribe", payload={"query": WATCH, "operationName": "TooMany"})
        assert (await socket.hear())["type"] == "error"
        assert (await socket.hear())["type"] == "next"
        await socket.hears(id="1", type="complete")
        await socket.say(id="3", type="subscribe", payload={"query": WATCH, "operationName": "TooLate"})
        assert (await socket.hear())["type"] == "error"
    told = [(line["operation"], line["tenant"], line["codes"]) for line in written.events("operation")]
    assert told == [("TooMany", "ada", ["LIMIT_EXCEEDED"]), ("TooLate", "ada", ["UNAUTHENTICATED"])]


async def test_a_change_that_took_too_long_does_not_end_a_subscription(sqlite_url: str, written: Written) -> None:
    async with served(sqlite_url) as server, server.socket() as socket:
        deliver = server.endpoint._operations._deliveries
        real, answers = deliver.answer, iter([b'{"errors":[{"message":"M","extensions":{"code":"TIMEOUT"}}]}'])

        async def answer(subscribed: Any, event: Any) -> bytes:
            return next(answers, None) or await real(subscribed, event)

        deliver.answer = answer  # type: ignore[method-assign]
        await socket.subscribe("1")
        for _ in range(2):
            await server.create()
            await socket.hear()
        await socket.say(id="1", type="complete")
        await socket.say(type="ping")
        await socket.hears(type="pong")
    ended = written.only("subscription ended")
    assert (ended["outcome"], ended["events"], "codes" in ended) == ("gone", 1, False)


async def test_a_socket_that_is_closed_for_a_reason_is_told(sqlite_url: str, written: Written) -> None:
    async with served(sqlite_url, authenticated=True) as server:
        async with server.unopened() as socket:
            await socket.say(type="connection_init", payload={"authorization": f"Bearer {MARK}"})
            assert (await socket.closed())[0] == 4403
        async with server.socket(authorization=bearer()) as socket:
            await socket.connection.send("{")
            assert (await socket.closed())[0] == 4400
    told = [(line["status"], line["codes"]) for line in written.events("request")]
    assert told == [(4403, ["UNAUTHENTICATED"]), (4400, ["BAD_USER_INPUT"])]


async def speak_of_the_mark(server: Server, token: str) -> None:
    """Puts the mark into everything that a client can send, right and wrong."""
    headers = {"Authorization": token, "X-Other": MARK, "X-Request-Id": f"{MARK} {MARK}", "User-Agent": MARK}

    async def post(body: Any, **more: str) -> httpx.Response:
        return await server.http.post(server.address, json=body, headers={**headers, **more})

    made = await post({"query": CREATE, "variables": {"text": MARK}})
    assert made.json()["data"]["createMemory"]["errors"] == []
    text = f'memory: "{MARK}"'
    await post({"query": f"mutation {{ createMemory(input: {{longTerm: {{{text}}}}}) {{ memory {{ id }} }} }}"})
    await post({"query": f'{{ searchMemories(query: "{MARK}") {{ nodes {{ id }} }} }}'})
    await post({"query": f'{{ memories(after: "{MARK}") {{ totalCount }} }}'})
    await post({"query": f"{{ {MARK} }}"})
    await post({"query": f'{{ node(id: "{MARK}" }}'})
    await post({"query": "{ __typename }", "operationName": f"{MARK}!"})
    await post({"query": CREATE, "variables": {"text": [MARK]}})
    await post({"query": CREATE, "variables": MARK})
    await post([MARK])
    await post({"query": "{ __typename }"}, Authorization=f"Bearer {MARK}")
    await server.http.post(server.address, content=f"{{{MARK}".encode(), headers=headers)
    await server.http.get(server.address, params={"query": f'{{ node(id: "{MARK}") {{ id }} }}'}, headers=headers)
    await server.http.get(server.address.replace("graphql", MARK), headers=headers)
    server.socket_address += f"?token={MARK}"
    async with server.socket(authorization=token, other=MARK) as socket:
        watch = "subscription($f: MemoryChangeFilter) { memoryChanged(filter: $f) { cursor } }"
        await socket.subscribe("1", watch, f={"namespace": {MARK: MARK}})
        await socket.subscribe(MARK, WATCH)
        await post({"query": CREATE, "variables": {"text": MARK}})
        assert await socket.change(MARK)
        await socket.say(id="3", type="subscribe", payload={"query": f"{{ {MARK} }}"})
        assert (await socket.hear())["type"] == "error"
        await socket.connection.send(f'{{"{MARK}')
        assert (await socket.closed())[0] == 4400


async def test_what_clients_send_is_never_written(database_url: str) -> None:
    with writing(level=logging.INFO) as written:
        async with served(database_url, authenticated=True) as server:
            token = bearer()
            await speak_of_the_mark(server, token)
    assert len(written.events("operation")) >= 10
    assert MARK not in written.text
    assert token.removeprefix("Bearer ") not in written.text


async def test_a_server_that_tells_the_most_tells_no_content(
    sqlite_url: str, capfd: pytest.CaptureFixture[str]
) -> None:
    with running_server(sqlite_url, auth_secret=SECRET, log_level="debug", log_format="auto") as running:
        async with httpx.AsyncClient(timeout=30) as http:
            server = Server.__new__(Server)
            server.address = running.graphql
            server.socket_address = running.graphql.replace("http://", "ws://")
            server.http = http
            await speak_of_the_mark(server, bearer())
        assert running.stop() == 0
    told = capfd.readouterr().err
    lines = [json.loads(line) for line in told.splitlines()]
    # uvicorn's lines and ours, in one shape.
    assert {"uvicorn.error"} <= {line.get("logger") for line in lines}
    assert sum(line["event"] == "operation" for line in lines) >= 10
    assert MARK not in told


def raised(fault: Exception, cause: Exception | None = None) -> Exception:
    try:
        raise fault from cause
    except Exception as caught:
        return caught


def refused_by_sqlite() -> Exception:
    connection = sqlite3.connect(":memory:")
    try:
        connection.execute(f"SELECT {MARK}")
    except sqlite3.Error as fault:
        return fault
    finally:
        connection.close()
    raise AssertionError


@pytest.mark.parametrize(
    ("fault", "shown"),
    [
        (lambda: ValueError(MARK), "ValueError"),
        (lambda: raised(StoreFault(f"KeyError: {MARK}"), KeyError(MARK)), "StoreFault <- KeyError"),
        (lambda: StoreFault("The store is closing."), "StoreFault: The store is closing."),
        (lambda: ConnectionRefusedError(111, "Connection refused", MARK), "ConnectionRefusedError: Connection refused"),
        (refused_by_sqlite, "OperationalError: SQLITE_ERROR"),
        (lambda: psycopg.errors.UniqueViolation(f"Key (id)=({MARK})"), "UniqueViolation: 23505"),
        (lambda: psycopg.OperationalError(f"connection failed\nDETAIL: {MARK}"), "OperationalError: connection failed"),
    ],
)
def test_a_fault_is_shown_without_what_it_quotes(fault: Callable[[], Exception], shown: str) -> None:
    assert shown_fault(fault()) == shown
    assert MARK not in shown_trace(fault())


def test_faults_in_messages_of_others_are_shown_the_same_way(written: Written) -> None:
    fault = raised(KeyError(MARK))
    logging.getLogger("mnesis.storage").warning("It failed: %s, in full %r", fault, fault)
    logging.getLogger("uvicorn.error").info('%s - "WebSocket %s" [accepted]', ("::1", 5), f"/graphql?q={MARK}")
    logging.getLogger("asyncio").error(f"Task exception was never retrieved\nfuture: {fault!r}", exc_info=fault)
    assert [line["event"] for line in written.lines] == [
        "It failed: KeyError, in full KeyError",
        "('::1', 5) - \"WebSocket /graphql\" [accepted]",
        "Task exception was never retrieved",
    ]
    assert MARK not in written.text


def test_a_chain_of_faults_ends(written: Written) -> None:
    first, second = ValueError(), TypeError()
    first.__cause__, second.__cause__ = second, first
    assert shown_fault(first) == "ValueError <- TypeError"


def test_a_terminal_gets_readable_lines() -> None:
    with writing(console=True) as written:
        logging.getLogger("mnesis.storage").error("It failed.", exc_info=raised(KeyError(MARK)))
    [line, *trace] = written.text.splitlines()
    assert "It failed." in line
    assert "{" not in line
    assert any("in raised" in each for each in trace)
    assert MARK not in written.text


class Stream(io.StringIO):
    """Remembers what was written at once; it may be one that takes nothing more."""

    def __init__(self, *, is_broken: bool = False) -> None:
        super().__init__()
        self.writes: list[str] = []
        self._is_broken = is_broken

    def write(self, text: str) -> int:
        if self._is_broken:
            raise OSError
        self.writes.append(text)
        return super().write(text)


@contextmanager
def as_served(monkeypatch: pytest.MonkeyPatch, stream: Stream) -> Iterator[logging.Handler]:
    """The log as a server sets it up, to this stream."""
    root = logging.getLogger()
    handlers, level = root.handlers, root.level
    root.handlers = []
    monkeypatch.setattr(sys, "stderr", stream)
    try:
        configure_logs(level="info", form="json")
        [handler] = root.handlers
        yield handler
    finally:
        monkeypatch.undo()
        root.handlers = handlers
        root.setLevel(level)


OPERATIONS = logging.getLogger("mnesis.operations")


def operation(name: str) -> dict[str, Any]:
    return {"operation": name, "type": "query", "duration_ms": 1.5, "outcome": "refused", "codes": ["A"]}


def without_instant(line: str) -> str:
    return re.sub(r'"timestamp":"[0-9T:.-]{19,}Z"', '"timestamp":""', line)


async def test_lines_of_one_turn_are_written_together(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = Stream()
    with as_served(monkeypatch, stream):
        for name in ("A", "B", "C"):
            write_line(OPERATIONS, "operation", operation(name))
        assert stream.writes == []
        await asyncio.sleep(0)
        write_line(OPERATIONS, "operation", operation("D"))
        await asyncio.sleep(0)
    together = [[json.loads(line)["operation"] for line in each.splitlines()] for each in stream.writes]
    assert together == [["A", "B", "C"], ["D"]]


async def test_lines_stand_in_the_order_in_which_they_came(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = Stream()
    with as_served(monkeypatch, stream):
        write_line(OPERATIONS, "operation", operation("A"))
        logging.getLogger("mnesis.storage").warning("Between.")
        write_line(OPERATIONS, "operation", operation("B"))
        await asyncio.get_running_loop().run_in_executor(None, logging.getLogger("mnesis.storage").error, "Beside.")
        write_line(OPERATIONS, "operation", operation("C"))
        await asyncio.sleep(0)
    lines = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert [line.get("operation", line["event"]) for line in lines] == ["A", "Between.", "B", "Beside.", "C"]


def one_turn(do: Callable[[], None]) -> None:
    """In an event loop that has no turn after this one."""
    loop = asyncio.new_event_loop()
    loop.call_soon(loop.stop)
    loop.call_soon(do)
    loop.run_forever()
    loop.close()


def test_no_line_is_lost_where_a_loop_or_the_process_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    async def ask(name: str) -> None:
        write_line(OPERATIONS, "operation", operation(name))

    stream = Stream()
    with as_served(monkeypatch, stream) as handler:
        one_turn(lambda: write_line(OPERATIONS, "operation", operation("A")))
        assert stream.writes == []
        asyncio.run(ask("B"))
        assert stream.getvalue().count('operation":') == 2
        write_line(OPERATIONS, "operation", operation("C"))
        assert stream.getvalue().count('operation":') == 3
        one_turn(lambda: write_line(OPERATIONS, "operation", operation("D")))
        logging.shutdown([weakref.ref(handler)])
    assert [json.loads(line)["operation"] for line in stream.getvalue().splitlines()] == ["A", "B", "C", "D"]


async def test_a_line_says_the_same_whatever_writes_it(monkeypatch: pytest.MonkeyPatch, written: Written) -> None:
    write_line(OPERATIONS, "operation", operation("A"))
    stream = Stream()
    with as_served(monkeypatch, stream):
        write_line(OPERATIONS, "operation", operation("A"))
        await asyncio.sleep(0)
    assert without_instant(stream.getvalue()) == without_instant(written.text)
    assert '"timestamp":""' in without_instant(stream.getvalue())


@pytest.mark.parametrize("change", ["another handler", "a handler below", "a filter", "a filter of the log", "a level"])
async def test_what_is_set_up_otherwise_gets_records(monkeypatch: pytest.MonkeyPatch, change: str) -> None:
    stream, other = Stream(), Stream()
    with as_served(monkeypatch, stream) as handler, ExitStack() as stack:
        match change:
            case "another handler":
                stack.enter_context(added(logging.getLogger(), logging.StreamHandler(other)))
            case "a handler below":
                stack.enter_context(added(logging.getLogger("mnesis"), logging.StreamHandler(other)))
            case "a filter":
                handler.addFilter(lambda record: False)
            case "a filter of the log":
                refuse = logging.Filter("nobody")
                OPERATIONS.addFilter(refuse)
                stack.callback(OPERATIONS.removeFilter, refuse)
            case "a level":
                handler.setLevel(logging.ERROR)
        write_line(OPERATIONS, "operation", operation("A"))
        await asyncio.sleep(0)
    assert (len(stream.writes), len(other.writes)) == ((1, 1) if "handler" in change else (0, 0))


@contextmanager
def added(to: logging.Logger, handler: logging.Handler) -> Iterator[None]:
    to.addHandler(handler)
    try:
        yield
    finally:
        to.removeHandler(handler)


async def test_a_log_that_cannot_be_written_stops_nothing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with as_served(monkeypatch, Stream(is_broken=True)):
        monkeypatch.undo()
        write_line(OPERATIONS, "operation", operation("A"))
        await asyncio.sleep(0)
    assert "OSError" in capsys.readouterr().err


def test_logging_that_is_configured_already_stays() -> None:
    before = list(logging.getLogger().handlers)
    assert before
    configure_logs(level="debug", form="json")
    assert logging.getLogger().handlers == before
