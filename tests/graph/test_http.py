"""GraphQL over HTTP: methods, media types, bodies of every kind, and never a 500."""

import json
from collections.abc import AsyncIterator, Iterator
from typing import Any

import orjson
import pytest
from starlette.types import Message

from mnesis.graph.body import encoded
from mnesis.graph.endpoint import GraphQLEndpoint
from mnesis.graph.options import EndpointOptions
from mnesis.graph.prepare import Documents, NotPrepared
from mnesis.graph.schema import schema
from mnesis.usecases.memories import Memories
from tests.graph.client import CONVERSE, Client

pytestmark = pytest.mark.anyio

JSON = {"content-type": "application/json"}
GRAPHQL = "application/graphql-response+json"
TYPENAME = '{"query": "{ __typename }"}'


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400),
        (b"{", 400),
        (b'"abc"', 400),
        (b"1", 400),
        (b"null", 400),
        (b"{}", 400),
        (b'{"query": null}', 400),
        (b'{"query": ""}', 400),
        (b'{"query": 1}', 400),
        (b'{"query": ["{ __typename }"]}', 400),
        (b'{"query": "{ __typename }", "variables": []}', 400),
        (b'{"query": "{ __typename }", "variables": "{}"}', 400),
        (b'{"query": "{ __typename }", "operationName": 1}', 400),
        (b'{"query": "{ __typename }", "extensions": []}', 400),
        (b'{"query": "\xff"}', 400),
        ('{"query": "{ __typename }"}'.encode("utf-16"), 400),
        (b"\xef\xbb\xbf" + TYPENAME.encode(), 400),
        (b'{"query": "{ __typename }", "variables": {"a": ' + b"[" * 100_000 + b"]" * 100_000 + b"}}", 400),
        (b'{"query": "{ __typename }", "variables": {"a": ' + b"9" * 5_000 + b"}}", 400),
        (b'{"query": "{ __typename }", "variables": null, "operationName": null, "extensions": null, "x": 1}', 200),
        (b'{"query": "{", "query": "{ __typename }"}', 200),
        (b'{"query": "{ __typename }", "variables": {"a": NaN}}', 400),
        (b'{"query": "{ __typename }", "variables": {"a": [-Infinity], "b": "\\ud800"}}', 400),
        (b'{"query": "{ __typename }", "variables": {"a": 1e999, "b": "\\ud800"}}', 200),
    ],
)
async def test_bodies_of_every_kind(speak: Client, body: bytes, status: int) -> None:
    response = await speak.http.post("/graphql", content=body, headers=JSON)
    assert response.status_code == status
    if status == 400:
        [error] = response.json()["errors"]
        assert error["extensions"] == {"code": "BAD_USER_INPUT"}
        assert "data" not in response.json()
    else:
        assert response.json() == {"data": {"__typename": "Query"}}


@pytest.mark.parametrize(
    ("content_type", "status"),
    [
        ("application/json", 200),
        ("Application/JSON; charset=UTF-8", 200),
        ('application/json;charset="utf-8"', 200),
        ("application/json; charset=latin-1", 415),
        ("xapplication/jsonfoo", 415),
        ("text/plain; application/json", 415),
        ("application/x-www-form-urlencoded", 415),
        ("multipart/form-data; boundary=x", 415),
        ("", 415),
    ],
)
async def test_only_json_bodies_are_read(speak: Client, content_type: str, status: int) -> None:
    response = await speak.http.post("/graphql", content=TYPENAME, headers={"content-type": content_type})
    assert response.status_code == status
    assert ("errors" in response.json()) is (status == 415)


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE", "OPTIONS"])
async def test_other_methods_are_not_allowed(speak: Client, method: str) -> None:
    response = await speak.http.request(method, "/graphql")
    assert (response.status_code, response.headers["allow"]) == (405, "GET, POST")
    assert response.json()["errors"][0]["extensions"] == {"code": "METHOD_NOT_ALLOWED"}


