"""The PyPI client ``alchemystai`` against a running server, through every call that the façade serves."""

from collections.abc import AsyncIterator, Iterator

import httpx
import pytest
from alchemyst_ai import (
    AlchemystAI,
    APIStatusError,
    AsyncAlchemystAI,
    AuthenticationError,
    BadRequestError,
    NotFoundError,
    PermissionDeniedError,
    UnprocessableEntityError,
)

from mnesis.domain.caller import Scope
from mnesis.web.tokens import issue_token
from tests.facades.alchemyst import SECRET
from tests.server.running import RunningServer, running_server


def key(*scopes: Scope) -> str:
    return issue_token(secret=SECRET, tenant="acme", subject="ann", scopes=scopes or [Scope.WRITE], expires_in_s=600)


@pytest.fixture
def server(database_url: str) -> Iterator[RunningServer]:
    with running_server(database_url, auth_secret=SECRET, facades="alchemyst", limit_commands=50) as running:
        yield running


def client_of(server: RunningServer, api_key: str) -> AlchemystAI:
    # Strict: an answer that lacks a documented field, or has one of another type, fails.
    return AlchemystAI(base_url=server.url, api_key=api_key, max_retries=0, _strict_response_validation=True)


@pytest.fixture
def client(server: RunningServer) -> Iterator[AlchemystAI]:
    with client_of(server, key()) as client:
        yield client


def contents_of(server: RunningServer, session_id: str) -> list[str]:
    """What GraphQL shows of a session."""
    document = (
        f'{{ memory(type: SESSION, id: "{session_id}")'
        " { ... on SessionMemory { entries { nodes { content } } } } }"
    )
    answer = httpx.post(server.graphql, json={"query": document}, headers={"Authorization": f"Bearer {key()}"}).json()
    return [entry["content"] for entry in answer["data"]["memory"]["entries"]["nodes"]]


def test_sessions(server: RunningServer, client: AlchemystAI) -> None:
    memory = client.v1.context.memory
    added = memory.add(
        session_id="trip",
        contents=[{"content": "One.", "metadata": {"message_id": "m1"}}],
        metadata={"group_name": ["trips"]},
    )
    assert (added.success, added.context_id, added.processed_documents) == (True, "trip", 1)
    updated = memory.update(
        session_id="trip",
        contents=[
            {"id": "m1", "content": "Uno.", "created_at": "2026-01-31T12:00:00Z", "metadata": {"a": 1}},
            {"id": "m2", "content": "Two.", "role": "assistant"},
        ],
    )
    assert (updated.success, updated.memory_id, updated.updated_entries) == (True, "trip", 2)
    assert contents_of(server, "trip") == ["Uno.", "Two."]
    memory.delete(memory_id="trip", organization_id=None)
    with pytest.raises(NotFoundError):
        memory.update(session_id="trip", contents=[])


def test_errors_have_their_types(server: RunningServer, client: AlchemystAI) -> None:
    memory = client.v1.context.memory
    with pytest.raises(BadRequestError) as bad:
        memory.update(session_id="", contents=[])
    assert isinstance(bad.value.body, dict)
    assert bad.value.body["error"] == {
        "code": "INVALID_REQUEST",
        "message": "sessionId field is required",
        "details": {"path": ["sessionId"]},
    }
    with client_of(server, "nonsense") as stranger, pytest.raises(AuthenticationError):
        stranger.v1.context.memory.update(session_id="s", contents=[])
    with client_of(server, key(Scope.READ)) as reader, pytest.raises(PermissionDeniedError):
        reader.v1.context.memory.update(session_id="s", contents=[])
    with pytest.raises(APIStatusError) as large:
        memory.add(session_id="s", contents=[{"content": "x"}] * 51)
    assert large.value.status_code == 413
    once = {"Idempotency-Key": "k"}
    memory.add(session_id="s", contents=[{"content": "x"}], extra_headers=once)
    with pytest.raises(UnprocessableEntityError):
        memory.add(session_id="s", contents=[{"content": "y"}], extra_headers=once)


@pytest.fixture
async def waiting(server: RunningServer) -> AsyncIterator[AsyncAlchemystAI]:
    async with AsyncAlchemystAI(base_url=server.url, api_key=key(), max_retries=0) as client:
        yield client


@pytest.mark.anyio
async def test_the_asynchronous_client(server: RunningServer, waiting: AsyncAlchemystAI) -> None:
    memory = waiting.v1.context.memory
    await memory.add(session_id="trip", contents=[{"content": "One.", "id": "m1"}])
    updated = await memory.update(session_id="trip", contents=[{"id": "m1", "content": "Uno."}])
    assert updated.updated_entries == 1
    assert contents_of(server, "trip") == ["Uno."]
