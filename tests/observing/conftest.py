"""The log of a test."""

from collections.abc import Iterator

import pytest

from tests.observing.written import Written, writing


@pytest.fixture
def written() -> Iterator[Written]:
    with writing() as everything:
        yield everything
