"""What GraphQL shows of a memory is read when it is selected: most of it never is."""

from collections.abc import Callable, Iterable
from operator import attrgetter
from typing import TypeVar

from mnesis.domain.memory import Memory

T = TypeVar("T")

_new: Callable[[type[T]], T] = object.__new__


def read_later(kind: type, attributes: Iterable[str | tuple[str, str]]) -> None:
    """Has instances that `showing` makes read these of `Memory.written`, under the same name or, in a pair, under the
    second.

    To be called when Strawberry has made what it makes of the class, and for none that others are derived from: it
    would take these for defaults.
    """
    for each in attributes:
        name, written_name = (each, each) if isinstance(each, str) else each
        # All of it runs outside of Python's own interpreter.
        setattr(kind, name, property(attrgetter(f"_written.{written_name}")))


def showing(kind: type[T], stored: Memory) -> T:
    """An instance that reads later what its constructor would want to be given; its id and whether it is the memory as
    it is now may be set."""
    shown = _new(kind)
    written = stored.written
    shown.__dict__ = {"_written": written, "id": written.id, "is_current": True}
    return shown
