"""What the answer to an operation may cost: counted before it is executed, from its document and its variables.

The cost is the number of fields that the answer may hold, each list taken for as long as it may get: a page for as
long as ``first`` or ``last`` allows, the results of a mutation for as long as the list in its input is, and any other
list of objects for as long as such a list usually is. What asks the database anew, ranks or writes counts higher.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, TypeAlias
from weakref import finalize

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLField,
    GraphQLInputType,
    GraphQLNamedType,
    GraphQLSchema,
    InlineFragmentNode,
    IntValueNode,
    OperationDefinitionNode,
    OperationType,
    SelectionSetNode,
    ValueNode,
    VariableNode,
    get_named_type,
    get_nullable_type,
    is_composite_type,
    is_input_object_type,
    is_list_type,
)
from graphql.language import ListValueNode, ObjectValueNode

from mnesis.graph.paging import DEFAULT_PAGE

ROOT = 10
"""Of a field at the root, and for every command of a mutation: it asks the database, or writes to it."""
SEARCH = 1_000
"""Of a search, which ranks more memories than it answers with."""
TOTAL = 10
"""Of a total that is counted."""
USUAL_LENGTH = 5
"""Of a list of objects of which nothing is known, such as the messages of a memory."""

MOST_DIGITS = 12
"""Of a number in a document as far as it is read here: more than any page may have."""

_SIZES = ("first", "last")
_WEIGHTS = {"searchMemories": SEARCH, "totalCount": TOTAL}
_ERRORS = "UserError"

_Variables: TypeAlias = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class _Page:
    """How long a page may get: what the arguments say, each a number or the name of a variable."""

    asked: tuple[int | str, ...]
    most: int

    @property
    def fixed(self) -> int | None:
        """The length where no variable can change it."""
        return self.length({}) if not self.asked or isinstance(self.asked[0], int) else None

    def length(self, variables: _Variables) -> int:
        for asked in self.asked:
            value = variables.get(asked) if isinstance(asked, str) else asked
            # A number with a point and nothing behind it is an integer to GraphQL; it may also be infinite.
            if isinstance(value, int | float):
                # More than the most is refused, and told so by the field itself.
                return int(min(max(value, 0), self.most))
        return min(DEFAULT_PAGE, self.most)


@dataclass(frozen=True, slots=True)
class _Input:
    """How long the lists are that an argument holds: at its top, and in all."""

    given: ValueNode
    type: GraphQLInputType

    @property
    def holds_commands(self) -> bool:
        """Whether there may be any, whatever is given."""
        within = _within(self.type)
        return within.is_list or any(_within(inner).is_list for _, inner in within.fields)

    def commands(self, variables: _Variables) -> int:
        value, within = _value(self.given, variables), _within(self.type)
        if within.is_list:
            return _length_of(value)
        length = 0
        if isinstance(value, dict):
            for name, inner in within.fields:
                if name in value and _within(inner).is_list:
                    length += _length_of(value[name])
        return length

    def members(self, variables: _Variables) -> int:
        return _members(_value(self.given, variables), self.type)


@dataclass(frozen=True, slots=True)
class _Results:
    """How long the results of a mutation may get."""

    inputs: tuple[_Input, ...]

    @property
    def fixed(self) -> int | None:
        return None if any(given.holds_commands for given in self.inputs) else 0

    def length(self, variables: _Variables) -> int:
        return sum(given.commands(variables) for given in self.inputs)


@dataclass(frozen=True, slots=True)
class _Usual:
    """A list of objects of which nothing is known."""

    fixed: int | None = USUAL_LENGTH

    def length(self, variables: _Variables) -> int:
        return USUAL_LENGTH


_Length: TypeAlias = _Page | _Results | _Usual
_USUAL = _Usual()


@dataclass(frozen=True, slots=True)
class _Sum:
    """A number, and what depends on variables: lists that are given, and sums that are multiplied."""

    fixed: int
    inputs: tuple[_Input, ...] = ()
    commands: tuple[_Results, ...] = ()
    parts: tuple[tuple[_Length | None, "_Sum"], ...] = ()

    @property
    def is_fixed(self) -> bool:
        return not (self.inputs or self.commands or self.parts)

    def folded(self, known: "dict[int, _Sum]") -> "_Sum":
        """The same with everything added up that no variable can change. ``known`` are parts that have been folded, by
        their ids, because a fragment stands in as many places as it is spread in."""
        fixed = self.fixed
        parts: list[tuple[_Length | None, _Sum]] = []
        for length, part in self.parts:
            if id(part) not in known:
                known[id(part)] = part.folded(known)
            times, folded = length.fixed if length is not None else 1, known[id(part)]
            if times is not None and folded.is_fixed:
                fixed += times * folded.fixed
            else:
                parts.append((length, folded))
        commands = tuple(results for results in self.commands if results.fixed is None)
        return _Sum(fixed, self.inputs, commands, tuple(parts))

    def of(self, variables: _Variables) -> int:
        cost = self.fixed
        for given in self.inputs:
            cost += given.members(variables)
        for results in self.commands:
            cost += ROOT * results.length(variables)
        for length, part in self.parts:
            cost += part.of(variables) * (length.length(variables) if length is not None else 1)
        return cost


class Cost:
    """What an operation costs, whatever its variables."""

    def __init__(self, reckoned: _Sum, defaults: dict[str, Any]) -> None:
        self._reckoned = reckoned.folded({})
        self._defaults = defaults
        self.fixed = self._reckoned.fixed if self._reckoned.is_fixed else None
        """The cost where no variable can change it."""

    def of(self, variables: _Variables) -> int:
        """The cost with these variables, which need not have been checked."""
        return self._reckoned.of({**self._defaults, **variables} if self._defaults else variables)


class Costs:
    """Tells what operations cost that are valid for a schema, and remembers it for as long as they live."""

    def __init__(self, schema: GraphQLSchema, *, page_nodes: int) -> None:
        self._schema = schema
        self._page_nodes = page_nodes
        self._introspected = _average_lengths(schema)
        # By identity, because to compare two documents takes as long as they are.
        self._known: dict[int, Cost] = {}

    def of(self, document: DocumentNode, operation: OperationDefinitionNode) -> Cost:
        """What the operation of a valid document costs."""
        key = id(operation)
        cost = self._known.get(key)
        if cost is None:
            cost = self._known[key] = self._reckoned(document, operation)
            finalize(operation, self._known.pop, key, None)
        return cost

    def _reckoned(self, document: DocumentNode, operation: OperationDefinitionNode) -> Cost:
        root = self._schema.get_root_type(operation.operation)
        assert root is not None  # The document is valid.
        writes = operation.operation is OperationType.MUTATION
        reckoning = _Reckoning(self._schema, document, self._page_nodes, self._introspected)
        defaults = {
            definition.variable.name.value: _value(definition.default_value, {})
            for definition in operation.variable_definitions or ()
            if definition.default_value is not None
        }
        return Cost(reckoning.of(operation.selection_set, root, None, ROOT, writes=writes), defaults)


class _Reckoning:
    """Adds up one operation."""

    def __init__(
        self, schema: GraphQLSchema, document: DocumentNode, page_nodes: int, introspected: Mapping[str, int]
    ) -> None:
        self._schema = schema
        self._page_nodes = page_nodes
        self._introspected = introspected
        self._fragments = {
            definition.name.value: definition
            for definition in document.definitions
            if isinstance(definition, FragmentDefinitionNode)
        }
        # What a fragment costs depends on where it is spread only in how long the lists in it are.
        self._known: dict[tuple[str, _Length | None, int, bool], _Sum] = {}

    def of(
        self,
        selections: SelectionSetNode,
        parent: GraphQLNamedType,
        length: _Length | None,
        weight: int,
        *,
        writes: bool,
    ) -> _Sum:
        """What is selected in one object; ``length`` is that of the lists in it, ``weight`` that of each field."""
        fixed = 0
        parts: list[tuple[_Length | None, _Sum]] = []
        for selection in selections.selections:
            match selection:
                case FieldNode():
                    times: _Length | None
                    times, cost = self._field(selection, parent, length, weight, writes=writes)
                case InlineFragmentNode():
                    condition = selection.type_condition
                    inner = self._schema.get_type(condition.name.value) if condition is not None else parent
                    assert inner is not None  # The document is valid.
                    times, cost = None, self.of(selection.selection_set, inner, length, weight, writes=writes)
                case FragmentSpreadNode():
                    times, cost = None, self._fragment(selection.name.value, length, weight, writes=writes)
                case _:
                    continue
            if times is None and cost.is_fixed:
                fixed += cost.fixed
            else:
                parts.append((times, cost))
        return _Sum(fixed, parts=tuple(parts))

    def _fragment(self, name: str, length: _Length | None, weight: int, *, writes: bool) -> _Sum:
        key = (name, length, weight, writes)
        if key not in self._known:
            fragment = self._fragments[name]
            on = self._schema.get_type(fragment.type_condition.name.value)
            assert on is not None  # The document is valid.
            self._known[key] = self.of(fragment.selection_set, on, length, weight, writes=writes)
        return self._known[key]

    def _field(
        self, node: FieldNode, parent: GraphQLNamedType, length: _Length | None, weight: int, *, writes: bool
    ) -> tuple[_Length | None, _Sum]:
        """How often the field stands in the answer for each of its parents, and what it costs each time."""
        name = node.name.value
        field = self._schema.get_field(parent, name)  # type: ignore[arg-type]  # Only composite types have selections.
        assert field is not None  # The document is valid.
        if name.startswith("__"):
            weight = 1
        own = max(weight, _WEIGHTS.get(name, 1))
        inner = get_named_type(field.type)
        inputs = self._inputs(node, field)
        results = (_Results(inputs),) if writes and inputs else ()
        if node.selection_set is None or not is_composite_type(inner):
            return None, _Sum(own, inputs=inputs, commands=results)
        times = None
        if is_list_type(get_nullable_type(field.type)):
            times = self._length(name, inner, length)
        nested = ROOT if inner is self._schema.query_type else 1
        below = self.of(node.selection_set, inner, self._below(node, field, results), nested, writes=False)
        if name == "ofType":
            # Clients ask for it many times in one another, and about every second type has one.
            below = _Sum(below.fixed // 2, parts=below.parts)
        return times, _Sum(own + below.fixed, inputs=inputs, commands=results, parts=below.parts)

    def _length(self, name: str, inner: GraphQLNamedType, length: _Length | None) -> _Length | None:
        if inner.name.startswith("__"):
            return _Page((self._introspected.get(name, 1),), self._introspected.get(name, 1))
        # What went wrong stands in place of what would be told of it.
        return None if inner.name == _ERRORS else length or _USUAL

    def _below(self, node: FieldNode, field: GraphQLField, results: tuple[_Results, ...]) -> _Length | None:
        """How long the lists are directly in a field's object."""
        if results:
            return results[0]
        if not any(name in field.args for name in _SIZES):
            return None
        given = {argument.name.value: argument.value for argument in node.arguments or ()}
        asked: list[int | str] = []
        for name in _SIZES:
            if name not in field.args:
                continue
            match given.get(name):
                case IntValueNode() as number:
                    asked.append(int(number.value[:MOST_DIGITS]))
                case VariableNode() as variable:
                    asked.append(variable.name.value)
            if isinstance(default := field.args[name].default_value, int):
                asked.append(default)
        return _Page(tuple(asked), self._page_nodes)

    def _inputs(self, node: FieldNode, field: GraphQLField) -> tuple[_Input, ...]:
        return tuple(
            _Input(argument.value, argument_type)
            for argument in node.arguments or ()
            if _holds_lists(argument_type := field.args[argument.name.value].type)
        )


