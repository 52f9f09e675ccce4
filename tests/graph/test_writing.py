"""What mutations do and answer when all goes well, or in part."""

from typing import Any

import pytest

from tests.graph.client import CONVERSE, CREATE, DELETE, UPDATE, Client

pytestmark = pytest.mark.anyio

UPDATE_ALL = """mutation($input: UpdateMemoriesInput!) { updateMemories(input: $input) {
  counts { submitted created updated unchanged deleted failed rolledBack } replayed
  results { index id status version memory { id version } errors { code path } } errors { code path } } }"""
CREATE_ALL = """mutation($input: CreateMemoriesInput!) { createMemories(input: $input) {
  counts { submitted created updated unchanged deleted failed rolledBack } replayed
  results { index id status version memory { __typename id } errors { code path } } errors { code path } } }"""


def adds_up(counts: dict[str, int]) -> bool:
    return counts["submitted"] == sum(counts.values()) - counts["submitted"]


async def test_per_entry_writes_the_good_entries(client: Client) -> None:
    answer = await client.converse(
        "s1", {"id": "a", "content": "A"}, {"id": "b"}, {"id": "c", "content": "C"}, mode="PER_ENTRY"
    )
    assert [result["status"] for result in answer["results"]] == ["CREATED", "FAILED", "CREATED"]
    assert adds_up(answer["counts"])
    assert answer["counts"]["failed"] == 1
    assert answer["updatedEntries"] == 2
    assert [error["path"] for error in answer["errors"]] == [["input", "contents", "1", "content"]]
    again = await client.converse("s1", {"id": "a"}, {"id": "b"}, {"content": "D"}, mode="PER_ENTRY")
    assert [result["status"] for result in again["results"]] == ["UNCHANGED", "FAILED", "CREATED"]
    assert adds_up(again["counts"])


async def test_a_malformed_time_costs_per_entry_only_its_own_entry(client: Client) -> None:
    answer = await client.converse(
        "s1", {"id": "a", "content": "A", "createdAt": "soon"}, {"id": "b", "content": "B"}, mode="PER_ENTRY"
    )
    assert [result["status"] for result in answer["results"]] == ["FAILED", "CREATED"]
    assert answer["errors"][0]["path"] == ["input", "contents", "0", "createdAt"]


async def test_an_entry_without_a_key_gets_one(client: Client) -> None:
    [result] = (await client.converse("s1", {"content": "A", "id": None}))["results"]
    assert result["entryId"] == result["entry"]["id"]


async def test_a_rolled_back_entry_is_named_by_the_key_it_was_given(client: Client) -> None:
    answer = await client.only(
        CONVERSE, input={"sessionId": "unknown", "contents": [{"id": "a", "content": "A"}], "idempotencyKey": ""}
    )
    assert [(result["entryId"], result["status"]) for result in answer["results"]] == [("a", "ROLLED_BACK")]


async def test_what_is_too_much_to_be_looked_at_is_still_named_as_it_was_given(client: Client) -> None:
    contents = [{"id": f"m{number}", "content": "A"} for number in range(1_001)]
    results = (await client.converse("s1", *contents))["results"]
    assert [result["entryId"] for result in results] == [entry["id"] for entry in contents]
    items = [{"type": "SESSION", "id": "s1", "input": {"session": {"summary": "S"}}}] * 1_001
    results = (await client.only(UPDATE_ALL, input={"items": items}))["results"]
    assert {result["id"] for result in results} == {"s1"}


async def test_object_mode_merges_metadata_and_tags(client: Client) -> None:
    await client.converse("s1", {"id": "a", "content": "A", "metadata": {"x": 1, "y": 2}})
    answer = await client.converse("s1", {"id": "a", "metadata": {"y": None, "z": 3}}, objectMode="MERGE")
    assert answer["results"][0]["entry"]["metadata"] == {"x": 1, "z": 3}
    memory_id = await client.create(longTerm={"memory": "M", "tags": {"x": 1, "y": 2}})
    await client.only(UPDATE, type="LONG_TERM", id=memory_id, input={"longTerm": {"tags": {"y": None}}}, mode="MERGE")
    assert await tags(client, memory_id) == {"x": 1}
    await client.only(UPDATE, type="LONG_TERM", id=memory_id, input={"longTerm": {"tags": None}})
    assert await tags(client, memory_id) is None


async def tags(client: Client, memory_id: str) -> Any:
    found = await client.only("query($id: ID!) { node(id: $id) { ... on LongTermMemory { tags } } }", id=memory_id)
    return found["tags"]


async def test_an_update_that_changes_nothing_leaves_the_version(client: Client) -> None:
    memory_id = await client.create(longTerm={"memory": "M"})
    answer = await client.only(UPDATE, type="LONG_TERM", id=memory_id, input={"longTerm": {"memory": "M"}})
    assert (answer["status"], answer["version"], answer["memory"]["version"]) == ("UNCHANGED", 1, 1)


