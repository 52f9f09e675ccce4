"""How soon subscribers hear of changes: many with a session each, and fewer who all want everything.

Run from the repository's root: ``.venv/bin/python -m benchmarks.subscribers``. It starts one server process on a
loopback port for SQLite and for PostgreSQL, opens a WebSocket for every subscriber, writes at a steady rate, and counts
what arrives: every change once, each so many milliseconds after its write was sent. Subscribers and writers share one
process beside the server's, so on two processors their own work is part of what is measured. The results go to
``benchmarks/results/subscribers.json``.
"""

import asyncio
import json
import platform
import statistics
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import orjson
import psutil
from websockets.asyncio.client import ClientConnection, connect
from websockets.typing import Subprotocol

from benchmarks.context_entries import _databases
from tests.server.running import running_server

SECONDS = 10
RESULTS = Path(__file__).parent / "results" / "subscribers.json"
OPEN_AT_ONCE = 20
SUBSCRIPTION = """
subscription Watch($filter: MemoryChangeFilter) {
  memoryChanged(filter: $filter) { cursor action record { subjectId version } memory { id version } }
}
"""
MUTATION = """
mutation Update($input: UpdateContextMemoryInput!) { updateContextMemory(input: $input) { version updatedEntries } }
"""


@dataclass(kw_only=True)
class Heard:
    """What arrived: how often each change did, at each subscriber, and how long after its write was sent."""

    sent_at: dict[tuple[str, int], float] = field(default_factory=dict)
    deliveries: Counter[tuple[int, str]] = field(default_factory=Counter)
    delays_ms: list[float] = field(default_factory=list)


def main() -> None:
    """Measures both databases and writes the results."""
    results: dict[str, Any] = {"machine": platform.platform(), "python": platform.python_version(), "seconds": SECONDS}
    results["databases"] = {
        name: {
            "own_session": asyncio.run(measured(url, subscribers=1_000, writes_per_s=200, everything=False)),
            "everything": asyncio.run(measured(url, subscribers=100, writes_per_s=50, everything=True)),
        }
        for name, url in _databases()
    }
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(results, indent=2) + "\n")
    print(json.dumps(results, indent=2))  # noqa: T201  # This is what the command has to say.


async def measured(url: str, *, subscribers: int, writes_per_s: int, everything: bool, run: str = "") -> dict[str, Any]:
    """What they heard, and what memory the server held then; sessions of another ``run`` are not touched."""
    heard = Heard()
    sessions = [f"{run}{'all' if everything else 'own'}-{number}" for number in range(subscribers)]
    with running_server(url) as server:
        address = server.graphql.replace("http", "ws", 1)
        sockets: list[ClientConnection] = []
        for start in range(0, subscribers, OPEN_AT_ONCE):
            some = sessions[start : start + OPEN_AT_ONCE]
            sockets += await asyncio.gather(
                *(_subscribed(address, None if everything else {"sessionId": session}) for session in some)
            )
        listening = [asyncio.create_task(_listen(number, socket, heard)) for number, socket in enumerate(sockets)]
        written = await _write(server.graphql, sessions, writes_per_s, heard)
        # A write of an entry changes its session too.
        expected = 2 * written * (subscribers if everything else 1)
        with suppress(TimeoutError):
            async with asyncio.timeout(10):
                # There is no hurry, and listening is to cost little.
                while sum(heard.deliveries.values()) < expected:  # noqa: ASYNC110
                    await asyncio.sleep(0.1)
        await asyncio.sleep(0.5)  # For what might arrive twice.
        held_mb = round(psutil.Process(server.process.pid).memory_info().rss / 1e6)
        for task in listening:
            task.cancel()
        await asyncio.gather(*listening, return_exceptions=True)
        await asyncio.gather(*(socket.close() for socket in sockets))
    delays = sorted(heard.delays_ms)
    return {
        "subscribers": subscribers,
        "writes": written,
        "writes_per_s": writes_per_s,
        "expected_deliveries": expected,
        "deliveries": sum(heard.deliveries.values()),
        "delivered_more_than_once": sum(count > 1 for count in heard.deliveries.values()),
        "median_delay_ms": round(statistics.median(delays), 1),
        "p95_delay_ms": round(delays[int(len(delays) * 0.95)], 1),
        "longest_delay_ms": round(delays[-1], 1),
        "server_mb": held_mb,
    }


async def _subscribed(address: str, wanted: dict[str, str] | None) -> ClientConnection:
    socket = await connect(address, subprotocols=[Subprotocol("graphql-transport-ws")], compression=None)
    payload = {"query": SUBSCRIPTION, "variables": {"filter": wanted}}
    await socket.send(json.dumps({"type": "connection_init"}))
    await socket.send(json.dumps({"id": "1", "type": "subscribe", "payload": payload}))
    await socket.send(json.dumps({"type": "ping"}))
    # The pong comes when the subscription stands.
    while json.loads(await socket.recv())["type"] != "pong":
        pass
    return socket


async def _listen(number: int, socket: ClientConnection, heard: Heard) -> None:
    async for message in socket:
        now = time.perf_counter()
        change = orjson.loads(message)["payload"]["data"]["memoryChanged"]
        heard.deliveries[number, change["cursor"]] += 1
        record = change["record"]
        sent_at = heard.sent_at.get((record["subjectId"], record["version"]))
        if sent_at is not None:  # Of the two changes of a write, that of the session is known by name.
            heard.delays_ms.append((now - sent_at) * 1e3)


async def _write(address: str, sessions: list[str], writes_per_s: int, heard: Heard) -> int:
    """Writes at a steady rate, whatever becomes of the writes before; how many there were."""
    versions: Counter[str] = Counter()
    writing: set[asyncio.Task[None]] = set()
    began = time.perf_counter()
    count = SECONDS * writes_per_s
    async with httpx.AsyncClient(timeout=60, limits=httpx.Limits(max_connections=32)) as client:
        for number in range(count):
            await asyncio.sleep(max(0.0, began + number / writes_per_s - time.perf_counter()))
            # The sessions in turn, so that two writes of one never overtake each other.
            session = sessions[number * 7919 % len(sessions)]
            versions[session] += 1
            heard.sent_at[session, versions[session]] = time.perf_counter()
            task = asyncio.create_task(_update(client, address, session, versions[session]))
            writing.add(task)
            task.add_done_callback(writing.discard)
        await asyncio.gather(*writing)
    return count


async def _update(client: httpx.AsyncClient, address: str, session: str, version: int) -> None:
    contents = [{"id": f"entry-{version}", "content": f"The plan has changed for the {version}th time."}]
    request = {"sessionId": session, "createSession": True, "contents": contents}
    answer = (await client.post(address, json={"query": MUTATION, "variables": {"input": request}})).json()
    if answer["data"]["updateContextMemory"]["updatedEntries"] != 1:
        raise RuntimeError(f"An entry was not written: {answer}")


if __name__ == "__main__":
    main()
