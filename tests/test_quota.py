"""``mnesis quota`` as an operator meets it, and what clients are told of quotas."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from pydantic import SecretStr
from starlette.testclient import TestClient

from mnesis.app import create_app
from mnesis.domain.caller import Scope
from mnesis.settings import Settings
from mnesis.web.tokens import issue_token
from tests.test_cli import run

SECRET = "a secret of at least thirty-two bytes"
NONE = {"memories": None, "bytes": None, "writesPerMonth": None}


def kept(*arguments: str) -> Any:
    code, stdout, stderr = run("quota", *arguments)
    assert (code, stderr) == (0, "")
    return json.loads(stdout)


def test_quotas_are_set_one_by_one_shown_and_lifted(sqlite_url: str) -> None:
    database = ("--database", sqlite_url)
    assert kept("acme", *database) == {"tenant": "acme", "quotas": NONE}
    first = kept("acme", "--memories", "5", "--bytes", "5000000000", *database)
    assert first["quotas"] == {
        "memories": {"limit": 5, "used": 0},
        "bytes": {"limit": 5_000_000_000, "used": 0},
        "writesPerMonth": None,
    }
    more = kept("acme", "--writes-per-month", "7", *database)
    assert more["quotas"] == {**first["quotas"], "writesPerMonth": {"limit": 7, "used": 0}}
    lower = kept("acme", "--memories", "0", *database)
    assert lower["quotas"] == {**more["quotas"], "memories": {"limit": 0, "used": 0}}
    assert kept("acme", "--show", *database) == lower
    assert kept("globex", *database)["quotas"] == NONE
    assert kept("acme", "--none", *database)["quotas"] == NONE


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("acme", "--none", "--bytes", "1"), "not both"),
        (("acme", "--show", "--none"), "give it alone"),
        (("", "--memories", "1"), "the name of a tenant"),
    ],
)
def test_what_cannot_be_meant_is_refused(sqlite_url: str, arguments: tuple[str, ...], told: str) -> None:
    code, stdout, stderr = run("quota", *arguments, "--database", sqlite_url)
    assert (code, stdout) == (1, "")
    assert told in stderr


@pytest.fixture
def client(sqlite_url: str) -> Iterator[TestClient]:
    kept("acme", "--memories", "1", "--bytes", "5000000000", "--database", sqlite_url)
    with TestClient(create_app(Settings(database_url=sqlite_url, auth_secret=SecretStr(SECRET)))) as client:
        token = issue_token(
            secret=SECRET, tenant="acme", subject="ada", scopes=[Scope.WRITE], expires_in_s=60, roles=["b", "a"]
        )
        client.headers["Authorization"] = f"Bearer {token}"
        yield client


def test_clients_see_quotas_and_are_told_when_they_are_used_up(client: TestClient) -> None:
    create = (
        'mutation { createMemories(input: {mode: PER_ENTRY, items: [{longTerm: {memory: "é"}}]})'
        " { results { status } errors { __typename code message path"
        " ... on QuotaExceededError { limit used } } } }"
    )
    made, refused = (client.post("/graphql", json={"query": create}).json()["data"]["createMemories"] for _ in range(2))
    assert made == {"results": [{"status": "CREATED"}], "errors": []}
    assert refused == {
        "results": [{"status": "ROLLED_BACK"}],
        "errors": [
            {
                "__typename": "QuotaExceededError",
                "code": "QUOTA_EXCEEDED",
                "message": "The quota of 1 memories is used up (1).",
                "path": [],
                "limit": 1,
                "used": 1,
            }
        ],
    }
    ask = "{ viewer { roles quotas { memories { limit used } bytes { limit used } writesPerMonth { limit } } } }"
    assert client.post("/graphql", json={"query": ask}).json()["data"]["viewer"] == {
        "roles": ["a", "b"],
        # The memory's text and an empty object as namespace.
        "quotas": {
            "memories": {"limit": 1, "used": 1},
            "bytes": {"limit": 5_000_000_000, "used": 4},
            "writesPerMonth": None,
        },
    }
