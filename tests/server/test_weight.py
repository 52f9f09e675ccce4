"""How much memory a server takes, idle and while large batches keep coming."""

import os
import time

import psutil
import pytest

from tests.server.running import running_server
from tests.server.speaking import Client

IDLE_MB = 150
BUSY_MB = 300
SECONDS = float(os.environ.get("WEIGHT_SECONDS", "60"))


@pytest.mark.timeout(SECONDS + 60)
def test_a_server_stays_light_under_large_batches(database_url: str) -> None:
    with running_server(database_url) as server, Client(server.graphql) as client:
        client.ask("{ __typename }")
        process = psutil.Process(server.process.pid)
        assert _megabytes(process) < IDLE_MB
        until = time.monotonic() + SECONDS
        heaviest, batches = 0.0, 0
        while time.monotonic() < until:
            contents = [{"id": f"e{n}", "content": f"Batch {batches}, entry {n}: {'x' * 200}"} for n in range(1_000)]
            written = client.put_entries(f"session-{batches % 5}", contents)
            assert written["counts"]["submitted"] == 1_000
            batches += 1
            heaviest = max(heaviest, _megabytes(process))
        assert batches > 1
        assert heaviest < BUSY_MB


def _megabytes(process: psutil.Process) -> float:
    resident: int = process.memory_info().rss
    return resident / 1_000_000
