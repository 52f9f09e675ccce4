"""JSON objects as values: what may be stored, when two are equal, merge patches and differences."""

import copy
import json
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mnesis.domain.json_values import (
    JsonFault,
    JsonObject,
    JsonValue,
    check_object,
    difference,
    merge_patch,
    same,
    text_fault,
    undo_difference,
)
from mnesis.domain.limits import Limits

# RFC 7396, appendix A: original, patch, result.
RFC_7396: list[tuple[JsonValue, JsonValue, JsonValue]] = [
    ({"a": "b"}, {"a": "c"}, {"a": "c"}),
    ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
    ({"a": "b"}, {"a": None}, {}),
    ({"a": "b", "b": "c"}, {"a": None}, {"b": "c"}),
    ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
    ({"a": "c"}, {"a": ["b"]}, {"a": ["b"]}),
    ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
    ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
    (["a", "b"], ["c", "d"], ["c", "d"]),
    ({"a": "b"}, ["c"], ["c"]),
    ({"a": "foo"}, "bar", "bar"),
    ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
    ([1, 2], {"a": "b", "c": None}, {"a": "b"}),
    ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
]


@pytest.mark.parametrize(("original", "patch", "result"), RFC_7396)
def test_merge_patches_do_what_the_rfc_shows(original: JsonValue, patch: JsonValue, result: JsonValue) -> None:
    # A patch here is an object; one key around each example makes that true of those that are none.
    assert same(merge_patch({"x": original}, {"x": patch}), {"x": result})
    if isinstance(original, dict) and isinstance(patch, dict):
        assert same(merge_patch(original, patch), result)


def test_a_patch_of_null_removes_the_value() -> None:
    # The RFC's example {"a": "foo"} patched with null, one level down.
    assert merge_patch({"x": {"a": "foo"}}, {"x": None}) == {}


def test_a_patch_applied_to_nothing_keeps_no_nulls() -> None:
    assert merge_patch(None, {"a": None, "b": {"c": None, "d": 1}}) == {"b": {"d": 1}}


def test_a_merge_leaves_the_target_as_it_was() -> None:
    target: JsonObject = {"a": {"b": 1}, "c": 2}
    merge_patch(target, {"a": {"b": 3}, "c": None})
    assert target == {"a": {"b": 1}, "c": 2}


@pytest.mark.parametrize(
    ("left", "right"),
    [
        (1, True),
        (0, False),
        (1, 1.0),
        (1, "1"),
        (None, False),
        ({}, []),
        ({"a": 1}, {"a": 1.0}),
        ({"a": [1, {"b": True}]}, {"a": [1, {"b": 1}]}),
        ([1, 2], [2, 1]),
        ([1], [1, 2]),
        ({"a": None}, {}),
    ],
)
def test_values_of_different_type_or_content_are_not_the_same(left: JsonValue, right: JsonValue) -> None:
    assert not same(left, right)
    assert not same(right, left)


def test_the_order_of_keys_does_not_count() -> None:
    assert same({"a": 1, "b": [None, {"c": 1.5}]}, {"b": [None, {"c": 1.5}], "a": 1})


def test_a_difference_holds_only_the_keys_that_differ_and_can_be_undone_both_ways() -> None:
    before: JsonObject = {"kept": 1, "gone": 2, "typed": 1, "nulled": 3, "deep": {"a": 1, "b": 2}}
    after: JsonObject = {"kept": 1, "typed": 1.0, "nulled": None, "deep": {"a": 1}, "new": None}
    was, now = difference(before, after)
    assert same(was, {"gone": 2, "typed": 1, "nulled": 3, "deep": {"a": 1, "b": 2}})
    assert same(now, {"typed": 1.0, "nulled": None, "deep": {"a": 1}, "new": None})
    assert same(undo_difference(after, was=was, now=now), before)
    assert same(undo_difference(before, was=now, now=was), after)


@pytest.mark.parametrize(
    ("value", "path", "fact"),
    [
        ({"a": float("nan")}, ("a",), "is not a finite number"),
        ({"a": [0, float("inf")]}, ("a", "1"), "is not a finite number"),
        ({"a": float("-inf")}, ("a",), "is not a finite number"),
        ({"a": 2**63}, ("a",), "is an integer beyond 64 bits"),
        ({"a": {"b": -(2**63) - 1}}, ("a", "b"), "is an integer beyond 64 bits"),
        ({"a": "x\0"}, ("a",), "holds a NUL character, which cannot be stored"),
        ({"a": ["\ud800"]}, ("a", "0"), "holds a lone surrogate, which is not valid Unicode text"),
        ({"a": {"b\0": 1}}, ("a",), "has a key that holds a NUL character, which cannot be stored"),
        ({"\udfff": 1}, (), "has a key that holds a lone surrogate, which is not valid Unicode text"),
    ],
)
def test_what_no_database_can_hold_is_refused_with_the_place(
    value: JsonObject, path: tuple[str, ...], fact: str
) -> None:
    with pytest.raises(JsonFault) as refused:
        check_object(value, Limits())
    assert (refused.value.path, refused.value.fact) == (path, fact)


