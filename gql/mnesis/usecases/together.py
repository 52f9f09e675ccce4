"""What is asked for together, by one request, and so takes no more of what is bounded than one after another would."""

from contextvars import ContextVar, Token
from types import TracebackType

_request: ContextVar[object | None] = ContextVar("mnesis_asked_together", default=None)


class asked_together:  # noqa: N801  # It is used as `contextlib`'s are.
    """Whatever is asked for inside, by tasks that are made inside too, is asked for together.

    Entered, it gives what stands for all of it: see `asker`.
    """

    __slots__ = ("_token",)

    # Every request passes here, and a generator would cost it several times as much.
    def __enter__(self) -> object:
        self._token: Token[object | None] | None = None
        request = _request.get()
        if request is None:
            request = object()
            self._token = _request.set(request)
        return request

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._token is not None:
            _request.reset(self._token)


def asker() -> object | None:
    """What stands for everything that is asked for together with what is asked for here; None where nothing is."""
    return _request.get()
