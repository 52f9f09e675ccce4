"""What is asked for together, by one request, and so takes no more of what is bounded than one after another would."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_request: ContextVar[object | None] = ContextVar("mnesis_asked_together", default=None)


@contextmanager
def asked_together() -> Iterator[None]:
    """Whatever is asked for inside, by tasks that are made inside too, is asked for together."""
    if _request.get() is not None:
        yield
        return
    token = _request.set(object())
    try:
        yield
    finally:
        _request.reset(token)


def asker() -> object | None:
    """What stands for everything that is asked for together with what is asked for here; None where nothing is."""
    return _request.get()
