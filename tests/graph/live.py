"""A server in the test's own event loop, for what streams; and how to speak to it."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
import uvicorn
from pydantic import SecretStr
from starlette.applications import Starlette
from starlette.routing import WebSocketRoute
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

from mnesis.app import create_app
from mnesis.domain.caller import Scope
from mnesis.graph.endpoint import GraphQLEndpoint
from mnesis.settings import Settings
from mnesis.web.tokens import issue_token

SECRET = "a secret of at least thirty-two bytes"
PROTOCOL = "graphql-transport-ws"
CREATE = (
    "mutation($text: String!) { createMemory(input: {longTerm: {memory: $text}}) { memory { id } errors { code } } }"
)
WATCH = "subscription { memoryChanged { cursor action record { subjectId version } memory { id version } } }"


class Server:
    """Where a server listens; ``http`` speaks to it."""

    def __init__(self, app: Starlette, port: int, http: httpx.AsyncClient) -> None:
        self.app = app
        self.address = f"http://127.0.0.1:{port}/graphql"
        self.socket_address = f"ws://127.0.0.1:{port}/graphql"
        self.http = http

    @property
    def endpoint(self) -> GraphQLEndpoint:
        """The endpoint behind the routes."""
        [service] = [route.endpoint for route in self.app.routes if isinstance(route, WebSocketRoute)]
        endpoint: GraphQLEndpoint = service.endpoint  # type: ignore[attr-defined]  # The routes' endpoint holds it.
        return endpoint

    async def ask(self, document: str, *, headers: dict[str, str] | None = None, **variables: Any) -> dict[str, Any]:
        """The data of an answer without errors."""
        body = {"query": document, "variables": variables}
        answer = (await self.http.post(self.address, json=body, headers=headers)).json()
        assert "errors" not in answer, answer
        data: dict[str, Any] = answer["data"]
        return data

    async def create(self, text: str = "A fact.", **more: Any) -> str:
        """Creates a memory; its id."""
        made = (await self.ask(CREATE, text=text, **more))["createMemory"]
        assert made["errors"] == []
        identifier: str = made["memory"]["id"]
        return identifier

    @asynccontextmanager
    async def socket(self, **init: Any) -> AsyncIterator["Socket"]:
        """A socket that was acknowledged."""
        async with self.unopened() as socket:
            await socket.say(type="connection_init", payload=init)
            assert await socket.hear() == {"type": "connection_ack"}
            yield socket

    @asynccontextmanager
    async def unopened(self, *protocols: str, headers: dict[str, str] | None = None) -> AsyncIterator["Socket"]:
        """A socket over which nothing was said."""
        offered = [Subprotocol(each) for each in protocols or (PROTOCOL,)]
        async with connect(
            self.socket_address, subprotocols=offered, additional_headers=headers, max_size=None, close_timeout=2
        ) as connection:
            yield Socket(connection)


class Socket:
    """A socket of a client that minds its own messages."""

    def __init__(self, connection: ClientConnection) -> None:
        self.connection = connection

    async def say(self, **message: Any) -> None:
        await self.connection.send(json.dumps(message))

    async def subscribe(self, identifier: str, query: str = WATCH, **variables: Any) -> None:
        """Sends an operation and waits until it stands."""
        await self.say(id=identifier, type="subscribe", payload={"query": query, "variables": variables})
        await self.say(type="ping")
        await self.hears(type="pong")

    async def hear(self) -> dict[str, Any]:
        async with asyncio.timeout(15):
            message: dict[str, Any] = json.loads(await self.connection.recv())
        return message

    async def hears(self, **expected: Any) -> None:
        assert await self.hear() == expected

    async def change(self, identifier: str) -> dict[str, Any]:
        """The next change that an operation is told."""
        message = await self.hear()
        assert (message["type"], message["id"]) == ("next", identifier), message
        assert "errors" not in message["payload"], message
        change: dict[str, Any] = message["payload"]["data"]["memoryChanged"]
        return change

    async def hears_nothing(self, wait_s: float = 0.15) -> bool:
        try:
            async with asyncio.timeout(wait_s):
                await self.connection.recv()
        except TimeoutError:
            return True
        return False

    async def closed(self) -> tuple[int, str]:
        """The code and the reason with which the server closes the socket."""
        async with asyncio.timeout(15):
            with pytest.raises(ConnectionClosed) as closed:
                await self._everything()
        assert closed.value.rcvd is not None
        return closed.value.rcvd.code, closed.value.rcvd.reason

    async def _everything(self) -> None:
        while True:
            await self.connection.recv()


@asynccontextmanager
async def served(database_url: str, *, authenticated: bool = False, **settings: Any) -> AsyncIterator[Server]:
    """The whole application on a free port of the loopback address."""
    secret = SecretStr(SECRET) if authenticated else None
    app = create_app(Settings(database_url=database_url, auth_secret=secret, **settings))
    # Short: what a test leaves open is to be ended.
    config = uvicorn.Config(
        app, port=0, log_config=None, ws_per_message_deflate=False, lifespan="on", timeout_graceful_shutdown=5
    )
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server.serve())
    while not server.started:
        assert not serving.done()
        await asyncio.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    try:
        async with httpx.AsyncClient(timeout=30) as http:
            yield Server(app, port, http)
    finally:
        server.should_exit = True
        await serving


def bearer(tenant: str = "ada", *scopes: Scope, expires_in_s: int = 600) -> str:
    """What an Authorization header holds; every scope by default."""
    token = issue_token(
        secret=SECRET, tenant=tenant, subject="somebody", scopes=scopes or tuple(Scope), expires_in_s=expires_in_s
    )
    return f"Bearer {token}"
