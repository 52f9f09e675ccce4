"""OpenSearch's HTTP: credentials, methods, media types and what its query parameters make of an answer."""

import json
from base64 import b64encode
from collections.abc import Iterator
from typing import Any

import pytest

from mnesis.domain.caller import Scope
from mnesis.facades.opensearch.http import filtered
from mnesis.settings import Settings
from tests.facades.opensearch import CONTAINERS, House, bearer, served


@pytest.fixture
def house(sqlite_url: str) -> Iterator[House]:
    with served(sqlite_url) as house:
        yield house


def basic(user: str, password: str) -> dict[str, str]:
    return {"Authorization": f"Basic {b64encode(f'{user}:{password}'.encode()).decode()}"}


def test_the_password_is_the_token_and_the_user_is_free(house: House) -> None:
    token = bearer(Scope.READ)["Authorization"].removeprefix("Bearer ")
    path = f"{CONTAINERS}/default"
    for user in ("admin", "", "anybody"):
        assert house.client.get(path, headers=basic(user, token)).status_code == 200
    # Only here: a browser sends them by itself, and GraphQL is for browsers.
    assert house.client.post("/graphql", json={"query": "{ __typename }"}, headers=basic("a", token)).status_code == 401


@pytest.mark.parametrize(
    "header",
    [
        None,
        "Basic",
        "Basic ???",
        "Basic /w==",
        "Bearer wrong",
        basic("admin", "admin")["Authorization"],
        basic("admin", "")["Authorization"],
    ],
)
def test_strangers(house: House, header: str | None) -> None:
    answer = house.client.get(f"{CONTAINERS}/default", headers={"Authorization": header} if header else {})
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")
    content = answer.json()
    assert (content["status"], content["error"]["type"]) == (401, "security_exception")


def test_the_version_that_clients_ask_for(house: House) -> None:
    answer = house.client.get("/")
    assert answer.json()["version"]["distribution"] == "opensearch"
    assert answer.json()["version"]["number"] == "3.9.0"
    assert answer.json()["tagline"] == "The OpenSearch Project: https://opensearch.org/"
    head = house.client.head("/")
    assert (head.status_code, head.content) == (200, b"")
    browsers = house.client.get("/", headers={"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"})
    assert browsers.headers["content-type"].startswith("text/html")


def test_nothing_of_it_is_there_where_it_is_off(sqlite_url: str) -> None:
    with served(sqlite_url, facades=()) as house:
        assert house.ask("GET", f"{CONTAINERS}/default").status_code == 404
        assert "errors" in house.ask("GET", f"{CONTAINERS}/default").json()
        assert house.client.get("/").headers["content-type"].startswith("text/html")
        token = bearer(Scope.READ)["Authorization"].removeprefix("Bearer ")
        assert house.client.get(f"{CONTAINERS}/default", headers=basic("admin", token)).status_code == 401


def test_the_setting_takes_both_names() -> None:
    assert Settings(facades="alchemyst, opensearch").facades == ("alchemyst", "opensearch")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("POST", "box", "DELETE,GET,PUT"),
        ("GET", "_create", None),
        ("PUT", "_create", None),
        ("PATCH", "box/memories/working/x", "DELETE,GET,PUT"),
        ("PUT", "box/memories", "POST"),
    ],
)
def test_other_methods(house: House, method: str, path: str, allowed: str | None) -> None:
    answer = house.ask(method, f"{CONTAINERS}/{path}")
    if allowed is None:
        # A name like any other for these.
        assert answer.status_code in (400, 404)
        return
    assert answer.status_code == 405
    assert answer.headers["Allow"] == allowed
    listed = ", ".join(allowed.split(","))
    told = f"Incorrect HTTP method for uri [{CONTAINERS}/{path}] and method [{method}], allowed: [{listed}]"
    assert answer.json() == {"error": told, "status": 405}


def test_paths_where_there_is_nothing(house: House) -> None:
    answer = house.ask("GET", "/_plugins/_ml/models/x?pretty")
    assert answer.status_code == 400
    assert answer.json() == {"error": "no handler found for uri [/_plugins/_ml/models/x?pretty] and method [GET]"}


@pytest.mark.parametrize(
    ("media_type", "told"),
    [
        ("text/plain", "Content-Type header [text/plain] is not supported"),
        ("application/jsonish", "Content-Type header [application/jsonish] is not supported"),
        (None, "Content-Type header is missing"),
    ],
)
def test_other_media_types(house: House, media_type: str | None, told: str) -> None:
    headers = {**bearer(Scope.ADMIN), **({"Content-Type": media_type} if media_type else {})}
    answer = house.client.request("PUT", f"{CONTAINERS}/default", content=b'{"name": "n"}', headers=headers)
    assert answer.status_code == 406
    assert answer.json() == {"error": told, "status": 406}


