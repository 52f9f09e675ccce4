"""Has what tests send to an endpoint executed by graphql-core too, and compares."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from graphql import DocumentNode, ExecutionResult, OperationDefinitionNode, OperationType, print_ast

from mnesis.execution import Engine, Plan
from mnesis.graph.context import Context
from mnesis.graph.loaders import Loaders
from mnesis.graph.schema import schema
from tests.execution.arranging import Arranged
from tests.execution.comparing import by_core, shown

_call = Plan.__call__


class Sent:
    """What has been sent so far."""

    def __init__(self) -> None:
        self.is_comparing = True
        self.mutations: dict[str, tuple[DocumentNode, OperationDefinitionNode, dict[str, Any]]] = {}

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Compares the responses to queries on the spot, and keeps mutations for later: they may be executed once."""
        engine = Engine(schema())

        async def call(
            plan: Plan, variables: dict[str, Any], context: object = None, root: object = None
        ) -> ExecutionResult:
            result = await _call(plan, variables, context, root)
            if not isinstance(context, Context) or not self.is_comparing:
                return result
            text = print_ast(plan.document)
            assert not plan.delegated or "__schema" in text or "__type(" in text
            if plan.operation.operation is OperationType.QUERY:
                await self._compare(engine, plan, variables, context, result)
            elif plan.operation.operation is OperationType.MUTATION:
                key = f"{print_ast(plan.operation)} {variables!r}"
                self.mutations[key] = (plan.document, plan.operation, variables)
            return result

        Plan.__call__ = call  # type: ignore[method-assign, assignment]
        try:
            yield
        finally:
            Plan.__call__ = _call  # type: ignore[method-assign]

    async def _compare(
        self, engine: Engine, plan: Plan, variables: dict[str, Any], context: Context, result: ExecutionResult
    ) -> None:
        engine.hide_suggestions = plan.hide_suggestions
        again = replace(context, loaders=Loaders(context.memories, context.caller))
        expected = await by_core(engine, plan.document, plan.operation, variables, again)
        got = shown(result)
        # What was written between the two is told by neither; a second look tells a difference from a race.
        if got != shown(expected):
            again = replace(context, loaders=Loaders(context.memories, context.caller))
            got = shown(await _call(plan, variables, again))
        assert got == shown(expected), print_ast(plan.document)

    async def compare_mutations(self) -> int:
        """Executes the mutations on arranged resolvers, which write nothing, both ways. Says how many."""
        engine = Engine(schema())
        arranged = Arranged(schema())
        root_type = engine.schema.mutation_type
        assert root_type is not None
        with arranged.resolvers():
            for seed, (document, operation, variables) in enumerate(self.mutations.values()):
                for arranged.trouble in (0.0, 0.1):
                    arranged.seed = seed
                    root = arranged.root(root_type)
                    expected = shown(await by_core(engine, document, operation, variables, None, root))
                    got = shown(await engine.plan(document, operation)(variables, None, root))
                    assert got == expected, f"{print_ast(document)}\n{variables}"
        return len(self.mutations)
