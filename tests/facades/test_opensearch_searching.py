"""Searches by query: what each clause finds, what is refused, and how hits are told."""

from fnmatch import fnmatchcase
from random import Random
from typing import Any

import pytest

from mnesis.domain.caller import Scope
from mnesis.facades.opensearch import looking
from tests.facades.opensearch import CONTAINERS, MODELS, House, served

MATCH_ALL: dict[str, Any] = {"match_all": {}}
TEXTS = ("Rome in spring", "Tea, not coffee.", "a trip to ROME", "coffee-house", "")
DOCUMENTS: list[dict[str, Any]] = [
    {
        "message_id": number,
        "checkpoint_id": f"c{number % 4}",
        "namespace": {"user": ("ann", "bob", "")[number % 3], "n": number % 5},
        "tags": {"topic": ["food", "travel"][number % 2], "deep": {"er": number % 2 == 0}},
        "metadata": {"score": str(number % 3), "kind": "x*y" if number % 4 == 0 else "xzy"},
        "payload_type": "data" if number % 3 == 0 else "conversational",
        **({"structured_data": {"list": [number, "last"]}} if number % 2 else {}),
    }
    for number in range(12)
]


@pytest.fixture
def filled(house: House) -> House:
    """A container with the documents, and another with one that no search of the first may show."""
    box, other = house.container("box", **MODELS), house.container("other", **MODELS)
    for document in DOCUMENTS:
        house.working(box, **document)
    # What an update stores stays as it is.
    raw = house.working(box, message_id=12, namespace={"user": "cyd"})
    house.ok("PUT", raw, {"tags": {"topic": ["food", 7, True], "a.b": "dotted", "rows": [{"x": 1}, {"x": 2.5}]}})
    house.working(other, message_id=99, namespace={"user": "ann"}, tags={"topic": "food"})
    return house


def found(house: House, body: object, *, kind: str = "working", container: str = "box", method: str = "POST") -> Any:
    return house.ok(method, f"{CONTAINERS}/{container}/memories/{kind}/_search", body)["hits"]


def numbers(house: House, query: object, **more: Any) -> list[int]:
    hits = found(house, {"query": query, "size": 100, "sort": ["message_id"], **more})
    assert hits["total"] == {"value": len(hits["hits"]), "relation": "eq"}
    return [hit["_source"]["message_id"] for hit in hits["hits"]]


def refusal(house: House, body: object, kind: str = "working") -> tuple[int, str, str]:
    return house.refused("POST", f"{CONTAINERS}/box/memories/{kind}/_search", body)


