"""The audits of the npm package graphql-http 1.23.1, under their own names, and the statuses of both profiles.

``tests/clients/`` runs the package itself; this needs no node.
"""

import json
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest

from mnesis.graph.endpoint import GraphQLEndpoint
from mnesis.graph.options import EndpointOptions
from mnesis.graph.statuses import Profile
from mnesis.usecases.memories import Memories
from tests.graph.client import Client

pytestmark = pytest.mark.anyio

JSON = "application/json"
GRAPHQL = "application/graphql-response+json"
TYPENAME = "{ __typename }"
NAMED = "query Query { __typename }"
TYPE = "query Type($name: String!) { __type(name: $name) { name } }"
COERCION = "query CoerceFailure($id: ID!) { __typename }"
# It begins with a digit, so this cannot be parsed, although the audits call it a validation failure.
UNKNOWN = "{ 8f31403dfe404bccbb0e835f2629c6a7 }"

OK = frozenset({200})
BAD = frozenset({400})
REFUSED = frozenset(range(400, 500))
FAILED = frozenset(range(400, 600))


@dataclass(frozen=True, kw_only=True)
class Audit:
    """What is sent and what has to come back; ``body`` is sent as JSON unless it is bytes, by GET if ``url`` is set."""

    id: str
    status: Collection[int]
    body: Any = None
    url: dict[str, str] | None = None
    accept: str | None = None
    content_type: str | None = JSON
    answered: str | None = None
    without: str | None = field(default=None)


def _allowed(id: str, body: dict[str, Any], accept: str) -> Audit:
    return Audit(id=id, status=OK, body=body, accept=accept, without="errors")


def _parameters() -> list[Audit]:
    audits = []
    wrong: list[Any] = [{"obj": "ect"}, 0, False, ["array"]]
    wrong_map: list[Any] = ["string", 0, False, ["array"]]
    for index in range(4):
        audits += [
            Audit(id=f"LKJ{index}", status=BAD, body={"query": wrong[index]}),
            Audit(id=f"6C0{index}", status=BAD, body={"query": TYPENAME, "operationName": wrong[index]}),
            Audit(id=f"476{index}", status=BAD, body={"query": TYPENAME, "variables": wrong_map[index]}),
            Audit(id=f"58B{index}", status=BAD, body={"query": TYPENAME, "extensions": wrong_map[index]}),
        ]
    for index, parameter in enumerate(("variables", "operationName", "extensions")):
        body = {"query": TYPENAME, parameter: None}
        audits += [_allowed(f"94B{index}", body, GRAPHQL), _allowed(f"022{index}", body, JSON)]
    return audits


AUDITS = [
    Audit(id="22EB", status=OK, body={"query": TYPENAME}, accept=GRAPHQL, answered=GRAPHQL),
    Audit(id="4655", status=OK, body={"query": TYPENAME}, accept=JSON, answered=JSON),
    Audit(id="47DE", status=OK, body={"query": TYPENAME}, accept="*/*", answered=JSON),
    Audit(id="80D8", status=OK, body={"query": TYPENAME}, answered=JSON),
    Audit(id="82A3", status=OK, body={"query": TYPENAME}),
    Audit(
        id="BF61",
        status=OK,
        body={"query": '{ __type(name: "Run🏃Swim🏊") { name } }'},
        content_type=f"{JSON}; charset=utf-8",
    ),
    Audit(id="78D5", status=OK, body={"query": TYPENAME}),
    Audit(id="2C94", status=OK, body={"query": TYPENAME}),
    Audit(id="5A70", status=OK, url={"query": TYPENAME}),
    Audit(id="9C48", status=REFUSED, url={"query": "mutation { __typename }"}, accept=GRAPHQL),
    # What a browser says of a text where nobody says anything else.
    Audit(id="9ABE", status=REFUSED, body={"query": TYPENAME}, content_type="text/plain;charset=UTF-8"),
    Audit(id="03D4", status=OK, body={"query": TYPENAME}),
    Audit(id="A5BF", status=BAD, body=b""),
    Audit(id="423L", status=BAD, body={"notquery": TYPENAME}, accept=GRAPHQL),
    Audit(id="34A2", status=OK, body={"query": TYPENAME}, accept=GRAPHQL),
    _allowed("13EE", {"query": TYPENAME}, JSON),
    Audit(id="8161", status=OK, body={"query": NAMED, "operationName": "Query"}, accept=GRAPHQL),
    _allowed("B8B3", {"query": NAMED, "operationName": "Query"}, JSON),
    Audit(id="2EA1", status=OK, body={"query": TYPE, "variables": {"name": "sometype"}}, accept=GRAPHQL),
    _allowed("28B9", {"query": TYPE, "variables": {"name": "sometype"}}, JSON),
    Audit(
        id="D6D5",
        status=OK,
        url={"query": TYPE, "variables": '{"name":"sometype"}'},
        accept=GRAPHQL,
        without="errors",
    ),
    Audit(id="6A70", status=OK, url={"query": TYPE, "variables": '{"name":"sometype"}'}, accept=JSON, without="errors"),
    Audit(id="428F", status=OK, body={"query": TYPENAME, "extensions": {"some": "value"}}, accept=GRAPHQL),
    _allowed("1B7A", {"query": TYPENAME, "extensions": {"some": "value"}}, JSON),
    Audit(id="B6DC", status=frozenset(range(200, 300)) | FAILED, body=b'{ "not a JSON', accept=JSON),
    Audit(id="BCF8", status=BAD, body=b'{ "not a JSON', accept=JSON),
    Audit(id="B7N8", status=BAD, body=b'{ "not a JSON', accept=GRAPHQL),
    Audit(id="8764", status=FAILED, body={"qeury": TYPENAME}),
    Audit(id="3E3A", status=BAD, body={"qeury": TYPENAME}),
    Audit(id="572B", status=OK, body={"query": "{"}, accept=JSON),
    Audit(id="FDE2", status=OK, body={"query": UNKNOWN}, accept=JSON),
    Audit(id="7B9B", status=OK, body={"query": COERCION, "variables": {"id": None}}, accept=JSON),
    Audit(id="865D", status=FAILED, body={"query": "{"}, accept=GRAPHQL),
    Audit(id="556A", status=BAD, body={"query": "{"}, accept=GRAPHQL),
    Audit(id="D586", status=FAILED, body={"query": "{"}, accept=GRAPHQL, without="data"),
    Audit(id="51FE", status=FAILED, body={"query": UNKNOWN}, accept=GRAPHQL),
    Audit(id="74FF", status=BAD, body={"query": UNKNOWN}, accept=GRAPHQL),
    Audit(id="5E5B", status=FAILED, body={"query": UNKNOWN}, accept=GRAPHQL, without="data"),
    Audit(id="86EE", status=BAD, body={"query": COERCION, "variables": {"id": None}}, accept=GRAPHQL),
    *_parameters(),
]


