"""What is sent to an endpoint while tests run is executed twice; that has to notice a difference."""

from typing import Any, cast

import pytest
from graphql import OperationDefinitionNode, parse

from mnesis.domain.caller import Caller
from mnesis.execution import Engine
from mnesis.graph.context import Context
from mnesis.graph.loaders import Loaders
from mnesis.graph.schema import schema
from mnesis.usecases.memories import Memories
from mnesis.usecases.watching import NoFeed, WatchableMemories
from tests.execution.watching import Sent

pytestmark = pytest.mark.anyio


async def test_an_answer_of_another_operation_is_noticed(sent: Sent) -> None:
    plan = Engine(schema()).prepare("{ __typename }")
    assert (await plan({}, context())).data == {"__typename": "Query"}
    plan.document = parse("{ other: __typename }")
    operation = plan.document.definitions[0]
    assert isinstance(operation, OperationDefinitionNode)
    plan.operation = operation
    with pytest.raises(AssertionError, match="other: __typename"):
        await plan({}, context())
    sent.is_comparing = False
    assert (await plan({}, context())).data == {"__typename": "Query"}
    sent.is_comparing = True


async def test_what_is_left_to_graphql_core_is_noticed() -> None:
    plan = Engine(schema()).prepare("query($no: Boolean = false) { __typename @include(if: $no) }")
    with pytest.raises(AssertionError):
        await plan({"no": None}, context())


def context() -> Context:
    """That of a request for which nothing is read."""
    caller, nothing = Caller(tenant="acme", subject="ann", scopes=frozenset()), cast(Memories, cast(Any, None))
    watching = WatchableMemories(NoFeed())
    return Context(caller=caller, memories=nothing, watching=watching, loaders=Loaders(nothing, caller))