@pytest.mark.parametrize(
    "media_type",
    ["application/json", "application/json; charset=utf-8", "application/vnd.opensearch+json", "Application/JSON"],
)
def test_media_types_of_json(house: House, media_type: str) -> None:
    house.ok("PUT", f"{CONTAINERS}/default", {"description": "d"}, headers={"Content-Type": media_type})


def test_unknown_query_parameters(house: House) -> None:
    path = f"{CONTAINERS}/default"
    illegal = (400, "illegal_argument_exception")
    assert house.refused("GET", f"{path}?nonsense=1") == (
        *illegal,
        f"request [{path}] contains unrecognized parameter: [nonsense]",
    )
    assert house.refused("PUT", f"{path}?b&a&pretty", {"name": "n"}) == (
        *illegal,
        f"request [{path}] contains unrecognized parameters: [a], [b]",
    )
    house.ok("GET", f"{path}?pretty&human=true&error_trace=true")


def test_pretty_answers(house: House) -> None:
    path = f"{CONTAINERS}/default"
    plain, pretty = house.ask("GET", path), house.ask("GET", f"{path}?pretty")
    assert "\n" not in plain.text
    assert pretty.text.startswith('{\n  "name"')
    assert pretty.text.endswith("}\n")
    assert pretty.json() == plain.json()
    assert house.ask("GET", f"{path}?pretty=false").text == plain.text
    assert "\n" in house.ask("GET", f"{CONTAINERS}/none?pretty").text
    assert plain.headers["content-type"] == "application/json; charset=UTF-8"


CONTENT = {"a": {"b": 1, "c": {"d": 2}}, "hits": [{"_id": "x", "_source": {"t": 1}}, {"_id": "y"}], "n": 3}


@pytest.mark.parametrize(
    ("patterns", "left"),
    [
        ("n", {"n": 3}),
        ("a.b,n", {"a": {"b": 1}, "n": 3}),
        ("a.*.d", {"a": {"c": {"d": 2}}}),
        ("**.d", {"a": {"c": {"d": 2}}}),
        ("**", CONTENT),
        ("hits._id", {"hits": [{"_id": "x"}, {"_id": "y"}]}),
        ("hits._source.t", {"hits": [{"_source": {"t": 1}}]}),
        ("h*", {"hits": CONTENT["hits"]}),
        ("-a,-hits", {"n": 3}),
        ("-**.d,-hits._id", {"a": {"b": 1, "c": {}}, "hits": [{"_source": {"t": 1}}, {}], "n": 3}),
        ("a,-a.b", {"a": {"c": {"d": 2}}}),
        ("nothing", {}),
        (" , ", CONTENT),
    ],
)
def test_filter_path(patterns: str, left: Any) -> None:
    assert filtered(json.loads(json.dumps(CONTENT)), patterns.split(",")) == left


def test_filter_path_of_answers_and_errors(house: House) -> None:
    path = f"{CONTAINERS}/default"
    assert house.ask("GET", f"{path}?filter_path=name").json() == {"name": "default"}
    answer = house.ask("GET", f"{CONTAINERS}/none?filter_path=error.type,status")
    assert (answer.status_code, answer.json()) == (404, {"error": {"type": "status_exception"}, "status": 404})


def test_a_body_that_is_too_large(sqlite_url: str) -> None:
    with served(sqlite_url, limit_request_bytes=2048) as house:
        status, name, _ = house.refused("PUT", f"{CONTAINERS}/default", {"description": "x" * 4096})
        assert (status, name) == (413, "illegal_argument_exception")


def test_what_the_limits_of_the_server_refuse(sqlite_url: str) -> None:
    with served(sqlite_url, limit_text_bytes=10) as house:
        session = house.session(house.container())
        assert house.refused("PUT", session, {"summary": "x" * 11})[:2] == (400, "illegal_argument_exception")


def test_faults_are_masked(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    async def fail(*_: object) -> Any:
        raise RuntimeError("secret")

    monkeypatch.setattr("mnesis.storage.reader.Reader.containers", fail)
    status, name, reason = house.refused("GET", f"{CONTAINERS}/default")
    assert (status, name) == (500, "status_exception")
    assert "secret" not in reason


def test_requests_are_read_in_a_get_too(house: House) -> None:
    """GET may have a body, which this endpoint does not need, but which must be JSON."""
    path = f"{CONTAINERS}/default"
    assert house.ok("GET", path, {"query": {}})["name"] == "default"
    assert house.refused("GET", path, b"{")[:2] == (400, "parse_exception")


def test_who_asks_too_often_is_told_when_to_come_back(sqlite_url: str) -> None:
    with served(sqlite_url, requests_per_minute=2) as house:
        path = f"{CONTAINERS}/default"
        for _ in range(2):
            house.ok("GET", path)
        answer = house.ask("GET", path)
        assert (answer.status_code, answer.json()["error"]["type"]) == (429, "rejected_execution_exception")
        assert 1 <= int(answer.headers["Retry-After"]) <= 60
