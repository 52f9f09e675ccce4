"""Makes parts of the response of what resolvers return, as the type of the field has it."""

from collections.abc import Callable, Iterable
from types import SimpleNamespace
from typing import Any, TypeAlias, cast

from graphql import (
    FieldNode,
    GraphQLAbstractType,
    GraphQLLeafType,
    GraphQLObjectType,
    GraphQLOutputType,
    Undefined,
    default_type_resolver,
    is_abstract_type,
    is_leaf_type,
    is_list_type,
    is_non_null_type,
)
from graphql.execution import Executor
from graphql.execution.collect_fields import FieldDetails
from graphql.execution.executor import invalid_return_type_error
from strawberry.execution import optimized_is_awaitable
from strawberry.types.cast import TYPE_CAST_ATTRIBUTE

from mnesis.execution import strawberry_types
from mnesis.execution.lists import Items, nothing
from mnesis.execution.running import Path, Run, Site

Complete: TypeAlias = Callable[[Run, Any, Path], Any]
"""Of a value and its path: the part of the response, or an awaitable of it. Raises what was wrong."""

Select: TypeAlias = Callable[[GraphQLObjectType], Any]
"""The `Selection` that is made on an object of this type."""

_MOST_CLASSES = 1_000


def completer(site: Site, kind: GraphQLOutputType, select: Select) -> Complete:
    """How a value of this type is completed."""
    if is_non_null_type(kind):
        message = f"Cannot return null for non-nullable field {site.parent_name}.{site.name}."
        return _nullable(site, kind.of_type, select, message)
    return _nullable(site, kind, select, None)


def _nullable(site: Site, kind: Any, select: Select, null: str | None) -> Complete:
    """The same for the type within; ``null`` is what is wrong with null, if that is wrong."""
    if is_list_type(kind):
        item = kind.of_type
        return Items(site, completer(site, item, select), non_null=is_non_null_type(item), null=null).complete
    if is_leaf_type(kind):
        return _leaf(kind, null)
    if is_abstract_type(kind):
        return _abstract(site, kind, select, null)
    return _object(site, cast(GraphQLObjectType, kind), select, null)


def _leaf(kind: GraphQLLeafType, null: str | None) -> Complete:
    def complete(_: Run, value: Any, __: Path) -> Any:
        if value is None or value is Undefined or isinstance(value, Exception):
            return nothing(value, null)
        return Executor.complete_leaf_value(kind, value)

    return complete


def _object(site: Site, kind: GraphQLObjectType, select: Select, null: str | None) -> Complete:
    selection = select(kind)
    if kind.is_type_of is None:

        def complete(run: Run, value: Any, path: Path) -> Any:
            if value is None or value is Undefined or isinstance(value, Exception):
                return nothing(value, null)
            return selection.execute(run, value, path)

        return complete

    known: set[type] = set()
    by_class = strawberry_types.tells_by_class(kind)

    def complete_checked(run: Run, value: Any, path: Path) -> Any:
        if type(value) in known and getattr(value, TYPE_CAST_ATTRIBUTE, None) is None:
            return selection.execute(run, value, path)
        if value is None or value is Undefined or isinstance(value, Exception):
            return nothing(value, null)
        checked = _checked(run, site, kind, value, path, selection)
        if by_class and getattr(value, TYPE_CAST_ATTRIBUTE, None) is None and len(known) < _MOST_CLASSES:
            known.add(type(value))
        return checked

    return complete_checked


def _checked(run: Run, site: Site, kind: GraphQLObjectType, value: Any, path: Path, selection: Any) -> Any:
    """Selects after the type itself has been asked whether the value is one of it, as graphql-core asks."""
    if kind.is_type_of is not None:
        is_one = kind.is_type_of(value, run.info(site, _field_path(path)))
        if optimized_is_awaitable(is_one):
            return _checked_later(run, site, kind, value, path, selection, is_one)
        if not is_one:
            raise invalid_return_type_error(kind, value, _details(site.nodes))
    return selection.execute(run, value, path)


async def _checked_later(
    run: Run, site: Site, kind: GraphQLObjectType, value: Any, path: Path, selection: Any, is_one: Any
) -> Any:
    if not await is_one:
        raise invalid_return_type_error(kind, value, _details(site.nodes))
    completed = selection.execute(run, value, path)
    return await completed if optimized_is_awaitable(completed) else completed


def _abstract(site: Site, kind: GraphQLAbstractType, select: Select, null: str | None) -> Complete:
    known: dict[type, Any] = {}
    schema = site.operation.schema
    resolve_type = kind.resolve_type or default_type_resolver
    # All of it that graphql-core's own check of the name looks at.
    executor = cast("Executor[Any]", SimpleNamespace(schema=schema))

    def named(run: Run, name: Any, value: Any, info: Any) -> GraphQLObjectType:
        return Executor.ensure_valid_runtime_type(executor, name, kind, _details(site.nodes), info, value)

    def complete(run: Run, value: Any, path: Path) -> Any:
        selection = known.get(type(value))
        if selection is not None and getattr(value, TYPE_CAST_ATTRIBUTE, None) is None:
            return selection.execute(run, value, path)
        if value is None or value is Undefined or isinstance(value, Exception):
            return nothing(value, null)
        info = run.info(site, _field_path(path))
        name = resolve_type(value, info, kind)
        if optimized_is_awaitable(name):
            return later(run, name, value, path, info)
        concrete = named(run, name, value, info)
        selection = select(concrete)
        checked = _checked(run, site, concrete, value, path, selection)
        if strawberry_types.resolves_by_class(kind, concrete, value) and len(known) < _MOST_CLASSES:
            known[type(value)] = selection
        return checked

    async def later(run: Run, name: Any, value: Any, path: Path, info: Any) -> Any:
        concrete = named(run, await name, value, info)
        completed = _checked(run, site, concrete, value, path, select(concrete))
        return await completed if optimized_is_awaitable(completed) else completed

    return complete


def _field_path(path: Path) -> Path:
    """The path of the field that a value is of: that of an item without its index."""
    while path is not None and isinstance(path[1], int):
        path = path[0]
    return path


def _details(nodes: Iterable[FieldNode]) -> list[FieldDetails]:
    return [FieldDetails(node, None) for node in nodes]
