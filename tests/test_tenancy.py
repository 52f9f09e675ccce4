"""Every way in, walked as a stranger, without the scope and as another tenant.

The fields of the schema and the routes of the application are read from the code: one that is new fails here until it
is told what a caller without rights, and one of another tenant, must see of it.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest
from pydantic import SecretStr
from starlette.routing import Mount, Route, WebSocketRoute
from starlette.testclient import TestClient, WebSocketTestSession
from starlette.websockets import WebSocketDisconnect

from mnesis.app import create_app
from mnesis.domain.caller import Scope
from mnesis.facades.alchemyst.routes import CALLS, PREFIX
from mnesis.graph.schema import schema
from mnesis.settings import Settings
from mnesis.usecases.jobs import JobWorker
from mnesis.web.routes import OTHER_CREDENTIALS, PUBLIC_FOLDERS, PUBLIC_ROUTES
from mnesis.web.tokens import issue_token

SECRET = "a secret of at least thirty-two bytes"
METRICS_TOKEN = "what only the operator's Prometheus knows"
MARK = "only ada's tenant knows this"
READ = "memory:read"
WRITE = "memory:write"
ADMIN = "memory:admin"


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """A field, how it is asked for another tenant's things, and what it must answer then.

    ``{session}``, ``{entry}``, ``{fact}`` and ``{record}`` in the document are ids of the other tenant.
    """

    document: str
    not_there: Any
    scope: str


QUERIES = {
    "node": Way(document='{{ node(id: "{fact}") {{ id }} }}', not_there=None, scope=READ),
    "memory": Way(document='{{ memory(type: SESSION, id: "{session}") {{ id }} }}', not_there=None, scope=READ),
    "memories": Way(
        document="{{ memories {{ nodes {{ id }} totalCount }} }}",
        not_there={"nodes": [], "totalCount": 0},
        scope=READ,
    ),
    "searchMemories": Way(
        document='{{ searchMemories(query: "what does only ada know?") {{ nodes {{ id }} edges {{ score }} }} }}',
        not_there={"nodes": [], "edges": []},
        scope=READ,
    ),
    "memoryContainer": Way(
        # Every tenant has a default container; that of a tenant that never wrote was not created at any time.
        document="{{ memoryContainer {{ id createdAt }} }}",
        not_there={"id": "default", "createdAt": None},
        scope=READ,
    ),
    "memoryContainers": Way(
        document="{{ memoryContainers {{ nodes {{ id name memoryCount }} totalCount }} }}",
        not_there={"nodes": [{"id": "default", "name": "default", "memoryCount": 0}], "totalCount": 1},
        scope=READ,
    ),
    "viewer": Way(document="{{ viewer {{ tenant }} }}", not_there={"tenant": "babbage"}, scope=READ),
}
MORE_QUERIES = (
    Way(document='{{ memoryContainer(id: "{container}") {{ id }} }}', not_there=None, scope=READ),
    Way(document='{{ node(id: "{container}") {{ id }} }}', not_there=None, scope=READ),
    Way(document="{{ viewer {{ quotas {{ memories {{ used }} }} }} }}", not_there={"quotas": None}, scope=READ),
    Way(document="{{ viewer {{ awaitingEmbedding }} }}", not_there={"awaitingEmbedding": None}, scope=READ),
    Way(
        document='{{ searchMemories(query: "ada", mode: FULL_TEXT) {{ mode nodes {{ id }} }} }}',
        not_there={"mode": "FULL_TEXT", "nodes": []},
        scope=READ,
    ),
    Way(document='{{ node(id: "{fact}@1") {{ id }} }}', not_there=None, scope=READ),
    Way(document='{{ memory(type: LONG_TERM, id: "{fact}", version: 1) {{ id }} }}', not_there=None, scope=READ),
    Way(
        document='{{ memory(type: LONG_TERM, id: "{fact}", at: "2999-01-01T00:00:00Z") {{ id }} }}',
        not_there=None,
        scope=READ,
    ),
    Way(document='{{ node(id: "{record}") {{ id }} }}', not_there=None, scope=READ),
    Way(document='{{ node(id: "{session}") {{ id }} }}', not_there=None, scope=READ),
    Way(document='{{ memory(type: HISTORY, id: "{record}") {{ id }} }}', not_there=None, scope=READ),
    Way(document='{{ memory(type: WORKING, id: "{entry}") {{ id }} }}', not_there=None, scope=READ),
    Way(
        document='{{ searchMemories(query: "ada", filter: {{ids: ["{fact}"], containerId: "default"}})'
        " {{ nodes {{ id }} }} }}",
        not_there={"nodes": []},
        scope=READ,
    ),
    Way(
        document='{{ searchMemories(query: "ada", filter: {{sessionId: "{session}"}}) {{ nodes {{ id }} }} }}',
        not_there={"nodes": []},
        scope=READ,
    ),
    Way(
        document='{{ memories(filter: {{ids: ["{fact}"]}}) {{ nodes {{ id }} }} }}', not_there={"nodes": []}, scope=READ
    ),
    Way(
        document='{{ memories(filter: {{sessionId: "{session}"}}) {{ nodes {{ id }} }} }}',
        not_there={"nodes": []},
        scope=READ,
    ),
    Way(
        document="{{ memories(filter: {{types: [HISTORY]}}) {{ nodes {{ id }} totalCount }} }}",
        not_there={"nodes": [], "totalCount": 0},
        scope=READ,
    ),
)
ERRORS = "errors {{ code ... on ForbiddenError {{ requiredScope }} }}"
NOT_FOUND = {"errors": [{"code": "NOT_FOUND"}]}
MUTATIONS = {
    "updateContextMemory": Way(
        document='mutation {{ updateContextMemory(input: {{sessionId: "{session}", contents: [{{content: "x"}}]}})'
        f" {{{{ {ERRORS} }}}} }}}}",
        not_there=NOT_FOUND,
        scope=WRITE,
    ),
    "updateMemory": Way(
        document='mutation {{ updateMemory(type: LONG_TERM, id: "{fact}", input: {{longTerm: {{pinned: true}}}})'
        f" {{{{ {ERRORS} }}}} }}}}",
        not_there=NOT_FOUND,
        scope=WRITE,
    ),
    "updateMemories": Way(
        document="mutation {{ updateMemories(input: {{items: ["
        '{{type: WORKING, id: "{entry}", input: {{working: {{content: "x"}}}}}}]}})'
        f" {{{{ {ERRORS} }}}} }}}}",
        not_there=NOT_FOUND,
        scope=WRITE,
    ),
    "createMemory": Way(
        # Another tenant's session is no session to put an entry into.
        document='mutation {{ createMemory(input: {{working: {{sessionId: "{session}", content: "x"}}}})'
        f" {{{{ {ERRORS} }}}} }}}}",
        not_there=NOT_FOUND,
        scope=WRITE,
    ),
    "createMemories": Way(
        document='mutation {{ createMemories(input: {{items: [{{working: {{sessionId: "{session}", content: "x"}}}}]}})'
        f" {{{{ {ERRORS} }}}} }}}}",
        not_there=NOT_FOUND,
        scope=WRITE,
    ),
    "restoreMemory": Way(
        document=f'mutation {{{{ restoreMemory(type: LONG_TERM, id: "{{fact}}", version: 1) {{{{ {ERRORS} }}}} }}}}',
        not_there=NOT_FOUND,
        scope=WRITE,
    ),
    "deleteMemory": Way(
        document=f'mutation {{{{ deleteMemory(type: SESSION, id: "{{session}}") {{{{ {ERRORS} }}}} }}}}',
        not_there=NOT_FOUND,
        scope=WRITE,
    ),
}
MUTATIONS["createMemoryContainer"] = Way(
    # Another tenant's ids are free.
    document='mutation {{ createMemoryContainer(input: {{id: "{container}"}}) {{ status '
    f"{ERRORS} container {{{{ id description memoryCount }}}} }}}} }}}}",
    not_there={
        "status": "CREATED",
        "errors": [],
        "container": {"id": "secrets", "description": None, "memoryCount": 0},
    },
    scope=WRITE,
)
MUTATIONS["updateMemoryContainer"] = Way(
    document='mutation {{ updateMemoryContainer(id: "{container}", input: {{name: "mine"}})'
    f" {{{{ {ERRORS} }}}} }}}}",
    not_there=NOT_FOUND,
    scope=WRITE,
)
MUTATIONS["deleteMemoryContainer"] = Way(
    document=f'mutation {{{{ deleteMemoryContainer(id: "{{container}}", deleteMemories: true) {{{{ {ERRORS} }}}} }}}}',
    not_there=NOT_FOUND,
    scope=WRITE,
)
NOTHING_REMOVED = {"receipt": {"total": 0, "history": 0}, "errors": []}
REMOVED = 'filter: {{or: [{{ids: ["{session}", "{entry}"]}}, {{text: "this"}}]}}'
for name in ("deleteMemories", "eraseMemories"):
    MUTATIONS[name] = Way(
        document=f"mutation {{{{ {name}(input: {{{{{REMOVED}}}}})"
        f" {{{{ receipt {{{{ total history }}}} {ERRORS} }}}} }}}}",
        not_there=NOTHING_REMOVED,
        scope=ADMIN,
    )

SUBSCRIPTIONS = {
    "memoryChanged": "subscription {{ memoryChanged {{ record {{ subjectId }} memory {{ id }} }} }}",
}
MORE_SUBSCRIPTIONS = (
    'subscription {{ memoryChanged(filter: {{sessionId: "{session}"}}) {{ record {{ subjectId }} }} }}',
    'subscription {{ memoryChanged(filter: {{ids: ["{fact}", "{entry}"]}}) {{ record {{ subjectId }} }} }}',
    'subscription {{ memoryChanged(filter: {{containerId: "default"}}) {{ record {{ subjectId }} }} }}',
)


@dataclass(frozen=True, slots=True, kw_only=True)
class FacadeWay:
    """A façade's route, how it is asked for another tenant's things, and the status and what it must answer then.

    ``{entry}``, ``{job}`` and ``{trace}`` in the path are ids of the other tenant; None stands for any answer.
    """

    method: str
    path: str
    body: dict[str, Any] | None = None
    status: int
    answer: dict[str, Any] | None = None


CONTENTS = {"sessionId": "talk", "contents": [{"content": "x"}]}
DOCUMENTS = {"documents": [{"content": "x"}], "source": "s", "context_type": "resource", "scope": "internal"}
ASKED = {"query": "what does only ada know?", "similarity_threshold": 1, "minimum_similarity_threshold": 0}
NO_TRACES = {
    "traces": [],
    "pagination": {"page": 1, "limit": 10, "total": 0, "totalPages": 0, "hasNextPage": False, "hasPrevPage": False},
}
ALCHEMYST = (
    # Another tenant's ids, files and keys are free.
    FacadeWay(
        method="POST", path="/memory/add", body={"sessionId": "talk", "contents": [{"content": "x"}]}, status=201
    ),
    FacadeWay(
        method="POST", path="/memory/update", body={"sessionId": "talk", "contents": [{"content": "x"}]}, status=404
    ),
    FacadeWay(method="POST", path="/memory/delete", body={"memoryId": "talk"}, status=204),
    FacadeWay(method="POST", path="/add", body={**DOCUMENTS, "metadata": {"fileName": "ada.md"}}, status=201),
    FacadeWay(method="POST", path="/delete", body={"source": "ada's"}, status=204),
    FacadeWay(method="GET", path="/view", status=200, answer={"success": True, "contexts": []}),
    FacadeWay(method="GET", path="/view/docs", status=200, answer={"documents": []}),
    FacadeWay(method="POST", path="/search", body=ASKED, status=202, answer={"contexts": []}),
    FacadeWay(method="GET", path="/traces", status=200, answer=NO_TRACES),
    FacadeWay(method="DELETE", path="/traces/{trace_id}/delete", status=404),
    FacadeWay(method="POST", path="/add-async", body=DOCUMENTS, status=201),
    FacadeWay(method="GET", path="/add-async/status", status=200, answer={"success": True, "jobs": []}),
    FacadeWay(method="GET", path="/add-async/{job_id}/status", status=404),
    FacadeWay(method="DELETE", path="/add-async/{job_id}/cancel", status=404),
)
EVERY_SUBSCRIPTION = [*SUBSCRIPTIONS.values(), *MORE_SUBSCRIPTIONS]


@dataclass(frozen=True, slots=True)
class House:
    """A running application with one tenant's memories in it, and their ids."""

    client: TestClient
    ids: dict[str, str]

    def ask(self, document: str, tenant: str, *scopes: str) -> dict[str, Any]:
        headers = {"Authorization": f"Bearer {token(tenant, *scopes)}"}
        response = self.client.post("/graphql", json={"query": document}, headers=headers)
        answer: dict[str, Any] = response.json()
        return answer

    def written_out(self, way: Way) -> str:
        return way.document.format(**self.ids)


