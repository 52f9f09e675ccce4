"""What a caller can mend: each refusal has its type, its code and the path to the value, and nothing is written."""

import json
from base64 import b64encode
from typing import Any

import pytest

from mnesis.domain.caller import Scope
from mnesis.domain.limits import Limits
from tests.graph.client import CONVERSE, CREATE, DELETE, STRANGER, UPDATE, Client

pytestmark = pytest.mark.anyio

SNAPSHOT = """{
  memories(first: 100) { nodes { id version updatedAt ... on WorkingMemory { content tags metadata messages { text } }
                                 ... on SessionMemory { summary pinned } ... on LongTermMemory { memory } } }
  records: memories(filter: {types: [HISTORY]}, first: 100) { nodes { id } }
}"""
DEEP: Any = {"deep": 1}
for _ in range(40):
    DEEP = {"deep": DEEP}


@pytest.fixture
async def stored(speak: Client) -> dict[str, str]:
    """One memory of each type, and an entry ``m1`` in the session."""
    await speak.converse("s1", {"id": "m1", "content": "First."})
    return {
        "SESSION": "s1",
        "WORKING": await speak.create(working={"messages": [{"role": "user", "text": "Hello."}]}),
        "LONG_TERM": await speak.create(longTerm={"memory": "Likes tea.", "tags": {"a": 1}}),
    }


def seen(errors: list[dict[str, Any]]) -> list[tuple[str, str]]:
    """Type and path of each error; code and type have to agree."""
    for error in errors:
        words = error["code"].title().replace("_", "")
        assert error["__typename"] == f"{words}Error"
    return [(error["__typename"].removesuffix("Error"), "/".join(error["path"])) for error in errors]


