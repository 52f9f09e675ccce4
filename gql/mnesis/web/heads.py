"""The headers of a request by their names: gathered in one walk for everybody who asks."""

from collections.abc import Iterable, Sequence

from starlette.types import Scope

_KEPT = "mnesis.heads"


class Heads:
    """The headers of one request. Names are in small letters, as ASGI has them."""

    __slots__ = ("_given", "first")

    def __init__(self, headers: Iterable[tuple[bytes, bytes]]) -> None:
        given: Sequence[tuple[bytes, bytes]] = headers if isinstance(headers, list) else list(headers)
        first = dict(given)
        if len(first) != len(given):
            # Of several values, a dictionary keeps the one that it is given last.
            first = dict(reversed(given))
        self._given = given
        self.first = first
        """The first value of each header."""

    def every(self, name: bytes) -> list[bytes]:
        """All values of a header, in their order."""
        if name not in self.first:
            return []
        if len(self.first) == len(self._given):
            return [self.first[name]]
        return [value for given, value in self._given if given == name]


def heads_of(scope: Scope) -> Heads:
    """The headers of a request, which are gathered when they are first asked for."""
    heads: Heads | None = scope.get(_KEPT)
    if heads is None:
        heads = scope[_KEPT] = Heads(scope["headers"])
    return heads
