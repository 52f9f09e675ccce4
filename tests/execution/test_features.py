"""One test for each thing that an operation may hold: the answer is the expected one, and graphql-core's."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Annotated, Any

import pytest
import strawberry
from graphql import OperationDefinitionNode, get_operation_ast, parse
from strawberry.dataloader import DataLoader
from strawberry.schema.config import StrawberryConfig

from mnesis.execution import Engine, NotValid
from mnesis.execution.plan import MOST_VARIANTS
from tests.execution.comparing import by_core, shown
from tests.execution.zoo import Allowed, Colour, Louder

pytestmark = pytest.mark.anyio


class Context:
    """What resolvers of one request share."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.log: list[str] = []
        self.doubles: DataLoader[int, int] = DataLoader(self._double)

    async def _double(self, keys: list[int]) -> list[int]:
        self.batches.append(keys)
        return [2 * key for key in keys]


@strawberry.input
class Part:
    name: str
    count: int = 1
    colours: list[Colour] | None = None
    inner: "Part | None" = None


@strawberry.input
class Strict:
    number: strawberry.Maybe[int]


@strawberry.input(one_of=True)
class Choice:
    text: strawberry.Maybe[str]
    part: strawberry.Maybe[Part]


@strawberry.interface
class Node:
    id: strawberry.ID


@strawberry.type
class Leaf(Node):
    size: int | None

    @strawberry.field
    def parent(self) -> "Branch":
        return Branch(id=strawberry.ID("above"), children=[])


@strawberry.type
class Branch(Node):
    children: "list[Thing]"

    @strawberry.field
    async def doubled(self, info: strawberry.Info[Context, None], number: int) -> int:
        return await info.context.doubles.load(number)

    @strawberry.field
    def broken(self) -> str:
        raise ValueError("It broke.")

    @strawberry.field
    async def broken_later(self) -> str | None:
        raise ValueError("It broke later.")

    @strawberry.field
    def missing(self) -> str:
        return None  # type: ignore[return-value]  # That is what is tested.


Thing = Annotated[Leaf | Branch, strawberry.union("Thing")]


@strawberry.type
class Query:
    lambda_: str = strawberry.field(name="lambda", default="a keyword in Python")

    @strawberry.field
    def echo(self, choice: Choice | None = None, part: Part | None = None, n: int | None = strawberry.UNSET) -> str:
        return f"{choice} {part} {n}"

    @strawberry.field
    def colour(self, colour: Colour = Colour.RED) -> Colour:
        return colour

    @strawberry.field
    def day(self, at: datetime) -> datetime:
        return at.astimezone(UTC)

    @strawberry.field
    def texts(self, of: list[str | None]) -> list[str | None]:
        return of

    @strawberry.field
    def node(self, id: strawberry.ID) -> Node | None:
        return _made(id)

    @strawberry.field
    async def thing(self, id: strawberry.ID) -> Thing | None:
        return _made(id)

    @strawberry.field
    async def tree(self) -> Branch:
        return Branch(id=strawberry.ID("b"), children=[Leaf(id=strawberry.ID("l"), size=1), _branch()])

    @strawberry.field
    def maybe_tree(self) -> Branch | None:
        return _branch()

    @strawberry.field
    def asks(self, info: strawberry.Info, number: int = 1) -> str:
        return (
            f"{info.field_name} {info.python_name} {info.path.as_list()} {info.variable_values} {info.root_value}"
            f" {[type(each).__name__ for each in info.selected_fields]}"
            f" {info.operation.name and info.operation.name.value}"
        )

    @strawberry.field(permission_classes=[Allowed])  # type: ignore[untyped-decorator]  # Strawberry's overloads.
    def guarded(self, word: str) -> str | None:
        return word

    @strawberry.field(extensions=[Louder()])  # type: ignore[untyped-decorator]  # as above
    async def loud(self, word: str) -> str:
        return word

    @strawberry.field
    async def slow(self, info: strawberry.Info[Context, None], name: str, turns: int) -> str:
        for _ in range(turns):
            info.context.log.append(name)
            await asyncio.sleep(0)
        return name

    @strawberry.field
    async def strict(self, strict: Strict) -> str | None:
        return repr(strict)

    @strawberry.field
    def fails(self) -> str | None:
        raise ValueError("At once.")

    @strawberry.field
    def many(self, info: strawberry.Info[Context, None]) -> "list[Failing] | None":
        return [Failing(), Failing()]