async def test_messages_are_appended(client: Client) -> None:
    memory_id = await client.create(working={"messages": [{"role": "user", "text": "One."}]})
    part = {"type": "text", "text": "Two."}
    image = {"type": "image", "url": "x"}
    more = [{"role": "assistant", "parts": [part, image, part]}]
    await client.only(UPDATE, type="WORKING", id=memory_id, input={"working": {"appendMessages": more}}, reason="Why.")
    found = await client.only(
        """query($id: ID!) { node(id: $id) { ... on WorkingMemory { payloadType messages { role text parts }
        history(first: 1) { nodes { reason actor action changes { field kind before after } } } } } }""",
        id=memory_id,
    )
    assert found["payloadType"] == "CONVERSATIONAL"
    assert found["messages"] == [
        {"role": "user", "text": "One.", "parts": [{"type": "text", "text": "One."}]},
        {"role": "assistant", "text": "Two.\nTwo.", "parts": [part, image, part]},
    ]
    [record] = found["history"]["nodes"]
    assert (record["reason"], record["actor"], record["action"]) == ("Why.", "ann", "UPDATE")
    assert record["changes"] == [{"field": "messages", "kind": "APPEND", "before": 1, "after": more}]
    first = await client.only(
        """query($id: ID!) { node(id: $id) { ... on HistoryMemory { changes { before after }
        subject { ... on WorkingMemory { session { id } entryId } } } } }""",
        id=f"{memory_id}~1",
    )
    assert first["changes"] == [{"before": [], "after": [{"role": "user", "text": "One."}]}]
    assert first["subject"] == {"session": None, "entryId": None}


async def test_history_shows_values_as_json(client: Client) -> None:
    memory_id = await client.create(working={"binaryData": "AAEC", "payloadType": "DATA"})
    await client.converse("s1", {"id": "a", "content": "A", "createdAt": "2025-01-01T00:00:00+02:00"})
    answer = await client.converse("s1", {"id": "a", "createdAt": "2025-01-01T00:00:00.1234567Z"})
    entry_id = answer["results"][0]["entry"]["id"]
    document = "query($id: ID!) { node(id: $id) { ... on HistoryMemory { changes { field before after } } } }"
    assert (await client.only(document, id=f"{memory_id}~1"))["changes"] == [
        {"field": "binaryData", "before": None, "after": "AAEC"},
        {"field": "payloadType", "before": "CONVERSATIONAL", "after": "DATA"},
    ]
    assert (await client.only(document, id=f"{entry_id}~2"))["changes"] == [
        {"field": "createdAt", "before": "2024-12-31T22:00:00.000000Z", "after": "2025-01-01T00:00:00.123456Z"}
    ]


async def test_several_memories_are_created_and_changed_together(client: Client) -> None:
    made = await client.only(
        CREATE_ALL,
        input={
            "items": [
                {"session": {"id": "s1", "namespace": {"user": "bob"}}},
                {"working": {"sessionId": "s1", "entryId": "m1", "content": "Hi."}},
                {"longTerm": {"memory": "M", "pinned": True, "strategy": "summary"}},
            ]
        },
    )
    assert made["errors"] == []
    assert [result["memory"]["__typename"] for result in made["results"]] == [
        "SessionMemory",
        "WorkingMemory",
        "LongTermMemory",
    ]
    ids = [result["id"] for result in made["results"]]
    changed = await client.only(
        UPDATE_ALL,
        input={
            "items": [
                {"type": "SESSION", "id": ids[0], "input": {"session": {"summary": "S"}}, "ifVersion": 1},
                {"type": "WORKING", "id": ids[1], "input": {"working": {"content": "Hi."}}},
                {"type": "LONG_TERM", "id": ids[2], "input": {"longTerm": {"memory": "N"}}},
            ]
        },
    )
    assert [(result["index"], result["id"], result["status"], result["version"]) for result in changed["results"]] == [
        (0, ids[0], "UPDATED", 2),
        (1, ids[1], "UNCHANGED", 1),
        (2, ids[2], "UPDATED", 2),
    ]
    assert adds_up(changed["counts"])
    assert adds_up(made["counts"])


