"""Documents made to cost more than they are long: each is refused, or prepared with work that grows as it grows.

Work is counted in calls of functions, which a busy machine does not change.
"""

import sys
from collections.abc import Callable
from functools import partial
from types import FrameType
from typing import Any

import pytest
from graphql import get_introspection_query

from mnesis.graph.prepare import Documents, NotPrepared
from mnesis.graph.schema import schema

MOST_CALLS = 2_000_000
"""For any document within the default limits; measured: 1.5 million for the worst one below."""

COMPLEX = "OPERATION_TOO_COMPLEX"
INVALID = "GRAPHQL_VALIDATION_FAILED"
UNREADABLE = "GRAPHQL_PARSE_FAILED"


def documents() -> Documents:
    return Documents(schema(), introspection=True, suggestions=False)


def outcome(document: str, name: str | None = None) -> tuple[str, list[dict[str, Any]]]:
    """The code of the first error, or ``""``; and all errors."""
    try:
        documents().prepare(document, name)
    except NotPrepared as refused:
        return refused.errors[0]["extensions"]["code"], list(refused.errors)
    return "", []


def calls(run: Callable[[], object]) -> int:
    """How many functions, of Python and of C, are called."""
    counted = 0

    def count(_: FrameType, event: str, __: object) -> None:
        nonlocal counted
        if event in ("call", "c_call"):
            counted += 1

    before = sys.getprofile()
    sys.setprofile(count)
    try:
        run()
    finally:
        sys.setprofile(before)
    return counted


def doubling(levels: int) -> str:
    """Each fragment spreads the next one twice."""
    fragments = (f"fragment F{level} on Query {{ ...F{level + 1} ...F{level + 1} }}" for level in range(levels))
    return f"{{ ...F0 }} {' '.join(fragments)} fragment F{levels} on Query {{ __typename }}"


def doubling_fields(levels: int) -> str:
    """Each fragment selects the next one below two fields."""
    fragments = (
        f"fragment F{level} on Memory {{ a: history {{ nodes {{ ...F{level + 1} }} }} ...F{level + 1} }}"
        for level in range(levels)
    )
    return f"{{ node(id: 1) {{ ...F0 }} }} {' '.join(fragments)} fragment F{levels} on Memory {{ id }}"


def chain(fragments: int, last: str = "__typename") -> str:
    links = (f"fragment F{link} on Query {{ ...F{link + 1} }}" for link in range(fragments))
    return f"{{ ...F0 }} {' '.join(links)} fragment F{fragments} on Query {{ {last} }}"


def operations_on_a_chain(number: int) -> str:
    links = (f"fragment F{link} on Query {{ ...F{link + 1} }}" for link in range(number))
    queries = (f"query Q{query} {{ ...F0 }}" for query in range(number))
    return f"{' '.join(queries)} {' '.join(links)} fragment F{number} on Query {{ __typename }}"


def spread_everywhere(number: int) -> str:
    fragments = (f"fragment F{each} on Query {{ node(id: 1) {{ id }} }}" for each in range(number))
    return f"{{ {' '.join(f'...F{each}' for each in range(number))} }} {' '.join(fragments)}"


def crossed(number: int) -> str:
    """Fragments of which each spreads all later ones."""
    names = range(number)
    fragments = (
        f"fragment F{each} on Query {{ __typename {' '.join(f'...F{later}' for later in names[each + 1 :])} }}"
        for each in names
    )
    return f"{{ ...F0 }} {' '.join(fragments)}"


def overlapping_types(number: int) -> str:
    """Every field may meet every other one in some type."""
    types = ("SessionMemory", "WorkingMemory", "LongTermMemory", "HistoryMemory", "Memory")
    parts = (f"... on {types[each % 5]} {{ history {{ nodes {{ id }} }} }}" for each in range(number))
    return f"{{ node(id: 1) {{ {' '.join(parts)} }} }}"


NESTED_TYPES = (
    "{ __schema { types { fields { type { fields { type { fields { type { fields { type { name } } } } } } } } } } }"
)

