"""The update of one memory: their documented examples, and the cases of their own tests written anew."""

from typing import Any

import pytest

from mnesis.domain.caller import Scope
from tests.facades.opensearch import CONTAINERS, MODELS, House, served

NOT_FOUND = (404, "status_exception", "Memory not found")
NO_INDEX = (404, "status_exception", "Memory index not found")
EMPTY = (400, "illegal_argument_exception", "Text cannot be null or empty")


def test_the_documented_examples(house: House) -> None:
    box = house.container("HudqiJkB1SltqOcZusVU", **MODELS)
    session = house.session(box, session_id="N2CDipkB2Mtr6INFFcX8")
    additional = {"key1": "value1", "last_activity": "2025-09-15T17:30:00Z"}
    answer = house.ok("PUT", session, {"additional_info": additional})
    assert answer == {
        "_index": ".plugins-ml-am-default-memory-sessions",
        "_id": "N2CDipkB2Mtr6INFFcX8",
        "_version": 2,
        "result": "updated",
        "forced_refresh": True,
        "_shards": {"total": 2, "successful": 1, "failed": 0},
        "_seq_no": answer["_seq_no"],
        "_primary_term": 1,
    }
    assert house.ok("GET", session)["additional_info"] == additional

    working = house.working(box, structured_data={"a": 1}, payload_type="data")
    tags = {"topic": "updated_topic", "priority": "high"}
    answer = house.ok("PUT", working, {"tags": tags})
    assert (answer["_version"], answer["_index"]) == (2, ".plugins-ml-am-default-memory-working")
    assert house.ok("GET", working)["tags"] == tags

    fact = house.fact(box, "User's name is Bob")
    changed = {"memory": "User's name is Bob Smith", "tags": {"topic": "personal info", "updated": "true"}}
    answer = house.ok("PUT", fact, changed)
    assert (answer["_version"], answer["_index"]) == (2, ".plugins-ml-am-default-memory-long-term")
    shown = house.ok("GET", fact)
    assert {name: shown[name] for name in changed} == changed


def test_a_body_that_holds_nothing(one_house: House) -> None:
    # Refused before anything is looked up: the container is not there either.
    path = f"{CONTAINERS}/none/memories/working/x"
    refused = (400, "illegal_argument_exception", "Update memory request has empty body")
    assert one_house.refused("PUT", path) == refused
    assert one_house.refused("PUT", path, b"{}") == EMPTY
    assert one_house.refused("PUT", path, b"[]")[0] == 400
    assert one_house.refused("PUT", path, b"{")[:2] == (400, "parse_exception")


def test_the_order_of_the_checks(one_house: House) -> None:
    bare = one_house.container("bare", disable_session=True)
    full = one_house.container("full", **MODELS)
    pinned: dict[str, Any] = {"pinned": "abc"}
    assert one_house.refused("PUT", f"{CONTAINERS}/none/memories/hearsay/x", pinned) == (
        400,
        "illegal_argument_exception",
        "Invalid memory type: hearsay. Must be one of: sessions, working, long-term, history",
    )
    assert one_house.refused("PUT", f"{CONTAINERS}/none/memories/working/x", pinned) == (
        404,
        "status_exception",
        "Memory container not found",
    )
    assert one_house.refused("PUT", f"{bare}/memories/sessions/x", pinned, scopes=[Scope.READ]) == (
        403,
        "status_exception",
        "User doesn't have permissions to update memories in this container",
    )
    for kind in ("sessions", "long-term", "history"):
        assert one_house.refused("PUT", f"{bare}/memories/{kind}/x", pinned) == NO_INDEX, kind
    assert one_house.refused("PUT", f"{full}/memories/HISTORY/x", pinned) == (
        404,
        "status_exception",
        "Can't update memory history",
    )
    for kind in ("sessions", "working", "long-term"):
        assert one_house.refused("PUT", f"{full}/memories/{kind}/x", pinned) == NOT_FOUND, kind


