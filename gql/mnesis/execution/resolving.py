"""How the value of a field is got: from an attribute, by a call of the resolver itself, or as Strawberry does it.

What Strawberry does for a field between graphql-core and the resolver - making an info, converting arguments, asking
what else there is to do - is decided here once. Fields with extensions or permissions, or of other classes than
Strawberry's own, are resolved by Strawberry.
"""

import inspect
from collections.abc import Callable
from typing import Any

import strawberry
from graphql import Undefined
from graphql.execution import default_field_resolver
from strawberry.types.field import StrawberryField
from strawberry.types.fields.resolver import StrawberryResolver

from mnesis.execution.arguments import MISSING, Argument, all_arguments
from mnesis.execution.awaiting import raising
from mnesis.execution.conversion import Converters
from mnesis.execution.infos import write_info
from mnesis.execution.running import Path, Run, Site
from mnesis.execution.source import Source
from mnesis.execution.strawberry_types import BACK_REFERENCE, is_ordinary, reads_attribute, written_as

_SYNC = "GraphQLCoreConverter.from_resolver.<locals>._resolver"
_ASYNC = "GraphQLCoreConverter.from_resolver.<locals>._async_resolver"


class Resolving:
    """Writes how fields of a schema are resolved."""

    def __init__(self, schema: strawberry.Schema) -> None:
        self._schema = schema
        self._converters = Converters(schema)

    def write(self, source: Source, depth: int, site: Site) -> bool:
        """Lines that put the value of the field of ``s`` into ``v``, and whether that is known to be awaitable.

        They use ``run`` and ``above``, the path of ``s``.
        """
        field = site.field.extensions.get(BACK_REFERENCE)
        resolve = site.field.resolve
        if isinstance(field, StrawberryField) and is_ordinary(field):
            if reads_attribute(site.field):
                self._write_attribute(source, depth, field)
                return False
            if written_as(resolve, _ASYNC) and self._is_direct(site, field) and _is_coroutine_function(field):
                self._write_call(source, depth, site, field, is_async=True)
                return True
            if written_as(resolve, _SYNC) and self._is_direct(site, field):
                self._write_call(source, depth, site, field, is_async=False)
                return False
        source.line(depth, f"v = {source.name(_called(site, resolve or default_field_resolver))}(run, s, above)")
        return False

    def _write_attribute(self, source: Source, depth: int, field: StrawberryField) -> None:
        name = field.python_name
        if field.default_resolver is getattr:
            source.line(depth, f"v = {source.attribute('s', name)}")
        else:
            source.line(depth, f"v = {source.name(field.default_resolver)}(s, {source.name(name)})")

    def _is_direct(self, site: Site, field: StrawberryField) -> bool:
        resolver = field.base_resolver
        return (
            type(resolver) is StrawberryResolver
            and callable(resolver.wrapped_func)
            and not self._schema.schema_converter._get_field_exception_handlers(field)
            and all(argument.out_name is None for argument in site.field.args.values())
            # What a document may not give, validation has seen to.
            and all(each.name.value in site.field.args for each in site.nodes[0].arguments or ())
        )

    def _write_call(self, source: Source, depth: int, site: Site, field: StrawberryField, *, is_async: bool) -> None:
        given, optional = self._write_arguments(source, depth, site, field)
        resolver = field.base_resolver
        assert resolver is not None
        if is_async:
            # Strawberry converts arguments when the field is awaited, and so are the errors of that.
            source.line(depth, "try:")
            depth += 1
        values = [f"{name}={value}" for name, value in given.items()]
        if resolver.self_parameter:
            values.insert(0, "s")
        if optional:
            source.line(depth, "given = {}")
            for name, (variable, value) in optional.items():
                source.line(depth, f"if {variable} is not {source.name(MISSING)}:")
                source.line(depth + 1, f"given[{source.name(name)}] = {value}")
            values.append("**given")
        of_source = (resolver.parent_parameter, resolver.root_parameter)
        values.extend(f"{parameter.name}=s" for parameter in of_source if parameter)
        if resolver.info_parameter:
            info = write_info(source, depth, site, self._schema.config.info_class)
            values.append(f"{resolver.info_parameter.name}={info}")
        source.line(depth, f"v = {source.name(resolver.wrapped_func)}({', '.join(values)})")
        if is_async:
            depth -= 1
            source.line(depth, "except Exception as error:")
            source.line(depth + 1, f"v = {source.name(raising)}(error)")

    def _write_arguments(
        self, source: Source, depth: int, site: Site, field: StrawberryField
    ) -> tuple[dict[str, str], dict[str, tuple[str, str]]]:
        """Expressions for the arguments that are always given, and variable and expression for each of the others."""
        given: dict[str, str] = {}
        optional: dict[str, tuple[str, str]] = {}
        converted = {
            self._schema.config.name_converter.from_argument(argument): argument for argument in field.arguments
        }
        for name, definition in site.field.args.items():
            argument = Argument(site, name, definition)
            python = converted[name].python_name
            convert = self._converters.of(converted[name].type)
            constant = argument.constant
            if constant is Undefined:
                continue
            if constant is not MISSING:
                value = source.name(constant)
            else:
                value = f"a{len(given) + len(optional)}"
                argument.write(source, depth, value, site)
            expression = value if convert is None else f"{source.name(convert)}({value})"
            if constant is MISSING and argument.may_be_missing:
                optional[python] = (value, expression)
            else:
                given[python] = expression
        return given, optional


def _is_coroutine_function(field: StrawberryField) -> bool:
    assert field.base_resolver is not None
    # One that is only marked as such may give something that cannot be awaited; Strawberry looks at what it gives.
    code = getattr(field.base_resolver.wrapped_func, "__code__", None)
    return code is not None and bool(code.co_flags & inspect.CO_COROUTINE)


def _called(site: Site, resolve: Callable[..., Any]) -> Callable[[Run, Any, Path], Any]:
    def call(run: Run, source: Any, above: Path) -> Any:
        info = run.info(site, (above, site.key, site.parent_name))
        return resolve(source, info, **all_arguments(run, site))

    return call
