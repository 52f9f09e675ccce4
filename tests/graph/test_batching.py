"""Lists of operations in one request, and many mutations in one document."""

import json
from typing import Any

import pytest

from mnesis.domain.caller import Caller, Scope
from mnesis.domain.limits import Limits
from mnesis.graph.body import Operation
from mnesis.graph.endpoint import GraphQLEndpoint
from mnesis.usecases.memories import Memories
from tests.graph.client import CREATE, DELETE, Client

pytestmark = pytest.mark.anyio

HELLO = {"query": "{ __typename }"}
GREETED = {"data": {"__typename": "Query"}}
COUNT = {"query": "{ memories { totalCount } }"}
GRAPHQL = "application/graphql-response+json"


def creation(id: str) -> dict[str, Any]:
    return {"query": CREATE, "variables": {"input": {"session": {"id": id}}}}


async def ask(client: Client, *operations: object) -> list[dict[str, Any]]:
    """The answers to a list; a lone surrogate is escaped, as a client may send it."""
    headers = {"content-type": "application/json"}
    response = await client.http.post("/graphql", content=json.dumps(operations).encode(), headers=headers)
    assert response.status_code == 200, response.text
    answers: list[dict[str, Any]] = response.json()
    return answers


def counted(answer: dict[str, Any]) -> int:
    total: int = answer["data"]["memories"]["totalCount"]
    return total


async def test_operations_run_and_are_answered_in_order(client: Client) -> None:
    entry = {"working": {"sessionId": "s1", "content": "Hello."}}
    created, before, added, after, deleted, gone = await ask(
        client,
        creation("s1"),
        COUNT,
        {"query": CREATE, "variables": {"input": entry}},
        COUNT,
        {"query": DELETE, "variables": {"type": "SESSION", "id": "s1"}},
        COUNT,
    )
    assert created["data"]["createMemory"]["memory"] == {"__typename": "SessionMemory", "id": "s1", "version": 1}
    assert added["data"]["createMemory"]["errors"] == []
    assert deleted["data"]["deleteMemory"]["deletedEntries"] == 1
    assert [counted(before), counted(after), counted(gone)] == [1, 2, 0]


BAD: list[tuple[object, str]] = [
    (1, "BAD_USER_INPUT"),
    (None, "BAD_USER_INPUT"),
    ("{ __typename }", "BAD_USER_INPUT"),
    ([], "BAD_USER_INPUT"),
    ([HELLO], "BAD_USER_INPUT"),
    ({}, "BAD_USER_INPUT"),
    ({"query": 1}, "BAD_USER_INPUT"),
    ({"query": "{ __typename }", "variables": []}, "BAD_USER_INPUT"),
    ({"query": "{"}, "GRAPHQL_PARSE_FAILED"),
    ({"query": '{ node(id: "\ud800") { id } }'}, "GRAPHQL_PARSE_FAILED"),
    ({"query": "{ nothing }"}, "GRAPHQL_VALIDATION_FAILED"),
    ({"query": "query($id: ID!) { node(id: $id) { id } }"}, "BAD_USER_INPUT"),
    ({"query": "query A { __typename } query B { __typename }"}, "BAD_USER_INPUT"),
    ({"query": "{ __typename }", "operationName": "C"}, "BAD_USER_INPUT"),
    ({"query": "subscription { memoryChanged { cursor } }"}, "BAD_USER_INPUT"),
]


@pytest.mark.parametrize(("bad", "code"), BAD, ids=[str(each)[:40] for each, _ in BAD])
async def test_what_is_wrong_with_one_is_told_in_its_place(speak: Client, bad: object, code: str) -> None:
    before, refused, after = await ask(speak, creation("a"), bad, creation("b"))
    assert [answer["data"]["createMemory"]["status"] for answer in (before, after)] == ["CREATED", "CREATED"]
    assert set(refused) == {"errors"}
    assert {error["extensions"]["code"] for error in refused["errors"]} == {code}
    assert await speak.data("{ memories { totalCount } }") == {"memories": {"totalCount": 2}}