def test_history_that_is_disabled_has_no_index(one_house: House) -> None:
    box = one_house.container(**MODELS, disable_history=True)
    assert one_house.refused("PUT", f"{box}/memories/history/x", {"a": 1}) == NO_INDEX
    box = one_house.container("other", llm_id="some-llm")
    assert one_house.refused("PUT", f"{box}/memories/long-term/x", {"a": 1}) == NO_INDEX


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        (
            "sessions",
            {
                "summary": "s",
                "metadata": {"a": {"b": 1}},
                "agents": {"x": [1]},
                "additional_info": {"k": None},
                "pinned": True,
            },
        ),
        (
            "working",
            {
                "messages": [{"role": "user", "content": [{"type": "text", "text": "hi"}]}],
                "binary_data": "aGk=",
                "structured_data": {"n": 1.5},
                "structured_data_blob": {"deep": {"er": True}},
                "metadata": {"a": "b"},
                "tags": {"t": "u"},
            },
        ),
        ("long-term", {"memory": " kept,\n verbatim \N{SNOWMAN} ", "tags": {"t": "u"}, "pinned": True}),
    ],
)
def test_exactly_these_fields_are_replaced(house: House, kind: str, values: dict[str, Any]) -> None:
    box = house.container(**MODELS)
    path = {
        "sessions": lambda: house.session(box, summary="old", namespace={"user_id": "ann"}),
        "working": lambda: house.working(box, tags={"old": "1"}, namespace={"user_id": "ann"}),
        "long-term": lambda: house.fact(box, "old", namespace={"user_id": "ann"}),
    }[kind]()
    before = house.ok("GET", path)
    ignored = {"namespace": {"user_id": "eve"}, "owner_id": "eve", "payload_type": "data", "name": "x", "infer": True}
    assert house.ok("PUT", path, {**values, **ignored, "created_time": 1, "strategy_id": "x"})["_version"] == 2
    after = house.ok("GET", path)
    assert {name: value for name, value in after.items() if name in values} == values
    for name in before.keys() - values.keys() - {"last_updated_time"}:
        assert after[name] == before[name], name
    assert after.keys() == before.keys() | values.keys()


def test_unknown_keys_alone_are_a_success_and_raise_the_version(house: House) -> None:
    box = house.container(**MODELS)
    session = house.session(box)
    before = house.ok("GET", session)
    for version in (2, 3):
        answer = house.ok("PUT", session, {"name": "x"})
        assert (answer["_version"], answer["result"]) == (version, "updated")
    # The same values again count too.
    assert [house.ok("PUT", session, {"metadata": {"a": 1}})["_version"] for _ in range(2)] == [4, 5]
    assert house.ok("GET", session) == {**before, "metadata": {"a": 1}}


@pytest.mark.parametrize(
    ("kind", "moving", "resting"),
    [
        ("sessions", {"summary": "s"}, {"metadata": {"a": 1}, "agents": {}, "additional_info": {}, "pinned": True}),
        ("working", {"messages": []}, {"metadata": {"a": 1}, "tags": {"b": 2}}),
        ("working", {"binary_data": "aGk="}, {"tags": {"b": 2}}),
        ("working", {"structured_data": {}}, {"tags": {"b": 2}}),
        ("working", {"structured_data_blob": {"a": 1}}, {"tags": {"b": 2}}),
        ("long-term", {"memory": "m"}, {"tags": {"b": 2}, "pinned": True}),
    ],
)
def test_only_content_moves_the_last_update(
    one_house: House, kind: str, moving: dict[str, Any], resting: dict[str, Any]
) -> None:
    box = one_house.container(**MODELS)
    path = {
        "sessions": lambda: one_house.session(box, summary="s"),
        "working": lambda: one_house.working(box),
        "long-term": lambda: one_house.fact(box, "m"),
    }[kind]()

    def moved() -> Any:
        id = path.rpartition("/")[2]
        return one_house.graphql("query($id: ID!) { node(id: $id) { ... on Memory { contentUpdatedAt } } }", id=id)

    times = [moved()]
    one_house.ok("PUT", path, resting)
    times.append(moved())
    # What is given again counts as given.
    for _ in range(2):
        one_house.ok("PUT", path, moving)
        times.append(moved())
    assert times[0] == times[1] != times[2] != times[3]


def test_null_is_stored_and_objects_are_replaced_whole(house: House) -> None:
    box = house.container(**MODELS)
    session = house.session(box, summary="s", metadata={"a": 1, "b": 2}, agents={"x": 1})
    house.ok("PUT", session, {"summary": None, "metadata": {"b": 3}, "agents": None, "pinned": None})
    shown = house.ok("GET", session)
    assert shown["metadata"] == {"b": 3}
    assert not {"summary", "agents", "pinned"} & shown.keys()
    working = house.working(box, messages=[{"role": "user", "content": [{"text": "hi"}]}], tags={"a": "1"})
    house.ok("PUT", working, {"messages": None, "tags": None, "binary_data": None, "structured_data": None})
    assert not {"messages", "tags", "binary_data", "structured_data"} & house.ok("GET", working).keys()


