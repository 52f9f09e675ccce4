"""The documented examples of the two APIs that this one grew from, field for field."""

from typing import Any

import pytest

from tests.graph.client import UPDATE, Client

pytestmark = pytest.mark.anyio

ALCHEMYST: dict[str, Any] = {
    "sessionId": "support-thread-TCK-1234",
    "contents": [
        {
            "content": "Customer asked about pricing for the Scale plan.",
            "metadata": {"messageId": "msg-1"},
            "role": "user",
            "id": "msg-1",
            "createdAt": "2025-01-10T12:34:56.000Z",
        },
        {
            "content": "Updated answer about the Scale plan pricing after discounts.",
            "metadata": {"messageId": "msg-2"},
            "role": "assistant",
            "id": "msg-2",
            "createdAt": "2025-01-10T12:36:00.000Z",
        },
    ],
}


async def test_alchemysts_example_creates_the_session_and_both_entries(client: Client) -> None:
    answer = await client.converse(ALCHEMYST["sessionId"], *ALCHEMYST["contents"])
    assert answer["memoryId"] == "support-thread-TCK-1234"
    assert answer["updatedEntries"] == 2
    assert answer["errors"] == []
    assert answer["session"] == {"id": "support-thread-TCK-1234", "version": 1}
    assert [result["status"] for result in answer["results"]] == ["CREATED", "CREATED"]
    for sent, result in zip(ALCHEMYST["contents"], answer["results"], strict=True):
        entry = result["entry"]
        assert result["entryId"] == sent["id"]
        assert {name: entry[name] for name in ("content", "role", "metadata")} == {
            name: sent[name] for name in ("content", "role", "metadata")
        }
        assert entry["createdAt"] == sent["createdAt"].replace(".000Z", ".000000Z")


async def test_alchemysts_example_on_a_known_session_changes_what_differs(client: Client) -> None:
    first, second = ALCHEMYST["contents"]
    await client.converse(ALCHEMYST["sessionId"], first, second)
    answer = await client.converse(
        ALCHEMYST["sessionId"], first, {**second, "content": "Another answer."}, createSession=False
    )
    assert [(result["status"], result["version"]) for result in answer["results"]] == [("UNCHANGED", 1), ("UPDATED", 2)]
    assert (answer["version"], answer["updatedEntries"]) == (2, 1)


async def test_opensearchs_session_example(client: Client) -> None:
    memory_id = await client.create(session={"summary": "Kept."})
    info = {"key1": "value1", "last_activity": "2025-09-15T17:30:00Z"}
    answer = await client.only(UPDATE, type="SESSION", id=memory_id, input={"session": {"additionalInfo": info}})
    assert (answer["status"], answer["version"], answer["memory"]["id"]) == ("UPDATED", 2, memory_id)
    stored = await client.only(
        "query($id: ID!) { memory(type: SESSION, id: $id) { ... on SessionMemory { summary additionalInfo } } }",
        id=memory_id,
    )
    assert stored == {"summary": "Kept.", "additionalInfo": info}


async def test_opensearchs_working_memory_example(client: Client) -> None:
    memory_id = await client.create(working={"content": "Kept.", "tags": {"topic": "first", "gone": 1}})
    tags = {"topic": "updated_topic", "priority": "high"}
    answer = await client.only(UPDATE, type="WORKING", id=memory_id, input={"working": {"tags": tags}})
    assert (answer["status"], answer["version"], answer["memory"]["id"]) == ("UPDATED", 2, memory_id)
    stored = await client.only(
        "query($id: ID!) { memory(type: WORKING, id: $id) { ... on WorkingMemory { content tags } } }", id=memory_id
    )
    assert stored == {"content": "Kept.", "tags": tags}


async def test_opensearchs_long_term_example(client: Client) -> None:
    memory_id = await client.create(longTerm={"memory": "User's name is Bob."})
    given = {"memory": "User's name is Bob Smith", "tags": {"topic": "personal info", "updated": "true"}}
    answer = await client.only(UPDATE, type="LONG_TERM", id=memory_id, input={"longTerm": given})
    assert (answer["status"], answer["version"], answer["memory"]["id"]) == ("UPDATED", 2, memory_id)
    stored = await client.only(
        "query($id: ID!) { memory(type: LONG_TERM, id: $id) { ... on LongTermMemory { memory tags } } }", id=memory_id
    )
    assert stored == given
