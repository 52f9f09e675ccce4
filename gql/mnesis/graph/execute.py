"""Runs a prepared operation: the second of the two calls that everything else stands around."""

from collections import OrderedDict
from collections.abc import AsyncIterator, Awaitable
from typing import Any, Protocol, cast

import strawberry
from graphql import ExecutionResult, GraphQLError, OperationDefinitionNode, create_source_event_stream
from strawberry.execution import optimized_is_awaitable

from mnesis.execution import Engine, Plan
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
    """Executes operations of a schema, each by a plan that is made when it is first executed.

    At most ``plans`` are kept, those that were executed last, of documents of at most ``characters`` together. A
    document counts once for each choice of its `@skip` and `@include` that was made, because each is compiled by
    itself: measured, into up to 250 bytes for every character.
    """

    def __init__(
        self, schema: strawberry.Schema, *, suggestions: bool, plans: int = 1_000, characters: int = 1_000_000
    ) -> None:
        self.engine = Engine(schema, hide_suggestions=not suggestions)
        self._most_plans = plans
        self._most_characters = characters
        self._characters = 0
        # The operation is kept beside its plan, so that its id cannot become another's.
        self._plans: OrderedDict[int, tuple[OperationDefinitionNode, Plan, int]] = OrderedDict()

    async def execute(
        self, prepared: Prepared, variables: dict[str, Any], context: Context, root: object = None
    ) -> dict[str, Any]:
        """The response as GraphQL lays it out; without ``data`` where nothing was executed.

        ``root`` is the event that a subscription is executed for.
        """
        result = await self._plan(prepared)(variables, context, root)
        answer: dict[str, Any] = {}
        if result.errors:
            answer["errors"] = list(map(told, result.errors))
        # An error before the execution belongs to no field; a field that fails leaves null, never nothing.
        if result.data is not None or not result.errors or any(error.path for error in result.errors):
            answer["data"] = result.data
        return answer

    def overlaps(self, prepared: Prepared, variables: dict[str, Any]) -> bool:
        """Whether operations of which this is told may be begun in order, each before the one before it has ended."""
        return prepared.writes and self._plan(prepared).overlaps(variables)

    async def events(self, prepared: Prepared, variables: dict[str, Any], context: Context) -> Source:
        """The events that a subscription is to be executed for. Raises `NotBegun`."""
        executor = self.engine.executor_class.build(
            self.engine.schema,
            prepared.document,
            context_value=context,
            raw_variable_values=variables,
            operation_name=_name(prepared),
            is_awaitable=optimized_is_awaitable,  # type: ignore[arg-type]  # as above
            hide_suggestions=self.engine.hide_suggestions,
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

    def _plan(self, prepared: Prepared) -> Plan:
        operation = prepared.operation
        known = self._plans.get(id(operation))
        if known is not None:
            self._plans.move_to_end(id(operation))
            _, plan, counted = known
            if plan.variants <= counted:
                return plan
        else:
            plan, counted = self.engine.plan(prepared.document, operation), 0
        # The first is compiled as soon as the plan is executed; others are counted at the execution that follows.
        variants = max(1, plan.variants)
        self._plans[id(operation)] = (operation, plan, variants)
        self._characters += _length(plan) * (variants - counted)
        while len(self._plans) > self._most_plans or self._characters > self._most_characters:
            _, (_, oldest, times) = self._plans.popitem(last=False)
            self._characters -= _length(oldest) * times
        return plan


def ended(fault: Exception) -> dict[str, Any]:
    """What is told of the fault that ended a subscription."""
    return told(fault if isinstance(fault, GraphQLError) else GraphQLError(str(fault), original_error=fault))


def _name(prepared: Prepared) -> str | None:
    name = prepared.operation.name
    return name.value if name is not None else None


def _length(plan: Plan) -> int:
    return plan.document.loc.end if plan.document.loc is not None else 0
