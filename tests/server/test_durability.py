"""What a server has acknowledged survives its sudden death, and history and memories agree afterwards."""

import threading
from dataclasses import dataclass, field
from typing import Any

import httpx

from tests.server.running import running_server
from tests.server.speaking import Client, replayed

CLIENTS = 6
ACKNOWLEDGED_BEFORE_THE_END = 150


@dataclass(slots=True)
class Ledger:
    """What one client was told: the versions that were acknowledged for its fact and its session's entries."""

    fact: str
    session: str
    fact_version: int = 1
    last_tags: dict[str, Any] = field(default_factory=dict)
    entries: dict[str, str] = field(default_factory=dict)


def test_acknowledged_writes_survive_a_kill(database_url: str) -> None:
    enough = threading.Semaphore(0)
    with running_server(database_url) as server:
        with Client(server.graphql) as client:
            ledgers = [
                Ledger(fact=client.new_fact(f"Fact {number}."), session=f"s{number}") for number in range(CLIENTS)
            ]
        threads = [threading.Thread(target=_write, args=(server.graphql, ledger, enough)) for ledger in ledgers]
        for thread in threads:
            thread.start()
        for _ in range(ACKNOWLEDGED_BEFORE_THE_END):
            assert enough.acquire(timeout=60)
        server.process.kill()
        server.process.wait()
        for thread in threads:
            thread.join(60)
            assert not thread.is_alive()
    with running_server(database_url) as server, Client(server.graphql) as client:
        for ledger in ledgers:
            _check_fact(client, ledger)
            _check_session(client, ledger)


def _write(address: str, ledger: Ledger, enough: threading.Semaphore) -> None:
    """Writes until the server is gone, and notes only what was acknowledged."""
    with Client(address) as client:
        for number in range(100_000):
            try:
                payload = client.update(ledger.fact, tags={"number": number})
                ledger.fact_version, ledger.last_tags = payload["version"], {"number": number}
                contents = [{"id": f"{number}-{index}", "content": f"Said {number}."} for index in range(3)]
                written = client.put_entries(ledger.session, contents)
                assert written["updatedEntries"] == 3
                ledger.entries |= {entry["id"]: entry["content"] for entry in contents}
            except httpx.HTTPError:
                return
            enough.release()


def _check_fact(client: Client, ledger: Ledger) -> None:
    memory, records = client.read(ledger.fact)
    # One update may have been committed without its answer having been sent.
    assert memory["version"] in (ledger.fact_version, ledger.fact_version + 1)
    if memory["version"] == ledger.fact_version:
        assert memory["tags"] == (ledger.last_tags or None)
    assert [record["version"] for record in records] == list(range(1, memory["version"] + 1))
    added_up = replayed(records)
    assert (added_up["memory"], added_up.get("tags")) == (memory["memory"], memory["tags"])


def _check_session(client: Client, ledger: Ledger) -> None:
    entries: dict[str, str] = {}
    versions, after = 0, None
    while True:
        answer = client.ask(ENTRIES, id=ledger.session, after=after)["memory"]
        page = answer["entries"]
        for entry in page["nodes"]:
            entries[entry["entryId"]] = entry["content"]
            assert entry["history"]["totalCount"] == entry["version"]
            versions += entry["version"]
        if not page["pageInfo"]["hasNextPage"]:
            break
        after = page["pageInfo"]["endCursor"]
    assert ledger.entries.items() <= entries.items()
    # Three entries a call: a call is there as a whole or not at all.
    assert len(entries) % 3 == 0
    assert len(entries) - len(ledger.entries) in (0, 3)
    assert answer["version"] == len(entries) // 3 == answer["history"]["totalCount"]


ENTRIES = """
query Entries($id: ID!, $after: String) {
  memory(type: SESSION, id: $id) {
    version
    history { totalCount }
    ... on SessionMemory {
      entries(first: 100, after: $after) {
        nodes { entryId content version history { totalCount } }
        pageInfo { hasNextPage endCursor }
      }
    }
  }
}
"""
