"""What can be read: single memories, lists and their pages."""

from dataclasses import replace
from typing import Any

import pytest

from mnesis.domain.caller import Scope
from mnesis.graph.cursors import CursorKind, cursor_text, read_cursor
from mnesis.usecases.ports import Cursor
from tests.graph.client import DELETE, UPDATE, Client

pytestmark = pytest.mark.anyio

EVERYTHING = """
query($id: ID!) { node(id: $id) { __typename id
  ... on Memory { memoryId isCurrent type version container { id name createdAt } namespace createdAt updatedAt
    contentUpdatedAt updatedBy history(first: 5) { totalCount edges { cursor node { id } } nodes { id }
    pageInfo { hasNextPage hasPreviousPage startCursor endCursor } } }
  ... on SessionMemory { summary metadata agents additionalInfo pinned
    entries(first: 5) { totalCount edges { cursor node { id } } nodes { id }
    pageInfo { hasNextPage hasPreviousPage startCursor endCursor } } }
  ... on WorkingMemory { session { id } entryId role content payloadType messages { role text parts } structuredData
    binaryData tags metadata }
  ... on LongTermMemory { memory tags strategy pinned }
  ... on HistoryMemory { subject { id } subjectId subjectType action changes { field kind before after } actor reason }
  ... on MemoryContainer { name made: createdAt }
} }
"""


async def test_one_document_selects_every_field_of_every_kind(client: Client) -> None:
    namespace = {"user": "bob"}
    _, working, fact = await client.create_one_of_each()

    def common(memory_id: str, kind: str, version: int) -> dict[str, Any]:
        return {
            "id": memory_id,
            "memoryId": memory_id,
            "isCurrent": True,
            "type": kind,
            "version": version,
            "updatedBy": "ann",
        }

    session = await client.only(EVERYTHING, id="s1")
    assert session.items() >= {**common("s1", "SESSION", 2), "summary": "S", "pinned": True}.items()
    assert [session[name] for name in ("metadata", "agents", "additionalInfo")] == [{"a": 1}, {"b": 2}, {"c": 3}]
    assert (session["namespace"], session["container"]["id"]) == (namespace, "default")
    assert [node["id"] for node in session["entries"]["nodes"]] == [working]
    assert (session["entries"]["totalCount"], session["history"]["totalCount"]) == (1, 2)
    assert [node["id"] for node in session["history"]["nodes"]] == ["s1~2", "s1~1"]

    entry = await client.only(EVERYTHING, id=working)
    assert entry.items() >= {**common(working, "WORKING", 1), "entryId": "m1", "role": "user", "content": "C"}.items()
    assert (entry["session"], entry["namespace"], entry["binaryData"]) == ({"id": "s1"}, namespace, "AAEC")
    assert repr(entry["structuredData"]) == repr({"d": [1.0, 1, True, None]})
    assert (entry["payloadType"], entry["tags"], entry["metadata"]) == ("CONVERSATIONAL", {"e": "5"}, {"f": {}})

    long_term = await client.only(EVERYTHING, id=fact)
    assert long_term.items() >= {**common(fact, "LONG_TERM", 1), "memory": "M", "strategy": "semantic"}.items()
    assert (long_term["tags"], long_term["pinned"], long_term["namespace"]) == ({}, True, {})

    record = await client.only(EVERYTHING, id="s1~2")
    assert record.items() >= common("s1~2", "HISTORY", 2).items()
    assert record["createdAt"] == record["updatedAt"] == record["contentUpdatedAt"] == session["updatedAt"]
    assert (record["subject"], record["subjectId"], record["subjectType"]) == ({"id": "s1"}, "s1", "SESSION")
    assert (record["action"], record["actor"], record["reason"]) == ("UPDATE", "ann", None)
    assert record["changes"] == [
        {"field": "entries", "kind": "ENTRIES", "before": None, "after": {"created": 1, "updated": 0, "deleted": 0}}
    ]
    assert (record["history"]["totalCount"], record["history"]["nodes"], record["namespace"]) == (0, [], namespace)

    container = await client.only(EVERYTHING, id="default")
    assert (container["__typename"], container["name"]) == ("MemoryContainer", "default")


