"""Models that run in the server itself: static ones of Model2Vec, which need no GPU and a few tens of megabytes.

The library comes with the extra ``local-embeddings``, and is imported when it is first needed.
"""

import asyncio
import importlib.util
import logging
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from mnesis.embedding.checking import checked
from mnesis.usecases.embedding import EmbedderUnavailable

log = logging.getLogger("mnesis.embedding")

LIBRARY = "model2vec"


class LibraryMissing(Exception):
    """The extra is not installed."""


class LocalModel:
    """``model`` is a folder, or a name at Hugging Face, from where it is downloaded once."""

    def __init__(self, *, model: str, dimensions: int | None, batch: int, library: str = LIBRARY) -> None:
        """Raises `LibraryMissing`."""
        if importlib.util.find_spec(library) is None:
            raise LibraryMissing(f"The library {library} is not installed.")
        self.model = model if dimensions is None else f"{model}@{dimensions}"
        self.batch = batch
        self._name = model
        self._dimensions = dimensions
        self._loaded: Any = None
        # One thread: a model uses what it needs of the machine by itself. It is not the loop's own pool, which a long
        # download would keep from others.
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="mnesis-embedding")

    async def embed(self, texts: Sequence[str], *, urgent: bool = False) -> Sequence[bytes]:
        """See `mnesis.usecases.embedding.Embedder`."""
        try:
            work = asyncio.get_running_loop().run_in_executor(self._thread, self._embedded, list(texts))
        except RuntimeError as fault:
            raise EmbedderUnavailable("The model is closed.") from fault
        return await work

    async def close(self) -> None:
        # Not waited for: a download can take long, and nothing is lost.
        self._thread.shutdown(wait=False, cancel_futures=True)

    def _embedded(self, texts: list[str]) -> list[bytes]:
        try:
            if self._loaded is None:
                self._loaded = self._load()
            # Static models take texts of any length; the default of 512 tokens would leave out most of a long one.
            vectors = self._loaded.encode(texts, max_length=None)
        except Exception as fault:
            raise EmbedderUnavailable(f"The model {self._name} does not work: {fault}") from fault
        return checked(list(vectors), texts=len(texts), dimensions=self._dimensions)

    def _load(self) -> Any:
        from model2vec import StaticModel

        model = StaticModel.from_pretrained(self._name, dimensionality=self._dimensions, force_download=False)
        log.info("The embedding model %s is loaded.", self._name)
        return model
