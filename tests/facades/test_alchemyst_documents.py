"""``add``, ``delete``, ``view``, ``view/docs``, ``search`` and ``traces``."""

from typing import Any

import pytest

from mnesis.domain.caller import Scope
from tests.facades.alchemyst import PREFIX, Both, bearer
from tests.facades.test_alchemyst_errors import told

DOCUMENT = {
    "documents": [{"content": "The Scale plan costs 99 euros a month.", "language": "en"}],
    "source": "web-upload",
    "context_type": "resource",
    "scope": "internal",
    "metadata": {
        "fileName": "pricing.md",
        "fileType": "text/markdown",
        "groupName": ["sales", "pricing"],
        "lastModified": "2026-01-31T12:00:00Z",
        "fileSize": 38,
    },
}
FACTS = "{ memories(filter: {types: [LONG_TERM]}) { nodes { id namespace ... on LongTermMemory { memory tags } } } }"
SEARCH = {"query": "What does the Scale plan cost?", "similarity_threshold": 0.8, "minimum_similarity_threshold": 0.5}


def added(both: Both, **changed: Any) -> Any:
    answer = both.post("/add", {**DOCUMENT, **changed})
    assert answer.status_code == 201, answer.text
    return answer.json()


def found(both: Both, **changed: Any) -> list[str]:
    answer = both.post("/search", {**SEARCH, **changed})
    assert answer.status_code == 202, answer.text
    return [context["content"] for context in answer.json()["contexts"]]


def test_a_document_is_a_long_term_memory_in_graphql(both: Both) -> None:
    answer = added(both)
    [fact] = both.graphql(FACTS)["nodes"]
    assert answer == {"success": True, "context_id": fact["id"], "processed_documents": 1}
    assert fact["memory"] == "The Scale plan costs 99 euros a month."
    assert fact["namespace"] == {"groupName": ["sales", "pricing"]}
    assert fact["tags"] == {
        "language": "en",
        "fileName": "pricing.md",
        "fileType": "text/markdown",
        "lastModified": "2026-01-31T12:00:00Z",
        "fileSize": 38,
        "source": "web-upload",
        "contextType": "resource",
        "scope": "internal",
    }


def test_a_file_is_added_once_until_it_is_deleted(both: Both) -> None:
    added(both)
    error = told(both.post("/add", DOCUMENT), 409)
    assert error["details"] == {"code": "ALREADY_EXISTS", "path": ["metadata", "fileName"]}
    for _ in range(2):
        answer = both.post("/delete", {"source": "pricing.md", "organization_id": "acme"})
        assert (answer.status_code, answer.content) == (204, b"")
    assert both.graphql(FACTS)["nodes"] == []
    added(both)


def test_a_request_with_an_idempotency_key_may_be_sent_again(both: Both) -> None:
    ids = {both.post("/add", DOCUMENT, **{"Idempotency-Key": "k"}).json()["context_id"] for _ in range(2)}
    assert len(ids) == 1
    assert len(both.graphql(FACTS)["nodes"]) == 1


def test_a_source_is_deleted_with_all_its_documents_or_one_by_its_id(both: Both) -> None:
    several = [{"content": f"Part {number}."} for number in range(3)]
    first = added(both, documents=several, metadata={})["context_id"]
    added(both, documents=several, metadata=None, source="elsewhere")
    both.post("/delete", {"source": first, "organization_id": None, "by_doc": None, "by_id": True})
    assert len(both.graphql(FACTS)["nodes"]) == 5
    both.post("/delete", {"source": "web-upload", "organization_id": "acme", "user_id": "ann"})
    assert {fact["tags"]["source"] for fact in both.graphql(FACTS)["nodes"]} == {"elsewhere"}


def test_documents_are_viewed_also_those_of_graphql(both: Both) -> None:
    added(both)
    both.graphql('mutation { createMemory(input: {longTerm: {memory: "By GraphQL."}}) { memory { id } } }')
    contexts = both.get("/view").json()
    assert contexts == {
        "success": True,
        "contexts": [
            {"content": DOCUMENT["documents"][0]["content"], "metadata": DOCUMENT["metadata"]},  # type: ignore[index]
            {"content": "By GraphQL.", "metadata": {"groupName": []}},
        ],
    }
    assert len(both.get("/view", file_name="pricing.md").json()["contexts"]) == 1
    assert both.get("/view", file_name="nothing.md").json() == {"success": True, "contexts": []}


