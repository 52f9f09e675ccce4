"""Every call of the OpenSearch façade, by a stranger, without the scope and as another tenant.

The calls are read from the code: one that is new fails here until it is told how it is asked.
"""

from collections.abc import Iterator
from typing import Any

import pytest

from mnesis.domain.caller import Scope
from mnesis.facades.opensearch.routes import CALLS, Call
from tests.facades.opensearch import CONTAINERS, MODELS, House, served

MARK = "only the tenant knows this"
BODIES: dict[str, Any] = {
    "opensearch_search_containers": {"query": {"match_all": {}}},
    "opensearch_search_memories": {"query": {"match_all": {}}},
    "opensearch_semantic_search": {"query": "who"},
    "opensearch_hybrid_search": {"query": "who"},
    "opensearch_delete_by_query": {"query": {"match_all": {}}},
    "opensearch_create_container": {"name": "n", "memory_container_id": "box"},
    "opensearch_get_container": None,
    "opensearch_update_container": {"description": "changed"},
    "opensearch_delete_container": None,
    "opensearch_create_session": {"session_id": "talk"},
    "opensearch_add_memory": {"messages": [], "namespace": {"session_id": "talk"}},
    "opensearch_get_memory": None,
    "opensearch_update_memory": {"summary": "changed"},
    "opensearch_delete_memory": None,
}
OWN = ("opensearch_create_container", "opensearch_search_containers")
"""What another tenant may do too: its ids are free there, and its own containers are found."""


@pytest.fixture
def house(database_url: str) -> Iterator[House]:
    with served(database_url) as house:
        box = house.container("box", **MODELS)
        house.ok("PUT", box, {"description": MARK})
        house.session(box, session_id="talk", summary=MARK)
        yield house


def path_of(call: Call) -> str:
    return call.path.format(container_id="box", type="sessions", id="talk")


def untouched(house: House) -> bool:
    """Whether the tenant's things are as they were."""
    shown = house.graphql("""{ memoryContainer(id: "box") { description version memoryCount } }""")
    session = house.ok("GET", f"{CONTAINERS}/box/memories/sessions/talk")
    return bool(shown == {"description": MARK, "version": 2, "memoryCount": 1} and session["summary"] == MARK)


def test_every_call_is_walked_here() -> None:
    assert {call.name for call in CALLS} == BODIES.keys()


@pytest.mark.parametrize("call", CALLS, ids=lambda call: call.name)
def test_a_stranger_gets_no_answer(house: House, call: Call) -> None:
    for method in call.methods:
        for headers in ({}, {"Authorization": "Basic YWRtaW46YWRtaW4="}, {"Authorization": "Bearer nonsense"}):
            answer = house.client.request(method, path_of(call), json=BODIES[call.name], headers=headers)
            assert answer.status_code == 401
            assert MARK not in answer.text
    assert untouched(house)


@pytest.mark.parametrize("call", CALLS, ids=lambda call: call.name)
def test_without_the_scope_nothing_is_done(house: House, call: Call) -> None:
    scopes = [[], [Scope.READ]] if call.writes else [[]]
    for granted in scopes:
        for method in call.methods:
            answer = house.ask(method, path_of(call), BODIES[call.name], scopes=granted)
            assert answer.status_code == 403
            assert MARK not in answer.text
    assert untouched(house)


@pytest.mark.parametrize("call", CALLS, ids=lambda call: call.name)
def test_for_another_tenant_nothing_is_there(house: House, call: Call) -> None:
    for method in call.methods:
        answer = house.ask(method, path_of(call), BODIES[call.name], tenant="other")
        assert answer.status_code == (200 if call.name in OWN else 404)
        assert MARK not in answer.text
    assert untouched(house)
