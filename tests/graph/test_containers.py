"""Containers over GraphQL: what is given is shown, what is wrong is told with its place."""

from typing import Any

import pytest

from mnesis.domain.caller import Scope
from tests.graph.client import Client

pytestmark = pytest.mark.anyio

SETTINGS = """
fragment Settings on MemoryContainer {
  id name description metadata version createdAt updatedAt isDeleted memoryCount
  retention { session { days count } working { days count } longTerm { days count } history { days count } }
}
"""
ERRORS = "errors { __typename code path message ... on ContainerNotEmptyError { memories } }"
MAKE = f"""
mutation($input: CreateMemoryContainerInput!, $key: String) {{
  createMemoryContainer(input: $input, idempotencyKey: $key) {{
    status version replayed container {{ ...Settings }} {ERRORS}
  }}
}}
{SETTINGS}"""
CHANGE = f"""
mutation($id: ID!, $input: UpdateMemoryContainerInput!, $ifVersion: Int, $key: String) {{
  updateMemoryContainer(id: $id, input: $input, ifVersion: $ifVersion, idempotencyKey: $key) {{
    status version replayed container {{ ...Settings }} {ERRORS}
  }}
}}
{SETTINGS}"""
DROP = f"""
mutation($id: ID!, $all: Boolean! = false, $dry: Boolean! = false, $ifVersion: Int, $reason: String, $key: String) {{
  deleteMemoryContainer(id: $id, deleteMemories: $all, dryRun: $dry, ifVersion: $ifVersion, reason: $reason,
                        idempotencyKey: $key) {{
    status version replayed containerId dryRun receipt {{ sessions working longTerm history total }} {ERRORS}
    query {{ memoryContainer(id: $id) {{ id }} node(id: $id) {{ id }} }}
  }}
}}
"""
SHOW = f"query($id: ID!) {{ memoryContainer(id: $id) {{ ...Settings }} }}{SETTINGS}"
PAGE = """
query($first: Int, $after: String, $last: Int, $before: String) {
  memoryContainers(first: $first, after: $after, last: $last, before: $before) {
    totalCount nodes { id } edges { cursor node { id } }
    pageInfo { hasNextPage hasPreviousPage startCursor endCursor }
  }
}
"""
NO_RULES = {"session": None, "working": None, "longTerm": None, "history": None}
FULL = {
    "id": "work",
    "name": "Work",
    "description": "All of it",
    "metadata": {"team": ["a", 1]},
    "retention": {"session": {"days": 30, "count": 1000}, "longTerm": {"count": 5}},
}
NOTHING = {"sessions": 0, "working": 0, "longTerm": 0, "history": 0, "total": 0}


@pytest.fixture
def admin(client: Client) -> Client:
    return client.allowed(Scope.ADMIN)


@pytest.fixture
def speaker(speak: Client) -> Client:
    return speak.allowed(Scope.ADMIN)


def faults(answer: Any) -> list[tuple[str, list[str]]]:
    return [(error["code"], error["path"]) for error in answer["errors"]]


async def test_a_container_shows_its_settings(admin: Client) -> None:
    made = await admin.only(MAKE, input=FULL)
    assert (made["status"], made["version"], made["replayed"], made["errors"]) == ("CREATED", 1, False, [])
    shown = await admin.only(SHOW, id="work")
    assert shown == made["container"]
    assert shown.pop("createdAt") == shown.pop("updatedAt")
    assert shown == {
        "id": "work",
        "name": "Work",
        "description": "All of it",
        "metadata": {"team": ["a", 1]},
        "version": 1,
        "isDeleted": False,
        "memoryCount": 0,
        "retention": {**NO_RULES, "session": {"days": 30, "count": 1000}, "longTerm": {"days": None, "count": 5}},
    }


