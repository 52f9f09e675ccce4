"""An Alchemyst client's view of an application over a real database, beside GraphQL's."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from pydantic import SecretStr
from starlette.testclient import TestClient

from mnesis.app import create_app
from mnesis.domain.caller import Scope
from mnesis.settings import Settings
from mnesis.web.tokens import issue_token

SECRET = "a secret of at least thirty-two bytes"
PREFIX = "/api/v1/context"


@dataclass(frozen=True, slots=True)
class Both:
    """One application, asked by the façade and by GraphQL."""

    client: TestClient

    def post(self, path: str, body: object, *, by: str = "ann", **headers: str) -> Any:
        # The standard library escapes what UTF-8 cannot carry, where the client would fail.
        sent = json.dumps(body).encode()
        given = {**bearer(by), "Content-Type": "application/json", **headers}
        return self.client.post(f"{PREFIX}{path}", content=sent, headers=given)

    def get(self, path: str, *, by: str = "ann", **query: Any) -> Any:
        return self.client.get(f"{PREFIX}{path}", params=query, headers=bearer(by))

    def delete(self, path: str, *, by: str = "ann") -> Any:
        return self.client.delete(f"{PREFIX}{path}", headers=bearer(by))

    def graphql(self, document: str, *, by: str = "ann", **variables: Any) -> Any:
        """The one field of an answer without errors."""
        asked = {"query": document, "variables": variables}
        answer = self.client.post("/graphql", json=asked, headers=bearer(by)).json()
        assert "errors" not in answer, answer
        [value] = answer["data"].values()
        return value


def bearer(subject: str, *scopes: Scope, tenant: str = "acme") -> dict[str, str]:
    """The credentials of somebody who may write, unless told otherwise."""
    token = issue_token(secret=SECRET, tenant=tenant, subject=subject, scopes=scopes or [Scope.WRITE], expires_in_s=600)
    return {"Authorization": f"Bearer {token}"}


@contextmanager
def served(database_url: str, **settings: Any) -> Iterator[Both]:
    """The application with the façade switched on."""
    chosen = Settings(database_url=database_url, auth_secret=SecretStr(SECRET), facades=("alchemyst",), **settings)
    with TestClient(create_app(chosen), raise_server_exceptions=False) as client:
        yield Both(client)
