"""Memories added, read and deleted in OpenSearch's way, and read in GraphQL's."""

from typing import Any

import pytest

from mnesis.domain.caller import Scope
from tests.facades.opensearch import CONTAINERS, MODELS, House

NO_CONTAINER = (404, "status_exception", "Memory container not found")
NOT_FOUND = (404, "status_exception", "Memory not found")
HI = [{"role": "user", "content": [{"type": "text", "text": "I'm Bob, I really like swimming."}]}]


def test_a_conversation_as_documented(house: House) -> None:
    box = house.container()
    body = {
        "messages": HI,
        "message_id": 3,
        "checkpoint_id": "c1",
        "namespace": {"user_id": "bob", "n": 7, "deep": {"a": [1]}},
        "metadata": {"status": "checkpoint", "branch": {"branch_name": "high", "root_event_id": 228}},
        "tags": {"topic": "personal info", "flag": True},
        "parameters": {"llm_result_path": "$.x"},
        "payload_type": "conversational",
        "unknown": "skipped",
    }
    made = house.ok("POST", f"{box}/memories", body)
    assert made.keys() == {"working_memory_id"}
    shown = house.ok("GET", f"{box}/memories/working/{made['working_memory_id']}")
    created = shown.pop("created_time")
    assert isinstance(created, int)
    assert created == shown.pop("last_updated_time") > 1_600_000_000_000
    assert shown == {
        "memory_container_id": "box",
        "owner_id": "ann",
        "payload_type": "conversational",
        "messages": HI,
        "message_id": 3,
        "checkpoint_id": "c1",
        # What is no string is made one, here and below.
        "namespace": {"user_id": "bob", "n": "7", "deep": '{"a":[1]}'},
        "namespace_size": 3,
        "metadata": {"status": "checkpoint", "branch": '{"branch_name":"high","root_event_id":228}'},
        "tags": {"topic": "personal info", "flag": "true"},
        "parameters": {"llm_result_path": "$.x"},
        "infer": False,
    }


def test_what_put_stores_raw_get_shows_as_strings(house: House) -> None:
    box = house.container()
    working, session = house.working(box), house.session(box)
    nested = {"a": {"b": 1}, "c": 2}
    house.ok("PUT", working, {"metadata": nested, "tags": nested})
    house.ok("PUT", session, {"metadata": nested})
    shown = house.ok("GET", working)
    assert shown["metadata"] == shown["tags"] == {"a": '{"b":1}', "c": "2"}
    assert house.ok("GET", session)["metadata"] == nested
    asked = "query($id: ID!) { memory(type: WORKING, id: $id) { ... on WorkingMemory { metadata } } }"
    assert house.graphql(asked, id=working.rpartition("/")[2]) == {"metadata": nested}


def test_data_of_every_kind(house: House) -> None:
    box = house.container()
    given = {
        "payload_type": "DATA",
        "binary_data": "SGVsbG8=",
        "structured_data": {"state": {"step": 1}},
        "structured_data_blob": {"any": ["thing"]},
    }
    shown = house.ok("GET", house.working(box, **given))
    assert {name: shown[name] for name in given} == {**given, "payload_type": "data"}


def test_a_memory_with_a_session_is_an_entry_of_it(house: House) -> None:
    box = house.container()
    made = house.ok("POST", f"{box}/memories", {"messages": HI, "namespace": {"session_id": 123, "user_id": "bob"}})
    assert made["session_id"] == "123"
    # The session was not there; now it is, and takes more.
    house.ok("POST", f"{box}/memories", {"messages": HI, "namespace": {"session_id": "123"}})
    assert house.ok("GET", f"{box}/memories/sessions/123")["memory_container_id"] == "box"
    asked = """query { memory(type: SESSION, id: "123") { container { id } ... on SessionMemory {
      entries { nodes { id messages { role text } namespace } } } } }"""
    shown = house.graphql(asked)
    entries = shown["entries"]["nodes"]
    assert shown["container"] == {"id": "box"}
    assert [each["namespace"] for each in entries] == [{"session_id": "123", "user_id": "bob"}, {"session_id": "123"}]
    assert entries[0]["id"] == made["working_memory_id"]
    assert entries[0]["messages"] == [{"role": "user", "text": "I'm Bob, I really like swimming."}]
    # They go with their session.
    house.ok("DELETE", f"{box}/memories/sessions/123")
    assert house.refused("GET", f"{box}/memories/working/{made['working_memory_id']}") == NOT_FOUND


def test_where_a_model_is_configured_a_conversation_begins_a_session(one_house: House) -> None:
    box = one_house.container(llm_id="some-llm")
    made = one_house.ok("POST", f"{box}/memories", {"messages": HI})
    assert made.keys() == {"session_id", "working_memory_id"}
    shown = one_house.ok("GET", f"{box}/memories/working/{made['working_memory_id']}")
    assert shown["namespace"] == {"session_id": made["session_id"]}
    assert one_house.ok("GET", f"{box}/memories/sessions/{made['session_id']}")
    assert one_house.ok("POST", f"{box}/memories", {"payload_type": "data"}).keys() == {"working_memory_id"}
    nameless = {"payload_type": "data", "namespace": {"session_id": None}}
    assert one_house.ok("POST", f"{box}/memories", nameless).keys() == {"working_memory_id"}


