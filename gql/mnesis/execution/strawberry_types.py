"""What is known of the functions that Strawberry puts into a schema, so that they need not be called every time.

Strawberry 0.341.2 makes them as closures; they are told by where they were written. One that is not recognised, or that
its user wrote, is called as graphql-core calls it.
"""

from collections.abc import Callable
from typing import Any

from graphql import GraphQLAbstractType, GraphQLObjectType, GraphQLUnionType
from strawberry.types.base import StrawberryObjectDefinition
from strawberry.types.cast import TYPE_CAST_ATTRIBUTE

BACK_REFERENCE = "strawberry-definition"

_IS_TYPE_OF = "GraphQLCoreConverter.from_object.<locals>._get_is_type_of.<locals>.is_type_of"
_RESOLVE_INTERFACE = "GraphQLCoreConverter.from_interface.<locals>._get_resolve_type.<locals>.resolve_type"
_RESOLVE_UNION = "StrawberryUnion.get_type_resolver.<locals>._resolve_union_type"


def written_as(function: object, qualified_name: str) -> bool:
    """Whether this is the function that Strawberry wrote under that name."""
    module = getattr(function, "__module__", None)
    return (
        isinstance(module, str)
        and module.startswith("strawberry.")
        and getattr(function, "__qualname__", None) == qualified_name
    )


def tells_by_class(kind: GraphQLObjectType) -> bool:
    """Whether the type's own ``is_type_of`` looks at nothing but the class of a value that was not cast."""
    return written_as(kind.is_type_of, _IS_TYPE_OF) and not _is_generic(kind)


def resolves_by_class(kind: GraphQLAbstractType, concrete: GraphQLObjectType, value: Any) -> bool:
    """Whether every value of this one's class will be found to be of the same concrete type."""
    definition = concrete.extensions.get(BACK_REFERENCE)
    return (
        isinstance(definition, StrawberryObjectDefinition)
        # Its class names the type: no other value of the class can say otherwise.
        and type(value).__dict__.get("__strawberry_definition__") is definition
        and getattr(value, TYPE_CAST_ATTRIBUTE, None) is None
        and written_as(kind.resolve_type, _RESOLVE_UNION if isinstance(kind, GraphQLUnionType) else _RESOLVE_INTERFACE)
        and not _is_generic(concrete)
        and (concrete.is_type_of is None or tells_by_class(concrete))
    )


def _is_generic(kind: GraphQLObjectType) -> bool:
    definition = kind.extensions.get(BACK_REFERENCE)
    return not isinstance(definition, StrawberryObjectDefinition) or definition.concrete_of is not None


def enum_names(kind: Any) -> tuple[type, dict[str, str]] | None:
    """The class of an enum and what its members are called in responses, by their names in Python."""
    cls = getattr(kind, "wrapped_cls", None)
    coerce: Callable[[Any], str] = kind.coerce_output_value
    if cls is None or not written_as(getattr(coerce, "__func__", None), "CustomGraphQLEnumType.coerce_output_value"):
        return None
    try:
        return cls, {member._name_: coerce(member) for member in cls}
    except ValueError:
        return None
