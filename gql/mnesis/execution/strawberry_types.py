"""What is known of the functions that Strawberry puts into a schema, so that they need not be called every time.

Strawberry 0.341.2 makes them as closures; they are told by where they were written. One that is not recognised, or that
its user wrote, is called as graphql-core calls it.
"""

from collections.abc import Callable
from typing import Any

from graphql import GraphQLAbstractType, GraphQLField, GraphQLObjectType, GraphQLUnionType
from strawberry.types.base import StrawberryObjectDefinition
from strawberry.types.cast import TYPE_CAST_ATTRIBUTE
from strawberry.types.field import StrawberryField

BACK_REFERENCE = "strawberry-definition"

_BASIC = "GraphQLCoreConverter.from_resolver.<locals>._get_basic_result"
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


def is_ordinary(field: StrawberryField) -> bool:
    """Whether Strawberry does nothing about the field but to call its resolver or to read its attribute."""
    return (
        type(field).get_result is StrawberryField.get_result
        and type(field).is_async is StrawberryField.is_async
        and not field.extensions
        and not field.is_subscription
    )


def reads_attribute(field: GraphQLField) -> bool:
    """Whether the field's value is an attribute of the object that it is a field of."""
    definition = field.extensions.get(BACK_REFERENCE)
    return (
        isinstance(definition, StrawberryField)
        and is_ordinary(definition)
        and definition.base_resolver is None
        and written_as(field.resolve, _BASIC)
    )


def told_by_strawberry(kind: GraphQLAbstractType) -> bool:
    """Whether it is Strawberry that tells which type a value of this one is of."""
    return written_as(kind.resolve_type, _RESOLVE_UNION if isinstance(kind, GraphQLUnionType) else _RESOLVE_INTERFACE)


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
        and told_by_strawberry(kind)
        and not _is_generic(concrete)
        and (concrete.is_type_of is None or tells_by_class(concrete))
    )


def _is_generic(kind: GraphQLObjectType) -> bool:
    definition = kind.extensions.get(BACK_REFERENCE)
    return not isinstance(definition, StrawberryObjectDefinition) or definition.concrete_of is not None


def checks_one_of(out_type: object) -> bool:
    """Whether the function does nothing about an input but to refuse it unless it has one member, which is not null."""
    return written_as(out_type, "GraphQLCoreConverter.from_input_object.<locals>.check_one_of")


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