def test_where_sessions_are_disabled_a_session_id_is_a_name_like_others(one_house: House) -> None:
    box = one_house.container(disable_session=True, llm_id="some-llm")
    made = one_house.ok("POST", f"{box}/memories", {"messages": HI, "namespace": {"session_id": "no id at all"}})
    assert made.keys() == {"working_memory_id"}
    shown = one_house.ok("GET", f"{box}/memories/working/{made['working_memory_id']}")
    assert (shown["namespace"], "session_id" in shown) == ({"session_id": "no id at all"}, False)
    assert one_house.refused("POST", f"{box}/memories/sessions", {}) == (
        400,
        "status_exception",
        "Session is disabled for this container",
    )


@pytest.mark.parametrize(
    ("body", "status", "type", "reason"),
    [
        (
            {"payload_type": "hearsay"},
            400,
            "illegal_argument_exception",
            "Invalid working memory type: hearsay. Must be one of: CONVERSATIONAL, DATA",
        ),
        ({"messages": [{"role": "user"}]}, 400, "illegal_argument_exception", "Message must have role and content"),
        ({"messages": [7]}, 400, "illegal_argument_exception", "Message must have role and content"),
        (
            {"pinned": True},
            400,
            "status_exception",
            (
                "pinned field is not supported for working memory type. To preserve a conversation, pin the session"
                " instead."
            ),
        ),
        ({"infer": True}, 400, "status_exception", "No messages provided when inferring memory"),
        (
            {"infer": True, "messages": HI},
            400,
            "status_exception",
            "infer=true requires llm_model_id to be configured in memory storage",
        ),
        (
            {"namespace": {"session_id": "no id"}},
            400,
            "illegal_argument_exception",
            "The session_id must have 1 to 512 characters of A-Z a-z 0-9 _ . : - and begin with a letter or a digit",
        ),
    ],
)
def test_what_cannot_be_added(one_house: House, body: dict[str, Any], status: int, type: str, reason: str) -> None:
    box = one_house.container()
    assert one_house.refused("POST", f"{box}/memories", body) == (status, type, reason)
    assert one_house.graphql("{ memories { totalCount } }") == {"totalCount": 0}


def test_a_session_or_memory_without_a_body_or_container(one_house: House) -> None:
    box = one_house.container()
    illegal = (400, "illegal_argument_exception")
    assert one_house.refused("POST", f"{box}/memories") == (*illegal, "Add memory request has empty body")
    assert one_house.refused("POST", f"{box}/memories/sessions") == (*illegal, "Request body is required")
    for path in ("memories", "memories/sessions"):
        assert one_house.refused("POST", f"{CONTAINERS}/none/{path}", {}) == NO_CONTAINER
        assert one_house.refused("POST", f"{box}/{path}", {}, scopes=[Scope.READ]) == (
            403,
            "status_exception",
            "User doesn't have permissions to add memory to this container",
        )
        assert one_house.refused("POST", f"{box}/{path}", {}, tenant="other") == NO_CONTAINER


def test_a_session_is_created_once(house: House) -> None:
    box = house.container()
    given = {
        "session_id": "abc123",
        "summary": "s",
        "metadata": {"k": {"raw": 1}},
        "agents": {"a": [1]},
        "additional_info": {"i": None},
        "namespace": {"user_id": 7},
    }
    assert house.ok("POST", f"{box}/memories/sessions", given) == {"session_id": "abc123", "status": "created"}
    again = {"session_id": "abc123", "summary": "another"}
    assert house.ok("POST", f"{box}/memories/sessions", again) == {"session_id": "abc123", "status": "exists"}
    shown = house.ok("GET", f"{box}/memories/sessions/abc123")
    assert {name: shown[name] for name in given if name != "session_id"} == {
        name: value for name, value in given.items() if name != "session_id"
    }
    fresh = house.ok("POST", f"{box}/memories/sessions", {})
    assert fresh["status"] == "created"
    assert house.ok("GET", f"{box}/memories/sessions/{fresh['session_id']}")


def test_a_session_id_names_one_session_of_the_tenant(one_house: House) -> None:
    box, other = one_house.container("box"), one_house.container("other")
    one_house.session(box, session_id="s1")
    text = "session id 's1' is in use outside of this memory container"
    for path, body in (
        (f"{other}/memories/sessions", {"session_id": "s1"}),
        (f"{other}/memories", {"messages": HI, "namespace": {"session_id": "s1"}}),
    ):
        assert one_house.refused("POST", path, body) == (409, "status_exception", text)
    assert one_house.graphql("{ memories { totalCount } }") == {"totalCount": 1}