@pytest.mark.parametrize(
    ("memory_type", "given", "expected"),
    [
        ("SESSION", {"session": {}}, [("InvalidInput", "input")]),
        ("SESSION", {"session": {"pinned": None}}, [("InvalidInput", "input/session/pinned")]),
        ("SESSION", {"session": {"summary": "a\0b"}}, [("InvalidInput", "input/session/summary")]),
        ("SESSION", {"session": {"agents": DEEP}}, [("InvalidInput", "input/session/agents" + "/deep" * 32)]),
        ("SESSION", {"session": {"additionalInfo": {"a_b": [1, "\0"]}}},
         [("InvalidInput", "input/session/additionalInfo/a_b/1")]),
        ("SESSION", {"session": {"metadata": {"big": "x" * 300_000}}}, [("InvalidInput", "input/session/metadata")]),
        ("SESSION", {"session": {"summary": "x" * 1_100_000}}, [("LimitExceeded", "input/session/summary")]),
        ("LONG_TERM", {"longTerm": {"memory": None}}, [("InvalidInput", "input/longTerm/memory")]),
        ("LONG_TERM", {"longTerm": {"memory": ""}}, [("InvalidInput", "input/longTerm/memory")]),
        ("LONG_TERM", {"longTerm": {"memory": None, "pinned": None}},
         [("InvalidInput", "input/longTerm/memory"), ("InvalidInput", "input/longTerm/pinned")]),
        ("WORKING", {"working": {"messages": None}}, [("InvalidInput", "input/working/messages")]),
        ("WORKING", {"working": {"content": None}}, [("InvalidInput", "input/working/content")]),
        ("WORKING", {"working": {"appendMessages": None}}, [("InvalidInput", "input")]),
        ("WORKING", {"working": {"messages": [], "appendMessages": []}},
         [("InvalidInput", "input/working/appendMessages")]),
        ("WORKING", {"working": {"appendMessages": [{"role": "", "text": "x"}]}},
         [("InvalidInput", "input/working/appendMessages/0/role")]),
        ("WORKING", {"working": {"appendMessages": [{"role": "user"}]}},
         [("InvalidInput", "input/working/appendMessages/0")]),
        ("WORKING", {"working": {"messages": [{"role": "user", "parts": [{}, {"snake_case": "\0"}]}]}},
         [("InvalidInput", "input/working/messages/0/parts/1/snake_case")]),
        ("WORKING", {"working": {"appendMessages": [{"role": "user", "text": "x"}] * 1_000}},
         [("LimitExceeded", "input/working/appendMessages")]),
        ("WORKING", {"working": {"binaryData": "not Base64!"}}, [("InvalidInput", "input/working/binaryData")]),
        ("WORKING", {"working": {"binaryData": b64encode(b"x" * 1_100_000).decode()}},
         [("LimitExceeded", "input/working/binaryData")]),
        ("WORKING", {"session": {"summary": "x"}}, [("MemoryTypeMismatch", "type")]),
        ("HISTORY", {"session": {"summary": "x"}}, [("ImmutableMemory", "type")]),
    ],
)  # fmt: skip
async def test_an_update_that_cannot_be_accepted(
    speak: Client,
    stored: dict[str, str],
    memory_type: str,
    given: dict[str, Any],
    expected: list[tuple[str, str]],
) -> None:
    before = await speak.data(SNAPSHOT)
    memory_id = stored.get(memory_type, "s1~1")
    answer = await speak.only(UPDATE, type=memory_type, id=memory_id, input=given)
    assert seen(answer["errors"]) == expected
    assert (answer["status"], answer["version"], answer["memory"]) == ("FAILED", None, None)
    assert answer["counts"]["failed"] == answer["counts"]["submitted"] == 1
    assert await speak.data(SNAPSHOT) == before


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"id": "nothing-here"}, [("NotFound", "id")]),
        ({"id": "no id\0at all"}, [("NotFound", "id")]),
        ({"id": "s1"}, [("MemoryTypeMismatch", "type")]),
        ({"ifVersion": 7}, [("VersionConflict", "ifVersion")]),
        ({"ifVersion": -1}, [("InvalidInput", "ifVersion")]),
    ],
)
async def test_an_update_aimed_at_what_is_not_there(
    speak: Client, stored: dict[str, str], given: dict[str, Any], expected: list[tuple[str, str]]
) -> None:
    before = await speak.data(SNAPSHOT)
    aimed = {"type": "LONG_TERM", "id": stored["LONG_TERM"], "input": {"longTerm": {"memory": "x"}}, **given}
    answer = await speak.only(UPDATE, **aimed)
    assert seen(answer["errors"]) == expected
    assert await speak.data(SNAPSHOT) == before


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"reason": "x" * 1_001}, [("InvalidInput", "reason")]),
        ({"key": ""}, [("InvalidInput", "idempotencyKey")]),
        ({"key": "k" * 256, "reason": "\0"}, [("InvalidInput", "reason"), ("InvalidInput", "idempotencyKey")]),
    ],
)
async def test_a_request_with_a_bad_reason_or_key_is_refused_as_a_whole(
    speak: Client, stored: dict[str, str], given: dict[str, Any], expected: list[tuple[str, str]]
) -> None:
    answer = await speak.only(
        UPDATE, type="LONG_TERM", id=stored["LONG_TERM"], input={"longTerm": {"memory": "x"}}, **given
    )
    assert (seen(answer["errors"]), answer["status"]) == (expected, "ROLLED_BACK")


@pytest.mark.parametrize(
    ("raw", "path"),
    [
        ('{"metadata": {"a": [-1e999]}}', "input/session/metadata/a/0"),
        ('{"metadata": {"a": 1e999}}', "input/session/metadata/a"),
        ('{"metadata": {"a": "\\ud800"}}', "input/session/metadata/a"),
        ('{"metadata": {"a": 9223372036854775808}}', "input/session/metadata/a"),
        ('{"metadata": {"a": -9223372036854775809}}', "input/session/metadata/a"),
        ('{"metadata": {"a": 100000000000000000000}}', "input/session/metadata/a"),
        ('{"summary": "\\udfff"}', "input/session/summary"),
        ('{"metadata": {"a": ' + "[" * 500 + "]" * 500 + "}}", "input/session/metadata/a" + "/0" * 31),
    ],
)
async def test_json_that_cannot_be_stored_is_refused_with_the_path_to_the_place(
    speak: Client, stored: dict[str, str], raw: str, path: str
) -> None:
    before = await speak.data(SNAPSHOT)
    body = json.dumps({"query": UPDATE, "variables": {"type": "SESSION", "id": "s1", "input": {"session": "RAW"}}})
    answer = (await speak.raw(body.replace('"RAW"', raw).encode()))["data"]["updateMemory"]
    assert seen(answer["errors"]) == [("InvalidInput", path)]
    assert await speak.data(SNAPSHOT) == before


