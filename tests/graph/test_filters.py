"""Filters and orders as clients say them, and what is told of those that cannot be meant."""

import json
from typing import Any

import pytest

from mnesis.domain.caller import EVERY_SCOPE, Scope
from mnesis.graph.filters import filter_path
from tests.graph.client import Client

pytestmark = pytest.mark.anyio

LIST = """query($filter: MemoryFilter, $order: MemoryOrder, $first: Int, $after: String, $before: String) {
  memories(filter: $filter, orderBy: $order, first: $first, after: $after, before: $before) {
    totalCount nodes { id } pageInfo { endCursor startCursor hasNextPage }
} }"""
DELETE_ALL = """mutation($input: DeleteMemoriesInput!) { deleteMemories(input: $input) {
  receipt { sessions working longTerm history total } dryRun replayed errors { __typename code message path }
  query { memories { totalCount } }
} }"""
ERASE_ALL = DELETE_ALL.replace("DeleteMemories", "EraseMemories").replace("deleteMemories", "eraseMemories")


async def found(client: Client, filter: Any, order: str | None = None) -> list[str]:
    page = await client.only(LIST, filter=filter, order=order)
    assert page["totalCount"] == len(page["nodes"])
    return [node["id"] for node in page["nodes"]]


async def some(client: Client) -> dict[str, str]:
    await client.create(session={"id": "trip", "summary": "Lisbon", "metadata": {"a": {"b": 1, "c": [1, 2]}}})
    await client.create(session={"id": "work", "pinned": True, "namespace": {"user": "bob", "app": "x"}})
    await client.converse("trip", {"id": "m1", "content": "100% SURE"}, {"id": "m2", "content": "ok"})
    tea = await client.create(longTerm={"memory": "Likes tea.", "tags": {"topic": "drinks"}})
    nodes = await client.only('{ memories(filter: {sessionId: "trip"}, orderBy: CREATED_AT_ASC) { nodes { id } } }')
    first, second = (node["id"] for node in nodes["nodes"])
    return {first: "m1", second: "m2", tea: "tea", "trip": "trip", "work": "work"}


async def test_every_condition_narrows_a_list(client: Client) -> None:
    names = await some(client)
    for wanted, expected in [
        ({}, "work trip m1 m2 tea"),
        ({"metadata": {"a": {"c": [2]}}}, "trip"),
        ({"namespace": {"user": "bob"}}, "work"),
        ({"tags": {"topic": "drinks"}}, "tea"),
        ({"pinned": True}, "work"),
        ({"pinned": False}, "trip tea"),
        ({"text": "100% s"}, "m1"),
        ({"text": "%"}, "m1"),
        ({"text": "_"}, ""),
        ({"text": "lisBON"}, "trip"),
        ({"createdAt": {"from": "2020-01-01T00:00:00Z", "to": "2100-01-01T00:00:00Z"}}, "work trip m1 m2 tea"),
        ({"updatedAt": {"to": "2020-01-01T00:00:00Z"}}, ""),
        ({"contentUpdatedAt": {"from": "2100-01-01T00:00:00Z"}}, ""),
        ({"not": {"pinned": True}}, "trip m1 m2 tea"),
        ({"or": [{"text": "tea"}, {"ids": ["trip"]}]}, "trip tea"),
        ({"and": [{"types": ["SESSION"]}, {"not": {"text": "lisbon"}}]}, "work"),
        ({"or": []}, ""),
        ({"and": []}, "work trip m1 m2 tea"),
        ({"types": None, "ids": None, "text": None, "and": None, "not": None}, "work trip m1 m2 tea"),
    ]:
        assert {names[each] for each in await found(client, wanted)} == set(expected.split()), wanted


async def test_memories_are_listed_in_four_orders(client: Client) -> None:
    for name in ("a", "b", "c"):
        await client.create(session={"id": name})
    await client.data(
        'mutation { updateMemory(type: SESSION, id: "a", input: {session: {summary: "new"}}) { version } }'
    )
    assert await found(client, None) == ["c", "b", "a"]
    assert await found(client, None, "CREATED_AT_DESC") == ["c", "b", "a"]
    assert await found(client, None, "CREATED_AT_ASC") == ["a", "b", "c"]
    assert await found(client, None, "UPDATED_AT_DESC") == ["a", "c", "b"]
    assert await found(client, None, "UPDATED_AT_ASC") == ["b", "c", "a"]


