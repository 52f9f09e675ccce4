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

Convert: TypeAlias = Callable[[Any], Any]


class Converters:
    """Makes the conversions that `convert_argument` of Strawberry 0.341.2 decides anew for every value."""

    def __init__(self, schema: strawberry.Schema) -> None:
        self._config = schema.config
        self._scalars = schema.schema_converter.scalar_registry
        self._inputs: dict[int, tuple[object, Convert]] = {}

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
            return known[1]
        definition: StrawberryObjectDefinition = kind.__strawberry_definition__  # type: ignore[attr-defined]
        by_name: dict[str, tuple[str, Convert | None]] = {}
        absent: dict[str, Any] = {}

        def convert(value: Any) -> Any:
            if value is None or value is UNSET:
                return value
            given = absent.copy()
            for name, item in value.items():
                python_name, inner = by_name[name]
                given[python_name] = item if inner is None else inner(item)
            return kind(**given)

        # It has to be known before its fields are looked at, one of which may be of the same type.
        self._inputs[id(kind)] = (kind, convert)
        for field in definition.fields:
            if definition.is_input and field.default_value is MISSING and field.default_factory is MISSING:
                absent[field.python_name] = None
            name = self._config.name_converter.from_field(field)
            by_name[name] = (field.python_name, self.of(field.resolve_type(type_definition=definition)))
        return convert


def _copied(value: Any) -> Any:
    return value if value is None or value is UNSET else list(value)
