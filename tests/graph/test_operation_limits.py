"""The limits on one operation and on how many run at once: what is refused, in which words, and what is not."""

import asyncio
import gc
import json
from dataclasses import fields, replace
from typing import Any

import pytest
from graphql import get_introspection_query, is_input_object_type
from strawberry.types.base import StrawberryMaybe, StrawberryOptional

from mnesis.domain.limits import Limits, OperationLimits
from mnesis.graph.cost import Cost, Costs
from mnesis.graph.endpoint import GraphQLEndpoint
from mnesis.graph.options import EndpointOptions
from mnesis.graph.prepare import Documents
from mnesis.graph.schema import schema
from mnesis.settings import Settings
from mnesis.usecases.memories import Memories
from mnesis.usecases.ports import StoreFault
from tests.graph.client import CREATE, Client
from tests.graph.live import CREATE as CREATE_LIVE
from tests.graph.live import WATCH, bearer, served
from tests.graph.test_events import streaming
from tests.graph.test_faults import Broken

pytestmark = pytest.mark.anyio

JSON = {"content-type": "application/json"}


def limited(memories: Memories, **limits: int) -> Client:
    return Client(GraphQLEndpoint(memories, options=EndpointOptions(limits=OperationLimits(**limits))))


def cost(document: str, **variables: Any) -> int:
    return cost_of(document).of(variables)


def cost_of(document: str) -> Cost:
    prepared = Documents(schema(), introspection=True, suggestions=True).prepare(document, None)
    return Costs(schema()._schema, page_nodes=100).of(prepared.document, prepared.operation)


@pytest.mark.parametrize(
    ("limit", "allowed", "refused", "found"),
    [
        ("characters", "{ __typename    }", "{ __typename     }", 18),
        ("tokens", "{ " + "__typename " * 14 + "}", "{ " + "__typename " * 15 + "}", None),
        ("depth", "{ memories { pageInfo { endCursor } } }", "{ memories { nodes { container { id } } } }", 4),
        ("depth", "{ ...F } fragment F on Query { ... { memories { pageInfo { endCursor } } } }",
         "{ ...F } fragment F on Query { memories { nodes { ...H } } } fragment H on Memory { container { id } }", 4),
        ("depth", "{ __schema { types { fields { type { name } } } } }",
         "{ memories { nodes { container { id } } } }", 4),
        ("aliases", "{ a: __typename ...F } fragment F on Query { b: __typename }",
         "{ a: __typename b: __typename c: __typename }", 3),
        ("directives", "{ __typename @skip(if: false) }",
         "{ __typename @skip(if: false) ... @include(if: true) { b: __typename } }", 2),
        ("selections", "{ ...F ...F } fragment F on Query { __typename }",
         "{ ...F ...F ...F } fragment F on Query { __typename }", 6),
        ("cost", "{ memories(first: 10) { nodes { id } } }", "{ memories(first: 11) { nodes { id } } }", 32),
    ],
)  # fmt: skip
async def test_each_limit_lets_pass_what_reaches_it_and_refuses_what_exceeds_it(
    memories: Memories, limit: str, allowed: str, refused: str, found: int | None
) -> None:
    most = {"characters": 17, "tokens": 16, "depth": 3, "aliases": 2, "directives": 1, "selections": 4, "cost": 30}
    client = limited(memories, **{limit: most[limit]})
    assert "errors" not in await client.answer(allowed)
    answer = await client.answer(refused)
    assert "data" not in answer
    [error] = answer["errors"]
    expected = {"code": "OPERATION_TOO_COMPLEX", "measure": limit, "limit": most[limit]}
    assert error["extensions"] == (expected if found is None else {**expected, "found": found})
    assert str(most[limit]) in error["message"]
    assert found is None or str(found) in error["message"]