async def send(client: Client, audit: Audit) -> httpx.Response:
    http = client.http
    # Nothing is said that the audit does not say.
    del http.headers["accept"]
    headers = {"accept": audit.accept} if audit.accept else {}
    if audit.url is not None:
        return await http.get("/graphql", params=audit.url, headers=headers)
    if audit.content_type is not None:
        headers["content-type"] = audit.content_type
    body = audit.body if isinstance(audit.body, bytes) else json.dumps(audit.body, ensure_ascii=False).encode()
    return await http.post("/graphql", content=body, headers=headers)


def test_every_audit_is_here() -> None:
    assert len({audit.id for audit in AUDITS}) == len(AUDITS) == 61


@pytest.mark.parametrize("audit", AUDITS, ids=lambda audit: audit.id)
async def test_an_audit_is_met(speak: Client, audit: Audit) -> None:
    response = await send(speak, audit)
    assert response.status_code in audit.status
    assert response.content.decode("utf-8")
    answer = response.json()
    assert ("data" in answer) is (response.status_code == 200 and "errors" not in answer)
    if audit.answered:
        assert response.headers["content-type"] == f"{audit.answered}; charset=utf-8"
    if audit.without:
        assert audit.without not in answer


READABLE_BUT = [
    ({"query": "{ nothing }"}, "validation"),
    ({"query": COERCION, "variables": {"id": None}}, "variable"),
    ({"query": "query A { __typename } query B { __typename }"}, "operation"),
    ({"query": TYPENAME, "operationName": "C"}, "name"),
    ({"query": TYPENAME, "variables": []}, "parameter"),
    ({"qeury": TYPENAME}, "no query"),
    ([], "empty list"),
    (1, "no object"),
]


@pytest.fixture
def draft(memories: Memories) -> Client:
    return Client(GraphQLEndpoint(memories, options=EndpointOptions(profile="422")))


@pytest.mark.parametrize("body", [body for body, _ in READABLE_BUT], ids=[name for _, name in READABLE_BUT])
@pytest.mark.parametrize("profile", ["400", "422"])
async def test_what_can_be_read_but_not_executed_has_the_status_of_the_profile(
    memories: Memories, profile: Profile, body: object
) -> None:
    client = Client(GraphQLEndpoint(memories, options=EndpointOptions(profile=profile)))
    response = await client.http.post("/graphql", json=body, headers={"accept": GRAPHQL})
    assert (response.status_code, set(response.json())) == (int(profile), {"errors"})


@pytest.mark.parametrize("body", [b'{"query": "{"}', b"{", b'{"query": "{ __typename }", "variables": {"a": NaN}}'])
async def test_what_cannot_be_read_is_a_bad_request_in_every_profile(draft: Client, body: bytes) -> None:
    response = await draft.http.post("/graphql", content=body, headers={"content-type": JSON, "accept": GRAPHQL})
    assert response.status_code == 400
    by_url = await draft.http.get("/graphql", params={"query": TYPENAME, "variables": "{"})
    assert by_url.status_code == 400


async def test_clients_that_know_json_alone_expect_200_in_every_profile(draft: Client) -> None:
    response = await draft.http.post("/graphql", json={"query": "{ nothing }"}, headers={"accept": JSON})
    assert (response.status_code, set(response.json())) == (200, {"errors"})


PARTLY = '{ node(id: "default") { id } search: searchMemories(query: "x", first: 1000) { edges { score } } }'


@pytest.mark.parametrize(
    ("profile", "accept", "status"), [("400", GRAPHQL, 200), ("422", GRAPHQL, 294), ("422", JSON, 200)]
)
async def test_an_answer_of_which_a_part_failed(memories: Memories, profile: Profile, accept: str, status: int) -> None:
    client = Client(GraphQLEndpoint(memories, options=EndpointOptions(profile=profile)))
    response = await client.http.post("/graphql", json={"query": PARTLY}, headers={"accept": accept})
    assert (response.status_code, set(response.json())) == (status, {"data", "errors"})
    assert response.json()["data"]["node"] == {"id": "default"}
    whole = await client.http.post("/graphql", json={"query": TYPENAME}, headers={"accept": accept})
    assert (whole.status_code, set(whole.json())) == (200, {"data"})