@pytest.mark.parametrize(("mode", "others"), [("ATOMIC", "ROLLED_BACK"), ("PER_ENTRY", "UPDATED")])
async def test_bad_items_are_named_by_index(client: Client, mode: str, others: str) -> None:
    memory_id = await client.create(longTerm={"memory": "M"})
    answer = await client.only(
        UPDATE_ALL,
        input={
            "mode": mode,
            "items": [
                {"type": "LONG_TERM", "id": memory_id, "input": {"longTerm": {"memory": "N"}}},
                {"type": "LONG_TERM", "id": "unknown", "input": {"longTerm": {"memory": "N"}}},
                {"type": "WORKING", "id": memory_id, "input": {"working": {"tags": {"a": "\0"}}}},
                {"type": "LONG_TERM", "id": memory_id, "input": {"longTerm": {}}},
                {"type": "LONG_TERM", "id": memory_id, "input": {"longTerm": {"memory": "O"}}, "ifVersion": 7},
                {"type": "SESSION", "id": memory_id, "input": {"longTerm": {"memory": "O"}}},
            ],
        },
    )
    assert [result["status"] for result in answer["results"]] == [others, *["FAILED"] * 5]
    assert [(error["code"], "/".join(error["path"])) for error in answer["errors"]] == [
        ("NOT_FOUND", "input/items/1/id"),
        ("INVALID_INPUT", "input/items/2/input/working/tags/a"),
        ("INVALID_INPUT", "input/items/3/input"),
        ("VERSION_CONFLICT", "input/items/4/ifVersion"),
        ("MEMORY_TYPE_MISMATCH", "input/items/5/type"),
    ]
    assert [error for result in answer["results"] for error in result["errors"]] == answer["errors"]
    assert [result["id"] for result in answer["results"]] == [memory_id, "unknown", *[memory_id] * 4]
    assert adds_up(answer["counts"])


async def test_bad_creations_are_named_by_index(client: Client) -> None:
    answer = await client.only(
        CREATE_ALL,
        input={
            "mode": "PER_ENTRY",
            "containerId": "nowhere",
            "reason": "\0",
            "items": [{"session": {}}, {"session": {"id": "no id"}}, {"longTerm": {"memory": ""}}],
        },
    )
    assert [(error["code"], "/".join(error["path"])) for error in answer["errors"]] == [
        ("INVALID_INPUT", "input/reason"),
        ("INVALID_INPUT", "input/items/1/session/id"),
        ("INVALID_INPUT", "input/items/2/longTerm/memory"),
    ]
    answer = await client.only(CREATE_ALL, input={"containerId": "nowhere", "items": [{"session": {}}]})
    assert [(error["code"], "/".join(error["path"])) for error in answer["errors"]] == [
        ("NOT_FOUND", "input/containerId")
    ]
    answer = await client.only(CREATE_ALL, input={"items": [{"session": {}}] * 1_001})
    assert [(error["code"], "/".join(error["path"])) for error in answer["errors"]] == [
        ("LIMIT_EXCEEDED", "input/items")
    ]
    assert len(answer["results"]) == 1_001


async def test_a_memory_that_is_too_large_as_a_whole(client: Client) -> None:
    text = "x" * 1_000_000
    memory_id = await client.create(working={"content": text, "messages": [{"role": "user", "text": text}]})
    given = {"working": {"appendMessages": [{"role": "user", "text": text}]}}
    answer = await client.only(UPDATE, type="WORKING", id=memory_id, input=given)
    assert [(error["code"], error["path"]) for error in answer["errors"]] == [("LIMIT_EXCEEDED", ["input"])]
    entry = {"content": text, "messages": [{"role": "user", "text": text}] * 2}
    answer = await client.only(CREATE, input={"working": entry})
    assert [(error["code"], error["path"]) for error in answer["errors"]] == [("LIMIT_EXCEEDED", ["input"])]


async def test_a_session_is_deleted_with_its_entries(client: Client) -> None:
    await client.converse("s1", {"id": "a", "content": "A"}, {"id": "b", "content": "B"})
    answer = await client.only(DELETE, type="SESSION", id="s1", ifVersion=1)
    assert (answer["status"], answer["memoryId"], answer["version"]) == ("DELETED", "s1", 2)
    assert answer["deletedEntries"] == 2
    assert adds_up(answer["counts"])
    assert await client.data("{ memories { totalCount } }") == {"memories": {"totalCount": 0}}
    gone = await client.only('{ node(id: "s1~1") { id ... on HistoryMemory { subjectId subject { id } } } }')
    assert gone == {"id": "s1~1", "subjectId": "s1", "subject": None}