async def test_all_limits_that_are_exceeded_are_told_at_once(memories: Memories) -> None:
    client = limited(memories, depth=1, aliases=0, directives=0)
    errors = (await client.answer("{ a: memories @skip(if: false) { totalCount } }"))["errors"]
    assert [error["extensions"]["measure"] for error in errors] == ["depth", "aliases", "directives"]


async def test_a_document_that_is_refused_is_told_by_status_where_the_client_knows_it(memories: Memories) -> None:
    client = limited(memories, aliases=0)
    accept = {**JSON, "accept": "application/graphql-response+json"}
    response = await client.http.post("/graphql", content='{"query": "{ a: __typename }"}', headers=accept)
    assert response.status_code == 400


@pytest.mark.parametrize(
    ("document", "variables", "expected"),
    [
        ("{ __typename }", {}, 1),
        ("{ viewer { tenant } }", {}, 11),
        # The field at the root; for each node itself and its fields.
        ("{ memories { nodes { id version } } }", {}, 10 + 20 * 3),
        ("{ memories(first: 7) { nodes { id } } }", {}, 10 + 7 * 2),
        ("{ memories(last: 7) { edges { node { id } } } }", {}, 10 + 7 * 3),
        ("{ memories(first: 0) { nodes { id } totalCount } }", {}, 10 + 10),
        ("{ memories(first: 5) { nodes { history(first: 4) { nodes { id } } } } }", {}, 10 + 5 * (1 + 1 + 4 * 2)),
        ("{ memories(first: 5) { nodes { history { nodes { id } } } } }", {}, 10 + 5 * (1 + 1 + 20 * 2)),
        # A page is never longer than a page may be, and what is asked below zero is refused.
        ("{ memories(first: 5000) { nodes { id } } }", {}, 10 + 100 * 2),
        ("{ memories(first: -5) { nodes { id } } }", {}, 10),
        ("query($n: Int) { memories(first: $n) { nodes { id } } }", {"n": 6}, 10 + 6 * 2),
        # To GraphQL these are integers, and the last one is refused.
        ("query($n: Int) { memories(first: $n) { nodes { id } } }", {"n": 60.0}, 10 + 60 * 2),
        ("query($n: Int) { memories(first: $n) { nodes { id } } }", {"n": float("inf")}, 10 + 100 * 2),
        ("query($n: Int) { memories(first: $n) { nodes { id } } }", {}, 10 + 20 * 2),
        ("query($n: Int) { memories(first: $n) { nodes { id } } }", {"n": None}, 10 + 20 * 2),
        ("query($n: Int) { memories(first: $n) { nodes { id } } }", {"n": "9"}, 10 + 20 * 2),
        ("query($n: Int = 3) { memories(first: $n) { nodes { id } } }", {}, 10 + 3 * 2),
        ("query($n: Int = 3) { memories(first: $n) { nodes { id } } }", {"n": 4}, 10 + 4 * 2),
        ("query($n: Int) { memories(last: $n) { ...F } } fragment F on MemoryConnection { nodes { id } }", {"n": 9},
         10 + 9 * 2),
        ("{ memories(first: 2) { ... { nodes { ...F ...F } } } } fragment F on Memory { id }", {}, 10 + 2 * 3),
        ('{ searchMemories(query: "a", first: 3) { nodes { id } } }', {}, 1_000 + 3 * 2),
        ('{ memories(filter: {ids: ["a", "b"], or: [{ids: ["c"]}, {}]}) { totalCount } }', {}, 10 + 10 + 5),
        ("query($f: MemoryFilter) { memories(filter: $f) { totalCount } }", {"f": {"ids": ["a"] * 50}}, 10 + 10 + 50),
        ("query($i: [ID!]) { memories(filter: {ids: $i}) { totalCount } }", {"i": ["a"] * 50}, 10 + 10 + 50),
        ("query($f: MemoryFilter) { memories(filter: $f) { totalCount } }", {"f": [["x"]]}, 10 + 10),
        ("{ node(id: 1) { ... on WorkingMemory { messages { role text } } } }", {}, 10 + 5 * 3),
        # Two items: the field, 10 and 1 for each, and the results.
        ("mutation($i: [CreateMemoryInput!]!) { createMemories(input: {items: $i}) { replayed results { status } } }",
         {"i": [{}, {}]}, 10 + 2 * 11 + 1 + 2 * 2),
        ("mutation($i: CreateMemoriesInput!) { createMemories(input: $i) { results { errors { code } } } }",
         {"i": {"items": [{}, {}, {}]}}, 10 + 3 * 11 + 3 * (1 + 2)),
        ("mutation { createMemories(input: {items: [{session: {}}]}) { query { memories { totalCount } } } }",
         {}, 10 + 11 + 1 + 10 + 10),
        # One that stands alone where a list belongs is a list of one.
        ("mutation($i: CreateMemoryInput!) { createMemories(input: {items: [$i]}) { results { errors { code } } } }",
         {"i": {}}, 10 + 11 + 1 + 2),
        ("mutation($i: CreateMemoriesInput!) { createMemories(input: $i) { results { errors { code } } } }",
         {"i": {"items": {}}}, 10 + 10 + 1 + 2),
        ('mutation { createMemories(input: {items: {session: {}}}) { results { status } } }', {}, 10 + 10 + 2),
        ('mutation { createMemory(input: {working: {messages: [{role: "a"}, {role: "b"}]}}) { status } }', {},
         10 + 2 + 1),
        ("subscription { memoryChanged { cursor memory { id } } }", {}, 10 + 1 + 2),
    ],
)  # fmt: skip
def test_the_cost_is_the_number_of_fields_with_lists_as_factors(
    document: str, variables: dict[str, Any], expected: int
) -> None:
    known = cost_of(document)
    assert known.of(variables) == expected
    assert known.fixed in (None, expected)


