"""Semantic and hybrid searches, and the searching calls of the PyPI client ``opensearch-py``."""

import time
from collections.abc import Iterator
from typing import Any

import pytest
from opensearchpy import OpenSearch, RequestError

from tests.embedding.speaking import EmbeddingServer, Reply, embedding_server
from tests.facades.opensearch import CONTAINERS, MODELS, SECRET, House, served
from tests.facades.test_opensearch_client import token
from tests.server.running import running_server

FACTS = {
    "The automobile is red.": {"user": "ann"},
    "A car.": {"user": "ann", "n": 5},
    "Rain and wind.": {"user": "bob"},
    "Which beverage? Tea.": {},
}


@pytest.fixture
def model() -> Iterator[EmbeddingServer]:
    with embedding_server() as running:
        yield running


@pytest.fixture
def house(database_url: str, model: EmbeddingServer) -> Iterator[House]:
    with served(database_url, embeddings_url=model.url, embeddings_model="words") as house:
        yield house


@pytest.fixture
def box(house: House) -> str:
    """A container with the facts, all of them embedded, beside another one with one of them."""
    box = house.container("box", **MODELS)
    for text, namespace in FACTS.items():
        house.fact(box, text, namespace=namespace, tags={"words": len(text.split())})
    house.fact(house.container("other", **MODELS), "A car.")
    wait_until_embedded(house)
    return box


def wait_until_embedded(house: House) -> None:
    for _ in range(400):
        if house.graphql("{ viewer { awaitingEmbedding } }")["awaitingEmbedding"] == 0:
            return
        time.sleep(0.05)
    raise AssertionError("Something still awaits embedding.")


def memories(house: House, box: str, search: str, **body: Any) -> list[str]:
    answer = house.ok("POST", f"{box}/memories/long-term/_{search}_search", body)
    hits = answer["hits"]
    assert hits["total"] == {"value": len(hits["hits"]), "relation": "eq"}
    assert hits["max_score"] == (hits["hits"][0]["_score"] if hits["hits"] else None)
    scores = [hit["_score"] for hit in hits["hits"]]
    assert scores == sorted(scores, reverse=True)
    assert all(0 < score <= 1 for score in scores)
    return [hit["_source"]["memory"] for hit in hits["hits"]]


def test_memories_are_found_by_meaning(house: House, box: str) -> None:
    asked = {"query": "Which vehicle is red?"}
    found = memories(house, box, "semantic", **asked)
    assert found[0] == "The automobile is red."
    assert found.count("A car.") == 1
    assert memories(house, box, "semantic", **asked, k=1) == found[:1]
    assert memories(house, box, "semantic", **asked, namespace={"n": 5}) == ["A car."]
    assert memories(house, box, "semantic", **asked, namespace={"user": "ann"}, tags={"words": "4"}) == found[:1]
    assert memories(house, box, "semantic", **asked, filter={"wildcard": {"namespace.n": "?"}}) == ["A car."]
    assert memories(house, box, "semantic", **asked, filter={"wildcard": {"namespace.n": "no"}}) == []
    assert memories(house, box, "semantic", **asked, min_score=1) == []
    # As OpenSearch counts a cosine: half of it above one half.
    assert memories(house, box, "semantic", query="A car.", min_score=0.99) == ["A car."]


def test_words_and_meaning_count_as_they_are_weighted(house: House, box: str) -> None:
    asked = {"query": "beverage automobile"}
    both = memories(house, box, "hybrid", **asked)
    assert {"The automobile is red.", "Which beverage? Tea."} <= set(both)
    words = memories(house, box, "hybrid", query="vehicle tea", bm25_weight=1.0, neural_weight=0, min_score=0.5)
    assert words == ["Which beverage? Tea."]
    meaning = memories(house, box, "hybrid", query="vehicle", bm25_weight=0, neural_weight=1.0)
    assert meaning[0] == "A car."
    assert memories(house, box, "hybrid", **asked, filter={"term": {"namespace.user": "ann"}})[0] == (
        "The automobile is red."
    )


