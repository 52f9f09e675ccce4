"""What a tenant may use, and how often its callers may ask, bound Alchemyst's clients too."""

import subprocess
import sys

from tests.facades.alchemyst import Both, bearer, served


def entry(number: int) -> dict[str, object]:
    return {"sessionId": "trip", "contents": [{"id": f"m{number}", "content": "We take the train."}]}


def test_a_tenant_that_has_used_up_its_quota_is_asked_for_payment(both: Both, database_url: str) -> None:
    assert both.post("/memory/add", entry(1)).status_code == 201
    command = [sys.executable, "-m", "mnesis", "quota", "acme", "--memories", "2", "--database", database_url]
    subprocess.run(command, check=True, capture_output=True)
    refused = both.post("/memory/add", entry(2))
    assert refused.status_code == 402
    assert refused.json()["error"]["code"] == "PAYMENT_REQUIRED"
    told = both.graphql('{ memory(type: SESSION, id: "trip") { ... on SessionMemory { entries { totalCount } } } }')
    assert told == {"entries": {"totalCount": 1}}
    # What is there already may be changed.
    assert both.post("/memory/update", entry(1)).status_code == 200


def test_who_asks_too_often_is_told_when_to_come_back(sqlite_url: str) -> None:
    with served(sqlite_url, requests_per_minute=2) as both:
        assert [both.get("/view/docs").status_code for _ in range(2)] == [200, 200]
        refused = both.get("/view/docs")
        assert refused.status_code == 429
        assert 0 < int(refused.headers["Retry-After"]) <= 60
        # The same bound, whichever way they ask; somebody else has their own.
        asked = both.client.post("/graphql", json={"query": "{ __typename }"}, headers=bearer("ann"))
        assert asked.status_code == 429
        assert both.get("/view/docs", by="eve").status_code == 200