@pytest.mark.parametrize(
    ("document", "is_fixed"),
    [
        ("{ memories(first: 7) { nodes { id history { nodes { id } } } } }", True),
        ("{ a: memories { ...F } b: memories { ...F } } fragment F on MemoryConnection { nodes { id } }", True),
        ("query($i: ID!) { node(id: $i) { ... on WorkingMemory { messages { role } } } }", True),
        ("query($n: Int) { memories(first: $n) { nodes { id } } }", False),
        ("query($n: Int) { memories(first: 7) { nodes { history(first: $n) { nodes { id } } } } }", False),
        ("query($f: MemoryFilter) { memories(filter: $f) { totalCount } }", False),
        ("mutation($i: [CreateMemoryInput!]!) { createMemories(input: {items: $i}) { replayed } }", False),
    ],
)
def test_a_cost_that_no_variable_changes_is_added_up_once(document: str, is_fixed: bool) -> None:
    assert (cost_of(document).fixed is not None) is is_fixed


def test_introspection_costs_a_fraction_of_what_is_allowed() -> None:
    introspection = cost(get_introspection_query(input_value_deprecation=True))
    assert 5_000 < introspection < OperationLimits().cost * 0.6


def test_a_cost_is_forgotten_with_its_document() -> None:
    costs = Costs(schema()._schema, page_nodes=100)
    documents = Documents(schema(), introspection=True, suggestions=True)
    prepared = documents.prepare("{ __typename }", None)
    assert costs.of(prepared.document, prepared.operation) is costs.of(prepared.document, prepared.operation)
    assert len(costs._known) == 1
    del prepared, documents
    gc.collect()  # The tokens of a document refer to one another.
    assert len(costs._known) == 0


async def test_the_largest_batch_that_is_allowed_can_be_paid(speak: Client) -> None:
    """With everything that is told of each result."""
    items = [{"longTerm": {"memory": str(number)}} for number in range(Limits().commands)]
    payload = await speak.only(
        """mutation($input: CreateMemoriesInput!) { createMemories(input: $input) { counts { created }
             results { index status memory { id version createdAt updatedAt ... on LongTermMemory { memory tags } }
                       errors { code message path } } } }""",
        input={"items": items},
    )
    assert payload["counts"]["created"] == Limits().commands


