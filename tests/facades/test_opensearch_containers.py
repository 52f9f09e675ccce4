"""Containers made, read, changed and deleted in OpenSearch's way."""

from typing import Any

import pytest

from mnesis.domain.caller import Scope
from tests.facades.opensearch import CONTAINERS, MODELS, House, served

CREATE = f"{CONTAINERS}/_create"
ILLEGAL = "illegal_argument_exception"
STATUS = "status_exception"


def test_a_container_gives_back_what_it_was_given(house: House) -> None:
    body = {
        "name": "agentic memory test",
        "description": "Store conversations with semantic search and summarization",
        "backend_roles": ["team:a", "b@c"],
        "configuration": {
            **MODELS,
            "index_prefix": "mine",
            "parameters": {"llm_result_path": "$.x"},
            "max_infer_size": 7,
        },
    }
    made = house.ok("POST", CREATE, body)
    assert made.keys() == {"memory_container_id", "status"}
    assert made["status"] == "created"
    path = f"{CONTAINERS}/{made['memory_container_id']}"
    shown = house.ok("GET", path)
    [strategy] = shown["configuration"].pop("strategies")
    assert strategy.pop("id").startswith("semantic_")
    assert strategy == {"type": "SEMANTIC", "namespace": ["user_id"], "enabled": True}
    del body["configuration"]["strategies"]  # type: ignore[attr-defined]
    times = [shown.pop("created_time"), shown.pop("last_updated_time")]
    assert all(isinstance(time, int) for time in times)
    assert shown.pop("owner") == {"name": "ann"}
    assert shown == {**body, "configuration": {**body["configuration"], "use_system_index": True}}  # type: ignore[dict-item]
    assert house.ok("PUT", house.session(path), {"x": 1})["_index"] == ".plugins-ml-am-mine-memory-sessions"
    in_graphql = house.graphql(
        "query($id: ID!) { memoryContainer(id: $id) { name description } }", id=made["memory_container_id"]
    )
    assert in_graphql == {"name": body["name"], "description": body["description"]}


def test_a_chosen_id_and_indices_of_ones_own(one_house: House) -> None:
    body = {"name": "n", "memory_container_id": "my-box", "configuration": {"use_system_index": False}}
    assert one_house.ok("POST", CREATE, body) == {"memory_container_id": "my-box", "status": "created"}
    taken = (409, STATUS, "memory container id 'my-box' already exists")
    assert one_house.refused("POST", CREATE, body) == taken
    prefix = one_house.ok("GET", f"{CONTAINERS}/my-box")["configuration"]["index_prefix"]
    assert len(prefix) == 8
    working = one_house.working(f"{CONTAINERS}/my-box")
    assert one_house.ok("PUT", working, {"x": 1})["_index"] == f"{prefix}-memory-working"


EMBEDDING = {"embedding_model_id": "m", "embedding_model_type": "TEXT_EMBEDDING", "embedding_dimension": 3}
STRATEGY = {"type": "SUMMARY", "namespace": ["a"]}


