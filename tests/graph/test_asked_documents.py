"""Documents by id and by hash, as clients ask for them, in every transport."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from mnesis.domain.caller import Scope
from mnesis.graph.endpoint import GraphQLEndpoint
from mnesis.graph.options import EndpointOptions
from mnesis.graph.trusted_documents import sha256_of
from mnesis.usecases.memories import Memories
from tests.graph.client import STRANGER, Client
from tests.graph.live import Server, bearer, served
from tests.graph.test_trusted_documents import FACTS, REMEMBER, hashed, loaded, manifest

pytestmark = pytest.mark.anyio

ID = FACTS["client-preset"]
TEXT = json.loads(manifest("client-preset").read_text())[ID]
RELAY_TEXT = json.loads(manifest("relay").read_text())[FACTS["relay"]]
CHANGES = "sha256:9b10f9832eaee71f7170b30ff8866d15d8bbf4d11214d5791216cc82fa7f89b4"
TYPENAME = "query Name { __typename }"
ANSWER = {"data": {"__typename": "Query"}}
NOBODY: dict[str, Any] = {"data": {"memories": {"nodes": []}}}
NOT_FOUND = ("PersistedQueryNotFound", "PERSISTED_QUERY_NOT_FOUND")
NOT_SUPPORTED = ("PersistedQueryNotSupported", "PERSISTED_QUERY_NOT_SUPPORTED")
REQUIRED = ("Only trusted documents run here; send the documentId of one.", "PERSISTED_QUERY_REQUIRED")
MISMATCH = ("sha256Hash is not the SHA-256 of query.", "BAD_USER_INPUT")


def apq(text: str, **more: Any) -> dict[str, Any]:
    """What a client sends first: the hash without the text."""
    return {"extensions": {"persistedQuery": {"version": 1, "sha256Hash": sha256_of(text)}}, **more}


async def post(client: Client, **asked: Any) -> Any:
    response = await client.http.post(
        "/graphql", content=json.dumps(asked), headers={"content-type": "application/json"}
    )
    return response.json()


def refusal(answer: Any) -> tuple[str, str]:
    """The one error of an answer that holds nothing else."""
    [error] = answer.pop("errors")
    assert answer == {}
    return error["message"], error["extensions"]["code"]


@pytest.fixture
def trusting(memories: Memories) -> Client:
    trusted = loaded(manifest("client-preset"), manifest("relay"), manifest("apollo"))
    return Client(GraphQLEndpoint(memories, options=EndpointOptions(trusted=trusted)))


@pytest.fixture
def strict(memories: Memories) -> Client:
    trusted = loaded(manifest("client-preset"), manifest("relay"), manifest("apollo"))
    return Client(GraphQLEndpoint(memories, options=EndpointOptions(trusted=trusted, only_trusted=True)))


async def test_an_id_stands_for_its_document(trusting: Client) -> None:
    for identifier in (ID, ID.removeprefix("sha256:"), FACTS["apollo"]):
        answer = await post(trusting, documentId=identifier, operationName="Facts", variables={"first": 1})
        assert answer["data"]["memories"]["nodes"] == []
    assert await post(trusting, documentId=ID, query=None, extensions=None) == NOBODY
    assert await post(trusting, documentId=ID, query="", extensions={"persistedQuery": None}) == NOBODY
    name = "Nothing"
    assert refusal(await post(trusting, documentId=ID, operationName=name))[1] == "BAD_USER_INPUT"


@pytest.mark.parametrize("identifier", ["nope", "sha256:" + "0" * 64, "0" * 64, "\ud800", "x-own:1", ID.upper()])
async def test_an_unknown_id_is_a_single_error(trusting: Client, identifier: str) -> None:
    told = ("There is no document with this id.", "PERSISTED_QUERY_NOT_FOUND")
    assert refusal(await post(trusting, documentId=identifier)) == told
    response = await trusting.http.post(
        "/graphql", json={"documentId": "nope"}, headers={"accept": "application/graphql-response+json"}
    )
    assert (response.status_code, refusal(response.json())) == (400, told)


async def test_an_id_beside_a_text_has_to_be_its_id(trusting: Client) -> None:
    assert await post(trusting, documentId=ID, query=TEXT) == NOBODY
    assert (await post(trusting, documentId=FACTS["relay"], query=RELAY_TEXT, variables={"first": 1})) == NOBODY
    # The hash of a document that nobody trusts: it says the same as the text.
    assert await post(trusting, documentId=hashed(TYPENAME), query=TYPENAME) == ANSWER
    told = ("documentId is not the id of query.", "BAD_USER_INPUT")
    for identifier in (ID, FACTS["relay"], "nope", hashed("other")):
        assert refusal(await post(trusting, documentId=identifier, query=TYPENAME)) == told
    # Sent like this a document is not registered.
    assert refusal(await post(trusting, **apq(TYPENAME))) == NOT_FOUND


async def test_an_id_beside_a_hash_is_refused(trusting: Client) -> None:
    assert refusal(await post(trusting, documentId=ID, **apq(TEXT)))[1] == "BAD_USER_INPUT"


@pytest.mark.parametrize(
    "asked", [{"documentId": 1}, {"documentId": ""}, {"documentId": None}, {"documentId": ["a"], "query": TYPENAME}]
)
async def test_what_is_no_id_is_no_request(trusting: Client, asked: dict[str, Any]) -> None:
    response = await trusting.http.post("/graphql", json=asked)
    assert response.status_code == 400
    assert refusal(response.json())[1] == "BAD_USER_INPUT"


async def test_a_mutation_by_id_is_for_post_only(trusting: Client) -> None:
    url = {"documentId": REMEMBER["relay"], "variables": '{"text": "M"}'}
    response = await trusting.http.get("/graphql", params=url)
    assert (response.status_code, response.headers["allow"]) == (405, "POST")
    mutation = 'mutation { createMemory(input: {longTerm: {memory: "M"}}) { status } }'
    url = {"query": mutation, "extensions": json.dumps(apq(mutation)["extensions"])}
    assert (await trusting.http.get("/graphql", params=url)).status_code == 405
    assert await trusting.data("{ memories { totalCount } }") == {"memories": {"totalCount": 0}}


async def test_a_client_registers_what_the_server_does_not_know(speak: Client) -> None:
    """As createPersistedQueryLink of Apollo Client 4 and persistedExchange of urql 5 do it."""
    library = {"clientLibrary": {"name": "@apollo/client", "version": "4.3.8"}}
    first = apq(TYPENAME, operationName="Name", variables={})
    first["extensions"].update(library)
    assert refusal(await post(speak, **first)) == NOT_FOUND
    assert await post(speak, **first, query=TYPENAME) == ANSWER
    assert await post(speak, **first) == ANSWER
    url = {"operationName": "Name", "variables": "{}", "extensions": json.dumps(first["extensions"])}
    assert (await speak.http.get("/graphql", params=url)).json() == ANSWER
    assert await post(speak, documentId=f"sha256:{hashed(TYPENAME)}") == ANSWER
    assert refusal(await post(speak.as_(STRANGER), **first)) == NOT_FOUND


async def test_a_registration_by_get(speak: Client) -> None:
    """As urql sends it: the extension tells of the miss."""
    extensions = {"persistedQuery": {"version": 1, "sha256Hash": hashed(TYPENAME), "miss": True}}
    url = {"query": TYPENAME, "extensions": json.dumps(extensions)}
    assert (await speak.http.get("/graphql", params=url)).json() == ANSWER
    assert await post(speak, **apq(TYPENAME)) == ANSWER


async def test_a_hash_of_something_else_is_refused_and_nothing_registered(speak: Client) -> None:
    other = "{ __typename }"
    assert refusal(await post(speak, **apq(TYPENAME), query=other)) == MISMATCH
    for text in (TYPENAME, other):
        assert refusal(await post(speak, **apq(text))) == NOT_FOUND
    assert await post(speak, **apq(TYPENAME), query=TYPENAME) == ANSWER
    assert refusal(await post(speak, **apq(TYPENAME), query=other)) == MISMATCH
    assert await post(speak, **apq(TYPENAME)) == ANSWER


@pytest.mark.parametrize("text", ["{", "{ nope }", "\ud800", "{ __typename }" + " " * 100_000])
async def test_only_a_valid_document_is_registered(speak: Client, text: str) -> None:
    answer = await post(speak, **apq(text), query=text)
    assert refusal(answer)[1] in {"GRAPHQL_PARSE_FAILED", "GRAPHQL_VALIDATION_FAILED", "OPERATION_TOO_COMPLEX"}
    assert refusal(await post(speak, **apq(text))) == NOT_FOUND


@pytest.mark.parametrize(
    ("persisted", "told"),
    [
        ({"version": 2, "sha256Hash": hashed(TYPENAME)}, NOT_SUPPORTED),
        ({"version": "1", "sha256Hash": hashed(TYPENAME)}, NOT_SUPPORTED),
        ({"sha256Hash": hashed(TYPENAME)}, NOT_SUPPORTED),
        ({"version": 1}, ("sha256Hash must be a string.", "BAD_USER_INPUT")),
        ({"version": 1, "sha256Hash": 1}, ("sha256Hash must be a string.", "BAD_USER_INPUT")),
        ({"version": 1, "sha256Hash": None}, ("sha256Hash must be a string.", "BAD_USER_INPUT")),
        ({"version": 1, "sha256Hash": ""}, MISMATCH),
        ({"version": 1, "sha256Hash": "\ud800"}, MISMATCH),
        ({"version": 1, "sha256Hash": hashed(TYPENAME).upper()}, MISMATCH),
        ({"version": 1, "sha256Hash": f"sha256:{hashed(TYPENAME)}"}, MISMATCH),
        ("a", ("persistedQuery must be an object.", "BAD_USER_INPUT")),
        ([], ("persistedQuery must be an object.", "BAD_USER_INPUT")),
    ],
)
async def test_extensions_of_every_kind(speak: Client, persisted: object, told: tuple[str, str]) -> None:
    assert refusal(await post(speak, query=TYPENAME, extensions={"persistedQuery": persisted})) == told


async def test_extensions_of_others_mean_nothing_here(speak: Client) -> None:
    assert await post(speak, query=TYPENAME, extensions={"trace": [1], "persistedQuery": None}) == ANSWER


async def test_registering_can_be_turned_off(memories: Memories) -> None:
    off = Client(
        GraphQLEndpoint(memories, options=EndpointOptions(trusted=loaded(manifest("apollo")), persisted_queries=0))
    )
    assert refusal(await post(off, **apq(TYPENAME))) == NOT_SUPPORTED
    assert refusal(await post(off, **apq(TYPENAME), query=TYPENAME)) == NOT_SUPPORTED
    assert await post(off, query=TYPENAME) == ANSWER
    known = {"extensions": {"persistedQuery": {"version": 1, "sha256Hash": FACTS["apollo"]}}}
    assert "data" in await post(off, **known)


async def test_clients_that_register_at_once_are_all_answered_within_the_bounds(memories: Memories) -> None:
    client = Client(GraphQLEndpoint(memories, options=EndpointOptions(persisted_queries=5)))
    missed = 0

    async def speak_as_a_client(number: int) -> None:
        nonlocal missed
        text = f"query Name {{ n{number % 15}: __typename }}"
        for _ in range(3):
            answer = await post(client, **apq(text))
            if "errors" in answer:
                assert refusal(answer) == NOT_FOUND
                missed += 1
                answer = await post(client, **apq(text), query=text)
            assert answer == {"data": {f"n{number % 15}": "Query"}}

    await asyncio.gather(*(speak_as_a_client(number) for number in range(60)))
    assert missed >= 15
    held = [
        number for number in range(15) if "data" in await post(client, **apq(f"query Name {{ n{number}: __typename }}"))
    ]
    assert len(held) == 5


async def test_where_only_trusted_documents_run_nothing_else_does(strict: Client) -> None:
    assert await post(strict, documentId=ID) == NOBODY
    assert await post(strict, documentId=ID, query=TEXT) == NOBODY
    assert await post(strict, query=TEXT) == NOBODY
    introspection = "{ __schema { queryType { name } } }"
    # Nothing is read of what is refused, so that it does not matter whether it is a document at all.
    for text in (TYPENAME, introspection, "query IntrospectionQuery { __schema { types { name } } }", f"{TEXT} ", "{"):
        assert refusal(await post(strict, query=text)) == REQUIRED
        assert refusal(await post(strict, **apq(text))) == NOT_FOUND
        assert refusal(await post(strict, **apq(text), query=text)) == REQUIRED
        assert refusal(await post(strict, **apq(text))) == NOT_FOUND
        assert refusal(await post(strict, query=text, documentId=hashed(text))) == REQUIRED
    assert refusal(await post(strict, query=TYPENAME, documentId=ID))[1] == "BAD_USER_INPUT"
    assert refusal((await strict.http.get("/graphql", params={"query": TYPENAME})).json()) == REQUIRED


async def test_documents_by_id_and_by_hash_in_a_list(trusting: Client, strict: Client) -> None:
    asked = [
        {"documentId": ID},
        apq(TYPENAME),
        apq(TYPENAME, query=TYPENAME),
        apq(TYPENAME),
        {"documentId": CHANGES},
        {"documentId": "nope"},
        {"query": TYPENAME},
    ]
    found, missed, *registered, watched, unknown, text = (await trusting.http.post("/graphql", json=asked)).json()
    assert (found, refusal(missed), registered, text) == (NOBODY, NOT_FOUND, [ANSWER, ANSWER], ANSWER)
    assert refusal(watched)[1] == "BAD_USER_INPUT"
    assert refusal(unknown)[1] == "PERSISTED_QUERY_NOT_FOUND"
    found, missed, registering, *_, text = (await strict.http.post("/graphql", json=asked)).json()
    assert (found, refusal(missed), refusal(registering), refusal(text)) == (NOBODY, NOT_FOUND, REQUIRED, REQUIRED)


async def test_apollo_sends_ids_of_its_manifest_as_hashes(strict: Client) -> None:
    """As createPersistedQueryLink does with generatePersistedQueryIdsFromManifest."""
    asked = {"persistedQuery": {"version": 1, "sha256Hash": FACTS["apollo"]}}
    assert (await post(strict, operationName="Facts", extensions=asked))["data"]["memories"]["nodes"] == []
    assert refusal(await post(strict, extensions=asked, query=TYPENAME)) == MISMATCH
    url = {"operationName": "Facts", "extensions": json.dumps(asked)}
    assert (await strict.http.get("/graphql", params=url)).json()["data"]["memories"]["nodes"] == []


@pytest.fixture
async def server(sqlite_url: str) -> AsyncIterator[Server]:
    async with served(sqlite_url, trusted_documents=(manifest("client-preset"),)) as server:
        yield server


@pytest.fixture
async def strict_server(sqlite_url: str) -> AsyncIterator[Server]:
    manifests = (manifest("client-preset"),)
    async with served(
        sqlite_url, authenticated=True, trusted_documents=manifests, only_trusted_documents=True
    ) as server:
        yield server


async def test_documents_by_id_and_by_hash_over_a_socket(server: Server) -> None:
    async with server.socket() as socket:
        await socket.say(id="changes", type="subscribe", payload={"documentId": CHANGES})
        remember = {"documentId": REMEMBER["client-preset"], "variables": {"text": "A fact."}}
        await socket.say(id="write", type="subscribe", payload=remember)
        told = [await socket.hear() for _ in range(3)]
        [change] = [each["payload"]["data"]["memoryChanged"] for each in told if each["id"] == "changes"]
        assert change["action"] == "CREATE"
        await socket.say(id="changes", type="complete")
        await socket.say(id="1", type="subscribe", payload=apq(TYPENAME))
        missed = await socket.hear()
        assert (missed["id"], missed["type"], refusal({"errors": missed["payload"]})) == ("1", "error", NOT_FOUND)
        for payload in (apq(TYPENAME, query=TYPENAME), apq(TYPENAME), apq(TYPENAME, query=None)):
            await socket.say(id="1", type="subscribe", payload=payload)
            await socket.hears(id="1", type="next", payload=ANSWER)
            await socket.hears(id="1", type="complete")
        for payload in (
            {"documentId": "nope"},
            {"documentId": ID, "query": TYPENAME},
            {"extensions": {"persistedQuery": 1}},
            apq(TYPENAME, query="{ __typename }"),
        ):
            await socket.say(id="1", type="subscribe", payload=payload)
            assert (await socket.hear())["type"] == "error"
        await socket.say(id="1", type="subscribe", payload={"query": TYPENAME})
        await socket.hears(id="1", type="next", payload=ANSWER)


@pytest.mark.parametrize(
    "payload", [{}, {"documentId": 1}, {"documentId": ""}, {"query": 1, "documentId": ID}, {"extensions": {"a": 1}}]
)
async def test_a_payload_that_asks_for_nothing_breaks_the_protocol(server: Server, payload: dict[str, Any]) -> None:
    async with server.socket() as socket:
        await socket.say(id="1", type="subscribe", payload=payload)
        assert (await socket.closed())[0] == 4400


async def events(server: Server, **asked: Any) -> list[Any]:
    """What is told over an event stream that ends by itself."""
    headers = {"accept": "text/event-stream"}
    body = (await server.http.post(server.address, json=asked, headers=headers)).text
    return [json.loads(line.removeprefix("data: ")) for line in body.split("\n") if line.startswith("data: {")]


async def test_documents_by_id_and_by_hash_as_events(server: Server) -> None:
    [found] = await events(server, documentId=ID)
    assert found == NOBODY
    [missed] = await events(server, **apq(TYPENAME))
    assert refusal(missed) == NOT_FOUND
    for asked in (apq(TYPENAME, query=TYPENAME), apq(TYPENAME)):
        assert await events(server, **asked) == [ANSWER]
    headers = {"accept": "text/event-stream"}
    asked = {"documentId": CHANGES}
    async with server.http.stream("POST", server.address, json=asked, headers=headers) as response:
        await first_change(server, response)
    async with server.http.stream("GET", server.address, params=asked, headers=headers) as response:
        await first_change(server, response)


async def first_change(server: Server, response: httpx.Response) -> None:
    """The subscription of the response stands and tells of a change."""
    lines = response.aiter_lines()
    assert await anext(lines) == ":"
    memory = await server.create()
    async with asyncio.timeout(15):
        async for line in lines:
            if line.startswith("data: {"):
                told = json.loads(line.removeprefix("data: "))["data"]["memoryChanged"]
                assert (told["action"], told["memory"]["id"]) == ("CREATE", memory)
                return


async def test_only_trusted_documents_run_in_every_transport(strict_server: Server) -> None:
    server, headers = strict_server, {"authorization": bearer("ada", Scope.WRITE)}
    assert (await server.http.post(server.address, json={"documentId": ID}, headers=headers)).json() == NOBODY
    get = await server.http.get(server.address, params={"documentId": ID}, headers=headers)
    assert get.json() == NOBODY
    for response in (
        await server.http.post(server.address, json={"query": TYPENAME}, headers=headers),
        await server.http.get(server.address, params={"query": TYPENAME}, headers=headers),
    ):
        assert refusal(response.json()) == REQUIRED
    stream = {**headers, "accept": "text/event-stream"}
    watch = {"query": "subscription { memoryChanged { cursor } }"}
    told = (await server.http.post(server.address, json=watch, headers=stream)).text
    assert "PERSISTED_QUERY_REQUIRED" in told
    async with server.socket(**headers) as socket:
        await socket.say(id="1", type="subscribe", payload=watch)
        refused = await socket.hear()
        assert (refused["type"], refusal({"errors": refused["payload"]})) == ("error", REQUIRED)
        await socket.say(id="2", type="subscribe", payload={"documentId": ID})
        await socket.hears(id="2", type="next", payload=NOBODY)


async def test_what_one_tenant_registers_no_other_finds(sqlite_url: str) -> None:
    async with served(sqlite_url, authenticated=True) as server:
        ada, eve = ({"authorization": bearer(tenant)} for tenant in ("ada", "eve"))
        sent = apq(TYPENAME, query=TYPENAME)
        assert (await server.http.post(server.address, json=sent, headers=ada)).json() == ANSWER
        for headers, found in ((ada, True), (eve, False)):
            answer = (await server.http.post(server.address, json=apq(TYPENAME), headers=headers)).json()
            assert ("data" in answer) is found
