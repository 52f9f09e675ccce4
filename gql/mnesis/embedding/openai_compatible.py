"""Models behind an HTTP API of the form that OpenAI has: ``POST {base}/embeddings``.

Ollama, vLLM, llama.cpp, Text Embeddings Inference, LiteLLM and many providers speak it too.
"""

import asyncio
import base64
import binascii
import email.utils
import math
import time
from collections.abc import Sequence
from typing import Any

import httpx
import numpy as np
import orjson
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception, stop_after_attempt, wait_random_exponential

from mnesis import __version__
from mnesis.embedding.checking import checked
from mnesis.usecases.embedding import EmbedderUnavailable, TextRefused

ATTEMPTS = 4
"""How often a request is made before the texts are put off."""
WAIT_S = (0.5, 8.0)
"""How long is waited between attempts, about, the first and at most."""
MOST_RETRY_AFTER_S = 20.0
"""How long a wait that the server asks for is waited for here; for a longer one the texts are put off."""
ANSWER_BYTES = 64 * 1024 * 1024
_REFUSING = (400, 413, 422)
"""What a server says of texts that it does not take. Anything else may be mended without touching the texts."""
_PASSING = (408, 409, 425, 429)


class _Retry(EmbedderUnavailable):
    """The same request may succeed when it is made again."""


class OpenAICompatible:
    """One model of one server. The connection is made when it is first needed."""

    def __init__(
        self,
        *,
        base_url: str,
        model: str,
        key: str | None,
        dimensions: int | None,
        batch: int,
        timeout_s: float,
        wait_s: tuple[float, float] = WAIT_S,
    ) -> None:
        # Another number of dimensions is another space.
        self.model = model if dimensions is None else f"{model}@{dimensions}"
        self.batch = batch
        self._name = model
        self._dimensions = dimensions
        self._timeout_s = timeout_s
        self._wait = wait_random_exponential(multiplier=wait_s[0], max=wait_s[1])
        self._address = f"{base_url.rstrip('/')}/embeddings"
        headers = {"User-Agent": f"mnesis/{__version__}", "Accept": "application/json"}
        if key:
            headers["Authorization"] = f"Bearer {key}"
        # Redirects are not followed: the operator named one address, and the key is for that one.
        self._http = httpx.AsyncClient(headers=headers, timeout=timeout_s, follow_redirects=False)

    async def embed(self, texts: Sequence[str], *, urgent: bool = False) -> Sequence[bytes]:
        """See `mnesis.usecases.embedding.Embedder`."""
        if urgent:
            return await self._asked(texts)
        attempts = AsyncRetrying(
            retry=retry_if_exception(lambda fault: isinstance(fault, _Retry) and not _too_long(fault)),
            stop=stop_after_attempt(ATTEMPTS),
            wait=self._pause_s,
            reraise=True,
        )
        return await attempts(self._asked, texts)

    async def close(self) -> None:
        await self._http.aclose()

    def _pause_s(self, state: RetryCallState) -> float:
        fault = state.outcome.exception() if state.outcome is not None else None
        wanted_s = fault.retry_after_s if isinstance(fault, _Retry) else None
        return max(self._wait(state), wanted_s or 0.0)

    async def _asked(self, texts: Sequence[str]) -> list[bytes]:
        body: dict[str, Any] = {"model": self._name, "input": list(texts), "encoding_format": "float"}
        if self._dimensions is not None:
            body["dimensions"] = self._dimensions
        try:
            # httpx bounds each wait for bytes; the outer bound is for a server that sends them one by one.
            async with (
                asyncio.timeout(2 * self._timeout_s),
                self._http.stream(
                    "POST", self._address, content=orjson.dumps(body), headers={"Content-Type": "application/json"}
                ) as answer,
            ):
                content = await _content(answer)
        except (httpx.RequestError, TimeoutError) as fault:
            raise _Retry(f"The embedding server did not answer: {type(fault).__name__} {fault}".rstrip()) from fault
        if answer.status_code != 200:
            raise _fault(answer, content)
        return checked(_vectors(content), texts=len(texts), dimensions=self._dimensions)


async def _content(answer: httpx.Response) -> bytes:
    content = bytearray()
    async for chunk in answer.aiter_bytes():
        content += chunk
        if len(content) > ANSWER_BYTES:
            raise EmbedderUnavailable(f"The embedding server's answer is larger than {ANSWER_BYTES} bytes.")
    return bytes(content)


def _too_long(fault: EmbedderUnavailable) -> bool:
    return fault.retry_after_s is not None and fault.retry_after_s > MOST_RETRY_AFTER_S


def _fault(answer: httpx.Response, content: bytes) -> Exception:
    status = answer.status_code
    said = f"The embedding server answered {status}: {_said(content)}"
    if status in _REFUSING:
        return TextRefused(said)
    if status in _PASSING or status >= 500:
        return _Retry(said, retry_after_s=_retry_after_s(answer.headers.get("retry-after")))
    return EmbedderUnavailable(said)


def _said(content: bytes) -> str:
    """The beginning of what a server says, on one line, for the log."""
    return " ".join(content[:500].decode(errors="replace").split())


def _retry_after_s(text: str | None) -> float | None:
    """Seconds, or a date (RFC 9110, 10.2.3)."""
    if text is None:
        return None
    try:
        seconds = float(text)
    except ValueError:
        try:
            seconds = email.utils.parsedate_to_datetime(text).timestamp() - time.time()
        except ValueError:
            return None
    return max(seconds, 0.0) if math.isfinite(seconds) else None


def _vectors(content: bytes) -> list[Any]:
    """The embeddings in the order of the texts, which is that of their indexes and not that of the list."""
    try:
        answer = orjson.loads(content)
    except orjson.JSONDecodeError:
        raise EmbedderUnavailable("The embedding server's answer is not JSON.") from None
    listed = answer.get("data") if isinstance(answer, dict) else None
    if not isinstance(listed, list) or not all(isinstance(each, dict) for each in listed):
        raise EmbedderUnavailable("The embedding server's answer has no list of embeddings.")
    by_index = {each.get("index", place): each.get("embedding") for place, each in enumerate(listed)}
    if set(by_index) != set(range(len(listed))):
        raise EmbedderUnavailable("The embedding server's answer has not one embedding for each index.")
    return [_numbers(by_index[place]) for place in range(len(listed))]


def _numbers(embedding: object) -> object:
    """Some servers send base64 whatever they are asked for."""
    if isinstance(embedding, str):
        try:
            return np.frombuffer(base64.b64decode(embedding, validate=True), "<f4")
        except (binascii.Error, ValueError):
            raise EmbedderUnavailable("The embedding server's answer holds text that is no embedding.") from None
    if not isinstance(embedding, list) or not all(type(number) in (int, float) for number in embedding):
        raise EmbedderUnavailable("The embedding server's answer holds something other than numbers.")
    return embedding
