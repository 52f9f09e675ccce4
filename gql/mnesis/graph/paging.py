"""The arguments of connections: which part of an order a client wants."""

from mnesis.graph.cursors import CursorKind, read_cursor
from mnesis.graph.faults import CURSOR_INVALID, refused_argument
from mnesis.usecases.ports import Cursor, PageRequest

DEFAULT_PAGE = 20


def page_request(
    kind: CursorKind,
    most: int,
    *,
    first: int | None = None,
    after: str | None = None,
    last: int | None = None,
    before: str | None = None,
) -> PageRequest:
    """The page that is asked for, the first ones of the order by default.

    Raises GraphQLError for what cannot be meant; the error names the argument.
    """
    if first is not None and last is not None:
        raise refused_argument("last", "Give either first or last, not both.")
    backward = last is not None or (first is None and before is not None)
    if backward and after is not None:
        raise refused_argument("after", "after goes with first; with last, give before.")
    if not backward and before is not None:
        raise refused_argument("before", "before goes with last; with first, give after.")
    name, size = ("last", last) if backward else ("first", first)
    if size is None:
        size = min(DEFAULT_PAGE, most)
    elif not 0 <= size <= most:
        raise refused_argument(name, f"{name} is a number from 0 to {most}; this is {size}.")
    return PageRequest(
        size=size,
        after=_place(kind, "after", after),
        before=_place(kind, "before", before),
        backward=backward,
    )


def _place(kind: CursorKind, argument: str, text: str | None) -> Cursor | None:
    if text is None:
        return None
    cursor = read_cursor(kind, text)
    if cursor is None:
        raise refused_argument(argument, "This is not a cursor of this connection.", CURSOR_INVALID)
    return cursor
