"""What GraphQL shows is read when it is selected: most of it never is."""

from collections.abc import Callable, Iterable, Mapping
from operator import attrgetter
from typing import Any, Generic, TypeVar

from mnesis.domain.memory import Memory

T = TypeVar("T")

_new: Callable[[type[T]], T] = object.__new__


class _Later:
    """Stands for an attribute that was not given when an instance was made."""

    def __init__(self, name: str, read: Callable[[Any], Any]) -> None:
        self._name = name
        self._read = read

    def __get__(self, shown: Any, kind: type | None = None) -> Any:
        if shown is None:
            # To Strawberry, which looks at classes for defaults, there is none.
            raise AttributeError(self._name)
        return self._read(shown)


def later(kind: type, name: str, read: Callable[[Any], Any]) -> None:
    """Has instances that `made` makes without this attribute read it from themselves."""
    setattr(kind, name, _Later(name, read))


def made(kind: type[T], given: Mapping[str, Any]) -> T:
    """An instance that has these attributes, of which there may be fewer than its constructor would want."""
    instance = _new(kind)
    instance.__dict__ = {**given}
    return instance


class Views(Generic[T]):
    """Shows stored memories as a type, by instances that hold nothing but `Memory.written`.

    They have its ``attributes``, under the same name or, in a pair, under the first.
    """

    def __init__(self, kind: type[T], attributes: Iterable[str | tuple[str, str]]) -> None:
        names = dict((each, each) if isinstance(each, str) else each for each in attributes)
        # Not the type itself: what others make of it has attributes of its own.
        view: Any = _derived(
            kind,
            {
                # All of it runs outside of Python's own interpreter.
                **{name: property(attrgetter(f"_written.{written}")) for name, written in names.items()},
                "id": property(attrgetter("_written.id")),
                "is_current": True,
                "__slots__": ("_written",),
            },
        )
        self._past: Any = _derived(view, {"__slots__": ("id", "is_current")})

        def show(stored: Memory) -> T:
            shown = _new(view)
            shown._written = stored.written
            return shown  # type: ignore[no-any-return]  # Of a class that is made here.

        self.as_it_is = show
        """A memory at its current version."""

    def as_it_was(self, stored: Memory, shown_id: str, *, is_current: bool) -> T:
        """A memory at one of its versions, with an id of that version's own."""
        shown = _new(self._past)
        shown._written, shown.id, shown.is_current = stored.written, shown_id, is_current
        return shown  # type: ignore[no-any-return]  # as above


def _derived(kind: Any, attributes: dict[str, Any]) -> Any:
    # By its definition Strawberry knows the type, for itself and not for what it is derived from.
    definition = vars(kind)["__strawberry_definition__"]
    return type(kind.__name__, (kind,), {**attributes, "__strawberry_definition__": definition})