@pytest.mark.parametrize(
    "unknown", ["nothing", "s1~9", "s1~0", "~1", "s1~4294967296", "s1~9999999999", "a\0b", "\ud800"]
)
async def test_what_names_nothing_is_null(client: Client, unknown: str) -> None:
    await client.converse("s1", {"content": "A"})
    document = """query($id: ID!) { node(id: $id) { id } session: memory(type: SESSION, id: $id) { id }
    history: memory(type: HISTORY, id: $id) { id } memoryContainer(id: $id) { id }
    memories(filter: {ids: [$id]}) { totalCount } inside: memories(filter: {containerId: $id}) { totalCount }
    of: memories(filter: {sessionId: $id}) { totalCount }
    records: memories(filter: {types: [HISTORY], sessionId: $id}) { totalCount } }"""
    none = {"totalCount": 0}
    assert await client.data(document, id=unknown) == {
        "node": None,
        "session": None,
        "history": None,
        "memoryContainer": None,
        "memories": none,
        "inside": none,
        "of": none,
        "records": none,
    }


async def test_a_memory_is_found_under_its_own_type_only(client: Client) -> None:
    await client.converse("s1", {"content": "A"})
    document = """{ right: memory(type: SESSION, id: "s1") { id } wrong: memory(type: WORKING, id: "s1") { id }
    live: memory(type: HISTORY, id: "s1") { id } record: memory(type: HISTORY, id: "s1~1") { id }
    other: memory(type: SESSION, id: "s1~1") { id } }"""
    assert await client.data(document) == {
        "right": {"id": "s1"},
        "wrong": None,
        "live": None,
        "record": {"id": "s1~1"},
        "other": None,
    }


async def test_the_default_container_is_always_there(client: Client) -> None:
    assert await client.data('{ memoryContainer { id name } other: memoryContainer(id: "x") { id } }') == {
        "memoryContainer": {"id": "default", "name": "default"},
        "other": None,
    }


async def test_the_viewer_is_who_asks(speak: Client) -> None:
    assert await speak.data("{ viewer { tenant subject scopes } }") == {
        "viewer": {"tenant": "acme", "subject": "ann", "scopes": ["memory:read", "memory:write"]}
    }


@pytest.mark.parametrize(
    "field",
    [
        'node(id: "s1") { id }',
        'node(id: "s1~1") { id }',
        'memory(type: SESSION, id: "s1") { id }',
        "memories { nodes { id } }",
        "memories(filter: {types: [HISTORY]}) { nodes { id } }",
        "memoryContainer { id }",
        "viewer { subject }",
    ],
)
async def test_no_query_is_answered_without_the_scope(speak: Client, field: str) -> None:
    answer = await speak.allowed().answer("{ it: " + field + " }")
    assert answer["data"] == {"it": None}
    [error] = answer["errors"]
    assert error["extensions"] == {"code": "FORBIDDEN", "requiredScope": "memory:read"}
    assert "errors" not in await speak.allowed(Scope.READ).answer("{ it: " + field + " }")


LIST = """query($filter: MemoryFilter, $first: Int, $after: String, $last: Int, $before: String) {
  memories(filter: $filter, first: $first, after: $after, last: $last, before: $before) {
    totalCount nodes { id } edges { cursor } pageInfo { hasNextPage hasPreviousPage startCursor endCursor } } }"""


def ids(page: dict[str, Any]) -> list[str]:
    return [node["id"] for node in page["nodes"]]


