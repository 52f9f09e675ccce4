"""JSON objects as values: what may be stored, typed equality, RFC 7396 merge patches and differences by key."""

import json
import math
from collections.abc import Mapping
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
    _check(value, limits.json_levels)
    size = json_bytes(value)
    if size > limits.json_bytes:
        raise JsonFault((), f"has {size} bytes of JSON; at most {limits.json_bytes} are allowed")


def _check(value: dict[str, JsonValue] | list[JsonValue], levels_left: int) -> None:
    if levels_left == 0:
        raise JsonFault((), "nests too deeply")
    if isinstance(value, dict):
        for key in value:
            if fault := text_fault(key):
                raise JsonFault((), f"has a key that {fault}")
    for place, member in value.items() if isinstance(value, dict) else enumerate(value):
        if isinstance(member, dict | list):
            try:
                _check(member, levels_left - 1)
            except JsonFault as deeper:
                # Paths are put together on the way back, so that they cost nothing where all is well.
                raise JsonFault((str(place), *deeper.path), deeper.fact) from None
        elif fault := _scalar_fault(member):
            raise JsonFault((str(place),), fault)


def _scalar_fault(value: None | bool | int | float | str) -> str | None:
    if isinstance(value, str):
        return text_fault(value)
    if isinstance(value, float):
        return None if math.isfinite(value) else "is not a finite number"
    if isinstance(value, int):
        return None if INT_MIN <= value <= INT_MAX else "is an integer beyond 64 bits"
    return None


def json_bytes(value: object) -> int:
    """The UTF-8 bytes of a value written as compact JSON."""
    return len(json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode())


def same(left: object, right: object) -> bool:
    """Whether two JSON values are equal, types included: ``1`` is neither ``true`` nor ``1.0``."""
    if type(left) is not type(right):
        return False
    if isinstance(left, str):
        return left == right
    if isinstance(left, dict) and isinstance(right, dict):
        return left.keys() == right.keys() and all(same(value, right[key]) for key, value in left.items())
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(map(same, left, right))
    return left == right


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
    was = {key: value for key, value in before.items() if key not in after or not same(value, after[key])}
    now = {key: value for key, value in after.items() if key not in before or not same(value, before[key])}
    return was, now


def undo_difference(
    after: Mapping[str, JsonValue], *, was: Mapping[str, JsonValue], now: Mapping[str, JsonValue]
) -> JsonObject:
    """The object that a `difference` (``was``, ``now``) turned into ``after``; swap the two to go forward."""
    before = {key: value for key, value in after.items() if key not in now}
    before.update(was)
    return before
