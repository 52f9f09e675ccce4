"""An operation that is ready to be executed, as often as one likes."""

from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from itertools import groupby
from types import CoroutineType
from typing import Any

from graphql import (
    DocumentNode,
    ExecutionResult,
    FragmentDefinitionNode,
    GraphQLError,
    OperationType,
    VariableNode,
    Visitor,
    get_named_type,
    is_introspection_type,
    visit,
)
from graphql.execution.collect_fields import FragmentDetails

from mnesis.execution.awaiting import gather
from mnesis.execution.coercion import Coercers
from mnesis.execution.ordering import Condition, Ordering
from mnesis.execution.resolving import Resolving
from mnesis.execution.running import Operation, Path, Run
from mnesis.execution.selections import Selections
from mnesis.execution.variables import Variables

MOST_VARIANTS = 32
"""Of one operation, by what the variables of its `@skip` and `@include` say."""

Delegate = Callable[[dict[str, Any], object, object], Awaitable[ExecutionResult]]
Select = Callable[[Run, Any, Path], Any]


class Plan:
    """One operation of a valid document: ``await plan(variables, context)`` is its response.

    What this cannot execute is handed to ``delegate``, with nothing having been called yet.
    """

    __slots__ = (
        "_delegate",
        "_fragments",
        "_most_variants",
        "_ready",
        "_resolving",
        "_switches",
        "_variables",
        "_variants",
        "delegated",
        "document",
        "hide_suggestions",
        "operation",
        "variants",
    )

    def __init__(
        self,
        operation: Operation,
        document: DocumentNode,
        *,
        resolving: Resolving,
        coercers: Coercers,
        delegate: Delegate,
        is_known: bool,
    ) -> None:
        self.delegated = 0
        """How many executions have been left to graphql-core."""
        self.variants = 0
        """How many choices of its `@skip` and `@include` have been compiled, each of which takes room."""
        self.document = document
        self.operation = operation.node
        self.hide_suggestions = operation.hide_suggestions
        self._ready = operation
        self._resolving = resolving
        self._delegate = delegate
        self._fragments = {name: FragmentDetails(each, None) for name, each in operation.fragments.items()}
        self._variables = Variables(
            operation.schema, operation.node, coercers, hide_suggestions=operation.hide_suggestions
        )
        defined = {each.variable.name.value for each in operation.node.variable_definitions or ()}
        # A document's other operations have variables of their own.
        self._switches = tuple(name for name in _switches(document) if name in defined)
        self._variants: dict[tuple[Any, ...], Variant | None] = {}
        self._most_variants = MOST_VARIANTS if is_known else 0

    async def __call__(self, variables: dict[str, Any], context: object = None, root: object = None) -> ExecutionResult:
        """The response; of a subscription, that to the event ``root``."""
        coerced = self._variables.coerced(variables)
        if isinstance(coerced, list):
            return ExecutionResult(None, coerced)
        variant = self._variant(coerced)
        if variant is None:
            self.delegated += 1
            return await self._delegate(variables, context, root)
        run = Run(self._ready, variables, coerced, context, root)
        try:
            data = variant.select(run, root, None)
            if type(data) is CoroutineType:
                data = await data
        except GraphQLError as error:
            run.add(error, None)
            data = None
        return ExecutionResult(data, run.errors or None)

    def overlaps(self, variables: dict[str, Any]) -> bool:
        """Whether executions of mutations of which this is told may be begun in order, each before the one before it
        has ended, because nobody could tell it from one after another; see `ordering`."""
        coerced = self._variables.coerced(variables) if self._switches else {}
        variant = self._variant(coerced) if isinstance(coerced, dict) else None
        return variant is not None and variant.overlaps(variables)

    def _variant(self, coerced: dict[str, Any]) -> "Variant | None":
        chosen = tuple([coerced.get(name) for name in self._switches]) if self._switches else ()
        if chosen in self._variants:
            variant = self._variants[chosen]
            if variant is not None and variant.selections.is_too_large:
                variant = self._variants[chosen] = None
            return variant
        if len(self._variants) >= self._most_variants or not all(type(each) is bool for each in chosen):
            return None
        self.variants += 1
        switches = dict(zip(self._switches, chosen, strict=True))
        selections = Selections(self._ready, self._fragments, self._resolving, switches)
        variant = self._variants[chosen] = _variant(self._ready, selections)
        return variant