CLAUSES: list[tuple[Any, set[int]]] = [
    (MATCH_ALL, set(range(13))),
    ({"term": {"namespace.user": "ann"}}, {0, 3, 6, 9}),
    ({"term": {"namespace.user": ""}}, {2, 5, 8, 11}),
    ({"term": {"namespace.n": 3}}, {3, 8}),
    ({"term": {"namespace.n": {"value": "3"}}}, {3, 8}),
    ({"term": {"tags.deep.er": True}}, set()),
    ({"term": {"tags.deep": '{"er":true}'}}, {0, 2, 4, 6, 8, 10}),
    ({"term": {"tags.topic": 7}}, {12}),
    ({"term": {"tags.topic": "true"}}, {12}),
    ({"term": {"tags.a.b": "dotted"}}, {12}),
    ({"term": {"tags.rows.x": 2.5}}, {12}),
    ({"term": {"tags": "dotted"}}, {12}),
    ({"term": {"structured_data.list": "last"}}, {1, 3, 5, 7, 9, 11}),
    ({"term": {"namespace.USER": "ann"}}, set()),
    ({"term": {"namespace.user": {"value": "ANN", "case_insensitive": True}}}, {0, 3, 6, 9}),
    ({"term": {"payload_type": "data"}}, {0, 3, 6, 9}),
    ({"term": {"message_id": "5"}}, {5}),
    ({"terms": {"checkpoint_id": ["c0", "c3"]}}, {0, 3, 4, 7, 8, 11}),
    ({"terms": {"checkpoint_id": []}}, set()),
    ({"match": {"checkpoint_id": "c1"}}, {1, 5, 9}),
    ({"wildcard": {"metadata.kind": "x?y"}}, set(range(12))),
    ({"wildcard": {"metadata.kind": {"value": "X\\*y", "case_insensitive": True}}}, {0, 4, 8}),
    ({"wildcard": {"tags.topic": {"wildcard": "*oo*"}}}, {0, 2, 4, 6, 8, 10, 12}),
    ({"range": {"message_id": {"gt": 3, "lte": 6}}}, {4, 5, 6}),
    ({"range": {"checkpoint_id": {"lt": "c1"}}}, {0, 4, 8}),
    ({"range": {"created_time": {"gte": 0}}}, set(range(13))),
    ({"range": {"created_time": {"lt": "2001-01-01T00:00:00.000Z"}}}, set()),
    ({"exists": {"field": "structured_data"}}, {1, 3, 5, 7, 9, 11}),
    ({"exists": {"field": "tags.rows"}}, {12}),
    ({"exists": {"field": "checkpoint_id"}}, set(range(12))),
    ({"term": {"no_such_field": 1}}, set()),
    ({"term": {"memory_container_id": "box"}}, set(range(13))),
    ({"term": {"memory_container_id": "other"}}, set()),
    ({"bool": {}}, set(range(13))),
    ({"bool": {"must_not": {"term": {"namespace.user": "ann"}}}}, set(range(13)) - {0, 3, 6, 9}),
    ({"bool": {"must_not": [{"exists": {"field": "structured_data"}}]}}, {0, 2, 4, 6, 8, 10, 12}),
    (
        {
            "bool": {
                "must": [{"term": {"namespace.user": "ann"}}],
                "filter": {"range": {"message_id": {"gte": 3}}},
                "should": [{"term": {"checkpoint_id": "c0"}}],
            }
        },
        {3, 6, 9},
    ),
    ({"bool": {"should": [{"term": {"checkpoint_id": "c0"}}, {"term": {"namespace.n": 1}}]}}, {0, 1, 4, 6, 8, 11}),
    (
        {
            "bool": {
                "should": [{"term": {"checkpoint_id": "c0"}}, {"term": {"namespace.user": "ann"}}],
                "minimum_should_match": 2,
            }
        },
        {0},
    ),
    ({"bool": {"should": [MATCH_ALL], "minimum_should_match": 2}}, set()),
]


def test_every_clause_finds_what_it_means_and_nothing_of_another_container(filled: House) -> None:
    for query, expected in CLAUSES:
        assert (query, numbers(filled, query)) == (query, sorted(expected))


LEAVES: list[Any] = [
    ({"term": {"namespace.user": "bob"}}, lambda each: each["namespace"]["user"] == "bob"),
    ({"term": {"namespace.n": 2}}, lambda each: each["namespace"].get("n") == 2),
    ({"terms": {"checkpoint_id": ["c1", "c2"]}}, lambda each: each.get("checkpoint_id") in ("c1", "c2")),
    ({"wildcard": {"namespace.user": "*b*"}}, lambda each: fnmatchcase(each["namespace"]["user"], "*b*")),
    ({"range": {"message_id": {"gte": 4, "lt": 9}}}, lambda each: 4 <= each["message_id"] < 9),
    ({"exists": {"field": "structured_data"}}, lambda each: "structured_data" in each),
    ({"term": {"metadata.score": 1}}, lambda each: each.get("metadata", {}).get("score") == "1"),
    ({"term": {"payload_type": "data"}}, lambda each: each.get("payload_type") == "data"),
    ({"match_all": {}}, lambda each: True),
    ({"terms": {"_id": ["none"]}}, lambda each: False),
]


def grown(random: Random, level: int) -> Any:
    """A query and what it means, in plain Python."""
    if level == 0 or random.random() < 0.25:
        return random.choice(LEAVES)
    parts = {
        name: [grown(random, level - 1) for _ in range(random.choice((0, 0, 1, 2)))]
        for name in ("must", "filter", "must_not", "should")
    }
    least = 0 if parts["must"] or parts["filter"] or not parts["should"] else 1

    def means(each: dict[str, Any]) -> bool:
        return (
            all(meant(each) for name in ("must", "filter") for _, meant in parts[name])
            and not any(meant(each) for _, meant in parts["must_not"])
            and sum(meant(each) for _, meant in parts["should"]) >= least
        )

    return {"bool": {name: [query for query, _ in part] for name, part in parts.items() if part}}, means