async def test_queries_may_stand_in_the_url(speak: Client) -> None:
    asked: dict[str, str] = {
        "query": "query A($id: ID!) { node(id: $id) { id } } query B { __typename }",
        "operationName": "A",
        "variables": '{"id": "default"}',
    }
    response = await speak.http.get("/graphql", params=asked)
    assert response.json() == {"data": {"node": {"id": "default"}}}
    response = await speak.http.get(
        "/graphql", params={"query": "{ __typename }", "variables": "", "operationName": ""}
    )
    assert response.json() == {"data": {"__typename": "Query"}}


@pytest.mark.parametrize("asked", [{}, {"query": ""}, {"query": "{ __typename }", "variables": "{"}])
async def test_a_url_that_asks_for_nothing(speak: Client, asked: dict[str, str]) -> None:
    assert (await speak.http.get("/graphql", params=asked)).status_code == 400


async def test_a_mutation_in_the_url_is_refused_and_not_run(speak: Client) -> None:
    mutation = 'mutation { createMemory(input: {longTerm: {memory: "M"}}) { status } }'
    response = await speak.http.get("/graphql", params={"query": mutation})
    assert (response.status_code, response.headers["allow"]) == (405, "POST")
    assert await speak.data("{ memories { totalCount } }") == {"memories": {"totalCount": 0}}


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        ("*/*", "application/json"),
        ("", "application/json"),
        (", ;q=1", "application/json"),
        ("text/html, application/xhtml+xml, */*;q=0.8", "application/json"),
        ("application/json", "application/json"),
        ("application/*", "application/json"),
        (GRAPHQL, GRAPHQL),
        (f"{GRAPHQL}, application/json", GRAPHQL),
        (f"application/json, {GRAPHQL}", "application/json"),
        (f"application/json;q=0.9, {GRAPHQL}", GRAPHQL),
        (f"{GRAPHQL};q=0.5, */*;q=0.8", "application/json"),
        (f"{GRAPHQL};q=0, */*;q=0.1", "application/json"),
        (f"{GRAPHQL};q=high, application/json;q=0.1", "application/json"),
        (f"{GRAPHQL};q=nan", "application/json"),
        (f"application/json;q=0.5, {GRAPHQL};q=0.501", GRAPHQL),
        ("application/json;q=0, */*;q=0.1", GRAPHQL),
        ("application/json;q=0.2, application/*;q=0.3, */*;q=0", GRAPHQL),
        (f"Application/JSON; charset=utf-8, {GRAPHQL};q=0.9", "application/json"),
    ],
)
async def test_the_answer_has_the_type_that_is_preferred(speak: Client, accept: str, expected: str) -> None:
    response = await speak.http.post("/graphql", content=TYPENAME, headers={**JSON, "accept": accept})
    assert response.headers["content-type"] == f"{expected}; charset=utf-8"
    assert response.headers["cache-control"] == "no-store"
    bad = await speak.http.post("/graphql", content='{"query": "{"}', headers={**JSON, "accept": accept})
    assert bad.status_code == (400 if expected == GRAPHQL else 200)


@pytest.mark.parametrize(
    "accept", ["text/html", "application/xml, image/*", f"{GRAPHQL};q=0", "application/json;q=0, */*;q=0", "text/*"]
)
async def test_who_takes_none_of_our_types_is_told_which_there_are(speak: Client, accept: str) -> None:
    mutation = 'mutation { createMemory(input: {longTerm: {memory: "M"}}) { status } }'
    response = await speak.http.post("/graphql", json={"query": mutation}, headers={"accept": accept})
    assert (response.status_code, response.headers["content-type"]) == (406, "application/json; charset=utf-8")
    [error] = response.json()["errors"]
    assert GRAPHQL in error["message"]
    assert await speak.data("{ memories { totalCount } }") == {"memories": {"totalCount": 0}}


