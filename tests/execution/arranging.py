"""Puts resolvers that do as they are arranged in place of a schema's own.

What a resolver gives depends on nothing but the seed, the object, the field, the arguments it was called with and the
info: so two executions of one document see the same, and differ in their answers where they handed over something else.
"""

import asyncio
import functools
import inspect
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from random import Random
from typing import Any

import strawberry
from graphql import (
    GraphQLEnumType,
    GraphQLError,
    GraphQLField,
    GraphQLList,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLScalarType,
    is_abstract_type,
)

DEEPEST = 4
_DEFINITION = "strawberry-definition"


class Arranged:
    """A schema whose resolvers do as the seed says. ``trouble`` is the share of values that are wrong."""

    def __init__(self, schema: strawberry.Schema) -> None:
        self.schema = schema
        self.core = schema._schema
        self.seed = 0
        self.trouble = 0.0
        kinds = [kind for kind in self.core.type_map.values() if isinstance(kind, GraphQLObjectType)]
        self._classes = [kind.extensions[_DEFINITION].origin for kind in kinds if _DEFINITION in kind.extensions]

    @contextmanager
    def resolvers(self) -> Iterator[None]:
        """Replaces the resolvers, which belong to the types and so to every schema of them, for as long."""
        replaced: dict[int, tuple[Any, Any]] = {}
        for kind in list(self.core.type_map.values()):
            if not isinstance(kind, GraphQLObjectType) or kind.name.startswith("__"):
                continue
            for field in kind.fields.values():
                definition = field.extensions.get(_DEFINITION)
                resolver = getattr(definition, "base_resolver", None)
                if resolver is None or definition.is_subscription or id(resolver) in replaced:
                    continue
                replaced[id(resolver)] = (resolver, resolver.wrapped_func)
                resolver.wrapped_func = self._arranged(resolver.wrapped_func, field)
        try:
            yield
        finally:
            for resolver, function in replaced.values():
                resolver.wrapped_func = function

    def root(self, kind: GraphQLObjectType) -> Any:
        """An object to execute an operation on."""
        return self.object(kind, Random(f"{self.seed} root"), 0)

    def _arranged(self, function: Any, field: GraphQLField) -> Any:
        name = function.__name__

        def random_for(args: Any, given: dict[str, Any]) -> Random:
            info = given.pop("info", None)
            of = [getattr(each, "arranged_as", type(each).__name__) for each in args]
            return Random(f"{self.seed} {name} {of} {sorted(given.items())} {info and told(info)}")

        if inspect.iscoroutinefunction(function):

            @functools.wraps(function)
            async def later(*args: Any, **given: Any) -> Any:
                random = random_for(args, given)
                for _ in range(random.randrange(3)):
                    await asyncio.sleep(0)
                return self.result(field.type, random)

            return later

        @functools.wraps(function)
        def now(*args: Any, **given: Any) -> Any:
            return self.result(field.type, random_for(args, given))

        return now

    def result(self, kind: Any, random: Random) -> Any:
        """What a resolver does: it gives a value, or raises."""
        if random.random() < self.trouble:
            raise random.choice(
                [
                    ValueError("It failed."),
                    GraphQLError("Refused.", extensions={"code": "REFUSED"}),
                    KeyError("k"),
                    ZeroDivisionError(),
                ]
            )
        value = self.value(kind, random, 0)
        return Given(value) if random.random() < self.trouble / 2 else value

    def value(self, kind: Any, random: Random, depth: int) -> Any:
        """A value of an output type; now and then null, an exception or something else where it should not be."""
        if isinstance(kind, GraphQLNonNull):
            kind = kind.of_type
            if random.random() < self.trouble:
                return random.choice([None, RuntimeError("Given, not raised."), object, strawberry.UNSET])
        elif random.random() < 0.15:
            return None
        if isinstance(kind, GraphQLList):
            return self.list(kind, random, depth)
        if isinstance(kind, GraphQLScalarType):
            return self.scalar(kind, random)
        if isinstance(kind, GraphQLEnumType):
            if random.random() < self.trouble:
                return "no such value"
            return random.choice(list(kind.extensions[_DEFINITION].wrapped_cls))
        if is_abstract_type(kind):
            kind = random.choice(list(self.core.get_possible_types(kind)))
        if random.random() < self.trouble:
            return random.choice([Odd(), "not an object", 7, {"id": "of a mapping"}])
        return self.object(kind, random, depth + 1)

    def list(self, kind: Any, random: Random, depth: int) -> Any:
        """A list, or another collection."""
        if random.random() < self.trouble:
            return random.choice([7, "not a list", {"not": "a list"}])
        count = random.randrange(3) if depth < DEEPEST else 0
        items = [self.value(kind.of_type, random, depth + 1) for _ in range(count)]
        if random.random() < self.trouble and items:
            items[0] = Given(items[0])
        form = random.random()
        if form < 0.1:
            return tuple(items)
        if form < 0.15:
            return iter(items)
        if form < 0.2:
            return _one_by_one(items)
        return items

    def scalar(self, kind: GraphQLScalarType, random: Random) -> Any:
        """A value of a scalar as resolvers give it."""
        if random.random() < self.trouble:
            return random.choice([Odd(), [1], float("nan"), 2**40, "", 1.5, True, b"x"])
        match kind.name:
            case "Int":
                return random.choice([0, 1, -7, 2**31 - 1, True, 3.0, "4"])
            case "Float":
                return random.choice([0.5, -1.25, 3, "2.5"])
            case "Boolean":
                return random.choice([True, False, 1])
            case "DateTime":
                return datetime(2026, 1, 1 + random.randrange(28), tzinfo=UTC)
            case "Base64":
                return bytes([random.randrange(256)])
            case "JSON" | "JSONObject":
                return {"k": random.randrange(9)}
            case _:
                return random.choice(["", "text", "ä𝄞", 12, "b"])

    def object(self, kind: GraphQLObjectType, random: Random, depth: int) -> Any:
        """An object of the type's class, with a value for every field that has no resolver."""
        definition = kind.extensions[_DEFINITION]
        cls = definition.origin
        if definition.concrete_of is not None and random.random() < 0.5:
            cls = definition.concrete_of.origin
        made = object.__new__(cls)
        made.arranged_as = random.random()
        if random.random() < self.trouble / 2:
            strawberry.cast(random.choice([cls, random.choice(self._classes)]), made)
        for field in kind.fields.values():
            strawberry_field = field.extensions[_DEFINITION]
            if strawberry_field.base_resolver is None:
                value = self.value(field.type, random, depth + 1) if depth < DEEPEST else None
                setattr(made, strawberry_field.python_name, value)
        return made


def told(info: strawberry.Info[Any, Any]) -> Any:
    """What a resolver could learn from its info."""
    return (
        info.field_name,
        info.python_name,
        info.path.as_list(),
        info.path.typename,
        str(info.return_type),
        sorted(info.variable_values.items()),
        info.selected_fields,
        type(info.root_value).__name__,
        info.context,
        info.operation.name,
        info.schema is not None,
    )


class Odd:
    """Something of no type that a schema knows."""

    def __repr__(self) -> str:
        return "Odd()"


class Given:
    """A value that has to be awaited, and may be left alone."""

    def __init__(self, value: Any) -> None:
        self.value = value

    def __repr__(self) -> str:
        return f"Given({self.value!r})"

    def __await__(self) -> Any:
        yield from asyncio.sleep(0).__await__()
        return self.value


async def _one_by_one(items: list[Any]) -> AsyncIterator[Any]:
    for item in items:
        yield item
