"""Prepares the operations of a Strawberry schema."""

from collections.abc import Awaitable
from typing import Any

import strawberry
from graphql import (
    DocumentNode,
    ExecutionResult,
    GraphQLError,
    OperationDefinitionNode,
    assert_valid_schema,
    execute,
    get_operation_ast,
    parse,
    specified_rules,
    validate,
)
from graphql.type.directives import GraphQLDisableErrorPropagationDirective
from strawberry.execution import optimized_is_awaitable
from strawberry.schema.schema import StrawberryGraphQLCoreExecutionContext
from strawberry.schema.validation_rules.maybe_null import MaybeNullValidationRule
from strawberry.schema.validation_rules.one_of import OneOfInputValidationRule

from mnesis.execution.coercion import Coercers
from mnesis.execution.plan import Plan, fragments_of
from mnesis.execution.resolving import Resolving
from mnesis.execution.running import Operation

# Strawberry adds its two to whatever is validated; see `strawberry.schema.schema.validate_document`.
RULES = (*specified_rules, MaybeNullValidationRule, OneOfInputValidationRule)


class NotValid(Exception):
    """A document cannot be executed; ``errors`` say why."""

    def __init__(self, errors: list[GraphQLError]) -> None:
        super().__init__(errors[0].message)
        self.errors = errors


class Engine:
    """Makes plans of operations. ``hide_suggestions`` keeps "Did you mean" out of errors.

    Of a schema's extensions those that resolve fields are not called; field extensions and permissions are.
    """

    def __init__(self, schema: strawberry.Schema, *, hide_suggestions: bool = False) -> None:
        # Strawberry gives no other way to the schema that graphql-core works with.
        self.schema = schema._schema
        assert_valid_schema(self.schema)
        self.delegated = 0
        """How many executions have been left to graphql-core."""
        self.hide_suggestions = hide_suggestions
        self.executor_class = schema.execution_context_class
        self._resolving = Resolving(schema)
        self._coercers = Coercers()
        self._delivers_incrementally = bool(self.schema.get_directive("defer") or self.schema.get_directive("stream"))

    def prepare(self, source: str, operation_name: str | None = None) -> Plan:
        """The plan of one operation of a document. Raises `NotValid`."""
        try:
            document = parse(source)
        except GraphQLError as error:
            raise NotValid([error]) from None
        errors = validate(self.schema, document, RULES, hide_suggestions=self.hide_suggestions)
        if errors:
            raise NotValid(errors)
        operation = get_operation_ast(document, operation_name)
        if operation is None:
            raise NotValid([GraphQLError("The name tells none or several of the document's operations.")])
        return self.plan(document, operation)

    def plan(self, document: DocumentNode, operation: OperationDefinitionNode) -> Plan:
        """The plan of an operation of a document that has been found valid."""

        async def delegate(variables: dict[str, Any], context: object, root: object) -> ExecutionResult:
            self.delegated += 1
            return await self._executed(document, operation, variables, context, root)

        ready = Operation(self.schema, operation, fragments_of(document), hide_suggestions=self.hide_suggestions)
        return Plan(
            ready,
            document,
            resolving=self._resolving,
            coercers=self._coercers,
            delegate=delegate,
            is_known=self._is_known(operation),
        )

    def _is_known(self, operation: OperationDefinitionNode) -> bool:
        return (
            self.executor_class is StrawberryGraphQLCoreExecutionContext
            and not self._delivers_incrementally
            and not any(
                each.name.value == GraphQLDisableErrorPropagationDirective.name for each in operation.directives or ()
            )
        )

    async def _executed(
        self,
        document: DocumentNode,
        operation: OperationDefinitionNode,
        variables: dict[str, Any],
        context: object,
        root: object,
    ) -> ExecutionResult:
        result = execute(
            self.schema,
            document,
            root_value=root,
            context_value=context,
            variable_values=variables,
            operation_name=operation.name.value if operation.name is not None else None,
            is_awaitable=optimized_is_awaitable,  # type: ignore[arg-type]  # It narrows, but does not say so.
            executor_class=self.executor_class,
            hide_suggestions=self.hide_suggestions,
            operation_extensions=None,
        )
        return await result if isinstance(result, Awaitable) else result