@strawberry.type
class Failing:
    @strawberry.field
    async def later(self, info: strawberry.Info[Context, None]) -> str:
        await asyncio.sleep(0)
        info.context.log.append("later")
        return "later"

    @strawberry.field
    def now(self) -> str:
        raise ValueError("Now.")


@strawberry.type
class Mutation:
    @strawberry.mutation
    async def slow(self, info: strawberry.Info[Context, None], name: str, turns: int) -> str:
        return await Query.slow(self, info, name, turns)  # type: ignore[call-arg, arg-type, misc, no-any-return]

    @strawberry.mutation
    def fail(self, info: strawberry.Info[Context, None]) -> str:
        info.context.log.append("failed")
        raise ValueError("No.")


@strawberry.type
class Subscription:
    @strawberry.subscription
    async def things(self, colour: Colour = Colour.RED) -> AsyncIterator[Thing]:
        yield _branch()


def _branch() -> Branch:
    return Branch(id=strawberry.ID("b"), children=[])


def _made(id: str) -> Leaf | Branch | None:
    match id:
        case "leaf":
            return Leaf(id=strawberry.ID(id), size=None)
        case "branch":
            return _branch()
        case "wrong":
            return object()  # type: ignore[return-value]  # Resolvers make mistakes.
        case _:
            return None


schema = strawberry.Schema(Query, Mutation, Subscription, types=[Leaf, Branch])


async def answer(document: str, variables: dict[str, Any] | None = None, *, engine: Engine | None = None) -> Any:
    """The response as it is sent, after it has been compared."""
    engine = engine or Engine(schema)
    parsed = parse(document)
    operation = get_operation_ast(parsed)
    assert isinstance(operation, OperationDefinitionNode)
    expected = await by_core(engine, parsed, operation, variables or {}, Context(), Query())
    plan = engine.prepare(document)
    for _ in range(2):
        got = await plan(variables or {}, Context(), Query())
        assert shown(got) == shown(expected)
    return got.formatted


async def data(document: str, variables: dict[str, Any] | None = None) -> Any:
    """The data of a response without errors, which no part of graphql-core's executor had a hand in."""
    engine = Engine(schema)
    said = await answer(document, variables, engine=engine)
    assert "errors" not in said
    assert engine.delegated == 0
    return said["data"]


async def test_variables_take_their_values_and_defaults() -> None:
    document = """query($n: Int = 7, $m: Int = 8, $o: Int, $p: Int = 9) {
      a: echo(n: $n) b: echo(n: $m) c: echo(n: $o) d: echo(n: $p)
    }"""
    said = await data(document, {"m": 3, "p": None})
    assert said == {"a": "None None 7", "b": "None None 3", "c": "None None ", "d": "None None None"}


async def test_a_single_value_is_a_list_of_one() -> None:
    said = await data(
        'query($of: [String]!) { texts(of: $of) more: texts(of: "x") }',
        {"of": "one"},
    )
    assert said == {"texts": ["one"], "more": ["x"]}


async def test_lists_and_inputs_within_inputs() -> None:
    part = {"name": "p", "colours": ["RED", "AZURE"], "inner": {"count": 5, "name": "q"}}
    said = await data("query($part: Part) { echo(part: $part) }", {"part": part})
    assert said["echo"].startswith("None Part(name='p', count=1, colours=[<Colour.RED: 'r'>, <Colour.BLUE: ")
    assert said["echo"].endswith("inner=Part(name='q', count=5, colours=None, inner=None)) ")


async def test_literals_hold_variables() -> None:
    document = 'query($name: String!, $n: Int) { echo(part: {name: $name, inner: {name: "x", count: $n}}) }'
    said = await data(document, {"name": "given"})
    assert said["echo"].startswith("None Part(name='given', count=1")
    assert "inner=Part(name='x', count=1" in said["echo"]


