"""What lies around every edge: who is let through to it, and what the others are told, always in JSON."""

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route, WebSocketRoute
from starlette.testclient import TestClient
from starlette.websockets import WebSocket, WebSocketDisconnect

from mnesis.web.assembly import assemble
from mnesis.web.authentication import Authenticator, LocalAuthenticator, TokenAuthenticator
from mnesis.web.dialects import Dialect
from mnesis.web.keys import KeysUnavailable, SharedSecret
from mnesis.web.routes import PUBLIC_FOLDERS, PUBLIC_ROUTES, public_routes
from mnesis.web.tokens import issue_token

SECRET = "a secret of at least thirty-two bytes"
LIMIT_BYTES = 1000


class Database:
    """Stands where the database is asked whether it is there."""

    fault: Exception | None = None
    waits_s = 0.0

    async def check(self) -> None:
        await asyncio.sleep(self.waits_s)
        if self.fault is not None:
            raise self.fault


async def edge(request: Request) -> Response:
    """An edge that reads the body whole and says who calls."""
    body = await request.body()
    return JSONResponse({"tenant": request.scope["state"]["caller"].tenant, "bytes": len(body)})


async def socket_edge(socket: WebSocket) -> None:
    await socket.accept()
    await socket.close()


def made_app(
    database: Database,
    *,
    authenticator: Authenticator = TokenAuthenticator([SharedSecret(SECRET)]),  # noqa: B008  # It keeps nothing.
    local_only: bool = False,
    playground: bool = True,
    cors_origins: tuple[str, ...] = (),
) -> Starlette:
    return assemble(
        [
            Route("/graphql", edge, methods=["GET", "POST"]),
            WebSocketRoute("/graphql", socket_edge),
            *public_routes(schema="type Query { x: Int }", check=database.check, playground=playground),
        ],
        cors_origins=cors_origins,
        request_bytes=LIMIT_BYTES,
        authenticator=authenticator,
        local_only=local_only,
    )


def bearer() -> dict[str, str]:
    token = issue_token(secret=SECRET, tenant="acme", subject="ada", scopes=[], expires_in_s=60)
    return {"Authorization": f"Bearer {token}"}


@pytest.fixture
def database() -> Database:
    return Database()


@pytest.fixture
def client(database: Database) -> TestClient:
    return TestClient(made_app(database))


@pytest.fixture
def local(database: Database) -> TestClient:
    app = made_app(
        database,
        authenticator=LocalAuthenticator(),
        local_only=True,
        cors_origins=("https://app.example.com",),
    )
    return TestClient(app, base_url="http://localhost:8000")


def code(answer: Any) -> str:
    """The code of an answer that holds one GraphQL error and nothing else."""
    assert answer.headers["content-type"] == "application/json"
    body = answer.json()
    assert list(body) == ["errors"]
    (error,) = body["errors"]
    assert error["message"]
    return str(error["extensions"]["code"])


def test_the_public_routes_are_the_ones_in_the_list(database: Database) -> None:
    routes = public_routes(schema="", check=database.check, playground=True)
    assert {route.path for route in routes if isinstance(route, Route)} == PUBLIC_ROUTES
    assert tuple(f"{route.path}/" for route in routes if isinstance(route, Mount)) == PUBLIC_FOLDERS


@pytest.mark.parametrize("path", sorted(PUBLIC_ROUTES))
def test_public_routes_need_no_credentials(client: TestClient, path: str) -> None:
    assert client.get(path).status_code == 200


@pytest.mark.parametrize("path", ["/graphql", "/graphql/", "/nowhere", "/healthz/", "/schema.graphql/x", "//"])
@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "OPTIONS"])
def test_every_other_path_needs_credentials(client: TestClient, method: str, path: str) -> None:
    answer = client.request(method, f"http://testserver{path}", follow_redirects=False)
    assert answer.status_code == 401
    assert code(answer) == "UNAUTHENTICATED"
    assert answer.headers["www-authenticate"] == 'Bearer realm="mnesis"'


def test_a_token_that_does_not_hold_is_challenged_with_the_reason(client: TestClient) -> None:
    answer = client.post("/graphql", headers={"Authorization": "Bearer x"})
    assert answer.status_code == 401
    assert answer.json()["errors"][0]["message"] == "The token is malformed."
    assert answer.headers["www-authenticate"] == (
        'Bearer realm="mnesis", error="invalid_token", error_description="The token is malformed."'
    )


def test_two_authorization_headers_are_refused(client: TestClient) -> None:
    headers = [("Authorization", bearer()["Authorization"]), ("Authorization", "Bearer x")]
    assert code(client.post("/graphql", headers=headers)) == "UNAUTHENTICATED"


