"""Fields of a mutation that keep their order by themselves are begun together, and others are not."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Annotated, Any, TypeVar, cast

import pytest
import strawberry
from graphql import get_operation_ast, parse
from strawberry.permission import BasePermission

from mnesis.execution import Engine, keeping_order, settled
from mnesis.execution import ordering as ordering_module
from tests.execution.comparing import by_core, shown

pytestmark = pytest.mark.anyio


F = TypeVar("F", bound=Callable[..., Any])


def marked(metadata: dict[str, Any]) -> Callable[[F], F]:
    """`strawberry.field`, with a type that a checker can follow."""
    return cast(Callable[[F], F], strawberry.field(metadata=metadata))


class Log:
    """In which order things happened."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.waiting: list[asyncio.Future[None]] = []

    async def wait(self, name: str) -> None:
        """Until all that were begun before the loop came to rest are let go, in order."""
        self.lines.append(f"begin {name}")
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.waiting.append(future)
        if len(self.waiting) == 1:
            asyncio.get_running_loop().call_later(0.01, self._let_go)
        try:
            await future
        except asyncio.CancelledError:
            self.lines.append(f"cancelled {name}")
            raise
        self.lines.append(f"end {name}")

    def _let_go(self) -> None:
        for future in self.waiting:
            if not future.done():
                future.set_result(None)
        self.waiting.clear()


Info = strawberry.Info[Log, None]


class Anyone(BasePermission):
    def has_permission(self, source: Any, info: Any, **_: Any) -> bool:
        return True


@strawberry.interface
class Named:
    name: str


@strawberry.type
class Cat(Named):
    @marked(settled())
    async def kitten(self) -> "Cat | None":
        return Cat(name=f"{self.name}'s")

    @strawberry.field
    async def state(self, info: Info) -> str:
        return ", ".join(line for line in info.context.lines if line.startswith("end"))


@strawberry.type
class Dog(Named):
    guarded: str | None = strawberry.field(default="g", permission_classes=[Anyone])


Animal = Annotated[Cat | Dog, strawberry.union("Animal")]


@strawberry.type
class Query:
    one: int = 1


async def _made(info: Info, name: str) -> Cat:
    await info.context.wait(name)
    if name == "bad":
        raise ValueError("It broke.")
    return Cat(name=name)


@strawberry.type
class Mutation:
    @marked(keeping_order(repeated_by=("key",)))
    async def put(self, info: Info, name: str, key: str | None = None) -> Cat | None:
        return await _made(info, name)

    @marked(keeping_order())
    async def animal(self, info: Info, name: str) -> Animal | None:
        return await _made(info, name)

    @marked(keeping_order())
    async def named(self, info: Info, name: str) -> Named | None:
        return await _made(info, name)

    @marked(keeping_order())
    def at_once(self, info: Info, name: str) -> str | None:
        info.context.lines.append(f"at once {name}")
        return name

    @marked(keeping_order())
    async def surely(self, info: Info, name: str) -> Cat:
        return await _made(info, name)

    @strawberry.field
    async def slowly(self, info: Info, name: str) -> Cat | None:
        return await _made(info, name)


@strawberry.type
class Subscription:
    @strawberry.subscription
    async def ticks(self) -> AsyncIterator[int]:
        yield 1


engine = Engine(strawberry.Schema(Query, Mutation, Subscription))


async def ran(document: str, variables: dict[str, Any] | None = None) -> tuple[list[str], Any]:
    """What happened, after it was made sure that the answer is graphql-core's."""
    variables = variables or {}
    parsed = parse(document)
    operation = get_operation_ast(parsed)
    assert operation is not None
    log = Log()
    plan = engine.prepare(document)
    found = await plan(variables, log)
    assert not plan.delegated
    assert shown(found) == shown(await by_core(engine, parsed, operation, variables, Log()))
    return log.lines, found


def one_by_one(*names: str) -> list[str]:
    return [f"{what} {name}" for name in names for what in ("begin", "end")]


def together(*names: str) -> list[str]:
    return [*(f"begin {name}" for name in names), *(f"end {name}" for name in names)]


@pytest.mark.parametrize(
    "document",
    [
        'mutation { a: put(name: "a") { name } b: put(name: "b") { __typename n: name } }',
        'mutation { a: put(name: "a") { name } b: put(name: "b", key: null) { kitten { kitten { name } } } }',
        'mutation($k: String) { a: put(name: "a") { name } b: put(name: "b", key: $k) { kitten { name } } }',
        'mutation { a: put(name: "a", key: "k") { name } b: put(name: "b") { name } }',
        'mutation { a: animal(name: "a") { ... on Cat { name } } b: named(name: "b") { name ... on Dog { name } } }',
        'mutation { a: put(name: "a") { name } b: put(name: "b") { ...F } } fragment F on Cat { kitten { name } }',
        'mutation { a: put(name: "a") { name } b: put(name: "b") { name state @skip(if: true) } }',
    ],
)
async def test_what_looks_at_nothing_else_is_begun_together(document: str) -> None:
    assert (await ran(document))[0] == together("a", "b")


