"""Faults: masked under an id that the log repeats, and never at the cost of what was written."""

import logging
from collections.abc import Callable
from typing import Any

import pytest

from mnesis.domain.limits import Limits
from mnesis.graph.endpoint import GraphQLEndpoint
from mnesis.usecases.memories import Memories
from mnesis.usecases.ports import Overloaded, StoreFault
from tests.graph.client import ANN, CREATE, Client

pytestmark = pytest.mark.anyio


class Broken:
    """Stands before a store or a reader: some of its methods fail, all others reach the real one. Counts calls."""

    def __init__(self, real: Any, fault: Exception | None = None, *methods: str) -> None:
        self.real = real
        self.fault = fault
        self.methods = methods
        self.calls: list[str] = []

    def __getattr__(self, name: str) -> Callable[..., Any]:
        async def call(*given: Any) -> Any:
            self.calls.append(name)
            if self.fault is not None and name in self.methods:
                raise self.fault
            return await getattr(self.real, name)(*given)

        return call


def reading(memories: Memories, reader: Broken) -> Client:
    broken: Any = reader
    return Client(GraphQLEndpoint(Memories(store=memories._store, reader=broken, limits=Limits())))


def writing(memories: Memories, store: Broken) -> Client:
    broken: Any = store
    return Client(GraphQLEndpoint(Memories(store=broken, reader=memories._reader, limits=Limits())))


async def test_a_fault_is_masked_under_an_id_that_the_log_repeats(
    memories: Memories, caplog: pytest.LogCaptureFixture
) -> None:
    client = reading(memories, Broken(memories._reader, StoreFault("secret dsn"), "memories"))
    with caplog.at_level(logging.ERROR, "mnesis.graph"):
        answer = await client.answer('{ node(id: "x") { id } viewer { subject } }')
    assert answer["data"] == {"node": None, "viewer": {"subject": "ann"}}
    [error] = answer["errors"]
    assert error["message"] == "Internal server error."
    assert error["path"] == ["node"]
    assert error["extensions"].keys() == {"code", "errorId"}
    assert error["extensions"]["code"] == "INTERNAL_SERVER_ERROR"
    assert error["extensions"]["errorId"] in caplog.text
    assert "secret dsn" in caplog.text
    assert "Traceback" in caplog.text


async def test_a_fault_of_many_fields_is_logged_once(memories: Memories, caplog: pytest.LogCaptureFixture) -> None:
    client = reading(memories, Broken(memories._reader, StoreFault("secret dsn"), "memories"))
    with caplog.at_level(logging.ERROR, "mnesis.graph"):
        answer = await client.answer('{ a: node(id: "x") { id } b: node(id: "y") { id } c: node(id: "z") { id } }')
    assert answer["data"] == {"a": None, "b": None, "c": None}
    [error_id] = {error["extensions"]["errorId"] for error in answer["errors"]}
    assert [record.getMessage() for record in caplog.records] == [f"Fault {error_id}"]


async def test_a_full_queue_says_so(memories: Memories) -> None:
    client = writing(memories, Broken(memories._store, Overloaded("queue of 9 full"), "apply"))
    answer = await client.answer(CREATE, input={"longTerm": {"memory": "M"}})
    assert answer["data"] == {"createMemory": None}
    [error] = answer["errors"]
    assert error["extensions"] == {"code": "OVERLOADED"}
    assert "queue of 9" not in error["message"]


async def test_a_failing_mutation_leaves_the_answers_of_its_siblings(memories: Memories) -> None:
    class Second(Broken):
        def __getattr__(self, name: str) -> Callable[..., Any]:
            self.methods = ("apply",) if len(self.calls) == 1 else ()
            return super().__getattr__(name)

    client = writing(memories, Second(memories._store, StoreFault("gone")))
    create = 'createMemory(input: {longTerm: {memory: "M"}}) { status }'
    answer = await client.answer(f"mutation {{ a: {create} b: {create} c: {create} }}")
    assert answer["data"] == {"a": {"status": "CREATED"}, "b": None, "c": {"status": "CREATED"}}
    assert [error["path"] for error in answer["errors"]] == [["b"]]


