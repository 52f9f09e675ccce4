"""Whatever is sent, the endpoint answers in JSON, never with a fault, and with nothing of its inside."""

import json
import re
from collections.abc import Awaitable, Callable
from typing import Any

import anyio
import pytest
from graphql import GraphQLSchema, get_named_type, is_composite_type, is_enum_type, is_input_object_type, is_list_type
from graphql.pyutils import Undefined
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from mnesis.domain.limits import Limits
from mnesis.graph.endpoint import GraphQLEndpoint
from mnesis.graph.options import EndpointOptions
from mnesis.graph.schema import schema
from mnesis.storage.database import open_database
from mnesis.usecases.memories import Memories
from tests.graph.client import Client

SCHEMA: GraphQLSchema = schema()._schema

INTERNAL = re.compile(
    r"Traceback|object (has no|is not)|NoneType|Exception|\b(Type|Value|Key|Index|Attribute|Runtime)Error|sqlite"
    r"|psycopg|SELECT |mnesis\.|graphql[.-]|strawberry|\bsys\."
    r"|<class|codec|Internal|\b(dict|str|int|list)\b'|recursion|Maybe\[",
)
"""Words that only our own inside could put into an error."""

NAMES = sorted(
    {name for each in SCHEMA.type_map.values() for name in getattr(each, "fields", {})} | {"zz", "__typename"}
)
TYPES = sorted(SCHEMA.type_map)

# Words that would be found in the answers because they were asked for are left out.
TEXTS = st.text(st.characters(codec=None, exclude_categories=()), max_size=20)
LEAVES = (
    st.none() | st.booleans() | st.integers(-(10**25), 10**25) | st.floats() | TEXTS
    | st.sampled_from(["SESSION", "default", "", "a~1", "\0", "2026-01-01T00:00:00Z", "2026", "\ud800"])
    | st.sampled_from([2**31, -1, 0, 1e999])
)  # fmt: skip


def values(deep: int = 3) -> st.SearchStrategy[Any]:
    keys = st.sampled_from(NAMES) | TEXTS
    return st.recursive(
        LEAVES,
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(keys, inner, max_size=4),
        max_leaves=deep * 5,
    )


def fitting(input_type: Any, levels: int = 4) -> st.SearchStrategy[Any]:
    """Values that look like those of a type, now and then something else."""
    if levels == 0:
        return LEAVES
    named = get_named_type(input_type)
    if is_list_type(getattr(input_type, "of_type", None) or input_type) or is_list_type(input_type):
        return st.lists(_fitting_later(named, levels - 1), max_size=3) | LEAVES
    if is_input_object_type(named):
        members = {name: _fitting_later(field.type, levels - 1) for name, field in named.fields.items()}
        return st.fixed_dictionaries({}, optional=members) | values(1)
    if is_enum_type(named):
        return st.sampled_from(sorted(named.values)) | LEAVES
    return LEAVES


def _fitting_later(input_type: Any, levels: int) -> st.SearchStrategy[Any]:
    return st.deferred(lambda: fitting(input_type, levels))


def literal(value: Any) -> str:
    """The value as a GraphQL literal, more or less."""
    match value:
        case dict():
            return "{" + ", ".join(f"{key or 'zz'}: {literal(inner)}" for key, inner in value.items()) + "}"
        case list():
            return "[" + ", ".join(map(literal, value)) + "]"
        case _:
            return json.dumps(value)


@st.composite
def selections(draw: st.DrawFn, parent: Any, levels: int) -> str:
    """Fields of a type with arguments, some of them wrong."""
    parts = []
    fields = getattr(parent, "fields", {})
    for _ in range(draw(st.integers(1, 3))):
        name = draw(st.sampled_from(sorted(fields) or ["__typename"]))
        if draw(st.integers(0, 19)) == 0:
            parts.append(
                draw(st.sampled_from(["zz", "... on Node { id }", "...F", "__typename", "__schema { types { name } }"]))
            )
            continue
        field = fields.get(name)
        arguments = []
        for argument, of in (field.args if field is not None else {}).items():
            if of.default_value is Undefined and draw(st.booleans()):
                shown = (
                    draw(st.sampled_from(["$v", "$w"]))
                    if draw(st.integers(0, 9)) == 0
                    else literal(draw(fitting(of.type, 3)))
                )
                arguments.append(f"{argument}: {shown}")
        inner = get_named_type(field.type) if field is not None else None
        below = ""
        if is_composite_type(inner):
            below = draw(selections(inner, levels - 1)) if levels else "{ __typename }"
        parts.append(
            draw(st.sampled_from(["", "", "a: ", "b: "]))
            + name
            + (f"({', '.join(arguments)})" if arguments else "")
            + below
        )
    return " { " + " ".join(parts) + " } "