async def test_a_cursor_is_good_for_its_own_order_only(speak: Client) -> None:
    for name in ("a", "b", "c"):
        await speak.create(session={"id": name})
    orders = ["CREATED_AT_DESC", "CREATED_AT_ASC", "UPDATED_AT_DESC", "UPDATED_AT_ASC"]
    for order in orders:
        first = await speak.only(LIST, order=order, first=1)
        cursor = first["pageInfo"]["endCursor"]
        rest = await speak.only(LIST, order=order, after=cursor)
        assert len(rest["nodes"]) == 2
        back = await speak.only(LIST, order=order, before=rest["pageInfo"]["startCursor"])
        assert back["nodes"] == first["nodes"]
        for other in orders:
            if other != order:
                error = await speak.error(LIST, order=other, after=cursor)
                assert error["extensions"] == {"code": "CURSOR_INVALID", "argument": "after"}


@pytest.mark.parametrize(
    ("wanted", "path"),
    [
        ({"createdAt": {"from": "2026-01-02T00:00:00Z", "to": "2026-01-01T00:00:00Z"}}, ["createdAt"]),
        ({"updatedAt": {}}, ["updatedAt"]),
        ({"contentUpdatedAt": {"from": "yesterday"}}, ["contentUpdatedAt", "from"]),
        ({"createdAt": {"to": "2026-01-01"}}, ["createdAt", "to"]),
        ({"and": [{}, {"or": [{"not": {"text": ""}}]}]}, ["and", "1", "or", "0", "not", "text"]),
        ({"tags": {"and_so": {"created_at": 2**64}}}, ["tags", "and_so", "created_at"]),
        ({"or": [{"types": ["HISTORY"]}]}, ["or", "0", "types"]),
        ({"types": ["HISTORY"], "tags": {}}, ["tags"]),
        ({"types": ["HISTORY"], "not": {}}, ["not"]),
        ({"types": ["HISTORY", "SESSION"]}, ["types"]),
        ({"text": "\ud800"}, ["text"]),
        ({"ids": ["x" + str(number) for number in range(1_001)]}, ["ids"]),
    ],
)
async def test_a_filter_that_cannot_be_meant_is_refused_where_it_is_wrong(
    speak: Client, wanted: Any, path: list[str]
) -> None:
    error = await speak.error(LIST, filter=wanted)
    expected = {"code": "BAD_USER_INPUT", "argument": "filter", "argumentPath": ["filter", *path]}
    assert error["extensions"] == expected
    admin = speak.allowed(Scope.ADMIN)
    answer = await admin.only(DELETE_ALL, input={"filter": wanted})
    fault = answer["errors"][0]
    assert (fault["code"], fault["path"][:2]) == ("INVALID_INPUT", ["input", "filter"])


@pytest.mark.parametrize("levels", [9, 50, 200, 900])
async def test_a_filter_that_nests_too_deeply_is_refused(speak: Client, levels: int) -> None:
    wanted: Any = {"pinned": True}
    for _ in range(levels - 1):
        wanted = {"not": wanted}
    error = await speak.error(LIST, filter=wanted)
    assert error["extensions"]["code"] == "BAD_USER_INPUT"
    text = json.dumps(wanted).replace('"', "")
    error = await speak.error(f"{{ memories(filter: {text}) {{ totalCount }} }}")
    assert error["extensions"]["code"] in ("BAD_USER_INPUT", "GRAPHQL_PARSE_FAILED", "GRAPHQL_VALIDATION_FAILED")


async def test_a_filter_of_too_many_conditions_is_refused(speak: Client) -> None:
    error = await speak.error(LIST, filter={"or": [{"text": str(number)} for number in range(50)]})
    assert error["extensions"] == {"code": "BAD_USER_INPUT", "argument": "filter"}
    assert "at most 50 conditions" in error["message"]


async def test_history_is_narrowed_by_time_but_has_its_own_order(client: Client) -> None:
    await client.converse("s", {"content": "a"})
    records = {"types": ["HISTORY"], "containerId": "default", "createdAt": {"from": "2020-01-01T00:00:00Z"}}
    assert len(await found(client, records)) == 2
    assert await found(client, {**records, "createdAt": {"to": "2020-01-01T00:00:00Z"}}) == []
    error = await client.error(LIST, filter=records, order="CREATED_AT_ASC")
    assert error["extensions"] == {"code": "BAD_USER_INPUT", "argument": "orderBy"}


async def test_a_filter_without_the_scope_says_so_first(speak: Client) -> None:
    wrong = {"types": ["HISTORY"], "tags": {}}
    assert (await speak.allowed().error(LIST, filter=wrong))["extensions"]["code"] == "FORBIDDEN"
    assert (await speak.allowed().error(LIST, filter={"text": ""}))["extensions"]["code"] == "FORBIDDEN"