def test_the_caller_reaches_the_edge(client: TestClient) -> None:
    assert client.post("/graphql", headers=bearer()).json() == {"tenant": "acme", "bytes": 0}


def test_while_tokens_cannot_be_checked_the_fault_is_the_servers(database: Database) -> None:
    class NoKeys:
        async def authenticate(self, authorization: str | None) -> Any:
            raise KeysUnavailable("the issuer is away")

    answer = TestClient(made_app(database, authenticator=NoKeys())).post("/graphql", headers=bearer())
    assert answer.status_code == 503
    assert code(answer) == "UNAVAILABLE"
    assert "issuer" not in answer.text


def test_a_fault_is_masked_with_an_id_that_the_log_repeats(
    database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    class Broken:
        async def authenticate(self, authorization: str | None) -> Any:
            raise RuntimeError("a secret detail")

    client = TestClient(made_app(database, authenticator=Broken()), raise_server_exceptions=False)
    answer = client.post("/graphql")
    assert answer.status_code == 500
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert code(answer) == "INTERNAL_SERVER_ERROR"
    assert "secret" not in answer.text
    assert answer.json()["errors"][0]["extensions"]["errorId"] in caplog.text


def test_an_unknown_path_is_not_found(client: TestClient) -> None:
    for path in ("/nowhere", "/graphql/"):
        answer = client.get(path, headers=bearer(), follow_redirects=False)
        assert answer.status_code == 404
        assert code(answer) == "NOT_FOUND"


def test_a_wrong_method_is_told_the_right_ones(client: TestClient) -> None:
    answer = client.put("/graphql", headers=bearer())
    assert answer.status_code == 405
    assert code(answer) == "METHOD_NOT_ALLOWED"
    assert set(answer.headers["allow"].split(", ")) == {"GET", "HEAD", "POST"}
    assert client.post("/healthz").status_code == 405


def test_below_a_dialects_path_everything_is_refused_in_its_words(database: Database) -> None:
    def refusal(status: int, message: str, known: Any) -> Response:
        return JSONResponse({"told": message, "known": known}, status)

    async def broken(request: Request) -> Response:
        raise RuntimeError("a secret detail")

    app = assemble(
        [Route("/other/edge", edge, methods=["POST"]), Route("/other/broken", broken)],
        cors_origins=(),
        request_bytes=LIMIT_BYTES,
        authenticator=TokenAuthenticator([SharedSecret(SECRET)]),
        local_only=False,
        dialects=[Dialect(prefix="/other/", refusal=refusal)],
    )
    client = TestClient(app, raise_server_exceptions=False)
    answer = client.post("/other/edge")
    assert (answer.status_code, answer.json()["told"][:22]) == (401, "This needs credentials")
    assert answer.headers["www-authenticate"] == 'Bearer realm="mnesis"'
    assert answer.headers["cache-control"] == "no-store"
    large = client.post("/other/edge", headers=bearer(), content=b"x" * (LIMIT_BYTES + 1))
    assert (large.status_code, large.json()["known"]) == (413, {"limit": LIMIT_BYTES})
    wrong = client.put("/other/edge", headers=bearer())
    assert (wrong.status_code, wrong.headers["allow"]) == (405, "POST")
    assert client.get("/other/nowhere", headers=bearer()).json()["told"] == "There is nothing at this path."
    fault = client.get("/other/broken", headers=bearer())
    assert (fault.status_code, list(fault.json()["known"])) == (500, ["errorId"])
    assert "secret" not in fault.text
    assert code(client.get("/others", headers=bearer())) == "NOT_FOUND"


def chunks(total: int) -> Iterator[bytes]:
    for _ in range(total // 100):
        yield b"x" * 100


def test_a_body_up_to_the_limit_passes(client: TestClient) -> None:
    for content in (b"x" * LIMIT_BYTES, chunks(LIMIT_BYTES)):
        assert client.post("/graphql", headers=bearer(), content=content).json()["bytes"] == LIMIT_BYTES


def test_a_larger_body_is_refused_announced_or_not(client: TestClient) -> None:
    for content in (b"x" * (LIMIT_BYTES + 1), chunks(LIMIT_BYTES + 100)):
        answer = client.post("/graphql", headers=bearer(), content=content)
        assert answer.status_code == 413
        assert code(answer) == "LIMIT_EXCEEDED"
        assert answer.json()["errors"][0]["extensions"]["limit"] == LIMIT_BYTES


def test_the_page_loads_what_lies_next_to_it(client: TestClient) -> None:
    answer = client.get("/")
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert 'src="./playground/' in answer.text


def test_the_page_can_be_switched_off(database: Database) -> None:
    assert TestClient(made_app(database, playground=False)).get("/").status_code == 404


def test_the_schema_is_served_as_text(client: TestClient) -> None:
    answer = client.get("/schema.graphql")
    assert answer.text == "type Query { x: Int }"
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"


@pytest.mark.parametrize(("fault", "waits_s"), [(OSError("no route to db.internal"), 0.0), (None, 10.0)])
def test_a_server_without_its_database_is_alive_but_not_ready(
    client: TestClient,
    database: Database,
    monkeypatch: pytest.MonkeyPatch,
    fault: Exception | None,
    waits_s: float,
) -> None:
    monkeypatch.setattr("mnesis.web.routes.CHECK_TIMEOUT_S", 0.05)
    assert client.get("/readyz").json() == {"status": "ready"}
    database.fault, database.waits_s = fault, waits_s
    assert client.get("/healthz").status_code == 200
    answer = client.get("/readyz")
    assert (answer.status_code, answer.json()) == (503, {"status": "unavailable"})


def test_every_answer_is_taken_for_nothing_but_what_it_says(client: TestClient) -> None:
    for path in ("/", "/graphql", "/nowhere"):
        headers = client.get(path).headers
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["x-frame-options"] == "DENY"


@pytest.mark.parametrize("host", ["localhost", "localhost:8000", "127.0.0.1", "127.0.0.1:1", "[::1]", "[::1]:8000"])
def test_a_local_server_answers_to_its_local_names(local: TestClient, host: str) -> None:
    assert local.get("/graphql", headers={"Host": host}).json()["tenant"] == "default"


@pytest.mark.parametrize(
    "host", ["evil.example", "localhost.evil.example", "127.0.0.1.evil.example", "", "[", "10.0.0.1"]
)
def test_a_local_server_answers_to_no_other_name(local: TestClient, host: str) -> None:
    for path in ("/graphql", "/healthz"):
        answer = local.get(path, headers={"Host": host})
        assert answer.status_code == 403
        assert code(answer) == "FORBIDDEN"


@pytest.mark.parametrize("origin", ["http://localhost:5173", "http://127.0.0.1:8000", "https://app.example.com"])
def test_a_local_server_answers_local_pages_and_those_it_was_told_of(local: TestClient, origin: str) -> None:
    assert local.post("/graphql", headers={"Origin": origin}).status_code == 200


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://localhost.evil.example"])
def test_a_local_server_answers_no_foreign_page(local: TestClient, origin: str) -> None:
    assert local.post("/graphql", headers={"Origin": origin}).status_code == 403


def test_a_local_server_opens_no_socket_for_a_foreign_page(local: TestClient) -> None:
    with local.websocket_connect("/graphql", headers={"Host": "localhost"}):
        pass
    for headers in ({"Host": "evil.example"}, {"Host": "localhost", "Origin": "https://evil.example"}):
        with pytest.raises(WebSocketDisconnect), local.websocket_connect("/graphql", headers=headers):
            pass


PREFLIGHT = {
    "Access-Control-Request-Method": "POST",
    "Access-Control-Request-Headers": "authorization,content-type,traceparent",
}


def test_a_page_of_a_known_origin_may_call(database: Database) -> None:
    client = TestClient(made_app(database, cors_origins=("https://app.example.com",)))
    origin = {"Origin": "https://app.example.com"}
    preflight = client.options("/graphql", headers=origin | PREFLIGHT)
    assert preflight.status_code == 200
    assert preflight.headers["x-frame-options"] == "DENY"
    assert len(preflight.headers["x-request-id"]) == 32
    assert preflight.headers["access-control-allow-origin"] == "https://app.example.com"
    assert "authorization" in preflight.headers["access-control-allow-headers"]
    assert "access-control-allow-credentials" not in preflight.headers
    for headers in (origin, origin | bearer()):
        answer = client.post("/graphql", headers=headers)
        assert answer.headers["access-control-allow-origin"] == "https://app.example.com"


def test_a_page_of_another_origin_may_not(database: Database) -> None:
    client = TestClient(made_app(database, cors_origins=("https://app.example.com",)))
    preflight = client.options("/graphql", headers=PREFLIGHT | {"Origin": "https://evil.example"})
    assert preflight.status_code == 400
    assert "access-control-allow-origin" not in preflight.headers


def test_without_origins_no_page_elsewhere_may_call(client: TestClient) -> None:
    answer = client.post("/graphql", headers=bearer() | {"Origin": "https://app.example.com"})
    assert "access-control-allow-origin" not in answer.headers
