"""Subscribers of real server processes: one that is restarted, and two that share a database."""

import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import httpx
import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Subprotocol

from tests.server.running import RunningServer, running_server
from tests.server.speaking import Client

WATCH = "subscription($a: String) { memoryChanged(after: $a) { cursor record { id } } }"


@contextmanager
def watching(server: RunningServer, after: str | None = None) -> Iterator[ClientConnection]:
    """A socket over which a subscription stands."""
    address = server.graphql.replace("http", "ws", 1)
    with connect(address, subprotocols=[Subprotocol("graphql-transport-ws")]) as socket:
        socket.send(json.dumps({"type": "connection_init"}))
        payload = {"query": WATCH, "variables": {"a": after}}
        socket.send(json.dumps({"id": "1", "type": "subscribe", "payload": payload}))
        socket.send(json.dumps({"type": "ping"}))
        assert json.loads(socket.recv(20)) == {"type": "connection_ack"}
        yield socket


def change(socket: ClientConnection) -> dict[str, Any] | None:
    """The next change; None for the pong that tells that the subscription stands."""
    message = json.loads(socket.recv(20))
    if message["type"] == "pong":
        return None
    told: dict[str, Any] = message["payload"]["data"]["memoryChanged"]
    return told


def heard(socket: ClientConnection, count: int) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    while len(found) < count:
        told = change(socket)
        if told is not None:
            found.append(told)
    return found


def test_a_subscriber_goes_on_after_the_server_was_restarted(database_url: str) -> None:
    with running_server(database_url) as server, watching(server) as socket, Client(server.graphql) as client:
        assert change(socket) is None
        written = [f"{client.new_fact(f'{number}')}~1" for number in range(5)]
        before = heard(socket, 3)
        assert server.stop() == 0
        with pytest.raises(ConnectionClosed):
            heard(socket, 10)
    with running_server(database_url) as server, Client(server.graphql) as client:
        written.append(f"{client.new_fact('while nobody watched')}~1")
        with watching(server, after=before[-1]["cursor"]) as socket:
            written.append(f"{client.new_fact('while somebody watches')}~1")
            after = heard(socket, 4)
    assert [each["record"]["id"] for each in before + after] == written


def test_a_killed_server_loses_no_change(database_url: str) -> None:
    with running_server(database_url) as server, watching(server) as socket, Client(server.graphql) as client:
        assert change(socket) is None
        written = [f"{client.new_fact(f'{number}')}~1" for number in range(3)]
        [first] = heard(socket, 1)
        server.process.kill()
        server.process.wait()
    with running_server(database_url) as server, watching(server, after=first["cursor"]) as socket:
        assert [each["record"]["id"] for each in [first, *heard(socket, 2)]] == written


def test_two_processes_tell_the_same_in_the_same_order(postgresql_url: str) -> None:
    with (
        running_server(postgresql_url) as one,
        running_server(postgresql_url) as other,
        watching(one) as here,
        watching(other) as there,
    ):
        assert change(here) is None
        assert change(there) is None
        with ThreadPoolExecutor(6) as pool:
            facts = list(pool.map(_write, [one, other] * 3))
        written = {f"{fact}~1" for some in facts for fact in some}
        told_here, told_there = heard(here, len(written)), heard(there, len(written))
    assert told_here == told_there
    assert {each["record"]["id"] for each in told_here} == written
    assert len({each["cursor"] for each in told_here}) == len(written)


def _write(server: RunningServer) -> list[str]:
    with Client(server.graphql) as client:
        return [client.new_fact(f"{number}") for number in range(20)]


def test_a_cursor_of_one_process_is_good_at_another(postgresql_url: str) -> None:
    with running_server(postgresql_url) as one, running_server(postgresql_url) as other:
        with watching(one) as socket, Client(other.graphql) as client:
            assert change(socket) is None
            written = [f"{client.new_fact(f'{number}')}~1" for number in range(4)]
            first = heard(socket, 2)
        with watching(other, after=first[-1]["cursor"]) as socket:
            assert [each["record"]["id"] for each in first + heard(socket, 2)] == written


@pytest.mark.parametrize("workers", [1, 2])
def test_open_subscriptions_do_not_hold_up_a_server_that_stops(postgresql_url: str, workers: int) -> None:
    with running_server(postgresql_url, workers=workers, shutdown_timeout_s=30) as server:
        stream = httpx.Client().stream(
            "POST",
            server.graphql,
            json={"query": "subscription { memoryChanged { cursor } }"},
            headers={"Accept": "text/event-stream"},
        )
        with stream as response, watching(server) as socket:
            assert response.status_code == 200
            assert change(socket) is None
            started = time.monotonic()
            assert server.stop() == 0
            assert time.monotonic() - started < 5
            with pytest.raises(ConnectionClosed):
                change(socket)


def test_a_message_longer_than_a_request_may_be_closes_its_socket_alone(sqlite_url: str) -> None:
    with (
        running_server(sqlite_url, limit_request_bytes=10_000) as server,
        watching(server) as other,
        watching(server) as socket,
    ):
        assert change(other) is None
        assert change(socket) is None
        socket.send(json.dumps({"type": "ping", "payload": {"text": "x" * 10_000}}))
        with pytest.raises(ConnectionClosed) as closed:
            socket.recv(20)
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 1009
        other.send(json.dumps({"type": "ping"}))
        assert change(other) is None