async def test_pages_follow_each_other_in_both_directions(client: Client) -> None:
    made = [await client.create(longTerm={"memory": str(number)}) for number in range(5)]
    made.reverse()
    first = await client.only(LIST, first=2)
    assert (ids(first), first["totalCount"]) == (made[:2], 5)
    assert first["pageInfo"] == {
        "hasNextPage": True,
        "hasPreviousPage": False,
        "startCursor": first["edges"][0]["cursor"],
        "endCursor": first["edges"][1]["cursor"],
    }
    second = await client.only(LIST, first=3, after=first["pageInfo"]["endCursor"])
    assert ids(second) == made[2:]
    assert (second["pageInfo"]["hasNextPage"], second["pageInfo"]["hasPreviousPage"]) == (False, True)
    last = await client.only(LIST, last=2)
    assert ids(last) == made[3:]
    assert (last["pageInfo"]["hasNextPage"], last["pageInfo"]["hasPreviousPage"]) == (False, True)
    backward = await client.only(LIST, last=3, before=last["pageInfo"]["startCursor"])
    assert ids(backward) == made[:3]
    assert (backward["pageInfo"]["hasNextPage"], backward["pageInfo"]["hasPreviousPage"]) == (True, False)
    assert ids(await client.only(LIST, before=last["pageInfo"]["startCursor"])) == made[:3]
    assert ids(await client.only(LIST, first=0)) == []
    assert ids(await client.only(LIST, after=cursor_text(CursorKind.MEMORIES, Cursor(value=2**63 - 1)))) == made
    assert ids(await client.only(LIST, after=cursor_text(CursorKind.MEMORIES, Cursor(value=1 - 2**63)))) == []


async def test_a_page_has_twenty_nodes_by_default(client: Client) -> None:
    await client.converse("s1", *({"content": str(number)} for number in range(25)))
    document = '{ memories { nodes { id } } node(id: "s1") { ... on SessionMemory { entries { nodes { content } } } } }'
    answer = await client.data(document)
    assert len(answer["memories"]["nodes"]) == 20
    assert [node["content"] for node in answer["node"]["entries"]["nodes"]] == [str(number) for number in range(20)]


async def test_filters_narrow_a_list(client: Client) -> None:
    await client.converse("s1", {"id": "a", "content": "A"})
    await client.converse("s2", {"id": "a", "content": "B"})
    fact = await client.create(longTerm={"memory": "M"})

    async def listed(**given: Any) -> list[str]:
        return ids(await client.only(LIST, filter=given))

    assert await listed(types=["LONG_TERM"]) == [fact]
    assert await listed(types=["SESSION", "LONG_TERM"]) == [fact, "s2", "s1"]
    assert await listed(ids=["s1", fact, "other"]) == [fact, "s1"]
    assert await listed(types=[]) == await listed(ids=[]) == await listed(containerId="other") == []
    assert len(await listed(sessionId="s1")) == 1
    assert len(await listed(containerId="default", types=None, ids=None, sessionId=None)) == 5
    assert ids(await client.only(LIST, filter=None)) == await listed()


async def test_history_is_a_list_of_its_own(client: Client) -> None:
    await client.converse("s1", {"id": "a", "content": "A"})
    await client.only(UPDATE, type="SESSION", id="s1", input={"session": {"summary": "S"}})
    fact = await client.create(longTerm={"memory": "M"})
    await client.only(DELETE, type="LONG_TERM", id=fact)
    everything = await client.only(LIST, filter={"types": ["HISTORY"]})
    assert ids(everything)[:3] == [f"{fact}~2", f"{fact}~1", "s1~2"]
    assert everything["totalCount"] == 5
    page = await client.only(LIST, filter={"types": ["HISTORY"]}, first=2, after=everything["edges"][0]["cursor"])
    assert ids(page) == [f"{fact}~1", "s1~2"]
    assert ids(await client.only(LIST, filter={"types": ["HISTORY"], "ids": ["s1"]})) == ["s1~2", "s1~1"]
    assert len(ids(await client.only(LIST, filter={"types": ["HISTORY"], "sessionId": "s1"}))) == 3
    error = await client.error(LIST, filter={"types": ["HISTORY", "SESSION"]})
    assert error["extensions"] == {"code": "BAD_USER_INPUT", "argument": "filter", "argumentPath": ["filter", "types"]}


