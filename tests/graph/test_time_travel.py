"""Earlier versions through GraphQL: read beside the current one, refetched by their ids, and restored."""

from typing import Any

import pytest

from tests.graph.client import ANN, DELETE, STRANGER, UPDATE, Client
from tests.storage.workbench import raw

pytestmark = pytest.mark.anyio

AS_IT_WAS = """
query($type: MemoryType!, $id: ID!, $version: Int, $at: DateTime) {
  memory(type: $type, id: $id, version: $version, at: $at) {
    id memoryId isCurrent version updatedAt ... on LongTermMemory { memory tags }
  }
}
"""
RESTORE = """
mutation($type: MemoryType!, $id: ID!, $version: Int!, $ifVersion: Int, $reason: String, $key: String) {
  restoreMemory(type: $type, id: $id, version: $version, ifVersion: $ifVersion, reason: $reason, idempotencyKey: $key) {
    status version restoredEntries replayed memory { id isCurrent version ... on LongTermMemory { memory } }
    counts { submitted updated unchanged failed }
    errors { __typename code message path }
  }
}
"""


async def changed_once(client: Client) -> str:
    made = await client.create(longTerm={"memory": "Likes tea.", "tags": {"since": 1}})
    patch = {"longTerm": {"memory": "Likes coffee."}}
    assert (await client.only(UPDATE, type="LONG_TERM", id=made, input=patch))["version"] == 2
    return made


async def test_past_and_present_stand_side_by_side(client: Client) -> None:
    made = await changed_once(client)
    document = """
    query($id: ID!) {
      was: memory(type: LONG_TERM, id: $id, version: 1) { ...Shown }
      is: memory(type: LONG_TERM, id: $id) { ...Shown }
      same: memory(type: LONG_TERM, id: $id, version: 2) { ...Shown }
    }
    fragment Shown on LongTermMemory { id memoryId isCurrent version memory }
    """
    shown = await client.data(document, id=made)
    assert shown == {
        "was": {"id": f"{made}@1", "memoryId": made, "isCurrent": False, "version": 1, "memory": "Likes tea."},
        "is": {"id": made, "memoryId": made, "isCurrent": True, "version": 2, "memory": "Likes coffee."},
        "same": {"id": f"{made}@2", "memoryId": made, "isCurrent": True, "version": 2, "memory": "Likes coffee."},
    }


async def test_a_memory_as_it_was_is_refetched_by_its_id(client: Client) -> None:
    made = await changed_once(client)
    found = await client.only(
        "query($id: ID!) { node(id: $id) { id ... on LongTermMemory { memory } } }", id=f"{made}@1"
    )
    assert found == {"id": f"{made}@1", "memory": "Likes tea."}
    assert await client.only("query($id: ID!) { node(id: $id) { id } }", id=f"{made}@3") is None
    assert await client.as_(STRANGER).only("query($id: ID!) { node(id: $id) { id } }", id=f"{made}@1") is None


async def test_a_memory_is_read_as_it_was_at_a_time(client: Client) -> None:
    made = await changed_once(client)
    first = await client.only(AS_IT_WAS, type="LONG_TERM", id=made, version=1)
    at_first = await client.only(AS_IT_WAS, type="LONG_TERM", id=made, at=first["updatedAt"])
    assert at_first == first
    assert await client.only(AS_IT_WAS, type="LONG_TERM", id=made, at="1999-01-01T00:00:00Z") is None
    assert (await client.only(AS_IT_WAS, type="LONG_TERM", id=made, at="2999-01-01T00:00:00Z"))["version"] == 2
    assert await client.only(AS_IT_WAS, type="SESSION", id=made, version=1) is None