async def test_a_deletion_answers_with_a_receipt(client: Client) -> None:
    await some(client)
    admin = client.allowed(*EVERY_SCOPE)
    wanted = {"filter": {"or": [{"ids": ["trip"]}, {"tags": {"topic": "drinks"}}]}, "reason": "tidy"}
    receipt = {"sessions": 1, "working": 2, "longTerm": 1, "history": 0, "total": 4}
    for dry_run, left in ((True, 5), (False, 1)):
        answer = await admin.only(DELETE_ALL, input={**wanted, "dryRun": dry_run})
        assert answer == {
            "receipt": receipt,
            "dryRun": dry_run,
            "replayed": False,
            "errors": [],
            "query": {"memories": {"totalCount": left}},
        }
    [record] = (
        await client.only(
            '{ memories(filter: {types: [HISTORY], ids: ["trip"]}, first: 1) { nodes { id ... on'
            " HistoryMemory { action reason } } } }"
        )
    )["nodes"]
    assert record == {"id": "trip~3", "action": "DELETE", "reason": "tidy"}


async def test_an_erasure_leaves_one_record(client: Client) -> None:
    await some(client)
    admin = client.allowed(*EVERY_SCOPE)
    answer = await admin.only(
        ERASE_ALL, input={"filter": {"ids": ["trip"]}, "reason": "asked to", "idempotencyKey": "k"}
    )
    assert answer["receipt"] == {"sessions": 1, "working": 2, "longTerm": 0, "history": 4, "total": 3}
    again = await admin.only(
        ERASE_ALL, input={"filter": {"ids": ["trip"]}, "reason": "asked to", "idempotencyKey": "k"}
    )
    assert (again["receipt"], again["replayed"]) == (answer["receipt"], True)
    records = await client.only(
        '{ memories(filter: {types: [HISTORY], sessionId: "trip"}) { nodes { id ... on HistoryMemory'
        " { action actor reason changes { field } namespace } } } }"
    )
    assert len(records["nodes"]) == 3
    assert {json.dumps({**node, "id": ""}) for node in records["nodes"]} == {
        json.dumps({"id": "", "action": "ERASE", "actor": "ann", "reason": "asked to", "changes": [], "namespace": {}})
    }
    error = await client.error('{ memory(type: SESSION, id: "trip", version: 1) { id } }')
    assert error["extensions"]["code"] == "VERSION_NOT_KEPT"


@pytest.mark.parametrize("document", [DELETE_ALL, ERASE_ALL], ids=["delete", "erase"])
@pytest.mark.parametrize(
    ("given", "path"),
    [
        ({}, ["input", "filter"]),
        ({"filter": None}, ["input", "filter"]),
        ({"filter": {}}, ["input", "filter"]),
        ({"filter": {"namespace": {}}}, ["input", "filter"]),
        ({"filter": {"and": [{}], "or": [{}, {"pinned": True}]}}, ["input", "filter"]),
        ({"filter": {"not": {"or": []}}}, ["input", "filter"]),
        ({"filter": {"pinned": True}, "all": True}, ["input", "all"]),
        ({"filter": {"types": ["HISTORY"]}}, ["input", "filter", "types"]),
        ({"filter": {"not": {"types": ["HISTORY"]}}}, ["input", "filter", "not", "types"]),
        ({"all": True, "reason": "x" * 1_001}, ["input", "reason"]),
        ({"all": True, "idempotencyKey": ""}, ["input", "idempotencyKey"]),
    ],
)
async def test_a_removal_that_cannot_be_meant_removes_nothing(
    speak: Client, document: str, given: Any, path: list[str]
) -> None:
    await speak.create(session={"id": "s"})
    answer = await speak.allowed(*EVERY_SCOPE).only(document, input=given)
    assert [(error["code"], error["path"]) for error in answer["errors"]] == [("INVALID_INPUT", path)]
    assert (answer["receipt"]["total"], answer["query"]["memories"]["totalCount"]) == (0, 1)


@pytest.mark.parametrize("document", [DELETE_ALL, ERASE_ALL], ids=["delete", "erase"])
async def test_a_filter_that_lets_nothing_pass_removes_nothing(speak: Client, document: str) -> None:
    await speak.create(session={"id": "s"})
    filters: tuple[Any, ...] = ({"or": []}, {"not": {}}, {"types": []}, {"ids": ["other"]}, {"and": [{"ids": []}]})
    for wanted in filters:
        answer = await speak.allowed(*EVERY_SCOPE).only(document, input={"filter": wanted})
        assert (answer["receipt"]["total"], answer["errors"]) == (0, []), wanted


def test_a_path_keeps_the_keys_of_objects() -> None:
    path = ("every", "0", "either", "1", "never", "metadata", "every", "created_at")
    assert filter_path(path) == ["and", "0", "or", "1", "not", "metadata", "every", "created_at"]
    assert filter_path(("content_updated_at", "start")) == ["contentUpdatedAt", "from"]