async def test_entries_and_history_are_paged(client: Client) -> None:
    await client.converse("s1", *({"id": str(number), "content": str(number)} for number in range(4)))
    for number in range(3):
        await client.only(UPDATE, type="SESSION", id="s1", input={"session": {"summary": str(number)}})
    document = """query($after: String, $before: String, $old: String) { node(id: "s1") { ... on SessionMemory {
      forward: entries(first: 2, after: $after) { nodes { content } pageInfo { endCursor hasNextPage } }
      backward: entries(last: 2, before: $before) { nodes { content } pageInfo { startCursor hasPreviousPage } }
      history(first: 3, after: $old) { nodes { version } pageInfo { endCursor hasNextPage } } } } }"""

    def shown(session: dict[str, Any]) -> tuple[list[str], list[str], list[int]]:
        return (
            [node["content"] for node in session["forward"]["nodes"]],
            [node["content"] for node in session["backward"]["nodes"]],
            [node["version"] for node in session["history"]["nodes"]],
        )

    session = await client.only(document)
    assert shown(session) == (["0", "1"], ["2", "3"], [4, 3, 2])
    session = await client.only(
        document,
        after=session["forward"]["pageInfo"]["endCursor"],
        before=session["backward"]["pageInfo"]["startCursor"],
        old=session["history"]["pageInfo"]["endCursor"],
    )
    assert shown(session) == (["2", "3"], ["0", "1"], [1])


@pytest.mark.parametrize(
    ("given", "argument", "code"),
    [
        ({"first": 1, "last": 1}, "last", "BAD_USER_INPUT"),
        ({"first": -1}, "first", "BAD_USER_INPUT"),
        ({"last": -1}, "last", "BAD_USER_INPUT"),
        ({"first": 101}, "first", "BAD_USER_INPUT"),
        ({"last": 101}, "last", "BAD_USER_INPUT"),
        ({"first": 1, "before": cursor_text(CursorKind.MEMORIES, Cursor(value=1))}, "before", "BAD_USER_INPUT"),
        ({"last": 1, "after": cursor_text(CursorKind.MEMORIES, Cursor(value=1))}, "after", "BAD_USER_INPUT"),
        ({"after": "x", "before": "x"}, "after", "BAD_USER_INPUT"),
        ({"after": ""}, "after", "CURSOR_INVALID"),
        ({"after": "not a cursor \ud800"}, "after", "CURSOR_INVALID"),
        ({"before": "bToxOjE="}, "before", "CURSOR_INVALID"),
        ({"after": cursor_text(CursorKind.ENTRIES, Cursor(value=1))}, "after", "CURSOR_INVALID"),
    ],
)
async def test_page_arguments_that_cannot_be_meant(
    speak: Client, given: dict[str, Any], argument: str, code: str
) -> None:
    error = await speak.error(LIST, **given)
    assert error["extensions"] == {"code": code, "argument": argument}
    assert error["path"] == ["memories"]


async def test_page_arguments_of_nested_connections_are_checked_too(speak: Client) -> None:
    await speak.converse("s1", {"content": "A"})
    for field in ("history(first: -1)", "entries(first: 101)", 'history(after: "x")'):
        answer = await speak.answer(
            f'{{ node(id: "s1") {{ ... on SessionMemory {{ id {field} {{ totalCount }} }} }} }}'
        )
        assert answer["data"]["node"]["id"] == "s1"
        assert answer["errors"][0]["extensions"]["code"] in ("BAD_USER_INPUT", "CURSOR_INVALID")
    error = await speak.error('{ node(id: "s1~1") { ... on Memory { history(first: -1) { totalCount } } } }')
    assert error["extensions"]["argument"] == "first"


@pytest.mark.parametrize("cursor", [Cursor(value=0), Cursor(value=-5, tie=7), Cursor(value=2**63 - 1, tie=2**63 - 1)])
def test_a_cursor_comes_back_as_it_was(cursor: Cursor) -> None:
    for kind in CursorKind:
        # Containers are in the order of their ids.
        place = replace(cursor, id="a:b.c") if kind is CursorKind.CONTAINERS else cursor
        assert read_cursor(kind, cursor_text(kind, place)) == place


@pytest.mark.parametrize(
    "text", ["bToxOjE=", "bTowMTox", "bTotMDox", "bTox", "bTo5MjIzMzcyMDM2ODU0Nzc1ODA4OjE", "bTox OjE", "b\n", "¶"]
)
def test_only_what_was_given_out_is_a_cursor(text: str) -> None:
    assert read_cursor(CursorKind.MEMORIES, text) is None
