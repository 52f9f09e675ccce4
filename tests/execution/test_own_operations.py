"""What our own documentation and playground send is executed by plans, all of it."""

from pathlib import Path

import pytest
from graphql import OperationDefinitionNode, parse, validate

from mnesis.execution import Engine
from mnesis.execution.engine import RULES
from mnesis.graph.schema import schema
from tests.docs.markdown import PAGES, blocks
from tests.execution.arranging import Arranged
from tests.execution.comparing import by_core, shown
from tests.execution.documents import Writer
from tests.graph import client

pytestmark = pytest.mark.anyio

ROOT = Path(__file__).parents[2]
DOCUMENTS = [
    *[block.code for page in PAGES for block in blocks(page) if block.language == "graphql"],
    *[path.read_text() for path in sorted((ROOT / "playground" / "examples").glob("*.graphql"))],
    *[client.CREATE, client.UPDATE, client.CONVERSE, client.DELETE],
]


async def test_our_own_operations_are_never_left_to_graphql_core() -> None:
    arranged, engine = Arranged(schema()), Engine(schema())
    executed = 0
    with arranged.resolvers():
        for seed, text in enumerate(DOCUMENTS):
            document = parse(text)
            assert validate(engine.schema, document, RULES) == []
            for operation in document.definitions:
                if isinstance(operation, OperationDefinitionNode):
                    arranged.seed = seed
                    root_type = engine.schema.get_root_type(operation.operation)
                    assert root_type is not None
                    root, variables = arranged.root(root_type), values(engine, operation, seed)
                    got = await engine.plan(document, operation)(variables, "context", root)
                    assert got.data is not None, got.errors
                    expected = await by_core(engine, document, operation, variables, "context", root)
                    assert shown(got) == shown(expected)
                    executed += 1
    assert executed >= 12
    assert engine.delegated == 0


def values(engine: Engine, operation: OperationDefinitionNode, seed: int) -> dict[str, object]:
    """A value for each variable."""
    return Writer.seeded(engine.schema, seed).values(operation)