async def test_one_of_takes_exactly_one() -> None:
    document = "query($choice: Choice) { echo(choice: $choice) }"
    assert await data(document, {"choice": {"text": "t"}}) == {"echo": "Choice(text=Some('t'), part=None) None "}
    for wrong in ({}, {"text": "t", "part": {"name": "p"}}, {"text": None}, {"other": 1}, "t"):
        said = await answer(document, {"choice": wrong})
        assert said["data"] is None
        assert said["errors"]


async def test_one_of_in_a_literal_wants_its_variable() -> None:
    document = "query($text: String!) { echo(choice: {text: $text}) }"
    assert await data(document, {"text": "t"}) == {"echo": "Choice(text=Some('t'), part=None) None "}


async def test_enums_go_in_and_out_by_name() -> None:
    assert await data(
        "query($c: Colour!) { a: colour b: colour(colour: GREEN) c: colour(colour: $c) }", {"c": "AZURE"}
    ) == {
        "a": "RED",
        "b": "GREEN",
        "c": "AZURE",
    }


async def test_custom_scalars_are_read_and_written() -> None:
    said = await data(
        'query($at: DateTime!) { day(at: $at) l: day(at: "2026-01-31T12:00:00+00:00") }',
        {"at": "2026-01-31T13:00:00+01:00"},
    )
    assert said == {"day": "2026-01-31T12:00:00+00:00", "l": "2026-01-31T12:00:00+00:00"}


async def test_a_field_may_be_called_as_python_calls_something_else() -> None:
    assert await data("{ lambda class: lambda None: lambda __o: lambda }") == {
        "lambda": "a keyword in Python",
        "class": "a keyword in Python",
        "None": "a keyword in Python",
        "__o": "a keyword in Python",
    }


async def test_text_of_a_document_stays_text() -> None:
    text = "'\\\"\\n__import__('os')\\u2028{}%s"
    said = await data('query($of: [String]!) { texts(of: $of) l: texts(of: ["' + text + '"]) }', {"of": ["'''\n"]})
    assert said == {"texts": ["'''\n"], "l": ["'\"\n__import__('os')\u2028{}%s"]}


async def test_fragments_on_interfaces_unions_and_objects() -> None:
    document = """{
      node(id: "leaf") { __typename ...N ... on Leaf { size } ... on Branch { children { __typename } } }
      thing(id: "branch") { ... on Node { id } ...B ... { kind: __typename } }
    }
    fragment N on Node { id again: id }
    fragment B on Branch { id children { ...N ... on Leaf { id } } }"""
    assert await data(document) == {
        "node": {"__typename": "Leaf", "id": "leaf", "again": "leaf", "size": None},
        "thing": {"id": "b", "children": [], "kind": "Branch"},
    }


async def test_selections_of_one_key_are_merged_in_order() -> None:
    document = (
        "{ tree { children { ... on Leaf { id } } } tree { id children { ... on Leaf { size id } __typename } } }"
    )
    said = await data(document)
    assert said == {
        "tree": {"children": [{"id": "l", "size": 1, "__typename": "Leaf"}, {"__typename": "Branch"}], "id": "b"}
    }
    assert list(said["tree"]) == ["children", "id"]


async def test_skip_and_include_decide_each_time() -> None:
    document = """query($yes: Boolean!, $no: Boolean = false) {
      a: lambda @include(if: $yes) b: lambda @skip(if: $yes) c: lambda @include(if: $no)
      ... @include(if: $yes) { tree { id } }
      ...T @skip(if: true) tree { ...B @skip(if: $no) } d: lambda @include(if: true)
    }
    fragment T on Query { e: lambda }
    fragment B on Branch { id children { __typename } }"""
    assert list(await data(document, {"yes": True})) == ["a", "tree", "d"]
    assert list(await data(document, {"yes": False})) == ["b", "tree", "d"]
    assert (await data(document, {"yes": False, "no": True}))["tree"] == {}


async def test_too_many_choices_are_left_to_graphql_core() -> None:
    names = [f"s{number}" for number in range(6)]
    document = (
        f"query({', '.join(f'${name}: Boolean!' for name in names)})"
        f" {{ __typename {' '.join(f'{name}: lambda @include(if: ${name})' for name in names)} }}"
    )
    engine = Engine(schema)
    plan = engine.prepare(document)
    for choice in range(2 ** len(names)):
        chosen = {name: bool(choice >> number & 1) for number, name in enumerate(names)}
        said = (await plan(chosen, Context(), Query())).formatted
        assert list(said["data"] or {}) == ["__typename", *[name for name in names if chosen[name]]]
    assert engine.delegated == plan.delegated == 2 ** len(names) - MOST_VARIANTS


