"""Attributes of what GraphQL shows of a memory that are read when they are selected: most of them never are."""

from collections.abc import Callable, Iterable, Mapping
from operator import attrgetter, methodcaller
from typing import Any, TypeVar

from mnesis.domain.memory import Memory

T = TypeVar("T")

_new: Callable[[type[T]], T] = object.__new__


class _Later:
    """Stands for an attribute that was not given when an instance was made."""

    def __init__(self, name: str, read: Callable[[Memory], Any]) -> None:
        self._name = name
        self._read = read

    def __get__(self, shown: Any, kind: type | None = None) -> Any:
        if shown is None:
            # To Strawberry, which looks at classes for defaults, there is none.
            raise AttributeError(self._name)
        return self._read(shown.stored)


def read_later(kind: type, attributes: Iterable[str] = (), written: Iterable[str | tuple[str, str]] = ()) -> None:
    """Has instances that `showing` makes read these from the stored memory: its ``attributes`` of the same names, and
    what it has ``written`` under the same name or, in a pair, under the second."""
    for name in attributes:
        setattr(kind, name, _Later(name, attrgetter(name)))
    for each in written:
        name, stored_name = (each, each) if isinstance(each, str) else each
        setattr(kind, name, _Later(name, methodcaller("as_written", stored_name)))


def showing(kind: type[T], stored: Memory, given: Mapping[str, Any]) -> T:
    """An instance that has these attributes and reads the others, which its constructor would want to be given."""
    shown = _new(kind)
    shown.__dict__ = {"stored": stored, **given}
    return shown
