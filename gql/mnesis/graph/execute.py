"""Runs a prepared operation: the second of the two calls that everything else stands around."""

from collections.abc import AsyncIterator, Awaitable
from typing import Any, Protocol, cast

import strawberry
from graphql import ExecutionResult, GraphQLError, create_source_event_stream, execute
from strawberry.execution import optimized_is_awaitable

from mnesis.graph.context import Context
from mnesis.graph.faults import told
from mnesis.graph.prepare import Prepared


class Source(Protocol):
    """The events of a subscription, each to be executed as the root of an answer."""

    def __aiter__(self) -> AsyncIterator[Any]: ...

    async def __anext__(self) -> Any: ...

    async def aclose(self) -> None:
        """To be called however the subscription ends, even where nothing was taken."""
        ...


class NotBegun(Exception):
    """A subscription was refused; ``errors`` are ready to be sent."""

    def __init__(self, errors: list[dict[str, Any]]) -> None:
        super().__init__(errors[0]["message"])
        self.errors = errors


class Executor:
    """Executes operations of a schema with graphql-core, as Strawberry's own `Schema.execute` does."""

    def __init__(self, schema: strawberry.Schema, *, suggestions: bool) -> None:
        # Strawberry gives no other way to the schema that graphql-core works with.
        self._schema = schema._schema
        self._executor_class = schema.execution_context_class
        self._suggestions = suggestions

    async def execute(
        self, prepared: Prepared, variables: dict[str, Any], context: Context, root: object = None
    ) -> dict[str, Any]:
        """The response as GraphQL lays it out; without ``data`` where nothing was executed.

        ``root`` is the event that a subscription is executed for.
        """
        result = execute(
            self._schema,
            prepared.document,
            root_value=root,
            context_value=context,
            variable_values=variables,
            operation_name=_name(prepared),
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

    async def events(self, prepared: Prepared, variables: dict[str, Any], context: Context) -> Source:
        """The events that a subscription is to be executed for. Raises `NotBegun`."""
        executor = self._executor_class.build(
            self._schema,
            prepared.document,
            context_value=context,
            raw_variable_values=variables,
            operation_name=_name(prepared),
            is_awaitable=optimized_is_awaitable,  # type: ignore[arg-type]  # as above
            hide_suggestions=not self._suggestions,
            operation_extensions=None,
        )
        if isinstance(executor, list):
            raise NotBegun(list(map(told, executor)))
        source = create_source_event_stream(executor)
        if isinstance(source, Awaitable):
            source = await source
        if isinstance(source, ExecutionResult):
            raise NotBegun(list(map(told, source.errors or [])))
        return cast(Source, source)


def ended(fault: Exception) -> dict[str, Any]:
    """What is told of the fault that ended a subscription."""
    return told(fault if isinstance(fault, GraphQLError) else GraphQLError(str(fault), original_error=fault))


def _name(prepared: Prepared) -> str | None:
    name = prepared.operation.name
    return name.value if name is not None else None
