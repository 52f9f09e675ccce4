"""Selection sets, each compiled when the first object arrives on which it is made.

So a document costs no more to compile than what of it is reached, however often its fragments multiply.
"""

from collections.abc import Callable, Mapping
from typing import Any

from graphql import FieldNode, GraphQLObjectType, get_nullable_type, is_leaf_type, is_list_type
from graphql.execution.collect_fields import FieldDetails, FragmentDetails, collect_fields, collect_subfields
from graphql.execution.values import VariableValues

from mnesis.execution.awaiting import PLAIN, filled, is_awaitable, settle
from mnesis.execution.completing import completer
from mnesis.execution.fields import put, put_awaitable
from mnesis.execution.leaves import write_leaf
from mnesis.execution.resolving import Resolving
from mnesis.execution.running import Operation, Path, Run, Site, fail
from mnesis.execution.source import Source

MOST_SELECTIONS = 2_000

Grouped = Mapping[str, list[FieldDetails]]


class Selection:
    """What is selected on objects of one type at one place."""

    __slots__ = ("_compiled", "execute")

    # Of a run, an object and its path: the object of the response, or an awaitable of it. Raises located errors.
    execute: Callable[[Run, Any, Path], Any]

    def __init__(self, compiled: Callable[[], Callable[[Run, Any, Path], Any]]) -> None:
        self._compiled = compiled
        self.execute = self._first

    def _first(self, run: Run, source: Any, path: Path) -> Any:
        self.execute = self._compiled()
        return self.execute(run, source, path)


class Selections:
    """All selections of one operation, for one choice of what `@skip` and `@include` take out."""

    def __init__(
        self,
        operation: Operation,
        fragments: dict[str, FragmentDetails],
        resolving: Resolving,
        switches: dict[str, Any],
    ) -> None:
        self._operation = operation
        self._fragments = fragments
        self._resolving = resolving
        # Nothing but the directives is looked up in these while fields are collected.
        self._switches = VariableValues({}, switches)
        self._known: dict[tuple[str, tuple[int, ...]], Selection] = {}

    @property
    def is_too_large(self) -> bool:
        """Whether more has been compiled than is worth keeping."""
        return len(self._known) > MOST_SELECTIONS

    def root_fields(self, kind: GraphQLObjectType) -> Grouped:
        """What is selected at the root, by the keys of the response."""
        return collect_fields(
            self._operation.schema,
            self._fragments,
            self._switches,
            kind,
            self._operation.node,
            self._operation.hide_suggestions,
        ).grouped_field_set

    def compiled(self, kind: GraphQLObjectType, grouped: Grouped) -> Callable[[Run, Any, Path], Any]:
        """A function that makes the object of the response for an object of this type."""
        source = Source()
        source.line(1, "o = {}")
        source.line(1, "w = None")
        source.line(1, "try:")
        for key, details in grouped.items():
            self._write_field(source, 2, kind, key, [each.node for each in details])
        source.line(2, "pass")
        source.line(1, "except Exception:")
        source.line(2, "if w is not None:")
        source.line(3, f"{source.name(settle)}([o[key] for key in w])")
        source.line(2, "raise")
        source.line(1, f"return o if w is None else {source.name(filled)}(o, w)")
        return source.function("select", "run, s, above")

    def compiled_root(self, kind: GraphQLObjectType, grouped: Grouped) -> Callable[[Run, Any, Path], Any]:
        """The same for the root, where a field that is alone is awaited in place: there is nothing to come before."""
        if len(grouped) == 1:
            [(key, details)] = grouped.items()
            alone = self._compiled_alone(kind, key, [each.node for each in details])
            if alone is not None:
                return alone
        return self.compiled(kind, grouped)

    def _compiled_alone(
        self, kind: GraphQLObjectType, key: str, nodes: list[FieldNode]
    ) -> Callable[[Run, Any, Path], Any] | None:
        site = self._site(kind, key, nodes)
        if site is None:
            return None
        source = Source()
        source.line(1, "try:")
        if not self._resolving.write(source, 2, site):
            return None
        named, response_key = source.name(site), source.name(key)
        path = source.name((None, key, site.parent_name))
        source.line(2, f"v = {source.name(site.complete)}(run, await v, {path})")
        source.line(2, f"if type(v) not in {source.name(PLAIN)} and {source.name(is_awaitable)}(v):")
        source.line(3, "v = await v")
        source.line(1, "except Exception as error:")
        source.line(2, f"v = {source.name(fail)}(run, error, {named}, above)")
        source.line(1, f"return {{{response_key}: v}}")
        return source.function("select", "run, s, above", is_async=True)

    def _site(self, kind: GraphQLObjectType, key: str, nodes: list[FieldNode]) -> Site | None:
        field = self._operation.schema.get_field(kind, nodes[0].name.value)
        if field is None:
            return None
        site = Site(self._operation, kind, key, nodes, field)
        site.complete = completer(site, field.type, lambda concrete: self._selection(concrete, nodes))
        return site

    def _write_field(
        self, source: Source, depth: int, kind: GraphQLObjectType, key: str, nodes: list[FieldNode]
    ) -> None:
        name = nodes[0].name.value
        response_key = source.name(key)
        if name == "__typename":
            source.line(depth, f"o[{response_key}] = {source.name(kind.name)}")
            return
        site = self._site(kind, key, nodes)
        if site is None:
            # graphql-core leaves out what validation would have refused.
            return
        named = source.name(site)
        source.line(depth, "try:")
        is_awaitable = self._resolving.write(source, depth + 1, site)
        finish = f"w = {source.name(put_awaitable if is_awaitable else put)}(run, v, {named}, above, o, w)"
        nullable = get_nullable_type(site.field.type)
        if is_leaf_type(nullable) and not is_awaitable:
            write_leaf(source, depth + 1, nullable, response_key, non_null=site.non_null)
            source.line(depth + 2, finish)
        elif is_list_type(nullable) and not is_awaitable:
            source.line(depth + 1, f"if type(v) is {source.name(list)} and not v:")
            source.line(depth + 2, f"o[{response_key}] = []")
            source.line(depth + 1, "else:")
            source.line(depth + 2, finish)
        else:
            source.line(depth + 1, finish)
        source.line(depth, "except Exception as error:")
        source.line(depth + 1, f"o[{response_key}] = {source.name(fail)}(run, error, {named}, above)")

    def _selection(self, kind: GraphQLObjectType, nodes: list[FieldNode]) -> Selection:
        # Nodes live as long as the document, so that no id comes to mean another one.
        key = (kind.name, tuple(map(id, nodes)))
        known = self._known.get(key)
        if known is None:
            known = self._known[key] = Selection(lambda: self.compiled(kind, self.sub_fields(kind, nodes)))
        return known

    def sub_fields(self, kind: GraphQLObjectType, nodes: list[FieldNode]) -> Grouped:
        """What is selected on objects of this type below these fields, which are merged."""
        return collect_subfields(
            self._operation.schema,
            self._fragments,
            self._switches,
            self._operation.node,
            kind,
            [FieldDetails(node, None) for node in nodes],
            self._operation.hide_suggestions,
        ).grouped_field_set