def _value(node: ValueNode, variables: _Variables) -> object:
    """The lists and objects of a value, with what variables hold in their places. Other values do not matter."""
    match node:
        case VariableNode():
            return variables.get(node.name.value)
        case ListValueNode():
            return [_value(member, variables) for member in node.values]
        case ObjectValueNode():
            return {field.name.value: _value(field.value, variables) for field in node.fields}
        case IntValueNode():
            # A number may have more digits than Python reads at once; no page is that long.
            return int(node.value[:MOST_DIGITS])
        case _:
            return None


def _holds_lists(input_type: GraphQLInputType) -> bool:
    return is_list_type(get_nullable_type(input_type)) or is_input_object_type(get_named_type(input_type))


@dataclass(frozen=True, slots=True)
class _Within:
    """Where the lists are in the values of a type: the type of its items, or of its fields, that hold some."""

    is_list: bool = False
    item: GraphQLInputType | None = None
    fields: tuple[tuple[str, GraphQLInputType], ...] = ()


_NOTHING = _Within()


@cache
def _within(input_type: GraphQLInputType) -> _Within:
    """Remembered, because graphql-core takes its time to tell types apart, and every request with an input asks."""
    kind = get_nullable_type(input_type)
    if is_list_type(kind):
        return _Within(is_list=True, item=kind.of_type if _holds_lists(kind.of_type) else None)
    if is_input_object_type(kind):
        held = tuple((name, field.type) for name, field in kind.fields.items() if _holds_lists(field.type))
        return _Within(fields=held)
    return _NOTHING


