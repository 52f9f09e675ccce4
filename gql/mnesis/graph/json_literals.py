"""JSON values that are written as literals in a document, with variables in them."""

from typing import Any

from graphql import (
    BooleanValueNode,
    FloatValueNode,
    GraphQLError,
    IntValueNode,
    ListValueNode,
    NullValueNode,
    ObjectValueNode,
    StringValueNode,
    ValueNode,
    VariableNode,
)

_INT_DIGITS = 40
"""An integer with more digits is cut to this many: it is refused for its size all the same, and Python does not
convert thousands of digits."""

_JSON_KINDS = frozenset({type(None), bool, int, float, str})


class _Missing:
    """Stands for a variable that was not given: its key is left out."""


def json_from_literal(node: ValueNode, variables: dict[str, Any] | None = None) -> Any:
    """The value of a literal. ``variables`` are the coerced ones, None while the document is only validated."""
    match node:
        case NullValueNode():
            return None
        case StringValueNode() | BooleanValueNode():
            return node.value
        case IntValueNode():
            return int(node.value[:_INT_DIGITS])
        case FloatValueNode():
            return float(node.value)
        case ListValueNode():
            items = (json_from_literal(item, variables) for item in node.values)
            return [None if isinstance(item, _Missing) else item for item in items]
        case ObjectValueNode():
            return _object(node, variables)
        case VariableNode():
            return _variable(node, variables)
        case _:
            # Only a bare word is left, which GraphQL takes for an enum value.
            raise GraphQLError("A JSON value cannot hold a bare word; write it as a string.", node)


def _object(node: ObjectValueNode, variables: dict[str, Any] | None) -> dict[str, Any]:
    members = ((field.name.value, json_from_literal(field.value, variables)) for field in node.fields)
    return {name: value for name, value in members if not isinstance(value, _Missing)}


def _variable(node: VariableNode, variables: dict[str, Any] | None) -> Any:
    name = node.name.value
    if variables is None or name not in variables:
        return _Missing()
    value = variables[name]
    # A variable of another scalar was turned into something that no JSON holds, such as a time.
    waiting = [value]
    while waiting:
        part = waiting.pop()
        if type(part) is dict:
            waiting += part.values()
        elif type(part) is list:
            waiting += part
        elif type(part) not in _JSON_KINDS:
            raise GraphQLError(f"The variable ${name} has a type that cannot stand inside a JSON value.", node)
    return value
