"""What is written for the values of leaf types, so that the usual ones are told by a look at their type."""

from collections.abc import Callable
from typing import Any, TypeVar

from graphql import GraphQLBoolean, GraphQLEnumType, GraphQLFloat, GraphQLID, GraphQLInt, GraphQLLeafType, GraphQLString
from graphql.type import scalars

from mnesis.execution.awaiting import PLAIN
from mnesis.execution.source import Source
from mnesis.execution.strawberry_types import enum_names

_BUILT_IN: dict[Any, tuple[Any, str]] = {
    GraphQLString: (scalars.serialize_string, "type(v) is {str}"),
    GraphQLID: (scalars.serialize_id, "type(v) is {str}"),
    GraphQLBoolean: (scalars.serialize_boolean, "v is True or v is False"),
    GraphQLInt: (scalars.serialize_int, "type(v) is {int} and -2147483648 <= v <= 2147483647"),
    # Neither is NaN within any bounds, nor are the infinities within these.
    GraphQLFloat: (scalars.serialize_float, "type(v) is {float} and {least} <= v <= {most}"),
}
_MOST_FLOAT = 1.7976931348623157e308
_HANDED_ON = "mnesis_handed_on"

_Serialize = TypeVar("_Serialize", bound=Callable[[Any], Any])


def handing_on(*kinds: type) -> Callable[[_Serialize], _Serialize]:
    """Says of a scalar's ``serialize`` that it gives values of these very types back as they are, so that it need not
    be called for them. They are values: neither null, nor exceptions, nor to be awaited."""

    def mark(serialize: _Serialize) -> _Serialize:
        setattr(serialize, _HANDED_ON, frozenset(kinds))
        return serialize

    return mark


def write_leaf(source: Source, depth: int, kind: GraphQLLeafType, key: str, *, non_null: bool) -> None:
    """Lines that put the value ``v`` under ``key`` into ``o`` where it is of the usual kind, up to an ``else:``."""
    built_in = _BUILT_IN.get(kind)
    enum = enum_names(kind) if isinstance(kind, GraphQLEnumType) else None
    if built_in is not None and kind.coerce_output_value is built_in[0]:
        names = {each.__name__: source.name(each) for each in (str, int, float)}
        condition = built_in[1].format(**names, least=source.name(-_MOST_FLOAT), most=source.name(_MOST_FLOAT))
        source.line(depth, f"if {condition}:")
        source.line(depth + 1, f"o[{key}] = v")
    elif enum is not None:
        cls, names = enum
        source.line(depth, f"if type(v) is {source.name(cls)} and v._name_ in {source.name(names)}:")
        source.line(depth + 1, f"o[{key}] = {source.name(names)}[v._name_]")
    else:
        plain, serialize = source.name(PLAIN), kind.coerce_output_value
        if handed_on := getattr(serialize, _HANDED_ON, None):
            source.line(depth, f"if type(v) in {source.name(handed_on)}:")
            source.line(depth + 1, f"o[{key}] = v")
        other = "elif" if handed_on else "if"
        source.line(depth, f"{other} type(v) in {plain} and type(r := {source.name(serialize)}(v)) in {plain}:")
        source.line(depth + 1, f"o[{key}] = r")
    if not non_null:
        source.line(depth, "elif v is None:")
        source.line(depth + 1, f"o[{key}] = None")
    source.line(depth, "else:")