class Variant:
    """How an operation is executed for one choice of its switches."""

    __slots__ = ("_steps", "select", "selections")

    def __init__(self, select: Select, selections: Selections, steps: "Sequence[Step]" = ()) -> None:
        self.select = select
        self.selections = selections
        self._steps = steps

    def overlaps(self, variables: dict[str, Any]) -> bool:
        """Whether it may be begun before others of the kind have ended; see `ordering`."""
        # Several fields are begun one step later than the operation that they are of.
        return len(self._steps) == 1 and self._steps[0].overlaps(variables)


class Step:
    """One field of a mutation."""

    __slots__ = ("_condition", "_told", "select")

    def __init__(self, select: Select, told: Callable[[], Condition]) -> None:
        self.select = select
        self._told = told
        self._condition: Condition | None = None

    def overlaps(self, variables: dict[str, Any]) -> bool:
        """Whether it may be begun before the one before it has ended, and the one after it before it has."""
        if self._condition is None:
            self._condition = self._told()
        return self._condition(variables)

    async def execute(self, run: Run, source: Any) -> dict[str, Any]:
        """The part of the response."""
        part = self.select(run, source, None)
        found: dict[str, Any] = await part if type(part) is CoroutineType else part
        return found


def _variant(operation: Operation, selections: Selections) -> Variant | None:
    kind = operation.schema.get_root_type(operation.node.operation)
    if kind is None:
        return None
    try:
        grouped = selections.root_fields(kind)
    except RecursionError:
        return None
    for details in grouped.values():
        field = operation.schema.get_field(kind, details[0].node.name.value)
        if field is None or is_introspection_type(get_named_type(field.type)):
            return None
    if operation.node.operation is OperationType.MUTATION:
        ordering = Ordering(operation, selections.sub_fields)
        steps = [
            Step(
                selections.compiled_root(kind, {key: details}),
                partial(ordering.overlaps, kind, [each.node for each in details]),
            )
            for key, details in grouped.items()
        ]
        return Variant(_one_after_another(steps), selections, steps)
    return Variant(selections.compiled_root(kind, grouped), selections)


def _one_after_another(steps: Sequence[Step]) -> Select:
    """Fields that may be begun together are, in their order, and answered in it."""
    if len(steps) == 1:
        return steps[0].select

    async def select(run: Run, source: Any, _: Path) -> Any:
        found: dict[str, Any] = {}
        for overlap, group in groupby(steps, lambda step: step.overlaps(run.given)):
            if overlap:
                await _together(list(group), run, source, found)
            else:
                for step in group:
                    found.update(await step.execute(run, source))
        return found

    return select


async def _together(steps: Sequence[Step], run: Run, source: Any, found: dict[str, Any]) -> None:
    if len(steps) == 1:
        found.update(await steps[0].execute(run, source))
        return
    # Each tells its errors to a run of its own, so that they come in the order of the fields.
    runs = [run.part() for _ in steps]
    # Tasks take their first steps in the order in which they are made.
    parts = await gather([step.execute(each, source) for step, each in zip(steps, runs, strict=True)])
    for part, each in zip(parts, runs, strict=True):
        found.update(part)
        run.join(each)


def fragments_of(document: DocumentNode) -> dict[str, FragmentDefinitionNode]:
    """The fragments of a document by name."""
    return {each.name.value: each for each in document.definitions if isinstance(each, FragmentDefinitionNode)}


def _switches(document: DocumentNode) -> tuple[str, ...]:
    """The variables that decide what is selected."""
    found: dict[str, None] = {}

    class Find(Visitor):
        def enter_directive(self, node: Any, *_: Any) -> None:
            if node.name.value in ("skip", "include"):
                for argument in node.arguments:
                    if isinstance(argument.value, VariableNode):
                        found[argument.value.name.value] = None

    visit(document, Find())
    return tuple(found)
