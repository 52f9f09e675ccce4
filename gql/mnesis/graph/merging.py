"""The rule that fields of one response name can be merged, in time that grows with what is selected.

graphql-core compares every pair of fields of one name, and gives up after half a million comparisons. Here each field
is compared with the first of its group: in a group all are equal to one another exactly if all are equal to the first.
The idea is Simon Adameit's, see https://tech.new-work.se/graphql-overlapping-fields-can-be-merged-fast-ea6e92e0a01.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, TypeAlias

from graphql import (
    FieldNode,
    FragmentSpreadNode,
    GraphQLError,
    GraphQLNamedType,
    GraphQLOutputType,
    InlineFragmentNode,
    OperationDefinitionNode,
    SelectionSetNode,
    ValidationContext,
    ValidationRule,
    ValueNode,
    get_named_type,
    is_composite_type,
    is_leaf_type,
    is_list_type,
    is_non_null_type,
    is_object_type,
    print_ast,
)
from graphql.language import ListValueNode, ObjectValueNode, StringValueNode

MOST_WORK = 100_000
"""Fields that are looked at in one document. A field under several types counts for each of them, on each way to it."""


@dataclass(frozen=True, slots=True)
class _Field:
    node: FieldNode
    parent: GraphQLNamedType | None
    type: GraphQLOutputType | None


_Sets: TypeAlias = tuple[tuple[SelectionSetNode, GraphQLNamedType | None], ...]


class FieldsCanBeMerged(ValidationRule):
    """As https://spec.graphql.org/September2025/#sec-Field-Selection-Merging has it."""

    def __init__(self, context: ValidationContext) -> None:
        super().__init__(context)
        self._left = MOST_WORK
        self._shaped: set[tuple[int, ...]] = set()
        self._compared: set[tuple[int, ...]] = set()
        self._arguments: dict[int, str] = {}
        # Each pair once: it may stand at the end of many ways.
        self._told: set[tuple[int, int]] = set()

    def enter_operation_definition(self, node: OperationDefinitionNode, *_: Any) -> None:
        root = self.context.schema.get_root_type(node.operation)
        sets: _Sets = ((node.selection_set, root),)
        self._check_fields(sets)
        self._check_shapes(sets)

    def _check_shapes(self, sets: _Sets) -> None:
        """Fields of one name have one shape, even where they can never meet: clients read both with one type."""
        if not _is_new(sets, self._shaped):
            return
        for name, fields in self._by_name(sets).items():
            # A field that does not exist is another rule's affair.
            typed = [field for field in fields if field.type is not None]
            for other in typed[1:]:
                first = typed[0]
                if first.type and other.type and not _same_shape(first.type, other.type):
                    self._refuse(name, first, other, f"they return conflicting types '{first.type}' and '{other.type}'")
            self._check_shapes(_below(fields))

    def _check_fields(self, sets: _Sets) -> None:
        """Fields of one name that can meet in one object are the same field with the same arguments."""
        if not _is_new(sets, self._compared):
            return
        for name, fields in self._by_name(sets).items():
            for meeting in _meeting(fields):
                self._left -= len(meeting)
                first = meeting[0]
                for other in meeting[1:]:
                    was, is_ = first.node.name.value, other.node.name.value
                    if was != is_:
                        self._refuse(name, first, other, f"'{was}' and '{is_}' are different fields")
                    elif self._printed(first.node) != self._printed(other.node):
                        self._refuse(name, first, other, "they have differing arguments")
                self._check_fields(_below(meeting))

    def _by_name(self, sets: _Sets) -> dict[str, list[_Field]]:
        found: dict[str, list[_Field]] = {}
        for field in self._selected(sets):
            alias = field.node.alias or field.node.name
            found.setdefault(alias.value, []).append(field)
        return found

    def _selected(self, sets: _Sets) -> Iterator[_Field]:
        spread: set[str] = set()
        # A stack of its own, because fragments may nest deeper than Python likes to call.
        waiting = [(iter(selections.selections), parent) for selections, parent in reversed(sets)]
        while waiting:
            selections, parent = waiting[-1]
            selection = next(selections, None)
            if selection is None:
                waiting.pop()
                continue
            self._left -= 1
            if self._left < 0:
                raise TooMuchToCompare
            match selection:
                case FieldNode():
                    yield _Field(selection, parent, self._type_of(selection, parent))
                case InlineFragmentNode():
                    on = selection.type_condition
                    inner = self.context.schema.get_type(on.name.value) if on is not None else parent
                    waiting.append((iter(selection.selection_set.selections), inner))
                case FragmentSpreadNode() if selection.name.value not in spread:
                    spread.add(selection.name.value)
                    fragment = self.context.get_fragment(selection.name.value)
                    if fragment is not None:
                        inner = self.context.schema.get_type(fragment.type_condition.name.value)
                        waiting.append((iter(fragment.selection_set.selections), inner))

    def _type_of(self, node: FieldNode, parent: GraphQLNamedType | None) -> GraphQLOutputType | None:
        if parent is None or not is_composite_type(parent):
            return None
        definition = self.context.schema.get_field(parent, node.name.value)
        return definition.type if definition is not None else None

    def _printed(self, node: FieldNode) -> str:
        known = self._arguments.get(id(node))
        if known is None:
            pairs = sorted((argument.name.value, _printed(argument.value)) for argument in node.arguments or ())
            known = self._arguments[id(node)] = repr(pairs)
        return known

    def _refuse(self, name: str, first: _Field, other: _Field, why: str) -> None:
        pair = (id(first.node), id(other.node))
        if pair in self._told:
            return
        self._told.add(pair)
        text = f"Fields '{name}' conflict because {why}. Use different aliases to fetch both."
        self.report_error(GraphQLError(text, nodes=[first.node, other.node]))


