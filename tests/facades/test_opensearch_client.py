"""The PyPI client ``opensearch-py``, sync and async, against a running server, through every call of the façade."""

from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx
import pytest
from opensearchpy import (
    AsyncOpenSearch,
    AuthenticationException,
    AuthorizationException,
    ConflictError,
    NotFoundError,
    OpenSearch,
    RequestError,
    TransportError,
)

from mnesis.domain.caller import Scope
from mnesis.web.tokens import issue_token
from tests.facades.opensearch import MODELS, SECRET
from tests.server.running import RunningServer, running_server

MESSAGES = [{"role": "user", "content": [{"type": "text", "text": "Hello"}]}]


def token(*scopes: Scope) -> str:
    return issue_token(secret=SECRET, tenant="acme", subject="ann", scopes=scopes or [Scope.ADMIN], expires_in_s=600)


@pytest.fixture
def server(database_url: str) -> Iterator[RunningServer]:
    with running_server(database_url, auth_secret=SECRET, facades="opensearch") as running:
        yield running


@pytest.fixture
def client(server: RunningServer) -> Iterator[OpenSearch]:
    with OpenSearch(hosts=[server.url], http_auth=("admin", token())) as client:
        yield client


@pytest.fixture
async def async_client(server: RunningServer) -> AsyncIterator[AsyncOpenSearch]:
    async with AsyncOpenSearch(hosts=[server.url], headers={"Authorization": f"Bearer {token()}"}) as client:
        yield client


def reason_of(error: Any) -> Any:
    """What the client has kept of the answer, whatever its type says."""
    return error.info["error"]["reason"]


def graphql(server: RunningServer, document: str) -> Any:
    answer = httpx.post(server.graphql, json={"query": document}, headers={"Authorization": f"Bearer {token()}"}).json()
    assert "errors" not in answer, answer
    [value] = answer["data"].values()
    return value


def test_every_call(server: RunningServer, client: OpenSearch) -> None:
    assert client.ping()
    assert client.info()["version"]["distribution"] == "opensearch"
    ml = client.plugins.ml
    made = ml.create_memory_container(
        body={"name": "n", "memory_container_id": "box", "configuration": {**MODELS, "index_prefix": "p"}}
    )
    assert made == {"memory_container_id": "box", "status": "created"}
    assert ml.update_memory_container(memory_container_id="box", body={"name": "m"})["result"] == "updated"
    assert ml.get_memory_container(memory_container_id="box")["name"] == "m"
    session = ml.create_memory_container_session(memory_container_id="box", body={"session_id": "s1"})
    assert session == {"session_id": "s1", "status": "created"}
    added = ml.add_agentic_memory(
        memory_container_id="box", body={"messages": MESSAGES, "namespace": {"session_id": "s1"}}
    )
    assert added["session_id"] == "s1"
    id = added["working_memory_id"]

    updated = ml.update_agentic_memory(
        memory_container_id="box", doc_type="working", id=id, body={"tags": {"topic": "new"}}
    )
    assert (updated["result"], updated["_id"], updated["_version"]) == ("updated", id, 2)
    assert updated["_index"] == ".plugins-ml-am-p-memory-working"
    shown = ml.get_agentic_memory(memory_container_id="box", doc_type="working", id=id)
    assert (shown["tags"], shown["messages"]) == ({"topic": "new"}, MESSAGES)
    in_graphql = graphql(
        server,
        f'{{ memory(type: WORKING, id: "{id}") {{ version ... on WorkingMemory {{ tags messages {{ text }} }} }} }}',
    )
    assert in_graphql == {"version": 2, "tags": {"topic": "new"}, "messages": [{"text": "Hello"}]}

    made_there = graphql(
        server,
        'mutation { createMemory(containerId: "box", input: {longTerm: {memory: "Likes tea."}}) { memory { id } } }',
    )
    fact = made_there["memory"]["id"]
    place = {"memory_container_id": "box", "doc_type": "long-term", "id": fact}
    assert ml.get_agentic_memory(**place)["memory"] == "Likes tea."
    ml.update_agentic_memory(**place, body={"memory": "Likes coffee."})
    record = ml.get_agentic_memory(memory_container_id="box", doc_type="history", id=f"{fact}~2")
    assert record["after"] == {"memory": "Likes coffee."}
    assert ml.delete_agentic_memory(**place)["result"] == "deleted"
    deleted = ml.delete_memory_container(memory_container_id="box", delete_memories=["sessions", "working"])
    assert deleted["result"] == "deleted"