REFUSED: dict[str, tuple[str, str]] = {
    "20 doubling fragments": (doubling(20), COMPLEX),
    "120 doubling fragments": (doubling(120), COMPLEX),
    "300 doubling fragments": (doubling(300), COMPLEX),
    "30 doubling fields": (doubling_fields(30), COMPLEX),
    "300,000 tokens": ("{ " + "a " * 300_000 + "}", COMPLEX),
    "6,000 tokens": ("{ " + "a " * 6_000 + "}", COMPLEX),
    "a long comment": ("#" * 100_000 + "\n{ __typename }", COMPLEX),
    "many comments": ("#\n" * 10_000 + "{ __typename }", COMPLEX),
    "5,000 aliases": ("{ " + " ".join(f"a{n}: __typename" for n in range(5_000)) + " }", COMPLEX),
    "1,000 aliases": ("{ " + " ".join(f"a{n}: __typename" for n in range(1_000)) + " }", COMPLEX),
    "5,000 directives": ("{ __typename " + "@include(if: true) " * 5_000 + "}", COMPLEX),
    "700 directives": ("{ __typename " + "@include(if: true) " * 700 + "}", COMPLEX),
    "2,000 unknown directives": ("{ __typename " + "@a " * 2_000 + "}", COMPLEX),
    "3,000 variables": ("query(" + " ".join(f"$v{n}: Int" for n in range(3_000)) + ") { __typename }", COMPLEX),
    "1,000 variables": ("query(" + " ".join(f"$v{n}: Int" for n in range(1_000)) + ") { __typename }", COMPLEX),
    "2,000 overlapping fields": ("{ " + " ".join(f"node(id: {n}) {{ id }}" for n in range(2_000)) + " }", COMPLEX),
    "500 overlapping fields": ("{ " + " ".join(f"node(id: {n}) {{ id }}" for n in range(500)) + " }", INVALID),
    "a circle of fragments": (chain(50, "...F0"), INVALID),
    "a fragment in itself": ("{ ...F } fragment F on Query { ...F }", INVALID),
    "a circle below fields": ("{ node(id: 1) { ...F } } fragment F on Memory { subject { ...F } }", INVALID),
    "500 fragments in a chain": (chain(500), INVALID),
    "10,000 nested selections": ("{ a " * 10_000 + "}" * 10_000, UNREADABLE),
    "1,000 nested selections": ("{ a " * 1_000 + "}" * 1_000, UNREADABLE),
    "150 nested selections": ("{ a " * 150 + "}" * 150, COMPLEX),
    "2,000 nested lists": ("{ node(id: " + "[" * 2_000 + "]" * 2_000 + ") { id } }", UNREADABLE),
    "150 nested lists": ("{ node(id: " + "[" * 150 + "]" * 150 + ") { id } }", INVALID),
    "2,000 nested types": ("query($a: " + "[" * 2_000 + "Int" + "]" * 2_000 + ") { __typename }", UNREADABLE),
    "deep introspection": (NESTED_TYPES, INVALID),
    "a number of 5,000 digits": ("{ memories(first: " + "9" * 5_000 + ") { totalCount } }", COMPLEX),
    "a default of 5,000 digits": ("query($f: Int = " + "9" * 5_000 + ") { memories(first: $f) { id } }", COMPLEX),
    "a name of 50,000 letters": ("{ " + "a" * 50_000 + " }", COMPLEX),
    "a string of 50,000 letters": ('{ memories(first: "' + "a" * 50_000 + '") { totalCount } }', INVALID),
    "300 operations on 300 fragments": (operations_on_a_chain(300), COMPLEX),
    "60 fragments in one another": (crossed(60), COMPLEX),
    "4,000 unknown fields": ("{ " + "memorie " * 4_000 + "}", INVALID),
    "1,000 unknown fragments": ("{ " + "...F " * 1_000 + "}", INVALID),
    "600 unused fragments": ("{ a } " + " ".join(f"fragment F{n} on Query {{ a }}" for n in range(600)), INVALID),
    "600 operations of one name": ("query Q { __typename } " * 600, INVALID),
    "1,000 equal arguments": ("{ node(" + "id: 1 " * 1_000 + ") { id } }", INVALID),
    "1,000 equal keys": ("{ memories(filter: {" + "text: 1 " * 1_000 + "}) { totalCount } }", INVALID),
    "a variable that is not defined": ("mutation { createMemory(input: {session: $x}) { status } }", INVALID),
    "a fragment before its operation": (
        "fragment F on Mutation { createMemory(input: {session: $x}) { status } } mutation($x: Int) { ...F }",
        INVALID),
}  # fmt: skip


@pytest.mark.parametrize("attack", REFUSED)
def test_attacks_are_refused_with_bounded_work(attack: str) -> None:
    document, code = REFUSED[attack]
    prepared = documents()
    errors: list[dict[str, Any]] = []

    def prepare() -> None:
        with pytest.raises(NotPrepared) as refused:
            prepared.prepare(document, None)
        errors.extend(refused.value.errors)

    assert calls(prepare) < MOST_CALLS
    assert errors[0]["extensions"]["code"] == code
    assert len(errors) <= 21
    for error in errors:
        assert len(error["message"]) <= 1_010
        assert not any(word in error["message"] for word in ("Traceback", "TypeError", "object has", "sys.", "0x"))
        if code == COMPLEX:
            assert error["extensions"].keys() >= {"code", "measure", "limit"}
            found = error["extensions"].get("found")
            assert found is None or found > error["extensions"]["limit"]


