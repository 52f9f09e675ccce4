"""From a variable's value, as JSON has it, to what graphql-core makes of it - for values without anything unusual.

Whatever is not taken here is not thereby wrong: graphql-core then decides, and words the errors.
"""

from collections.abc import Callable
from enum import Enum
from typing import Any, TypeAlias

from graphql import (
    GraphQLBoolean,
    GraphQLEnumType,
    GraphQLFloat,
    GraphQLID,
    GraphQLInputObjectType,
    GraphQLInputType,
    GraphQLInt,
    GraphQLList,
    GraphQLScalarType,
    GraphQLString,
    Undefined,
    is_enum_type,
    is_input_object_type,
    is_list_type,
    is_non_null_type,
    is_required_input_field,
)
from graphql.type import scalars
from graphql.utilities.coerce_input_value import coerce_default_value

Coerce: TypeAlias = Callable[[Any], Any]

_CORE = {
    GraphQLString: scalars.coerce_string,
    GraphQLID: scalars.coerce_id,
    GraphQLBoolean: scalars.coerce_boolean,
    GraphQLInt: scalars.coerce_int,
    GraphQLFloat: scalars.coerce_float,
}


class Unusual(Exception):
    """The value is for graphql-core to judge."""


class Coercers:
    """Makes the coercions of a schema's input types."""

    def __init__(self) -> None:
        self._objects: dict[str, tuple[Coerce, list[Any]]] = {}

    def of(self, kind: GraphQLInputType) -> Coerce:
        """How values of the type are coerced. What that raises, `Unusual` or not, is for graphql-core to find again."""
        if is_non_null_type(kind):
            return self._of(kind.of_type, null=False)
        return self._of(kind, null=True)

    def _of(self, kind: Any, *, null: bool) -> Coerce:
        if is_list_type(kind):
            return self._list(kind, null=null)
        if is_input_object_type(kind):
            return self._object(kind, null=null)
        if is_enum_type(kind):
            return _enum(kind, null=null)
        return _scalar(kind, null=null)

    def _list(self, kind: GraphQLList[Any], *, null: bool) -> Coerce:
        item = self.of(kind.of_type)

        def coerce(value: Any) -> Any:
            if type(value) is list:
                return [item(each) for each in value]
            if value is None:
                return _null(null)
            if type(value) in (str, int, float, bool, dict):
                return [item(value)]
            raise Unusual

        return coerce

    def _object(self, kind: GraphQLInputObjectType, *, null: bool) -> Coerce:
        inner = self._fields(kind)

        def coerce(value: Any) -> Any:
            if type(value) is dict:
                return inner(value)
            if value is None:
                return _null(null)
            raise Unusual

        return coerce

    def _fields(self, kind: GraphQLInputObjectType) -> Coerce:
        known = self._objects.get(kind.name)
        if known is not None:
            return known[0]
        fields: list[Any] = []
        one_of = kind.is_one_of
        out_type = None if kind.out_type is GraphQLInputObjectType.out_type else kind.out_type

        def coerce(value: dict[str, Any]) -> Any:
            coerced = {}
            taken = 0
            for name, out_name, inner, field, required in fields:
                if name in value:
                    coerced[out_name] = inner(value[name])
                    taken += 1
                elif required:
                    raise Unusual
                elif field is not None:
                    coerced[out_name] = coerce_default_value(field)
            if taken != len(value):
                raise Unusual
            if one_of and (taken != 1 or len(coerced) != 1 or next(iter(coerced.values())) is None):
                raise Unusual
            return coerced if out_type is None else out_type(coerced)

        # It has to be known before its fields are looked at, one of which may be of the same type.
        self._objects[kind.name] = (coerce, fields)
        for name, field in kind.fields.items():
            has_default = field.default is not None or field.default_value is not Undefined
            fields.append(
                (
                    name,
                    field.out_name or name,
                    self.of(field.type),
                    field if has_default else None,
                    is_required_input_field(field),
                )
            )
        return coerce


def _null(null: bool) -> None:
    if not null:
        raise Unusual


def _enum(kind: GraphQLEnumType, *, null: bool) -> Coerce:
    members = {name: kind.coerce_input_value(name) for name in kind.values}

    def coerce(value: Any) -> Any:
        if value is None:
            return _null(null)
        # A value that could be changed belongs to one request, so graphql-core is to make it.
        if type(value) is not str or not isinstance(member := members.get(value), Enum):
            raise Unusual
        return member

    return coerce


def _scalar(kind: GraphQLScalarType, *, null: bool) -> Coerce:
    if _CORE.get(kind) is kind.coerce_input_value:
        return {
            GraphQLString: _text,
            GraphQLID: _text,
            GraphQLBoolean: _boolean,
            GraphQLInt: _integer,
            GraphQLFloat: _float,
        }[kind](null)
    convert = kind.coerce_input_value

    def coerce(value: Any) -> Any:
        if value is None:
            return _null(null)
        converted = convert(value)
        if converted is Undefined or value is Undefined:
            raise Unusual
        return converted

    return coerce


def _text(null: bool) -> Coerce:
    def coerce(value: Any) -> Any:
        if type(value) is str or (value is None and null):
            return value
        raise Unusual

    return coerce


def _boolean(null: bool) -> Coerce:
    def coerce(value: Any) -> Any:
        if value is True or value is False or (value is None and null):
            return value
        raise Unusual

    return coerce


def _integer(null: bool) -> Coerce:
    def coerce(value: Any) -> Any:
        if (type(value) is int and -2147483648 <= value <= 2147483647) or (value is None and null):
            return value
        raise Unusual

    return coerce


def _float(null: bool) -> Coerce:
    def coerce(value: Any) -> Any:
        if (type(value) is float and value - value == 0) or (value is None and null):
            return value
        raise Unusual

    return coerce