async def test_an_operation_that_costs_too_much_writes_nothing(memories: Memories) -> None:
    client = limited(memories, cost=30)
    document = "mutation($i: [CreateMemoryInput!]!) { createMemories(input: {items: $i}) { results { index } } }"
    error = await client.error(document, i=[{"longTerm": {"memory": "A"}}] * 3)
    assert error["extensions"] == {"code": "OPERATION_TOO_COMPLEX", "measure": "cost", "limit": 30, "found": 49}
    assert (await client.only("{ memories { totalCount } }"))["totalCount"] == 0


class Slow:
    """Stands before a store or a reader; every answer waits until it may go on."""

    def __init__(self, real: Any) -> None:
        self.real = real
        self.may_go_on = asyncio.Event()
        self.waiting = asyncio.Event()

    def __getattr__(self, name: str) -> Any:
        async def call(*given: Any) -> Any:
            self.waiting.set()
            await self.may_go_on.wait()
            return await getattr(self.real, name)(*given)

        return call


def slow(memories: Memories, **limits: int) -> tuple[Client, Slow]:
    standing: Any = Slow(memories._reader)
    writing: Any = Slow(memories._store)
    writing.may_go_on = standing.may_go_on
    held = Memories(store=writing, reader=standing, limits=Limits())
    return limited(held, **limits), standing


async def test_a_query_has_an_end(memories: Memories) -> None:
    client, _ = slow(memories, query_s=1)
    response = await client.http.post("/graphql", json={"query": '{ node(id: "x") { id } }'})
    assert response.status_code == 504
    answer = response.json()
    assert "data" not in answer
    [error] = answer["errors"]
    assert error["extensions"] == {"code": "TIMEOUT", "limit": 1}
    assert "1 second" in error["message"]


async def test_a_mutation_has_an_end_of_its_own_and_says_that_it_may_have_written(memories: Memories) -> None:
    client, _ = slow(memories, query_s=1000, mutation_s=1)
    body = {"query": CREATE, "variables": {"input": {"longTerm": {"memory": "M"}}}}
    response = await client.http.post("/graphql", json=body)
    [error] = response.json()["errors"]
    assert error["extensions"] == {"code": "TIMEOUT", "limit": 1}
    assert "idempotencyKey" in error["message"]


async def test_a_timeout_of_the_database_is_a_fault_and_not_ours(memories: Memories) -> None:
    for fault in (TimeoutError("secret"), StoreFault("secret")):
        broken: Any = Broken(memories._reader, fault, "memories")
        client = Client(GraphQLEndpoint(Memories(store=memories._store, reader=broken, limits=Limits())))
        error = await client.error('{ node(id: "x") { id } }')
        assert error["extensions"]["code"] == "INTERNAL_SERVER_ERROR"


async def test_more_operations_at_once_than_allowed_are_to_come_back(memories: Memories) -> None:
    client, standing = slow(memories, operations=2)
    body = {"query": '{ node(id: "x") { id } }'}
    running = [asyncio.create_task(client.http.post("/graphql", json=body)) for _ in range(2)]
    async with asyncio.timeout(5):
        while len(client.endpoint._operations._running._operations) < 2:  # noqa: ASYNC110  # Nobody tells of it.
            await asyncio.sleep(0.01)
    for accept in ("application/json", "application/graphql-response+json"):
        response = await client.http.post("/graphql", json=body, headers={"accept": accept})
        assert (response.status_code, response.headers["retry-after"]) == (503, "1")
        [error] = response.json()["errors"]
        assert error["extensions"] == {"code": "OVERLOADED", "limit": 2}
    # What is refused for another reason is told that reason.
    assert (await client.error("{"))["extensions"]["code"] == "GRAPHQL_PARSE_FAILED"
    standing.may_go_on.set()
    assert [(await answer).json() for answer in running] == [{"data": {"node": None}}] * 2
    assert await client.data('{ node(id: "x") { id } }') == {"node": None}


