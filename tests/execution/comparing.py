"""Executes a document twice, by graphql-core and by the engine, and compares all that a client could tell apart."""

import json
from collections.abc import Awaitable
from typing import Any

import orjson
from graphql import DocumentNode, ExecutionResult, GraphQLError, OperationDefinitionNode, execute
from strawberry.execution import optimized_is_awaitable

from mnesis.execution import Engine


def shown(result: ExecutionResult) -> str:
    """The response with the order of its keys, and where each error came from."""
    return json.dumps({"data": result.data, "errors": list(map(_error, result.errors or []))}, default=_told, indent=1)


def _told(value: object) -> str:
    return orjson.dumps(value).decode() if isinstance(value, orjson.Fragment) else repr(value)


def _error(error: GraphQLError) -> Any:
    cause = error.original_error
    return {
        **error.formatted,
        "class": type(error).__name__,
        "cause": f"{type(cause).__name__}: {cause}" if not isinstance(cause, GraphQLError) else _error(cause),
    }


async def by_core(
    engine: Engine,
    document: DocumentNode,
    operation: OperationDefinitionNode,
    variables: dict[str, Any],
    context: object = None,
    root: object = None,
) -> ExecutionResult:
    """The response of graphql-core, executed as Strawberry has it executed."""
    result = execute(
        engine.schema,
        document,
        root_value=root,
        context_value=context,
        variable_values=variables,
        operation_name=operation.name.value if operation.name else None,
        is_awaitable=optimized_is_awaitable,  # type: ignore[arg-type]  # It narrows, but does not say so.
        executor_class=engine.executor_class,
        hide_suggestions=engine.hide_suggestions,
        operation_extensions=None,
    )
    return await result if isinstance(result, Awaitable) else result