def test_generated_queries_find_what_plain_python_finds(filled: House) -> None:
    documents = [*DOCUMENTS, {"message_id": 12, "namespace": {"user": "cyd"}}]
    random = Random(7)
    for _ in range(150):
        query, means = grown(random, 2)
        expected = [each["message_id"] for each in documents if means(each)]
        assert (query, numbers(filled, query)) == (query, expected)


def test_hits_have_the_shape_of_opensearchs(filled: House) -> None:
    answer = filled.ok(
        "GET",
        f"{CONTAINERS}/box/memories/working/_search",
        {"query": {"term": {"message_id": 12}}, "version": True, "seq_no_primary_term": True},
    )
    assert isinstance(answer.pop("took"), int)
    [hit] = answer["hits"].pop("hits")
    assert answer == {
        "timed_out": False,
        "_shards": {"total": 1, "successful": 1, "skipped": 0, "failed": 0},
        "hits": {"total": {"value": 1, "relation": "eq"}, "max_score": 1.0},
    }
    assert hit.keys() == {"_index", "_id", "_version", "_seq_no", "_primary_term", "_score", "_source"}
    assert (hit["_index"], hit["_version"]) == (".plugins-ml-am-default-memory-working", 2)
    # The stored document, not the one that GET makes strings of.
    assert hit["_source"]["tags"]["rows"] == [{"x": 1}, {"x": 2.5}]
    assert found(filled, {"query": {"term": {"_id": hit["_id"]}}, "_source": False})["hits"][0].keys() == (
        hit.keys() - {"_source"}
    )
    [narrow] = found(filled, {"query": {"terms": {"_id": [hit["_id"]]}}, "_source": ["tags.rows", "message_id"]})[
        "hits"
    ]
    assert narrow["_source"] == {"message_id": 12, "tags": {"rows": [{"x": 1}, {"x": 2.5}]}}
    [rest] = found(filled, {"query": {"terms": {"_id": [hit["_id"]]}}, "_source": {"excludes": ["tags"]}})["hits"]
    assert "tags" not in rest["_source"]
    assert "message_id" in rest["_source"]


@pytest.mark.parametrize(
    "sort",
    [
        [{"created_time": "asc"}, {"message_id": "asc"}],
        [{"created_time": {"order": "desc"}}, {"_id": "desc"}],
        [{"checkpoint_id": {"order": "desc", "missing": "_first"}}, "message_id"],
        {"message_id": {"order": "desc"}},
    ],
    ids=str,
)
def test_pages_follow_each_other(filled: House, sort: Any) -> None:
    whole = found(filled, {"sort": sort, "size": 100})["hits"]
    assert len(whole) == 13
    for query in (MATCH_ALL, {"wildcard": {"_id": "*"}}):
        followed: list[Any] = []
        after = None
        while True:
            more: dict[str, Any] = {} if after is None else {"search_after": after}
            page = found(filled, {"query": query, "sort": sort, "size": 4, **more})
            assert page["total"]["value"] == 13
            assert page["max_score"] is None
            if not page["hits"]:
                break
            followed += page["hits"]
            after = page["hits"][-1]["sort"]
        assert followed == whole
        paged = [found(filled, {"query": query, "sort": sort, "size": 5, "from": at})["hits"] for at in (0, 5, 10)]
        assert [hit for page in paged for hit in page] == whole
    assert found(filled, {"size": 0})["total"]["value"] == 13


def test_what_is_missing_comes_last_unless_it_is_told_otherwise(filled: House) -> None:
    for direction in ("asc", "desc"):
        hits = found(filled, {"sort": {"checkpoint_id": direction}, "size": 100})["hits"]
        assert hits[-1]["sort"] == [None]
    assert found(filled, {"sort": {"checkpoint_id": {"missing": "_first"}}})["hits"][0]["sort"] == [None]


