"""How tests speak to a server: plain GraphQL over HTTP, one connection for each client."""

from types import TracebackType
from typing import Any

import httpx

CREATE_LONG_TERM = """
mutation Create($memory: String!, $tags: JSONObject) {
  createMemory(input: {longTerm: {memory: $memory, tags: $tags}}) { memory { id version } errors { message } }
}
"""
UPDATE = """
mutation Update($type: MemoryType!, $id: ID!, $input: UpdateMemoryInput!, $ifVersion: Int) {
  updateMemory(type: $type, id: $id, input: $input, ifVersion: $ifVersion) {
    status
    version
    errors {
      code
      message
      ... on VersionConflictError { actualVersion current { version ... on LongTermMemory { memory tags } } }
    }
  }
}
"""
UPDATE_ENTRIES = """
mutation Entries($input: UpdateContextMemoryInput!) {
  updateContextMemory(input: $input) {
    version
    updatedEntries
    counts { submitted created updated unchanged deleted failed rolledBack }
    errors { code message path }
  }
}
"""
READ = """
query Read($type: MemoryType!, $id: ID!, $after: String) {
  memory(type: $type, id: $id) {
    id
    version
    ... on SessionMemory { summary metadata }
    ... on WorkingMemory { content tags metadata }
    ... on LongTermMemory { memory tags pinned }
    history(first: 100, after: $after) {
      nodes { version action changes { field kind before after } }
      pageInfo { hasNextPage endCursor }
    }
  }
}
"""


class Client:
    """One connection to ``/graphql``; ``ask`` gives ``data`` and fails on GraphQL errors."""

    def __init__(self, address: str, *, token: str | None = None) -> None:
        headers = {"Authorization": f"Bearer {token}"} if token is not None else {}
        self._address = address
        self._http = httpx.Client(headers=headers, timeout=60)

    def __enter__(self) -> "Client":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._http.close()

    def ask(self, document: str, **variables: Any) -> dict[str, Any]:
        """Raises httpx.HTTPError when no answer comes."""
        response = self._http.post(self._address, json={"query": document, "variables": variables})
        answer = response.json()
        assert "errors" not in answer, answer
        data: dict[str, Any] = answer["data"]
        return data

    def new_fact(self, memory: str = "A fact.", **tags: Any) -> str:
        """Creates a long-term memory and gives its id."""
        made = self.ask(CREATE_LONG_TERM, memory=memory, tags=tags or None)["createMemory"]
        assert made["errors"] == []
        identifier: str = made["memory"]["id"]
        return identifier

    def update(self, identifier: str, *, kind: str = "LONG_TERM", if_version: int | None = None, **patch: Any) -> Any:
        """The payload of an ``updateMemory``."""
        member = {"LONG_TERM": "longTerm", "SESSION": "session", "WORKING": "working"}[kind]
        return self.ask(UPDATE, type=kind, id=identifier, input={member: patch}, ifVersion=if_version)["updateMemory"]

    def put_entries(self, session_id: str, contents: list[dict[str, Any]], **more: Any) -> Any:
        """The payload of an ``updateContextMemory``, which makes the session where it has to."""
        request = {"sessionId": session_id, "contents": contents, "createSession": True, **more}
        return self.ask(UPDATE_ENTRIES, input=request)["updateContextMemory"]

    def read(self, identifier: str, kind: str = "LONG_TERM") -> tuple[dict[str, Any], list[dict[str, Any]]]:
        """A memory and its whole history, oldest first."""
        records: list[dict[str, Any]] = []
        after = None
        while True:
            memory: dict[str, Any] = self.ask(READ, type=kind, id=identifier, after=after)["memory"]
            page = memory.pop("history")
            records += page["nodes"]
            if not page["pageInfo"]["hasNextPage"]:
                return memory, records[::-1]
            after = page["pageInfo"]["endCursor"]


def replayed(records: list[dict[str, Any]]) -> dict[str, Any]:
    """The field values that a history adds up to, from what a client can see of it."""
    values: dict[str, Any] = {}
    for record in records:
        for change in record["changes"]:
            name, before, after = change["field"], change["before"], change["after"]
            if change["kind"] == "ENTRIES":
                continue
            if isinstance(before, dict) and isinstance(after, dict):
                kept = {key: value for key, value in values[name].items() if key not in before}
                values[name] = kept | after
            else:
                values[name] = after
    return values
