"""An OpenSearch client's view of an application over a real database, beside GraphQL's."""

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
CONTAINERS = "/_plugins/_ml/memory_containers"
MODELS: dict[str, Any] = {
    "llm_id": "some-llm",
    "embedding_model_type": "TEXT_EMBEDDING",
    "embedding_model_id": "some-model",
    "embedding_dimension": 384,
    "strategies": [{"type": "SEMANTIC", "namespace": ["user_id"]}],
}
"""The configuration of a container that has all four types of memory."""


@dataclass(frozen=True, slots=True)
class House:
    """One application, asked by the façade and by GraphQL."""

    client: TestClient

    def ask(self, method: str, path: str, body: object = None, **more: Any) -> Any:
        """The response to a request, by somebody who may do everything unless told otherwise."""
        asking = {name: more.pop(name) for name in ("tenant", "subject", "roles") if name in more}
        headers = {**bearer(*more.pop("scopes", [Scope.ADMIN]), **asking), **more.pop("headers", {})}
        if body is not None:
            more["content"] = body if isinstance(body, bytes) else json.dumps(body).encode()
            headers = {"Content-Type": "application/json", **headers}
        return self.client.request(method, path, headers=headers, **more)

    def ok(self, method: str, path: str, body: object = None, **more: Any) -> Any:
        """What is answered to a request that succeeds."""
        answer = self.ask(method, path, body, **more)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def refused(self, method: str, path: str, body: object = None, **more: Any) -> tuple[int, str, str]:
        """The status, the type and the reason of a refusal, whose form is checked."""
        answer = self.ask(method, path, body, **more)
        content = answer.json()
        assert content["status"] == answer.status_code
        [cause] = content["error"].pop("root_cause")
        assert content["error"] == cause
        return answer.status_code, cause["type"], cause["reason"]

    def graphql(self, document: str, **variables: Any) -> Any:
        """The one field of an answer without errors."""
        answer = self.client.post(
            "/graphql", json={"query": document, "variables": variables}, headers=bearer(Scope.ADMIN)
        ).json()
        assert "errors" not in answer, answer
        [value] = answer["data"].values()
        return value

    def container(self, id: str = "box", **configuration: Any) -> str:
        """A new container, by its path."""
        body = {"name": id, "memory_container_id": id, "configuration": configuration}
        self.ok("POST", f"{CONTAINERS}/_create", body)
        return f"{CONTAINERS}/{id}"

    def session(self, container: str, **given: Any) -> str:
        """A new session, by its path."""
        made = self.ok("POST", f"{container}/memories/sessions", given)
        return f"{container}/memories/sessions/{made['session_id']}"

    def working(self, container: str, **given: Any) -> str:
        """A new working memory, by its path."""
        made = self.ok("POST", f"{container}/memories", given)
        return f"{container}/memories/working/{made['working_memory_id']}"

    def fact(self, container: str, memory: str, **given: Any) -> str:
        """A new long-term memory, by its path: through GraphQL, since there is no other way."""
        document = """mutation($input: CreateMemoryInput!, $container: ID!) {
          createMemory(input: $input, containerId: $container) { memory { id } errors { message } } }"""
        made = self.graphql(
            document, input={"longTerm": {"memory": memory, **given}}, container=container.rpartition("/")[2]
        )
        return f"{container}/memories/long-term/{made['memory']['id']}"


def bearer(*scopes: Scope, tenant: str = "acme", subject: str = "ann", roles: tuple[str, ...] = ()) -> dict[str, str]:
    """The credentials of somebody."""
    token = issue_token(secret=SECRET, tenant=tenant, subject=subject, scopes=scopes, roles=roles, expires_in_s=600)
    return {"Authorization": f"Bearer {token}"}


@contextmanager
def served(database_url: str, **settings: Any) -> Iterator[House]:
    """The application with the façade switched on."""
    settings = {"facades": ("opensearch",), **settings}
    chosen = Settings(database_url=database_url, auth_secret=SecretStr(SECRET), **settings)
    with TestClient(create_app(chosen), raise_server_exceptions=False) as client:
        yield House(client)
