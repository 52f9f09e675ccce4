"""The schema as documentation, and the tables that have to keep up with the domain."""

from collections.abc import Iterator
from pathlib import Path

from graphql import (
    GraphQLEnumType,
    GraphQLInputObjectType,
    GraphQLInterfaceType,
    GraphQLObjectType,
    build_schema,
    is_introspection_type,
    is_specified_directive,
    is_specified_scalar_type,
)

from mnesis.domain.memory import FIELDS
from mnesis.domain.memory_types import MemoryType
from mnesis.domain.refusals import Refusal
from mnesis.graph.schema import schema, sdl
from mnesis.graph.user_errors import USER_ERRORS, UserErrorCode

ROOT = Path(__file__).parents[2]
SCHEMA = schema()._schema


def described() -> Iterator[tuple[str, str | None]]:
    """Everything in the schema, and what it says of itself."""
    for name, kind in SCHEMA.type_map.items():
        if is_introspection_type(kind) or is_specified_scalar_type(kind):
            continue
        yield name, kind.description
        if isinstance(kind, GraphQLEnumType):
            yield from ((f"{name}.{word}", value.description) for word, value in kind.values.items())
        if isinstance(kind, GraphQLInputObjectType):
            yield from ((f"{name}.{field}", given.description) for field, given in kind.fields.items())
        if isinstance(kind, GraphQLObjectType | GraphQLInterfaceType):
            for field, shown in kind.fields.items():
                yield f"{name}.{field}", shown.description
                yield from ((f"{name}.{field}({given})", it.description) for given, it in shown.args.items())
    for directive in SCHEMA.directives:
        if not is_specified_directive(directive):
            yield f"@{directive.name}", directive.description


def test_everything_is_described_in_whole_sentences() -> None:
    assert [name for name, text in described() if not text or not text.endswith(".")] == []


def test_the_printed_schema_is_the_one_that_is_served() -> None:
    assert (ROOT / "schema.graphql").read_text() == sdl().rstrip("\n") + "\n"


def test_the_printed_schema_is_read_by_other_tools() -> None:
    printed = build_schema(sdl())
    assert printed.get_type("UpdateMemoryInput").is_one_of  # type: ignore[union-attr]
    assert "= null" not in sdl()


def test_every_scalar_of_our_own_names_its_specification() -> None:
    ours = [line for line in sdl().splitlines() if line.startswith("scalar ")]
    assert len(ours) == 4
    assert all("@specifiedBy" in line for line in ours)


def refusals(of: type[Refusal] = Refusal) -> Iterator[type[Refusal]]:
    for refusal in of.__subclasses__():
        yield refusal
        yield from refusals(refusal)


def test_every_refusal_of_the_domain_has_its_error_type() -> None:
    codes = {refusal.code for refusal in refusals()}
    assert set(USER_ERRORS) == codes
    assert {code.name for code in UserErrorCode} == codes
    for code, (shown_as, _) in USER_ERRORS.items():
        assert shown_as.__name__ == code.title().replace("_", "") + "Error"


def test_kinds_of_memory_agree_on_types_and_nullability() -> None:
    interface = SCHEMA.get_type("Memory")
    assert isinstance(interface, GraphQLInterfaceType)
    seen: dict[str, str] = {}
    for implementer in SCHEMA.get_possible_types(interface):
        for name, field in implementer.fields.items():
            assert seen.setdefault(name, str(field.type)) == str(field.type), f"{implementer.name}.{name}"


TYPES = {
    MemoryType.SESSION: ("SessionMemory", "SessionMemoryPatch", "NewSessionMemory"),
    MemoryType.WORKING: ("WorkingMemory", "WorkingMemoryPatch", "NewWorkingMemory"),
    MemoryType.LONG_TERM: ("LongTermMemory", "LongTermMemoryPatch", "NewLongTermMemory"),
}


def camel(name: str) -> str:
    head, *tail = name.split("_")
    return head + "".join(word.title() for word in tail)


def test_every_field_of_the_domain_can_be_read_created_and_changed() -> None:
    assert set(TYPES) == set(FIELDS)
    for memory_type, (shown, patch, new) in TYPES.items():
        for field in FIELDS[memory_type].values():
            for name in (shown, new) if field.fixed else (shown, patch, new):
                assert camel(field.name) in SCHEMA.get_type(name).fields, name  # type: ignore[union-attr]


def test_mutation_payloads_are_nullable_and_marked() -> None:
    assert SCHEMA.mutation_type is not None
    for name, field in SCHEMA.mutation_type.fields.items():
        payload = f"{name[0].upper()}{name[1:]}Payload"
        assert str(field.type) == payload
        assert f"{payload} @semanticNonNull(levels: [0])" in sdl()
