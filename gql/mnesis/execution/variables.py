"""The variables of an operation."""

from contextlib import suppress
from enum import Enum
from typing import Any

from graphql import GraphQLError, GraphQLSchema, OperationDefinitionNode, Undefined, is_non_null_type
from graphql.execution.get_variable_signature import GraphQLVariableSignature, get_variable_signature
from graphql.execution.values import get_variable_values, input_is_nested_too_deeply
from graphql.type import GraphQLInputType, get_named_type, is_input_object_type
from graphql.utilities.coerce_input_value import coerce_input_literal

from mnesis.execution.coercion import Coercers

MOST_ERRORS = 50
"""As many errors of variables as graphql-core tells by default."""


class Variables:
    """Coerces what a request gives for the variables of one operation."""

    def __init__(
        self,
        schema: GraphQLSchema,
        operation: OperationDefinitionNode,
        coercers: Coercers,
        *,
        hide_suggestions: bool,
    ) -> None:
        self._schema = schema
        self._nodes = operation.variable_definitions or ()
        self._hide_suggestions = hide_suggestions
        self._defined: list[Any] = []
        for node in self._nodes:
            signature = get_variable_signature(schema, node)
            # A valid document has none of another type, and of others graphql-core will tell.
            if isinstance(signature, GraphQLVariableSignature):
                default = Undefined
                # What is wrong with it is told with the first request.
                with suppress(Exception):
                    default = (
                        coerce_input_literal(node.default_value, signature.type) if node.default_value else Undefined
                    )
                self._defined.append(
                    (
                        signature.name,
                        coercers.of(signature.type),
                        is_non_null_type(signature.type),
                        node.default_value,
                        default,
                        is_unchanging(default),
                        signature.type,
                        nests_without_end(signature.type),
                    )
                )
        self._known = len(self._defined) == len(self._nodes)

    def coerced(self, given: dict[str, Any]) -> dict[str, Any] | list[GraphQLError]:
        """The value of each variable that has one, or what is wrong with them."""
        if not self._defined and self._known:
            return {}
        try:
            return self._usual(given)
        except Exception:  # noqa: S110
            # Whatever was unusual or wrong, graphql-core finds it again, and words it.
            pass
        values = get_variable_values(
            self._schema,
            self._nodes,
            given,
            max_errors=MOST_ERRORS,
            hide_suggestions=self._hide_suggestions,
        )
        return values if isinstance(values, list) else values.coerced

    def _usual(self, given: dict[str, Any]) -> dict[str, Any]:
        coerced = {}
        for name, coerce, non_null, default_node, default, unchanging, kind, nests in self._defined:
            if name in given:
                value = given[name]
                if nests and input_is_nested_too_deeply(value, kind):
                    raise RecursionError
                coerced[name] = coerce(value)
            elif default_node is not None:
                # What can be changed belongs to one request.
                value = default if unchanging else coerce_input_literal(default_node, kind)
                if value is Undefined:
                    raise ValueError
                coerced[name] = value
            elif non_null:
                raise ValueError
        if not self._known:
            raise ValueError
        return coerced


def is_unchanging(value: Any) -> bool:
    """Whether nobody who is given the value could change it for others."""
    return value is None or isinstance(value, (str, int, float, bool, Enum))


def nests_without_end(kind: GraphQLInputType) -> bool:
    """Whether an input of this type may hold another of the same type, however far inside."""
    return _reaches(kind, set(), set())


def _reaches(kind: Any, above: set[str], seen: set[str]) -> bool:
    named = get_named_type(kind)
    if not is_input_object_type(named):
        return False
    if named.name in above:
        return True
    if named.name in seen:
        return False
    seen.add(named.name)
    return any(_reaches(field.type, {*above, named.name}, seen) for field in named.fields.values())
