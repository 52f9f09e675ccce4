"""A server that speaks OpenAI's embeddings format, over real HTTP, with vectors that tests can foresee.

A text's vector has a number for each word; words that mean the same have the same place.
"""

import json
import math
import re
import threading
import time
import zlib
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from mnesis.embedding.openai_compatible import OpenAICompatible

DIMENSIONS = 256
MEANS = {"automobile": "car", "vehicle": "car", "feline": "cat", "kitten": "cat", "beverage": "tea", "infusion": "tea"}


def vector_of(text: str) -> list[float]:
    """Counts of words, hashed."""
    numbers = [0.0] * DIMENSIONS
    for word in re.findall(r"\w+", text.lower()):
        numbers[zlib.crc32(MEANS.get(word, word).encode()) % DIMENSIONS] += 1.0
    return numbers


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What the server says instead of an answer."""

    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b"{}"
    delay_s: float = 0.0


class EmbeddingServer:
    """``replies`` are given once each, before it answers as it should; ``always`` is given whatever is asked."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.requests: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.replies: deque[Reply] = deque()
        self.always: Reply | None = None
        self.delay_s = 0.0
        self.refuses: re.Pattern[str] | None = None
        """Texts in which this is found are answered with 400."""
        self.longest: int | None = None

    @property
    def texts(self) -> list[str]:
        """Every text that was ever sent, in order."""
        return [text for request in self.requests for text in request["input"]]

    def embedder(
        self, *, model: str = "words", batch: int = 8, timeout_s: float = 5.0, **given: Any
    ) -> OpenAICompatible:
        """A client of it that does not wait long."""
        settings = {"key": None, "dimensions": None, "wait_s": (0.01, 0.05), **given}
        return OpenAICompatible(base_url=self.url, model=model, batch=batch, timeout_s=timeout_s, **settings)

    def reply(self, request: dict[str, Any]) -> Reply:
        if self.always is not None:
            return self.always
        if self.replies:
            return self.replies.popleft()
        texts: list[str] = request["input"]
        if any(
            (self.refuses is not None and self.refuses.search(text))
            or (self.longest is not None and len(text) > self.longest)
            for text in texts
        ):
            return Reply(status=400, body=b'{"error": {"message": "too long"}}')
        data = [{"object": "embedding", "index": at, "embedding": vector_of(text)} for at, text in enumerate(texts)]
        # Nothing says that they come in order.
        data.reverse()
        return Reply(body=json.dumps({"object": "list", "data": data, "model": request["model"]}).encode())


@contextmanager
def embedding_server() -> Iterator[EmbeddingServer]:
    """The server, as long as the block lasts."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            request = {**json.loads(body), "path": self.path}
            server.requests.append(request)
            server.headers.append({name.lower(): value for name, value in self.headers.items()})
            reply = server.reply(request)
            time.sleep(server.delay_s + reply.delay_s)
            try:
                self.send_response(reply.status)
                for name, value in {**reply.headers, "content-length": str(len(reply.body))}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(reply.body)
            except OSError:
                # The client did not wait for it.
                self.close_connection = True

        def log_message(self, *_: object) -> None:
            pass

    listener = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    listener.daemon_threads = True
    server = EmbeddingServer(f"http://127.0.0.1:{listener.server_port}/v1")
    thread = threading.Thread(target=listener.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        listener.shutdown()
        listener.server_close()
        thread.join()


def length(vector: list[float]) -> float:
    """Of a vector."""
    return math.sqrt(sum(number * number for number in vector))