async def test_a_repeated_request_answers_as_the_first_time(client: Client) -> None:
    created = await client.only(CREATE, input={"longTerm": {"memory": "M"}}, key="c")
    memory_id = created["memory"]["id"]
    await client.only(UPDATE, type="LONG_TERM", id=memory_id, input={"longTerm": {"memory": "N"}})
    again = await client.only(CREATE, input={"longTerm": {"memory": "M"}}, key="c")
    # The memory is read as it is now.
    assert again == {**created, "replayed": True, "memory": {**created["memory"], "version": 2}}
    first = await client.converse("s1", {"id": "a", "content": "A"}, {"id": "b"}, mode="PER_ENTRY", idempotencyKey="k")
    second = await client.converse("s1", {"id": "a", "content": "A"}, {"id": "b"}, mode="PER_ENTRY", idempotencyKey="k")
    assert second == {**first, "replayed": True}
    deleted = await client.only(DELETE, type="SESSION", id="s1", key="d")
    assert await client.only(DELETE, type="SESSION", id="s1", key="d") == {**deleted, "replayed": True}
    assert (await client.converse("s1", {"id": "a", "content": "A"}, {"id": "b"}, mode="PER_ENTRY",
                                  idempotencyKey="k"))["session"] is None  # fmt: skip


async def test_a_repeated_conflict_carries_the_memory_as_it_is_now(client: Client) -> None:
    memory_id = await client.create(longTerm={"memory": "M"})
    items = [
        {"type": "LONG_TERM", "id": memory_id, "input": {"longTerm": {"memory": "N"}}},
        {"type": "LONG_TERM", "id": memory_id, "input": {"longTerm": {"memory": "O"}}, "ifVersion": 1},
    ]
    document = """mutation($input: UpdateMemoriesInput!) { updateMemories(input: $input) { replayed errors {
      ... on VersionConflictError { actualVersion current { version } } } } }"""
    asked = {"items": items, "mode": "PER_ENTRY", "idempotencyKey": "k"}
    await client.only(document, input=asked)
    answer = await client.only(document, input=asked)
    assert answer == {"replayed": True, "errors": [{"actualVersion": 2, "current": {"version": 2}}]}


async def test_each_mutation_of_a_document_sees_the_ones_before(client: Client) -> None:
    await client.converse("s1", {"id": "a", "content": "A"})
    document = """mutation {
      a: updateMemory(type: SESSION, id: "s1", input: {session: {summary: "1"}}) { ...P }
      b: updateMemory(type: SESSION, id: "s1", input: {session: {summary: "2"}}) { ...P }
    }
    fragment P on UpdateMemoryPayload {
      memory { history { totalCount nodes { version } } } query { node(id: "s1") { ... on Memory { version } } } }"""
    answers = await client.data(document)
    assert [answer["memory"]["history"]["totalCount"] for answer in answers.values()] == [2, 3]
    assert [[node["version"] for node in answer["memory"]["history"]["nodes"]] for answer in answers.values()] == [
        [2, 1],
        [3, 2, 1],
    ]
    assert [answer["query"]["node"]["version"] for answer in answers.values()] == [2, 3]


async def test_null_for_an_optional_argument_means_absent(client: Client) -> None:
    await client.converse("s1", {"id": "a", "content": "A", "ifVersion": None}, ifVersion=None, reason=None)
    answer = await client.only(
        UPDATE, type="SESSION", id="s1", input={"session": {"summary": "S"}}, ifVersion=None, reason=None, key=None
    )
    assert answer["status"] == "UPDATED"
    answer = await client.only(CREATE, input={"working": {"sessionId": None, "namespace": None, "content": "x"}})
    assert answer["status"] == "CREATED"


async def test_ids_may_be_given_as_numbers(client: Client) -> None:
    answer = await client.converse("7", {"id": 1, "content": "A"})
    assert answer["results"][0]["entryId"] == "1"
    assert await client.data("{ node(id: 7) { id } }") == {"node": {"id": "7"}}


@pytest.mark.parametrize("mode", ["ATOMIC", "PER_ENTRY"])
async def test_one_bad_entry_among_a_thousand_is_named_and_decides_about_the_others(client: Client, mode: str) -> None:
    await client.converse("s1", {"id": "first", "content": "There already."})
    contents: list[dict[str, Any]] = [{"id": f"m{number}", "content": f"Said {number}."} for number in range(1_000)]
    contents[617] = {"id": "m617", "role": "user"}
    payload = await client.converse("s1", *contents, mode=mode)
    [error] = payload["errors"]
    assert (error["code"], error["path"]) == ("INVALID_INPUT", ["input", "contents", "617", "content"])
    written = 0 if mode == "ATOMIC" else 999
    assert payload["counts"] == {
        "submitted": 1_000,
        "created": written,
        "updated": 0,
        "unchanged": 0,
        "deleted": 0,
        "failed": 1,
        "rolledBack": 999 - written,
    }
    assert payload["updatedEntries"] == written
    assert payload["results"][617]["status"] == "FAILED"
    found = await client.only(
        '{ memory(type: SESSION, id: "s1") { version ... on SessionMemory { entries { totalCount } } } }'
    )
    assert found == {"version": 1 if mode == "ATOMIC" else 2, "entries": {"totalCount": 1 + written}}