REFUSED: list[tuple[Any, str, str]] = [
    ({"query": {"knn": {"memory_embedding": {}}}}, "parsing_exception", "unknown query [knn]"),
    ({"query": {"query_string": {"query": "x"}}}, "parsing_exception", "unknown query [query_string]"),
    ({"query": {}}, "parsing_exception", "[query] malformed"),
    ({"query": []}, "parsing_exception", "[query] malformed"),
    ({"query": {"term": {"a": 1, "b": 2}}}, "parsing_exception", "[term] malformed"),
    ({"query": {"term": {"tags.a": {"x": 1}}}}, "parsing_exception", "[term] query does not support [x]"),
    ({"query": {"term": {"tags.a": [1]}}}, "parsing_exception", "[term] query requires a value"),
    ({"query": {"term": {"tags.a": None}}}, "parsing_exception", "[term] query requires a value"),
    ({"query": {"term": {"message_id": "x"}}}, "parsing_exception", "[x] is no value of field [message_id]"),
    ({"query": {"term": {"infer": "x"}}}, "parsing_exception", "[x] is no value of field [infer]"),
    ({"query": {"term": {"messages.role": "user"}}}, "parsing_exception", "field [messages.role] cannot be"),
    ({"query": {"term": {"binary_data": "x"}}}, "parsing_exception", "field [binary_data] cannot be searched"),
    ({"query": {"term": {"tags.*": "x"}}}, "parsing_exception", "patterns of fields"),
    ({"query": {"term": {"message_id": {"value": 1, "case_insensitive": True}}}}, "parsing_exception", "does not sup"),
    ({"query": {"term": {"tags.a": {"value": 1, "case_insensitive": 1}}}}, "parsing_exception", "must be a boolean"),
    ({"query": {"term": {"tags.a": {"value": 1, "boost": 2}}}}, "parsing_exception", "does not support [boost]"),
    ({"query": {"terms": {"tags.a": "x"}}}, "parsing_exception", "[terms] query requires an array"),
    ({"query": {"match": {"tags.a": {"query": "x", "fuzziness": 1}}}}, "parsing_exception", "[fuzziness]"),
    ({"query": {"match": {"tags.a": {"query": "x", "operator": "xor"}}}}, "parsing_exception", "[match] operator"),
    ({"query": {"match": {"tags.a": {}}}}, "parsing_exception", "requires a [query]"),
    ({"query": {"match_all": {"x": 1}}}, "parsing_exception", "[match_all] query does not support [x]"),
    ({"query": {"wildcard": {"message_id": "1*"}}}, "parsing_exception", "Can only use wildcard queries"),
    ({"query": {"wildcard": {"tags.a": 1}}}, "parsing_exception", "[wildcard] query requires a text"),
    ({"query": {"wildcard": {"tags.a": "x" * 1_001}}}, "parsing_exception", "more than 1000 characters"),
    ({"query": {"range": {"message_id": {"gt": 1, "gte": 1}}}}, "parsing_exception", "both [gt] and [gte]"),
    ({"query": {"range": {"message_id": {"from": 1}}}}, "parsing_exception", "[range] query does not support [from]"),
    ({"query": {"range": {"infer": {"gt": True}}}}, "parsing_exception", "[range] on [infer]"),
    ({"query": {"range": {"created_time": {"gte": "now-1d"}}}}, "parsing_exception", "date math"),
    ({"query": {"range": {"created_time": {"gte": "soon"}}}}, "parse_exception", "failed to parse date field [soon]"),
    ({"query": {"range": {"created_time": {"gte": 1, "format": "yyyy"}}}}, "parsing_exception", "format [yyyy]"),
    ({"query": {"exists": {}}}, "parsing_exception", "[exists] must be provided"),
    ({"query": {"bool": {"must_be": []}}}, "parsing_exception", "[bool] query does not support [must_be]"),
    ({"query": {"bool": {"minimum_should_match": "50%"}}}, "parsing_exception", "minimum_should_match"),
    ({"query": {"bool": {"must": [MATCH_ALL] * 100}}}, "parsing_exception", "more than 100 clauses"),
    ({"aggs": {}}, "parsing_exception", "[aggs]"),
    ({"size": 10_001}, "illegal_argument_exception", "Result window is too large"),
    ({"size": -1}, "illegal_argument_exception", "[size] parameter cannot be negative"),
    ({"from": "x"}, "parsing_exception", "[from] must be an integer"),
    ({"version": 1}, "parsing_exception", "[version] must be a boolean"),
    ({"track_total_hits": "x"}, "parsing_exception", "[track_total_hits]"),
    ({"sort": "tags.a"}, "parsing_exception", "[sort] on [tags.a]"),
    ({"sort": 1}, "parsing_exception", "[sort] malformed"),
    ({"sort": {"message_id": 1}}, "parsing_exception", "[sort] on [message_id] malformed"),
    ({"sort": {"message_id": "up"}}, "parsing_exception", "order must be"),
    ({"sort": {"message_id": {"mode": "min"}}}, "parsing_exception", "does not support [mode]"),
    ({"sort": {"message_id": {"missing": 3}}}, "parsing_exception", "missing must be"),
    ({"search_after": [1]}, "illegal_argument_exception", "Sort must contain"),
    ({"sort": "message_id", "search_after": 1}, "parsing_exception", "[search_after] must be an array"),
    ({"sort": "message_id", "search_after": [1, 2]}, "illegal_argument_exception", "search_after has 2 value(s)"),
    ({"sort": "message_id", "search_after": [1], "from": 1}, "illegal_argument_exception", "`from` parameter"),
    ({"sort": "_score", "search_after": [1]}, "parsing_exception", "[_score]"),
    ({"_source": {"x": 1}}, "parsing_exception", "[_source] does not support [x]"),
    ({"_source": [1]}, "parsing_exception", "[_source] includes"),
]


