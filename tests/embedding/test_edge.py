"""Searching by meaning through the edge, and a server that embeds."""

import asyncio
import os
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from typer.testing import CliRunner

from mnesis.cli import app
from mnesis.domain.caller import Scope
from mnesis.graph.endpoint import GraphQLEndpoint
from tests.embedding.speaking import EmbeddingServer, Reply
from tests.embedding.workbench import Mind, minded
from tests.graph.client import STRANGER, Client
from tests.server.running import NotStarted, running_server
from tests.storage.workbench import rows

pytestmark = pytest.mark.anyio

SEARCH = """
query($query: String!, $mode: SearchMode! = AUTO, $first: Int! = 10, $after: String, $filter: MemoryFilter) {
  searchMemories(query: $query, mode: $mode, first: $first, after: $after, filter: $filter) {
    mode
    edges { cursor score highlights { field } node { id ... on LongTermMemory { memory } } }
    pageInfo { hasNextPage endCursor }
  }
}
"""
AWAITING = "{ viewer { awaitingEmbedding } }"


@pytest.fixture
async def mind(database_url: str, server: EmbeddingServer) -> AsyncIterator[Mind]:
    async with minded(database_url, server) as opened:
        yield opened


@pytest.fixture
def client(mind: Mind) -> Client:
    return Client(GraphQLEndpoint(mind.memories))


def texts(found: Any) -> list[str]:
    return [edge["node"]["memory"] for edge in found["edges"]]


async def test_each_mode_says_what_it_did(client: Client, mind: Mind) -> None:
    for text in ("The automobile is red.", "A car.", "Rain and wind."):
        await client.create(longTerm={"memory": text})
    await mind.settled()
    semantic = await client.only(SEARCH, query="Which vehicle is red?", mode="SEMANTIC")
    assert (semantic["mode"], texts(semantic)) == ("SEMANTIC", ["The automobile is red.", "A car."])
    assert all(0 < edge["score"] <= 1 for edge in semantic["edges"])
    # The passages are those with words of the query, if there are any.
    assert [bool(edge["highlights"]) for edge in semantic["edges"]] == [True, False]
    full_text = await client.only(SEARCH, query="Which vehicle is red?", mode="FULL_TEXT")
    assert (full_text["mode"], texts(full_text)) == ("FULL_TEXT", ["The automobile is red."])
    for mode in ("HYBRID", "AUTO"):
        found = await client.only(SEARCH, query="Which vehicle is red?", mode=mode)
        assert (found["mode"], texts(found)) == ("HYBRID", ["The automobile is red.", "A car."])
    # Words that tell nothing have a meaning of their own.
    assert (await client.only(SEARCH, query="which is", mode="FULL_TEXT"))["edges"] == []
    assert texts(await client.only(SEARCH, query="which is", mode="SEMANTIC")) == ["The automobile is red."]


@pytest.mark.parametrize("mode", ["SEMANTIC", "HYBRID", "AUTO"])
async def test_pages_follow_each_other(client: Client, mind: Mind, mode: str) -> None:
    for number in range(7):
        await client.create(longTerm={"memory": "tea " * number + f"number {number}"})
    await mind.settled()
    whole = await client.only(SEARCH, query="tea beverage", mode=mode)
    paged: list[str] = []
    after = None
    while True:
        page = await client.only(SEARCH, query=" tea beverage ", mode=mode, first=2, after=after)
        paged += texts(page)
        after = page["pageInfo"]["endCursor"]
        if not page["pageInfo"]["hasNextPage"]:
            break
    assert paged == texts(whole)
    assert len(set(paged)) == len(paged) >= 6
    # A cursor is good for its query and its mode.
    other = "SEMANTIC" if mode != "SEMANTIC" else "HYBRID"
    for wrong in ({"query": "tea", "mode": mode}, {"query": "tea beverage", "mode": other}):
        error = await client.error(SEARCH, after=whole["edges"][0]["cursor"], **wrong)
        assert error["extensions"] == {"code": "CURSOR_INVALID", "argument": "after"}


async def test_a_model_that_is_down_is_told_of_and_auto_does_without(
    client: Client, mind: Mind, server: EmbeddingServer
) -> None:
    for number in range(4):
        await client.create(longTerm={"memory": f"Red tea {number}."})
    await mind.settled()
    hybrid = await client.only(SEARCH, query="tea", first=2)
    server.always = Reply(status=500, body=b"secret trace of the model")
    for mode in ("SEMANTIC", "HYBRID"):
        error = await client.error(SEARCH, query="red", mode=mode)
        assert error["extensions"] == {"code": "SEMANTIC_SEARCH_UNAVAILABLE", "argument": "mode"}
        assert error["message"] == (
            "The embedding model does not answer now; try again later, or search with mode FULL_TEXT."
        )
    page = await client.only(SEARCH, query="red", first=2)
    assert (page["mode"], len(page["edges"])) == ("FULL_TEXT", 2)
    # The question is known already, so the next page needs no model.
    assert (await client.only(SEARCH, query="tea", after=hybrid["pageInfo"]["endCursor"]))["mode"] == "HYBRID"
    mind.questions._known.clear()
    error = await client.error(SEARCH, query="tea", after=hybrid["pageInfo"]["endCursor"])
    assert error["extensions"]["code"] == "SEMANTIC_SEARCH_UNAVAILABLE"
    server.always = None
    mind.questions._failed_at = None
    # What began by words goes on by words.
    following = await client.only(SEARCH, query="red", after=page["pageInfo"]["endCursor"])
    assert (following["mode"], len(following["edges"])) == ("FULL_TEXT", 2)
    assert (await client.only(SEARCH, query="red"))["mode"] == "HYBRID"


