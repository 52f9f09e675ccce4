"""What one execution of an operation keeps: who asks for what, and what has gone wrong so far.

A path is ``None`` at the root, else ``(path of the parent, key, name of the parent's type)``: what graphql-core's
`Path` holds, without the cost of making one for every field.
"""

from typing import Any, TypeAlias

from graphql import (
    FieldNode,
    FragmentDefinitionNode,
    GraphQLError,
    GraphQLField,
    GraphQLObjectType,
    GraphQLSchema,
    OperationDefinitionNode,
    is_non_null_type,
    located_error,
)
from graphql.execution.values import VariableValues, get_variable_values
from graphql.pyutils import Path as CorePath
from graphql.type import GraphQLResolveInfoHelpers
from strawberry.execution import optimized_is_awaitable
from strawberry.schema.schema import _OperationContextAwareGraphQLResolveInfo as RawInfo

from mnesis.execution.awaiting import gather, settle

Path: TypeAlias = tuple[Any, str | int, str | None] | None

_HELPERS = GraphQLResolveInfoHelpers(gather=gather, track=settle)


class Operation:
    """What does not change from one execution of an operation to the next."""

    __slots__ = ("fragments", "hide_suggestions", "node", "schema")

    def __init__(
        self,
        schema: GraphQLSchema,
        node: OperationDefinitionNode,
        fragments: dict[str, FragmentDefinitionNode],
        *,
        hide_suggestions: bool,
    ) -> None:
        self.schema = schema
        self.node = node
        self.fragments = fragments
        self.hide_suggestions = hide_suggestions


class Site:
    """A place in the operation where a field is selected: all its nodes are merged into one."""

    __slots__ = ("complete", "field", "key", "name", "nodes", "non_null", "operation", "parent", "parent_name")

    # How a value becomes a part of the response: of the run, the value and its path makes that part or an awaitable.
    complete: Any

    def __init__(
        self, operation: Operation, parent: GraphQLObjectType, key: str, nodes: list[FieldNode], field: GraphQLField
    ) -> None:
        self.operation = operation
        self.parent = parent
        self.parent_name = parent.name
        self.key = key
        self.nodes = nodes
        self.name = nodes[0].name.value
        self.field = field
        self.non_null = is_non_null_type(field.type)


class Run:
    """One execution."""

    __slots__ = ("_nulled", "_values", "coerced", "context", "errors", "extensions", "given", "operation", "root")

    def __init__(
        self, operation: Operation, given: dict[str, Any], coerced: dict[str, Any], context: object, root: object
    ) -> None:
        self.operation = operation
        self.given = given
        self.coerced = coerced
        self.context = context
        self.root = root
        self.errors: list[GraphQLError] = []
        self._nulled: set[Path] | None = None
        self._values: VariableValues | None = None

    @property
    def values(self) -> VariableValues:
        """The variables as graphql-core's own functions want them."""
        if self._values is None:
            operation = self.operation
            values = get_variable_values(operation.schema, operation.node.variable_definitions or (), self.given)
            # They have been coerced before, so there is no error among them.
            self._values = values if isinstance(values, VariableValues) else VariableValues({}, self.coerced)
        return self._values

    def add(self, error: GraphQLError, path: Path) -> None:
        """Keeps an error that makes null of what is at the path, unless that is null already."""
        if self._nulled is None:
            self._nulled = set()
        above = path
        while above is not None:
            if above in self._nulled:
                return
            above = above[0]
        if None in self._nulled:
            return
        self._nulled.add(path)
        self.errors.append(error)

    def part(self) -> "Run":
        """For a part of the same execution that keeps its errors apart until `join`, while others run."""
        part = Run(self.operation, self.given, self.coerced, self.context, self.root)
        part._values = self._values
        return part

    def join(self, part: "Run") -> None:
        """Takes over the errors of a part, all of whose errors are below nothing that has one here."""
        self.errors += part.errors

    def info(self, site: Site, path: Path) -> Any:
        """What resolvers, and functions that tell types, are given of the execution."""
        operation = self.operation
        # A named tuple's own constructor is a function in Python, which costs as much as the rest of this.
        return tuple.__new__(
            RawInfo,
            (
                site.name,
                site.nodes,
                site.field.type,
                site.parent,
                core_path(path),
                operation.schema,
                operation.fragments,
                self.root,
                operation.node,
                self.coerced,
                self.context,
                optimized_is_awaitable,
                None,
                _HELPERS,
                None,
            ),
        )


def fail(run: Run, error: Exception, site: Site, above: Path) -> None:
    """Puts null in place of a field that failed, or fails what it is a field of. Raises `GraphQLError`."""
    refuse(run, error, site, (above, site.key, site.parent_name), non_null=site.non_null)


def refuse(run: Run, error: Exception, site: Site, path: Path, *, non_null: bool) -> None:
    """The same for any value of a field. Raises `GraphQLError`."""
    located = located_error(error, site.nodes, path_list(path))
    if non_null:
        raise located
    run.add(located, path)


def core_path(path: Path) -> CorePath | None:
    """The path as graphql-core has it."""
    if path is None:
        return None
    above, key, name = path
    return tuple.__new__(CorePath, (above and core_path(above), key, name))


def path_list(path: Path) -> list[str | int]:
    """The path from the root, as responses have it."""
    keys: list[str | int] = []
    while path is not None:
        path, key, _ = path
        keys.append(key)
    keys.reverse()
    return keys