@pytest.mark.parametrize(
    ("configuration", "type", "reason"),
    [
        (
            {"embedding_model_id": "m"},
            ILLEGAL,
            "Embedding model type is required when embedding model ID is provided",
        ),
        (
            {"embedding_model_type": "TEXT_EMBEDDING"},
            ILLEGAL,
            "Embedding model ID is required when embedding model type is provided",
        ),
        ({**EMBEDDING, "embedding_dimension": None}, ILLEGAL, "Dimension is required for TEXT_EMBEDDING"),
        (
            {**EMBEDDING, "embedding_model_type": "SPARSE_ENCODING"},
            ILLEGAL,
            "Dimension is not allowed for SPARSE_ENCODING",
        ),
        (
            {**EMBEDDING, "embedding_model_type": "REMOTE"},
            ILLEGAL,
            "Embedding model type must be either TEXT_EMBEDDING or SPARSE_ENCODING",
        ),
        ({"index_prefix": "a\u0007"}, STATUS, "Index prefix must not contain any control characters"),
        ({"index_prefix": "A B"}, STATUS, "missing or invalid index prefix [A B]"),
        ({"max_infer_size": 11}, ILLEGAL, "Maximum infer size cannot exceed 10"),
        (
            {"strategies": [STRATEGY]},
            ILLEGAL,
            (
                "Strategies require both an LLM model and embedding model to be configured. Missing: LLM model and"
                " embedding model. Strategies use LLM for fact extraction and embedding model for semantic search."
            ),
        ),
        (
            {**MODELS, "strategies": [{"type": "SUMMARY"}]},
            ILLEGAL,
            "Strategy namespace is required. Please provide a non-empty namespace array.",
        ),
        ({**MODELS, "strategies": [None]}, ILLEGAL, "Strategy cannot be null"),
        ({**MODELS, "strategies": {}}, ILLEGAL, "strategies must be an array"),
        (
            {**MODELS, "strategies": [{**STRATEGY, "type": "X"}]},
            ILLEGAL,
            "Invalid memory type: X. Must be SEMANTIC, USER_PREFERENCE, or SUMMARY",
        ),
        (
            {"retention_policy": {"working": {"max_count": 1}}},
            STATUS,
            (
                "Working memory retention cannot be configured directly. Working memory is deleted when its parent"
                ' session expires. To control message lifetime, configure retention on "sessions" instead.'
            ),
        ),
        (
            {"retention_policy": {"history": {"retention_days": 1}}},
            STATUS,
            "retention_days is not supported for history memory type",
        ),
        (
            {"retention_policy": {"sessions": {"retention_days": 0}}},
            STATUS,
            "retention_days must be a positive integer or null",
        ),
        (
            {"retention_policy": {"sessions": {"max_count": "5"}}},
            STATUS,
            "max_count must be a positive integer or null",
        ),
        ({"retention_policy": {"hearsay": {}}}, STATUS, "unknown memory type: hearsay"),
        ({"retention_policy": 7}, ILLEGAL, "retention_policy must be an object"),
        ({"retention_policy": {"sessions": 7}}, ILLEGAL, "retention_policy.sessions must be an object"),
        (7, ILLEGAL, "configuration must be an object"),
    ],
)
def test_configurations_that_are_refused(one_house: House, configuration: Any, type: str, reason: str) -> None:
    body = {"name": "n", "configuration": configuration}
    assert one_house.refused("POST", CREATE, body) == (400, type, reason)
    assert one_house.graphql("{ memoryContainers { totalCount } }") == {"totalCount": 1}


@pytest.mark.parametrize(
    ("body", "type", "reason"),
    [
        (None, ILLEGAL, "Request body is required"),
        ({}, ILLEGAL, "name is null"),
        ({"name": {}}, "mapper_parsing_exception", "failed to parse field [name] of type [text] in document with id"),
        ({"name": "n", "backend_roles": [" "]}, STATUS, "Backend role cannot be empty or blank"),
        ({"name": "n", "backend_roles": "a"}, ILLEGAL, "backend_roles must be an array"),
        (
            {"name": "n", "backend_roles": ["a" * 129]},
            STATUS,
            f"Backend role exceeds maximum length of 128 characters: {'a' * 129}",
        ),
        (
            {"name": "n", "backend_roles": ["a b"]},
            STATUS,
            "Backend role contains invalid characters. Only alphanumeric characters and :+=,.@-_/ are allowed: a b",
        ),
        ({"name": "n", "memory_container_id": "a.b"}, ILLEGAL, "Invalid memory container id: a.b."),
        ({"name": "n" * 256}, "mapper_parsing_exception", "failed to parse field [name]"),
    ],
)
def test_containers_that_are_refused(one_house: House, body: Any, type: str, reason: str) -> None:
    status, name, told = one_house.refused("POST", CREATE, body)
    assert (status, name) == (400, type)
    assert told.startswith(reason)