async def test_only_the_variables_of_the_operation_itself_choose() -> None:
    document = "query A { lambda } query B($no: Boolean!) { lambda @include(if: $no) }"
    engine = Engine(schema)
    assert (await engine.prepare(document, "A")({}, Context(), Query())).data == {"lambda": "a keyword in Python"}
    assert (await engine.prepare(document, "B")({"no": False}, Context(), Query())).data == {}
    assert engine.delegated == 0


async def test_a_condition_that_is_null_is_refused() -> None:
    said = await answer("query($c: Boolean = true) { lambda @include(if: $c) }", {"c": None})
    assert said["errors"][0]["message"].startswith("Argument 'if' has invalid value")


async def test_resolvers_are_told_what_strawberry_tells_them() -> None:
    said = await data("query Asked($n: Int!) { here: asks(number: $n) }", {"n": 3})
    assert said["here"].startswith("asks asks ['here'] {'n': 3} ")
    assert said["here"].endswith("['SelectedField'] Asked")


async def test_permissions_and_field_extensions_are_asked() -> None:
    said = await answer('{ guarded(word: "w") no: guarded(word: "secret") loud(word: "w") }')
    assert said["data"] == {"guarded": "w", "no": None, "loud": "W"}
    assert [error["message"] for error in said["errors"]] == ["Not allowed."]


async def test_loaders_see_the_keys_of_all_fields_together() -> None:
    document = "{ tree { doubled(number: 1) b: doubled(number: 2) } maybeTree { doubled(number: 3) } }"
    context = Context()
    said = await Engine(schema).prepare(document)({}, context, Query())
    assert said.data == {"tree": {"doubled": 2, "b": 4}, "maybeTree": {"doubled": 6}}
    expected = Context()
    operation = get_operation_ast(parse(document))
    assert operation is not None
    await by_core(Engine(schema), parse(document), operation, {}, expected, Query())
    assert context.batches == expected.batches


async def test_fields_of_a_query_run_side_by_side() -> None:
    context = Context()
    document = '{ slow(name: "a", turns: 2) b: slow(name: "b", turns: 2) }'
    await Engine(schema).prepare(document)({}, context, Query())
    assert context.log == ["a", "b", "a", "b"]


async def test_fields_of_a_mutation_run_one_after_another_and_stop_at_nothing_less_than_null_data() -> None:
    context = Context()
    document = 'mutation { slow(name: "a", turns: 2) b: slow(name: "b", turns: 1) fail c: slow(name: "c", turns: 1) }'
    said = await Engine(schema).prepare(document)({}, context, Mutation())
    assert context.log == ["a", "a", "b", "failed"]
    assert said.data is None
    await answer(document)


async def test_null_spreads_to_the_nearest_that_may_be_null() -> None:
    said = await answer("{ lambda maybeTree { id broken } }")
    assert said == {
        "data": {"lambda": "a keyword in Python", "maybeTree": None},
        "errors": [{"message": "It broke.", "locations": [{"line": 1, "column": 25}], "path": ["maybeTree", "broken"]}],
    }
    assert (await answer("{ lambda tree { missing } }"))["data"] is None


async def test_errors_say_where_and_keep_their_cause() -> None:
    document = "{ maybeTree { one: brokenLater two: brokenLater } }"
    said = await Engine(schema).prepare(document)({}, Context(), Query())
    assert said.errors is not None
    assert [error.path for error in said.errors] == [["maybeTree", "one"], ["maybeTree", "two"]]
    assert {type(error.original_error) for error in said.errors} == {ValueError}
    await answer(document)


async def test_what_is_of_no_known_type_is_an_error() -> None:
    said = await answer('{ node(id: "wrong") { id } thing(id: "wrong") { __typename } }')
    assert said["data"] == {"node": None, "thing": None}
    assert len(said["errors"]) == 2


