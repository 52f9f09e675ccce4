"""Values that are made quickly are made like any other frozen dataclass."""

from dataclasses import field, replace

import pytest

from mnesis.domain.quickly import quickly_made


@quickly_made
class Shelf:
    books: list[str] = field(default_factory=list)
    room: str
    floor: int = 3


def test_defaults_are_given_where_nothing_is() -> None:
    assert Shelf(room="kitchen") == Shelf(books=[], room="kitchen", floor=3)
    assert Shelf(room="kitchen").books is not Shelf(room="kitchen").books
    assert replace(Shelf(room="kitchen", books=["Emma"]), floor=1) == Shelf(books=["Emma"], room="kitchen", floor=1)


def test_what_has_no_default_must_be_given_and_nothing_else_can_be() -> None:
    with pytest.raises(TypeError, match="room"):
        Shelf()  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="colour"):
        Shelf(room="kitchen", colour="red")  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="positional"):
        Shelf(["Emma"], "kitchen")  # type: ignore[call-arg]