def test_who_may_do_what(house: House) -> None:
    box = house.container()
    house.ok("PUT", box, {"backend_roles": ["team"]})
    fact = house.session(box, summary="ann's")
    privilege = "User doesn't have privilege to perform this operation on this memory container"
    assert house.refused("POST", CREATE, {"name": "n"}, scopes=[Scope.READ]) == (403, STATUS, privilege)
    stranger: dict[str, Any] = {"subject": "eve", "scopes": [Scope.WRITE]}
    for method, body in (("GET", None), ("PUT", {"name": "n"}), ("DELETE", None)):
        assert house.refused(method, box, body, **stranger)[0] == 404
    assert house.refused("POST", f"{box}/memories", {}, **stranger)[2] == "Memory container not found"
    colleague: dict[str, Any] = {"subject": "bob", "scopes": [Scope.WRITE], "roles": ("team",)}
    shown = house.ok("GET", box, **colleague)
    assert (shown["owner"], shown["backend_roles"]) == ({"name": "ann"}, ["team"])
    assert house.refused("PUT", box, {"name": "n"}, **colleague) == (
        403,
        STATUS,
        "User doesn't have permissions to update memories in this container",
    )
    assert house.refused("DELETE", box, **colleague) == (403, STATUS, "Only container owner can delete container")
    # He adds memories of his own, and does not see those of others.
    added = house.ok("POST", f"{box}/memories", {}, **colleague)
    own = house.ok("GET", f"{box}/memories/working/{added['working_memory_id']}", **colleague)
    assert own["owner_id"] == "bob"
    for method, body in (("GET", None), ("PUT", {"summary": "x"}), ("DELETE", None)):
        assert house.refused(method, fact, body, **colleague)[2] == "Memory not found"
    assert house.ok("GET", fact, scopes=[Scope.WRITE])["owner_id"] == "ann"


def test_what_is_not_there(one_house: House) -> None:
    one_house.container()
    for id, tenant in (("none", "acme"), ("box", "other")):
        told = f"Failed to find memory container with the provided memory container id: {id}"
        for method, body in (("GET", None), ("PUT", {"name": "n"}), ("DELETE", None)):
            assert one_house.refused(method, f"{CONTAINERS}/{id}", body, tenant=tenant) == (404, STATUS, told)


def test_an_update_changes_what_it_names(house: House) -> None:
    box = house.container(**MODELS, index_prefix="mine")
    [strategy] = house.ok("GET", box)["configuration"]["strategies"]
    update = {
        "name": "renamed",
        "description": "told",
        "backend_roles": ["r"],
        "configuration": {
            "index_prefix": "other",
            "disable_history": True,
            "max_infer_size": 9,
            "llm_id": None,
            "strategies": [{"id": strategy["id"], "enabled": False}, STRATEGY],
        },
    }
    answer = house.ok("PUT", box, update)
    assert (answer["_id"], answer["_version"], answer["result"]) == ("box", 2, "updated")
    shown = house.ok("GET", box)
    assert (shown["name"], shown["description"], shown["backend_roles"]) == ("renamed", "told", ["r"])
    configuration = shown["configuration"]
    assert configuration["strategies"][0] == {**strategy, "enabled": False}
    assert configuration["strategies"][1]["type"] == "SUMMARY"
    assert (configuration["index_prefix"], configuration["max_infer_size"]) == ("mine", 9)
    assert configuration["llm_id"] == "some-llm"
    assert "disable_history" not in configuration


@pytest.mark.parametrize(
    ("configuration", "status", "reason"),
    [
        ({"strategies": [{"id": "none"}]}, 404, "Strategy with id none not found"),
        (
            {"embedding_model_id": "another"},
            400,
            (
                "Cannot change embedding configuration once strategies are configured. The long-term memory index"
                ' already exists with specific embedding mappings. Current: {"embedding_model_type": "TEXT_EMBEDDING",'
                ' "embedding_model_id": "some-model", "embedding_dimension": 384}'
            ),
        ),
        ({"strategies": [None]}, 400, "Strategy cannot be null"),
        (
            {"strategies": [{"id": {"a": 1}}]},
            400,
            (
                "failed to parse field [strategies.id] of type [text] in document with id 'new'. Preview of field's"
                """ value: '{"a": 1}'"""
            ),
        ),
        ({"max_infer_size": 11}, 400, "Maximum infer size cannot exceed 10"),
    ],
)
def test_updates_that_are_refused(one_house: House, configuration: Any, status: int, reason: str) -> None:
    box = one_house.container(**MODELS)
    before = one_house.ok("GET", box)
    told = one_house.refused("PUT", box, {"name": "x", "configuration": configuration})
    assert (told[0], told[2]) == (status, reason)
    assert one_house.ok("GET", box) == before


def test_a_strategy_keeps_its_type(one_house: House) -> None:
    box = one_house.container(**MODELS)
    id = one_house.ok("GET", box)["configuration"]["strategies"][0]["id"]
    told = one_house.refused("PUT", box, {"configuration": {"strategies": [{"id": id, "type": "SUMMARY"}]}})
    assert told == (400, STATUS, f"Cannot change strategy type from SEMANTIC to SUMMARY for strategy {id}")


