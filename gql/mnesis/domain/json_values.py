"""JSON objects as values: what may be stored, typed equality, RFC 7396 merge patches and differences by key."""

import json
import math
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import TypeAlias

from mnesis.domain.limits import Limits

JsonValue: TypeAlias = "None | bool | int | float | str | list[JsonValue] | dict[str, JsonValue]"
JsonObject: TypeAlias = dict[str, JsonValue]

INT_MIN, INT_MAX = -(2**63), 2**63 - 1


class JsonFault(Exception):
    """Why a value cannot be stored: ``path`` leads to the place inside it, ``fact`` completes "it ..."."""

    def __init__(self, path: tuple[str, ...], fact: str) -> None:
        super().__init__(fact)
        self.path = path
        self.fact = fact


def text_fault(text: str) -> str | None:
    """Why a text cannot be stored, or None: databases and UTF-8 know neither NUL nor lone surrogates."""
    if "\0" in text:
        return "holds a NUL character, which cannot be stored"
    if text.isascii():
        return None
    try:
        text.encode()
    except UnicodeEncodeError:
        return "holds a lone surrogate, which is not valid Unicode text"
    return None


def check_object(value: JsonObject, limits: Limits) -> None:
    """Raises `JsonFault` for what cannot be stored, with the path to it.

    Refused are NaN, infinities, lone surrogates, NUL, integers beyond 64 bits, more levels than
    ``limits.json_levels`` and more bytes than ``limits.json_bytes``.
    """
    # Most objects are so small that this bound settles it without writing them as JSON.
    if _checked(value, limits.json_levels) > limits.json_bytes:
        size = json_bytes(value)
        if size > limits.json_bytes:
            raise JsonFault((), f"has {size} bytes of JSON; at most {limits.json_bytes} are allowed")


_CHARACTER_BYTES = 6
"""What a character takes at most in JSON: as an escape."""
_AROUND_TEXT_BYTES = 3
"""Its quotes, and a colon or comma."""
_NUMBER_BYTES = 26
"""The longest float, an integer of 64 bits or a word, and a comma."""


def _checked(value: dict[str, JsonValue] | list[JsonValue], levels_left: int) -> int:
    """Raises `JsonFault` for all but the size; gives a bound of that."""
    if levels_left == 0:
        raise JsonFault((), "nests too deeply")
    bound = _AROUND_TEXT_BYTES
    members: Iterable[tuple[object, JsonValue]]
    if isinstance(value, dict):
        bound += _checked_keys(value)
        members = value.items()
    else:
        members = enumerate(value)
    for place, member in members:
        if isinstance(member, str):
            if ("\0" in member or not member.isascii()) and (fault := text_fault(member)):
                raise JsonFault((str(place),), fault)
            bound += _CHARACTER_BYTES * len(member) + _AROUND_TEXT_BYTES
        elif isinstance(member, _NESTED):
            try:
                bound += _checked(member, levels_left - 1)
            except JsonFault as deeper:
                # Paths are put together on the way back, so that they cost nothing where all is well.
                raise JsonFault((str(place), *deeper.path), deeper.fact) from None
        else:
            bound += _NUMBER_BYTES
            if fault := _number_fault(member):
                raise JsonFault((str(place),), fault)
    return bound


_NESTED = (dict, list)


def _checked_keys(value: Mapping[str, object]) -> int:
    """The same of the keys of one object."""
    keys = "".join(value)
    if "\0" in keys or not keys.isascii():
        for key in value:
            if fault := text_fault(key):
                raise JsonFault((), f"has a key that {fault}")
    return _CHARACTER_BYTES * len(keys) + _AROUND_TEXT_BYTES * len(value)


def _number_fault(value: None | bool | int | float) -> str | None:
    if isinstance(value, int):
        return None if INT_MIN <= value <= INT_MAX else "is an integer beyond 64 bits"
    if isinstance(value, float):
        return None if math.isfinite(value) else "is not a finite number"
    return None


