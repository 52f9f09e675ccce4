"""What is written for leaves whose scalars say of which values they give them back as they are."""

from datetime import date
from typing import NewType

import pytest
import strawberry
from strawberry.schema.config import StrawberryConfig

from mnesis.execution import Engine, handing_on

pytestmark = pytest.mark.anyio

Day = NewType("Day", object)
serialized: list[object] = []


@handing_on(str)
def day_text(value: object) -> str:
    serialized.append(value)
    return value if isinstance(value, str) else value.isoformat() if isinstance(value, date) else f"day {value!r}"


class Louder(str):
    __slots__ = ()


GIVEN = {"text": "2026-01-31", "day": date(2026, 1, 31), "loud": Louder("2026"), "number": 7}


@strawberry.type
class Query:
    @strawberry.field
    def day(self, of: str) -> Day | None:
        return Day(GIVEN.get(of))


SCHEMA = strawberry.Schema(
    Query,
    config=StrawberryConfig(
        scalar_map={Day: strawberry.scalar(name="Day", serialize=day_text, parse_value=str, description="A day.")}
    ),
)
DOCUMENT = '{ text: day(of: "text") day: day(of: "day") loud: day(of: "loud") n: day(of: "number") o: day(of: "") }'


async def test_a_value_of_a_kind_that_is_handed_on_is_not_serialized_and_others_are() -> None:
    expected = SCHEMA.execute_sync(DOCUMENT)
    assert expected.errors is None
    serialized.clear()
    answer = await Engine(SCHEMA).prepare(DOCUMENT, None)({}, None)
    assert answer.errors is None
    assert answer.data == expected.data
    assert answer.data is not None
    assert list(answer.data.values()) == ["2026-01-31", "2026-01-31", "2026", "day 7", None]
    assert serialized == [GIVEN["day"], GIVEN["loud"], 7]
