"""Databases beside the one that a test runs on."""

import shutil
from pathlib import Path

import pytest

from tests.storage.workbench import is_sqlite


@pytest.fixture
def other_url(database_url: str, tmp_path: Path, sqlite_template: Path, request: pytest.FixtureRequest) -> str:
    """A database of the other kind."""
    if is_sqlite(database_url):
        url: str = request.getfixturevalue("postgresql_url")
        return url
    shutil.copy(sqlite_template, tmp_path / "other.db")
    return f"sqlite:///{tmp_path / 'other.db'}"
