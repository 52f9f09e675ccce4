"""Attributes of what GraphQL shows that are read when they are selected: most of them never are."""

from collections.abc import Callable, Iterable, Mapping
from operator import attrgetter
from typing import Any, TypeVar

from mnesis.domain.memory import Memory

T = TypeVar("T")

_new: Callable[[type[T]], T] = object.__new__


class _Later:
    """Stands for an attribute that was not given when an instance was made."""

    def __init__(self, name: str, read: Callable[[Any], Any]) -> None:
        self.name = name
        self.read = read

    def __get__(self, shown: Any, kind: type | None = None) -> Any:
        if shown is None:
            # To Strawberry, which looks at classes for defaults, there is none.
            raise AttributeError(self.name)
        return self.read(shown)


def later(kind: type, name: str, read: Callable[[Any], Any]) -> None:
    """Has instances that `made` makes without this attribute read it from themselves."""
    setattr(kind, name, _Later(name, read))


def read_later(kind: type, attributes: Iterable[str] = (), written: Iterable[str | tuple[str, str]] = ()) -> None:
    """Has instances that hold what is ``stored`` read these from it: its ``attributes`` of the same names, and what it
    has ``written`` under the same name or, in a pair, under the second."""
    for name in attributes:
        later(kind, name, attrgetter(f"stored.{name}"))
    for each in written:
        name, stored_name = (each, each) if isinstance(each, str) else each
        later(kind, name, _as_written(stored_name))


def _as_written(name: str) -> Callable[[Any], Any]:
    return lambda shown: shown.stored.as_written(name)


def made(kind: type[T], given: Mapping[str, Any]) -> T:
    """An instance that has these attributes and reads the others, which its constructor would want to be given."""
    instance = _new(kind)
    instance.__dict__ = {**given}
    return instance


def showing(kind: type[T], same: Mapping[str, str], constant: Mapping[str, Any]) -> Callable[[Memory], T]:
    """Makes instances that hold nothing but what is ``stored``, which takes a fraction of the time.

    They read everything from it: what `read_later` says, what it has under the ``same`` or another name, and beside
    that they all have the ``constant`` attributes.
    """
    read = {
        name: value.read
        for each in reversed(kind.__mro__)
        for name, value in vars(each).items()
        if type(value) is _Later
    }
    read |= {name: attrgetter(f"stored.{stored_name}") for name, stored_name in same.items()}
    view: Any = type(
        kind.__name__,
        (kind,),
        {
            # Properties go before an instance's own attributes, of which there are none, and are read without Python.
            **{name: property(each) for name, each in read.items()},
            **constant,
            "__slots__": ("stored",),
            # By which Strawberry knows the type.
            "__strawberry_definition__": vars(kind)["__strawberry_definition__"],
        },
    )

    def show(stored: Memory) -> T:
        shown = _new(view)
        shown.stored = stored
        return shown  # type: ignore[no-any-return]  # Of a class that is made here.

    return show