def test_deletion(house: House) -> None:
    box = house.container(**MODELS)
    for path in (house.session(box), house.working(box), house.fact(box, "m")):
        answer = house.ok("DELETE", path)
        assert (answer["result"], answer["_version"]) == ("deleted", 2)
        assert answer.keys() == {
            *("_index", "_id", "_version", "result", "forced_refresh", "_shards", "_seq_no", "_primary_term"),
        }
        for method in ("GET", "DELETE"):
            assert house.refused(method, path) == NOT_FOUND
        assert house.refused("PUT", path, {"x": 1}) == NOT_FOUND


def test_reading_and_deleting_ask_in_the_same_order(one_house: House) -> None:
    bare = one_house.container("bare")
    for method, doing in (("GET", "get"), ("DELETE", "delete")):
        assert one_house.refused(method, f"{CONTAINERS}/none/memories/hearsay/x")[2].startswith("Invalid memory type")
        assert one_house.refused(method, f"{CONTAINERS}/none/memories/working/x") == NO_CONTAINER
        assert one_house.refused(method, f"{bare}/memories/long-term/x") == (
            404,
            "status_exception",
            "Memory index not found",
        )
        assert one_house.refused(method, f"{bare}/memories/working/x") == NOT_FOUND
        assert one_house.refused(method, f"{bare}/memories/working/x", tenant="other") == NO_CONTAINER
        denied = f"User doesn't have permissions to {doing} memories in this container"
        if method == "DELETE":
            refused = one_house.refused(method, f"{bare}/memories/working/x", scopes=[Scope.READ])
            assert refused == (403, "status_exception", denied)


def test_history_is_read_and_stays(house: House) -> None:
    box = house.container(**MODELS)
    fact = house.fact(box, "one", namespace={"user_id": "ann", "n": 1}, tags={"a": "b"})
    house.ok("PUT", fact, {"memory": "two"})
    house.ok("DELETE", fact)
    id = fact.rpartition("/")[2]
    told = [house.ok("GET", f"{box}/memories/history/{id}~{version}") for version in (1, 2, 3)]
    assert [each["action"] for each in told] == ["ADD", "UPDATE", "DELETE"]
    assert (told[0]["after"], "before" in told[0]) == ({"memory": "one", "tags": {"a": "b"}}, False)
    assert (told[1]["before"], told[1]["after"]) == ({"memory": "one"}, {"memory": "two"})
    assert {each["memory_id"] for each in told} == {id}
    assert told[0]["namespace"] == {"user_id": "ann", "n": "1"}
    assert all(isinstance(each["created_time"], int) for each in told)
    assert house.refused("DELETE", f"{box}/memories/history/{id}~1") == (
        403,
        "status_exception",
        "Can't delete memory history",
    )
    assert house.refused("GET", f"{box}/memories/history/{id}~4") == NOT_FOUND
    assert house.refused("GET", f"{house.container('other', **MODELS)}/memories/history/{id}~1") == NOT_FOUND


def test_what_graphql_wrote_is_read_here(house: House) -> None:
    """A container that was made in GraphQL has all types of memory."""
    box = f"{CONTAINERS}/default"
    document = """mutation($items: [CreateMemoryInput!]!) { createMemories(input: {items: $items}) {
      results { memory { id } } errors { message } } }"""
    items = [
        {"session": {"summary": "s", "namespace": {"user_id": "ann"}, "pinned": True}},
        {"working": {"messages": [{"role": "user", "parts": [{"a": 1}]}], "tags": {"t": 1}}},
        {"longTerm": {"memory": "m", "strategy": "SEMANTIC"}},
        {"longTerm": {"memory": "m", "strategy": "mine"}},
    ]
    ids = [each["memory"]["id"] for each in house.graphql(document, items=items)["results"]]
    session = house.ok("GET", f"{box}/memories/sessions/{ids[0]}")
    assert (session["summary"], session["namespace"], session["pinned"]) == ("s", {"user_id": "ann"}, True)
    working = house.ok("GET", f"{box}/memories/working/{ids[1]}")
    assert (working["messages"], working["tags"]) == ([{"role": "user", "content": [{"a": 1}]}], {"t": "1"})
    fact = house.ok("GET", f"{box}/memories/long-term/{ids[2]}")
    assert (fact["memory"], fact["strategy_type"], "memory_container_id" in fact) == ("m", "SEMANTIC", False)
    assert house.ok("GET", f"{box}/memories/long-term/{ids[3]}")["strategy_id"] == "mine"
    assert house.refused("PUT", f"{box}/memories/history/x", {"a": 1})[2] == "Can't update memory history"


def test_the_first_message_has_the_number_0(house: House) -> None:
    path = house.working(house.container(), message_id=0)
    assert house.ok("GET", path)["message_id"] == 0