def test_what_is_not_supported_is_refused_by_its_name(sqlite_url: str) -> None:
    with served(sqlite_url) as house:
        house.container("box", **MODELS)
        for body, type, reason in REFUSED:
            status, told, said = refusal(house, body)
            assert (body, status, told) == (body, 400, type)
            assert reason in said, (body, said)
        deep: Any = MATCH_ALL
        for _ in range(20):
            deep = {"bool": {"must": deep}}
        assert "nests more than 20 levels" in refusal(house, {"query": deep})[2]
        path = f"{CONTAINERS}/box/memories"
        assert house.refused("POST", f"{path}/working/_search")[2] == "Search memories request has empty body"
        assert "Invalid memory type: x" in house.refused("POST", f"{path}/x/_search", {})[2]
        missing = house.refused("POST", f"{CONTAINERS}/none/memories/working/_search", {})
        assert missing == (404, "status_exception", "Memory container not found")
        house.container("plain", disable_session=True)
        assert house.refused("POST", f"{CONTAINERS}/plain/memories/sessions/_search", {})[0] == 404


def test_texts_are_found_by_their_words_the_best_first(house: House) -> None:
    box = house.container("box", **MODELS)
    for text in TEXTS[:-1]:
        house.fact(box, text)
    house.fact(box, "Café RÉSUMÉ 東京")

    def memories(query: object) -> list[str]:
        return [hit["_source"]["memory"] for hit in found(house, {"query": query}, kind="long-term")["hits"]]

    assert memories({"match": {"memory": "rome SPRING"}}) == ["Rome in spring", "a trip to ROME"]
    assert memories({"match": {"memory": {"query": "rome spring", "operator": "and"}}}) == ["Rome in spring"]
    # Words, not parts of them, and not stemmed.
    assert memories({"match": {"memory": "spri springs"}}) == []
    assert memories({"match": {"memory": " . "}}) == []
    assert set(memories({"match": {"memory": "coffee"}})) == {"Tea, not coffee.", "coffee-house"}
    assert memories({"match": {"memory": "résumé"}}) == memories({"match": {"memory": "京"}}) != []
    assert memories({"term": {"memory": "trip"}}) == ["a trip to ROME"]
    assert memories({"term": {"memory": "Rome"}}) == []
    assert memories({"wildcard": {"memory": "spr*"}}) == ["Rome in spring"]
    both = {"bool": {"must": [{"match": {"memory": "rome"}}], "must_not": [{"match": {"memory": "trip"}}]}}
    assert memories(both) == ["Rome in spring"]
    hits = found(house, {"query": {"match": {"memory": "rome spring"}}}, kind="long-term")
    assert hits["max_score"] == hits["hits"][0]["_score"] > hits["hits"][1]["_score"] > 0
    lifted = {"bool": {"filter": [{"match": {"memory": "rome"}}], "should": [{"match": {"memory": "trip"}}]}}
    assert [hit["_score"] > 0 for hit in found(house, {"query": lifted}, kind="long-term")["hits"]] == [True, False]
    sorted_hits = found(house, {"query": lifted, "sort": ["_score", "_id"]}, kind="long-term")["hits"]
    assert sorted_hits[0]["sort"] == [sorted_hits[0]["_score"], sorted_hits[0]["_id"]]


