"""What a façade costs: an update through it against the same update through GraphQL.

Run from the repository's root: ``.venv/bin/python -m benchmarks.facades``. It starts a server of its own on a loopback
port for SQLite and for PostgreSQL, interleaves the two calls, and writes medians and their ratio to
``benchmarks/results/facades.json``. A façade may be at most 10 % slower.
"""

import json
import platform
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx

from benchmarks.context_entries import _databases
from tests.server.running import RunningServer, running_server

ROUNDS = 400
WARM_UP = 50
RESULTS = Path(__file__).parent / "results" / "facades.json"
MUTATION = """
mutation Update($input: UpdateContextMemoryInput!) {
  updateContextMemory(input: $input) { memoryId updatedEntries errors { code message path } }
}
"""
Update = Callable[[httpx.Client, RunningServer, list[dict[str, Any]]], int]


def main() -> None:
    """Measures both databases and writes the results."""
    results: dict[str, Any] = {
        "machine": platform.platform(),
        "python": platform.python_version(),
        "rounds": ROUNDS,
        "databases": {name: _measured(url) for name, url in _databases()},
    }
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(results, indent=2) + "\n")
    print(json.dumps(results, indent=2))  # noqa: T201  # This is what the command has to say.


def _measured(url: str) -> dict[str, Any]:
    ways: dict[str, Update] = {"graphql": _by_graphql, "alchemyst": _by_alchemyst}
    took_s: dict[str, list[float]] = {name: [] for name in ways}
    with running_server(url, facades="alchemyst", log_level="warning") as server, httpx.Client(timeout=60) as client:
        _open(client, server)
        for number in range(ROUNDS + WARM_UP):
            # Each way is the first as often as the other.
            order = list(ways) if number % 2 else list(ways)[::-1]
            for name in order:
                contents = _contents(f"{name} {number}")
                began = time.perf_counter()
                written = ways[name](client, server, contents)
                took = time.perf_counter() - began
                if written != len(contents):
                    raise RuntimeError(f"{name} wrote {written} entries.")
                if number >= WARM_UP:
                    took_s[name].append(took)
    medians = {name: statistics.median(times) for name, times in took_s.items()}
    return {
        "graphql_ms": round(medians["graphql"] * 1e3, 3),
        "alchemyst_ms": round(medians["alchemyst"] * 1e3, 3),
        "ratio": round(medians["alchemyst"] / medians["graphql"], 3),
    }


def _contents(text: str) -> list[dict[str, Any]]:
    return [
        {
            "id": f"msg-{number}",
            "role": "user",
            "content": f"Updated answer about the Scale plan pricing after discounts: {text}, {number}.",
            "metadata": {"messageId": f"msg-{number}"},
            "createdAt": "2025-01-10T12:34:56.000Z",
        }
        for number in range(2)
    ]


def _open(client: httpx.Client, server: RunningServer) -> None:
    body = {"sessionId": "thread", "contents": _contents("at first")}
    client.post(f"{server.url}/api/v1/context/memory/add", json=body).raise_for_status()


def _by_graphql(client: httpx.Client, server: RunningServer, contents: list[dict[str, Any]]) -> int:
    variables = {"input": {"sessionId": "thread", "contents": contents}}
    answer = client.post(server.graphql, json={"query": MUTATION, "variables": variables}).json()
    written: int = answer["data"]["updateContextMemory"]["updatedEntries"]
    return written


def _by_alchemyst(client: httpx.Client, server: RunningServer, contents: list[dict[str, Any]]) -> int:
    body = {"sessionId": "thread", "contents": contents}
    written: int = client.post(f"{server.url}/api/v1/context/memory/update", json=body).json()["updated_entries"]
    return written


if __name__ == "__main__":
    main()