GROWING: dict[str, tuple[Callable[[int], str], int]] = {
    "equal fields": (lambda n: "{ " + "__typename " * n + "}", 2_000),
    "equal fields with selections": (lambda n: "{ " + "node(id: 1) { id } " * n + "}", 250),
    "overlapping fields": (lambda n: "{ " + " ".join(f"node(id: {i}) {{ id }}" for i in range(n)) + " }", 250),
    "overlapping types": (overlapping_types, 150),
    "inline fragments": (lambda n: "{ " + "... { __typename } " * n + "}", 600),
    "nested inline fragments": (lambda n: "{ " + "... { " * n + "__typename" + " }" * n + " }", 80),
    "doubling fragments": (doubling, 120),
    "a chain of fragments": (chain, 90),
    "a circle of fragments": (lambda n: chain(n, "...F0"), 90),
    "fragments side by side": (spread_everywhere, 150),
    "fragments in one another": (lambda n: crossed(n), 20),
    "unknown fields": (lambda n: "{ " + " ".join(f"a{i}" for i in range(n)) + "}", 1_500),
    "unknown fragments": (lambda n: "{ " + " ".join(f"...F{i}" for i in range(n)) + "}", 800),
    "unused fragments": (lambda n: "{ a } " + " ".join(f"fragment F{i} on Query {{ a }}" for i in range(n)), 250),
    "operations": (lambda n: " ".join(f"query Q{i} {{ __typename }}" for i in range(n)), 400),
    "operations that spread": (
        lambda n: " ".join(f"query Q{i} {{ ...F }}" for i in range(n)) + " fragment F on Query { __typename }", 350),
    "variables": (lambda n: "query(" + " ".join(f"$v{i}: Int" for i in range(n)) + ") { __typename }", 120),
    "uses of a variable": (
        lambda n: "query($v: ID!) { " + "node(id: $v) { id } " * n + "}", 200),
    "uses of undefined variables": (
        lambda n: "{ " + " ".join(f"node(id: $v{i}) {{ id }}" for i in range(n)) + "}", 200),
    "arguments": (lambda n: "{ node(" + " ".join(f"a{i}: 1" for i in range(n)) + ") { id } }", 700),
    "keys of an object": (
        lambda n: "{ memories(filter: {" + " ".join(f"a{i}: 1" for i in range(n)) + "}) { totalCount } }", 700),
    "members of a list": (lambda n: "{ memories(filter: {ids: [" + '"a" ' * n + "]}) { totalCount } }", 2_000),
    "commands": (
        lambda n: "mutation { createMemories(input: {items: ["
        + '{longTerm: {memory: "a"}} ' * n
        + "]}) { counts { created } } }", 200),
    "introspection": (lambda n: "{ " + "__schema { types { name } } " * n + "}", 250),
}  # fmt: skip


@pytest.mark.parametrize("attack", GROWING)
def test_work_grows_no_faster_than_the_document(attack: str) -> None:
    written, size = GROWING[attack]
    outcome("{ __typename }")  # What is done once is done before.
    single, double = (calls(partial(outcome, written(length))) for length in (size, 2 * size))
    longer = len(written(2 * size)) / len(written(size))
    assert double < 1.25 * longer * single
    assert double < MOST_CALLS


CLIENTS = {
    "introspection": get_introspection_query(),
    "all of introspection": get_introspection_query(
        specified_by_url=True, directive_is_repeatable=True, schema_description=True, input_value_deprecation=True
    ),
    "a page of components": """
        { memories { nodes { ...Row } pageInfo { endCursor } } }
        fragment Row on Memory { id version ...Header ...Body ...History }
        fragment Header on Memory { id container { id } }
        fragment Body on Memory { id ... on SessionMemory { summary entries { nodes { ...Entry } } } ...Entry }
        fragment Entry on WorkingMemory { id version role messages { ...Message } session { id } }
        fragment Message on Message { role text parts }
        fragment History on Memory { id history { totalCount nodes { id version changes { field before after } } } }""",
    "aliases": "{ " + " ".join(f"a{n}: node(id: {n}) {{ id }}" for n in range(30)) + " }",
}


@pytest.mark.parametrize("what", CLIENTS)
def test_what_clients_really_send_is_prepared(what: str) -> None:
    assert outcome(CLIENTS[what]) == ("", [])


def test_every_error_is_told_without_a_suggestion() -> None:
    for document in ("{ memorie { id } }", "{ ...on Memry { id } }", "{ node(idd: 1) { id } }", "{ __typename @skp }"):
        code, errors = outcome(document)
        assert code == INVALID
        assert "Did you mean" not in str(errors)