async def test_a_fault_of_one_is_masked_in_its_place(speak: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    operations = speak.endpoint._operations
    prepare = operations.prepare

    def fail(asked: Operation, caller: Caller) -> Any:
        if asked.query == "{ fail }":
            raise RuntimeError("secret")
        return prepare(asked, caller)

    monkeypatch.setattr(operations, "prepare", fail)
    answers = await ask(speak, HELLO, {"query": "{ fail }"}, HELLO)
    assert [answers[0], answers[2]] == [GREETED, GREETED]
    assert answers[1]["errors"][0]["extensions"]["code"] == "INTERNAL_SERVER_ERROR"
    assert "secret" not in str(answers)


@pytest.mark.parametrize(
    ("count", "extensions"),
    [(0, {"code": "BAD_USER_INPUT"}), (11, {"code": "LIMIT_EXCEEDED", "limit": 10}), (10, None), (1, None)],
)
async def test_the_length_of_a_list_is_bounded_and_nothing_of_a_longer_one_runs(
    speak: Client, count: int, extensions: dict[str, Any] | None
) -> None:
    operations = [creation(str(number)) for number in range(count)]
    response = await speak.http.post("/graphql", json=operations)
    if extensions is None:
        assert (response.status_code, len(response.json())) == (200, count)
    else:
        assert response.status_code == 400
        [error] = response.json()["errors"]
        assert error["extensions"] == extensions
    stored = 0 if extensions else count
    assert await speak.data("{ memories { totalCount } }") == {"memories": {"totalCount": stored}}


async def test_how_long_a_list_may_be_is_a_setting(memories: Memories) -> None:
    limits = Limits(batch_operations=2)
    client = Client(GraphQLEndpoint(Memories(store=memories._store, reader=memories._reader, limits=limits)))
    assert await ask(client, HELLO, HELLO) == [GREETED, GREETED]
    response = await client.http.post("/graphql", json=[HELLO] * 3)
    assert response.json()["errors"][0]["extensions"] == {"code": "LIMIT_EXCEEDED", "limit": 2}


@pytest.mark.parametrize("accept", ["application/json", GRAPHQL])
async def test_a_list_is_answered_with_200_in_the_type_that_is_preferred(speak: Client, accept: str) -> None:
    response = await speak.http.post("/graphql", json=[{"query": "{"}, HELLO], headers={"accept": accept})
    assert (response.status_code, response.headers["content-type"]) == (200, f"{accept}; charset=utf-8")
    assert response.json()[1] == GREETED


async def test_a_list_is_no_stream_of_events(speak: Client) -> None:
    response = await speak.http.post("/graphql", json=[creation("a")], headers={"accept": "text/event-stream"})
    assert (response.status_code, set(response.json())) == (406, {"errors"})
    assert await speak.data("{ memories { totalCount } }") == {"memories": {"totalCount": 0}}


async def test_a_list_is_answered_in_the_json_that_is_taken_beside_events(speak: Client) -> None:
    headers = {"accept": f"text/event-stream, application/json;q=0.5, {GRAPHQL};q=0.6"}
    response = await speak.http.post("/graphql", json=[HELLO], headers=headers)
    assert (response.status_code, response.headers["content-type"]) == (200, f"{GRAPHQL}; charset=utf-8")
    assert response.json() == [GREETED]


async def test_every_operation_of_a_list_is_its_callers(speak: Client) -> None:
    await speak.create(session={"id": "a"})
    reading = speak.allowed(Scope.READ)
    seen, refused, still = await ask(reading, COUNT, creation("b"), COUNT)
    assert [counted(seen), counted(still)] == [1, 1]
    assert [error["code"] for error in refused["data"]["createMemory"]["errors"]] == ["FORBIDDEN"]


async def test_a_list_has_no_place_in_a_url(speak: Client) -> None:
    response = await speak.http.get("/graphql", params={"query": json.dumps([HELLO])})
    assert response.json()["errors"][0]["extensions"]["code"] == "GRAPHQL_PARSE_FAILED"


async def test_each_of_many_mutations_in_one_document_keeps_its_answer(client: Client) -> None:
    known = await client.create(longTerm={"memory": "M"})
    update = "updateMemory(type: LONG_TERM, id: {id}, ifVersion: {version}, input: {{longTerm: {{memory: {text}}}}})"
    payload = "{ status version errors { code } }"
    fields, expected, version = [], {}, 1
    for number in range(24):
        given = {"id": f'"{known}"', "version": str(version), "text": f'"M{number}"'}
        refused = None
        match number % 4:
            case 1:
                given["version"], refused = "1000", "VERSION_CONFLICT"
            case 2:
                given["id"], refused = '"\\u0000 no id"', "NOT_FOUND"
            case 3:
                given["text"], refused = '""', "INVALID_INPUT"
            case _:
                version += 1
        shown = {"status": "UPDATED", "version": version, "errors": []}
        if refused:
            shown = {"status": "FAILED", "version": None, "errors": [{"code": refused}]}
        fields.append(f"m{number}: {update.format(**given)} {payload}")
        expected[f"m{number}"] = shown
    answer = await client.data(f"mutation {{ {' '.join(fields)} }}")
    assert answer == expected
    stored = await client.only("query($id: ID!) { memory(type: LONG_TERM, id: $id) { version } }", id=known)
    assert stored == {"version": version}