@pytest.mark.parametrize(
    "literal", ["{a: 1e999}", "{a: 9223372036854775808}", f"{{a: {'9' * 1_000}}}", f"{{a: -{'9' * 50}}}"]
)
async def test_a_literal_that_cannot_be_stored_is_refused_alike(
    speak: Client, stored: dict[str, str], literal: str
) -> None:
    document = f"""mutation {{ updateMemory(type: SESSION, id: "s1", input: {{session: {{metadata: {literal}}}}}) {{
      errors {{ __typename code path }} }} }}"""
    assert seen((await speak.only(document))["errors"]) == [("InvalidInput", "input/session/metadata/a")]


@pytest.mark.parametrize(
    ("contents", "expected"),
    [
        ([{"id": "m9"}], [("InvalidInput", "0/content")]),
        ([{"role": "user"}], [("InvalidInput", "0/content")]),
        ([{"id": "m1", "content": None}], [("InvalidInput", "0/content")]),
        ([{"id": "m1", "content": ""}], [("InvalidInput", "0/content")]),
        ([{"id": "m1", "role": None}], [("InvalidInput", "0/role")]),
        ([{"id": "m1", "role": "x" * 65}], [("InvalidInput", "0/role")]),
        ([{"id": "m1", "createdAt": None}], [("InvalidInput", "0/createdAt")]),
        ([{"id": "m1", "createdAt": "2025-01-10T12:34:56"}], [("InvalidInput", "0/createdAt")]),
        ([{"id": "m1", "createdAt": "yesterday\0"}], [("InvalidInput", "0/createdAt")]),
        ([{"id": "m1", "ifVersion": 5}], [("VersionConflict", "0/ifVersion")]),
        ([{"id": "m1", "ifVersion": 0, "content": "x"}], [("VersionConflict", "0/ifVersion")]),
        ([{"id": "", "content": "x"}], [("InvalidInput", "0/id")]),
        ([{"id": "a\0", "content": "x"}], [("InvalidInput", "0/id")]),
        ([{"metadata": {"messageId": 7}, "content": "x"}], [("InvalidInput", "0/metadata/messageId")]),
        ([{"id": "m1", "metadata": {"messageId": "\0"}}], [("InvalidInput", "0/metadata/messageId")]),
        ([{"id": "m1", "content": "x" * 1_100_000}], [("LimitExceeded", "0/content")]),
        ([{"id": "m1", "content": "a"}, {"id": "m1", "content": "b"}], [("InvalidInput", "1/id")]),
        ([{"id": "new", "content": "a"}, {"metadata": {"messageId": "new"}, "content": "b"}],
         [("InvalidInput", "1/id")]),
        ([{"id": "m1", "content": "Good."}, {"id": "m2"}, {"id": "m3", "content": "Good."}, {"id": "m4"}],
         [("InvalidInput", "1/content"), ("InvalidInput", "3/content")]),
    ],
)  # fmt: skip
async def test_an_entry_that_cannot_be_accepted(
    speak: Client, stored: dict[str, str], contents: list[dict[str, Any]], expected: list[tuple[str, str]]
) -> None:
    before = await speak.data(SNAPSHOT)
    answer = await speak.converse("s1", *contents, createSession=False)
    assert seen(answer["errors"]) == [(kind, f"input/contents/{path}") for kind, path in expected]
    failed = [result["index"] for result in answer["results"] if result["errors"]]
    assert [result["status"] for result in answer["results"]] == [
        "FAILED" if index in failed else "ROLLED_BACK" for index in range(len(contents))
    ]
    assert answer["updatedEntries"] == 0
    assert await speak.data(SNAPSHOT) == before


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"sessionId": "unknown", "createSession": False}, [("NotFound", "input/sessionId")]),
        ({"sessionId": "not an id"}, [("InvalidInput", "input/sessionId")]),
        ({"sessionId": "fresh", "containerId": "nowhere"}, [("NotFound", "input/containerId")]),
        ({"ifVersion": 9}, [("VersionConflict", "input/ifVersion")]),
        ({"reason": "x" * 1_001, "idempotencyKey": ""},
         [("InvalidInput", "input/reason"), ("InvalidInput", "input/idempotencyKey")]),
        ({"contents": [{"content": "x"}] * 1_001}, [("LimitExceeded", "input/contents")]),
    ],
)  # fmt: skip
async def test_entries_that_are_refused_as_a_whole(
    speak: Client, stored: dict[str, str], given: dict[str, Any], expected: list[tuple[str, str]]
) -> None:
    before = await speak.data(SNAPSHOT)
    asked = {"sessionId": "s1", "contents": [{"id": "m1", "content": "x"}], "createSession": True, **given}
    answer = await speak.only(CONVERSE, input=asked)
    assert seen(answer["errors"]) == expected
    assert {result["status"] for result in answer["results"]} == {"ROLLED_BACK"}
    assert len(answer["results"]) == len(asked["contents"]) == answer["counts"]["rolledBack"]
    assert (answer["memoryId"], answer["version"], answer["session"]) == (asked["sessionId"], None, None)
    assert await speak.data(SNAPSHOT) == before


