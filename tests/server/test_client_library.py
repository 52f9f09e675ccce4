"""The PyPI client ``gql`` against a running server, with the schema that the server publishes."""

import asyncio
from typing import Any

import httpx
import pytest
from gql.transport.exceptions import TransportQueryError
from gql.transport.httpx import HTTPXAsyncTransport, HTTPXTransport

from gql import Client, GraphQLRequest, gql
from tests.server.running import RunningServer, running_server

UPDATE = gql("""
mutation Update($id: ID!, $input: UpdateMemoryInput!) {
  updateMemory(type: SESSION, id: $id, input: $input) {
    status
    version
    memory { __typename id version ... on SessionMemory { summary additionalInfo } }
    errors { __typename code message path }
  }
}
""")
OPEN = gql("""
mutation Open($input: UpdateContextMemoryInput!) {
  updateContextMemory(input: $input) { memoryId updatedEntries errors { code } }
}
""")


def asked(document: GraphQLRequest, **variables: Any) -> GraphQLRequest:
    return GraphQLRequest(document, variable_values=variables)


def test_documents_hold_against_the_published_schema_and_run(server: RunningServer) -> None:
    sdl = httpx.get(f"{server.url}/schema.graphql").text
    transport = HTTPXTransport(url=server.graphql)
    with Client(schema=sdl, transport=transport) as session:
        contents = [{"id": "msg-1", "content": "Hello."}]
        opened = session.execute(asked(OPEN, input={"sessionId": "trip", "createSession": True, "contents": contents}))
        assert opened == {"updateContextMemory": {"memoryId": "trip", "updatedEntries": 1, "errors": []}}
        patch = {"session": {"summary": "A weekend away.", "additionalInfo": {"city": "Lisbon"}}}
        payload = session.execute(asked(UPDATE, id="trip", input=patch))["updateMemory"]
    assert payload == {
        "status": "UPDATED",
        "version": 2,
        "memory": {
            "__typename": "SessionMemory",
            "id": "trip",
            "version": 2,
            "summary": "A weekend away.",
            "additionalInfo": {"city": "Lisbon"},
        },
        "errors": [],
    }


def test_the_schema_can_be_introspected(server: RunningServer) -> None:
    async def introspected() -> list[str]:
        transport = HTTPXAsyncTransport(url=server.graphql)
        async with Client(transport=transport, fetch_schema_from_transport=True) as session:
            assert session.client.schema is not None
            return list(session.client.schema.type_map)

    assert {"SessionMemory", "UpdateMemoryInput", "VersionConflictError"} <= set(asyncio.run(introspected()))


def test_a_mutation_field_of_another_type_is_told_apart(server: RunningServer) -> None:
    with Client(transport=HTTPXTransport(url=server.graphql)) as session:
        payload = session.execute(asked(UPDATE, id="nobody", input={"session": {"summary": "Nothing."}}))
        (error,) = payload["updateMemory"]["errors"]
        assert (error["__typename"], error["code"], error["path"]) == ("NotFoundError", "NOT_FOUND", ["id"])
        both = {"session": {"summary": "One."}, "longTerm": {"memory": "Two."}}
        with pytest.raises(TransportQueryError, match="OneOf"):
            session.execute(asked(UPDATE, id="nobody", input=both))


def test_a_stranger_is_told_so_in_graphql_terms(sqlite_url: str) -> None:
    with running_server(sqlite_url, auth_secret="a secret of at least thirty-two bytes") as server:
        answer = httpx.post(server.graphql, json={"query": "{ __typename }"})
        assert answer.status_code == 401
        assert answer.headers["WWW-Authenticate"].startswith("Bearer")
        assert answer.json()["errors"][0]["extensions"]["code"] == "UNAUTHENTICATED"