async def test_several_accept_headers_are_one(speak: Client) -> None:
    headers = [("content-type", "application/json"), ("accept", "application/json;q=0.5"), ("accept", GRAPHQL)]
    response = await speak.http.post("/graphql", content=TYPENAME, headers=headers)
    assert response.headers["content-type"] == f"{GRAPHQL}; charset=utf-8"


def test_no_answer_holds_a_number_that_json_does_not_have() -> None:
    for answer in ({"a": float("nan")}, {"a": float("inf"), "b": "\ud800"}):
        assert json.loads(encoded(answer), parse_constant=pytest.fail)["a"] is None


@pytest.mark.parametrize(
    ("query", "variables", "code"),
    [
        ("{", {}, "GRAPHQL_PARSE_FAILED"),
        ("{ " + "a " * 6_000 + "}", {}, "OPERATION_TOO_COMPLEX"),
        ("{ a }" + " " * 100_000, {}, "OPERATION_TOO_COMPLEX"),
        ("#\n" * 1_100 + "{ __typename }", {}, "OPERATION_TOO_COMPLEX"),
        ("{" * 500, {}, "GRAPHQL_PARSE_FAILED"),
        ("{ node(id: \"\ud800\") { id } }", {}, "GRAPHQL_PARSE_FAILED"),
        ("{ nothing }", {}, "GRAPHQL_VALIDATION_FAILED"),
        ("subscription { x }", {}, "GRAPHQL_VALIDATION_FAILED"),
        ("subscription { __typename }", {}, "GRAPHQL_VALIDATION_FAILED"),
        ("fragment F on Query { __typename }", {}, "GRAPHQL_VALIDATION_FAILED"),
        ("query A { __typename } query B { __typename }", {}, "BAD_USER_INPUT"),
        ('mutation { updateMemory(type: SESSION, id: "a", input: {}) { status } }', {}, "GRAPHQL_VALIDATION_FAILED"),
        ('mutation { createMemory(input: {session: null}) { status } }', {}, "GRAPHQL_VALIDATION_FAILED"),
        ("mutation($i: CreateMemoryInput!) { createMemory(input: $i) { status } }",
         {"i": {"session": {}, "working": {}}}, "BAD_USER_INPUT"),
        ("mutation($i: CreateMemoryInput!) { createMemory(input: $i) { status } }", {"i": {"other": {}}},
         "BAD_USER_INPUT"),
        ("query($id: ID!) { node(id: $id) { id } }", {}, "BAD_USER_INPUT"),
        ("query($id: ID!) { node(id: $id) { id } }", {"id": {"\ud800": 1}}, "BAD_USER_INPUT"),
        ("query($first: Int) { memories(first: $first) { totalCount } }", {"first": 2**31}, "BAD_USER_INPUT"),
        (CONVERSE, {"input": {"sessionId": "s", "contents": [{"createdAt": 5}]}}, "BAD_USER_INPUT"),
        (CONVERSE, {"input": {"sessionId": "s", "contents": [{"metadata": [1]}]}}, "BAD_USER_INPUT"),
        (CONVERSE, {"input": {"sessionId": "s", "contents": [{"metadata": "\ud800"}]}}, "BAD_USER_INPUT"),
        (CONVERSE, {"input": {"sessionId": "s", "contents": [{"unknown\ud800": 1}]}}, "BAD_USER_INPUT"),
    ],
)  # fmt: skip
async def test_requests_that_cannot_be_executed(
    speak: Client, query: str, variables: dict[str, Any], code: str
) -> None:
    body = json.dumps({"query": query, "variables": variables}).encode()
    answer = await speak.raw(body)
    assert "data" not in answer
    assert {error["extensions"]["code"] for error in answer["errors"]} == {code}


