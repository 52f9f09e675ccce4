"""Inputs are made as Strawberry makes them, also those whose classes do more than to set attributes."""

from dataclasses import InitVar, dataclass, fields
from typing import Any

import pytest
import strawberry
from strawberry.types.arguments import convert_argument

from mnesis.execution.conversion import Converters


@strawberry.input
class Plain:
    text: str
    number: int | None
    size: int = 3
    unset: str | None = strawberry.UNSET
    maybe: strawberry.Maybe[str | None]
    strict: strawberry.Maybe[int]
    some: "strawberry.Maybe[Plain]"
    renamed: str | None = strawberry.field(name="calledOtherwise", default="x")


@strawberry.input
class Longer(Plain):
    more: list[Plain] | None = None


@strawberry.input
class MadeAnew:
    tags: list[str] = strawberry.field(default_factory=lambda: ["made"])
    text: str | None


@strawberry.input
class Checked:
    text: str
    length: strawberry.Private[int] = 0

    def __post_init__(self) -> None:
        self.length = len(self.text)


@strawberry.input
class OwnConstructor:
    text: str

    def __init__(self, text: str) -> None:
        self.text = text.upper()


@strawberry.input
class InheritedConstructor(OwnConstructor):
    pass


@strawberry.input
class OwnNew:
    text: str

    def __new__(cls, **_: Any) -> "OwnNew":
        made = object.__new__(cls)
        made.noted = "new"  # type: ignore[attr-defined]
        return made


@strawberry.input
class OwnSetter:
    text: str

    def __setattr__(self, name: str, value: object) -> None:
        object.__setattr__(self, name, [value])


@dataclass
class Takes:
    extra: InitVar[int] = 5


@strawberry.input
class WithInitVar(Takes):
    text: str = "t"


@strawberry.type
class Query:
    @strawberry.field
    def all(
        self,
        plain: Plain | None = None,
        longer: Longer | None = None,
        made_anew: MadeAnew | None = None,
        checked: Checked | None = None,
        own_constructor: OwnConstructor | None = None,
        inherited_constructor: InheritedConstructor | None = None,
        own_new: OwnNew | None = None,
        own_setter: OwnSetter | None = None,
    ) -> int:
        return 0


SCHEMA = strawberry.Schema(Query)
PLAIN = {"text": "t", "number": None}


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (Plain, PLAIN),
        (Plain, {"text": "t", "number": 4, "size": 5, "unset": None, "calledOtherwise": None}),
        (Plain, {**PLAIN, "maybe": None, "strict": 1}),
        (Plain, {**PLAIN, "unset": "u", "maybe": "m", "some": {**PLAIN, "some": PLAIN}}),
        (Longer, PLAIN),
        (Longer, {**PLAIN, "more": [PLAIN, {**PLAIN, "strict": 7}]}),
        (MadeAnew, {}),
        (MadeAnew, {"tags": ["a"], "text": "b"}),
        (Checked, {"text": "four"}),
        (OwnConstructor, {"text": "a"}),
        (InheritedConstructor, {"text": "a"}),
        (OwnNew, {"text": "a"}),
        (OwnSetter, {"text": "a"}),
        (WithInitVar, {"text": "a"}),
        (WithInitVar, {}),
        (Plain, None),
        (Plain, strawberry.UNSET),
    ],
)
def test_an_input_is_made_as_strawberry_makes_it(kind: type[Any], value: Any) -> None:
    convert = Converters(SCHEMA).of(kind)
    assert convert is not None
    expected = convert_argument(value, kind, SCHEMA.schema_converter.scalar_registry, SCHEMA.config)
    for _ in range(2):
        made = convert(value)
        assert type(made) is type(expected)
        assert told(made) == told(expected)
        assert repr(made) == repr(expected)


def test_every_input_has_a_default_of_its_own() -> None:
    convert = Converters(SCHEMA).of(MadeAnew)
    assert convert is not None
    convert({}).tags.append("changed")
    assert convert({}).tags == ["made"]


def test_what_a_maybe_does_not_take_is_refused_as_by_strawberry() -> None:
    convert = Converters(SCHEMA).of(Plain)
    assert convert is not None
    with pytest.raises(Exception, match="cannot be explicitly set to null"):
        convert({**PLAIN, "strict": None})


def told(made: Any) -> Any:
    """All that is to be seen of an input, however deep."""
    if isinstance(made, list):
        return [told(each) for each in made]
    if isinstance(made, strawberry.Some):
        return ("some", told(made.value))
    if hasattr(type(made), "__dataclass_fields__"):
        return {**{name: told(each) for name, each in vars(made).items()}, "of": [each.name for each in fields(made)]}
    return made