def test_errors_are_its_typed_exceptions(server: RunningServer, client: OpenSearch) -> None:
    ml = client.plugins.ml
    ml.create_memory_container(body={"name": "n", "memory_container_id": "box"})
    with pytest.raises(NotFoundError) as not_found:
        ml.get_agentic_memory(memory_container_id="box", doc_type="working", id="none")
    assert (not_found.value.status_code, not_found.value.error) == (404, "status_exception")
    assert reason_of(not_found.value) == "Memory not found"
    with pytest.raises(NotFoundError) as history:
        ml.update_agentic_memory(memory_container_id="default", doc_type="history", id="x", body={"a": 1})
    assert reason_of(history.value) == "Can't update memory history"
    with pytest.raises(RequestError) as empty:
        client.transport.perform_request("PUT", "/_plugins/_ml/memory_containers/box/memories/working/x")
    assert (empty.value.status_code, empty.value.error) == (400, "illegal_argument_exception")
    with pytest.raises(ConflictError):
        ml.create_memory_container(body={"name": "n", "memory_container_id": "box"})
    with pytest.raises(TransportError) as method:
        client.transport.perform_request("PATCH", "/_plugins/_ml/memory_containers/box")
    assert method.value.status_code == 405
    with (
        OpenSearch(hosts=[server.url], http_auth=("admin", "admin")) as stranger,
        pytest.raises(AuthenticationException),
    ):
        stranger.plugins.ml.get_memory_container(memory_container_id="box")
    with (
        OpenSearch(hosts=[server.url], http_auth=("reader", token(Scope.READ))) as reader,
        pytest.raises(AuthorizationException) as forbidden,
    ):
        reader.plugins.ml.add_agentic_memory(memory_container_id="box", body={"messages": MESSAGES})
    assert reason_of(forbidden.value) == "User doesn't have permissions to add memory to this container"


@pytest.mark.anyio
async def test_every_call_of_the_async_client(async_client: AsyncOpenSearch) -> None:
    assert (await async_client.info())["version"]["number"] == "3.9.0"
    ml = async_client.plugins.ml
    box = (await ml.create_memory_container(body={"name": "n"}))["memory_container_id"]
    assert (await ml.update_memory_container(memory_container_id=box, body={"description": "d"}))["_version"] == 2
    assert (await ml.get_memory_container(memory_container_id=box))["description"] == "d"
    session = await ml.create_memory_container_session(memory_container_id=box, body={"summary": "s"})
    place = {"memory_container_id": box, "doc_type": "sessions", "id": session["session_id"]}
    assert (await ml.update_agentic_memory(**place, body={"summary": "t"}))["_version"] == 2
    assert (await ml.get_agentic_memory(**place))["summary"] == "t"
    added = await ml.add_agentic_memory(
        memory_container_id=box, body={"payload_type": "data", "tags": {"topic": "tea"}}
    )
    tea = {"query": {"term": {"tags.topic": "tea"}}}
    found = await ml.search_agentic_memory(memory_container_id=box, doc_type="working", body=tea)
    assert [hit["_id"] for hit in found["hits"]["hits"]] == [added["working_memory_id"]]
    containers = await ml.search_memory_container(body={"query": {"match": {"name": "n"}}})
    assert [hit["_id"] for hit in containers["hits"]["hits"]] == [box]
    await ml.add_agentic_memory(memory_container_id=box, body={"payload_type": "data", "tags": {"topic": "coffee"}})
    coffee = {"query": {"term": {"tags.topic": "coffee"}}}
    deleted = await ml.delete_agentic_memory_query(memory_container_id=box, doc_type="working", body=coffee)
    assert deleted["deleted"] == 1
    with pytest.raises(RequestError):
        await async_client.transport.perform_request(
            "POST", f"/_plugins/_ml/memory_containers/{box}/memories/long-term/_semantic_search", body={"query": "tea"}
        )
    working = {"memory_container_id": box, "doc_type": "working", "id": added["working_memory_id"]}
    assert (await ml.delete_agentic_memory(**working))["result"] == "deleted"
    with pytest.raises(NotFoundError):
        await ml.get_agentic_memory(**working)
    assert (await ml.delete_memory_container(memory_container_id=box, delete_all_memories=True))["result"] == "deleted"
