"""How a refusal sounds below a path whose clients speak another dialect than GraphQL's.

The gate, the router and the fault handler refuse before any edge runs; a client of another product's API must be able
to read that too.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from starlette.responses import Response
from starlette.types import Scope


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect:
    """The dialect of everything below ``prefix``.

    ``refusal`` makes the answer of a status, a message and what else is known of it, such as ``limit`` or ``errorId``.
    ``authorization`` makes of an ``Authorization`` header of the dialect's one that an `Authenticator` reads.
    """

    prefix: str
    refusal: Callable[[int, str, Mapping[str, Any]], Response]
    authorization: Callable[[str | None], str | None] = lambda header: header


def dialect_of(scope: Scope) -> Dialect | None:
    """The dialect in which a request is refused; None for GraphQL's."""
    app = scope.get("app")
    dialects: tuple[Dialect, ...] = getattr(app.state, "dialects", ()) if app is not None else ()
    return dialect_at(scope["path"], dialects)


def dialect_at(path: str, dialects: Sequence[Dialect]) -> Dialect | None:
    """The one of these dialects in which a path is spoken to; None where none of them is."""
    return next((each for each in dialects if path.startswith(each.prefix)), None)
