"""Which fields can be merged: what graphql-core says, for documents of every kind, in time that grows with them."""

import pytest
from graphql import GraphQLError, OverlappingFieldsCanBeMergedRule, build_schema, parse, validate
from hypothesis import given, settings
from hypothesis import strategies as st

from mnesis.graph import merging
from mnesis.graph.merging import FieldsCanBeMerged, TooMuchToCompare

SCHEMA = build_schema("""
    interface I { a(x: Int, y: [Int]): I b: Int c: [I] d: Int! }
    type A implements I { a(x: Int, y: [Int]): A b: Int c: [I] d: Int! e: Int f: String g: [Int] }
    type B implements I { a(x: Int, y: [Int]): B b: Int c: [I] d: Int! e: String f: String! g: [Int!] }
    union U = A | B
    type Query { i: I a: A b: B u: U n: Int }
""")

NAMES = st.sampled_from("abcdefg")
ARGUMENTS = st.sampled_from(["", "", "", "(x: 1)", "(x: 2)", "(y: [1, 2], x: 1)", "(x: 1, y: [1, 2])", "(x: $v)"])


@st.composite
def selections(draw: st.DrawFn, levels: int = 3) -> str:
    """A selection set on something that has or may have the fields of I, spreads included."""
    parts = []
    for _ in range(draw(st.integers(1, 4))):
        name = draw(NAMES)
        alias = draw(st.sampled_from(["", "", "a: ", "b: ", "z: "]))
        kind = draw(st.sampled_from(["leaf", "object", "on", "spread"])) if levels else "leaf"
        if kind == "spread":
            parts.append(f"...F{draw(st.integers(0, 2))}")
        elif kind == "on":
            on = draw(st.sampled_from([" on A", " on B", " on I", ""]))
            parts.append(f"...{on} {draw(selections(levels - 1))}")
        elif kind == "object":
            field = draw(st.sampled_from("ac"))
            arguments = draw(ARGUMENTS) if field == "a" else ""
            parts.append(f"{alias}{field}{arguments} {draw(selections(levels - 1))}")
        else:
            parts.append(f"{alias}{name if name not in 'ac' else 'b'}")
    return "{ " + " ".join(parts) + " }"


@st.composite
def documents(draw: st.DrawFn) -> str:
    fragments = " ".join(
        f"fragment F{number} on {draw(st.sampled_from('IAB'))} {draw(selections(2))}" for number in range(3)
    )
    roots = " ".join(f"{name} {draw(selections())}" for name in draw(st.lists(st.sampled_from("iabu"), min_size=1)))
    # That every fragment is used is another rule's affair.
    used = "y: i { ...F0 } z: i { ...F1 } x: i { ...F2 }"
    return f"query($v: Int) {{ {roots} {used} }} {fragments}"


def verdict(document: str, rule: type) -> bool:
    """Whether the rule finds nothing."""
    return validate(SCHEMA, parse(document, no_location=True), [rule]) == []


@settings(max_examples=150, deadline=None)
@given(documents())
def test_the_verdict_is_that_of_graphql_core(document: str) -> None:
    assert verdict(document, FieldsCanBeMerged) == verdict(document, OverlappingFieldsCanBeMergedRule)


CONFLICTS = {
    "{ n: __typename n }": "'__typename' and 'n' are different fields",
    "{ a { a(x: 1) { b } a(x: 2) { b } } }": "they have differing arguments",
    "{ a { a(x: 1) { b } a { b } } }": "they have differing arguments",
    "{ a { a { z: b } } a { a { z: d } } }": "'b' and 'd' are different fields",
    "{ i { ... on A { e } ... on B { e } } }": "they return conflicting types 'Int' and 'String'",
    "{ i { ... on A { f } ... on B { f } } }": "they return conflicting types 'String' and 'String!'",
    "{ i { ... on A { g } ... on B { g } } }": "they return conflicting types '[Int]' and '[Int!]'",
    "{ i { ... on A { a { z: b } } ... on B { a { z: f } } } }": "they return conflicting types 'Int' and 'String!'",
    "{ i { ...F } } fragment F on I { z: b ...G } fragment G on A { z: d }": "'b' and 'd' are different fields",
}


@pytest.mark.parametrize("document", CONFLICTS)
def test_a_conflict_is_told_once_with_its_reason(document: str) -> None:
    [error] = validate(SCHEMA, parse(document), [FieldsCanBeMerged])
    assert isinstance(error, GraphQLError)
    assert f"because {CONFLICTS[document]}. Use different aliases" in error.message
    assert len(error.locations or ()) == 2


@pytest.mark.parametrize(
    "document",
    [
        "{ a { a(x: 1, y: [1, 2]) { b } a(y: [1, 2], x: 1) { d } } }",
        "{ i { ... on A { z: b } ... on B { z: b } z: b } }",
        "{ i { ... on A { z: a(x: 1) { b } } ... on B { z: a(x: 2) { b } } } }",
        "{ i { nothing nothing { a } } }",
        "{ i { ...F } } fragment F on I { c { ...F } }",
        "{ i { ... on Nothing { a } ...G } }",
    ],
)
def test_no_conflict(document: str) -> None:
    assert verdict(document, FieldsCanBeMerged)


def test_too_many_ways_to_overlap_end_the_comparison(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(merging, "MOST_WORK", 60)
    with pytest.raises(TooMuchToCompare):
        verdict("{ " + "n " * 30 + "}", FieldsCanBeMerged)
    assert verdict("{ " + "n " * 10 + "}", FieldsCanBeMerged)
