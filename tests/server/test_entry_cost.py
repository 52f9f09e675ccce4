"""A thousand entries in one call cost far less than a thousand calls."""

import statistics
import time

from tests.server.running import RunningServer
from tests.server.speaking import Client

ROUNDS = 7
RATIO = 150


def test_a_thousand_entries_take_less_than_150_times_as_long_as_one(server: RunningServer) -> None:
    took_s: dict[int, list[float]] = {1: [], 1_000: []}
    with Client(server.graphql) as client:
        for number in range(ROUNDS + 1):
            for entries, times in took_s.items():
                contents = [{"id": f"e{n}", "content": f"Round {number}, entry {n}."} for n in range(entries)]
                # A few single calls, because one alone is so short that chance would rule it.
                calls = 1 if entries > 1 else 5
                began = time.perf_counter()
                for call in range(calls):
                    single = [{"id": "e0", "content": f"Round {number}, call {call}."}]
                    written = client.put_entries(f"s{entries}", contents if entries > 1 else single)
                    assert written["updatedEntries"] == entries
                if number:
                    times.append((time.perf_counter() - began) / calls)
    one, thousand = (statistics.median(times) for times in took_s.values())
    assert thousand / one < RATIO
