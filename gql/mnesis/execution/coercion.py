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
    GraphQLString,
    Undefined,
    get_nullable_type,
    is_enum_type,
    is_input_object_type,
    is_list_type,
    is_non_null_type,
    is_required_input_field,
)
from graphql.type import scalars
from graphql.utilities.coerce_input_value import coerce_default_value

from mnesis.execution.source import Source
from mnesis.execution.strawberry_types import checks_one_of

Coerce: TypeAlias = Callable[[Any], Any]

_CORE: dict[Any, tuple[Any, str]] = {
    GraphQLString: (scalars.coerce_string, "type(v) is {str}"),
    GraphQLID: (scalars.coerce_id, "type(v) is {str}"),
    GraphQLBoolean: (scalars.coerce_boolean, "v is True or v is False"),
    GraphQLInt: (scalars.coerce_int, "type(v) is {int} and -2147483648 <= v <= 2147483647"),
    # Neither NaN nor an infinity.
    GraphQLFloat: (scalars.coerce_float, "type(v) is {float} and v - v == 0"),
}
_ALONE = (str, int, float, bool, dict)
"""Types of values that stand for a list of one."""
_MOST_KNOWN = 1_000


class Unusual(Exception):
    """The value is for graphql-core to judge."""


class Coercers:
    """Makes the coercions of a schema's input types, each written as one function."""

    def __init__(self) -> None:
        self._known: dict[str, Coerce] = {}
        self._objects: dict[str, Coerce | None] = {}

    def of(self, kind: GraphQLInputType) -> Coerce:
        """How values of the type are coerced. What that raises, `Unusual` or not, is for graphql-core to find again."""
        name = str(kind)
        known = self._known.get(name)
        if known is None:
            source = Source()
            self._write(source, 1, kind, "r")
            source.line(1, "return r")
            known = source.function("coerce", "v")
            if len(self._known) < _MOST_KNOWN:
                self._known[name] = known
        return known

    def _write(self, source: Source, depth: int, kind: Any, to: str) -> None:
        """Lines that put into ``to`` what the variable ``v`` is coerced to, or raise."""
        null = not is_non_null_type(kind)
        kind = get_nullable_type(kind)
        if is_list_type(kind):
            item = source.name(self.of(kind.of_type))
            source.line(depth, f"if type(v) is {source.name(list)}:")
            source.line(depth + 1, f"{to} = [*{source.name(map)}({item}, v)]")
            source.line(depth, f"elif type(v) in {source.name(_ALONE)}:")
            source.line(depth + 1, f"{to} = [{item}(v)]")
        elif is_input_object_type(kind):
            source.line(depth, f"if type(v) is {source.name(dict)}:")
            source.line(depth + 1, f"{to} = {source.name(self._object(kind))}(v)")
        elif is_enum_type(kind):
            members = source.name(_members(kind))
            source.line(depth, f"if type(v) is {source.name(str)} and v in {members}:")
            source.line(depth + 1, f"{to} = {members}[v]")
        elif _CORE.get(kind, (None,))[0] is kind.coerce_input_value:
            names = {each.__name__: source.name(each) for each in (str, int, float)}
            source.line(depth, f"if {_CORE[kind][1].format(**names)}:")
            source.line(depth + 1, f"{to} = v")
        else:
            source.line(depth, "if v is not None:")
            source.line(depth + 1, f"{to} = {source.name(kind.coerce_input_value)}(v)")
            undefined = source.name(Undefined)
            source.line(depth + 1, f"if v is {undefined} or {to} is {undefined}:")
            source.line(depth + 2, f"raise {source.name(Unusual)}")
        if null:
            source.line(depth, "elif v is None:")
            source.line(depth + 1, f"{to} = None")
        source.line(depth, "else:")
        source.line(depth + 1, f"raise {source.name(Unusual)}")

    def _object(self, kind: GraphQLInputObjectType) -> Coerce:
        """Of an object that is a dictionary."""
        if kind.name not in self._objects:
            # Until it is written, its fields may already ask for it.
            self._objects[kind.name] = None
            self._objects[kind.name] = self._written_object(kind)
        written = self._objects[kind.name]
        return written or (lambda value: self._object(kind)(value))

    def _written_object(self, kind: GraphQLInputObjectType) -> Coerce:
        source = Source()
        unusual = source.name(Unusual)
        source.line(1, "c = {}")
        source.line(1, "n = 0")
        for name, field in kind.fields.items():
            key = source.name(field.out_name or name)
            source.line(1, f"if {source.name(name)} in value:")
            source.line(2, f"v = value[{source.name(name)}]")
            self._write(source, 2, field.type, f"c[{key}]")
            source.line(2, "n += 1")
            if is_required_input_field(field):
                source.line(1, "else:")
                source.line(2, f"raise {unusual}")
            elif field.default is not None or field.default_value is not Undefined:
                source.line(1, "else:")
                source.line(2, f"c[{key}] = {source.name(coerce_default_value)}({source.name(field)})")
        source.line(1, f"if n != {source.name(len)}(value):")
        source.line(2, f"raise {unusual}")
        by_strawberry = checks_one_of(kind.out_type)
        if kind.is_one_of or by_strawberry:
            source.line(1, f"if n != 1 or {source.name(len)}(c) != 1 or None in c.values():")
            source.line(2, f"raise {unusual}")
        if by_strawberry or kind.out_type is GraphQLInputObjectType.out_type:
            source.line(1, "return c")
        else:
            source.line(1, f"return {source.name(kind.out_type)}(c)")
        return source.function("coerce", "value")


def _members(kind: GraphQLEnumType) -> dict[str, Enum]:
    """What names stand for. A value that could be changed belongs to one request, so graphql-core is to make it."""
    members = {name: kind.coerce_input_value(name) for name in kind.values}
    return {name: member for name, member in members.items() if isinstance(member, Enum)}