def test_files_are_listed_with_every_documented_field(both: Both) -> None:
    added(both)
    added(both, documents=[{"content": "One."}, {"content": "Two."}], metadata={"fileName": "notes.md"})
    added(both, metadata={}, source="slack")
    slack, notes, pricing = both.get("/view/docs").json()["documents"]
    assert pricing == DOCUMENT["metadata"]
    assert (notes["fileName"], notes["fileType"], notes["groupName"], notes["fileSize"]) == (
        "notes.md",
        "md",
        ["default"],
        8,
    )
    assert notes["lastModified"]
    assert (slack["fileName"], slack["fileType"]) == ("slack", "txt")


def test_magic_keys_open_nothing(speak: Both) -> None:
    for path in ("/view", "/view/docs"):
        told(speak.get(path, magic_key="abc"), 403)


def test_a_search_finds_documents_and_entries_best_first(both: Both) -> None:
    added(both)
    both.post("/memory/add", {"sessionId": "s", "contents": [{"id": "m1", "content": "The plan is to travel."}]})
    answer = both.client.post(f"{PREFIX}/search?metadata=true", json=SEARCH, headers=bearer("ann"))
    assert answer.status_code == 202
    best, *rest = answer.json()["contexts"]
    assert set(best) == {"content", "score", "createdAt", "updatedAt", "metadata"}
    assert (best["content"], best["score"]) == (DOCUMENT["documents"][0]["content"], 1.0)  # type: ignore[index]
    assert best["metadata"]["fileName"] == "pricing.md"
    assert best["metadata"]["groupName"] == ["sales", "pricing"]
    lax = both.post("/search?metadata=false&mode=fast", {**SEARCH, "minimum_similarity_threshold": 0}).json()
    assert [set(each) for each in lax["contexts"]] == [{"content", "score", "createdAt", "updatedAt"}] * 2
    assert all(0 <= each["score"] <= 1 for each in lax["contexts"])
    assert all(each["score"] >= 0.5 for each in rest)


def test_an_entry_found_tells_its_session(both: Both) -> None:
    both.post(
        "/memory/add",
        {"sessionId": "s", "contents": [{"content": "We talked about prices.", "metadata": {"messageId": "m1"}}]},
    )
    asked = {**SEARCH, "query": "prices"}
    [context] = both.post("/search?metadata=true", asked).json()["contexts"]
    memory_id = context["metadata"].pop("memoryId")
    assert context["metadata"] == {"messageId": "m1", "groupName": ["default"], "sessionId": "s"}
    both.post("/memory/delete", {"memoryId": memory_id, "by_id": True, "organization_id": None})
    assert found(both, query="prices") == []


def test_a_conversation_of_graphql_is_found(both: Both) -> None:
    both.graphql(
        'mutation { createMemory(input: {working: {messages: [{role: "user", text: "Lisbon by train."},'
        ' {role: "assistant", text: "Noted."}]}}) { memory { id } } }'
    )
    assert found(both, query="Lisbon") == ["Lisbon by train.\nNoted."]