async def test_the_viewer_sees_what_awaits_embedding(client: Client, mind: Mind, server: EmbeddingServer) -> None:
    await mind.settled()
    server.always = Reply(status=500)
    await client.create(longTerm={"memory": "tea"})
    await client.create(longTerm={"memory": "car"})
    assert await client.only(AWAITING) == {"awaitingEmbedding": 2}
    assert await client.as_(STRANGER).only(AWAITING) == {"awaitingEmbedding": 0}
    error = await client.allowed().error(AWAITING)
    assert error["extensions"]["code"] == "FORBIDDEN"
    assert await client.allowed(Scope.READ).only(AWAITING) == {"awaitingEmbedding": 2}


async def test_surrogates_do_no_harm(client: Client, mind: Mind) -> None:
    await mind.settled()
    found = await client.only(SEARCH, query="\ud800 tea", mode="SEMANTIC")
    assert found["edges"] == []


async def ask(url: str, document: str, **variables: Any) -> Any:
    async with httpx.AsyncClient() as http:
        answer = (await http.post(url, json={"query": document, "variables": variables}, timeout=30)).json()
    assert "errors" not in answer, answer
    [value] = answer["data"].values()
    return value


async def embedded(url: str) -> None:
    deadline = time.monotonic() + 20
    while (await ask(url, AWAITING))["awaitingEmbedding"] != 0:
        assert time.monotonic() < deadline


async def test_a_server_embeds_and_goes_on_after_a_restart(database_url: str, server: EmbeddingServer) -> None:
    settings = {"embeddings_url": server.url, "embeddings_model": "words", "embeddings_key": "sk-1"}
    create = 'mutation { createMemory(input: {longTerm: {memory: "A car."}}) { status } }'
    with running_server(database_url) as running:
        assert (await ask(running.graphql, create))["status"] == "CREATED"
        assert await ask(running.graphql, AWAITING) == {"awaitingEmbedding": None}
    with running_server(database_url, **settings) as running:
        deadline = time.monotonic() + 20
        while not texts(await ask(running.graphql, SEARCH, query="vehicle", mode="SEMANTIC")):
            assert time.monotonic() < deadline
        server.delay_s = 30.0
        assert (await ask(running.graphql, create.replace("A car.", "A kitten.")))["status"] == "CREATED"
        begun = time.monotonic()
        assert running.stop() == 0
        assert time.monotonic() - begun < 5
    server.delay_s = 0.0
    with running_server(database_url, **settings) as running:
        await embedded(running.graphql)
        assert texts(await ask(running.graphql, SEARCH, query="feline")) == ["A kitten."]
    assert server.texts.count("A car.") == 1
    assert {headers["authorization"] for headers in server.headers} == {"Bearer sk-1"}


async def test_an_import_is_embedded_by_the_server_that_runs(
    database_url: str, server: EmbeddingServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def run(*arguments: str) -> None:
        result = CliRunner().invoke(app, [*arguments, "--database", database_url])
        assert result.exit_code == 0, result.output

    await asyncio.to_thread(run, "demo", "--tenant", "acme")
    file = str(tmp_path / "acme.jsonl")
    await asyncio.to_thread(run, "export", "--tenant", "acme", "--output", file)
    monkeypatch.setenv("MNESIS_EMBEDDINGS_MODEL", "words")
    monkeypatch.setenv("MNESIS_EMBEDDINGS_URL", server.url)
    async with minded(database_url, server) as mind:
        await asyncio.to_thread(run, "import", "--tenant", STRANGER.tenant, file)
        assert rows(database_url, "SELECT count(*) FROM search WHERE tenant_id = 'other'") == [(17,)]
        await mind.settled(STRANGER)
        assert rows(database_url, "SELECT count(*) FROM embedding WHERE tenant_id = 'other'") == [(17,)]


def test_a_server_without_the_library_of_its_model_does_not_start(
    sqlite_url: str, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    # Stands before the installed one, and is no library.
    (tmp_path / "sitecustomize.py").write_text(
        "import importlib.util as u\nfound = u.find_spec\n"
        "u.find_spec = lambda name, *more: None if name == 'model2vec' else found(name, *more)\n"
    )
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")]))
    with pytest.raises(NotStarted), running_server(sqlite_url, embeddings_model="m"):
        pass
    assert "pip install 'mnesis[local-embeddings]'" in capfd.readouterr().err
