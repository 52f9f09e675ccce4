"""The PyPI client ``alchemystai`` against a running server, through every call that the façade serves."""

import time
from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx
import pytest
from alchemyst_ai import (
    AlchemystAI,
    APIStatusError,
    AsyncAlchemystAI,
    AuthenticationError,
    BadRequestError,
    ConflictError,
    NotFoundError,
    PermissionDeniedError,
    UnprocessableEntityError,
)

from mnesis.domain.caller import Scope
from mnesis.web.tokens import issue_token
from tests.facades.alchemyst import SECRET
from tests.server.running import RunningServer, running_server

TEXT = "The Scale plan costs 99 euros a month."
DOCUMENT: dict[str, Any] = {
    "documents": [{"content": TEXT}],
    "source": "web-upload",
    "context_type": "resource",
    "scope": "internal",
    "metadata": {
        "file_name": "pricing.md",
        "file_type": "text/markdown",
        "group_name": ["sales"],
        "last_modified": "2026-01-31T12:00:00Z",
        "file_size": 38,
    },
}


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


def test_documents_searches_and_traces(client: AlchemystAI) -> None:
    context = client.v1.context
    added = context.add(**DOCUMENT)
    assert (added.success, added.processed_documents) == (True, 1)
    with pytest.raises(ConflictError):
        context.add(**DOCUMENT)
    [file] = context.view.docs().documents
    assert (file.file_name, file.file_type, file.group_name) == ("pricing.md", "text/markdown", ["sales"])
    assert (file.last_modified, file.file_size) == ("2026-01-31T12:00:00Z", 38)
    viewed = context.view.retrieve(file_name="pricing.md")
    assert [each.content for each in viewed.contexts] == [TEXT]
    found = context.search(
        query="What does the Scale plan cost?",
        similarity_threshold=0.8,
        minimum_similarity_threshold=0.5,
        metadata="true",
        mode="standard",
        body_metadata={"group_name": ["sales"]},
        scope="internal",
    )
    assert found.contexts is not None
    [answer] = found.contexts
    assert (answer.content, answer.score) == (TEXT, 1.0)
    assert answer.created_at is not None
    listed = context.traces.list(page=1, limit=5)
    assert (listed.pagination.total, listed.pagination.has_next_page) == (1, False)
    assert context.traces.delete(listed.traces[0].api_id).trace.api_id == listed.traces[0].api_id
    with pytest.raises(NotFoundError):
        context.traces.delete(listed.traces[0].api_id)
    # Strictly, this client would want JSON from what answers 204, as it is documented to.
    lax = client.with_options(max_retries=0)
    lax.v1.context.delete(source="web-upload", organization_id="acme")
    assert context.view.docs().documents == []


def test_jobs(client: AlchemystAI) -> None:
    jobs = client.v1.context.add_async
    queued = jobs.create(**{**DOCUMENT, "documents": [{"content": f"Part {number}."} for number in range(40)]})
    assert queued.queued
    for _ in range(500):
        job = jobs.status.retrieve(queued.job_id)
        if job.status not in ("waiting", "active"):
            break
        time.sleep(0.02)
    assert (job.success, job.status, job.attempts_made) == (True, "completed", 1)
    assert job.result == {"documents": 40, "processed_documents": 40}
    [listed] = jobs.status.list(type="completed", limit="10", offset="0").jobs
    assert (listed.job_id, listed.status) == (queued.job_id, "completed")
    with pytest.raises(ConflictError):
        jobs.cancel(queued.job_id)
    with pytest.raises(NotFoundError):
        jobs.status.retrieve("nobody")
    assert len(client.v1.context.view.retrieve().contexts) == 40


def test_a_waiting_job_is_cancelled(server: RunningServer, client: AlchemystAI) -> None:
    jobs = client.v1.context.add_async
    ids = []
    for number in range(8):
        documents = [{"content": f"Part {part} of {number}."} for part in range(50)]
        ids.append(jobs.create(**{**DOCUMENT, "metadata": {}, "documents": documents}).job_id)
    # The jobs before it keep the server busy.
    cancelled = jobs.cancel(ids[-1])
    assert (cancelled.success, cancelled.status) == (True, "cancelled")
    assert (cancelled.job_id, cancelled.message) == (ids[-1], "Job cancelled successfully")


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