def _length_of(value: object) -> int:
    """How long a list is; what is given in the place of a list is taken for its only member."""
    return len(value) if isinstance(value, list) else int(value is not None)


def _members(value: object, input_type: GraphQLInputType) -> int:
    """How many members the lists in a value have, as far as its type has lists. Never deeper than the value."""
    found = 0
    waiting: list[tuple[object, GraphQLInputType]] = [(value, input_type)]
    while waiting:
        held, held_type = waiting.pop()
        within = _within(held_type)
        if within.is_list:
            if isinstance(held, list):
                found += len(held)
                item = within.item
                if item is not None:
                    waiting.extend([(member, item) for member in held])
        elif within.fields and isinstance(held, dict):
            for name, inner in within.fields:
                if name in held:
                    waiting.append((held[name], inner))
    return found


def _average_lengths(schema: GraphQLSchema) -> dict[str, int]:
    """How long the lists of introspection are on average, rounded up."""
    types = list(schema.type_map.values())
    fields = [
        field for each in types if not is_input_object_type(each) for field in getattr(each, "fields", {}).values()
    ]

    def shared(number: int, among: int) -> int:
        return -(-number // max(1, among))

    return {
        "types": len(types),
        "fields": shared(len(fields), len(types)),
        "args": shared(sum(len(field.args) for field in fields), len(fields)),
        "inputFields": shared(sum(len(each.fields) for each in types if is_input_object_type(each)), len(types)),
        "enumValues": shared(sum(len(getattr(each, "values", ())) for each in types), len(types)),
        "directives": len(schema.directives),
    }
