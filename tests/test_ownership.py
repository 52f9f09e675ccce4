"""Every way in, walked by callers of one tenant: what is another's in a guarded container is not there.

The fields of the schema are those that `test_tenancy` walks; here it is people, not tenants, that are kept apart.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from pydantic import SecretStr
from starlette.testclient import TestClient, WebSocketTestSession

from mnesis.app import create_app
from mnesis.domain.caller import Scope
from mnesis.settings import Settings
from mnesis.web.tokens import issue_token
from tests.test_tenancy import (
    EVERY_SUBSCRIPTION,
    MARK,
    MORE_QUERIES,
    MUTATIONS,
    NOT_FOUND,
    NOTHING_REMOVED,
    QUERIES,
    SECRET,
    Way,
)

ADA: dict[str, Any] = {"subject": "ada"}
BOB: dict[str, Any] = {"subject": "bob"}
MATE: dict[str, Any] = {"subject": "mate", "roles": ("team",)}
ROOT: dict[str, Any] = {"subject": "root", "scope": Scope.ADMIN}
OTHERS = [BOB, MATE]
PRIVATE = "private"


def token(*, subject: str, roles: tuple[str, ...] = (), scope: Scope = Scope.WRITE) -> str:
    return issue_token(secret=SECRET, tenant="acme", subject=subject, scopes=[scope], expires_in_s=600, roles=roles)


class House:
    """A running application with memories of Ada's in a container of her own, which the role ``team`` may enter."""

    def __init__(self, client: TestClient) -> None:
        self.client = client
        self.ids: dict[str, str] = {"session": "talk", "container": PRIVATE}
        made = self.data(
            f"""mutation {{
              createMemoryContainer(input: {{id: "{PRIVATE}", roles: ["team"]}}) {{ errors {{ code }} }}
              updateContextMemory(input: {{sessionId: "talk", createSession: true, containerId: "{PRIVATE}", contents:
                [{{id: "m1", content: "{MARK}"}}]}}) {{ results {{ entry {{ id }} }} }}
              createMemory(containerId: "{PRIVATE}", input: {{longTerm: {{memory: "{MARK}"}}}}) {{ memory {{ id }} }}
            }}""",
            ADA,
        )
        self.ids["fact"] = made["createMemory"]["memory"]["id"]
        self.ids["record"] = f"{self.ids['fact']}~1"
        self.ids["entry"] = made["updateContextMemory"]["results"][0]["entry"]["id"]

    def answer(self, document: str, caller: dict[str, Any]) -> dict[str, Any]:
        headers = {"Authorization": f"Bearer {token(**caller)}"}
        answer: dict[str, Any] = self.client.post("/graphql", json={"query": document}, headers=headers).json()
        return answer

    def data(self, document: str, caller: dict[str, Any]) -> dict[str, Any]:
        answer = self.answer(document, caller)
        assert "errors" not in answer, answer
        data: dict[str, Any] = answer["data"]
        return data

    def untouched(self) -> bool:
        nodes = self.data("{ memories { nodes { version } } }", ADA)["memories"]["nodes"]
        return [node["version"] for node in nodes] == [1, 1, 1]


@pytest.fixture
def house(database_url: str) -> Iterator[House]:
    with TestClient(create_app(Settings(database_url=database_url, auth_secret=SecretStr(SECRET)))) as client:
        yield House(client)


def expected(name: str, way: Way, caller: dict[str, Any]) -> Any:
    """What one who does not see Ada's memories is told."""
    sees_container = "roles" in caller
    match name:
        case "viewer":
            return {"tenant": "acme"}
        case "memoryContainers":
            shown = [{"id": "default", "name": "default", "memoryCount": 0}]
            if sees_container:
                shown.append({"id": PRIVATE, "name": PRIVATE, "memoryCount": 0})
            return {"nodes": shown, "totalCount": len(shown)}
        case "createMemoryContainer":
            return {"status": "FAILED", "errors": [{"code": "ALREADY_EXISTS"}], "container": None}
        case "updateMemoryContainer" | "deleteMemoryContainer" if sees_container:
            return {"errors": [{"code": "FORBIDDEN", "requiredScope": "memory:admin"}]}
        case "deleteMemories" | "eraseMemories":
            # Those are for administrators, who see everything.
            assert way.not_there == NOTHING_REMOVED
            return {
                "receipt": {"total": 0, "history": 0},
                "errors": [{"code": "FORBIDDEN", "requiredScope": "memory:admin"}],
            }
        case _ if sees_container and way.not_there is None and "{container}" in way.document:
            return {"id": PRIVATE}
    return way.not_there


WALKED = [
    *((name, way) for name, way in QUERIES.items() if name != "memoryContainer"),
    *(("", way) for way in MORE_QUERIES),
    *MUTATIONS.items(),
]