def test_a_data_memory_can_be_given_messages(one_house: House) -> None:
    working = one_house.working(one_house.container(), payload_type="data", structured_data={"a": 1})
    messages = [{"role": "assistant", "content": [{"type": "image", "url": "x"}, {"type": "text", "text": "y"}]}]
    one_house.ok("PUT", working, {"messages": messages})
    shown = one_house.ok("GET", working)
    assert (shown["messages"], shown["payload_type"], shown["structured_data"]) == (messages, "data", {"a": 1})


def test_the_blob_and_the_data_beside_it_are_replaced_one_by_one(one_house: House) -> None:
    working = one_house.working(one_house.container(), structured_data={"a": 1}, structured_data_blob={"b": 2})

    def shown() -> tuple[Any, Any]:
        document = one_house.ok("GET", working)
        return document.get("structured_data"), document.get("structured_data_blob")

    assert shown() == ({"a": 1}, {"b": 2})
    one_house.ok("PUT", working, {"structured_data": {"c": 3}})
    assert shown() == ({"c": 3}, {"b": 2})
    one_house.ok("PUT", working, {"structured_data_blob": {"d": 4}})
    assert shown() == ({"c": 3}, {"d": 4})
    one_house.ok("PUT", working, {"structured_data": None})
    assert shown() == (None, {"d": 4})
    one_house.ok("PUT", working, {"structured_data_blob": None})
    assert shown() == (None, None)


@pytest.mark.parametrize(
    ("kind", "field", "value", "type"),
    [
        ("sessions", "metadata", "x", "flat_object"),
        ("sessions", "summary", {"a": 1}, "text"),
        ("sessions", "pinned", "abc", "boolean"),
        ("working", "tags", "x", "flat_object"),
        ("working", "binary_data", "not base64!", "binary"),
        ("working", "binary_data", 7, "binary"),
        ("working", "messages", "x", "nested"),
        ("working", "structured_data", [1], "flat_object"),
        ("long-term", "tags", ["x"], "flat_object"),
        ("long-term", "pinned", 2, "boolean"),
    ],
)
def test_what_does_not_fit_the_mapping(one_house: House, kind: str, field: str, value: Any, type: str) -> None:
    box = one_house.container(**MODELS)
    path = {
        "sessions": lambda: one_house.session(box),
        "working": lambda: one_house.working(box),
        "long-term": lambda: one_house.fact(box, "m"),
    }[kind]()
    status, name, reason = one_house.refused("PUT", path, {"tags": {"a": "b"}, "metadata": {"a": "b"}, field: value})
    assert (status, name) == (400, "mapper_parsing_exception")
    assert reason.startswith(f"failed to parse field [{field}] of type [{type}] in document with id '")
    # Nothing of it was written.
    shown = one_house.ok("GET", path)
    assert not {"tags", "metadata"} & shown.keys()


@pytest.mark.parametrize("memory", ["", None])
def test_a_fact_cannot_be_emptied(one_house: House, memory: Any) -> None:
    fact = one_house.fact(one_house.container(**MODELS), "m")
    assert one_house.refused("PUT", fact, {"memory": memory})[:2] == (400, "mapper_parsing_exception")
    assert one_house.ok("GET", fact)["memory"] == "m"


def test_words_and_numbers_that_their_mapping_takes(one_house: House) -> None:
    session = one_house.session(one_house.container())
    one_house.ok("PUT", session, {"pinned": "true", "summary": 7})
    shown = one_house.ok("GET", session)
    assert (shown["pinned"], shown["summary"]) == (True, "7")
    one_house.ok("PUT", session, {"pinned": "", "summary": True})
    assert one_house.ok("GET", session)["summary"] == "true"


def test_a_pinned_working_memory(one_house: House) -> None:
    working = one_house.working(one_house.container())
    refused = one_house.refused("PUT", working, {"pinned": True, "tags": {"a": "b"}})
    text = "pinned field is not supported for working memory type. To preserve a conversation, pin the session instead."
    assert refused == (400, "status_exception", text)
    assert "tags" not in one_house.ok("GET", working)


def test_pinning_where_retention_is_off(sqlite_url: str) -> None:
    text = (
        "Cannot set pinned: the memory retention feature is not enabled. To enable it, please update the cluster"
        " setting plugins.ml_commons.memory.retention_enabled"
    )
    with served(sqlite_url, retention_every="0") as house:
        box = house.container()
        for path in (house.session(box), house.working(box)):
            assert house.refused("PUT", path, {"pinned": True, "metadata": {"a": "b"}}) == (
                403,
                "status_exception",
                text,
            )
            assert "metadata" not in house.ok("GET", path)