@pytest.mark.parametrize("search", ["semantic", "hybrid"])
def test_what_cannot_be_asked_is_refused_in_opensearchs_words(sqlite_url: str, search: str) -> None:
    with served(sqlite_url) as house:
        box = house.container("box", **MODELS)
        path = f"{box}/memories/long-term/_{search}_search"
        name = search.capitalize()

        def refused(body: object, path: str = path) -> tuple[int, str]:
            status, _, reason = house.refused("POST", path, body)
            return status, reason

        assert refused(None) == (400, f"{name} search memories request has empty body")
        for query in ({}, {"query": None}, {"query": " "}):
            assert refused(query) == (400, "query cannot be null or blank")
        for k in (0, 10_001, "x", True):
            assert refused({"query": "q", "k": k}) == (400, "k must be between 1 and 10000")
        for wrong in (
            {"query": 1},
            {"query": "x" * 1_001},
            {"query": "q", "min_score": "x"},
            {"query": "q", "namespace": []},
            {"query": "q", "tags": {"x": [1]}},
            {"query": "q", "filter": {"knn": {}}},
            {"query": "q", "x": 1},
        ):
            assert refused(wrong)[0] == 400
        plain = house.container("plain")
        assert refused({"query": "q"}, f"{plain}/memories/long-term/_{search}_search")[1].startswith(
            f"This memory container does not have an embedding model configured. {name} search requires"
        )
        models = {key: value for key, value in MODELS.items() if key != "strategies"}
        bare = house.container("bare", **models)
        assert refused({"query": "q"}, f"{bare}/memories/long-term/_{search}_search")[1].startswith(
            f"This memory container does not have any memory strategies configured. {name} search requires"
        )
        unable = "This server has no embedding model, so that nothing can be found by meaning."
        assert refused({"query": "q"}) == (400, unable)
        # One that was made in GraphQL has no configuration to lack anything.
        assert refused({"query": "q"}, f"{CONTAINERS}/default/memories/long-term/_{search}_search") == (400, unable)


def test_weights_are_checked(sqlite_url: str) -> None:
    with served(sqlite_url) as house:
        path = f"{house.container('box', **MODELS)}/memories/long-term/_hybrid_search"
        for weights, reason in (
            ({"bm25_weight": 2}, "bm25_weight and neural_weight must be between 0.0 and 1.0"),
            ({"bm25_weight": 0.7}, "bm25_weight and neural_weight must sum to 1.0, got 1.2"),
            ({"neural_weight": "x"}, "neural_weight must be a number"),
        ):
            assert house.refused("POST", path, {"query": "q", **weights})[1:] == ("illegal_argument_exception", reason)


def test_a_model_that_does_not_answer_is_told(house: House, box: str, model: EmbeddingServer) -> None:
    model.always = Reply(status=500)
    refused = house.refused("POST", f"{box}/memories/long-term/_semantic_search", {"query": "something new"})
    assert refused == (503, "status_exception", "The embedding model does not answer now; try again later.")


def test_the_client_searches_and_deletes(database_url: str, model: EmbeddingServer) -> None:
    settings = {"embeddings_url": model.url, "embeddings_model": "words"}
    with (
        running_server(database_url, auth_secret=SECRET, facades="opensearch", **settings) as server,
        OpenSearch(hosts=[server.url], http_auth=("admin", token())) as client,
    ):
        ml: Any = client.plugins.ml
        ml.create_memory_container(body={"name": "n", "memory_container_id": "box", "configuration": MODELS})
        for user in ("ann", "bob"):
            ml.add_agentic_memory(
                memory_container_id="box", body={"payload_type": "data", "namespace": {"user_id": user}}
            )
        query = {"query": {"term": {"namespace.user_id": "ann"}}}
        place = {"memory_container_id": "box", "doc_type": "working"}
        assert ml.search_agentic_memory(**place, body=query)["hits"]["total"]["value"] == 1
        assert ml.delete_agentic_memory_query(**place, body=query)["deleted"] == 1
        left = ml.search_agentic_memory(**place, body={})["hits"]["hits"]
        assert [hit["_source"]["namespace"] for hit in left] == [{"user_id": "bob"}]
        found: Any = ml.search_memory_container(body={"query": {"match": {"name": "n"}}})
        assert [hit["_id"] for hit in found["hits"]["hits"]] == ["box"]
        with pytest.raises(RequestError) as refused:
            ml.search_agentic_memory(**place, body={"query": {"fuzzy": {"a": "b"}}})
        assert (refused.value.status_code, refused.value.error) == (400, "parsing_exception")
        for search in ("semantic", "hybrid"):
            path = f"{CONTAINERS}/box/memories/long-term/_{search}_search"
            for method in ("GET", "POST"):
                answer: Any = client.transport.perform_request(method, path, body={"query": "tea"})
                assert answer["hits"]["hits"] == []
