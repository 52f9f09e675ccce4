"""What every test of embedding finds."""

from collections.abc import Iterator

import pytest

from tests.embedding.speaking import EmbeddingServer, embedding_server


@pytest.fixture
def server() -> Iterator[EmbeddingServer]:
    with embedding_server() as running:
        yield running
