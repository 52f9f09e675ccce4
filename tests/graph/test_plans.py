"""Plans are kept for the operations that were executed last."""

from typing import Any

import pytest

from mnesis.graph.execute import Executor
from mnesis.graph.prepare import Documents, Prepared
from mnesis.graph.schema import schema

pytestmark = pytest.mark.anyio


def prepared(document: str) -> Prepared:
    return Documents(schema(), introspection=True, suggestions=True).prepare(document, None)


async def executed(executor: Executor, each: Prepared) -> Any:
    context: Any = None
    answer = await executor.execute(each, {}, context)
    assert answer == {"data": {"__typename": "Query"}}
    return executor._plan(each)


@pytest.mark.parametrize("bounds", [{"plans": 2}, {"characters": 2 * len("{ __typename }")}])
async def test_the_plans_executed_last_are_kept(bounds: dict[str, int]) -> None:
    executor = Executor(schema(), suggestions=True, **bounds)
    one, two, three = [prepared("{ __typename }") for _ in range(3)]
    first, second = await executed(executor, one), await executed(executor, two)
    assert await executed(executor, one) is first
    await executed(executor, three)
    assert await executed(executor, one) is first
    assert await executed(executor, two) is not second


async def test_each_choice_of_what_is_skipped_takes_room() -> None:
    document = "query($a: Boolean!, $b: Boolean!) { __typename @skip(if: $a) b: __typename @include(if: $b) }"
    executor = Executor(schema(), suggestions=True, characters=3 * len(document))
    other, switched = prepared("{ __typename }"), prepared(document)
    plan = await executed(executor, other)
    context: Any = None
    for a, b in ((True, True), (True, False), (True, True)):
        await executor.execute(switched, {"a": a, "b": b}, context)
    assert await executed(executor, other) is plan
    for a, b in ((False, True), (False, False), (True, True)):
        await executor.execute(switched, {"a": a, "b": b}, context)
    assert executor._characters <= 3 * len(document)
    assert await executed(executor, other) is not plan


async def test_each_operation_of_a_document_has_a_plan_of_its_own() -> None:
    document = "query A { __typename } query B { b: __typename }"
    documents = Documents(schema(), introspection=True, suggestions=True)
    executor = Executor(schema(), suggestions=True)
    context: Any = None
    for _ in range(2):
        answers = [await executor.execute(documents.prepare(document, name), {}, context) for name in "AB"]
        assert answers == [{"data": {"__typename": "Query"}}, {"data": {"b": "Query"}}]
