"""Fields of a mutation that may be begun together, because nobody could tell it from one after another.

graphql-core awaits each field of a mutation, with all that is selected below it, before it calls the next one. A
resolver may promise to keep the order by itself; then only what is selected below it can still see how far the others
are, and the document says whether anything there looks.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

from graphql import (
    ArgumentNode,
    FieldNode,
    GraphQLObjectType,
    NullValueNode,
    ObjectFieldNode,
    ObjectValueNode,
    VariableNode,
    get_named_type,
    is_abstract_type,
    is_leaf_type,
    is_non_null_type,
    is_object_type,
)
from graphql.execution.collect_fields import FieldDetails
from strawberry.types.field import StrawberryField

from mnesis.execution.running import Operation
from mnesis.execution.strawberry_types import BACK_REFERENCE, reads_attribute, told_by_strawberry

MOST_FIELDS = 10_000
"""So many fields of one operation are looked at; where there are more, its fields run one after another."""

Condition = Callable[[Mapping[str, Any]], bool]
"""Of the variables as they were given."""
SubFields = Callable[[GraphQLObjectType, list[FieldNode]], Mapping[str, list[FieldDetails]]]


@dataclass(frozen=True, slots=True)
class KeepsOrder:
    """A promise, for the metadata of a field of the mutation type (see `keeping_order`).

    Calls of all resolvers that give it, begun one after another without awaiting any, do and give what they would if
    each had been awaited before the next. A call counts as begun once it has come to the first thing that it really
    waits for. ``repeated_by`` is the path of the argument that, where it is given, has `settled` fields look
    something up after all.
    """

    repeated_by: tuple[str, ...] = ()


class _Looks(IntEnum):
    """What is selected below a field looks at something that others may change."""

    NEVER = 0
    WHEN_REPEATED = 1
    ALWAYS = 2


_KEEPS_ORDER = "mnesis.execution.keeps_order"
_SETTLED = "mnesis.execution.settled"


def keeping_order(*, repeated_by: tuple[str, ...] = ()) -> dict[str, Any]:
    """The metadata of a field of the mutation type that gives the promise of `KeepsOrder`."""
    return {_KEEPS_ORDER: KeepsOrder(repeated_by)}


def settled() -> dict[str, Any]:
    """The metadata of a field with a resolver that looks at nothing but its object, unless the call of the mutation
    that the object comes from was a repeated one (see `KeepsOrder`)."""
    return {_SETTLED: True}


class Ordering:
    """Tells of the fields at the root of one mutation when they may be begun before the one before them has ended."""

    def __init__(self, operation: Operation, sub_fields: SubFields) -> None:
        self._schema = operation.schema
        self._sub_fields = sub_fields
        definitions = operation.node.variable_definitions or ()
        self._defaults = frozenset(each.variable.name.value for each in definitions if each.default_value is not None)
        self._left = MOST_FIELDS

    def overlaps(self, kind: GraphQLObjectType, nodes: list[FieldNode]) -> Condition:
        """When the field may run while other such fields do. What it raises must make null of nothing but itself."""
        field = self._schema.get_field(kind, nodes[0].name.value)
        promise = _metadata(field).get(_KEEPS_ORDER)
        if field is None or not isinstance(promise, KeepsOrder) or is_non_null_type(field.type):
            return _never
        looks = self._below(field.type, nodes)
        if looks is _Looks.ALWAYS:
            return _never
        if looks is _Looks.NEVER or not promise.repeated_by:
            return _ever
        name, *below = promise.repeated_by
        given = [each for each in nodes[0].arguments or () if each.name.value == name]
        return lambda variables: not self._is_given(given, below, variables)

    def _below(self, kind: Any, nodes: list[FieldNode]) -> _Looks:
        named = get_named_type(kind)
        if is_leaf_type(named):
            return _Looks.NEVER
        if is_abstract_type(named) and not told_by_strawberry(named):
            return _Looks.ALWAYS
        looks = _Looks.NEVER
        for concrete in [named] if is_object_type(named) else self._schema.get_possible_types(named):
            for details in self._sub_fields(concrete, nodes).values():
                self._left -= 1
                looks = max(looks, self._field(concrete, [each.node for each in details]))
                if looks is _Looks.ALWAYS or self._left < 0:
                    return _Looks.ALWAYS
        return looks

    def _field(self, kind: GraphQLObjectType, nodes: list[FieldNode]) -> _Looks:
        name = nodes[0].name.value
        field = self._schema.get_field(kind, name)
        if field is None or name == "__typename":
            return _Looks.NEVER
        if _metadata(field).get(_SETTLED):
            return max(_Looks.WHEN_REPEATED, self._below(field.type, nodes))
        return self._below(field.type, nodes) if reads_attribute(field) else _Looks.ALWAYS

    def _is_given(
        self, among: Sequence[ArgumentNode | ObjectFieldNode], below: list[str], variables: Mapping[str, Any]
    ) -> bool:
        """Whether a value, or one at a path below it, may be given and not null; ``among`` holds it or is empty."""
        for each in among:
            value = each.value
            if isinstance(value, VariableNode):
                name = value.name.value
                return name in self._defaults if name not in variables else _holds(variables[name], below)
            if isinstance(value, ObjectValueNode) and below:
                fields = [field for field in value.fields if field.name.value == below[0]]
                return self._is_given(fields, below[1:], variables)
            return not isinstance(value, NullValueNode)
        return False


def _never(variables: Mapping[str, Any]) -> bool:
    return False


def _ever(variables: Mapping[str, Any]) -> bool:
    return True


def _metadata(field: Any) -> Mapping[Any, Any]:
    definition = field.extensions.get(BACK_REFERENCE) if field is not None else None
    return definition.metadata if isinstance(definition, StrawberryField) else {}


def _holds(value: Any, below: list[str]) -> bool:
    for name in below:
        if not isinstance(value, dict):
            break
        value = value.get(name)
    return value is not None
