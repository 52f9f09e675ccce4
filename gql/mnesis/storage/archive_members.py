"""The members of an archive's objects, read strictly: each is what `mnesis export` would have written, or `BadLine`."""

import binascii
import re
from base64 import b64decode, b64encode
from datetime import datetime
from typing import Any, TypeVar

from mnesis.domain.ids import is_id
from mnesis.domain.json_values import INT_MAX, JsonFault, check_object, text_fault
from mnesis.domain.limits import Limits
from mnesis.storage.archive_lines import BadLine
from mnesis.storage.instants import to_microseconds

INTEGER_MAX = 2**31 - 1
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", re.ASCII)
_MISSING = object()
T = TypeVar("T")


class Members:
    """The members of an object, taken one by one with the type they must have."""

    def __init__(self, found: dict[str, Any]) -> None:
        self._left = dict(found)

    def end(self) -> None:
        """Refuses what nobody asked for."""
        if self._left:
            raise BadLine(f"has an unknown member {next(iter(self._left))}")

    def given(self, name: str) -> Any:
        return self._left.pop(name, None)

    def _taken(self, name: str, kind: type[T], spoken: str) -> T:
        value = self._left.pop(name, _MISSING)
        # True is an int to Python.
        if type(value) is not kind:
            raise BadLine(f"must have {spoken} as {name}")
        return value

    def text(self, name: str) -> str:
        value = self._taken(name, str, "a text")
        if (fault := text_fault(value)) is not None:
            raise BadLine(f"has a text as {name} that {fault}")
        return value

    def text_or_none(self, name: str) -> str | None:
        return self.text(name) if name in self._left else None

    def id(self, name: str) -> str:
        value = self.text(name)
        if not is_id(value):
            raise BadLine(f"has as {name} what cannot be an id")
        return value

    def id_or_none(self, name: str) -> str | None:
        return self.id(name) if name in self._left else None

    def number(self, name: str, *, least: int = 0, most: int = INT_MAX) -> int:
        value = self._taken(name, int, "a whole number")
        if not least <= value <= most:
            raise BadLine(f"has a {name} that is not between {least} and {most}")
        return value

    def flag(self, name: str) -> bool:
        return self._taken(name, bool, "true or false")

    def true_or_left_out(self, name: str) -> bool:
        return self.flag(name) if name in self._left else False

    def time(self, name: str) -> int:
        return microseconds(self._left.pop(name, None), name)

    def object(self, name: str) -> dict[str, Any]:
        return self._taken(name, dict, "an object")

    def list(self, name: str) -> list[Any]:
        return self._taken(name, list, "a list")


def checked_object(value: dict[str, Any], name: str, limits: Limits) -> dict[str, Any]:
    """The object itself, if the domain would take it. ``name`` is what the refusal calls it."""
    try:
        check_object(value, limits)
    except JsonFault as fault:
        raise BadLine(f"holds what cannot be stored in {name}: the JSON value {fault.fact}") from None
    return value


def word(words: type[T], given: str, name: str) -> T:
    """The member of an enum that has a value."""
    try:
        return words(given)  # type: ignore[call-arg]  # An enum is called with a value.
    except ValueError:
        raise BadLine(f"has the unknown word {given} as {name}") from None


def decoded_bytes(given: str, name: str) -> bytes:
    """What base64 text stands for; there is one text for each value."""
    try:
        found = b64decode(given, validate=True)
    except (binascii.Error, ValueError):
        raise BadLine(f"has as {name} what is not base64") from None
    if b64encode(found).decode() != given:
        raise BadLine(f"has as {name} what is not base64")
    return found


def microseconds(given: Any, name: str) -> int:
    """A time as the tables have it."""
    if isinstance(given, str) and _TIME.fullmatch(given):
        try:
            return to_microseconds(datetime.fromisoformat(given))
        except ValueError:
            pass
    raise BadLine(f"must have a time such as 2026-01-31T09:30:00.000000Z as {name}")