async def test_a_change_keeps_what_is_left_out_and_clears_what_is_null(admin: Client) -> None:
    await admin.only(MAKE, input=FULL)
    rules = {"session": None, "history": {"days": 7}}
    changed = await admin.only(CHANGE, id="work", ifVersion=1, input={"description": None, "retention": rules})
    assert (changed["status"], changed["version"], changed["errors"]) == ("UPDATED", 2, [])
    shown = changed["container"]
    assert (shown["name"], shown["description"], shown["metadata"]) == ("Work", None, {"team": ["a", 1]})
    assert shown["retention"] == {
        **NO_RULES, "longTerm": {"days": None, "count": 5}, "history": {"days": 7, "count": None},
    }  # fmt: skip
    assert shown["createdAt"] < shown["updatedAt"]
    assert (await admin.only(CHANGE, id="work", input={"description": None}))["status"] == "UNCHANGED"
    cleared = await admin.only(CHANGE, id="work", input={"retention": None, "metadata": None})
    assert (cleared["container"]["retention"], cleared["container"]["metadata"]) == (NO_RULES, None)
    stale = await admin.only(CHANGE, id="work", ifVersion=1, input={"name": "x"})
    assert (stale["status"], stale["version"], stale["container"]) == ("FAILED", None, None)
    assert faults(stale) == [("VERSION_CONFLICT", ["ifVersion"])]


async def test_a_container_without_a_chosen_id_gets_one(speaker: Client) -> None:
    made = await speaker.only(MAKE, input={})
    container = made["container"]
    assert container["name"] == container["id"]
    assert len(container["id"]) == 36


@pytest.mark.parametrize(
    ("given", "path"),
    [
        ({"id": "a b"}, ["input", "id"]),
        ({"name": None}, ["input", "name"]),
        ({"name": ""}, ["input", "name"]),
        ({"description": "d" * 1_001}, ["input", "description"]),
        ({"metadata": {"a": ["\0"]}}, ["input", "metadata", "a", "0"]),
        ({"retention": {"longTerm": {"days": 0}}}, ["input", "retention", "longTerm", "days"]),
        ({"retention": {"session": {"days": 1, "count": -1}}}, ["input", "retention", "session", "count"]),
        ({"retention": {"working": {}}}, ["input", "retention", "working"]),
    ],
)
async def test_what_is_wrong_is_told_with_its_place(speaker: Client, given: dict[str, Any], path: list[str]) -> None:
    refused = await speaker.only(MAKE, input={"id": "c", **given})
    assert (refused["status"], refused["container"], faults(refused)) == ("FAILED", None, [("INVALID_INPUT", path)])
    if "id" not in given:
        assert faults(await speaker.only(CHANGE, id="default", input=given)) == [("INVALID_INPUT", path)]
    assert (await speaker.only(PAGE))["totalCount"] == 1


async def test_what_stands_beside_the_input_is_named_so(speaker: Client) -> None:
    assert faults(await speaker.only(CHANGE, id="default", input={})) == [("INVALID_INPUT", ["input"])]
    wrong = await speaker.only(CHANGE, id="no\0where", input={"name": "x"}, ifVersion=0, key="")
    assert faults(wrong) == [
        ("INVALID_INPUT", ["idempotencyKey"]), ("NOT_FOUND", ["id"]), ("INVALID_INPUT", ["ifVersion"]),
    ]  # fmt: skip
    assert faults(await speaker.only(MAKE, input={"id": "default"}, key="k" * 256)) == [
        ("INVALID_INPUT", ["idempotencyKey"])
    ]
    assert faults(await speaker.only(MAKE, input={"id": "default"})) == [("ALREADY_EXISTS", ["input", "id"])]
    assert faults(await speaker.only(DROP, id="default")) == [("INVALID_INPUT", ["id"])]
    assert faults(await speaker.only(DROP, id="\ud800", reason="r" * 1_001)) == [
        ("INVALID_INPUT", ["reason"]), ("NOT_FOUND", ["id"]),
    ]  # fmt: skip
    for document, variables in (
        (MAKE, {"input": {}}), (CHANGE, {"id": "default", "input": {"name": "x"}}), (DROP, {"id": "c"}),
    ):  # fmt: skip
        refused = await speaker.allowed(Scope.READ).only(document, **variables)
        assert faults(refused) == [("FORBIDDEN", [])]