@pytest.mark.parametrize(
    ("document", "variables"),
    [
        ('mutation { a: slowly(name: "a") { name } b: slowly(name: "b") { name } }', {}),
        ('mutation { a: surely(name: "a") { name } b: surely(name: "b") { name } }', {}),
        ('mutation { a: put(name: "a") { name } b: put(name: "b") { name state } }', {}),
        ('mutation { a: put(name: "a") { kitten { state } } b: put(name: "b") { name } }', {}),
        ('mutation { a: put(name: "a") { name } b: put(name: "b", key: "k") { kitten { name } } }', {}),
        (
            'mutation($k: String) { a: put(name: "a", key: $k) { kitten { name } } b: put(name: "b") { name } }',
            {"k": "k"},
        ),
        (
            'mutation($k: String = "k") { a: put(name: "a", key: $k) { kitten { name } } b: put(name: "b") { name } }',
            {},
        ),
        ('mutation { a: animal(name: "a") { ... on Dog { guarded } } b: named(name: "b") { name } }', {}),
        ('mutation { a: named(name: "a") { ... on Cat { state } } b: named(name: "b") { name } }', {}),
    ],
)
async def test_what_looks_at_something_else_is_awaited(document: str, variables: dict[str, Any]) -> None:
    assert (await ran(document, variables))[0] == one_by_one("a", "b")


async def test_what_has_to_be_awaited_parts_what_is_before_it_from_what_is_after_it() -> None:
    fields = " ".join(f'{name}: put(name: "{name}") {{ name {"state" if name == "c" else ""} }}' for name in "abcde")
    lines, found = await ran(f"mutation {{ {fields} }}")
    assert lines == [*together("a", "b"), *together("c"), *together("d", "e")]
    assert list(found.data) == list("abcde")
    assert found.data["c"]["state"] == "end a, end b, end c"


async def test_the_errors_come_in_the_order_of_the_fields() -> None:
    lines, found = await ran(
        """mutation { a: put(name: "bad") { name } n: atOnce(name: "n") b: put(name: "good") { name }
                      c: put(name: "bad") { name } d: surely(name: "last") { name } }"""
    )
    assert lines == [
        "begin bad",
        "at once n",
        "begin good",
        "begin bad",
        *(f"end {n}" for n in ("bad", "good", "bad")),
        *together("last"),
    ]
    assert [error.path for error in found.errors] == [["a"], ["c"]]


async def test_a_fields_that_makes_null_of_everything_ends_it_after_the_others() -> None:
    lines, found = await ran(
        """mutation { a: put(name: "bad") { name } b: put(name: "b") { name } c: surely(name: "bad") { name }
                      d: put(name: "d") { name } }"""
    )
    assert lines == [*together("bad", "b"), *together("bad")]
    assert found.data is None
    assert [error.path for error in found.errors] == [["a"], ["c"]]


async def test_all_are_cancelled_together() -> None:
    log = Log()
    plan = engine.prepare('mutation { a: put(name: "a") { name } b: put(name: "b") { name } }')
    running = asyncio.create_task(plan({}, log))
    while len(log.lines) < 2:  # noqa: ASYNC110  # Nobody tells of it.
        await asyncio.sleep(0)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert log.lines == ["begin a", "begin b", "cancelled a", "cancelled b"]


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        ('mutation { put(name: "a") { name } }', True),
        ('mutation { put(name: "a") { state } }', False),
        ('mutation($s: Boolean!) { put(name: "a") { name state @skip(if: $s) } }', True),
        ('mutation($s: Boolean!) { put(name: "a") { name state @include(if: $s) } }', False),
        # Its fields are begun a step later than the operation.
        ('mutation { a: put(name: "a") { name } b: put(name: "b") { name } }', False),
        ('mutation { slowly(name: "a") { name } }', False),
        ("{ one }", False),
        ("subscription { ticks }", False),
        ('mutation($s: Boolean!, $more: Int!) { put(name: "a") { name @skip(if: $s) } }', False),
    ],
)
def test_an_operation_tells_whether_it_may_be_begun_with_others(document: str, expected: bool) -> None:
    if "$more" in document:
        plan = engine.plan(parse(document), parse(document).definitions[0])  # type: ignore[arg-type]  # the only one
    else:
        plan = engine.prepare(document)
    assert plan.overlaps({"s": True}) is expected


async def test_more_fields_than_are_looked_at_run_one_after_another(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ordering_module, "MOST_FIELDS", 3)
    lines, _ = await ran(
        'mutation { a: put(name: "a") { name } b: put(name: "b") { name } c: put(name: "c") { x: name y: name } }'
    )
    assert lines == [*together("a", "b"), *together("c")]