def test_the_session_of_an_entry_is_in_its_namespace(house: House) -> None:
    box = house.container("box", **MODELS)
    for session in ("s1", "s2"):
        for number in range(3):
            house.working(box, message_id=number, namespace={"session_id": session})
    house.fact(box, "no entry")
    for query in ({"term": {"namespace.session_id": "s1"}}, {"term": {"session_id": "s1"}}):
        hits = found(house, {"query": query, "sort": "message_id"})
        assert [hit["_source"]["session_id"] for hit in hits["hits"]] == ["s1"] * 3
    assert found(house, {"query": {"term": {"pinned": True}}}, kind="sessions")["hits"] == []
    house.ok("PUT", f"{box}/memories/sessions/s2", {"pinned": True, "summary": "Second"})
    assert [hit["_id"] for hit in found(house, {"query": {"term": {"pinned": True}}}, kind="sessions")["hits"]] == [
        "s2"
    ]
    [only] = found(house, {"query": {"match": {"summary": "second"}}}, kind="sessions")["hits"]
    assert only["_id"] == "s2"


def test_history_is_searched_too(house: House) -> None:
    box = house.container("box", **MODELS)
    tea, cake = (house.fact(box, text) for text in ("tea", "cake"))
    house.ok("PUT", tea, {"memory": "coffee"})
    id = tea.rpartition("/")[2]

    def records(query: object, **more: Any) -> list[str]:
        return [hit["_id"] for hit in found(house, {"query": query, **more}, kind="history")["hits"]]

    other = cake.rpartition("/")[2]
    assert records(MATCH_ALL) == [f"{id}~2", f"{other}~1", f"{id}~1"]
    assert records({"term": {"memory_id": id}}) == [f"{id}~2", f"{id}~1"]
    assert records({"term": {"action": "UPDATE"}}) == [f"{id}~2"]
    assert records({"term": {"after.memory": "coffee"}}) == [f"{id}~2"]
    assert records({"term": {"_id": f"{id}~1"}}) == [f"{id}~1"]
    assert records({"bool": {"must_not": {"term": {"memory_id": id}}}}) == [f"{other}~1"]
    recent = {"range": {"created_time": {"gte": 0}}}
    assert records({"bool": {"filter": [recent, {"term": {"memory_id": id}}]}}, size=1) == [f"{id}~2"]
    assert set(records({"bool": {"filter": [recent, recent]}})) == {f"{id}~2", f"{other}~1", f"{id}~1"}
    assert records({"match_all": {}}, sort={"created_time": "asc"}, size=1) == [f"{id}~1"]
    refused = house.refused("POST", f"{box}/memories/history/_delete_by_query", {"query": MATCH_ALL})
    assert refused == (403, "status_exception", "Can't delete memory history")


def test_containers_are_searched(house: House) -> None:
    for id in ("tea", "cake"):
        house.ok("POST", f"{CONTAINERS}/_create", {"name": f"The {id}", "memory_container_id": id, "description": id})
    path = f"{CONTAINERS}/_search"
    everything = house.ok("GET", path)["hits"]
    assert {hit["_id"] for hit in everything["hits"]} == {"cake", "default", "tea"}
    for query in (
        {"match": {"name": "tea"}},
        {"term": {"name.keyword": "The tea"}},
        {"term": {"_id": "tea"}},
        {"wildcard": {"description": "t*a"}},
    ):
        [hit] = house.ok("POST", path, {"query": query})["hits"]["hits"]
        assert (hit["_id"], hit["_index"]) == ("tea", ".plugins-ml-am-memory-container")
        assert hit["_source"] == house.ok("GET", f"{CONTAINERS}/tea")
    house.ok("DELETE", f"{CONTAINERS}/tea")
    assert house.ok("POST", path, {"query": {"term": {"_id": "tea"}}})["hits"]["hits"] == []
    assert house.ok("GET", path, tenant="other")["hits"]["total"]["value"] == 1


def test_what_a_query_names_is_deleted_and_nothing_else(filled: House) -> None:
    path = f"{CONTAINERS}/box/memories/working/_delete_by_query"
    for query, deleted in (({"term": {"namespace.user": "ann"}}, 4), ({"wildcard": {"checkpoint_id": "*2"}}, 2)):
        answer = filled.ok("POST", path, {"query": query})
        assert isinstance(answer.pop("took"), int)
        assert answer == {
            "timed_out": False,
            "total": deleted,
            "updated": 0,
            "created": 0,
            "deleted": deleted,
            "batches": 1,
            "version_conflicts": 0,
            "noops": 0,
            "retries": {"bulk": 0, "search": 0},
            "throttled_millis": 0,
            "requests_per_second": -1.0,
            "throttled_until_millis": 0,
            "failures": [],
        }
    assert numbers(filled, MATCH_ALL) == [1, 4, 5, 7, 8, 11, 12]
    assert filled.ok("POST", path, {"query": {"wildcard": {"checkpoint_id": "z"}}})["deleted"] == 0
    assert filled.ok("POST", path, {"query": MATCH_ALL})["deleted"] == 7
    assert found(filled, {}, container="other")["total"]["value"] == 1


