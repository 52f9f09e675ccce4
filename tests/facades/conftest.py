"""Applications with a façade, over real databases."""

from collections.abc import Iterator

import pytest

from tests.facades.alchemyst import Both
from tests.facades.alchemyst import served as served_to_alchemyst
from tests.facades.opensearch import House
from tests.facades.opensearch import served as served_to_opensearch


@pytest.fixture
def both(database_url: str) -> Iterator[Both]:
    """Alchemyst's, for what is stored and read back: on every database."""
    with served_to_alchemyst(database_url) as both:
        yield both


@pytest.fixture
def speak(sqlite_url: str) -> Iterator[Both]:
    """Alchemyst's, for what does not depend on the database: on SQLite."""
    with served_to_alchemyst(sqlite_url) as both:
        yield both


@pytest.fixture
def house(database_url: str) -> Iterator[House]:
    """OpenSearch's, for what is stored and read back: on every database."""
    with served_to_opensearch(database_url) as house:
        yield house


@pytest.fixture
def one_house(sqlite_url: str) -> Iterator[House]:
    """OpenSearch's, for what does not depend on the database: on SQLite."""
    with served_to_opensearch(sqlite_url) as house:
        yield house