async def test_an_operation_that_fails_or_whose_client_leaves_gives_its_place_back(memories: Memories) -> None:
    client, standing = slow(memories, operations=1)
    running = asyncio.create_task(client.data('{ node(id: "x") { id } }'))
    async with asyncio.timeout(5):
        await standing.waiting.wait()
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    standing.may_go_on.set()
    assert await client.data('{ node(id: "x") { id } }') == {"node": None}


async def test_limits_hold_over_sockets_and_cost_only_their_operation(sqlite_url: str) -> None:
    limits: dict[str, Any] = {"limit_aliases": 1, "limit_cost": 60, "limit_subscriptions": 2}
    async with served(sqlite_url, **limits) as server, server.socket() as socket:
        await socket.subscribe("1")
        for query, measure in (
            ("{ a: __typename b: __typename }", "aliases"),
            ("{ memories(first: 99) { nodes { id } } }", "cost"),
            ("subscription { memoryChanged { memory { history(first: 99) { nodes { id } } } } }", "cost"),
        ):
            await socket.say(id="bad", type="subscribe", payload={"query": query})
            message = await socket.hear()
            assert (message["id"], message["type"]) == ("bad", "error")
            assert message["payload"][0]["extensions"]["measure"] == measure
        await socket.subscribe("2")
        await socket.say(id="3", type="subscribe", payload={"query": WATCH})
        message = await socket.hear()
        assert message["type"] == "error"
        assert message["payload"][0]["extensions"] == {"code": "OVERLOADED", "limit": 2}
        await socket.say(id="2", type="complete")
        await socket.say(id="4", type="subscribe", payload={"query": "{ __typename }"})
        await socket.hears(id="4", type="next", payload={"data": {"__typename": "Query"}})
        await socket.hears(id="4", type="complete")
        await socket.subscribe("2")
        await server.create()
        assert {(await socket.hear())["id"] for _ in range(2)} == {"1", "2"}


async def test_limits_hold_over_event_streams(sqlite_url: str) -> None:
    async with served(sqlite_url, limit_subscriptions=1, limit_aliases=1) as server:
        async with streaming(server) as first:
            async with streaming(server) as second:
                kind, payload = await second.event()
                assert (kind, payload["errors"][0]["extensions"]) == ("next", {"code": "OVERLOADED", "limit": 1})
                assert await second.event() == ("complete", None)
            await server.create()
            await first.change()
        async with streaming(server, "{ a: __typename b: __typename }") as refused:
            _, payload = await refused.event()
            assert payload["errors"][0]["extensions"]["measure"] == "aliases"


