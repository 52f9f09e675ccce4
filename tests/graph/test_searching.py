"""Searching through the edge: what is answered, and what is refused in which words."""

import base64
from typing import Any

import pytest

from mnesis.domain.caller import Scope
from tests.graph.client import Client

pytestmark = pytest.mark.anyio

SEARCH = """
query($query: String!, $filter: MemoryFilter, $mode: SearchMode! = AUTO, $first: Int! = 10, $after: String) {
  searchMemories(query: $query, filter: $filter, mode: $mode, first: $first, after: $after) {
    edges { cursor score highlights { field parts { text matched } }
            node { __typename id ... on WorkingMemory { content session { id } } ... on LongTermMemory { memory } } }
    nodes { id }
    pageInfo { hasNextPage hasPreviousPage startCursor endCursor }
  }
}
"""


async def test_answers_come_with_scores_and_highlights(client: Client) -> None:
    fact = await client.create(longTerm={"memory": "Anna <b>loves</b> hiking in the Alps."})
    await client.converse("talk", {"id": "1", "content": "Where shall we hike?"}, {"id": "2", "content": "In Wales."})
    found = await client.only(SEARCH, query="Does Anna love to hike?")
    first, *others = found["edges"]
    assert first["node"] == {
        "__typename": "LongTermMemory", "id": fact, "memory": "Anna <b>loves</b> hiking in the Alps."
    }  # fmt: skip
    assert first["highlights"] == [
        {
            "field": "memory",
            "parts": [
                {"text": "Anna", "matched": True},
                {"text": " <b>", "matched": False},
                {"text": "loves", "matched": True},
                {"text": "</b> ", "matched": False},
                {"text": "hiking", "matched": True},
                {"text": " in the Alps.", "matched": False},
            ],
        }
    ]
    assert [edge["node"]["content"] for edge in others] == ["Where shall we hike?", "In Wales."]
    assert others[1]["highlights"] == []
    scores = [edge["score"] for edge in found["edges"]]
    assert scores == sorted(scores, reverse=True)
    assert min(scores) > 0
    assert [node["id"] for node in found["nodes"]] == [edge["node"]["id"] for edge in found["edges"]]


async def test_pages_are_bound_to_their_query(client: Client) -> None:
    for number in range(5):
        await client.create(longTerm={"memory": f"Tea number {number}."})
    first = await client.only(SEARCH, query="tea", first=3)
    assert first["pageInfo"] == {
        "hasNextPage": True,
        "hasPreviousPage": False,
        "startCursor": first["edges"][0]["cursor"],
        "endCursor": first["edges"][2]["cursor"],
    }
    after = first["pageInfo"]["endCursor"]
    second = await client.only(SEARCH, query="tea", first=3, after=after)
    assert (second["pageInfo"]["hasNextPage"], second["pageInfo"]["hasPreviousPage"]) == (False, True)
    assert len({node["id"] for node in first["nodes"] + second["nodes"]}) == 5
    error = await client.error(SEARCH, query="number", after=after)
    assert error["extensions"] == {"code": "CURSOR_INVALID", "argument": "after"}


async def test_a_filter_applies(client: Client) -> None:
    fact = await client.create(longTerm={"memory": "Tea."})
    await client.converse("talk", {"id": "1", "content": "Tea?"})
    found = await client.only(SEARCH, query="tea", filter={"types": ["LONG_TERM"]})
    assert [node["id"] for node in found["nodes"]] == [fact]
    found = await client.only(SEARCH, query="tea", filter={"sessionId": "talk"}, mode="FULL_TEXT")
    assert [edge["node"]["content"] for edge in found["edges"]] == ["Tea?"]
    assert (await client.only(SEARCH, query="tea", filter={"sessionId": "a b"}))["nodes"] == []


@pytest.mark.parametrize("query", ["the of", "?!", "\0", "\ud800", "AND OR NOT", '"', "NEAR(", "*", "' | '"])
async def test_a_query_without_words_finds_nothing(client: Client, query: str) -> None:
    await client.create(longTerm={"memory": "Tea."})
    found = await client.only(SEARCH, query=query)
    assert found["edges"] == []
    assert found["pageInfo"] == {
        "hasNextPage": False, "hasPreviousPage": False, "startCursor": None, "endCursor": None
    }  # fmt: skip


