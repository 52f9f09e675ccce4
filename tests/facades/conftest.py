"""Applications with a façade, over real databases."""

from collections.abc import Iterator

import pytest

from tests.facades.alchemyst import Both, served


@pytest.fixture
def both(database_url: str) -> Iterator[Both]:
    """For what is stored and read back: on every database."""
    with served(database_url) as both:
        yield both


@pytest.fixture
def speak(sqlite_url: str) -> Iterator[Both]:
    """For what does not depend on the database: on SQLite."""
    with served(sqlite_url) as both:
        yield both
