"""Searches where the server has an embedding model: a score is the similarity of the meanings."""

import time
from typing import Any

from tests.embedding.speaking import Reply, embedding_server
from tests.facades.alchemyst import Both, served
from tests.facades.test_alchemyst_documents import SEARCH

ASKED = {**SEARCH, "query": "Which vehicle is red?", "minimum_similarity_threshold": 0}


def asked(both: Both, mode: str = "standard", **changed: Any) -> dict[str, float]:
    answer = both.post(f"/search?mode={mode}", {**ASKED, **changed})
    assert answer.status_code == 202, answer.text
    return {context["content"]: context["score"] for context in answer.json()["contexts"]}


def settled(both: Both) -> None:
    for _ in range(1_000):
        if both.graphql("{ viewer { awaitingEmbedding } }") == {"awaitingEmbedding": 0}:
            return
        time.sleep(0.01)
    raise AssertionError("Something still awaits embedding.")


def test_scores_are_similarities_from_0_to_1(database_url: str) -> None:
    with (
        embedding_server() as server,
        served(database_url, embeddings_model="words", embeddings_url=server.url) as both,
    ):
        contents = [{"content": text} for text in ("The automobile is red.", "A car.", "Rain and wind.")]
        both.post("/memory/add", {"sessionId": "s", "contents": contents})
        settled(both)
        scores = asked(both)
        assert list(scores) == ["The automobile is red.", "A car."]
        assert 0 < scores["A car."] < scores["The automobile is red."] <= 1
        between = (scores["A car."] + scores["The automobile is red."]) / 2
        least: dict[str, Any] = {"minimum_similarity_threshold": between, "similarity_threshold": 1}
        assert list(asked(both, **least)) == ["The automobile is red."]
        # By words, and so without asking the model. What was said just before helps an entry, but only so much.
        asks = len(server.requests)
        sure: dict[str, Any] = {"minimum_similarity_threshold": 0.9, "similarity_threshold": 0.9}
        assert list(asked(both, "fast", query="a car of another colour", **sure)) == ["A car."]
        assert len(server.requests) == asks
        # While the model is away, too.
        server.always = Reply(status=500)
        assert asked(both, query="wind or rain", **sure) == {"Rain and wind.": 1.0}