@pytest.mark.parametrize(("name", "way"), WALKED, ids=lambda each: each if isinstance(each, str) else "")
def test_what_is_another_persons_is_not_there(house: House, name: str, way: Way) -> None:
    for caller in OTHERS:
        answer = house.answer(way.document.format(**house.ids), caller)
        assert "errors" not in answer
        assert list(answer["data"].values()) == [expected(name, way, caller)], caller
        assert MARK not in str(answer)
        assert house.untouched()


@pytest.mark.parametrize("caller", [ADA, ROOT])
def test_the_owner_and_administrators_see_it(house: House, caller: dict[str, Any]) -> None:
    document = """{ memories { totalCount nodes { owner container { id owner roles isShared } history { totalCount } } }
      viewer { roles } memoryContainer(id: "private") { memoryCount } }"""
    found = house.data(document, caller)
    container = {"id": PRIVATE, "owner": "ada", "roles": ["team"], "isShared": False}
    assert found == {
        "memories": {
            "totalCount": 3,
            "nodes": [{"owner": "ada", "container": container, "history": {"totalCount": 1}}] * 3,
        },
        "viewer": {"roles": []},
        "memoryContainer": {"memoryCount": 3},
    }


@contextmanager
def watching(house: House, document: str, caller: dict[str, Any]) -> Iterator[WebSocketTestSession]:
    with house.client.websocket_connect("/graphql", subprotocols=["graphql-transport-ws"]) as socket:
        socket.send_json({"type": "connection_init", "payload": {"authorization": f"Bearer {token(**caller)}"}})
        assert socket.receive_json() == {"type": "connection_ack"}
        socket.send_json({"type": "subscribe", "id": "1", "payload": {"query": document.format(**house.ids)}})
        socket.send_json({"type": "ping"})
        assert socket.receive_json() == {"type": "pong"}
        yield socket


@pytest.mark.parametrize("document", [each.replace('"default"', '"private"') for each in EVERY_SUBSCRIPTION])
def test_others_hear_nothing(house: House, document: str) -> None:
    with (
        watching(house, document, BOB) as bob,
        watching(house, document, MATE) as mate,
        watching(house, document, ADA) as ada,
        watching(house, document, ROOT) as root,
    ):
        house.data(
            f'mutation {{ updateContextMemory(input: {{sessionId: "talk", contents: [{{id: "m1", content: "new"}}]}})'
            f' {{ version }} updateMemory(type: LONG_TERM, id: "{house.ids["fact"]}", input:'
            " {longTerm: {pinned: true}}) { status } }",
            ADA,
        )
        for socket in (ada, root):
            assert socket.receive_json()["type"] == "next"
        for socket in (bob, mate):
            # What they hear first is their own pong: there was nothing before it.
            socket.send_json({"type": "ping"})
            assert socket.receive_json() == {"type": "pong"}


def test_who_catches_up_is_told_nothing_of_others(house: House) -> None:
    with watching(house, "subscription {{ memoryChanged {{ cursor }} }}", ADA) as ada:
        house.data(
            'mutation { updateMemory(type: SESSION, id: "talk", input: {session: {pinned: true}}) { status } }', ADA
        )
        cursor = ada.receive_json()["payload"]["data"]["memoryChanged"]["cursor"]
    house.data(
        'mutation { updateMemory(type: SESSION, id: "talk", input: {session: {pinned: false}}) { status } }', ADA
    )
    [made] = house.data(
        'mutation { createMemory(input: {longTerm: {memory: "for all"}}) { memory { id owner } } }', BOB
    ).values()
    fields = "{ record { subjectId } memory { owner } }"
    document = f'subscription {{ memoryChanged(after: "{cursor}") {fields} }}'
    with house.client.websocket_connect("/graphql", subprotocols=["graphql-transport-ws"]) as socket:
        socket.send_json({"type": "connection_init", "payload": {"authorization": f"Bearer {token(**MATE)}"}})
        assert socket.receive_json() == {"type": "connection_ack"}
        socket.send_json({"type": "subscribe", "id": "1", "payload": {"query": document}})
        told = socket.receive_json()["payload"]["data"]["memoryChanged"]
    assert told == {"record": {"subjectId": made["memory"]["id"]}, "memory": {"owner": "bob"}}


def test_an_answer_repeated_for_a_key_is_its_senders(house: House) -> None:
    document = (
        'mutation { updateMemory(type: SESSION, id: "talk", input: {session: {summary: "new"}}, idempotencyKey: "k")'
        " { replayed memory { version } errors { code } } }"
    )
    for replayed in (False, True):
        assert house.data(document, ADA)["updateMemory"] == {
            "replayed": replayed,
            "memory": {"version": 2},
            "errors": [],
        }
    assert house.data(document, MATE)["updateMemory"] == {"replayed": False, "memory": None, **NOT_FOUND}
