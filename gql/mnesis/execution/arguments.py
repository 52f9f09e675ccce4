"""The arguments of a field, as far as a document decides them."""

from collections.abc import Callable
from contextlib import suppress
from typing import Any

from graphql import (
    GraphQLArgument,
    GraphQLInputType,
    ObjectValueNode,
    Undefined,
    ValueNode,
    VariableNode,
    get_named_type,
    is_enum_type,
    is_input_object_type,
    is_list_type,
    is_non_null_type,
    is_required_argument,
)
from graphql.execution.values import get_argument_values
from graphql.language import ListValueNode
from graphql.type import is_specified_scalar_type
from graphql.utilities.coerce_input_value import coerce_default_value, coerce_input_literal

from mnesis.execution.running import Run, Site
from mnesis.execution.source import Source
from mnesis.execution.variables import is_unchanging

MISSING = object()
"""Stands for an argument that is not given and has no default."""


def all_arguments(run: Run, site: Site) -> dict[str, Any]:
    """All arguments, as graphql-core works them out. Raises its error where that cannot be done."""
    if not site.field.args and not site.nodes[0].arguments:
        return {}
    return get_argument_values(site.field, site.nodes[0], run.values, None, site.operation.hide_suggestions)


def wrong_arguments(run: Run, site: Site) -> None:
    """To be called where graphql-core would refuse an argument: raises its error."""
    all_arguments(run, site)
    raise RuntimeError("graphql-core takes what was refused here.")


class Argument:
    """Where the value of one argument of one field comes from."""

    def __init__(self, site: Site, name: str, definition: GraphQLArgument) -> None:
        self._kind = definition.type
        self._definition = definition
        self._required = is_required_argument(definition)
        node = next((each for each in site.nodes[0].arguments or () if each.name.value == name), None)
        self._node: ValueNode | None = node.value if node is not None else None

    @property
    def constant(self) -> Any:
        """The value, if it is the same for every request and nobody could change it for others; else `MISSING`.

        `Undefined` where there never is one.
        """
        if self._node is None:
            default = self._default()
            return default if default is Undefined or is_unchanging(default) else MISSING
        if isinstance(self._node, VariableNode) or not _is_constant(self._node, self._kind):
            return MISSING
        value: Any = Undefined
        # What an input's own check raises is raised where the field is executed.
        with suppress(Exception):
            value = coerce_input_literal(self._node, self._kind)
        return MISSING if value is Undefined else value

    @property
    def may_be_missing(self) -> bool:
        """Whether a request may leave the resolver without this argument, which has no constant value."""
        if self._node is not None and not isinstance(self._node, VariableNode):
            return False
        return not self._required and self._default() is Undefined

    def write(self, source: Source, depth: int, to: str, site: Site) -> None:
        """Lines that put the value, or `MISSING`, into the variable ``to``; of the run they use ``run``."""
        wrong = f"{source.name(wrong_arguments)}(run, {source.name(site)})"
        missing = source.name(MISSING)
        if self._node is None:
            source.line(depth, wrong if self._required else f"{to} = {self._written_default(source)}")
        elif isinstance(self._node, VariableNode):
            source.line(depth, f"{to} = run.coerced.get({source.name(self._node.name.value)}, {missing})")
            source.line(depth, f"if {to} is {missing}:")
            source.line(depth + 1, wrong if self._required else f"{to} = {self._written_default(source)}")
            if is_non_null_type(self._kind):
                source.line(depth, f"elif {to} is None:")
                source.line(depth + 1, wrong)
        else:
            source.line(depth, f"{to} = {source.name(self._literal(self._node))}(run)")
            source.line(depth, f"if {to} is {source.name(Undefined)}:")
            source.line(depth + 1, wrong)

    def _default(self) -> Any:
        return Undefined if self._required else coerce_default_value(self._definition)

    def _written_default(self, source: Source) -> str:
        default = self._default()
        if default is Undefined:
            return source.name(MISSING)
        if is_unchanging(default):
            return source.name(default)
        # graphql-core gives it to every request, and so may have it changed.
        return f"{source.name(coerce_default_value)}({source.name(self._definition)})"

    def _literal(self, node: ValueNode) -> Callable[[Run], Any]:
        kind = self._kind

        def read(run: Run) -> Any:
            return coerce_input_literal(node, kind, run.values)

        return read


def _is_constant(node: ValueNode, kind: GraphQLInputType) -> bool:
    """Whether the literal holds no variable, and no value of a type that makes what it likes of it."""
    return not _has_variable(node) and _is_known(kind, set())


def _has_variable(node: ValueNode) -> bool:
    match node:
        case VariableNode():
            return True
        case ListValueNode():
            return any(map(_has_variable, node.values))
        case ObjectValueNode():
            return any(_has_variable(field.value) for field in node.fields)
        case _:
            return False


def _is_known(kind: Any, seen: set[str]) -> bool:
    named = get_named_type(kind)
    if is_input_object_type(named):
        if named.name in seen:
            return True
        seen.add(named.name)
        return all(_is_known(field.type, seen) for field in named.fields.values())
    # A list is made of its items once, and then copied for each request.
    return is_enum_type(named) or is_specified_scalar_type(named) or is_list_type(named)