class TooMuchToCompare(Exception):
    """The fields of a document overlap in too many ways."""


def _is_new(sets: _Sets, known: set[tuple[int, ...]]) -> bool:
    """Whether these selections were not looked at together before; if so, they are known from now on."""
    key = tuple(sorted({id(selections) for selections, _ in sets}))
    if not key or key in known:
        return False
    known.add(key)
    return True


def _below(fields: Iterable[_Field]) -> _Sets:
    """What is selected in fields that become one, each selection once."""
    found: dict[int, tuple[SelectionSetNode, GraphQLNamedType | None]] = {}
    for field in fields:
        selections = field.node.selection_set
        if selections is not None:
            inner = get_named_type(field.type) if field.type is not None else None
            found.setdefault(id(selections), (selections, inner))
    return tuple(found.values())


def _meeting(fields: list[_Field]) -> Iterable[list[_Field]]:
    """Groups of fields that can belong to one object: those of one type, and with each those of any type."""
    by_type: dict[str, list[_Field]] = {}
    anywhere: list[_Field] = []
    for field in fields:
        if field.parent is not None and is_object_type(field.parent):
            by_type.setdefault(field.parent.name, []).append(field)
        else:
            anywhere.append(field)
    return [anywhere + own for own in by_type.values()] or [anywhere]


def _same_shape(first: GraphQLOutputType, other: GraphQLOutputType) -> bool:
    one: Any = first
    two: Any = other
    while True:
        for wraps in (is_non_null_type, is_list_type):
            if wraps(one) or wraps(two):
                if not (wraps(one) and wraps(two)):
                    return False
                one, two = one.of_type, two.of_type
                break
        else:
            return bool(one is two or not (is_leaf_type(one) or is_leaf_type(two)))


def _printed(value: ValueNode) -> str:
    """The value as text, equal for values that mean the same: the order of an object's keys does not count."""
    match value:
        case ObjectValueNode():
            pairs = sorted((field.name.value, _printed(field.value)) for field in value.fields)
            return "{" + ",".join(f"{name}:{text}" for name, text in pairs) + "}"
        case ListValueNode():
            return "[" + ",".join(map(_printed, value.values)) + "]"
        case StringValueNode():
            return repr(value.value)
        case _:
            return print_ast(value)