async def test_a_fault_while_the_payload_is_read_leaves_what_was_written_standing(memories: Memories) -> None:
    reader = Broken(
        memories._reader, StoreFault("gone"), "memories", "histories", "containers", "count_entries", "entries"
    )
    client = reading(memories, reader)
    answer = await client.answer("""mutation { updateContextMemory(input: {
        sessionId: "s1", createSession: true, contents: [{id: "a", content: "A"}]}) {
      version updatedEntries counts { created } errors { code }
      session { id container { id } history { totalCount } entries { nodes { id } } }
      results { status version entry { content session { id } } }
      query { node(id: "s1") { id } } } }""")
    payload = answer["data"]["updateContextMemory"]
    assert payload == {
        "version": 1,
        "updatedEntries": 1,
        "counts": {"created": 1},
        "errors": [],
        "session": {"id": "s1", "container": None, "history": None, "entries": None},
        "results": [{"status": "CREATED", "version": 1, "entry": {"content": "A", "session": None}}],
        "query": {"node": None},
    }
    assert {error["extensions"]["code"] for error in answer["errors"]} == {"INTERNAL_SERVER_ERROR"}


async def test_a_replayed_answer_stands_where_its_memories_cannot_be_read(memories: Memories) -> None:
    asked = {"input": {"longTerm": {"memory": "M"}}, "key": "k"}
    await reading(memories, Broken(memories._reader)).data(CREATE, **asked)
    broken = reading(memories, Broken(memories._reader, StoreFault("gone"), "memories"))
    payload = (await broken.answer(CREATE, **asked))["data"]["createMemory"]
    assert (payload["status"], payload["version"], payload["replayed"], payload["memory"]) == ("CREATED", 1, True, None)


@pytest.mark.usefixtures("executed_once")
async def test_a_list_costs_as_many_questions_as_one_memory(memories: Memories) -> None:
    reader = Broken(memories._reader)
    client = reading(memories, reader)
    for session in range(5):
        await client.converse(f"s{session}", *({"content": str(number)} for number in range(5)))
    document = """{ memories(first: 100) { totalCount nodes { id container { id }
      history { totalCount nodes { subject { id } } }
      ... on WorkingMemory { session { entries(first: 3) { totalCount nodes { id } } } }
      ... on SessionMemory { three: entries(first: 3) { nodes { id } } two: entries(last: 2) { nodes { id } } } } } }"""
    reader.calls.clear()
    answer = await client.only(document)
    assert len(answer["nodes"]) == 30
    # Entries are asked for once by each page that is wanted; all else once, subjects possibly apart from sessions.
    most = {"entries": 3, "memories": 2}
    assert {
        call: reader.calls.count(call) for call in reader.calls if reader.calls.count(call) > most.get(call, 1)
    } == {}


async def test_totals_are_counted_only_where_they_are_selected(memories: Memories) -> None:
    reader = Broken(memories._reader)
    client = reading(memories, reader)
    await client.converse("s1", {"content": "A"})
    await client.data(
        "{ memories { nodes { id history { nodes { id } } ... on SessionMemory { entries { nodes { id } } } } } }"
    )
    assert [call for call in reader.calls if call.startswith("count")] == []


async def test_a_fault_outside_any_field_is_masked_too(memories: Memories, monkeypatch: pytest.MonkeyPatch) -> None:
    async def fail(*_: object) -> None:
        raise RuntimeError("secret")

    client = Client(GraphQLEndpoint(memories), ANN)
    monkeypatch.setattr(client.endpoint._operations._executor, "execute", fail)
    response = await client.http.post("/graphql", json={"query": "{ __typename }"})
    assert response.status_code == 500
    assert response.json()["errors"][0]["extensions"]["code"] == "INTERNAL_SERVER_ERROR"
    assert "secret" not in response.text
