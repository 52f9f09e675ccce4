"""What the contenders are asked to do: for each work the body, the connections that ask at once, what is counted."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from benchmarks.documents import ALIASED, ALIASES, BY_ID, ENTRIES, LIST, SEARCH, UPDATE

ARRAY = 10
LISTED = 100
Variables = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """``variables`` hold marks that `load.lua` replaces. ``field`` is that of the answer, ``path`` the bare route."""

    name: str
    title: str
    unit: str
    document: str
    field: str
    path: str
    variables: Variables
    connections: int
    per_request: int = 1
    """How much of ``unit`` a request is."""
    array: int = 0
    """How many operations in a list; 0 for one that is no list."""
    records: int = 0
    """How many history rows a request leaves; 0 where it writes nothing."""
    only_graphql: bool = False

    @property
    def key(self) -> str:
        """What a contender's own documents are called by."""
        return "aliases" if self.document is ALIASED else self.path.removeprefix("/")

    def graphql(self, document: str | None = None) -> str:
        """The body for GraphQL; a contender may have a document of its own."""
        operation = {"query": document or self.document, "variables": self.variables}
        if self.array:
            return _marked([_numbered(operation, place) for place in range(self.array)])
        return _marked(operation)

    def bare(self) -> str:
        """The body for a bare route."""
        return _marked(self.variables)


def _marked(body: object) -> str:
    return json.dumps(body).replace('"@N@"', "@N@")


def _numbered(operation: Mapping[str, Any], place: int) -> dict[str, Any]:
    changed: dict[str, Any] = json.loads(json.dumps(operation).replace("@ID0@", f"@ID{place}@"))
    return changed


def _metadata() -> Variables:
    return {"session": {"metadata": {"topic": "travel", "n": "@N@", "tags": ["journey", "spring"], "open": True}}}


def _update(connections: int) -> Work:
    return Work(
        name=f"update_{connections}",
        title=f"updateMemory, {_connections(connections)}",
        unit="updates/s",
        document=UPDATE,
        field="updateMemory",
        path="/update",
        variables={"id": "@ID0@", "input": _metadata()},
        connections=connections,
        records=1,
    )


def _entries(count: int) -> Work:
    contents = [
        {
            "id": f"msg-{count}-{number}",
            "role": "user",
            "content": f"Turn @N@: message {number} says that the journey has changed once more.",
            "metadata": {"turn": "@N@", "tone": "calm"},
        }
        for number in range(count)
    ]
    return Work(
        name=f"entries_{count}",
        title=f"updateContextMemory, {count:,} {'entry' if count == 1 else 'entries'}, {_connections(4)}",
        unit="entries/s",
        document=ENTRIES,
        field="updateContextMemory",
        path="/entries",
        variables={"input": {"sessionId": "@SESSION@", "contents": contents}},
        connections=4,
        per_request=count,
        records=count + 1,
    )


def _by_id(connections: int) -> Work:
    return Work(
        name=f"by_id_{connections}",
        title=f"memory by id, {_connections(connections)}",
        unit="memories/s",
        document=BY_ID,
        field="memory",
        path="/memory",
        variables={"id": "@ID0@"},
        connections=connections,
    )


def _connections(number: int) -> str:
    return "1 connection" if number == 1 else f"{number} connections"


WORKS = (
    *map(_update, (1, 16, 64)),
    Work(
        name="array_10",
        title=f"{ARRAY} updateMemory in an array, {_connections(4)}",
        unit="updates/s",
        document=UPDATE,
        field="updateMemory",
        path="/update",
        variables={"id": "@ID0@", "input": _metadata()},
        connections=4,
        per_request=ARRAY,
        array=ARRAY,
        records=ARRAY,
        only_graphql=True,
    ),
    Work(
        name="aliases_30",
        title=f"{ALIASES} aliased updateMemory in a document, {_connections(4)}",
        unit="updates/s",
        document=ALIASED,
        field="u0",
        path="/update",
        variables={"input": _metadata()} | {f"id{place}": f"@ID{place}@" for place in range(ALIASES)},
        connections=4,
        per_request=ALIASES,
        records=ALIASES,
        only_graphql=True,
    ),
    *map(_entries, (1, 100, 1_000)),
    *map(_by_id, (16, 64)),
    Work(
        name="list_100",
        title=f"{LISTED} memories with 8 fields, {_connections(16)}",
        unit="pages/s",
        document=LIST,
        field="memories",
        path="/memories",
        variables={"first": LISTED},
        connections=16,
    ),
    Work(
        name="search",
        title=f"searchMemories, the best 10, {_connections(16)}",
        unit="searches/s",
        document=SEARCH,
        field="searchMemories",
        path="/search",
        variables={"query": "@PLACE@"},
        connections=16,
    ),
)