async def test_of_several_operations_the_named_one_runs(speak: Client) -> None:
    document = "query A { __typename } mutation B { __typename }"
    for name, expected in (("A", "Query"), ("B", "Mutation")):
        response = await speak.http.post("/graphql", json={"query": document, "operationName": name})
        assert response.json() == {"data": {"__typename": expected}}
    response = await speak.http.post("/graphql", json={"query": document, "operationName": "C"})
    assert response.json()["errors"][0]["extensions"] == {"code": "BAD_USER_INPUT", "argument": "operationName"}


async def test_a_lone_surrogate_comes_back_as_json_escapes_it(speak: Client) -> None:
    body = json.dumps({"query": CONVERSE, "variables": {"input": {"sessionId": "\ud800", "contents": []}}}).encode()
    assert (await speak.raw(body))["data"]["updateContextMemory"]["memoryId"] == "\ud800"


async def test_introspection_and_suggestions_can_be_turned_off(memories: Memories) -> None:
    closed = Client(GraphQLEndpoint(memories, options=EndpointOptions(introspection=False, suggestions=False)))
    introspection = "{ __schema { queryType { name } } }"
    errors = (await closed.answer(introspection))["errors"]
    assert {error["extensions"]["code"] for error in errors} == {"GRAPHQL_VALIDATION_FAILED"}
    typing_errors = ("{ memorie { totalCount } }", "query($t: MemoryType!) { memory(type: $t, id: 1) { id } }")
    for document in typing_errors:
        assert "Did you mean" not in (await closed.error(document, t="SESSIO"))["message"]
    open_to_all = Client(GraphQLEndpoint(memories))
    assert (await open_to_all.data(introspection))["__schema"] == {"queryType": {"name": "Query"}}
    for document in typing_errors:
        assert "Did you mean" in (await open_to_all.error(document, t="SESSIO"))["message"]


def test_documents_are_remembered_within_bounds() -> None:
    documents = Documents(schema(), introspection=True, suggestions=True, documents=3, characters=200)
    first = documents.prepare("{ __typename }", None)
    assert documents.prepare("{ __typename }", None).document is first.document
    for alias in ("a", "b", "c"):
        with pytest.raises(NotPrepared):
            documents.prepare(f"{{ {alias}: nothing }}", None)
    assert len(documents._known) == 3
    assert documents.prepare("{ __typename }", None).document is not first.document
    documents.prepare("{ __typename }" + " " * 180, None)
    assert len(documents._known) == 1
    with pytest.raises(NotPrepared):
        documents.prepare(" " * 200_000, None)
    assert documents._characters <= 200


async def test_json_that_is_handed_on_stands_in_every_answer_as_it_was_written() -> None:
    written = orjson.Fragment('{"b":1.50,"a":[1e3],"b":2}')
    assert encoded({"data": written}) == b'{"data":{"b":1.50,"a":[1e3],"b":2}}'
    assert json.loads(encoded({"data": written, "said": "\ud800"})) == {"data": {"b": 2, "a": [1000]}, "said": "\ud800"}
    with pytest.raises(TypeError):
        encoded({"data": object()})


async def test_a_body_may_come_in_parts(speak: Client) -> None:
    async def parts() -> AsyncIterator[bytes]:
        for part in (b'{"query": "{ vie', b"", b'wer { tenant } }"}'):
            yield part

    response = await speak.http.post("/graphql", content=parts(), headers={"content-type": "application/json"})
    assert response.json() == {"data": {"viewer": {"tenant": "acme"}}}
    assert response.headers["content-length"] == str(len(response.content))


async def test_a_client_that_leaves_before_it_has_asked_is_not_answered(speak: Client) -> None:
    messages: Iterator[Message] = iter(
        [{"type": "http.request", "body": b"{", "more_body": True}, {"type": "http.disconnect"}]
    )
    sent: list[Message] = []

    async def receive() -> Message:
        return next(messages)

    async def send(message: Message) -> None:
        sent.append(message)

    headers = [(b"content-type", b"application/json")]
    scope = {"type": "http", "method": "POST", "path": "/graphql", "query_string": b"", "headers": headers}
    await speak.endpoint(scope, receive, send)
    assert sent == []
