"""How often callers may ask: the buckets by themselves, and what each way in says."""

import json
from collections.abc import Iterator

import pytest
from pydantic import SecretStr
from starlette.testclient import TestClient

from mnesis.app import create_app
from mnesis.domain.caller import Caller, Scope
from mnesis.settings import Settings
from mnesis.web import rates
from mnesis.web.rates import UNBOUNDED, RateLimiter
from mnesis.web.tokens import issue_token

SECRET = "a secret of at least thirty-two bytes"
ADA = Caller(tenant="acme", subject="ada")
BOB = Caller(tenant="acme", subject="bob")
EVE = Caller(tenant="other", subject="ada")


class Clock:
    now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


def test_a_minutes_requests_may_come_at_once_and_come_back_bit_by_bit() -> None:
    clock = Clock()
    limiter = RateLimiter(per_subject=6, clock=clock)
    assert [limiter.wait_s(ADA) for _ in range(7)] == [0, 0, 0, 0, 0, 0, 10]
    assert limiter.wait_s(BOB) == limiter.wait_s(EVE) == 0
    clock.now_s += 4
    assert limiter.wait_s(ADA) == pytest.approx(6)
    clock.now_s += 6
    assert limiter.wait_s(ADA) == 0
    assert limiter.wait_s(ADA) > 0
    clock.now_s += 1_000
    assert [limiter.wait_s(ADA) for _ in range(7)] == [0, 0, 0, 0, 0, 0, 10]


def test_a_tenant_shares_its_requests_and_a_refusal_costs_none() -> None:
    clock = Clock()
    limiter = RateLimiter(per_subject=2, per_tenant=3, clock=clock)
    assert [limiter.wait_s(ADA), limiter.wait_s(ADA), limiter.wait_s(ADA)] == [0, 0, 30]
    assert [limiter.wait_s(BOB), limiter.wait_s(BOB)] == [0, 20]
    assert limiter.wait_s(EVE) == 0
    clock.now_s += 20
    assert limiter.wait_s(BOB) == 0


def test_several_at_once_count_each_and_more_than_a_minutes_take_all_of_it() -> None:
    limiter = RateLimiter(per_subject=6, clock=Clock())
    assert limiter.wait_s(ADA, 4) == 0
    assert limiter.wait_s(ADA, 4) == 20
    assert limiter.wait_s(BOB, 600) == 0
    assert limiter.wait_s(BOB) == 10


def test_buckets_that_are_full_again_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rates, "MOST_BUCKETS", 10)
    clock = Clock()
    limiter = RateLimiter(per_subject=1, clock=clock)
    for number in range(10):
        limiter.wait_s(Caller(tenant="acme", subject=str(number)))
    clock.now_s += 60
    assert limiter.wait_s(ADA) == 0
    assert len(limiter._buckets) == 1
    assert limiter.wait_s(ADA) > 0
    assert [UNBOUNDED.wait_s(ADA) for _ in range(100)] == [0] * 100


@pytest.fixture
def client(sqlite_url: str) -> Iterator[TestClient]:
    settings = Settings(database_url=sqlite_url, auth_secret=SecretStr(SECRET), requests_per_minute=2)
    with TestClient(create_app(settings)) as client:
        yield client


def bearer(subject: str) -> str:
    scopes = [Scope.WRITE]
    return f"Bearer {issue_token(secret=SECRET, tenant='acme', subject=subject, scopes=scopes, expires_in_s=60)}"


def test_who_asks_too_often_is_told_when_to_come_again(client: TestClient) -> None:
    ask = {"query": "{ viewer { subject } }"}
    headers = {"Authorization": bearer("ada")}
    for _ in range(2):
        assert client.post("/graphql", json=ask, headers=headers).json()["data"] is not None
    for refused in (
        client.post("/graphql", json=ask, headers=headers),
        client.post("/graphql", json=[ask], headers=headers),
        client.get("/graphql", params=ask, headers=headers),
        client.post("/graphql", json=ask, headers={**headers, "Accept": "text/event-stream"}),
    ):
        assert refused.status_code == 429
        assert int(refused.headers["Retry-After"]) in range(1, 31)
        [error] = refused.json()["errors"]
        assert error["extensions"] == {"code": "RATE_LIMITED", "retryAfter": int(refused.headers["Retry-After"])}
    assert client.post("/graphql", json=[ask, ask], headers={"Authorization": bearer("bob")}).status_code == 200
    assert client.post("/graphql", json=ask, headers={"Authorization": bearer("bob")}).status_code == 429


def test_operations_over_a_socket_count_too(client: TestClient) -> None:
    with client.websocket_connect("/graphql", subprotocols=["graphql-transport-ws"]) as socket:
        socket.send_json({"type": "connection_init", "payload": {"authorization": bearer("ada")}})
        assert socket.receive_json() == {"type": "connection_ack"}
        told = []
        for number in range(3):
            query = {"query": "{ viewer { subject } }"}
            socket.send_json({"type": "subscribe", "id": str(number), "payload": query})
            message = socket.receive_json()
            told.append(message["type"])
            if message["type"] == "next":
                assert socket.receive_json()["type"] == "complete"
    assert told == ["next", "next", "error"]
    assert message["payload"][0]["extensions"]["code"] == "RATE_LIMITED"
    assert json.dumps(message["payload"][0]["message"]).count("second") == 1
