"""Resolvers get Strawberry's own info, or their schema's, as far as anybody can tell."""

from typing import Any

import pytest
import strawberry
from strawberry.schema.config import StrawberryConfig

from mnesis.execution import Engine
from tests.execution.arranging import told

pytestmark = pytest.mark.anyio

SEEN: list[Any] = []


class OwnInfo(strawberry.Info):
    """Counts what is made."""

    made = 0

    def __init__(self, _raw_info: Any, _field: Any) -> None:
        super().__init__(_raw_info, _field)
        type(self).made += 1


@strawberry.type
class Query:
    @strawberry.field
    def now(self, info: strawberry.Info, number: int = 1) -> str:
        SEEN.append(info)
        return repr(told(info))

    @strawberry.field
    async def later(self, info: strawberry.Info, number: int = 1) -> "list[Query]":
        SEEN.append(info)
        return [Query()]


DOCUMENT = "query Q($n: Int = 3) { a: later(number: $n) { now } now(number: $n) }"


async def test_an_info_tells_the_same_as_strawberrys() -> None:
    schema = strawberry.Schema(Query)
    SEEN.clear()
    by_core = await schema.execute(DOCUMENT, context_value="context", root_value="root")
    by_plan = await Engine(schema).prepare(DOCUMENT)({}, "context", "root")
    assert by_plan.data == by_core.data
    assert not by_core.errors
    assert not by_plan.errors
    expected, got = SEEN[:3], SEEN[3:]
    for one, other in zip(expected, got, strict=True):
        assert isinstance(other, strawberry.Info)
        assert type(other).__name__ == type(one).__name__
        assert told(one) == told(other)
        assert (other.query, other.return_type, other.schema) == (one.query, one.return_type, one.schema)
        assert other.get_argument_definition("number") == one.get_argument_definition("number")
        assert other._raw_info is other._raw_info
        assert other._raw_info.path == one._raw_info.path
        assert other._field is one._field
        assert repr(other).startswith("Info(_raw_info=")
        assert other == other  # It compares what it holds.
    assert got[0] != got[1]


async def test_an_info_class_of_the_schemas_own_is_made() -> None:
    schema = strawberry.Schema(Query, config=StrawberryConfig(info_class=OwnInfo))
    OwnInfo.made = 0
    SEEN.clear()
    answer = await Engine(schema).prepare("{ now later { now } }")({})
    assert not answer.errors
    assert [type(info) for info in SEEN] == [OwnInfo] * 3
    assert OwnInfo.made == 3