@pytest.mark.parametrize("body", [None, {}])
def test_an_empty_update(one_house: House, body: Any) -> None:
    refused = one_house.refused("PUT", one_house.container(), body)
    assert refused == (400, ILLEGAL, "Update memory container request has empty body")


def test_retention_is_what_graphql_calls_it(house: House) -> None:
    policy = {"sessions": {"retention_days": 30, "max_count": 5}, "long-term": {"max_count": 9}}
    box = house.container(retention_policy=policy)
    assert house.ok("GET", box)["configuration"]["retention_policy"] == policy
    asked = '{ memoryContainer(id: "box") { retention { session { days count } longTerm { days count } } } }'
    assert house.graphql(asked)["retention"] == {
        "session": {"days": 30, "count": 5},
        "longTerm": {"days": None, "count": 9},
    }
    # Merged field by field; null removes.
    changed = {"sessions": {"retention_days": None}, "long-term": None, "history": {"max_count": 3}}
    house.ok("PUT", box, {"configuration": {"retention_policy": changed}})
    shown = house.ok("GET", box)["configuration"]["retention_policy"]
    assert shown == {"sessions": {"max_count": 5}, "history": {"max_count": 3}}
    house.ok("PUT", box, {"configuration": {"retention_policy": None}})
    assert "retention_policy" not in house.ok("GET", box)["configuration"]


def test_retention_where_it_is_off(sqlite_url: str) -> None:
    with served(sqlite_url, retention_every="0") as house:
        policy = {"retention_policy": {"sessions": {"max_count": 5}}}
        refused = house.refused("POST", CREATE, {"name": "n", "configuration": policy})
        assert refused[:2] == (403, STATUS)
        assert refused[2].startswith("Cannot set retention_policy: the memory retention feature is not enabled.")


@pytest.mark.parametrize("query", ["", "?delete_all_memories=true", "?delete_memories=sessions,working"])
def test_memories_go_with_their_container(house: House, query: str) -> None:
    box = house.container()
    working = house.working(box, namespace={"session_id": "s1"})
    answer = house.ok("DELETE", f"{box}{query}")
    assert (answer["_id"], answer["result"], answer["_version"]) == ("box", "deleted", 2)
    assert house.ask("GET", box).status_code == 404
    assert house.refused("GET", working)[2] == "Memory container not found"
    assert house.graphql("{ memories { totalCount } }") == {"totalCount": 0}
    # The id is free again, and what was deleted stays deleted.
    house.container()
    assert house.refused("GET", working)[2] == "Memory not found"


def test_deletions_that_are_refused(one_house: House) -> None:
    box = one_house.container()
    both = (
        "Cannot specify both delete_all_memories and delete_memories. Use either delete_all_memories=true OR"
        " delete_memories with specific types"
    )
    assert one_house.refused("DELETE", f"{box}?delete_all_memories=true&delete_memories=working") == (
        400,
        ILLEGAL,
        both,
    )
    assert one_house.refused("DELETE", box, {"delete_all_memories": True, "delete_memories": ["working"]})[2] == both
    assert one_house.refused("DELETE", f"{box}?delete_memories=hearsay")[2].startswith("Invalid memory type: hearsay")
    assert one_house.refused("DELETE", box, {"delete_memories": 7})[2] == "delete_memories must be an array"
    assert one_house.refused("DELETE", f"{CONTAINERS}/default")[0] == 400
    assert one_house.ok("GET", box)


def test_the_default_container_can_be_set(house: House) -> None:
    default = f"{CONTAINERS}/default"
    assert house.ok("GET", default)["name"] == "default"
    house.ok("PUT", default, {"description": "told"})
    assert house.ok("GET", default)["description"] == "told"
    # What GraphQL keeps beside it stays.
    document = 'mutation { updateMemoryContainer(id: "default", input: {metadata: {mine: 1}}) { errors { message } } }'
    assert house.graphql(document) == {"errors": []}
    house.ok("PUT", default, {"configuration": {"llm_id": "x"}})
    assert house.graphql("{ memoryContainer { metadata } }") == {
        "metadata": {"mine": 1, "opensearch": {"configuration": {"llm_id": "x", "max_infer_size": 5}}}
    }
    # It still has all types of memory.
    assert house.refused("GET", f"{default}/memories/long-term/x")[2] == "Memory not found"