def test_a_memory_is_not_reached_through_another_container(house: House) -> None:
    mine, other = house.container("mine", **MODELS), house.container("other", **MODELS)
    for path in (house.session(mine), house.working(mine, tags={"a": "b"}), house.fact(mine, "m")):
        through = path.replace(mine, other)
        for method, body in (("PUT", {"tags": {"x": "y"}}), ("PUT", {"messages": []}), ("GET", None), ("DELETE", None)):
            assert house.refused(method, through, body) == NOT_FOUND
        # Nor as of another type.
        kind = path.split("/")[-2]
        for wrong in {"sessions", "working", "long-term"} - {kind}:
            assert house.refused("PUT", path.replace(f"/{kind}/", f"/{wrong}/"), {"metadata": {}}) == NOT_FOUND
        assert house.ok("PUT", path, {"unknown": 1})["_version"] == 2


@pytest.mark.parametrize("id", ["x\0", "%00", "%ed%a0%80", "x~1", "🙂", "a" * 600])
def test_ids_that_can_be_none(house: House, id: str) -> None:
    box = house.container(**MODELS)
    for kind in ("sessions", "working", "long-term", "history"):
        path = f"{box}/memories/{kind}/{id.replace(chr(0), '%00')}"
        assert house.refused("GET", path) == NOT_FOUND
        expected = NOT_FOUND if kind != "history" else (404, "status_exception", "Can't update memory history")
        assert house.refused("PUT", path, {"metadata": {}}) == expected
        assert house.refused("DELETE", path) == NOT_FOUND


@pytest.mark.parametrize(
    "value",
    [
        b'{"metadata": {"a": "\\ud800"}}',
        b'{"metadata": {"\\u0000": 1}}',
        b'{"metadata": {"n": 99999999999999999999999}}',
    ],
)
def test_values_that_cannot_be_stored(house: House, value: bytes) -> None:
    session = house.session(house.container())
    assert house.refused("PUT", session, value)[:2] == (400, "mapper_parsing_exception")
    assert house.ok("PUT", session, {"x": 1})["_version"] == 2


def test_what_is_quoted_of_a_request_may_be_what_utf_8_cannot_carry(one_house: House) -> None:
    session = one_house.session(one_house.container())
    assert "\ud800" in one_house.refused("PUT", session, b'{"metadata": "\\ud800"}')[2]


def test_updates_are_told_in_the_history_of_graphql(house: House) -> None:
    session = house.session(house.container(), summary="one")
    house.ok("PUT", session, {"summary": "two"})
    shown = house.graphql(
        """query($id: ID!) { memory(type: SESSION, id: $id) {
             ...on SessionMemory { summary version history { nodes { action actor changes { before after } } } } } }""",
        id=session.rpartition("/")[2],
    )
    assert (shown["summary"], shown["version"]) == ("two", 2)
    assert shown["history"]["nodes"][0] == {
        "action": "UPDATE",
        "actor": "ann",
        "changes": [{"before": "one", "after": "two"}],
    }


def test_what_an_entry_says_is_changed_for_every_edge(house: House) -> None:
    box = house.container()
    document = """mutation($input: UpdateContextMemoryInput!) { updateContextMemory(input: $input) {
      results { entry { id } } errors { message } } }"""
    given = {
        "sessionId": "talk",
        "containerId": "box",
        "createSession": True,
        "contents": [{"id": "m1", "content": "a"}],
    }
    entry = house.graphql(document, input=given)["results"][0]["entry"]["id"]
    path = f"{box}/memories/working/{entry}"
    shown = house.ok("GET", path)
    assert shown["messages"] == [{"role": "user", "content": [{"type": "text", "text": "a"}]}]
    assert (shown["namespace"], shown["session_id"]) == ({"session_id": "talk"}, "talk")
    changed = [{"role": "assistant", "content": [{"type": "text", "text": "b"}]}]
    house.ok("PUT", path, {"messages": changed})
    assert house.ok("GET", path)["messages"] == changed
    asked = "query($id: ID!) { memory(type: WORKING, id: $id) { ... on WorkingMemory { content role } } }"
    assert house.graphql(asked, id=entry) == {"content": "b", "role": "assistant"}
