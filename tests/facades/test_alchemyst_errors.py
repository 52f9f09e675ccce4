"""Every status, told as the documented ``ErrorResponse``."""

import asyncio
import inspect
import subprocess
import sys
from typing import Any

import pytest
from pydantic import SecretStr
from starlette.requests import Request
from starlette.routing import Route
from starlette.testclient import TestClient
from starlette.types import Message

from mnesis.app import create_app
from mnesis.domain import refusals
from mnesis.domain.caller import Caller, Scope
from mnesis.domain.refusals import QuotaExceeded, Refusal
from mnesis.facades.alchemyst.errors import CODES, STATUSES, gate_refusal, refused
from mnesis.facades.alchemyst.routes import DIALECT, Service, alchemyst_routes
from mnesis.facades.around import Around
from mnesis.settings import Settings
from mnesis.usecases.ports import Overloaded, StoreFault
from mnesis.web.assembly import assemble
from mnesis.web.authentication import LocalAuthenticator
from tests.facades.alchemyst import PREFIX, Both, bearer, served

UPDATE = {"sessionId": "s", "contents": [{"id": "m1", "content": "x"}]}


def told(answer: Any, status: int) -> dict[str, Any]:
    """The error of an answer that has the documented shape."""
    assert answer.status_code == status, answer.text
    body: dict[str, Any] = answer.json()
    assert set(body) == {"success", "error", "message", "status", "statusText"}
    error: dict[str, Any] = body["error"]
    assert body["success"] is False
    assert body["status"] == status
    assert body["message"] == error["message"]
    assert error["code"] == CODES[status]
    return error


def test_every_refusal_of_the_domain_has_a_status() -> None:
    known = [each for _, each in inspect.getmembers(refusals, inspect.isclass) if issubclass(each, Refusal)]
    assert {each.code for each in known if each is not Refusal} <= set(STATUSES)
    assert set(STATUSES.values()) <= set(CODES)


@pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer nonsense"}, {"Authorization": "Basic YTpi"}])
def test_without_credentials_that_hold(speak: Both, headers: dict[str, str]) -> None:
    answer = speak.client.post(f"{PREFIX}/memory/update", json=UPDATE, headers=headers)
    error = told(answer, 401)
    assert (error["code"], error["message"]) == ("UNAUTHORIZED", "User not authenticated")
    assert answer.json()["statusText"] == "UNAUTHORIZED"
    assert answer.headers["www-authenticate"].startswith("Bearer")
    assert answer.headers["cache-control"] == "no-store"


def test_a_missing_field_is_told_as_documented(speak: Both) -> None:
    answer = speak.post("/memory/update", {"contents": []})
    error = told(answer, 400)
    assert (error["code"], error["message"]) == ("INVALID_REQUEST", "sessionId field is required")
    assert answer.json()["statusText"] == "BAD_REQUEST"


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"\xff", b'{"sessionId": NaN}', b"null", b"[" * 100_000])
def test_what_is_no_json_object_is_a_bad_request(speak: Both, body: bytes) -> None:
    told(speak.client.post(f"{PREFIX}/memory/update", content=body, headers=bearer("ann")), 400)


@pytest.mark.parametrize("path", ["/memory/add", "/memory/update", "/memory/delete"])
def test_without_the_scope_nothing_is_written(speak: Both, path: str) -> None:
    body = {**UPDATE, "memoryId": "s"}
    answer = speak.client.post(f"{PREFIX}{path}", json=body, headers=bearer("ann", Scope.READ))
    assert told(answer, 403)["details"] == {"code": "FORBIDDEN", "path": []}


def test_nothing_of_this_kind(speak: Both) -> None:
    error = told(speak.post("/memory/update", UPDATE), 404)
    assert error["message"] == 'There is no session with the id "s".'
    assert error["details"] == {"code": "NOT_FOUND", "path": ["sessionId"]}
    told(speak.post("/memory/nothing", {}), 404)


def test_a_wrong_method(speak: Both) -> None:
    answer = speak.get("/memory/update")
    told(answer, 405)
    assert answer.headers["allow"] == "POST"


def test_an_id_of_something_else(speak: Both) -> None:
    speak.post("/memory/add", UPDATE)
    entry = speak.graphql('{ memory(type: SESSION, id: "s") { ... on SessionMemory { entries { nodes { id } } } } }')
    memory_id = entry["entries"]["nodes"][0]["id"]
    error = told(speak.post("/memory/update", {**UPDATE, "sessionId": memory_id}), 422)
    assert error["details"]["code"] == "MEMORY_TYPE_MISMATCH"


def test_too_much_at_once(sqlite_url: str) -> None:
    with served(sqlite_url, limit_request_bytes=2_000, limit_commands=2, limit_text_bytes=100) as both:
        error = told(both.post("/memory/add", {"sessionId": "s", "contents": [{"content": "x" * 2_000}]}), 413)
        assert error["details"]["limit"] == 2_000
        error = told(both.post("/memory/add", {"sessionId": "s", "contents": [{"content": "x"}] * 3}), 413)
        assert error["details"] == {"code": "LIMIT_EXCEEDED", "path": ["contents"]}
        told(both.post("/memory/add", {"sessionId": "s", "contents": [{"content": "x" * 101}]}), 413)


def test_several_things_wrong_are_all_told(speak: Both) -> None:
    contents = [{"id": "m1", "content": "", "role": ""}]
    error = told(speak.post("/memory/add", {"sessionId": "s", "contents": contents}), 400)
    assert [each["path"] for each in error["details"]["refusals"]] == [
        ["contents", "0", "content"],
        ["contents", "0", "role"],
    ]