async def test_a_container_goes_with_its_memories_only_where_that_is_meant(admin: Client) -> None:
    await admin.only(MAKE, input={"id": "c"})
    await admin.converse("s", {"content": "1"}, {"content": "2"}, containerId="c")
    assert (await admin.only(SHOW, id="c"))["memoryCount"] == 3
    refused = await admin.only(DROP, id="c")
    assert (refused["status"], refused["version"], refused["receipt"]) == ("FAILED", None, NOTHING)
    assert refused["errors"] == [
        {
            "__typename": "ContainerNotEmptyError",
            "code": "CONTAINER_NOT_EMPTY",
            "path": ["deleteMemories"],
            "message": 'The container "c" holds 3 memories, which have to be deleted with it or before it.',
            "memories": 3,
        }
    ]
    counts = {**NOTHING, "sessions": 1, "working": 2, "total": 3}
    dry = await admin.only(DROP, id="c", all=True, dry=True)
    assert (dry["status"], dry["dryRun"], dry["receipt"], dry["errors"]) == ("DELETED", True, counts, [])
    assert dry["query"] == {"memoryContainer": {"id": "c"}, "node": {"id": "c"}}
    gone = await admin.only(DROP, id="c", all=True, ifVersion=1, reason="over", key="k")
    assert (gone["status"], gone["version"], gone["containerId"], gone["receipt"]) == ("DELETED", 2, "c", counts)
    assert (gone["dryRun"], gone["replayed"], gone["errors"]) == (False, False, [])
    assert gone["query"] == {"memoryContainer": None, "node": None}
    again = await admin.only(DROP, id="c", all=True, ifVersion=1, reason="over", key="k")
    assert again == {**gone, "replayed": True}
    assert faults(await admin.only(DROP, id="c")) == [("NOT_FOUND", ["id"])]
    # What is told of the past still says where it was.
    past = await admin.only('{ memory(type: SESSION, id: "s", version: 1) { container { id isDeleted version } } }')
    assert past == {"container": {"id": "c", "isDeleted": True, "version": 2}}


async def test_a_repeated_answer_shows_the_container_as_it_is_now(admin: Client) -> None:
    first = await admin.only(MAKE, input={"id": "c", "name": "one"}, key="k")
    await admin.only(CHANGE, id="c", input={"name": "two"})
    again = await admin.only(MAKE, input={"id": "c", "name": "one"}, key="k")
    assert (again["version"], again["status"], again["replayed"]) == (first["version"], "CREATED", True)
    assert (again["container"]["name"], again["container"]["version"]) == ("two", 2)
    assert faults(await admin.only(MAKE, input={"id": "d"}, key="k")) == [("IDEMPOTENCY_CONFLICT", ["idempotencyKey"])]
    await admin.only(DROP, id="c")
    assert (await admin.only(MAKE, input={"id": "c", "name": "one"}, key="k"))["container"] is None


async def test_pages_go_both_ways_and_foreign_cursors_lead_nowhere(admin: Client) -> None:
    for name in ("a", "b", "c"):
        await admin.only(MAKE, input={"id": name})
    page = await admin.only(PAGE, first=3)
    assert ([node["id"] for node in page["nodes"]], page["totalCount"]) == (["a", "b", "c"], 4)
    assert page["pageInfo"]["hasNextPage"] is True
    rest = await admin.only(PAGE, first=3, after=page["pageInfo"]["endCursor"])
    assert ([node["id"] for node in rest["nodes"]], rest["pageInfo"]["hasNextPage"]) == (["default"], False)
    back = await admin.only(PAGE, last=2, before=rest["pageInfo"]["startCursor"])
    assert ([node["id"] for node in back["nodes"]], back["pageInfo"]["hasPreviousPage"]) == (["b", "c"], True)
    await admin.create(longTerm={"memory": "m"})
    foreign = (await admin.only("{ memories { edges { cursor } } }"))["edges"][0]["cursor"]
    # n:0:0, n:0:0: and n:0:0:<what is no id>
    for cursor in (foreign, "nonsense", "bjowOjA", "bjowOjA6", "bjowOjA6YSBi"):
        error = await admin.error(PAGE, after=cursor)
        assert error["extensions"] == {"code": "CURSOR_INVALID", "argument": "after"}
    own = page["pageInfo"]["endCursor"]
    error = await admin.error("query($c: String) { memories(after: $c) { nodes { id } } }", c=own)
    assert error["extensions"]["code"] == "CURSOR_INVALID"
    assert (await admin.error(PAGE, first=101))["extensions"] == {"code": "BAD_USER_INPUT", "argument": "first"}


async def test_counts_of_many_containers_are_one_question(speaker: Client) -> None:
    for name in ("a", "b"):
        await speaker.only(MAKE, input={"id": name})
    await speaker.only('mutation { createMemory(containerId: "b", input: {longTerm: {memory: "m"}}) { status } }')
    page = await speaker.only("{ memoryContainers { nodes { id memoryCount } } }")
    assert page["nodes"] == [
        {"id": "a", "memoryCount": 0}, {"id": "b", "memoryCount": 1}, {"id": "default", "memoryCount": 0},
    ]  # fmt: skip
