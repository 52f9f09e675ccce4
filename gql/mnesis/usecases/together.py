"""What is asked for together, by one request, and so takes no more of what is bounded than one after another would."""

from contextlib import AbstractContextManager
from contextvars import ContextVar, Token
from types import TracebackType

_request: ContextVar[object | None] = ContextVar("mnesis_asked_together", default=None)


def asked_together() -> AbstractContextManager[None]:
    """Whatever is asked for inside, by tasks that are made inside too, is asked for together."""
    return _Together()


class _Together:
    __slots__ = ("_token",)

    # Every request passes here, and a generator would cost it several times as much.
    def __enter__(self) -> None:
        self._token: Token[object | None] | None = None
        if _request.get() is None:
            self._token = _request.set(object())

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._token is not None:
            _request.reset(self._token)


def asker() -> object | None:
    """What stands for everything that is asked for together with what is asked for here; None where nothing is."""
    return _request.get()
