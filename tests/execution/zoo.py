"""A schema with one of everything that Strawberry knows and ours may not have."""

import enum
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import datetime
from typing import Annotated, Any, Generic, TypeVar

import strawberry
from strawberry.extensions import FieldExtension
from strawberry.permission import BasePermission

T = TypeVar("T")


@strawberry.enum
class Colour(enum.Enum):
    """With values that are not their names, and one that is called otherwise."""

    RED = "r"
    GREEN = 2
    BLUE = strawberry.enum_value("b", name="AZURE")


@strawberry.enum
class Size(enum.StrEnum):
    SMALL = "small"
    LARGE = "large"


@strawberry.input
class Inner:
    name: str
    size: Size = Size.SMALL
    numbers: list[int] | None = strawberry.UNSET
    when: datetime | None = None


@strawberry.input(one_of=True)
class Choice:
    text: strawberry.Maybe[str]
    inner: strawberry.Maybe[Inner]
    ids: strawberry.Maybe[list[strawberry.ID]]


@strawberry.input
class Outer:
    inner: Inner
    maybe: strawberry.Maybe[str | None]
    strict: strawberry.Maybe[int]
    inners: list[Inner] = strawberry.field(default_factory=list)
    choice: Choice | None = None
    colours: list[list[Colour | None]] | None = None
    again: "Outer | None" = None
    ratio: float = 0.5


@strawberry.interface
class Named:
    id: strawberry.ID
    name: str | None

    @strawberry.field
    def shout(self, times: int = 2) -> str:
        return f"{self.name}{'!' * times}"


@strawberry.interface
class Sized(Named):
    size: Size | None


class Allowed(BasePermission):
    message = "Not allowed."

    def has_permission(self, source: Any, info: strawberry.Info, **kwargs: Any) -> bool:
        return "secret" not in str(kwargs)


class Louder(FieldExtension):
    async def resolve_async(self, next_: Callable[..., Awaitable[Any]], source: Any, info: Any, **kwargs: Any) -> Any:
        value = await next_(source, info, **kwargs)
        return value.upper() if isinstance(value, str) else value


@strawberry.type
class Cat(Sized):
    colour: Colour
    claws: int
    weight: float
    born: datetime | None
    friends: "list[Animal | None]"
    grid: list[list[int | None]]
    wild: bool

    @strawberry.field
    async def kittens(self, info: strawberry.Info, first: int = 1) -> "list[Cat]":
        return []

    @strawberry.field
    async def owner(self) -> "Owner":
        return Owner(id=strawberry.ID("o"), name="Ann")

    @strawberry.field(permission_classes=[Allowed])  # type: ignore[untyped-decorator]  # Strawberry's overloads.
    def secret(self, word: str = "") -> str | None:
        return word

    @strawberry.field(extensions=[Louder()])  # type: ignore[untyped-decorator]  # as above
    async def loud(self, info: strawberry.Info, text: str | None = None) -> str | None:
        return text


@strawberry.type
class Fish(Named):
    fins: int | None

    @strawberry.field
    def school(self) -> "list[Named]":
        return []


@strawberry.type
class Owner:
    id: strawberry.ID
    name: str

    @strawberry.field
    async def pets(self, kinds: list[Colour] | None = strawberry.UNSET) -> "list[Animal]":
        return []

    @strawberry.field
    async def favourite(self, outer: Outer | None = None) -> Named | None:
        return None


Animal = Annotated[Cat | Fish | Owner, strawberry.union("Animal")]


@strawberry.type
class Page(Generic[T]):
    items: list[T]
    total: int

    @strawberry.field
    def first(self) -> T | None:
        return None


Kept = Annotated[Page[Cat] | Page[Fish] | Owner, strawberry.union("Kept")]


@strawberry.interface
class Shape:
    """Whose types are told by functions of its own, some of which have to be awaited."""

    area: float

    @classmethod
    async def resolve_type(cls, value: Any, *_: Any) -> Any:
        match value:
            case Square() | Circle():
                return type(value).__name__
            case str():
                return "Nothing"
            case int():
                return value
            case dict():
                return "Query"
            case _:
                return None


@strawberry.type
class Square(Shape):
    side: int | None

    @classmethod
    def is_type_of(cls, value: Any, info: strawberry.Info) -> bool:
        return isinstance(value, Square) and value.side != 1


@strawberry.type
class Circle(Shape):
    radius: int | None
    inside: Shape | None

    @classmethod
    async def is_type_of(cls, value: Any, info: strawberry.Info) -> bool:
        return isinstance(value, Circle) and value.radius != 1

    @strawberry.field
    async def around(self) -> list[Square]:
        return []


@strawberry.type
class Query:
    @strawberry.field
    async def kept(self, id: strawberry.relay.GlobalID | None = None) -> list[Kept | None]:
        return []

    @strawberry.field
    def shape(self) -> Shape | None:
        return None

    @strawberry.field
    async def shapes(self, ids: list[strawberry.relay.GlobalID] | None = None) -> list[Shape | None]:
        return []

    @strawberry.field
    async def circle(self) -> Circle | None:
        return None

    @strawberry.field
    async def animal(self, id: strawberry.ID) -> Animal | None:
        return None

    @strawberry.field
    def named(self, info: strawberry.Info, id: strawberry.ID | None = None) -> Named | None:
        return None

    @strawberry.field
    async def sized(self) -> Sized:
        return None  # type: ignore[return-value]

    @strawberry.field
    async def cats(self, info: strawberry.Info, outer: Outer | None = strawberry.UNSET) -> Page[Cat] | None:
        return None

    @strawberry.field
    def fishes(self, colours: list[Colour] = [Colour.RED]) -> Page[Fish]:  # noqa: B006
        return None  # type: ignore[return-value]

    @strawberry.field
    async def chosen(self, choice: Choice, colour: Colour = Colour.BLUE, ratio: float | None = None) -> str:
        return ""

    @strawberry.field
    async def owners(self, outer: Outer, required: int, optional: strawberry.Maybe[str | None]) -> list[Owner]:
        return []

    @strawberry.field
    def matrix(self, rows: list[list[int]] | None = None) -> list[list[Cat | None] | None]:
        return []

    @strawberry.field
    def plain(self) -> str | None:
        return None


@strawberry.type
class Mutation:
    @strawberry.mutation
    async def rename(self, id: strawberry.ID, name: str | None = None) -> Cat | None:
        return None

    @strawberry.mutation
    async def paint(self, colour: Colour, choice: Choice | None = None) -> Owner:
        return None  # type: ignore[return-value]

    @strawberry.mutation
    def count(self, info: strawberry.Info, outer: Outer) -> int:
        return 0


@strawberry.type
class Subscription:
    @strawberry.subscription
    async def arrivals(self, colour: Colour = Colour.RED) -> AsyncIterator[Animal]:
        yield Owner(id=strawberry.ID("o"), name="Ann")

    @strawberry.subscription
    async def count(self, to: int) -> AsyncIterator[int | None]:
        for number in range(to):
            yield number


schema = strawberry.Schema(Query, Mutation, Subscription, types=[Cat, Fish, Square, Circle])
