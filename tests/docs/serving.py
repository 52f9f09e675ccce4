"""A server as the guides assume it: with authentication, for a tenant that has no memories yet."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from tests.server.running import RunningServer, running_server

SECRET = "a secret of at least thirty-two bytes"


@contextmanager
def authenticated_server(folder: Path, **env: object) -> Iterator[RunningServer]:
    url = f"sqlite:///{folder / 'memories.db'}"
    with running_server(url, auth_secret=SECRET, log_level="warning", **env) as running:
        yield running


def token(tenant: str = "acme") -> str:
    """What ``mnesis token`` prints, with the scope ``memory:write``."""
    given = ["--tenant", tenant, "--subject", "ada", "--scope", "memory:write", "--expires-in", "10m"]
    environment = {**os.environ, "MNESIS_AUTH_SECRET": SECRET}
    command = [sys.executable, "-m", "mnesis", "token", *given]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout.strip()


_headers: dict[str, str] = {}


def create(server: RunningServer, text: str) -> str:
    """Creates a long-term memory as another program would; its id."""
    if not _headers:
        _headers["Authorization"] = f"Bearer {token()}"
    document = "mutation($text: String!) { createMemory(input: { longTerm: { memory: $text } }) { memory { id } } }"
    asked = {"query": document, "variables": {"text": text}}
    answer = httpx.post(server.graphql, json=asked, headers=_headers).raise_for_status().json()
    memory_id: str = answer["data"]["createMemory"]["memory"]["id"]
    return memory_id