def test_a_used_up_quota_asks_for_payment() -> None:
    fault = refused([QuotaExceeded(unit="memories", limit=10, used=10)])
    assert (fault.status, fault.details["code"]) == (402, "QUOTA_EXCEEDED")
    assert CODES[402] == "PAYMENT_REQUIRED"


def test_a_rate_limit_of_the_gate_is_told_in_this_dialect() -> None:
    answer = gate_refusal(429, "Too many requests.", {"limit": 1_000})
    assert b'"code":"TOO_MANY_REQUESTS"' in answer.body
    assert b'"details":{"limit":1000}' in answer.body


def unopened() -> Service:
    raise AssertionError("Nothing is asked of the memories.")


def test_a_client_that_goes_away_is_no_fault() -> None:
    async def gone() -> Message:
        return {"type": "http.disconnect"}

    [route] = [each for each in alchemyst_routes(unopened) if isinstance(each, Route) and each.path.endswith("/update")]
    caller = Caller(tenant="acme", subject="ann")
    scope = {"type": "http", "method": "POST", "headers": [], "query_string": b"", "state": {"caller": caller}}
    assert asyncio.run(route.endpoint(Request(scope, gone))).status_code == 400


def test_who_asks_too_often_is_told_when_to_come_back() -> None:
    asked: list[Caller] = []

    def wait_s(caller: Caller) -> float:
        asked.append(caller)
        return 1.2

    local = LocalAuthenticator()
    app = assemble(
        alchemyst_routes(unopened, Around(wait_s=wait_s)),
        authenticator=local,
        local_only=True,
        cors_origins=(),
        request_bytes=1_000,
        dialects=[DIALECT],
    )
    answer = TestClient(app, base_url="http://localhost").post(f"{PREFIX}/memory/update", json=UPDATE)
    assert told(answer, 429)["details"] == {"code": "RATE_LIMITED"}
    assert answer.headers["retry-after"] == "2"
    assert [caller.subject for caller in asked] == ["local"]


@pytest.mark.parametrize(("fault", "status"), [(Overloaded("busy"), 503), (StoreFault("db.internal is away"), 500)])
def test_a_fault_of_the_server_is_masked(
    speak: Both, monkeypatch: pytest.MonkeyPatch, fault: Exception, status: int
) -> None:
    async def fails(*_: Any) -> None:
        raise fault

    monkeypatch.setattr("mnesis.usecases.memories.Memories.update_context_memory", fails)
    answer = speak.post("/memory/update", UPDATE)
    error = told(answer, status)
    assert "internal" not in error["message"]
    if status == 500:
        assert error["details"]["errorId"]
    else:
        assert answer.headers["retry-after"] == "1"


def test_without_authentication_the_local_caller_is_served(sqlite_url: str) -> None:
    settings = Settings(database_url=sqlite_url, facades=("alchemyst",))
    with TestClient(create_app(settings), base_url="http://localhost:8000") as client:
        assert client.post(f"{PREFIX}/memory/add", json=UPDATE).status_code == 201
        foreign = client.post(f"{PREFIX}/memory/add", json=UPDATE, headers={"Origin": "https://evil.example"})
        told(foreign, 403)


def test_switched_off_there_is_nothing(sqlite_url: str) -> None:
    settings = Settings(database_url=sqlite_url)
    with TestClient(create_app(settings), base_url="http://localhost:8000") as client:
        answer = client.post(f"{PREFIX}/memory/add", json=UPDATE)
        assert answer.status_code == 404
        assert answer.json()["errors"][0]["extensions"]["code"] == "NOT_FOUND"


def test_switched_off_nothing_of_it_is_imported(sqlite_url: str) -> None:
    program = (
        "import sys; from mnesis.app import create_app; from mnesis.settings import Settings;"
        f" create_app(Settings(database_url={sqlite_url!r}));"
        " print([name for name in sys.modules if name.startswith('mnesis.facades')])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_every_call_is_told_to_whoever_measures(sqlite_url: str) -> None:
    token = "what only the operator's Prometheus knows"
    with served(sqlite_url, metrics=True, metrics_token=SecretStr(token)) as both:
        both.post("/memory/add", UPDATE)
        both.post("/memory/update", UPDATE)
        both.post("/memory/update", {**UPDATE, "sessionId": "nobody"})
        shown = both.client.get("/metrics", headers={"Authorization": f"Bearer {token}"}).text
    lines = [line for line in shown.splitlines() if "alchemyst_memory_update" in line]
    assert any('outcome="ok"' in line for line in lines), lines
    assert any('outcome="refused"' in line for line in lines), lines


def test_a_request_without_an_end_is_ended(sqlite_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async def waits(*_: Any) -> None:
        await asyncio.sleep(60)

    monkeypatch.setattr("mnesis.usecases.memories.Memories.update_context_memory", waits)
    with served(sqlite_url, mutation_timeout_s=1) as both:
        error = told(both.post("/memory/update", UPDATE), 504)
        assert error["message"] == "The request took longer than 1 seconds."


def test_pages_elsewhere_may_delete_where_there_is_a_facade(sqlite_url: str) -> None:
    asks = {"Origin": "https://app.example.com", "Access-Control-Request-Method": "DELETE"}
    with served(sqlite_url, cors_origins=("https://app.example.com",)) as both:
        assert both.client.options(f"{PREFIX}/traces/x/delete", headers=asks).status_code == 200


def test_other_paths_are_refused_in_graphqls_words(speak: Both) -> None:
    assert "errors" in speak.client.post("/graphql", json={}).json()