def test_groups_and_metadata_narrow_a_search(both: Both) -> None:
    content = DOCUMENT["documents"][0]["content"]  # type: ignore[index]
    added(both)
    for name in ("groupName", "group_name"):
        assert found(both, body_metadata={name: ["sales"]}) == [content]
        assert found(both, body_metadata={name: ["sales", "pricing"]}) == [content]
        assert found(both, body_metadata={name: ["sales", "other"]}) == []
    assert found(both, body_metadata={"fileName": "pricing.md"}) == [content]
    assert found(both, body_metadata={"fileName": "other.md"}) == []
    assert found(both, scope="internal", user_id="somebody") == [content]
    assert found(both, scope="external") == []
    added(both, scope="external", metadata={})
    assert found(both, scope="external") == [content]
    both.post("/memory/add", {"sessionId": "s", "contents": [{"content": "Scale plan", "metadata": {"a": 1}}]})
    assert found(both, body_metadata={"a": 1}) == ["Scale plan"]


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"query": None}, "query field is required"),
        ({"query": "  "}, "query must have 1 to 1000 characters"),
        ({"query": "x" * 1_001}, "query must have 1 to 1000 characters"),
        ({"similarity_threshold": None}, "similarity_threshold field is required"),
        ({"similarity_threshold": "0.5"}, "similarity_threshold must be a number from 0 to 1"),
        ({"similarity_threshold": True}, "similarity_threshold must be a number from 0 to 1"),
        ({"minimum_similarity_threshold": 1.5}, "minimum_similarity_threshold must be a number from 0 to 1"),
        ({"similarity_threshold": 0.1}, "similarity_threshold must be >= minimum_similarity_threshold"),
        ({"scope": "everywhere"}, "scope must be one of internal, external"),
        ({"body_metadata": []}, "body_metadata must be an object"),
    ],
)
def test_what_cannot_be_searched_for(speak: Both, changed: dict[str, Any], message: str) -> None:
    assert told(speak.post("/search", {**SEARCH, **changed}), 400)["message"] == message
    assert speak.get("/traces").json()["pagination"]["total"] == 0


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"documents": None}, "documents field is required"),
        ({"documents": []}, "documents must not be empty"),
        ({"documents": [{}]}, "documents.0.content field is required"),
        ({"documents": ["x"]}, "documents.0 must be an object"),
        ({"source": None}, "source field is required"),
        ({"context_type": None}, "context_type field is required"),
        ({"context_type": "other"}, "context_type must be one of resource, conversation, instruction"),
        ({"scope": "other"}, "scope must be one of internal, external"),
        ({"metadata": {"fileName": 1}}, "metadata.fileName must be a string"),
    ],
)
@pytest.mark.parametrize("path", ["/add", "/add-async"])
def test_what_cannot_be_added(speak: Both, path: str, changed: dict[str, Any], message: str) -> None:
    assert told(speak.post(path, {**DOCUMENT, **changed}), 400)["message"] == message


@pytest.mark.parametrize("path", ["/search?mode=slow", "/search?metadata=yes"])
def test_a_parameter_is_one_of_its_words(speak: Both, path: str) -> None:
    told(speak.post(path, SEARCH), 400)


def test_tags_that_cannot_be_stored_are_refused_with_the_place(speak: Both) -> None:
    error = told(speak.post("/add", {**DOCUMENT, "documents": [{"content": "x", "note": "\0"}]}), 400)
    assert error["details"]["path"] == ["documents", "0", "tags", "note"]


def test_every_search_leaves_a_trace_to_its_own_caller(both: Both) -> None:
    for query in ("one", "two", "three"):
        found(both, query=query)
    page = both.get("/traces", page=1, limit=2).json()
    assert [trace["data"] for trace in page["traces"]] == [{"query": "three"}, {"query": "two"}]
    assert page["pagination"] == {
        "page": 1,
        "limit": 2,
        "total": 3,
        "totalPages": 2,
        "hasNextPage": True,
        "hasPrevPage": False,
    }
    [oldest] = both.get("/traces", page=2, limit=2).json()["traces"]
    assert set(oldest) == {"_id", "userId", "organizationId", "type", "data", "createdAt", "updatedAt"}
    assert (oldest["userId"], oldest["organizationId"], oldest["type"]) == ("ann", "acme", "context.search")
    assert both.get("/traces", by="bob").json()["traces"] == []
    told(both.delete(f"/traces/{oldest['_id']}/delete", by="bob"), 404)
    assert both.delete(f"/traces/{oldest['_id']}/delete").json() == {"trace": oldest}
    told(both.delete(f"/traces/{oldest['_id']}/delete"), 404)
    told(both.delete("/traces/%00/delete"), 404)
    told(both.get(f"/traces/{oldest['_id']}/delete"), 405)


@pytest.mark.parametrize(
    "query", [{"page": "0"}, {"page": "x"}, {"limit": "-1"}, {"limit": "101"}, {"limit": "9" * 99}]
)
def test_pages_are_numbers(speak: Both, query: dict[str, str]) -> None:
    told(speak.get("/traces", **query), 400)


def test_a_lone_surrogate_in_a_query_is_no_fault(speak: Both) -> None:
    assert found(speak, query="x \ud800") == []
    assert speak.get("/traces").json()["traces"][0]["data"] == {}


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/add", DOCUMENT),
        ("POST", "/delete", {"source": "x", "organization_id": "acme"}),
        ("POST", "/add-async", DOCUMENT),
        ("DELETE", "/traces/x/delete", None),
        ("DELETE", "/add-async/x/cancel", None),
    ],
)
def test_without_the_scope_nothing_is_written(speak: Both, method: str, path: str, body: Any) -> None:
    answer = speak.client.request(method, f"{PREFIX}{path}", json=body, headers=bearer("ann", Scope.READ))
    assert told(answer, 403)["details"]["code"] == "FORBIDDEN"