async def test_a_session_id_that_is_a_memory_of_another_type(speak: Client, stored: dict[str, str]) -> None:
    answer = await speak.converse(stored["LONG_TERM"], {"content": "x"})
    assert seen(answer["errors"]) == [("MemoryTypeMismatch", "input/sessionId")]


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"session": {"id": "s1"}}, [("AlreadyExists", "input/session/id")]),
        ({"session": {"id": "default"}}, [("AlreadyExists", "input/session/id")]),
        ({"session": {"id": "no id"}}, [("InvalidInput", "input/session/id")]),
        ({"session": {"namespace": {"a": "\0"}}}, [("InvalidInput", "input/session/namespace/a")]),
        ({"working": {"sessionId": "s1", "entryId": "m1", "content": "x"}},
         [("AlreadyExists", "input/working/entryId")]),
        ({"working": {"entryId": "m1"}}, [("InvalidInput", "input/working/entryId")]),
        ({"working": {"sessionId": "unknown"}}, [("NotFound", "input/working/sessionId")]),
        ({"working": {"payloadType": None}}, [("InvalidInput", "input/working/payloadType")]),
        ({"longTerm": {"memory": ""}}, [("InvalidInput", "input/longTerm/memory")]),
        ({"longTerm": {"memory": "x", "strategy": "\0"}}, [("InvalidInput", "input/longTerm/strategy")]),
    ],
)  # fmt: skip
async def test_a_creation_that_cannot_be_accepted(
    speak: Client, stored: dict[str, str], given: dict[str, Any], expected: list[tuple[str, str]]
) -> None:
    before = await speak.data(SNAPSHOT)
    answer = await speak.only(CREATE, input=given)
    assert seen(answer["errors"]) == expected
    assert (answer["status"], answer["memory"]) == ("FAILED", None)
    assert await speak.data(SNAPSHOT) == before


async def test_a_creation_in_an_unknown_container(speak: Client) -> None:
    answer = await speak.only(
        """mutation { createMemory(input: {session: {}}, containerId: "nowhere") {
        errors { __typename code path } } }"""
    )
    assert seen(answer["errors"]) == [("NotFound", "containerId")]


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"type": "HISTORY", "id": "s1~1"}, [("ImmutableMemory", "type")]),
        ({"type": "WORKING"}, [("MemoryTypeMismatch", "type")]),
        ({"id": "gone"}, [("NotFound", "id")]),
        ({"ifVersion": 4}, [("VersionConflict", "ifVersion")]),
        ({"reason": "\0"}, [("InvalidInput", "reason")]),
    ],
)
async def test_a_deletion_that_cannot_be_accepted(
    speak: Client, stored: dict[str, str], given: dict[str, Any], expected: list[tuple[str, str]]
) -> None:
    before = await speak.data(SNAPSHOT)
    aimed = {"type": "SESSION", "id": "s1", **given}
    answer = await speak.only(DELETE, **aimed)
    assert seen(answer["errors"]) == expected
    assert (answer["memoryId"], answer["deletedEntries"]) == (aimed["id"], 0)
    assert await speak.data(SNAPSHOT) == before


