"""Values that are made by the thousand."""

from dataclasses import dataclass, field
from typing import TypeVar, dataclass_transform

T = TypeVar("T")


@dataclass_transform(frozen_default=True, kw_only_default=True, field_specifiers=(field,))
def quickly_made(kind: type[T]) -> type[T]:
    """Makes a dataclass with slots whose instances are made in a third of the time that a frozen one takes.

    That nobody changes them is for the type checker to see: while Python watches too, every field has to be set past
    the watch, which is most of what making an instance costs.
    """
    return dataclass(slots=True, kw_only=True, unsafe_hash=True)(kind)
