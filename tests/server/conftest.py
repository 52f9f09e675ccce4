"""A running server for every test of this folder that asks for one."""

from collections.abc import Iterator

import pytest

from tests.server.running import RunningServer, running_server


@pytest.fixture
def server(database_url: str) -> Iterator[RunningServer]:
    """A server without authentication, once on SQLite and once on PostgreSQL."""
    with running_server(database_url) as running:
        yield running