@pytest.mark.parametrize(
    ("asked", "argument"),
    [
        ({"type": "LONG_TERM", "version": 0}, "version"),
        ({"type": "LONG_TERM", "version": 1, "at": "2026-01-01T00:00:00Z"}, "at"),
        ({"type": "LONG_TERM", "at": "2026-01-01T00:00:00"}, "at"),
        ({"type": "HISTORY", "version": 1}, "type"),
    ],
)
async def test_what_cannot_be_meant_is_refused(client: Client, asked: dict[str, Any], argument: str) -> None:
    error = await client.error(AS_IT_WAS, id="anything", **asked)
    assert error["extensions"] == {"code": "BAD_USER_INPUT", "argument": argument}
    assert error["path"] == ["memory"]


async def test_a_version_that_is_not_kept_is_told(client: Client, database_url: str) -> None:
    made = await changed_once(client)
    with raw(database_url) as connection:
        connection.execute("DELETE FROM history WHERE version = 1")
    error = await client.error(AS_IT_WAS, type="LONG_TERM", id=made, version=1)
    assert error["extensions"] == {"code": "VERSION_NOT_KEPT", "argument": "version"}
    assert error["message"] == "Version 1 is not kept any more."


async def test_a_restored_version_is_answered_as_a_new_one(client: Client) -> None:
    made = await changed_once(client)
    asked = {"type": "LONG_TERM", "id": made, "version": 1, "reason": "Tea after all.", "key": "k1"}
    payload = await client.only(RESTORE, **asked)
    assert payload == {
        "status": "UPDATED",
        "version": 3,
        "restoredEntries": 0,
        "replayed": False,
        "memory": {"id": made, "isCurrent": True, "version": 3, "memory": "Likes tea."},
        "counts": {"submitted": 1, "updated": 1, "unchanged": 0, "failed": 0},
        "errors": [],
    }
    assert (await client.only(RESTORE, **asked)) == {**payload, "replayed": True}
    document = """
    query($id: ID!) {
      memory(type: LONG_TERM, id: $id) {
        history(first: 1) { nodes { action actor reason changes { field before after } } }
      }
    }
    """
    [record] = (await client.only(document, id=made))["history"]["nodes"]
    assert record == {
        "action": "RESTORE",
        "actor": ANN.subject,
        "reason": "Tea after all.",
        "changes": [{"field": "memory", "before": "Likes coffee.", "after": "Likes tea."}],
    }


async def test_a_deleted_session_comes_back_with_its_entries(client: Client) -> None:
    await client.converse("s1", {"id": "m1", "content": "One."}, {"id": "m2", "content": "Two."})
    assert (await client.only(DELETE, type="SESSION", id="s1"))["deletedEntries"] == 2
    payload = await client.only(RESTORE, type="SESSION", id="s1", version=1)
    assert (payload["status"], payload["version"], payload["restoredEntries"]) == ("UPDATED", 3, 2)
    document = '{ memory(type: SESSION, id: "s1") { ... on SessionMemory { entries { nodes { content } } } } }'
    assert (await client.only(document))["entries"]["nodes"] == [{"content": "One."}, {"content": "Two."}]


@pytest.mark.parametrize(
    ("asked", "kind", "path"),
    [
        ({"version": 9}, "InvalidInputError", ["version"]),
        ({"version": 0}, "InvalidInputError", ["version"]),
        ({"version": 1, "ifVersion": 1}, "VersionConflictError", ["ifVersion"]),
        ({"version": 1, "type": "SESSION"}, "MemoryTypeMismatchError", ["type"]),
        ({"version": 1, "type": "HISTORY"}, "ImmutableMemoryError", ["type"]),
        ({"version": 1, "id": "nobody"}, "NotFoundError", ["id"]),
    ],
)
async def test_a_restoration_that_cannot_be_is_refused(
    client: Client, asked: dict[str, Any], kind: str, path: list[str]
) -> None:
    made = await changed_once(client)
    payload = await client.only(RESTORE, **{"type": "LONG_TERM", "id": made, **asked})
    assert payload["status"] == "FAILED"
    [error] = payload["errors"]
    assert (error["__typename"], error["path"]) == (kind, path)
    assert (await client.only(AS_IT_WAS, type="LONG_TERM", id=made))["version"] == 2