def test_a_deletion_needs_a_query_and_the_right(house: House) -> None:
    box = house.container("box")
    house.working(box)
    path = f"{box}/memories/working/_delete_by_query"
    assert house.refused("POST", path)[1:] == (
        "action_request_validation_exception",
        "Validation Failed: 1: Query is required;",
    )
    assert "explicitly provide a match_all query" in house.refused("POST", path, {})[2]
    assert house.refused("POST", path, {"query": MATCH_ALL, "size": 1})[2] == "request does not support [size]"
    disabled = house.refused("POST", f"{box}/memories/long-term/_delete_by_query", {"query": MATCH_ALL})
    assert disabled[2] == "Invalid memory type or memory type is disabled: long-term"
    forbidden = (403, "status_exception", "User doesn't have permissions to delete memories in this container")
    for scopes in ([Scope.READ], [Scope.READ, Scope.WRITE]):
        assert house.refused("POST", path, {"query": MATCH_ALL}, scopes=scopes) == forbidden
    assert house.refused("POST", f"{box}/memories/working/_search", {}, scopes=[])[2] == (
        "User doesn't have permissions to search memories in this container"
    )
    assert found(house, {})["total"]["value"] == 1


def test_too_much_to_look_at_is_refused(filled: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(looking, "LOOKED_AT", 5)
    status, type, reason = refusal(filled, {"query": {"wildcard": {"checkpoint_id": "c1"}}})
    assert (status, type) == (400, "parsing_exception")
    assert "more than 5 documents" in reason
    # What the store can tell by itself has no such bound.
    assert found(filled, {"query": MATCH_ALL, "sort": "created_time"})["total"]["value"] == 13
    assert found(filled, {"query": {"terms": {"checkpoint_id": ["c0", "c1", "c2"]}}})["total"]["value"] == 9
    monkeypatch.setattr(looking, "ANSWER_BYTES", 1_000)
    assert refusal(filled, {})[:2] == (429, "circuit_breaking_exception")


def test_more_values_than_a_filter_holds_are_found_too(filled: House) -> None:
    many = [f"x{number}" for number in range(1_500)]
    assert numbers(filled, {"terms": {"namespace.user": [*many, "bob"]}}) == [1, 4, 7, 10]
    assert numbers(filled, {"terms": {"_id": many}}) == []
    assert numbers(filled, {"terms": {"namespace.user": ["\x00", "cyd"]}}) == [12]


def test_a_colleague_finds_what_is_the_colleagues_own(house: House) -> None:
    box = house.container("box", **MODELS)
    house.ok("PUT", box, {"backend_roles": ["team"]})
    house.working(box, message_id=1)
    bob: dict[str, Any] = {"subject": "bob", "scopes": [Scope.WRITE, Scope.READ], "roles": ("team",)}
    house.ok("POST", f"{box}/memories", {"message_id": 2}, **bob)
    path = f"{box}/memories/working/_search"
    # One that the store answers, and one that is answered memory by memory.
    for query in (MATCH_ALL, {"exists": {"field": "message_id"}}):
        seen = house.ok("POST", path, {"query": query}, **bob)["hits"]
        assert [hit["_source"]["owner_id"] for hit in seen["hits"]] == ["bob"]
        assert seen["total"]["value"] == 1
        assert len(found(house, {"query": query})["hits"]) == 2
    assert [hit["_source"]["message_id"] for hit in found(house, {"query": {"term": {"owner_id": "ann"}}})["hits"]] == [
        1
    ]
    stranger = {**bob, "roles": ()}
    assert house.refused("POST", path, {}, **stranger)[0] == 404
    shown = house.ok("POST", f"{CONTAINERS}/_search", {}, **stranger)["hits"]["hits"]
    assert "box" not in {hit["_id"] for hit in shown}
    mine = {"query": {"term": {"owner.name": "ann"}}}
    assert [hit["_id"] for hit in house.ok("POST", f"{CONTAINERS}/_search", mine)["hits"]["hits"]] == ["box"]