async def test_a_version_conflict_carries_the_current_memory(speak: Client, stored: dict[str, str]) -> None:
    answer = await speak.only(
        """mutation { updateMemory(type: SESSION, id: "s1", input: {session: {summary: "x"}}, ifVersion: 8) { errors {
        message ... on VersionConflictError { expectedVersion actualVersion current { id version } } } } }"""
    )
    assert answer["errors"] == [
        {
            "message": "Expected version 8, found version 1.",
            "expectedVersion": 8,
            "actualVersion": 1,
            "current": {"id": "s1", "version": 1},
        }
    ]


async def test_refusals_tell_their_facts(speak: Client, stored: dict[str, str]) -> None:
    document = """mutation($many: [ContextEntryInput!]!) {
      a: updateMemory(type: WORKING, id: "s1", input: {working: {content: "x"}}) {
        errors { ... on MemoryTypeMismatchError { requested actual } } }
      b: updateMemory(type: HISTORY, id: "s1~1", input: {working: {content: "x"}}) {
        errors { ... on ImmutableMemoryError { memoryType } } }
      c: updateContextMemory(input: {sessionId: "s1", contents: $many}) {
        errors { ... on LimitExceededError { limit actual } } }
    }"""
    assert await speak.data(document, many=[{"content": "x"}] * 1_001) == {
        "a": {"errors": [{"requested": "WORKING", "actual": "SESSION"}]},
        "b": {"errors": [{"memoryType": "HISTORY"}]},
        "c": {"errors": [{"limit": Limits().commands, "actual": 1_001}]},
    }


async def test_a_mutation_without_the_scope_is_refused_in_its_payload(speak: Client, stored: dict[str, str]) -> None:
    reader = speak.allowed(Scope.READ)
    document = """
    mutation($context: UpdateContextMemoryInput!, $many: UpdateMemoriesInput!, $new: CreateMemoriesInput!) {
      a: updateMemory(type: SESSION, id: "s1", input: {session: {summary: "x"}}) { ...E }
      b: createMemory(input: {session: {}}) { errors { ...F } }
      c: deleteMemory(type: SESSION, id: "s1") { errors { ...F } }
      d: updateContextMemory(input: $context) { errors { ...F } }
      e: updateMemories(input: $many) { errors { ...F } }
      f: createMemories(input: $new) { errors { ...F } }
    }
    fragment E on UpdateMemoryPayload { errors { ...F } }
    fragment F on UserError { code path ... on ForbiddenError { requiredScope } }"""
    before = await speak.data(SNAPSHOT)
    answers = await reader.data(
        document,
        context={"sessionId": "s1", "contents": [{"content": "x"}]},
        many={"items": [{"type": "SESSION", "id": "s1", "input": {"session": {"summary": "x"}}}]},
        new={"items": [{"session": {}}]},
    )
    forbidden = {"code": "FORBIDDEN", "path": [], "requiredScope": "memory:write"}
    assert all(answer["errors"] == [forbidden] for answer in answers.values())
    assert await speak.data(SNAPSHOT) == before


async def test_another_tenants_memory_does_not_exist(client: Client) -> None:
    await client.converse("s1", {"id": "m1", "content": "Mine."})
    eve = client.as_(STRANGER)
    answer = await eve.only(UPDATE, type="SESSION", id="s1", input={"session": {"summary": "x"}})
    assert seen(answer["errors"]) == [("NotFound", "id")]
    assert seen((await eve.only(DELETE, type="SESSION", id="s1"))["errors"]) == [("NotFound", "id")]
    seen_by_eve = await eve.data('{ node(id: "s1") { id } memories { totalCount } record: node(id: "s1~1") { id } }')
    assert seen_by_eve == {"node": None, "memories": {"totalCount": 0}, "record": None}


async def test_a_key_used_for_other_arguments_is_a_conflict(client: Client) -> None:
    await client.only(CREATE, input={"longTerm": {"memory": "One."}}, key="k")
    answer = await client.only(CREATE, input={"longTerm": {"memory": "Two."}}, key="k")
    assert seen(answer["errors"]) == [("IdempotencyConflict", "idempotencyKey")]
    assert await client.data("{ memories { totalCount } }") == {"memories": {"totalCount": 1}}
