"""Writers that meet on the same memory over separate HTTP connections lose nothing, on one server and on two."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager

import pytest

from tests.server.running import running_server
from tests.server.speaking import Client

ROUNDS = 200
WRITERS = 32


@contextmanager
def addresses(request: pytest.FixtureRequest, kind: str) -> Iterator[list[str]]:
    """The servers that writers are spread over: one on either database, or two processes on PostgreSQL."""
    url = request.getfixturevalue("sqlite_url" if kind == "sqlite" else "postgresql_url")
    with ExitStack() as stack:
        count = 2 if kind == "two processes" else 1
        yield [stack.enter_context(running_server(url)).graphql for _ in range(count)]


@pytest.mark.parametrize("kind", ["sqlite", "postgresql", "two processes"])
def test_writers_of_different_fields_both_survive_every_round(request: pytest.FixtureRequest, kind: str) -> None:
    with addresses(request, kind) as servers, Client(servers[0]) as one, Client(servers[-1]) as other:
        fact = one.new_fact("At the start.", round=-1)
        with ThreadPoolExecutor(2) as pool:
            for number in range(ROUNDS):
                text = pool.submit(one.update, fact, memory=f"Text {number}.")
                tags = pool.submit(other.update, fact, tags={"round": number})
                assert {text.result()["status"], tags.result()["status"]} == {"UPDATED"}
                memory = one.ask(
                    "query ($id: ID!) { memory(type: LONG_TERM, id: $id) { ... on LongTermMemory { memory tags } } }",
                    id=fact,
                )["memory"]
                assert memory == {"memory": f"Text {number}.", "tags": {"round": number}}
        memory, records = one.read(fact)
        assert memory["version"] == 1 + 2 * ROUNDS
        assert [record["version"] for record in records] == list(range(1, 2 + 2 * ROUNDS))


@pytest.mark.parametrize("kind", ["sqlite", "postgresql", "two processes"])
def test_writers_that_retry_on_conflicts_count_exactly(request: pytest.FixtureRequest, kind: str) -> None:
    with addresses(request, kind) as servers:
        with Client(servers[0]) as client:
            fact = client.new_fact("A counter.", count=0)
        with ThreadPoolExecutor(WRITERS) as pool:
            increments = [pool.submit(_increment, servers[number % len(servers)], fact) for number in range(WRITERS)]
            conflicts = sum(increment.result() for increment in increments)
        with Client(servers[0]) as client:
            memory, records = client.read(fact)
        assert memory["tags"] == {"count": WRITERS}
        assert memory["version"] == 1 + WRITERS == len(records)
        assert conflicts > 0  # Otherwise nobody met anybody, and the test shows nothing.


def _increment(address: str, fact: str) -> int:
    """Adds one to the counter, from the state that each conflict brings along; how many conflicts there were."""
    with Client(address) as client:
        version, count = 1, 0
        for conflicts in range(WRITERS + 1):
            payload = client.update(fact, if_version=version, tags={"count": count + 1})
            if not payload["errors"]:
                return conflicts
            (error,) = payload["errors"]
            assert error["code"] == "VERSION_CONFLICT"
            assert error["current"]["version"] == error["actualVersion"]
            version, count = error["actualVersion"], error["current"]["tags"]["count"]
    raise AssertionError("Every conflict means that another writer succeeded, so there cannot be more than writers.")
