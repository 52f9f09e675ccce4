"""The engine answers as graphql-core does: random documents, variables and resolvers, over our schema and another.

EQUALITY_SECONDS says how long (for each schema), EQUALITY_SEED with what to begin; the seed of what differs is shown.
"""

import os
import time
from random import Random

import pytest
import strawberry
from graphql import OperationDefinitionNode, get_operation_ast, parse, validate

from mnesis.execution import Engine, NotValid
from mnesis.execution.engine import RULES
from mnesis.graph.schema import schema as our_schema
from tests.execution.arranging import Arranged
from tests.execution.comparing import by_core, shown
from tests.execution.documents import Writer
from tests.execution.zoo import schema as zoo

SECONDS = float(os.environ.get("EQUALITY_SECONDS", "25"))
SEED = int(os.environ.get("EQUALITY_SEED", time.time_ns() // 1_000_000 % 10**9))

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.timeout(60 + 3 * SECONDS),
    # A failing field cancels its neighbours, in graphql-core too, some of them before they have begun.
    pytest.mark.filterwarnings("ignore:coroutine .* was never awaited"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


@pytest.mark.parametrize("name", ["zoo", "ours"])
async def test_random_documents_are_answered_as_graphql_core_answers_them(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    schema: strawberry.Schema = zoo if name == "zoo" else our_schema()
    arranged, engine = Arranged(schema), Engine(schema, hide_suggestions=False)
    compared = invalid = erroneous = 0
    started = time.monotonic()
    seed = SEED
    with arranged.resolvers():
        while time.monotonic() < started + SECONDS or compared < 100:
            seed += 1
            said = await compare(arranged, engine, seed)
            compared += said is not None
            invalid += said is None
            erroneous += said is not None and '"message"' in said
    with capsys.disabled():
        told = f"EQUALITY_SEED={SEED} {name}: {compared} compared, {erroneous} with errors, {invalid} invalid"
        print(f"\n{told}")  # noqa: T201  # Whoever reads the log of a run can repeat it.
    assert invalid < compared
    assert compared / 10 < erroneous < compared
    # Null for a condition is for graphql-core to refuse.
    assert engine.delegated < compared / 50


async def compare(arranged: Arranged, engine: Engine, seed: int) -> str | None:
    """The response that both give, or None where the document is invalid, as both say."""
    random = Random(seed)
    kind = random.choice(["query", "query", "query", "mutation", "subscription"])
    request = Writer(engine.schema, random).request(kind)
    arranged.seed, arranged.trouble = seed, random.choice([0.0, 0.02, 0.1])
    document = parse(request.document)
    wrong = validate(engine.schema, document, RULES)
    if wrong:
        with pytest.raises(NotValid) as refused:
            engine.prepare(request.document)
        assert [error.formatted for error in refused.value.errors] == [error.formatted for error in wrong]
        return None
    operation = get_operation_ast(document)
    assert isinstance(operation, OperationDefinitionNode)
    root_type = engine.schema.get_root_type(operation.operation)
    assert root_type is not None
    expected = shown(await by_core(engine, document, operation, request.variables, "context", arranged.root(root_type)))
    plan = engine.prepare(request.document)
    # The second time nothing is compiled any more, and the classes of objects are known.
    for _ in range(2):
        got = shown(await plan(request.variables, "context", arranged.root(root_type)))
        assert got == expected, f"EQUALITY_SEED={seed - 1}\n{request.document}\n{request.variables}"
    return expected
