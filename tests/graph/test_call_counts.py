"""What an operation costs, without a clock: the Python functions it calls in all threads, and the statements it sends.

``REWRITE_CALLS=1`` records what is found. Recorded are the calls on the Python version of the CI.
"""

import asyncio
import json
import os
import statistics
import sys
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from types import FrameType
from typing import Any, cast

import pytest

from mnesis.domain.limits import Limits
from mnesis.graph.endpoint import GraphQLEndpoint
from mnesis.storage.database import Database, engine_for
from mnesis.storage.engines import Engine
from mnesis.usecases.memories import Memories
from tests.graph.client import CONVERSE, UPDATE, Client
from tests.storage.workbench import Watched

RECORDED = Path(__file__).with_name("recorded_calls.json")
PYTHON = "3.11"
ALLOWED = 1.05
ROUNDS = 9
LIST = "{ memories(first: 100) { nodes { __typename id type version createdAt updatedAt updatedBy namespace } } }"

BY_ID = "query($id: ID!) { memory(type: LONG_TERM, id: $id) { id version updatedAt ... on LongTermMemory { tags } } }"

# What graphql-core would be asked for besides is not what a client pays for.
pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("executed_once")]


class Calls:
    """Counts the calls of Python functions in every thread that was started after it was installed, and in this one."""

    def __init__(self) -> None:
        self.count = 0
        self.counting = False

    def __call__(self, frame: FrameType, event: str, argument: Any) -> None:
        if event == "call" and self.counting:
            self.count += 1


@pytest.fixture
async def counted(sqlite_url: str) -> AsyncIterator[tuple[Client, Calls, Watched]]:
    calls = Calls()
    threading.setprofile(calls)
    sys.setprofile(calls)
    watched = Watched(engine_for(sqlite_url, writer_lanes=1))
    opened = Database(cast(Engine, watched), limits=Limits(), reader_threads=1)
    yield (
        Client(GraphQLEndpoint(Memories(store=opened.store, reader=opened.reader, limits=Limits()))),
        calls,
        watched,
    )
    sys.setprofile(None)
    threading.setprofile(None)
    await opened.close()


async def cost(operation: Callable[[int], Awaitable[Any]], calls: Calls, watched: Watched) -> dict[str, float]:
    """The medians of several rounds, after some that fill caches."""
    functions: list[int] = []
    statements: list[int] = []
    for number in range(ROUNDS + 3):
        calls.count, sent = 0, len(watched.sent)
        calls.counting = True
        await operation(number)
        calls.counting = False
        # The threads come to rest before the next round.
        await asyncio.sleep(0.02)
        if number >= 3:
            functions.append(calls.count)
            statements.append(len(watched.sent) - sent)
    return {"calls": statistics.median(functions), "statements": statistics.median(statements)}


async def test_no_operation_costs_more_than_is_recorded(counted: tuple[Client, Calls, Watched]) -> None:
    if sys.version_info[:2] != tuple(map(int, PYTHON.split("."))):
        pytest.skip(f"The calls are recorded for Python {PYTHON}, since every version makes others.")
    client, calls, watched = counted
    memory_id = await client.create(longTerm={"memory": "0"})

    async def update(number: int) -> None:
        given = {"longTerm": {"memory": f"Text {number}"}}
        assert (await client.only(UPDATE, type="LONG_TERM", id=memory_id, input=given))["status"] == "UPDATED"

    async def by_id(number: int) -> None:
        assert (await client.only(BY_ID, id=memory_id))["id"] == memory_id

    async def batch(number: int) -> None:
        contents = [{"id": f"e{each}", "content": f"Round {number}, entry {each}."} for each in range(100)]
        given = {"sessionId": "talk", "createSession": True, "contents": contents}
        assert (await client.only(CONVERSE, input=given))["updatedEntries"] == 100

    async def page(number: int) -> None:
        assert len((await client.only(LIST))["nodes"]) == 100

    found = {}
    operations = (
        ("update", update),
        ("memory by id", by_id),
        ("batch of 100 entries", batch),
        ("page of 100", page),
    )
    for name, operation in operations:
        found[name] = await cost(operation, calls, watched)
    if os.environ.get("REWRITE_CALLS"):
        RECORDED.write_text(json.dumps(found, indent=2) + "\n")
    recorded = json.loads(RECORDED.read_text())
    assert found.keys() == recorded.keys()
    for name, measures in found.items():
        assert measures["statements"] == recorded[name]["statements"], (name, measures)
        assert measures["calls"] <= recorded[name]["calls"] * ALLOWED, (name, measures)
