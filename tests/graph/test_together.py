"""Mutations of one document, and of one list, share a transaction, and nobody can tell but by the clock."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from mnesis.domain.caller import Scope
from mnesis.domain.limits import OperationLimits
from mnesis.graph.endpoint import GraphQLEndpoint
from mnesis.graph.options import EndpointOptions
from mnesis.storage.lanes import QueueBounds
from tests.graph.client import CONVERSE, CREATE, UPDATE, Client
from tests.storage.workbench import Bench, opened, until, write_locked

# The transactions of an execution by graphql-core beside it would be counted too.
pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("executed_once")]

COUNT = "{ memories { totalCount } }"
SHOWN = "status version memory { __typename id version ... on LongTermMemory { memory } } errors { code message }"


@pytest.fixture
async def bench(database_url: str) -> AsyncIterator[Bench]:
    async with opened(database_url) as bench:
        yield bench


@pytest.fixture
async def client(bench: Bench) -> Client:
    client = Client(GraphQLEndpoint(bench.memories))
    await client.create(longTerm={"memory": "the tenant is known, and the lane has tidied up"})
    return client


def update(memory_id: str, text: str, *, selected: str = SHOWN, **given: object) -> str:
    more = "".join(f", {name}: {json.dumps(value)}" for name, value in given.items())
    changes = f"input: {{longTerm: {{memory: {json.dumps(text)}}}}}"
    return f"updateMemory(type: LONG_TERM, id: {json.dumps(memory_id)}, {changes}{more}) {{ {selected} }}"


def document(*fields: str) -> str:
    return "mutation { " + " ".join(f"f{index}: {field}" for index, field in enumerate(fields)) + " }"


def operation(memory_id: str, text: str, **given: object) -> dict[str, Any]:
    variables = {"type": "LONG_TERM", "id": memory_id, "input": {"longTerm": {"memory": text}}, **given}
    return {"query": UPDATE, "variables": variables}


async def listed(client: Client, *operations: object) -> list[Any]:
    answers: list[Any] = await client.raw(json.dumps(operations).encode())
    return answers


def transactions(bench: Bench) -> list[int]:
    """How many statements each transaction since the last call had."""
    found = [len(each) for each in bench.watched.transactions()]
    bench.watched.sent.clear()
    return found


async def test_thirty_fields_of_a_document_are_one_transaction(bench: Bench, client: Client) -> None:
    ids = [await client.create(longTerm={"memory": "before"}) for _ in range(10)]
    transactions(bench)
    await client.data(document(update(ids[0], "alone")))
    [alone] = transactions(bench)
    fields = [update(ids[index % 10], f"text {index}") for index in range(30)]
    answer = await client.data(document(*fields))
    assert transactions(bench) == [alone]
    first = 3  # One was changed before.
    expected = [index // 10 + 2 + (index % 10 == 0) for index in range(30)]
    assert expected[0] == first
    assert list(answer) == [f"f{index}" for index in range(30)]
    for index, payload in enumerate(answer.values()):
        shown = {"__typename": "LongTermMemory", "id": ids[index % 10], "version": expected[index]}
        assert payload == {
            "status": "UPDATED",
            "version": expected[index],
            "memory": {**shown, "memory": f"text {index}"},
            "errors": [],
        }


async def test_ten_operations_of_a_list_are_one_transaction(bench: Bench, client: Client) -> None:
    memory_id = await client.create(longTerm={"memory": "before"})
    transactions(bench)
    await listed(client, operation(memory_id, "alone"))
    [alone] = transactions(bench)
    answers = await listed(client, *(operation(memory_id, f"text {index}") for index in range(10)))
    assert transactions(bench) == [alone]
    assert [answer["data"]["updateMemory"]["version"] for answer in answers] == list(range(3, 13))


async def test_a_later_field_meets_what_an_earlier_one_wrote(bench: Bench, client: Client) -> None:
    one, other = [await client.create(longTerm={"memory": "before"}) for _ in range(2)]
    transactions(bench)
    current = "... on VersionConflictError { actualVersion current { version ... on LongTermMemory { memory } } }"
    shown = f"status version errors {{ code {current} }}"
    answer = await client.data(
        document(
            update(one, "first", ifVersion=1, selected=shown),
            update(one, "second", ifVersion=1, selected=shown),
            update(other, "other", selected=shown),
            update(one, "", selected=shown),
            update(one, "third", ifVersion=2, selected=shown),
            'createMemory(input: {longTerm: {memory: "new"}}) { status }',
            f"deleteMemory(type: LONG_TERM, id: {json.dumps(one)}) {{ status version }}",
            update(one, "gone", selected=shown),
            f"restoreMemory(type: LONG_TERM, id: {json.dumps(one)}, version: 2) {{ {SHOWN} }}",
        )
    )
    assert len(transactions(bench)) == 1
    conflict = {"code": "VERSION_CONFLICT", "actualVersion": 2, "current": {"version": 2, "memory": "first"}}
    restored = {"__typename": "LongTermMemory", "id": one, "version": 5, "memory": "first"}
    assert list(answer.values()) == [
        {"status": "UPDATED", "version": 2, "errors": []},
        {"status": "FAILED", "version": None, "errors": [conflict]},
        {"status": "UPDATED", "version": 2, "errors": []},
        {"status": "FAILED", "version": None, "errors": [{"code": "INVALID_INPUT"}]},
        {"status": "UPDATED", "version": 3, "errors": []},
        {"status": "CREATED"},
        {"status": "DELETED", "version": 4},
        {"status": "FAILED", "version": None, "errors": [{"code": "NOT_FOUND"}]},
        {"status": "UPDATED", "version": 5, "memory": restored, "errors": []},
    ]


LOOKS = [
    "query { memories { totalCount } }",
    "memory { history { totalCount } }",
    "memory { container { id } }",
    "... on UpdateMemoryPayload { memory { ... on Memory { history { totalCount } } } }",
]


@pytest.mark.parametrize("looks", LOOKS)
async def test_a_payload_that_looks_sees_the_state_between_two_fields(bench: Bench, client: Client, looks: str) -> None:
    memory_id = await client.create(longTerm={"memory": "before"})
    transactions(bench)
    answer = await client.data(
        document(
            update(memory_id, "first"),
            update(memory_id, "second"),
            update(memory_id, "third", selected=f"version {looks}"),
            update(memory_id, "fourth"),
            update(memory_id, "fifth"),
        )
    )
    assert len(transactions(bench)) == 3
    assert [payload["version"] for payload in answer.values()] == [2, 3, 4, 5, 6]
    seen = json.dumps(answer["f2"])
    if "history" in looks:
        # The three changes and the creation, and neither of those that come after.
        assert '{"totalCount": 4}' in seen


async def test_what_is_left_out_of_a_payload_does_not_look(bench: Bench, client: Client) -> None:
    memory_id = await client.create(longTerm={"memory": "before"})
    looks = f"version query @include(if: $look) {COUNT}"
    fields = document(*(update(memory_id, text, selected=looks) for text in ("first", "second")))
    text = fields.replace("mutation", "mutation($look: Boolean!)")
    for look, expected in ((False, 1), (True, 2), (False, 1)):
        transactions(bench)
        await client.data(text, look=look)
        assert len(transactions(bench)) == expected


async def test_a_repeated_answer_shows_the_memory_as_it_is_then(bench: Bench, client: Client) -> None:
    memory_id = await client.create(longTerm={"memory": "before"})
    keyed = update(memory_id, "first", idempotencyKey="k1")
    answer = await client.data(document(keyed, update(memory_id, "second"), keyed, update(memory_id, "third")))
    repeated = answer["f2"]
    assert (repeated["version"], repeated["memory"]["version"], repeated["memory"]["memory"]) == (2, 3, "second")
    assert answer["f3"]["version"] == 4
    answers = await listed(
        client, operation(memory_id, "fourth"), operation(memory_id, "first", key="k1"), operation(memory_id, "fifth")
    )
    refused, last = answers[1]["data"]["updateMemory"], answers[2]["data"]["updateMemory"]
    # It is another request to the server, since its arguments are others.
    assert refused["version"] == 2 or refused["errors"][0]["code"] == "IDEMPOTENCY_CONFLICT"
    assert last["version"] == 6


KEYS = [
    ("mutation($key: String) {", {"key": "k"}, 2),
    ("mutation($key: String) {", {"key": None}, 1),
    ("mutation($key: String) {", {}, 1),
    ('mutation($key: String = "k") {', {}, 2),
]


@pytest.mark.parametrize(("begins", "variables", "expected"), KEYS)
async def test_only_a_call_with_a_key_may_be_a_repeated_one(
    bench: Bench, client: Client, begins: str, variables: dict[str, Any], expected: int
) -> None:
    fields = [
        f'm{index}: createMemory(input: {{longTerm: {{memory: "{index}"}}}}, idempotencyKey: $key) {{ {SHOWN} }}'
        for index in range(2)
    ]
    transactions(bench)
    answer = await client.data(f"{begins} {' '.join(fields)} }}", **variables)
    assert len(transactions(bench)) == expected
    assert answer["m0"]["status"] == "CREATED"


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ('{sessionId: "s", createSession: true, contents: $contents}', 1),
        ('{sessionId: "s", createSession: true, contents: $contents, idempotencyKey: null}', 1),
        ('{sessionId: "s", createSession: true, contents: $contents, idempotencyKey: "k"}', 2),
        ('{sessionId: "s", createSession: true, contents: $contents, idempotencyKey: $key}', 1),
    ],
)
async def test_the_same_holds_for_a_key_within_an_input(
    bench: Bench, client: Client, given: str, expected: int
) -> None:
    fields = " ".join(
        f"m{index}: updateContextMemory(input: {given}) {{ version session {{ id version }} }}" for index in range(2)
    )
    contents = [{"id": "e", "content": "Hello."}]
    transactions(bench)
    key = ", $key: String" if "$key" in given else ""
    text = f"mutation($contents: [ContextEntryInput!]!{key}) {{ {fields} }}"
    answer = await client.data(text, contents=contents)
    assert len(transactions(bench)) == expected
    assert answer["m1"] == {"version": 1, "session": {"id": "s", "version": 1}}


async def test_an_input_that_is_a_variable_is_looked_into(bench: Bench, client: Client) -> None:
    contents = [{"id": "e", "content": "Hello."}]
    given = {"sessionId": "s", "createSession": True, "contents": contents}
    for key, expected in ((None, 1), ("k", 2)):
        transactions(bench)
        fields = "a: updateContextMemory(input: $i) { session { id } } b: updateContextMemory(input: $i) { version }"
        text = "mutation($i: UpdateContextMemoryInput!) { " + fields + " }"
        await client.data(text, i={**given, "idempotencyKey": key})
        assert len(transactions(bench)) == expected


async def test_a_query_in_a_list_sees_what_came_before_it_and_nothing_else(bench: Bench, client: Client) -> None:
    def creation(text: str) -> dict[str, Any]:
        return {"query": CREATE, "variables": {"input": {"longTerm": {"memory": text}}}}

    transactions(bench)
    count = {"query": COUNT}
    answers = await listed(
        client, creation("1"), creation("2"), count, creation("3"), {"query": "{"}, creation("4"), count, creation("5")
    )
    assert len(transactions(bench)) == 3
    assert [answers[index]["data"]["memories"]["totalCount"] for index in (2, 6)] == [3, 5]
    assert answers[4]["errors"][0]["extensions"]["code"] == "GRAPHQL_PARSE_FAILED"
    for index in (0, 1, 3, 5, 7):
        assert answers[index]["data"]["createMemory"]["status"] == "CREATED"


async def test_a_document_of_several_fields_keeps_its_place_in_a_list(bench: Bench, client: Client) -> None:
    memory_id = await client.create(longTerm={"memory": "before"})
    several = {"query": document(update(memory_id, "second"), update(memory_id, "third"))}
    answers = await listed(client, operation(memory_id, "first"), several, operation(memory_id, "fourth"))
    versions = [payload["version"] for answer in answers for payload in answer["data"].values()]
    assert versions == [2, 3, 4, 5]


async def test_an_operation_that_is_refused_leaves_its_neighbours_alone(bench: Bench, client: Client) -> None:
    memory_id = await client.create(longTerm={"memory": "before"})
    transactions(bench)
    missing = operation(memory_id, "x")
    del missing["variables"]["id"]
    answers = await listed(
        client,
        operation(memory_id, "first", ifVersion=1),
        operation(memory_id, "second", ifVersion=1),
        missing,
        operation(memory_id, "third", ifVersion=2),
    )
    assert len(transactions(bench)) == 1
    assert answers[0]["data"]["updateMemory"]["version"] == 2
    assert answers[1]["data"]["updateMemory"]["errors"][0]["code"] == "VERSION_CONFLICT"
    assert answers[2]["errors"][0]["extensions"]["code"] == "BAD_USER_INPUT"
    assert answers[3]["data"]["updateMemory"]["version"] == 3


async def test_a_list_takes_the_place_of_one_operation(bench: Bench) -> None:
    limits = EndpointOptions(limits=OperationLimits(operations=1))
    client = Client(GraphQLEndpoint(bench.memories, options=limits))
    memory_id = await client.create(longTerm={"memory": "before"})
    answers = await listed(client, *(operation(memory_id, f"text {index}") for index in range(5)))
    assert [answer["data"]["updateMemory"]["version"] for answer in answers] == [2, 3, 4, 5, 6]
    assert (await client.data(COUNT))["memories"]["totalCount"] == 1


async def test_what_one_after_another_would_have_room_has_it_together(database_url: str) -> None:
    async with opened(database_url, bounds=QueueBounds(commands=3)) as bench:
        client = Client(GraphQLEndpoint(bench.memories))
        items = [{"longTerm": {"memory": str(number)}} for number in range(2)]
        field = "createMemories(input: {items: $items}) { counts { created } }"
        text = f"mutation($items: [CreateMemoryInput!]!) {{ {' '.join(f'm{n}: {field}' for n in range(6))} }}"
        answer = await client.data(text, items=items)
        assert [payload["counts"]["created"] for payload in answer.values()] == [2] * 6
        creation = {"query": f"mutation($items: [CreateMemoryInput!]!) {{ {field} }}", "variables": {"items": items}}
        assert all("errors" not in each for each in await listed(client, *[creation] * 6))


async def test_a_request_that_is_cancelled_takes_back_what_was_not_begun(
    bench: Bench, client: Client, database_url: str
) -> None:
    memory_id = await client.create(longTerm={"memory": "before"})
    fields = document(*(update(memory_id, f"text {index}") for index in range(5)))
    for asked in (client.data(fields), listed(client, *(operation(memory_id, f"{n}") for n in range(5)))):
        with write_locked(database_url):
            begun = bench.watched.begun()
            plug = asyncio.create_task(client.create(longTerm={"memory": "plug"}))
            await until(lambda begun=begun: bench.watched.begun() > begun)  # type: ignore[misc]  # It knows no default.
            leaving = asyncio.create_task(asked)
            await until(lambda: bench.store._lanes[0].depth == 5)
            leaving.cancel()
            with pytest.raises(asyncio.CancelledError):
                await leaving
        await plug
        stored = await client.only("query($id: ID!) { memory(type: LONG_TERM, id: $id) { version } }", id=memory_id)
        assert stored == {"version": 1}


async def test_a_store_that_fails_is_told_in_the_place_of_each_field(
    bench: Bench, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    memory_id = await client.create(longTerm={"memory": "before"})

    def broken(*_: object) -> Any:
        raise RuntimeError("secret")

    with monkeypatch.context() as patched:
        patched.setattr(bench.store._lanes[0]._transactions, "write", broken)
        answer = await client.answer(document(*(update(memory_id, f"text {index}") for index in range(4))))
    assert answer["data"] == dict.fromkeys(["f0", "f1", "f2", "f3"])
    assert [error["path"] for error in answer["errors"]] == [["f0"], ["f1"], ["f2"], ["f3"]]
    assert "secret" not in str(answer)


async def test_entries_of_a_session_are_written_in_the_order_of_the_fields(bench: Bench, client: Client) -> None:
    def said(text: str) -> dict[str, Any]:
        contents = [{"id": "e", "content": text}, {"content": text}]
        return {
            "query": CONVERSE,
            "variables": {"input": {"sessionId": "s", "createSession": True, "contents": contents}},
        }

    transactions(bench)
    answers = await listed(client, said("one"), said("two"), said("three"))
    assert len(transactions(bench)) == 1
    assert [answer["data"]["updateContextMemory"]["session"]["version"] for answer in answers] == [1, 2, 3]
    assert [answer["data"]["updateContextMemory"]["results"][0]["version"] for answer in answers] == [1, 2, 3]
    shown = 'query { memory(type: SESSION, id: "s") { ... on SessionMemory { entries { nodes { content } } } } }'
    entries = (await client.only(shown))["entries"]["nodes"]
    assert [entry["content"] for entry in entries] == ["three", "one", "two", "three"]


async def test_a_mutation_that_takes_several_transactions_is_awaited(bench: Bench, client: Client) -> None:
    client = client.allowed(*Scope)
    await client.create(longTerm={"memory": "tea"})
    removal = "deleteMemories(input: {all: true}) { receipt { total } }"
    new = '(input: {longTerm: {memory: "new"}}) { status }'
    answer = await client.data(document(f"createMemory{new}", removal, f"createMemory{new}", removal))
    assert [answer[each]["receipt"]["total"] for each in ("f1", "f3")] == [3, 1]
