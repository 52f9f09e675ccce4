"""What OpenSearch's façade costs: the update of its documentation against the same update through GraphQL.

Run from the repository's root: ``.venv/bin/python -m benchmarks.opensearch_facade``. It starts a server of its own on a
loopback port for SQLite and for PostgreSQL, interleaves the two calls, and writes medians and their ratio to
``benchmarks/results/opensearch_facade.json``. A façade may be at most 10 % slower.
"""

import json
import platform
import statistics
import time
from pathlib import Path
from typing import Any

import httpx

from benchmarks.context_entries import _databases
from tests.server.running import running_server

ROUNDS = 800
WARM_UP = 100
RESULTS = Path(__file__).parent / "results" / "opensearch_facade.json"
CONTAINER = "/_plugins/_ml/memory_containers/box"
MUTATION = """
mutation Update($id: ID!, $input: UpdateMemoryInput!) {
  updateMemory(type: WORKING, id: $id, input: $input) { status version memory { id } errors { code message path } }
}
"""


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


def _measured(url: str) -> dict[str, float]:
    took_s: dict[str, list[float]] = {"graphql": [], "opensearch": []}
    with (
        running_server(url, facades="opensearch", log_level="warning") as server,
        httpx.Client(base_url=server.url, timeout=60) as client,
    ):
        container = {"name": "box", "memory_container_id": "box"}
        client.post("/_plugins/_ml/memory_containers/_create", json=container).raise_for_status()
        id = client.post(f"{CONTAINER}/memories", json={"tags": {"topic": "first"}}).json()["working_memory_id"]

        def update(way: str, tags: dict[str, str]) -> None:
            if way == "opensearch":
                answer = client.put(f"{CONTAINER}/memories/working/{id}", json={"tags": tags}).json()
                written = answer.get("result") == "updated"
            else:
                variables = {"id": id, "input": {"working": {"tags": tags}}}
                answer = client.post("/graphql", json={"query": MUTATION, "variables": variables}).json()
                written = answer["data"]["updateMemory"]["status"] == "UPDATED"
            if not written:
                raise RuntimeError(f"{way} answered {answer}.")

        for number in range(ROUNDS + WARM_UP):
            # Each way is the first as often as the other.
            for way in list(took_s) if number % 2 else list(took_s)[::-1]:
                tags = {"topic": f"{way} {number}", "priority": "high"}
                began = time.perf_counter()
                update(way, tags)
                took = time.perf_counter() - began
                if number >= WARM_UP:
                    took_s[way].append(took)
    medians = {way: statistics.median(times) for way, times in took_s.items()}
    return {
        **{f"{way}_ms": round(median * 1e3, 3) for way, median in medians.items()},
        "ratio": round(medians["opensearch"] / medians["graphql"], 3),
    }


if __name__ == "__main__":
    main()
