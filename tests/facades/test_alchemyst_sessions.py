"""``memory/add``, ``memory/update`` and ``memory/delete``."""

from typing import Any

import pytest

from tests.facades.alchemyst import Both

# The example of the API's own description.
THREAD = "support-thread-TCK-1234"
UPDATE = {
    "sessionId": THREAD,
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
SESSION = """
query($id: ID!) {
  memory(type: SESSION, id: $id) {
    id version namespace
    ... on SessionMemory {
      metadata
      entries(first: 10) { nodes { id entryId content role createdAt metadata namespace version } }
    }
  }
}
"""


def session(both: Both, session_id: str = THREAD) -> Any:
    return both.graphql(SESSION, id=session_id)


def add(both: Both, *contents: dict[str, Any], session_id: str = THREAD, **more: Any) -> None:
    answer = both.post("/memory/add", {"sessionId": session_id, "contents": contents, **more})
    assert answer.status_code == 201, answer.text


def test_the_documented_update_is_answered_as_documented(both: Both) -> None:
    add(both, {"content": "Customer asked about pricing.", "metadata": {"messageId": "msg-1"}})
    answer = both.post("/memory/update", UPDATE)
    assert answer.status_code == 200
    assert answer.json() == {"success": True, "memory_id": THREAD, "updated_entries": 2}
    first, second = session(both)["entries"]["nodes"]
    assert (first["entryId"], first["content"], first["role"], first["createdAt"], first["metadata"]) == (
        "msg-1",
        "Customer asked about pricing for the Scale plan.",
        "user",
        "2025-01-10T12:34:56.000000Z",
        {"messageId": "msg-1"},
    )
    assert first["version"] == 2
    assert (second["entryId"], second["role"], second["version"]) == ("msg-2", "assistant", 1)


def test_a_session_is_added_with_its_groups_and_read_in_graphql(both: Both) -> None:
    answer = both.post(
        "/memory/add",
        {
            "sessionId": "trip",
            "contents": [
                {"content": "We take the train.", "metadata": {"messageId": "m1", "role": "assistant"}, "mood": "good"},
                {"content": "Noted."},
            ],
            "metadata": {"groupName": ["memory", "trip"], "customer": "TCK"},
        },
    )
    assert answer.status_code == 201
    assert answer.json() == {"success": True, "context_id": "trip", "processed_documents": 2}
    stored = session(both, "trip")
    assert stored["namespace"] == {"groupName": ["memory", "trip"]}
    assert stored["metadata"] == {"customer": "TCK"}
    first, second = stored["entries"]["nodes"]
    assert (first["entryId"], first["role"]) == ("m1", "assistant")
    assert first["metadata"] == {"mood": "good", "messageId": "m1", "role": "assistant"}
    assert first["namespace"] == {"groupName": ["memory", "trip"]}
    assert (second["content"], second["role"], second["metadata"]) == ("Noted.", "user", None)


@pytest.mark.parametrize(
    ("metadata", "groups"),
    [
        (None, ["default"]),
        ({}, ["default"]),
        ({"group_name": ["a"]}, ["a"]),
        ({"groupName": "b"}, ["b"]),
        ({"groupName": ["c"], "group_name": ["d"]}, ["c"]),
    ],
)
def test_groups_have_two_names_and_a_default(speak: Both, metadata: Any, groups: list[str]) -> None:
    add(speak, {"content": "x"}, metadata=metadata)
    assert session(speak)["namespace"] == {"groupName": groups}


def test_further_contents_go_into_the_same_session(both: Both) -> None:
    add(both, {"id": "m1", "content": "One."}, metadata={"groupName": ["first"]})
    add(both, {"id": "m2", "content": "Two."}, metadata={"groupName": ["second"]})
    stored = session(both)
    assert [entry["entryId"] for entry in stored["entries"]["nodes"]] == ["m1", "m2"]
    assert stored["namespace"] == {"groupName": ["first"]}


def test_an_entry_without_a_key_is_always_new(both: Both) -> None:
    add(both, {"content": "Same."})
    assert both.post("/memory/update", {"sessionId": THREAD, "contents": [{"content": "Same."}]}).json() == {
        "success": True,
        "memory_id": THREAD,
        "updated_entries": 1,
    }
    assert len(session(both)["entries"]["nodes"]) == 2


def test_only_the_given_fields_change_and_null_is_nothing_given(both: Both) -> None:
    add(both, {"id": "m1", "content": "Old.", "role": "assistant", "metadata": {"a": 1}})
    change = {"id": "m1", "content": "New.", "role": None, "metadata": None, "createdAt": None}
    assert both.post("/memory/update", {"sessionId": THREAD, "contents": [change]}).json()["updated_entries"] == 1
    [entry] = session(both)["entries"]["nodes"]
    assert (entry["content"], entry["role"], entry["metadata"]) == ("New.", "assistant", {"a": 1})


def test_an_update_of_nothing_changes_nothing(both: Both) -> None:
    add(both, {"id": "m1", "content": "Old."})
    answer = both.post("/memory/update", {"sessionId": THREAD, "contents": []})
    assert (answer.status_code, answer.json()["updated_entries"]) == (200, 0)
    assert session(both)["version"] == 1


def test_a_repeated_request_with_its_idempotency_key_adds_nothing(both: Both) -> None:
    body = {"sessionId": THREAD, "contents": [{"content": "Once."}]}
    for _ in range(2):
        answer = both.post("/memory/add", body, **{"Idempotency-Key": "k1"})
        assert answer.status_code == 201
    assert len(session(both)["entries"]["nodes"]) == 1
    other = both.post("/memory/add", {**body, "contents": [{"content": "Other."}]}, **{"Idempotency-Key": "k1"})
    assert other.status_code == 422
    assert other.json()["error"]["details"]["code"] == "IDEMPOTENCY_CONFLICT"


def test_what_graphql_writes_is_updated_here(both: Both) -> None:
    both.graphql(
        'mutation { updateContextMemory(input: {sessionId: "s", createSession: true,'
        ' contents: [{id: "m1", content: "By GraphQL."}]}) { errors { code } } }'
    )
    change = {"memoryId": "s", "contents": [{"id": "m1", "content": "By the façade."}]}
    assert both.post("/memory/update", change).json()["memory_id"] == "s"
    [entry] = session(both, "s")["entries"]["nodes"]
    assert (entry["content"], entry["version"]) == ("By the façade.", 2)


@pytest.mark.parametrize("name", ["memoryId", "sessionId"])
def test_a_deleted_session_is_gone_everywhere_and_may_be_deleted_again(both: Both, name: str) -> None:
    add(both, {"id": "m1", "content": "Old."})
    for _ in range(2):
        answer = both.post("/memory/delete", {name: THREAD, "organization_id": None})
        assert (answer.status_code, answer.content) == (204, b"")
    assert session(both) is None
    assert both.post("/memory/update", UPDATE).status_code == 404


def test_one_entry_is_deleted_by_its_id(both: Both) -> None:
    add(both, {"id": "m1", "content": "One."}, {"id": "m2", "content": "Two."})
    first = session(both)["entries"]["nodes"][0]
    for memory_id in (first["id"], "nobody"):
        body = {"memoryId": memory_id, "organization_id": "acme", "by_doc": False, "by_id": True}
        assert both.post("/memory/delete", body).status_code == 204
    assert [entry["entryId"] for entry in session(both)["entries"]["nodes"]] == ["m2"]


def test_all_or_none_of_an_update_is_written(both: Both) -> None:
    add(both, {"id": "m1", "content": "Old."})
    contents = [{"id": "m1", "content": "New."}, {"id": "m2"}]
    answer = both.post("/memory/update", {"sessionId": THREAD, "contents": contents})
    assert answer.status_code == 400
    assert answer.json()["error"]["details"]["path"] == ["contents", "1", "content"]
    assert session(both)["entries"]["nodes"][0]["content"] == "Old."


@pytest.mark.parametrize(
    ("path", "body", "message", "place"),
    [
        ("/memory/update", {"contents": []}, "sessionId field is required", ["sessionId"]),
        ("/memory/update", {"sessionId": "", "contents": []}, "sessionId field is required", ["sessionId"]),
        ("/memory/update", {"sessionId": 1, "contents": []}, "sessionId must be a string", ["sessionId"]),
        ("/memory/update", {"sessionId": "s"}, "contents field is required", ["contents"]),
        ("/memory/update", {"sessionId": "s", "contents": {}}, "contents must be an array", ["contents"]),
        ("/memory/update", {"sessionId": "s", "contents": [1]}, "contents.0 must be an object", ["contents", "0"]),
        (
            "/memory/update",
            {"sessionId": "s", "contents": [{"id": 1}]},
            "contents.0.id must be a string",
            ["contents", "0", "id"],
        ),
        (
            "/memory/update",
            {"sessionId": "s", "contents": [{"content": "x", "metadata": []}]},
            "contents.0.metadata must be an object",
            ["contents", "0", "metadata"],
        ),
        (
            "/memory/update",
            {"sessionId": "s", "memoryId": "t", "contents": []},
            "memoryId and sessionId do not match",
            ["memoryId"],
        ),
        ("/memory/add", {"sessionId": "s"}, "contents field is required", ["contents"]),
        (
            "/memory/add",
            {"sessionId": "s", "contents": [], "metadata": {"groupName": [1]}},
            "metadata.groupName must be an array of strings",
            ["metadata", "groupName"],
        ),
        ("/memory/delete", {}, "memoryId field is required", ["memoryId"]),
        ("/memory/delete", {"memoryId": "s", "by_id": "yes"}, "by_id must be a boolean", ["by_id"]),
        ("/memory/delete", {"memoryId": "s", "organization_id": 1}, "organization_id must be a string", None),
    ],
)
def test_a_bad_body_is_told_with_the_place(speak: Both, path: str, body: Any, message: str, place: Any) -> None:
    answer = speak.post(path, body)
    assert answer.status_code == 400
    told = answer.json()
    place = place or ["organization_id"]
    assert told["error"] == {"code": "INVALID_REQUEST", "message": message, "details": {"path": place}}


def test_a_time_that_cannot_be_read_is_told_with_the_place(both: Both) -> None:
    add(both, {"id": "m1", "content": "Old."})
    answer = both.post("/memory/update", {"sessionId": THREAD, "contents": [{"id": "m1", "createdAt": "yesterday"}]})
    assert answer.status_code == 400
    details = answer.json()["error"]["details"]
    assert details == {"code": "INVALID_INPUT", "path": ["contents", "0", "createdAt"]}


def test_an_id_that_no_session_can_have(speak: Both) -> None:
    answer = speak.post("/memory/add", {"sessionId": "a b", "contents": [{"content": "x"}]})
    assert answer.status_code == 400
    assert answer.json()["error"]["details"]["path"] == ["sessionId"]
    assert speak.post("/memory/update", {"sessionId": "\0", "contents": []}).status_code == 404
    assert speak.post("/memory/delete", {"memoryId": "\ud800", "organization_id": None}).status_code == 204