def token(tenant: str, *scopes: str) -> str:
    granted = [Scope(scope) for scope in scopes]
    return issue_token(secret=SECRET, tenant=tenant, subject="somebody", scopes=granted, expires_in_s=600)


@pytest.fixture(autouse=True)
def _no_job_is_begun(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that a job stays as it was left."""
    monkeypatch.setattr(JobWorker, "start", lambda _: None)


@pytest.fixture
def house(database_url: str) -> Iterator[House]:
    settings = Settings(
        database_url=database_url,
        auth_secret=SecretStr(SECRET),
        metrics=True,
        metrics_token=SecretStr(METRICS_TOKEN),
        facades=("alchemyst",),
    )
    with TestClient(create_app(settings)) as client:
        empty = House(client, {})
        made = empty.ask(
            f'mutation {{ updateContextMemory(input: {{sessionId: "talk", createSession: true, contents: '
            f'[{{id: "m1", content: "{MARK}"}}]}}) {{ results {{ entry {{ id }} }} }} '
            f'createMemory(input: {{longTerm: {{memory: "{MARK}"}}}}) {{ memory {{ id }} }} }}',
            "ada",
            WRITE,
        )["data"]
        container = empty.ask(
            f'mutation {{ createMemoryContainer(input: {{id: "secrets", description: "{MARK}"}})'
            " { container { id } } }",
            "ada",
            ADMIN,
        )["data"]["createMemoryContainer"]["container"]["id"]
        fact = made["createMemory"]["memory"]["id"]
        entry = made["updateContextMemory"]["results"][0]["entry"]["id"]
        yield House(
            client, {"session": "talk", "entry": entry, "fact": fact, "record": f"{fact}~1", "container": container}
        )


def fields_of(root: str) -> set[str]:
    return set(schema()._schema.type_map[root].fields)  # type: ignore[attr-defined]  # Root types have fields.


def test_every_query_mutation_and_subscription_is_walked_here() -> None:
    assert set(SUBSCRIPTIONS) == fields_of("Subscription")
    assert set(QUERIES) == fields_of("Query")
    assert set(MUTATIONS) == fields_of("Mutation")


def test_every_route_asks_a_stranger_for_credentials_unless_it_is_public(house: House) -> None:
    app = house.client.app
    routes = app.routes  # type: ignore[attr-defined]  # A Starlette application has them.
    assert {route.path for route in routes} > PUBLIC_ROUTES
    for route in routes:
        if isinstance(route, WebSocketRoute):
            assert route.path not in PUBLIC_ROUTES
            assert turned_away(house, route.path)
            continue
        if isinstance(route, Mount):
            assert f"{route.path}/" in PUBLIC_FOLDERS
            continue
        assert isinstance(route, Route)
        for method in (route.methods or {"GET", "POST", "PUT"}) - {"HEAD"}:
            response = house.client.request(method, route.path)
            if route.path in PUBLIC_ROUTES:
                assert response.status_code in (200, 503)
                assert MARK not in response.text
            else:
                assert response.status_code == 401
                assert response.headers["WWW-Authenticate"].startswith("Bearer")
                if route.path.startswith(PREFIX):
                    assert response.json()["error"]["code"] == "UNAUTHORIZED"
                else:
                    assert response.json()["errors"][0]["extensions"]["code"] == "UNAUTHENTICATED"


def test_what_tells_of_all_tenants_opens_to_no_tenant(house: House) -> None:
    for path in OTHER_CREDENTIALS:
        for tenant in ("ada", "babbage"):
            headers = {"Authorization": f"Bearer {token(tenant, READ, WRITE, ADMIN)}"}
            assert house.client.get(path, headers=headers).status_code == 401
        answer = house.client.get(path, headers={"Authorization": f"Bearer {METRICS_TOKEN}"})
        assert answer.status_code == 200
        assert "ada" not in answer.text
        assert MARK not in answer.text


def turned_away(house: House, path: str) -> bool:
    """Whether a socket is closed that brings no token, or one that does not hold, before anything is answered."""
    for payload in ({}, {"authorization": "Bearer nonsense"}):
        with house.client.websocket_connect(path, subprotocols=["graphql-transport-ws"]) as socket:
            socket.send_json({"type": "connection_init", "payload": payload})
            with pytest.raises(WebSocketDisconnect) as closed:
                socket.receive_json()
        assert closed.value.code == 4403
    return True


@pytest.mark.parametrize("way", [*QUERIES.values(), *MORE_QUERIES, *MUTATIONS.values()], ids=lambda way: way.document)
def test_a_stranger_gets_no_answer(house: House, way: Way) -> None:
    response = house.client.post("/graphql", json={"query": house.written_out(way)})
    assert response.status_code == 401
    assert "data" not in response.json()


@pytest.mark.parametrize("way", [*QUERIES.values(), *MORE_QUERIES], ids=lambda way: way.document)
def test_without_the_scope_nothing_is_read(house: House, way: Way) -> None:
    answer = house.ask(house.written_out(way), "ada")
    assert answer["errors"][0]["extensions"]["code"] == "FORBIDDEN"
    assert answer["errors"][0]["extensions"]["requiredScope"] == way.scope
    assert set((answer["data"] or {"": None}).values()) == {None}
    assert "errors" not in house.ask(house.written_out(way), "ada", way.scope)


@pytest.mark.parametrize("way", MUTATIONS.values(), ids=lambda way: way.document)
@pytest.mark.parametrize("scopes", [(), (READ,), (READ, WRITE)])
def test_without_the_scope_nothing_is_written(house: House, way: Way, scopes: tuple[str, ...]) -> None:
    if way.scope in scopes:
        return
    answer = house.ask(house.written_out(way), "ada", *scopes)
    (payload,) = answer["data"].values()
    assert payload["errors"] == [{"code": "FORBIDDEN", "requiredScope": way.scope}]
    assert untouched(house)


@pytest.mark.parametrize("way", [*QUERIES.values(), *MORE_QUERIES, *MUTATIONS.values()], ids=lambda way: way.document)
def test_for_another_tenant_nothing_is_there(house: House, way: Way) -> None:
    answer = house.ask(house.written_out(way), "babbage", "memory:admin")
    assert "errors" not in answer
    assert list(answer["data"].values()) == [way.not_there]
    assert MARK not in str(answer)
    assert untouched(house)


def test_every_call_of_a_facade_is_walked_here() -> None:
    assert [(way.method, way.path) for way in ALCHEMYST] == [(call.method, call.path) for call in CALLS]


@pytest.fixture
def left(house: House) -> dict[str, str]:
    """The ids of a job and of a trace of the first tenant."""
    told = {"Authorization": f"Bearer {token('ada', WRITE)}"}
    queued = house.client.post(f"{PREFIX}/add-async", json={**DOCUMENTS, "source": MARK}, headers=told).json()
    house.client.post(f"{PREFIX}/search", json=ASKED, headers=told)
    [trace] = house.client.get(f"{PREFIX}/traces", headers=told).json()["traces"]
    return {"trace_id": trace["_id"], "job_id": queued["jobId"]}


@pytest.mark.parametrize("way", ALCHEMYST, ids=lambda way: f"{way.method} {way.path}")
def test_a_facade_answers_nothing_without_the_scope(house: House, left: dict[str, str], way: FacadeWay) -> None:
    path = f"{PREFIX}{way.path.format(**left)}"
    headers = {"Authorization": f"Bearer {token('ada')}"}
    response = house.client.request(way.method, path, json=way.body, headers=headers)
    assert response.status_code == 403
    assert response.json()["error"]["details"]["code"] == "FORBIDDEN"
    assert MARK not in response.text
    assert untouched(house)


@pytest.mark.parametrize("way", ALCHEMYST, ids=lambda way: f"{way.method} {way.path}")
def test_for_another_tenant_nothing_is_there_in_a_facade(house: House, left: dict[str, str], way: FacadeWay) -> None:
    path = f"{PREFIX}{way.path.format(**left)}"
    headers = {"Authorization": f"Bearer {token('babbage', ADMIN)}"}
    response = house.client.request(way.method, path, json=way.body, headers=headers)
    assert response.status_code == way.status, response.text
    if way.answer is not None:
        assert response.json() == way.answer
    assert MARK not in response.text
    assert untouched(house)


@contextmanager
def watching(house: House, document: str, tenant: str, *scopes: str) -> Iterator[WebSocketTestSession]:
    """A socket over which a subscription was asked for, and stands or was refused."""
    with house.client.websocket_connect("/graphql", subprotocols=["graphql-transport-ws"]) as socket:
        authorization = f"Bearer {token(tenant, *scopes)}"
        socket.send_json({"type": "connection_init", "payload": {"authorization": authorization}})
        assert socket.receive_json() == {"type": "connection_ack"}
        payload = {"query": document.format(**house.ids)}
        socket.send_json({"type": "subscribe", "id": "1", "payload": payload})
        yield socket


CHANGE = (
    'mutation {{ updateContextMemory(input: {{sessionId: "{session}", contents: [{{id: "m1", content: "changed"}}]}})'
    ' {{ version }} updateMemory(type: LONG_TERM, id: "{fact}", input: {{longTerm: {{pinned: true}}}}) {{ status }} }}'
)


@pytest.mark.parametrize("document", EVERY_SUBSCRIPTION)
def test_without_the_scope_nothing_is_watched(house: House, document: str) -> None:
    with watching(house, document, "ada") as socket:
        message = socket.receive_json()
        assert message["type"] == "error"
        assert message["payload"][0]["extensions"] == {"code": "FORBIDDEN", "requiredScope": READ}


@pytest.mark.parametrize("document", EVERY_SUBSCRIPTION)
def test_another_tenant_hears_nothing(house: House, document: str) -> None:
    with (
        watching(house, document, "babbage", "memory:admin") as stranger,
        watching(house, document, "ada", READ) as own,
    ):
        for socket in (stranger, own):
            socket.send_json({"type": "ping"})
            assert socket.receive_json() == {"type": "pong"}
        house.ask(house.written_out(Way(document=CHANGE, not_there=None, scope=WRITE)), "ada", WRITE)
        assert own.receive_json()["type"] == "next"
        # What the stranger hears first is its own pong: there was nothing before it.
        stranger.send_json({"type": "ping"})
        assert stranger.receive_json() == {"type": "pong"}


def test_another_tenants_cursor_leads_to_none_of_its_changes(house: House) -> None:
    document = "subscription {{ memoryChanged {{ cursor }} }}"
    with watching(house, document, "ada", READ) as own:
        own.send_json({"type": "ping"})
        assert own.receive_json() == {"type": "pong"}
        house.ask(house.written_out(Way(document=CHANGE, not_there=None, scope=WRITE)), "ada", WRITE)
        cursor = own.receive_json()["payload"]["data"]["memoryChanged"]["cursor"]
    document = f'subscription {{{{ memoryChanged(after: "{cursor}") {{{{ cursor }}}} }}}}'
    with watching(house, document, "babbage", "memory:admin") as stranger:
        assert stranger.receive_json()["payload"][0]["extensions"]["code"] == "CURSOR_INVALID"


def test_two_tenants_use_the_same_ids_side_by_side(house: House) -> None:
    document = (
        'mutation { updateContextMemory(input: {sessionId: "talk", createSession: true, contents: '
        '[{id: "m1", content: "Of my own."}]}) { updatedEntries results { status } errors { code } } }'
    )
    answer = house.ask(document, "babbage", WRITE)["data"]["updateContextMemory"]
    assert answer == {"updatedEntries": 1, "results": [{"status": "CREATED"}], "errors": []}
    assert untouched(house)


def untouched(house: House) -> bool:
    """Whether the first tenant's memories are as they were made."""
    nodes = house.ask(
        "{ memories { totalCount nodes"
        " { version ... on WorkingMemory { content } ... on LongTermMemory { memory } } } }",
        "ada",
        READ,
    )["data"]["memories"]
    assert nodes["totalCount"] == 3
    said = {node.get("content") or node.get("memory") for node in nodes["nodes"]}
    return said == {MARK, None} and {node["version"] for node in nodes["nodes"]} == {1}