async def test_the_beginning_of_a_subscription_has_an_end(sqlite_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async def never(*_: object) -> None:
        await asyncio.Event().wait()

    async with served(sqlite_url, query_timeout_s=1) as server, server.socket() as socket:
        with monkeypatch.context() as held:
            held.setattr(server.endpoint._operations._watching._feed, "watch", never)
            await socket.say(id="1", type="subscribe", payload={"query": WATCH})
            message = await socket.hear()
            assert (message["type"], message["id"]) == ("error", "1")
            assert message["payload"][0]["extensions"] == {"code": "TIMEOUT", "limit": 1}
            async with streaming(server, WATCH) as refused:
                _, payload = await refused.event()
                assert payload["errors"][0]["extensions"] == {"code": "TIMEOUT", "limit": 1}
        await socket.subscribe("1")
        await server.create()
        await socket.change("1")


async def test_an_answer_to_a_change_has_an_end(sqlite_url: str) -> None:
    async with served(sqlite_url, query_timeout_s=1) as server, server.socket() as socket:
        await socket.subscribe("1")
        reader = server.endpoint._operations._memories._reader
        held: Any = Slow(reader)
        server.endpoint._operations._memories._reader = held
        answer = await server.http.post(server.address, json={"query": CREATE_LIVE, "variables": {"text": "M"}})
        assert answer.status_code in (200, 504)
        payload = (await socket.hear())["payload"]
        assert payload["errors"][0]["extensions"] == {"code": "TIMEOUT", "limit": 1}
        server.endpoint._operations._memories._reader = reader
        await server.create()
        await socket.change("1")


def test_each_limit_is_a_setting_with_the_default_that_is_documented() -> None:
    assert Settings().operation_limits() == OperationLimits()
    names = {
        "characters": "limit_document_characters",
        "query_s": "query_timeout_s",
        "mutation_s": "mutation_timeout_s",
    }
    for field in fields(OperationLimits):
        given: Any = {names.get(field.name, f"limit_{field.name}"): 7}
        assert Settings(**given).operation_limits() == replace(OperationLimits(), **{field.name: 7})


@pytest.mark.parametrize("authenticated", [False, True])
async def test_suggestions_are_off_with_authentication_and_introspection_is_a_setting(
    sqlite_url: str, authenticated: bool
) -> None:
    headers = {"authorization": bearer()} if authenticated else {}
    for introspection in (True, False):
        async with served(sqlite_url, authenticated=authenticated, introspection=introspection) as server:

            async def ask(document: str, server: Any = server) -> Any:
                return (await server.http.post(server.address, json={"query": document}, headers=headers)).json()

            [error] = (await ask("{ memorie { totalCount } }"))["errors"]
            assert ("Did you mean" in error["message"]) is (introspection and not authenticated)
            assert ("errors" in await ask("{ __schema { queryType { name } } }")) is not introspection
            page = await server.http.get(server.address.removesuffix("graphql"))
            assert page.status_code == 200


async def test_a_long_body_of_many_kinds_is_refused_before_it_is_read(sqlite_url: str) -> None:
    async with served(sqlite_url, limit_request_bytes=10_000) as server:
        body = json.dumps({"query": "{ __typename }", "variables": {"a": "x" * 20_000}})
        response = await server.http.post(server.address, content=body, headers=JSON)
        assert response.status_code == 413
        assert response.json()["errors"][0]["extensions"] == {"code": "LIMIT_EXCEEDED", "limit": 10_000}


@pytest.mark.parametrize("name", ["$v", '{memory: "a"}, session: {}', "null", ""])
async def test_one_member_of_an_input_is_asked_for_without_a_fault(memories: Memories, name: str) -> None:
    client = limited(memories)
    create = f"createMemory(input: {{session: {name or '{}, working: {}'}}}) {{ status }}"
    in_fragment = f"createMemory(input: {{longTerm: {name or '$zz'}}}) {{ status }}"
    for document in (
        f"mutation($v: NewSessionMemory) {{ {create} }}",
        f"fragment F on Mutation {{ {in_fragment} }} mutation {{ ...F }}",
    ):
        errors = (await client.answer(document))["errors"]
        assert {error["extensions"]["code"] for error in errors} == {"GRAPHQL_VALIDATION_FAILED"}
        assert "Maybe" not in str(errors)


def test_what_cannot_be_null_is_a_member_of_a_one_of_input() -> None:
    """Strawberry's rule for it is left out, so that nothing else may need it."""
    for each in schema()._schema.type_map.values():
        definition = each.extensions.get("strawberry-definition")
        if is_input_object_type(each) and definition is not None and not definition.is_one_of:
            for field in definition.fields:
                unwrapped = field.type
                assert not isinstance(unwrapped, StrawberryMaybe) or isinstance(
                    unwrapped.of_type, StrawberryOptional
                ), f"{each.name}.{field.name}"
