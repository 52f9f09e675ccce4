"""What a newcomer sends and is shown, and the tables for those who come from another API."""

import json
import re
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import httpx
import pytest
from graphql import (
    GraphQLEnumType,
    GraphQLInputObjectType,
    GraphQLInterfaceType,
    GraphQLObjectType,
    GraphQLSchema,
    build_schema,
    get_named_type,
)

from tests.docs.markdown import ROOT, blocks
from tests.server.running import RunningServer, running_server

README = ROOT / "README.md"
OTHERS = [ROOT / "docs" / "containers.md", ROOT / "docs" / "finding.md"]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    folder = tmp_path_factory.mktemp("readme")
    with running_server(f"sqlite:///{folder / 'memories.db'}", log_level="warning") as running:
        yield running


def answered(server: RunningServer, document: str) -> Any:
    return httpx.post(server.graphql, json={"query": document}).json()


def test_what_the_readme_sends_is_answered_as_it_shows(server: RunningServer) -> None:
    shown = [
        (block.code, json.loads(following.code))
        for block, following in pairwise(blocks(README))
        if block.language == "graphql" and following.language == "json"
    ]
    assert [answered(server, document) for document, _ in shown] == [answer for _, answer in shown]
    assert len(shown) == sum(block.language == "graphql" for block in blocks(README)) == 2
    # "Sent again, it answers `UNCHANGED` and no version rises."
    again = answered(server, shown[0][0])["data"]["updateContextMemory"]
    assert [result["status"] for result in again["results"]] == ["UNCHANGED", "UNCHANGED"]
    assert again["version"] == 2


@pytest.mark.parametrize("page", OTHERS, ids=lambda page: page.name)
def test_what_other_pages_send_is_answered(server: RunningServer, page: Any) -> None:
    documents = [block.code for block in blocks(page) if block.language == "graphql"]
    assert documents
    for document in documents:
        assert "errors" not in answered(server, document), document


# What the two interfaces document, so that no field of them is missing from the tables.
ALCHEMYST = [
    *("sessionId", "contents[]", "contents[].id", "contents[].content", "contents[].role", "contents[].createdAt"),
    *("contents[].metadata", "success", "memory_id", "updated_entries", "error.code", "error.message"),
]
OPENSEARCH = [
    *("memory_container_id", "type", "id", "session: summary", "session: metadata", "session: agents"),
    *("session: additional_info", "working: messages", "working: structured_data", "working: binary_data"),
    *("working: tags", "working: metadata", "long-term: memory", "long-term: tags", "result", "_id", "_version"),
    "_shards",
]


def table(heading: str) -> list[tuple[str, str]]:
    text = README.read_text()
    section = text[text.index(f"### {heading}") :].split("\n#")[0]
    return re.findall(r"^\| (.+?) \| (.+) \|$", section, re.MULTILINE)[1:]


@pytest.mark.parametrize(("heading", "fields"), [("Alchemyst", ALCHEMYST), ("OpenSearch", OPENSEARCH)])
def test_every_field_of_the_other_api_is_mapped(heading: str, fields: list[str]) -> None:
    mapped = [left.replace("`", "") for left, _ in table(heading)]
    for field in fields:
        assert any(left == field or re.match(re.escape(field) + "[:,] ", left) for left in mapped), field


def field_of(schema: GraphQLSchema, kind: str, name: str) -> str | None:
    """The name of the type that a field of this type has; anything can be in a JSON object."""
    if kind == "JSONObject":
        return kind
    owner = schema.type_map[kind]
    if isinstance(owner, GraphQLInputObjectType | GraphQLInterfaceType | GraphQLObjectType) and name in owner.fields:
        found: str = get_named_type(owner.fields[name].type).name
        return found
    return None


def leads_somewhere(schema: GraphQLSchema, path: str, roots: list[str]) -> bool:
    for root in roots:
        kind: str | None = root
        for name in path.split("."):
            kind = field_of(schema, kind, name) if kind else None
        if kind:
            return True
    return False


@pytest.mark.parametrize(
    ("heading", "mutation", "inputs"),
    [
        ("Alchemyst", "updateContextMemory", ["UpdateContextMemoryInput", "UpdateContextMemoryPayload"]),
        ("OpenSearch", "updateMemory", ["UpdateMemoriesItem", "UpdateMemoryPayload", "WorkingMemoryPatch"]),
    ],
)
def test_every_field_that_the_tables_name_is_in_the_schema(heading: str, mutation: str, inputs: list[str]) -> None:
    schema = build_schema((ROOT / "schema.graphql").read_text())
    assert schema.mutation_type is not None
    arguments = set(schema.mutation_type.fields[mutation].args)
    values = {name for kind in schema.type_map.values() if isinstance(kind, GraphQLEnumType) for name in kind.values}
    checked = 0
    for _, right in table(heading):
        for term in re.findall(r"`([A-Za-z_.]+)(?:: \w+)?`", right):
            checked += 1
            known = term in arguments or term in values or term in schema.type_map or term == "UNAUTHENTICATED"
            # Given when a memory is created, not when it is changed.
            known = known or (heading == "OpenSearch" and term == "containerId")
            assert known or leads_somewhere(schema, term, inputs), term
    assert checked > 15