def cursor(plain: str) -> str:
    return base64.urlsafe_b64encode(plain.encode()).rstrip(b"=").decode()


MARK = "0" * 16
REFUSED: list[tuple[dict[str, Any], str, str]] = [
    ({"query": ""}, "BAD_USER_INPUT", "query"),
    ({"query": " \n"}, "BAD_USER_INPUT", "query"),
    ({"query": "x" * 1_001}, "BAD_USER_INPUT", "query"),
    ({"query": "x", "first": -1}, "BAD_USER_INPUT", "first"),
    ({"query": "x", "first": 101}, "BAD_USER_INPUT", "first"),
    ({"query": "x", "mode": "SEMANTIC"}, "SEMANTIC_SEARCH_UNAVAILABLE", "mode"),
    ({"query": "x", "mode": "HYBRID"}, "SEMANTIC_SEARCH_UNAVAILABLE", "mode"),
    ({"query": "x", "filter": {"types": ["HISTORY"]}}, "BAD_USER_INPUT", "filter"),
    ({"query": "x", "after": ""}, "CURSOR_INVALID", "after"),
    ({"query": "x", "after": "é\0"}, "CURSOR_INVALID", "after"),
    ({"query": "x", "after": "\ud800"}, "CURSOR_INVALID", "after"),
    ({"query": "x", "after": cursor("m:1:1")}, "CURSOR_INVALID", "after"),
    ({"query": "x", "after": cursor(f"s:{MARK}:1:1:1")}, "CURSOR_INVALID", "after"),
]


@pytest.mark.parametrize(("given", "code", "argument"), REFUSED, ids=repr)
async def test_what_cannot_be_meant_is_refused(speak: Client, given: dict[str, Any], code: str, argument: str) -> None:
    error = await speak.error(SEARCH, **given)
    within = {"argumentPath": ["filter", "types"]} if argument == "filter" else {}
    assert error["extensions"] == {"code": code, "argument": argument, **within}


async def test_a_cursor_written_otherwise_is_refused(speak: Client) -> None:
    await speak.create(longTerm={"memory": "Tea."})
    [edge] = (await speak.only(SEARCH, query="tea"))["edges"]
    plain = base64.urlsafe_b64decode(edge["cursor"] + "=" * (-len(edge["cursor"]) % 4)).decode()
    start, mark, score, *rest = plain.split(":")
    error = await speak.error(SEARCH, query="tea", after=cursor(":".join([start, mark, f"0{score}", *rest])))
    assert error["extensions"]["code"] == "CURSOR_INVALID"


async def test_a_page_may_be_smaller_than_the_default(speak: Client) -> None:
    await speak.create(longTerm={"memory": "Tea."})
    assert (await speak.only(SEARCH, query="tea", first=0))["edges"] == []


async def test_a_search_takes_every_condition_of_a_filter(client: Client) -> None:
    for number, topic in enumerate(("harbour", "garden", "harbour")):
        tags = {"topic": topic, "number": number}
        await client.create(longTerm={"memory": f"The lighthouse of story {number}.", "tags": tags})
    document = """
    query($filter: MemoryFilter) {
      searchMemories(query: "lighthouses", filter: $filter) { nodes { ... on LongTermMemory { memory } } }
    }
    """
    wanted = {"tags": {"topic": "harbour"}, "not": {"tags": {"number": 0}}}
    found = (await client.only(document, filter=wanted))["nodes"]
    assert found == [{"memory": "The lighthouse of story 2."}]
    error = await client.error(
        document, filter={"createdAt": {"from": "2026-02-01T00:00:00Z", "to": "2026-01-01T00:00:00Z"}}
    )
    assert (error["extensions"]["code"], error["extensions"]["argument"]) == ("BAD_USER_INPUT", "filter")


async def test_an_erased_memory_is_found_no_more(client: Client) -> None:
    made = await client.create(longTerm={"memory": "The lighthouse is blue."})
    erase = "mutation($input: EraseMemoriesInput!) { eraseMemories(input: $input) { errors { message } } }"
    admin = client.allowed(Scope.ADMIN)
    assert await admin.only(erase, input={"filter": {"ids": [made]}}) == {"errors": []}
    document = '{ searchMemories(query: "lighthouse") { nodes { id } } }'
    assert (await client.only(document))["nodes"] == []