def json_bytes(value: object) -> int:
    """The UTF-8 bytes of a value written as compact JSON."""
    return len(_compact(value).encode())


_compact = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


def same(left: object, right: object) -> bool:
    """Whether two JSON values are equal, types included: ``1`` is neither ``true`` nor ``1.0``."""
    # Python tells what is unequal at once, and few things that it takes for equal have other types.
    if left != right or type(left) is not type(right):
        return False
    return not isinstance(left, _NESTED) or _of_same_types(left, right)


def _of_same_types(left: object, right: object) -> bool:
    """Whether two values that Python takes for equal are so, types included."""
    if type(left) is not type(right):
        return False
    if not isinstance(left, _NESTED):
        return True
    if isinstance(left, dict) and isinstance(right, dict):
        return all(map(_of_same_types, left.values(), map(right.__getitem__, left)))
    assert isinstance(right, list)
    return all(map(_of_same_types, left, right))


def contains(whole: JsonValue, part: JsonValue) -> bool:
    """Whether a value contains another, as PostgreSQL's ``jsonb @>`` has it.

    An object contains one whose every key it has with a value that contains the other's; an array contains one whose
    every member is contained in one of its own, whatever their order and number. Numbers are compared by the decimal
    number that is written: ``1`` and ``1.0`` are the same, ``1`` and ``true`` are not.
    """
    if isinstance(whole, dict):
        if not isinstance(part, dict):
            return False
        return all(key in whole and contains(whole[key], value) for key, value in part.items())
    if isinstance(whole, list):
        return isinstance(part, list) and _array_contains(whole, part)
    return not isinstance(part, dict | list) and _scalar_key(whole) == _scalar_key(part)


def _array_contains(whole: list[JsonValue], part: list[JsonValue]) -> bool:
    scalars = {_scalar_key(member) for member in whole if not isinstance(member, dict | list)}
    nested = [member for member in whole if isinstance(member, dict | list)]
    return all(
        any(contains(member, wanted) for member in nested)
        if isinstance(wanted, dict | list)
        else _scalar_key(wanted) in scalars
        for wanted in part
    )


def _scalar_key(value: JsonValue) -> tuple[type, object]:
    """Equal exactly for scalars that PostgreSQL takes for the same."""
    if isinstance(value, float):
        # The shortest digits that mean this float are what is stored, and what PostgreSQL reads as a decimal.
        return (Decimal, Decimal(repr(value)))
    if isinstance(value, int) and not isinstance(value, bool):
        return (Decimal, Decimal(value))
    return (type(value), value)


def merge_patch(target: JsonObject | None, patch: JsonObject) -> JsonObject:
    """The target with an RFC 7396 merge patch applied: null removes a key, objects merge, the rest replaces."""
    merged: JsonObject = dict(target) if target else {}
    for key, value in patch.items():
        if value is None:
            merged.pop(key, None)
        elif isinstance(value, dict):
            below = merged.get(key)
            merged[key] = merge_patch(below if isinstance(below, dict) else None, value)
        else:
            merged[key] = value
    return merged


def difference(before: Mapping[str, JsonValue], after: Mapping[str, JsonValue]) -> tuple[JsonObject, JsonObject]:
    """Only the keys that differ, as they were and as they are; a key absent on one side is left out of it."""
    was: JsonObject = {}
    for key, value in before.items():
        if key not in after or not same(value, after[key]):
            was[key] = value
    now: JsonObject = {}
    for key, value in after.items():
        if key in was or key not in before:
            now[key] = value
    return was, now


def undo_difference(
    after: Mapping[str, JsonValue], *, was: Mapping[str, JsonValue], now: Mapping[str, JsonValue]
) -> JsonObject:
    """The object that a `difference` (``was``, ``now``) turned into ``after``; swap the two to go forward."""
    before = {key: value for key, value in after.items() if key not in now}
    before.update(was)
    return before
