"""Lists fetch what an operation looks at, and every field has what it needs, whatever else is selected."""

import gc

import pytest
from graphql import GraphQLInterfaceType, GraphQLObjectType, get_named_type, is_leaf_type

from mnesis.domain.memory import FIELDS, Memory
from mnesis.graph import looked_at
from mnesis.graph.schema import schema
from mnesis.storage.rows import MEMORY_COLUMNS
from mnesis.storage.stored_memory import memory_columns
from tests.graph.client import Client

pytestmark = pytest.mark.anyio

TYPES = ("SessionMemory", "WorkingMemory", "LongTermMemory")
WITHIN = {
    "container": "{ id name }",
    "history": "{ totalCount nodes { id version } }",
    "entries": "{ totalCount nodes { id content } }",
    "session": "{ id summary }",
    "messages": "{ role text }",
}


def fields_of(name: str) -> list[str]:
    kind = schema()._schema.get_type(name)
    assert isinstance(kind, GraphQLObjectType | GraphQLInterfaceType)
    for field, definition in kind.fields.items():
        assert is_leaf_type(get_named_type(definition.type)) is (field not in WITHIN)
    return list(kind.fields)


def test_of_every_field_is_known_what_it_looks_at() -> None:
    for name in TYPES:
        assert set(fields_of(name)) <= set(looked_at.ATTRIBUTES)
    attributes = {attribute for each in looked_at.ATTRIBUTES.values() for attribute in each}
    known = {name for kind in FIELDS.values() for name in kind} | set(Memory.__dataclass_fields__)
    assert attributes <= known


async def test_a_field_alone_says_what_it_says_among_all(client: Client) -> None:
    await client.create_one_of_each()
    nodes = (await client.only("{ memories { nodes { __typename id } } }"))["nodes"]
    ids = {node["__typename"]: node["id"] for node in nodes}
    for name in TYPES:
        fields = {field: f"{field} {WITHIN.get(field, '')}" for field in fields_of(name)}
        by_id = f"query($id: ID!) {{ node(id: $id) {{ id ... on {name} {{ {' '.join(fields.values())} }} }} }}"
        whole = await client.only(by_id, id=ids[name])
        for field, selected in fields.items():
            nodes = f"nodes {{ __typename ... on {name} {{ {selected} }} }}"
            for order in ("CREATED_AT_DESC", "UPDATED_AT_ASC"):
                page = await client.only(f"{{ memories(orderBy: {order}) {{ {nodes} pageInfo {{ endCursor }} }} }}")
                [shown] = [node for node in page["nodes"] if node["__typename"] == name]
                assert shown[field] == whole[field], (name, field)


async def test_what_stands_in_fragments_and_under_other_names_is_looked_at(client: Client) -> None:
    await client.create_one_of_each()
    document = """
      query($with: Boolean!) {
        memories(filter: {types: [SESSION]}) { edges { node { ...Common again: updatedAt ... on Node { key: id } } } }
      }
      fragment Common on Memory { version ...Session ...Common2 }
      fragment Session on SessionMemory { about: summary meta: metadata @include(if: $with) }
      fragment Common2 on Memory { ...Session updatedBy }
    """
    for given in (True, False):
        [edge] = (await client.only(document, **{"with": given}))["edges"]
        assert (edge["node"]["about"], edge["node"]["version"], edge["node"]["key"]) == ("S", 2, "s1")
        assert edge["node"].get("meta") == ({"a": 1} if given else None)


async def test_what_is_known_of_an_operation_goes_with_it(speak: Client) -> None:
    document = "{ memories { nodes { version } } }"
    for _ in range(2):
        await speak.only(document)
    assert frozenset({"version"}) in [found for _, found in looked_at._known.values()]
    gc.collect()
    assert None not in [operation() for operation, _ in looked_at._known.values()]


def test_columns_are_those_that_are_looked_at_in_the_order_of_the_table() -> None:
    assert memory_columns(None, "created_at") == MEMORY_COLUMNS
    few = memory_columns(frozenset({"summary", "version", "values", "type"}), "updated_at")
    assert few == ("id", "memory_type", "version", "updated_at", "arrival", "summary")
