"""The client of embedding servers, against a real one on this machine."""

import base64
import email.utils
import json
import struct
import time

import numpy as np
import pytest

from mnesis.embedding.openai_compatible import OpenAICompatible
from mnesis.usecases.embedding import EmbedderUnavailable, TextRefused
from tests.embedding.speaking import DIMENSIONS, EmbeddingServer, Reply, length, vector_of

pytestmark = pytest.mark.anyio


async def test_texts_become_vectors_of_length_one_in_their_order(server: EmbeddingServer) -> None:
    embedder = server.embedder(key="sk-secret")
    texts = ["tea and toast", "a car", "tea tea tea"]
    found = await embedder.embed(texts)
    await embedder.close()
    for text, vector in zip(texts, found, strict=True):
        meant = vector_of(text)
        assert np.frombuffer(vector, "<f4").tolist() == pytest.approx([each / length(meant) for each in meant])
    [request] = server.requests
    assert request == {"path": "/v1/embeddings", "model": "words", "input": texts, "encoding_format": "float"}
    assert server.headers[0]["authorization"] == "Bearer sk-secret"


async def test_dimensions_are_asked_for_and_checked(server: EmbeddingServer) -> None:
    embedder = server.embedder(dimensions=DIMENSIONS)
    assert embedder.model == f"words@{DIMENSIONS}"
    assert len((await embedder.embed(["tea"]))[0]) == 4 * DIMENSIONS
    assert server.requests[0]["dimensions"] == DIMENSIONS
    with pytest.raises(EmbedderUnavailable, match=f"have {DIMENSIONS} dimensions, not 12"):
        await server.embedder(dimensions=12).embed(["tea"])


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503])
async def test_what_passes_is_tried_again(server: EmbeddingServer, status: int) -> None:
    server.replies += [Reply(status=status), Reply(status=status)]
    assert len(await server.embedder().embed(["tea"])) == 1
    assert len(server.requests) == 3


async def test_it_is_not_tried_for_ever(server: EmbeddingServer) -> None:
    server.always = Reply(status=500, body=b"<html>\n  oh  no </html>")
    with pytest.raises(EmbedderUnavailable, match="answered 500: <html> oh no </html>"):
        await server.embedder().embed(["tea"])
    assert len(server.requests) == 4


async def test_a_wait_that_is_asked_for_is_waited_for(server: EmbeddingServer) -> None:
    server.replies.append(Reply(status=429, headers={"retry-after": "0.4"}))
    begun = time.monotonic()
    await server.embedder().embed(["tea"])
    assert 0.4 <= time.monotonic() - begun < 3


@pytest.mark.parametrize("seconds", [30, 90])
async def test_a_long_wait_is_left_to_whoever_asks(server: EmbeddingServer, seconds: int) -> None:
    moment = email.utils.formatdate(time.time() + seconds, usegmt=True)
    server.always = Reply(status=429, headers={"retry-after": str(seconds) if seconds == 30 else moment})
    with pytest.raises(EmbedderUnavailable) as raised:
        await server.embedder().embed(["tea"])
    assert raised.value.retry_after_s == pytest.approx(seconds, abs=3)
    assert len(server.requests) == 1


@pytest.mark.parametrize("text", ["soon", "nan", "-5", "Tue, 99 Nonsense"])
async def test_a_wait_that_nobody_understands_is_none(server: EmbeddingServer, text: str) -> None:
    server.replies.append(Reply(status=503, headers={"retry-after": text}))
    assert len(await server.embedder().embed(["tea"])) == 1


async def test_who_waits_asks_once(server: EmbeddingServer) -> None:
    server.replies.append(Reply(status=500))
    with pytest.raises(EmbedderUnavailable):
        await server.embedder().embed(["tea"], urgent=True)
    assert len(server.requests) == 1


async def test_a_server_that_takes_too_long_is_not_waited_for(server: EmbeddingServer) -> None:
    server.delay_s = 1.0
    begun = time.monotonic()
    with pytest.raises(EmbedderUnavailable, match="did not answer: ReadTimeout"):
        await server.embedder(timeout_s=0.1).embed(["tea"], urgent=True)
    assert time.monotonic() - begun < 0.9


async def test_a_server_that_is_not_there_is_told_of() -> None:
    embedder = OpenAICompatible(
        base_url="http://127.0.0.1:1/v1", model="m", key=None, dimensions=None, batch=1, timeout_s=1, wait_s=(0, 0)
    )
    with pytest.raises(EmbedderUnavailable, match="did not answer: ConnectError"):
        await embedder.embed(["tea"])


@pytest.mark.parametrize("status", [400, 413, 422])
async def test_a_text_that_is_not_taken_is_refused_at_once(server: EmbeddingServer, status: int) -> None:
    server.always = Reply(status=status, body=b'{"error": "too long"}')
    with pytest.raises(TextRefused, match="too long"):
        await server.embedder().embed(["tea"])
    assert len(server.requests) == 1


@pytest.mark.parametrize("status", [301, 401, 403, 404])
async def test_what_an_operator_has_to_mend_is_no_fault_of_a_text(server: EmbeddingServer, status: int) -> None:
    server.always = Reply(status=status, headers={"location": "/elsewhere"})
    with pytest.raises(EmbedderUnavailable, match=f"answered {status}"):
        await server.embedder().embed(["tea"])
    assert len(server.requests) == 1


def answering(*embeddings: object, indexes: list[object] | None = None) -> bytes:
    rows = enumerate(embeddings) if indexes is None else zip(indexes, embeddings, strict=True)
    return json.dumps({"data": [{"index": at, "embedding": each} for at, each in rows]}).encode()


@pytest.mark.parametrize(
    "body",
    [
        b"not JSON",
        b"[]",
        b'{"data": 5}',
        b'{"data": [5, 6]}',
        b'{"data": [{"index": 0}, {"index": 1}]}',
        answering([1.0, 2.0]),
        answering([1.0], [1.0], [1.0]),
        answering([1.0], [1.0], indexes=[0, 0]),
        answering([1.0], [1.0], indexes=[1, 2]),
        answering([1.0], [1.0, 2.0]),
        answering([], []),
        answering([1.0], ["1.0"]),
        answering([1.0], [True]),
        answering([1.0], [None]),
        answering([1.0], [[1.0]]),
        answering([1.0], "?"),
        answering([1.0], "AAA="),
        answering([1e308, 1e308], [1.0, 1.0]),
        answering([1.0], base64.b64encode(struct.pack("<f", float("nan"))).decode()),
        answering([1.0], base64.b64encode(struct.pack("<f", float("inf"))).decode()),
    ],
)
async def test_garbage_is_not_believed(server: EmbeddingServer, body: bytes) -> None:
    server.always = Reply(body=body)
    with pytest.raises(EmbedderUnavailable):
        await server.embedder().embed(["tea", "toast"])


async def test_an_answer_without_end_is_not_read(server: EmbeddingServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mnesis.embedding.openai_compatible.ANSWER_BYTES", 1_000)
    server.always = Reply(body=b" " * 2_000)
    with pytest.raises(EmbedderUnavailable, match="larger than 1000 bytes"):
        await server.embedder().embed(["tea"])


async def test_base64_is_understood_and_no_direction_is_nothing(server: EmbeddingServer) -> None:
    server.always = Reply(body=answering(base64.b64encode(struct.pack("<2f", 3, 4)).decode(), [0.0, 0.0]))
    three_four, nothing = await server.embedder().embed(["tea", ""])
    assert np.frombuffer(three_four, "<f4").tolist() == pytest.approx([0.6, 0.8])
    assert nothing == b""
