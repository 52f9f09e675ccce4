"""The places of the rows of a page, of which mostly the first and the last are asked for."""

from collections.abc import Callable, Sequence
from typing import Generic, TypeVar, overload

from mnesis.usecases.ports import Cursor

T = TypeVar("T")


class Places(Sequence[Cursor], Generic[T]):
    """Equal to any sequence of the same places."""

    def __init__(self, rows: Sequence[T], place: Callable[[T], Cursor]) -> None:
        self._rows = rows
        self._place = place

    @overload
    def __getitem__(self, index: int) -> Cursor: ...

    @overload
    def __getitem__(self, index: slice) -> Sequence[Cursor]: ...

    def __getitem__(self, index: int | slice) -> Cursor | Sequence[Cursor]:
        if isinstance(index, slice):
            return Places(self._rows[index], self._place)
        return self._place(self._rows[index])

    def __len__(self) -> int:
        return len(self._rows)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and list(self) == list(other)
