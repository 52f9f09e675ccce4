"""From what graphql-core makes of an argument to what Strawberry hands to a resolver: inputs, lists, `Some`."""

from collections.abc import Callable
from dataclasses import MISSING
from typing import Any, TypeAlias

import strawberry
from strawberry.relay.types import GlobalID
from strawberry.types.arguments import _is_leaf_type, _is_optional_leaf_type, convert_argument
from strawberry.types.base import (
    StrawberryList,
    StrawberryMaybe,
    StrawberryObjectDefinition,
    StrawberryOptional,
    has_object_definition,
)
from strawberry.types.enum import StrawberryEnumDefinition, has_enum_definition
from strawberry.types.lazy_type import LazyType
from strawberry.types.maybe import Some
from strawberry.types.unset import UNSET

from mnesis.execution.source import Source

_new: Callable[[type[Any]], Any] = object.__new__

Convert: TypeAlias = Callable[[Any], Any]


class Converters:
    """Makes the conversions that `convert_argument` of Strawberry 0.341.2 decides anew for every value."""

    def __init__(self, schema: strawberry.Schema) -> None:
        self._config = schema.config
        self._scalars = schema.schema_converter.scalar_registry
        self._inputs: dict[int, tuple[object, Convert | None]] = {}

    def of(self, kind: Any) -> Convert | None:
        """How values of a Strawberry type are converted; None where they stay as they are."""
        if isinstance(kind, StrawberryMaybe):
            return self._maybe(kind)
        if isinstance(kind, StrawberryOptional):
            return self.of(kind.of_type)
        if isinstance(kind, StrawberryList):
            return self._list(kind)
        if self._is_leaf(kind):
            return self._whatever(kind) if kind is GlobalID else None
        if isinstance(kind, LazyType):
            return self.of(kind.resolve_type())
        if has_enum_definition(kind) or isinstance(kind, StrawberryEnumDefinition):
            return None
        if has_object_definition(kind) and kind.__strawberry_definition__.from_input is None:
            return self._input(kind)
        return self._whatever(kind)

    def _whatever(self, kind: Any) -> Convert:
        def convert(value: Any) -> Any:
            return convert_argument(value, kind, self._scalars, self._config)

        return convert

    def _is_leaf(self, kind: Any) -> bool:
        return _is_leaf_type(kind, self._scalars)

    def _maybe(self, kind: StrawberryMaybe) -> Convert:
        inner = self.of(kind.of_type)
        refuse = self._whatever(kind)
        takes_null = isinstance(kind.of_type, StrawberryOptional)
        if inner is None and takes_null:
            return Some

        def convert(value: Any) -> Any:
            if value is None and not takes_null:
                return refuse(value)
            return Some(value if inner is None else inner(value))

        return convert

    def _list(self, kind: StrawberryList) -> Convert:
        # Strawberry leaves the items of these alone, but copies the list: a default belongs to all requests.
        if _is_leaf_type(kind.of_type, self._scalars, skip_classes=(GlobalID,)) or _is_optional_leaf_type(
            kind.of_type, self._scalars, skip_classes=(GlobalID,)
        ):
            return _copied
        inner = self.of(kind.of_type)

        def convert(value: Any) -> Any:
            if value is None or value is UNSET:
                return value
            return [inner(item) for item in value] if inner is not None else list(value)

        return convert

    def _input(self, kind: type) -> Convert:
        known = self._inputs.get(id(kind))
        if known is not None:
            # Until it is written, its fields may already ask for it.
            return known[1] or (lambda value: self._input(kind)(value))
        self._inputs[id(kind)] = (kind, None)
        written = self._written_input(kind)
        self._inputs[id(kind)] = (kind, written)
        return written

    def _written_input(self, kind: Any) -> Convert:
        definition: StrawberryObjectDefinition = kind.__strawberry_definition__
        by_parts = _is_made_by_parts(kind, definition)
        source = Source()
        source.line(1, f"if value is None or value is {source.name(UNSET)}:")
        source.line(2, "return value")
        source.line(1, f"made = {source.name(_new)}({source.name(kind)})" if by_parts else "given = {}")
        for field in definition.fields:
            to = source.attribute("made", field.python_name) if by_parts else f"given[{source.name(field.python_name)}]"
            name = source.name(self._config.name_converter.from_field(field))
            convert = self.of(field.resolve_type(type_definition=definition))
            source.line(1, f"if {name} in value:")
            if convert is None:
                source.line(2, f"{to} = value[{name}]")
            elif convert is Some:
                source.line(2, f"some = {source.name(_new)}({source.name(Some)})")
                source.line(2, f"some.value = value[{name}]")
                source.line(2, f"{to} = some")
            else:
                source.line(2, f"{to} = {source.name(convert)}(value[{name}])")
            if definition.is_input and field.default_value is MISSING and field.default_factory is MISSING:
                source.line(1, "else:")
                source.line(2, f"{to} = None")
            elif by_parts:
                source.line(1, "else:")
                source.line(2, f"{to} = {source.name(kind.__dataclass_fields__[field.python_name].default)}")
        source.line(1, "return made" if by_parts else f"return {source.name(kind)}(**given)")
        return source.function("convert", "value")


def _is_made_by_parts(kind: Any, definition: StrawberryObjectDefinition) -> bool:
    """Whether the class's constructor does nothing but to set the attributes, or their defaults."""
    fields = kind.__dataclass_fields__
    return (
        definition.is_input
        and kind.__new__ is object.__new__
        and kind.__setattr__ is object.__setattr__
        and kind.__dictoffset__ != 0
        and not hasattr(kind, "__post_init__")
        # Written by `dataclasses`, for this class.
        and "__init__" in vars(kind)
        and kind.__init__.__qualname__ == f"{kind.__qualname__}.__init__"
        and kind.__init__.__code__.co_filename == "<string>"
        and fields.keys() == {field.python_name for field in definition.fields}
        and all(field.init and field.default_factory is MISSING for field in fields.values())
        and not any(hasattr(type(vars(each).get(name)), "__set__") for each in kind.__mro__ for name in fields)
    )


def _copied(value: Any) -> Any:
    return value if value is None or value is UNSET else list(value)