async def test_wrong_variables_are_refused_in_graphql_cores_words() -> None:
    told = (await answer("query($n: Int!) { echo(n: $n) }", {"n": "x"}))["errors"][0]["message"]
    assert told == "Variable '$n' has invalid value: Int cannot represent non-integer value: 'x'"
    document = "query($part: Part) { echo(part: $part) }"
    told = (await answer(document, {"part": {"name": "p", "colors": []}}))["errors"][0]["message"]
    assert "Did you mean 'colours'?" in told
    hidden = await answer(document, {"part": {"name": "p", "colors": []}}, engine=Engine(schema, hide_suggestions=True))
    assert "Did you mean" not in hidden["errors"][0]["message"]


async def test_inputs_within_inputs_without_end_are_refused() -> None:
    part: dict[str, Any] = {"name": "p"}
    for _ in range(300):
        part = {"name": "p", "inner": part}
    said = await answer("query($part: Part) { echo(part: $part) }", {"part": part})
    assert said["errors"] == [{"message": "Variable values are nested too deeply."}]


async def test_a_null_for_an_argument_with_a_default_is_refused() -> None:
    said = await answer("query($c: Colour = GREEN) { colour(colour: $c) }", {"c": None})
    assert said["data"] is None
    assert "not to be None" in said["errors"][0]["message"]


async def test_events_of_subscriptions_are_executed() -> None:
    document = "subscription { things(colour: GREEN) { __typename ... on Branch { id } } }"
    engine = Engine(schema)
    said = await engine.prepare(document)({}, Context(), _branch())
    assert said.formatted == {"data": {"things": {"__typename": "Branch", "id": "b"}}}
    failed = await engine.prepare(document)({}, Context(), ValueError("The source failed."))
    assert failed.formatted["data"] is None


async def test_questions_about_the_schema_are_left_to_graphql_core() -> None:
    engine = Engine(schema)
    plan = engine.prepare('{ __typename __type(name: "Leaf") { name } }')
    assert (await plan({})).data == {"__typename": "Query", "__type": {"name": "Leaf"}}
    assert engine.delegated == plan.delegated == 1


async def test_an_executor_of_the_users_own_is_used() -> None:
    class Own(schema.execution_context_class):  # type: ignore[name-defined, misc]  # A variable holds it.
        pass

    engine = Engine(strawberry.Schema(Query, execution_context_class=Own))
    assert (await engine.prepare("{ lambda }")({}, Context(), Query())).data == {"lambda": "a keyword in Python"}
    assert engine.delegated == 1


async def test_attributes_are_looked_up_as_the_schema_says() -> None:
    config = StrawberryConfig(default_resolver=lambda source, name: f"{name} of {type(source).__name__}")
    engine = Engine(strawberry.Schema(Query, config=config))
    assert (await engine.prepare("{ lambda }")({}, Context(), Query())).data == {"lambda": "lambda_ of Query"}


async def test_what_is_not_valid_is_not_prepared() -> None:
    for document, name in (("{", None), ("{ nothing }", None), ("query A { lambda } query B { lambda }", None)):
        with pytest.raises(NotValid) as refused:
            Engine(schema).prepare(document, name)
        assert refused.value.errors


async def test_arguments_are_converted_when_the_field_is_awaited() -> None:
    said = await answer("query($strict: Strict!) { strict(strict: $strict) fails }", {"strict": {"number": None}})
    assert said["data"] == {"strict": None, "fails": None}
    assert [error["path"] for error in said["errors"]] == [["fails"], ["strict"]]
    assert await data("query($strict: Strict!) { strict(strict: $strict) }", {"strict": {}}) == {
        "strict": "Strict(number=None)"
    }


async def test_what_was_begun_beside_a_failing_field_comes_to_its_end() -> None:
    context = Context()
    said = await Engine(schema).prepare("{ many { later now } }")({}, context, Query())
    assert said.data == {"many": None}
    await asyncio.sleep(0.01)
    assert context.log == ["later"]


async def test_what_grows_without_end_is_left_to_graphql_core(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mnesis.execution.selections.MOST_SELECTIONS", 2)
    engine = Engine(schema)
    plan = engine.prepare('{ a: tree { id } b: tree { id } node(id: "leaf") { ... on Leaf { parent { id } } } }')
    first = await plan({}, Context(), Query())
    assert engine.delegated == 0
    for _ in range(2):
        assert await plan({}, Context(), Query()) == first
    assert engine.delegated == 2
