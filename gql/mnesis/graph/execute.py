"""Runs a prepared operation: the second of the two calls that everything else stands around."""

from typing import Any

import strawberry
from graphql import ExecutionResult, execute
from strawberry.execution import optimized_is_awaitable

from mnesis.graph.context import Context
from mnesis.graph.faults import told
from mnesis.graph.prepare import Prepared


class Executor:
    """Executes operations of a schema with graphql-core, as Strawberry's own `Schema.execute` does."""

    def __init__(self, schema: strawberry.Schema, *, suggestions: bool) -> None:
        # Strawberry gives no other way to the schema that graphql-core works with.
        self._schema = schema._schema
        self._executor_class = schema.execution_context_class
        self._suggestions = suggestions

    async def execute(self, prepared: Prepared, variables: dict[str, Any], context: Context) -> dict[str, Any]:
        """The response as GraphQL lays it out; without ``data`` where nothing was executed."""
        name = prepared.operation.name
        result = execute(
            self._schema,
            prepared.document,
            context_value=context,
            variable_values=variables,
            operation_name=name.value if name is not None else None,
            is_awaitable=optimized_is_awaitable,  # type: ignore[arg-type]  # It narrows, but does not say so.
            executor_class=self._executor_class,
            hide_suggestions=not self._suggestions,
            operation_extensions=None,
        )
        if not isinstance(result, ExecutionResult):
            result = await result
        answer: dict[str, Any] = {}
        if result.errors:
            answer["errors"] = list(map(told, result.errors))
        # An error before the execution belongs to no field; a field that fails leaves null, never nothing.
        if result.data is not None or not result.errors or any(error.path for error in result.errors):
            answer["data"] = result.data
        return answer
