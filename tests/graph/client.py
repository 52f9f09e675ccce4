"""Speaks GraphQL to an endpoint over a real database, through ASGI, as a caller of the test's choice."""

import json
from dataclasses import replace
from typing import Any

import httpx
from starlette.types import ASGIApp, Receive, Scope, Send

from mnesis.domain.caller import Caller
from mnesis.domain.caller import Scope as Allowed
from mnesis.graph.endpoint import GraphQLEndpoint

ANN = Caller(tenant="acme", subject="ann", scopes=frozenset({Allowed.WRITE}))
STRANGER = Caller(tenant="other", subject="eve", scopes=frozenset(Allowed))


class Client:
    """One caller's view of an endpoint."""

    def __init__(self, endpoint: GraphQLEndpoint, caller: Caller = ANN) -> None:
        self.endpoint = endpoint
        self.caller = caller
        transport = httpx.ASGITransport(app=_with_caller(endpoint, caller))
        self.http = httpx.AsyncClient(transport=transport, base_url="http://mnesis.test")

    def as_(self, caller: Caller) -> "Client":
        """The same endpoint as another caller sees it."""
        return Client(self.endpoint, caller)

    def allowed(self, *scopes: Allowed) -> "Client":
        """The same caller with other scopes."""
        return self.as_(replace(self.caller, scopes=frozenset(scopes)))

    async def answer(self, document: str, **variables: Any) -> Any:
        """The whole response."""
        # The standard library escapes what UTF-8 cannot carry, where httpx would fail.
        return await self.raw(json.dumps({"query": document, "variables": variables}).encode())

    async def raw(self, body: bytes) -> Any:
        """The whole response to a body as it is."""
        response = await self.http.post("/graphql", content=body, headers={"content-type": "application/json"})
        assert response.status_code == 200, response.text
        return response.json()

    async def data(self, document: str, **variables: Any) -> Any:
        """The data of a response that holds no error."""
        answer = await self.answer(document, **variables)
        assert "errors" not in answer, answer["errors"]
        return answer["data"]

    async def only(self, document: str, **variables: Any) -> Any:
        """The one field of the data."""
        [value] = (await self.data(document, **variables)).values()
        return value

    async def error(self, document: str, **variables: Any) -> Any:
        """The one GraphQL error of a response."""
        [error] = (await self.answer(document, **variables))["errors"]
        return error

    async def create(self, **given: Any) -> str:
        """Creates one memory and says its id: ``create(longTerm={"memory": "Likes tea."})``."""
        made = await self.only(CREATE, input=given)
        assert made["errors"] == []
        created: str = made["memory"]["id"]
        return created

    async def create_one_of_each(self) -> tuple[str, str, str]:
        """Creates a session, an entry of it and a fact in which no field is empty, and says their ids."""
        session = await self.create(
            session={
                "id": "s1",
                "summary": "S",
                "metadata": {"a": 1},
                "agents": {"b": 2},
                "additionalInfo": {"c": 3},
                "pinned": True,
                "namespace": {"user": "bob"},
            }
        )
        working = await self.create(
            working={
                "sessionId": "s1",
                "entryId": "m1",
                "role": "user",
                "content": "C",
                "messages": [{"role": "user", "text": "T"}],
                "structuredData": {"d": [1.0, 1, True, None]},
                "binaryData": "AAEC",
                "tags": {"e": "5"},
                "metadata": {"f": {}},
            }
        )
        fact = await self.create(longTerm={"memory": "M", "tags": {}, "strategy": "semantic", "pinned": True})
        return session, working, fact

    async def converse(self, session_id: str, *contents: dict[str, Any], **given: Any) -> Any:
        """Changes or adds entries of a session, which is created where there is none."""
        given = {"sessionId": session_id, "contents": contents, "createSession": True, **given}
        return await self.only(CONVERSE, input=given)


CREATE = """
mutation($input: CreateMemoryInput!, $key: String) {
  createMemory(input: $input, idempotencyKey: $key) {
    status version replayed memory { __typename id version } counts { submitted created failed rolledBack }
    errors { __typename code message path }
  }
}
"""
UPDATE = """
mutation($type: MemoryType!, $id: ID!, $input: UpdateMemoryInput!, $ifVersion: Int, $mode: ObjectMode! = REPLACE,
         $reason: String, $key: String) {
  updateMemory(type: $type, id: $id, input: $input, ifVersion: $ifVersion, objectMode: $mode, reason: $reason,
               idempotencyKey: $key) {
    status version replayed memory { __typename id version }
    counts { submitted created updated unchanged deleted failed rolledBack }
    errors { __typename code message path }
  }
}
"""
CONVERSE = """
mutation($input: UpdateContextMemoryInput!) {
  updateContextMemory(input: $input) {
    memoryId version updatedEntries replayed session { id version }
    counts { submitted created updated unchanged deleted failed rolledBack }
    results { index entryId status version entry { id content role createdAt metadata version }
              errors { __typename code path } }
    errors { __typename code message path }
  }
}
"""
DELETE = """
mutation($type: MemoryType!, $id: ID!, $ifVersion: Int, $reason: String, $key: String) {
  deleteMemory(type: $type, id: $id, ifVersion: $ifVersion, reason: $reason, idempotencyKey: $key) {
    status memoryId version deletedEntries replayed
    counts { submitted created updated unchanged deleted failed rolledBack }
    errors { __typename code message path }
  }
}
"""


def _with_caller(app: GraphQLEndpoint, caller: Caller) -> ASGIApp:
    async def gate(scope: Scope, receive: Receive, send: Send) -> None:
        scope.setdefault("state", {})["caller"] = caller
        await app(scope, receive, send)

    return gate
