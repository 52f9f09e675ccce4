"""Starting and stopping, as an operator sees it."""

import subprocess
import sys
import time

import httpx
import psutil

from tests.server.running import RunningServer, running_server

SECRET = "a secret of at least thirty-two bytes"


def test_a_server_says_where_it_listens_and_that_it_knows_no_callers(server: RunningServer) -> None:
    assert f"Playground: {server.url}/" in server.announced
    assert "No authentication" in server.announced


def test_a_server_is_alive_and_ready(server: RunningServer) -> None:
    assert httpx.get(f"{server.url}/healthz").json() == {"status": "ok"}
    assert httpx.get(f"{server.url}/readyz").json() == {"status": "ready"}


def test_a_server_answers_graphql(server: RunningServer) -> None:
    answer = httpx.post(server.graphql, json={"query": "{ __typename }"})
    assert answer.json() == {"data": {"__typename": "Query"}}


def test_sigterm_stops_a_server_within_ten_seconds_without_a_complaint(server: RunningServer) -> None:
    with httpx.Client() as client:
        client.get(f"{server.url}/healthz")
        started = time.monotonic()
        # The client's connection is still open, as those of a load balancer would be.
        assert server.stop() == 0
    assert time.monotonic() - started < 10


def test_a_secret_turns_strangers_away(sqlite_url: str) -> None:
    with running_server(sqlite_url, auth_secret=SECRET) as server:
        assert "No authentication" not in server.announced
        assert SECRET not in server.announced
        assert httpx.post(server.graphql, json={"query": "{ __typename }"}).status_code == 401


def test_several_processes_share_a_port_on_postgresql(postgresql_url: str) -> None:
    with running_server(postgresql_url, workers=2) as server:
        workers = psutil.Process(server.process.pid).children(recursive=True)
        assert len([worker for worker in workers if "spawn_main" in " ".join(worker.cmdline())]) == 2
        answer = httpx.post(server.graphql, json={"query": "{ __typename }"}, timeout=30)
        assert answer.json() == {"data": {"__typename": "Query"}}
        started = time.monotonic()
        assert server.stop() == 0
        assert time.monotonic() - started < 10


def test_a_taken_port_is_told_in_a_sentence(server: RunningServer, sqlite_url: str) -> None:
    port = server.url.rpartition(":")[2]
    command = [sys.executable, "-m", "mnesis", "serve", "--database", sqlite_url, "--port", port]
    second = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert second.returncode == 1
    assert second.stderr == f"Cannot listen on 127.0.0.1:{port}: Address already in use.\n"
    assert second.stdout == ""
