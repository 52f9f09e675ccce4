"""Two server processes on one PostgreSQL, few memories, a minute of mixed batches: every history is unbroken."""

import os
import random
import threading
import time
from collections import Counter
from typing import Any

import pytest

from tests.server.running import running_server
from tests.server.speaking import Client, replayed

HOT = 20
CLIENTS = 8
SECONDS = float(os.environ.get("HOT_SECONDS", "60"))
UPDATE_MANY = """
mutation Many($input: UpdateMemoriesInput!) {
  updateMemories(input: $input) { counts { submitted updated unchanged failed rolledBack created deleted } }
}
"""


@pytest.mark.timeout(SECONDS + 180)
def test_every_history_is_unbroken_and_adds_up_to_its_memory(postgresql_url: str) -> None:
    with running_server(postgresql_url) as one, running_server(postgresql_url) as other:
        with Client(one.graphql) as client:
            facts = [client.new_fact(f"Fact {number}.") for number in range(HOT)]
            client.put_entries("hot", [{"id": f"e{number}", "content": "At first."} for number in range(HOT)])
        until = time.monotonic() + SECONDS
        tallies: list[Counter[str]] = [Counter() for _ in range(CLIENTS)]
        threads = [
            threading.Thread(target=_mix, args=((one, other)[number % 2].graphql, facts, until, tally, number))
            for number, tally in enumerate(tallies)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(SECONDS + 60)
            assert not thread.is_alive()
        tally = sum(tallies, Counter())
        assert tally["updated"] > HOT
        assert tally["faults"] == 0
        with Client(other.graphql) as client:
            versions = sum(_check(client, fact, "LONG_TERM", ("memory", "tags", "pinned")) for fact in facts)
            assert versions == HOT + tally["facts updated"]
            _check(client, "hot", "SESSION", ("summary", "metadata"))


def _mix(address: str, facts: list[str], until: float, tally: "Counter[str]", seed: int) -> None:
    chance = random.Random(seed)
    with Client(address) as client:
        while time.monotonic() < until:
            try:
                chance.choice((_one, _many, _entries))(client, facts, chance, tally)
            except Exception:
                tally["faults"] += 1
                raise


def _one(client: Client, facts: list[str], chance: random.Random, tally: "Counter[str]") -> None:
    payload = client.update(chance.choice(facts), **_patch(chance))
    tally["updated"] += payload["status"] == "UPDATED"
    tally["facts updated"] += payload["status"] == "UPDATED"


def _many(client: Client, facts: list[str], chance: random.Random, tally: "Counter[str]") -> None:
    items: list[dict[str, Any]] = [
        {"type": "LONG_TERM", "id": chance.choice(facts), "input": {"longTerm": _patch(chance)}}
        for _ in range(chance.randint(1, 8))
    ]
    if chance.random() < 0.3:
        items.append({"type": "LONG_TERM", "id": "nobody", "input": {"longTerm": {"pinned": True}}})
    mode = chance.choice(("ATOMIC", "PER_ENTRY"))
    counts = client.ask(UPDATE_MANY, input={"items": items, "mode": mode})["updateMemories"]["counts"]
    assert counts.pop("submitted") == len(items) == sum(counts.values())
    tally["updated"] += counts["updated"]
    tally["facts updated"] += counts["updated"]


def _entries(client: Client, facts: list[str], chance: random.Random, tally: "Counter[str]") -> None:
    chosen = chance.sample(range(HOT), chance.randint(1, HOT))
    contents = [{"id": f"e{number}", "content": f"Now {chance.random()}."} for number in chosen]
    tally["updated"] += client.put_entries("hot", contents)["updatedEntries"]


def _patch(chance: random.Random) -> dict[str, Any]:
    return chance.choice(
        (
            {"memory": f"Now {chance.random()}."},
            {"tags": {"n": chance.randint(0, 3), chance.choice("abc"): True}},
            {"tags": None},
            {"pinned": chance.random() < 0.5},
        )
    )


def _check(client: Client, identifier: str, kind: str, fields: tuple[str, ...]) -> int:
    memory, records = client.read(identifier, kind)
    assert [record["version"] for record in records] == list(range(1, memory["version"] + 1))
    empty = {"pinned": False}
    added_up = replayed(records)
    assert {name: added_up.get(name, empty.get(name)) for name in fields} == {name: memory[name] for name in fields}
    version: int = memory["version"]
    return version