def test_what_every_database_can_hold_is_accepted() -> None:
    check_object({"n": None, "t": True, "i": [2**63 - 1, -(2**63)], "f": -1.5e300, "s": "é😀", "": {"x": []}}, Limits())


def test_levels_are_counted_up_to_the_limit() -> None:
    limits = Limits(json_levels=3)
    check_object({"a": [{"b": 1}]}, limits)
    with pytest.raises(JsonFault, match="nests too deeply"):
        check_object({"a": [{"b": []}]}, limits)


def test_nesting_without_end_is_refused_like_any_other() -> None:
    deep: JsonObject = {}
    for _ in range(100_000):
        deep = {"a": deep}
    with pytest.raises(JsonFault, match="nests too deeply"):
        check_object(deep, Limits())


def test_the_size_of_an_object_is_counted_in_utf_8_of_compact_json() -> None:
    value: JsonObject = {"a": "é", "b": 1}  # {"a":"é","b":1}
    check_object(value, Limits(json_bytes=16))
    with pytest.raises(JsonFault, match="has 16 bytes of JSON; at most 15 are allowed"):
        check_object(value, Limits(json_bytes=15))


TEXTS = st.text(st.one_of(st.sampled_from('ab\0\ud800\udc00\n"\\é😀'), st.characters()), max_size=3)
SCALARS = st.one_of(
    st.none(), st.booleans(), TEXTS, st.sampled_from([0, 1, 2**63 - 1, 2**63, -(2**63), -(2**63) - 1]), st.floats()
)
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3), max_leaves=8
)
OBJECTS = st.dictionaries(TEXTS, VALUES, max_size=4)
# Few different ones, so that many are equal or nearly so.
ALIKE = st.recursive(
    st.sampled_from([0, 1, True, False, 1.0, 0.0, None, "1"]),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from("ab"), inner, max_size=2),
    max_leaves=4,
)


def plain_fault(value: JsonValue, levels_left: int) -> tuple[tuple[str, ...], str] | None:
    """What `check_object` finds, but for the size: keys first, then one member after the other."""
    if not isinstance(value, dict | list):
        fact = plain_scalar_fault(value)
        return ((), fact) if fact else None
    if levels_left == 0:
        return (), "nests too deeply"
    for key in value if isinstance(value, dict) else ():
        if fault := text_fault(key):
            return (), f"has a key that {fault}"
    for place, member in value.items() if isinstance(value, dict) else enumerate(value):
        if found := plain_fault(member, levels_left - 1):
            path, fact = found
            return (str(place), *path), fact
    return None


def plain_scalar_fault(value: None | bool | int | float | str) -> str | None:
    if isinstance(value, str):
        return text_fault(value)
    if isinstance(value, float):
        return None if math.isfinite(value) else "is not a finite number"
    return None if value is None or -(2**63) <= value <= 2**63 - 1 else "is an integer beyond 64 bits"


def plain_same(left: JsonValue, right: JsonValue) -> bool:
    if type(left) is not type(right):
        return False
    if isinstance(left, dict) and isinstance(right, dict):
        return left.keys() == right.keys() and all(plain_same(left[key], right[key]) for key in left)
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(map(plain_same, left, right))
    return left == right


@settings(max_examples=300, deadline=None, derandomize=True)
@given(value=OBJECTS, levels=st.integers(1, 4), size=st.integers(2, 60))
def test_an_object_is_refused_for_exactly_what_is_wrong_with_it(value: JsonObject, levels: int, size: int) -> None:
    wrong = plain_fault(value, levels)
    if wrong is None:
        written = len(json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode())
        if written > size:
            wrong = (), f"has {written} bytes of JSON; at most {size} are allowed"
    found = None
    try:
        check_object(value, Limits(json_levels=levels, json_bytes=size))
    except JsonFault as refused:
        found = refused.path, refused.fact
    assert found == wrong


@settings(max_examples=300, deadline=None, derandomize=True)
@given(left=ALIKE, right=ALIKE)
def test_two_values_are_the_same_exactly_where_every_type_and_value_is(left: JsonValue, right: JsonValue) -> None:
    assert same(left, right) == plain_same(left, right)
    assert same(left, copy.deepcopy(left))


@settings(max_examples=300, deadline=None, derandomize=True)
@given(
    before=st.dictionaries(st.sampled_from("abc"), ALIKE, max_size=3),
    after=st.dictionaries(st.sampled_from("abc"), ALIKE, max_size=3),
)
def test_a_difference_has_each_differing_key_on_the_sides_that_have_it(before: JsonObject, after: JsonObject) -> None:
    was, now = difference(before, after)
    assert list(was.items()) == [
        (key, value) for key, value in before.items() if key not in after or not plain_same(value, after[key])
    ]
    assert list(now.items()) == [
        (key, value) for key, value in after.items() if key not in before or not plain_same(value, before[key])
    ]
