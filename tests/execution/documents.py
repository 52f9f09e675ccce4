"""Random documents and variables for any schema: most of them valid, and some wrong in one place or another."""

import json
from dataclasses import dataclass
from random import Random
from typing import Any

from graphql import (
    GraphQLEnumType,
    GraphQLField,
    GraphQLInputObjectType,
    GraphQLList,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLSchema,
    GraphQLString,
    GraphQLUnionType,
    OperationDefinitionNode,
    get_named_type,
    is_composite_type,
    is_required_argument,
    is_required_input_field,
    type_from_ast,
)

DEEPEST = 4


@dataclass(frozen=True, kw_only=True)
class Request:
    """What a client might send."""

    document: str
    variables: dict[str, Any]


class Enum(str):
    """The name of an enum's value, which a literal writes without quotation marks."""


class Writer:
    """Writes one document."""

    def __init__(self, schema: GraphQLSchema, random: Random) -> None:
        self.schema = schema
        self.random = random
        self.variables: dict[str, Any] = {}
        self.definitions: list[str] = []
        self.fragments: dict[str, tuple[str, str]] = {}
        # In how many places something is to be wrong that need not be, in the document and in the variables.
        self.wrongness = random.choice([0.0, 0.0, 0.0, 0.01, 0.05])
        self.wrongness_sent = random.choice([0.0, 0.0, 0.02, 0.1])

    def request(self, operation: str = "query") -> Request:
        """A whole document with one operation."""
        root = {
            "query": self.schema.query_type,
            "mutation": self.schema.mutation_type,
            "subscription": self.schema.subscription_type,
        }[operation]
        assert root is not None
        selected = self.selections(root, 0, fields=1 if operation == "subscription" else None)
        definitions = f"({', '.join(self.definitions)})" if self.definitions else ""
        fragments = [f"fragment {name} on {of} {text}" for name, (of, text) in self.fragments.items()]
        document = "\n".join([f"{operation} Asked{definitions} {selected}", *fragments])
        return Request(document=document, variables=self.variables)

    @classmethod
    def seeded(cls, schema: GraphQLSchema, seed: int) -> "Writer":
        """One that makes no mistakes."""
        writer = cls(schema, Random(seed))
        writer.wrongness = 0.0
        return writer

    def values(self, operation: OperationDefinitionNode) -> dict[str, Any]:
        """A value for each variable of an operation."""
        return {
            node.variable.name.value: self.value(type_from_ast(self.schema, node.type), 0)
            for node in operation.variable_definitions or ()
        }

    def maybe(self, probability: float) -> bool:
        """True that often."""
        return self.random.random() < probability

    def wrong(self) -> bool:
        """Whether to make a mistake here."""
        return self.maybe(self.wrongness)

    def selections(self, kind: Any, depth: int, *, fields: int | None = None) -> str:
        """A selection set on a type."""
        chosen = [self.selection(kind, depth) for _ in range(fields or self.random.choice([1, 1, 2, 2, 3, 5]))]
        if fields is None and self.maybe(0.2):
            chosen.append(self.random.choice(chosen))
        return "{ " + " ".join(chosen) + " }"

    def selection(self, kind: Any, depth: int) -> str:
        """A field or a fragment."""
        if self.maybe(0.08) or (isinstance(kind, GraphQLUnionType) and self.maybe(0.15)):
            return self.alias("__typename") + "__typename" + self.directives()
        if isinstance(kind, GraphQLUnionType) or (depth < DEEPEST and self.maybe(0.25)):
            return self.fragment(kind, depth)
        candidates = list(kind.fields.items())
        if depth >= DEEPEST:
            leaves = [each for each in candidates if not is_composite_type(get_named_type(each[1].type))]
            if not leaves:
                return "__typename"
            candidates = leaves
        name, field = self.random.choice(candidates)
        if self.wrong():
            name += "s"
        arguments = self.arguments(field)
        # Different arguments under one key would conflict.
        alias = f"{name}{self.random.randrange(10_000)}: " if arguments and not self.wrong() else self.alias(name)
        text: str = alias + name + arguments + self.directives()
        if is_composite_type(get_named_type(field.type)) != self.wrong():
            text += " " + self.sub_selections(get_named_type(field.type), depth + 1)
        return text

    def sub_selections(self, kind: Any, depth: int) -> str:
        """The same, where a mistake may have led to a type that has no fields."""
        return self.selections(kind, depth) if is_composite_type(kind) else "{ id }"

    def alias(self, name: str) -> str:
        """Perhaps another key; sometimes one that something else may have, too."""
        if self.maybe(0.25):
            return f"{name}{self.random.randrange(1_000)}: "
        return "same: " if self.wrong() else ""

    def fragment(self, kind: Any, depth: int) -> str:
        """An inline fragment or the spread of a named one."""
        possible = list(self.schema.get_possible_types(kind)) if not isinstance(kind, GraphQLObjectType) else [kind]
        condition: Any = self.random.choice([*possible, kind])
        if isinstance(condition, GraphQLObjectType) and condition.interfaces and self.maybe(0.3):
            condition = self.random.choice(condition.interfaces)
        if self.wrong():
            condition = self.random.choice([t for t in self.schema.type_map.values() if is_composite_type(t)])
        if self.maybe(0.5):
            text = f" on {condition.name}" if condition is not kind or self.maybe(0.5) else ""
            return f"...{text}{self.directives()} {self.selections(condition, depth + 1)}"
        known = [name for name, (of, _) in self.fragments.items() if of == condition.name]
        if known and self.maybe(0.5):
            return f"...{self.random.choice(known)}{self.directives()}"
        name = f"F{len(self.fragments)}"
        text = self.selections(condition, depth + 1)
        while name in self.fragments:
            name += "x"
        self.fragments[name] = (condition.name, text)
        return f"...{name}{self.directives()}"

    def directives(self) -> str:
        """Perhaps `@skip` or `@include`."""
        if not self.maybe(0.12):
            return ""
        name = self.random.choice(["skip", "include"])
        if self.maybe(0.5):
            return f" @{name}(if: {self.random.choice(['true', 'false'])})"
        variable = f"switch{self.random.randrange(3)}"
        if all(not each.startswith(f"${variable}:") for each in self.definitions):
            default = self.random.choice(["Boolean!", "Boolean! = true", "Boolean = false"])
            self.definitions.append(f"${variable}: {default}")
            if default == "Boolean!" or self.maybe(0.5):
                self.variables[variable] = None if self.wrong() else self.maybe(0.5)
        return f" @{name}(if: ${variable})"

    def arguments(self, field: GraphQLField) -> str:
        """The arguments of a field."""
        given = []
        for name, argument in field.args.items():
            if (is_required_argument(argument) or self.maybe(0.4)) != self.wrong():
                given.append(f"{name}: {self.argument(argument.type)}")
        return f"({', '.join(given)})" if given else ""

    def argument(self, kind: Any) -> str:
        """A literal or a variable."""
        if self.maybe(0.5):
            return self.variable(kind)
        return self.literal(kind, self.value(kind, 0), 0)

    def variable(self, kind: Any) -> str:
        """A new variable of the type, and perhaps its value."""
        name = f"v{len(self.definitions)}"
        text = str(kind)
        if not isinstance(kind, GraphQLNonNull) and self.maybe(0.3):
            text += "!"
        default = ""
        if self.maybe(0.25):
            value = self.value(kind, 0)
            if value is not None or not text.endswith("!"):
                default = f" = {self.literal(kind, value, 9)}"
        self.definitions.append(f"${name}: {text}{default}")
        if (text.endswith("!") and not default) != self.wrong() or self.maybe(0.5):
            self.variables[name] = self.sent(kind, can_be_null=not text.endswith("!"))
        return f"${name}"

    def sent(self, kind: Any, *, can_be_null: bool) -> Any:
        """A value for a variable, wrong in its own measure: a valid document may come with any."""
        written, self.wrongness = self.wrongness, self.wrongness_sent
        value = self.value(kind, 0)
        while value is None and not can_be_null and not self.wrong():
            value = self.value(kind, 0)
        self.wrongness = written
        return value

    def value(self, kind: Any, depth: int) -> Any:
        """A value of an input type, as JSON has it."""
        if isinstance(kind, GraphQLNonNull):
            return None if self.wrong() else self.present(kind.of_type, depth)
        return None if self.maybe(0.12) else self.present(kind, depth)

    def present(self, kind: Any, depth: int) -> Any:
        """A value that is not null."""
        if self.wrong():
            return self.random.choice([{}, [], "wrong", 7, 1.5, True, {"wrong": 1}, [None], 2**40, [[1]]])
        if isinstance(kind, GraphQLList):
            if self.maybe(0.15):
                return self.value(kind.of_type, depth + 1)
            return [self.value(kind.of_type, depth + 1) for _ in range(0 if depth > 3 else self.random.randrange(3))]
        if isinstance(kind, GraphQLInputObjectType):
            return self.object(kind, depth)
        if isinstance(kind, GraphQLEnumType):
            return Enum(self.random.choice(list(kind.values)))
        return self.scalar(kind.name)

    def object(self, kind: GraphQLInputObjectType, depth: int) -> dict[str, Any]:
        """An input object; one with exactly one member where the type wants that."""
        if _is_one_of(kind):
            count = self.random.choice([0, 2]) if self.wrong() else 1
            members = self.random.sample(list(kind.fields.items()), min(count, len(kind.fields)))
            return {
                name: None if self.wrong() else self.present(_nullable(field.type), depth + 1)
                for name, field in members
            }
        given = {}
        for name, field in kind.fields.items():
            wanted = is_required_input_field(field) or self.maybe(0.35 if depth < 3 else 0.0)
            if wanted != self.wrong():
                given[name] = self.value(field.type, depth + 1)
        if self.wrong():
            given["unknown"] = 1
        if self.maybe(0.3):
            given = dict(reversed(given.items()))
        return given

    def scalar(self, name: str) -> Any:
        """A value of a scalar, sometimes an odd one."""
        match name:
            case "Int":
                return self.random.choice([0, 1, -5, 2**31 - 1])
            case "Float":
                return self.random.choice([0.5, 1, -2.25, 1e300])
            case "Boolean":
                return self.maybe(0.5)
            case "ID":
                return self.random.choice(["a", "b", "", 7, "x~1", "Q2F0OjE="])
            case "DateTime":
                return self.random.choice(
                    ["2026-01-31T12:00:00Z", "soon" if self.wrong() else "2026-02-28T12:00:00+01:00"]
                )
            case "Base64":
                return self.random.choice(["aGk=", "no!"])
            case "JSONObject":
                return {"k": self.random.choice([1, "x", None, [1, {"y": True}]])}
            case _:
                return self.random.choice(["", "text", "ä\u2028𝄞", '"quoted\\"'])

    def literal(self, kind: Any, value: Any, depth: int) -> str:
        """A value as a document writes it; now and then with variables inside it."""
        if depth and depth < 4 and self.maybe(0.1):
            return self.variable(kind or GraphQLString)
        if isinstance(kind, GraphQLNonNull):
            kind = kind.of_type
        if isinstance(value, Enum):
            return f'"{value}"' if self.wrong() else str(value)
        if isinstance(value, dict):
            fields = kind.fields if isinstance(kind, GraphQLInputObjectType) else {}
            parts = []
            for name, each in value.items():
                inner = fields[name].type if name in fields else None
                if isinstance(kind, GraphQLInputObjectType) and _is_one_of(kind) and inner and not self.wrong():
                    inner = GraphQLNonNull(inner)
                parts.append(f"{name}: {self.literal(inner, each, depth + 1)}")
            return "{" + ", ".join(parts) + "}"
        if isinstance(value, list):
            inner = kind.of_type if isinstance(kind, GraphQLList) else None
            return "[" + ", ".join(self.literal(inner, each, depth + 1) for each in value) + "]"
        return json.dumps(value)


def _nullable(kind: Any) -> Any:
    return kind.of_type if isinstance(kind, GraphQLNonNull) else kind


def _is_one_of(kind: GraphQLInputObjectType) -> bool:
    # Strawberry says so in a definition of its own, and not to graphql-core.
    return kind.is_one_of or bool(kind.extensions["strawberry-definition"].is_one_of)