@st.composite
def documents(draw: st.DrawFn) -> str:
    kind = draw(st.sampled_from(["query", "query", "mutation", "subscription"]))
    root = {"query": SCHEMA.query_type, "mutation": SCHEMA.mutation_type, "subscription": SCHEMA.subscription_type}[
        kind
    ]
    variables = draw(st.sampled_from(["", "", "($v: ID!)", "($v: Int = 1)", "($v: [MemoryFilter])", "($v: Zz)"]))
    fragment = draw(st.sampled_from(["", " fragment F on Query { __typename }", " fragment F on Memory { ...F }"]))
    return f"{kind} Q{variables}{draw(selections(root, 3))}{fragment}"


@st.composite
def operations_with_variables(draw: st.DrawFn) -> dict[str, Any]:
    """A valid document, and variables that look right."""
    root = draw(st.sampled_from([SCHEMA.query_type, SCHEMA.mutation_type]))
    assert root is not None
    name = draw(st.sampled_from(sorted(root.fields)))
    field = root.fields[name]
    variables = {argument: draw(fitting(of.type)) for argument, of in field.args.items() if draw(st.integers(0, 9))}
    kind = "query" if root is SCHEMA.query_type else "mutation"
    defined = ", ".join(f"${argument}: {of.type}" for argument, of in field.args.items())
    given = ", ".join(f"{argument}: ${argument}" for argument in field.args)
    below = (
        "{ __typename errors { code message path } }"
        if "errors" in getattr(get_named_type(field.type), "fields", {})
        else "{ __typename }"
    )
    head = f"({defined})" if defined else ""
    document = f"{kind}{head} {{ {name}{f'({given})' if given else ''} {below} }}"
    return {"query": document, "variables": variables}


WORDS = [
    *"{}()[]:$@!=|#-\n\0",
    *(
        '"',
        '"""',
        "...",
        "\ud800",
        "query",
        "mutation",
        "subscription",
        "fragment",
        "on",
        "null",
        "true",
        "1",
        "1e9",
        "skip",
    ),
    *("F", *NAMES[:20], *TYPES[:20]),
]
GARBAGE = st.lists(st.sampled_from(WORDS), max_size=40).map(" ".join)


def bodies() -> st.SearchStrategy[bytes]:
    operations = st.fixed_dictionaries(
        {"query": documents() | GARBAGE | TEXTS},
        optional={"variables": values(), "operationName": LEAVES, "extensions": values()},
    )
    texts = (operations | operations_with_variables() | values() | st.lists(operations, max_size=3)).map(
        lambda said: json.dumps(said).encode()
    )
    broken = st.tuples(texts, st.integers(0, 200), st.binary(max_size=5)).map(
        lambda t: t[0][: t[1]] + t[2] + t[0][t[1] + 1 :]
    )
    return texts | texts | texts | broken | st.binary(max_size=100)


@pytest.fixture
def run(sqlite_url: str) -> Callable[[Callable[[Client], Awaitable[None]]], None]:
    """Runs something with a client of an endpoint; the database stays for all examples."""

    async def with_client(what: Callable[[Client], Awaitable[None]]) -> None:
        opened = open_database(sqlite_url, limits=Limits(), reader_threads=1, writer_lanes=1)
        try:
            memories = Memories(store=opened.store, reader=opened.reader, limits=Limits())
            await what(Client(GraphQLEndpoint(memories, options=EndpointOptions(suggestions=False))))
        finally:
            await opened.close()

    return lambda what: anyio.run(with_client, what)


# Not shrunk, because that takes minutes, and what was sent says enough.
@settings(
    max_examples=60, derandomize=True, phases=[Phase.generate], deadline=None, suppress_health_check=list(HealthCheck)
)
@given(st.lists(bodies(), min_size=5, max_size=5))
def test_no_body_finds_a_fault(run: Callable[[Callable[[Client], Awaitable[None]]], None], sent: list[bytes]) -> None:
    async def speak(client: Client) -> None:
        for body in sent:
            for accept in ("application/json", "text/event-stream"):
                if accept == "text/event-stream" and b"subscription" in body:
                    continue  # It would not end.
                headers = {"content-type": "application/json", "accept": accept}
                response = await client.http.post("/graphql", content=body, headers=headers)
                check(response.status_code, response.text)

    run(speak)


def check(status: int, text: str) -> None:
    assert status < 500, text
    for line in text.split("\n"):
        if line.startswith(("event:", ":")) or not line.removeprefix("data:").strip():
            continue
        answer = json.loads(line.removeprefix("data:"))
        for one in answer if isinstance(answer, list) else [answer]:
            for error in one.get("errors", ()):
                told = error["message"]
                assert error["extensions"]["code"] != "INTERNAL_SERVER_ERROR", error
                assert len(told) <= 1_100
                assert INTERNAL.search(told.replace("Syntax Error", "")) is None, told
